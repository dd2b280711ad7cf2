"""Trees of model-based agglomeration, and starts that are cut from them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from oracles import agglomeration, cases, gaussian

from skem.engine import Threads
from skem.families import CategoricalWeights
from skem.inference import PointRule, Start, find_start, grow_tree


def table(n=24, d=3, seed=0):
    return cases.blobs(n, d, np.random.default_rng(seed), spread=3.0)


def assert_same_tree(one, other):
    for name in ("n_rows", "rows", "leaves", "merges"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def assert_partitions(tree, wanted):
    for k, labels in wanted.items():
        np.testing.assert_array_equal(tree.labels(k), labels)


@pytest.mark.core
@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_cut_of_small_tables(d, weighted, seed):
    X = table(d=d, seed=seed)
    weights = np.random.default_rng(seed).uniform(0.3, 3.0, len(X)) if weighted else None
    assert_partitions(grow_tree(X, weights), agglomeration.partitions(X, weights))


def test_fewer_rows_than_features():
    X = table(n=5, d=9)
    tree = grow_tree(X)
    assert_partitions(tree, agglomeration.partitions(X))


def test_labels_are_numbered_by_first_row():
    tree = grow_tree(table())
    for k in range(1, 25):
        labels = tree.labels(k)
        first = [np.flatnonzero(labels == label)[0] for label in range(k)]
        assert first == sorted(first)
        assert labels.max() == k - 1


def test_one_tree_is_nested():
    tree = grow_tree(table())
    for k in range(1, 24):
        pairs = set(zip(tree.labels(k), tree.labels(k + 1), strict=True))
        assert len(pairs) == k + 1


@pytest.mark.core
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 6])
def test_all_rows_the_same(n, dtype):
    tree = grow_tree(np.full((n, 2), 3.7, dtype))
    assert tree.merges.shape == (0, 2)
    for k in (1, 3, n):
        np.testing.assert_array_equal(tree.labels(k), np.zeros(n))


def test_two_distinct_rows():
    tree = grow_tree(np.array([[0.0, 1.0], [2.0, 5.0], [0.0, 1.0]]))
    assert tree.labels(1).tolist() == [0, 0, 0]
    assert tree.labels(2).tolist() == tree.labels(3).tolist() == [0, 1, 0]
    # Zeros of either sign are the same.
    tree = grow_tree(np.array([[2.0, 5.0], [0.0, 1.0], [-0.0, 1.0]], np.float32))
    assert tree.leaves.tolist() == [0, 1, 1]


def test_columns_in_other_units():
    X = table(40)
    plain = grow_tree(X)
    for factors in ([1e6, 1.0, 1e-6], [-1.0, 1e100, 1e-100]):
        assert_same_tree(grow_tree(X * factors), plain)
    assert_same_tree(grow_tree(X + 1e4), plain)


def test_columns_that_add_nothing():
    X = table(40)
    plain = grow_tree(X)
    assert_same_tree(grow_tree(np.c_[X, np.full(40, 5.0)]), plain)
    # The same column again: directions that rows don't vary in are left out.
    again = X[:30, [0, 1, 1, 1, 2]]
    assert_partitions(grow_tree(again), agglomeration.partitions(again))


def test_dtype_and_layout():
    X = np.round(table(40), 2).astype(np.float32)
    plain = grow_tree(X.astype(np.float64))
    read_only = np.asfortranarray(X)
    read_only.flags.writeable = False
    for same in (X, read_only, np.repeat(X, 2, axis=0)[::2]):
        assert_same_tree(grow_tree(same), plain)


def test_integer_weights_are_repeated_rows():
    X, count = table(30), np.random.default_rng(0).integers(0, 4, 30)
    rows = np.repeat(np.arange(30), count)
    weighted, repeated = grow_tree(X, count.astype(float)), grow_tree(X[rows])
    np.testing.assert_array_equal(weighted.rows, np.flatnonzero(count))
    np.testing.assert_array_equal(weighted.merges, repeated.merges)
    for k in range(1, len(weighted.rows) + 1):
        np.testing.assert_array_equal(
            np.repeat(weighted.labels(k), count[weighted.rows]), repeated.labels(k)
        )


@pytest.mark.parametrize("factor", [1e-300, 1e-3, 1e300])
def test_the_unit_of_the_weights_does_not_matter(factor):
    X, weights = table(30), np.random.default_rng(0).uniform(0.3, 3.0, 30)
    assert_same_tree(grow_tree(X, factor * weights), grow_tree(X, weights))
    assert_same_tree(grow_tree(X, np.full(30, factor)), grow_tree(X))


def test_rows_of_no_weight_are_not_there():
    X, weights = table(30), np.random.default_rng(0).uniform(0.3, 3.0, 30)
    weights[::3] = 0.0
    X[::3] = 1e300
    tree, kept = grow_tree(X, weights), weights > 0
    alone = grow_tree(X[kept], weights[kept])
    np.testing.assert_array_equal(tree.rows, np.flatnonzero(kept))
    np.testing.assert_array_equal(tree.merges, alone.merges)
    np.testing.assert_array_equal(tree.leaves, alone.leaves)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [21, 25, 60, 1000])
def test_many_rows_are_sampled(monkeypatch, n, weighted):
    monkeypatch.setattr("skem.inference.agglomeration._ROWS", 20)
    X = table(n)
    weights = None
    if weighted:
        weights = np.random.default_rng(1).uniform(size=n)
        weights[:: n // 2] = 0.0
        weights[-1] = 0.0
    candidates = np.arange(n) if weights is None else np.flatnonzero(weights)
    tree = grow_tree(X, weights)
    assert tree.n_rows == n
    places = np.searchsorted(candidates, tree.rows)
    np.testing.assert_array_equal(candidates[places], tree.rows)
    # One from each of twenty stretches of the table.
    edges = np.arange(21) * len(candidates) // 20
    assert len(places) == min(20, len(candidates))
    if len(candidates) > 20:
        assert (edges[:-1] <= places).all()
        assert (places < edges[1:]).all()
    alone = grow_tree(X[tree.rows], None if weights is None else weights[tree.rows])
    np.testing.assert_array_equal(tree.merges, alone.merges)
    assert_same_tree(grow_tree(X, weights), tree)


@pytest.mark.parametrize(("values", "n"), [(60, 20), (30, 10), (3, 7)])
def test_fewer_rows_of_wide_tables(monkeypatch, values, n):
    monkeypatch.setattr("skem.inference.agglomeration._ROWS", 20)
    monkeypatch.setattr("skem.inference.agglomeration._ROWS_OF_WIDE_TABLES", 7)
    monkeypatch.setattr("skem.inference.agglomeration._VALUES", values)
    assert len(grow_tree(table(50, 3)).rows) == n


def test_a_sample_is_not_in_step_with_the_table(monkeypatch):
    monkeypatch.setattr("skem.inference.agglomeration._ROWS", 200)
    rows = grow_tree(np.arange(800.0)[:, None]).rows
    assert np.bincount(rows % 4).min() > 30


def test_directions_are_limited(monkeypatch):
    monkeypatch.setattr("skem.inference.agglomeration._DIRECTIONS", 2)
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 2))
    # A third principal component that is nearly nothing, and would still count wholly.
    tree = grow_tree(np.c_[X, X @ [1.0, 0.5] + 1e-6 * rng.normal(size=30)])
    assert_same_tree(tree, grow_tree(np.c_[X, X @ [1.0, 0.5]]))


def test_frames_integers_and_lists():
    X = np.random.default_rng(0).integers(9, size=(30, 3))
    plain = grow_tree(X.astype(float))
    for same in (X, X.tolist(), pd.DataFrame(X)):
        assert_same_tree(grow_tree(same), plain)


@pytest.mark.parametrize(
    ("X", "weights", "message"),
    [
        ([[0.0], [np.nan]], None, "NaN"),
        ([[0.0], [1.0]], [1.0, -1.0], "egative"),
        ([[0.0], [1.0]], [1.0], "one value for each of the 2 rows"),
        ([[0.0, -1.7e308], [1.0, 1.7e308]], None, "column 1 is out of"),
    ],
)
def test_what_no_tree_can_be_grown_on(X, weights, message):
    with pytest.raises(ValueError, match=message):
        grow_tree(X, weights)


def test_pickle():
    tree = grow_tree(table())
    assert_same_tree(pickle.loads(pickle.dumps(tree)), tree)


def find(method, rows, k=3, seed=0):
    family = cases.make_family("full", 1e-2)
    rule = PointRule(CategoricalWeights(), family, family.flat_prior(rows.X.shape[1]))
    start = Start(method, k, np.random.RandomState(seed), rows, rows.origin, rows.scale)
    with Threads(1) as threads:
        return find_start(cases.make_passes(rows, family, k, threads, None), rule, start)


@pytest.mark.core
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("most", [20, 2000])
def test_a_start(monkeypatch, weighted, most):
    monkeypatch.setattr("skem.inference.agglomeration._ROWS", most)
    X = table(60, 2)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 3.0, 60) * (rng.uniform(size=60) < 0.8) if weighted else None
    rows = cases.make_table(X, weights, X.mean(axis=0), X.std(axis=0))
    tree = grow_tree(X, weights)
    w = np.ones(len(tree.rows)) if weights is None else weights[tree.rows]
    Z = ((X - rows.origin) / rows.scale)[tree.rows]
    for k in (2, 5):
        resp = np.eye(k)[tree.labels(k)]
        stats = gaussian.statistics("full", Z, w[:, None] * resp)
        share, means, covariances = gaussian.maximum_likelihood("full", *stats, 2)
        for method, seed in (("hierarchical", 0), ("hierarchical", 1), (tree, 0)):
            theta = find(method, rows, k, seed)
            np.testing.assert_allclose(theta.weights, share, rtol=1e-12)
            np.testing.assert_allclose(theta.components.means, means, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(
                theta.components.covariances, covariances + 1e-2 * np.eye(2), rtol=1e-9, atol=1e-12
            )


def test_a_tree_of_other_rows():
    rows = cases.make_table(table(30))
    with pytest.raises(ValueError, match="grown on 24 rows, but X has 30"):
        find(grow_tree(table()), rows)
