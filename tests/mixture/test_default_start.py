"""The default start: no lower than others where rows are plenty, no wilder where they are few."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from mixture.tables import assert_same_bits, core, every_type, fit, many_rows
from skem import EMGaussianMixture
from skem.datasets import load_faithful
from skem.families import GAUSSIAN_FAMILIES

PENGUINS = Path(__file__).parents[1] / "data" / "penguins.csv"


def overlapping(seed, n=300):
    """Rows of four clusters of unequal shapes that overlap."""
    rng = np.random.default_rng(seed)
    means = 1.5 * rng.normal(size=(4, 3))
    factors = rng.normal(size=(4, 3, 6)) / np.sqrt(6.0)
    labels = rng.integers(4, size=n)
    return means[labels] + np.einsum("nij,nj->ni", factors[labels], rng.normal(size=(n, 6)))


TABLES = {
    "faithful": lambda: load_faithful().data,
    "penguins": lambda: np.loadtxt(PENGUINS, delimiter=",", skiprows=1)[:, :4],
    "overlapping": lambda: overlapping(0),
}


@many_rows
@pytest.mark.parametrize("table", TABLES)
@every_type
def test_where_rows_are_plenty_no_other_start_ends_higher(table, covariance_type):
    X = TABLES[table]()
    n, d = X.shape
    common = {"covariance_type": covariance_type, "random_state": 0, "tol": 1e-5, "max_iter": 1000}
    family = GAUSSIAN_FAMILIES[covariance_type](0.0)
    plenty = [k for k in (2, 3, 4) if n >= 10 * (k - 1 + family.n_parameters(k, d))]
    assert plenty
    for k in plenty:
        default, *others = (
            fit(X, k, init_params=start, **common).lower_bound_
            for start in ("auto", "kmeans", "hierarchical")
        )
        assert default >= max(others) - 1e-4, k


@many_rows
def test_a_tree_of_more_rows_is_no_better():
    # A tree of 600 of them is not the one that init_params="hierarchical" grows.
    X = overlapping(2, 900)
    common = {"covariance_type": "tied", "random_state": 0, "tol": 1e-5, "max_iter": 1000}
    default, tree = (fit(X, 4, init_params=m, **common) for m in ("auto", "hierarchical"))
    assert default.lower_bound_ >= tree.lower_bound_ - 1e-4


@core
@every_type
def test_few_rows_of_one_cluster_are_not_searched_for_more(covariance_type):
    # Nothing is there to be found, so whatever raises the likelihood more is chance.
    for seed in range(4):
        X = np.random.default_rng(seed).normal(size=(40, 5))
        common = {"covariance_type": covariance_type, "random_state": seed}
        assert_same_bits(fit(X, 3, **common), fit(X, 3, init_params="kmeans", **common))


@core
def test_few_rows_of_long_clusters():
    # k-means cuts them across; rows left out say that they lie along.
    labels = np.arange(90) % 2
    right = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(90, 2)) * [30.0, 1.0] + np.outer(labels, [0.0, 9.0])
        X = X @ [[1.0, 1.0], [1.0, -1.0]]
        mixtures = [fit(X, 2, random_state=seed, init_params=m) for m in ("kmeans", "auto")]
        right.append([adjusted_rand_score(labels, m.predict(X)) > 0.9 for m in mixtures])
    by_k_means, by_default = np.sum(right, axis=0)
    assert by_k_means == 0
    assert by_default >= 3


def test_common_factors_of_weights_change_nothing():
    X = overlapping(3, 60)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    one, other = (fit(X, 3, random_state=0, sample_weight=c * weights) for c in (1.0, 1e3))
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-9)
    np.testing.assert_allclose(one.lower_bound_, other.lower_bound_, rtol=1e-9)


def test_sexes_of_crabs_are_told_apart_by_a_short_axis():
    """50 of each sex of two species lie side by side, and the longest axis is their size."""
    X = np.loadtxt(PENGUINS.with_name("crabs.csv"), delimiter=",", skiprows=1)
    blue_or_orange_by_sex = np.repeat([0, 0, 1, 2], 50)
    right = EMGaussianMixture(3, init_params=np.eye(3)[blue_or_orange_by_sex]).fit(X)
    assert right.score(X) == pytest.approx(-6.4064, abs=1e-3)
    assert EMGaussianMixture(3, random_state=0).fit(X).score(X) > right.score(X) - 1e-3
