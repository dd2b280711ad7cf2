"""Components are numbered by decreasing weight, unless a start was given that has an order."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    assert_same_bits,
    blobs,
    every_estimator,
    every_type,
    every_weight_prior,
    fit,
    given_start,
    one_hot,
    variational,
)
from skem import EMGaussianMixture, GaussianMixtureIC
from skem.families import GAUSSIAN_FAMILIES
from skem.inference import grow_tree
from skem.mixture._point import PointKind

X, LABELS = blobs(n=150, d=3, k=3, apart=6.0)


def unequal(seed=0):
    """Rows of clusters with 10, 20, 30 and 60 rows, the smallest first."""
    sizes, centres = [10, 20, 30, 60], [[0, 0], [9, 0], [0, 9], [9, 9]]
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), sizes)
    return rng.normal(size=(120, 2)) + np.array(centres)[labels], labels


@pytest.fixture
def as_it_comes(monkeypatch):
    """Let fits leave components in the order of the start."""

    def switch_off():
        monkeypatch.setattr(PointKind, "numbered", lambda self, estimator, problem, run: run)

    return switch_off


@pytest.mark.core
@every_estimator
@pytest.mark.parametrize(
    "init_params", ["auto", "kmeans", "k-means++", "hierarchical", "random_from_data"]
)
def test_the_largest_comes_first(estimator, init_params):
    rows, labels = unequal()
    for seed in range(3):
        mixture = fit(rows, 4, estimator=estimator, init_params=init_params, random_state=seed)
        assert (np.diff(mixture.weights_) <= 0).all()
        if init_params in ("auto", "hierarchical"):
            np.testing.assert_array_equal(mixture.predict(rows), 3 - labels)
            np.testing.assert_allclose(mixture.weights_, [0.5, 0.25, 1 / 6, 1 / 12], atol=0.02)


@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("covariance_type", GAUSSIAN_FAMILIES)
def test_nothing_but_the_order_changes(covariance_type, n_init, as_it_comes):
    common = {
        "covariance_type": covariance_type,
        "init_params": "random_from_data",
        "n_init": n_init,
        "random_state": 1,
    }
    ordered = fit(X, 4, **common)
    as_it_comes()
    plain = fit(X, 4, **common)
    order = np.argsort(-plain.weights_, kind="stable")
    assert n_init > 1 or (np.diff(order) < 0).any()
    shared = covariance_type in ("tied", "EEE")
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        values = getattr(plain, name)
        expected = values if shared and name[0] in "cp" else values[order]
        np.testing.assert_array_equal(getattr(ordered, name), expected, err_msg=name)
    for name in ("lower_bound_", "lower_bounds_", "n_iter_", "converged_"):
        assert getattr(ordered, name) == getattr(plain, name)
    np.testing.assert_array_equal(order[ordered.predict(X)], plain.predict(X))


def test_a_tree_has_no_order():
    rows, _ = unequal()
    mixture = fit(rows, 4, init_params=grow_tree(rows))
    assert (np.diff(mixture.weights_) <= 0).all()


@every_type
@pytest.mark.parametrize("name", ["weights_init", "means_init", "precisions_init", "all"])
def test_given_parameters_keep_their_order(covariance_type, name, as_it_comes):
    start = given_start(covariance_type)
    if name != "all":
        start = {name: start[name]}
    common = {"covariance_type": covariance_type, "random_state": 0, "max_iter": 3}
    mixture = fit(X, **common, **start)
    as_it_comes()
    assert_same_bits(mixture, fit(X, **common, **start), X)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_responsibilities_keep_their_order(order):
    rows, labels = unequal()
    start = one_hot(labels, 4)[:, order]
    mixture = fit(rows, 4, init_params=start)
    np.testing.assert_array_equal(np.array(order)[mixture.predict(rows)], labels)


def test_a_warm_start_keeps_its_order():
    rows, labels = unequal()
    mixture = EMGaussianMixture(4, random_state=0, warm_start=True).fit(rows)
    means = mixture.means_
    # Now the smallest cluster is the largest.
    weight = np.where(labels == 0, 50.0, 1.0)
    mixture.fit(rows, sample_weight=weight)
    np.testing.assert_allclose(mixture.means_, means, atol=0.5)
    assert np.argmax(mixture.weights_) == 3


@every_estimator
def test_steps_keep_the_order_of_the_first(estimator):
    rows, labels = unequal()
    mixture = estimator(4, random_state=0).fit(rows)
    means = mixture.means_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(30):
            mixture.partial_fit(rows, sample_weight=np.where(labels == 0, 50.0, 0.1))
    np.testing.assert_allclose(mixture.means_, means, atol=1.0)
    assert np.argmax(mixture.weights_) == 3


def test_equal_weights_keep_the_order_of_the_start(as_it_comes):
    common = {"weight_concentration_prior": np.inf, "init_params": "kmeans", "random_state": 0}
    mixture = fit(X, **common)
    np.testing.assert_array_equal(mixture.weights_, np.full(3, mixture.weights_[0]))
    as_it_comes()
    assert_same_bits(mixture, fit(X, **common), X)


@every_weight_prior
def test_posteriors_come_by_count(weight_prior):
    rows, labels = unequal()
    mixture = variational(rows, 7, weight_prior=weight_prior, random_state=0)
    assert (np.diff(mixture.weights_) <= 1e-12).all()
    assert (np.diff(mixture.expected_counts_) <= 0).all()
    np.testing.assert_array_equal(mixture.predict(rows), 3 - labels)


def test_the_choice_and_all_its_methods_agree():
    rows, labels = unequal()
    choice = GaussianMixtureIC((3, 4), covariance_type=["EII", "VII"], random_state=0).fit(rows)
    assert choice.best_params_["n_components"] == 4
    np.testing.assert_array_equal(choice.predict(rows), 3 - labels)
    np.testing.assert_array_equal(choice.transform(rows).argmax(axis=1), 3 - labels)
    assert (np.diff(choice.summary().sizes) <= 0).all()
    drawn, components = choice.sample(500, random_state=0)
    assert (choice.predict(drawn) == components).mean() > 0.99
