"""The merging loop against one that evaluates every union from its rows, and against mclust."""

from pathlib import Path

import numpy as np
import pytest
from oracles import agglomeration
from sklearn.datasets import load_iris

from skem import kernels

DATA = Path(__file__).parents[1] / "data"


def merges(X, weights, *rule, blur=None):
    n, p = X.shape
    blur = np.zeros((p, p)) if blur is None else blur
    result = np.full((n - 1, 2), -1)
    scratch = np.full((n, n), np.nan)
    kernels.agglomeration.agglomerate(
        X.copy(), weights.copy(), blur[np.tril_indices(p)], *rule, result, scratch
    )
    return result


@pytest.mark.core
@pytest.mark.parametrize("n_features", [1, 2, 3, 5])
@pytest.mark.parametrize("floor", [1e-3, 1.0])
@pytest.mark.parametrize("fraley", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_merge_is_the_cheapest(n_features, floor, fraley, weighted):
    rng = np.random.default_rng(n_features)
    X = rng.standard_normal((22, n_features)) * rng.choice([0.2, 1.0, 3.0], (22, 1))
    weights = rng.uniform(0.2, 3.0, 22) if weighted else np.ones(22)
    rule = (floor, 1.0, np.inf, 1) if fraley else (floor, 0.5, 4.0, n_features)
    np.testing.assert_array_equal(
        merges(X, weights, *rule), agglomeration.merges(X, weights, *rule)
    )


@pytest.mark.core
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_blurred_rows(n_features):
    rng = np.random.default_rng(n_features)
    X, weights = rng.standard_normal((22, n_features)), rng.uniform(0.2, 3.0, 22)
    root = rng.standard_normal((n_features, n_features))
    rule, blur = (0.1, 0.5, 4.0, n_features), root @ root.T
    found = merges(X, weights, *rule, blur=blur)
    np.testing.assert_array_equal(found, agglomeration.merges(X, weights, *rule, blur))
    assert not np.array_equal(found, merges(X, weights, *rule))


def test_mclust():
    # Its form of the criterion, on its scale; tests/data holds its partitions.
    X, rows, count = np.unique(load_iris().data, axis=0, return_inverse=True, return_counts=True)
    weights = count / count.mean()
    X = agglomeration.rescale(X, weights)
    steps = merges(X, weights, (weights @ X**2).sum() / X.size, 1.0, np.inf, 1)
    wanted = np.loadtxt(DATA / "mclust_iris_partitions.csv", delimiter=",", dtype=int, skiprows=1)
    for k in range(1, 10):
        pairs = set(zip(agglomeration.cut(steps, k)[rows.ravel()], wanted[:, k - 1], strict=True))
        assert len(pairs) == k


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units_where_determinants_are_out_of_range(unit):
    X = np.random.default_rng(0).standard_normal((20, 6))
    wanted = merges(X, np.ones(20), 0.1, 0.2, 9.0, 6)
    got = merges(unit * X, np.ones(20), 0.1 * unit**2, 0.2, 9.0, 6)
    np.testing.assert_array_equal(got, wanted)


def test_rows_on_a_line_in_a_plane():
    # Determinants are zero, or what rounding makes of that: traces alone decide.
    rng = np.random.default_rng(0)
    t = rng.standard_normal((15, 1))
    X, weights, rule = np.hstack([t, np.zeros_like(t)]), np.ones(15), (0.1, 0.5, 3.0, 2)
    np.testing.assert_array_equal(
        merges(X, weights, *rule), agglomeration.merges(X, weights, *rule)
    )


def test_of_equal_pairs_the_first():
    X = np.array([[0.0], [1.0], [5.0], [6.0]])
    assert merges(X, np.ones(4), 1.0, 1.0, np.inf, 1).tolist() == [[0, 1], [2, 3], [0, 2]]


def test_two_rows_and_one():
    assert merges(np.zeros((2, 3)), np.ones(2), 1.0, 1.0, 5.0, 3).tolist() == [[0, 1]]
    assert merges(np.zeros((1, 3)), np.ones(1), 1.0, 1.0, 5.0, 3).shape == (0, 2)
