"""Sums over distinct rows with weights are those over all rows."""

from typing import NamedTuple

import numpy as np
import pytest

from skem import EMMixture
from skem.engine import Tile, make_block_table, plan_tiles
from skem.engine.blocks import Blocks


class AsTheyAre(NamedTuple):
    """Lines that are the columns."""

    def lines(self, X):
        return Blocks(X, np.full(X.shape[1], -1))

    def features(self, X, origin, scale):
        return X


def table_of(X, weights=None):
    d = X.shape[1]
    return make_block_table(X, weights, np.zeros(d), np.ones(d), AsTheyAre(), gappy=False)


@pytest.mark.core
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_and_their_weights(weighted):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (200, 3)).astype(float)
    weights = rng.integers(0, 3, 200).astype(float) if weighted else None
    found = table_of(X, weights).distinct
    rows, which, counts = np.unique(X, axis=0, return_inverse=True, return_counts=True)
    wanted = counts if weights is None else np.bincount(which.ravel(), weights)
    order = np.lexsort(found.X.T[::-1])
    np.testing.assert_array_equal(found.X[order], rows)
    np.testing.assert_array_equal(found.weights[order], wanted)
    first = [np.flatnonzero((row == X).all(axis=1))[0] for row in found.X]
    assert first == sorted(first)


def test_few_equal_rows_are_not_worth_while():
    X = np.random.default_rng(0).standard_normal((300, 2))
    X[200:] = X[:100]
    table = table_of(X)
    assert table.distinct is table


def test_a_key_in_common_is_no_equality():
    # Keys are sums of the columns, each times one of these.
    a, b = np.random.RandomState(0).uniform(1.0, 2.0, 2)
    X = np.tile([[b, 0.0], [0.0, a], [b, 0.0]], (50, 1))
    table = table_of(X)
    assert table.distinct is table


@pytest.mark.core
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gap", [False, True])
def test_fits_are_those_of_all_rows(weighted, gap, monkeypatch):
    rng = np.random.default_rng(1)
    odds = rng.uniform(0.1, 0.9, (2, 5))
    X = (rng.uniform(size=(300, 5)) < odds[rng.integers(2, size=300)]).astype(float)
    if gap:
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
    weights = rng.uniform(0.0, 2.0, 300) if weighted else None
    resp = rng.dirichlet([1.0, 1.0], 300)

    def fit():
        columns = [("bernoulli", [0, 1, 2]), ("poisson", [3, 4])]
        mixture = EMMixture(2, columns=columns, init_params=resp, tol=0.0, max_iter=5)
        return mixture.fit(X, sample_weight=weights)

    with pytest.warns(UserWarning, match="did not converge"):
        short = fit()
    monkeypatch.setattr("skem.engine.blocks._MOST_DISTINCT", 0.0)
    with pytest.warns(UserWarning, match="did not converge"):
        plain = fit()
    np.testing.assert_allclose(short.lower_bounds_, plain.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(short.weights_, plain.weights_, rtol=1e-10)
    np.testing.assert_allclose(short.score_samples(X), plain.score_samples(X), rtol=1e-10)


@pytest.mark.core
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gap", [False, True])
def test_rows_that_are_loaded_again_are_the_same(weighted, gap):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((300, 2))
    if gap:
        X[rng.uniform(size=X.shape) < 0.5] = np.nan
    weights = rng.integers(0, 3, 300).astype(float) if weighted else None
    units = np.zeros(2), np.ones(2)
    table, other = (
        make_block_table(rows, weights, *units, AsTheyAre(), gappy=gap) for rows in (X, X + 1)
    )
    index = table.places(100, 180)
    rows = np.arange(300)[index][table.kept(100, 180)]
    plans = plan_tiles(300, 2, 3, 5), plan_tiles(300, 2, 400, 5)
    assert plans[0].chunks[0] > plans[1].chunks[0]  # so more places are filled up with zeros
    for plan in (*plans, *plans):
        tile = Tile(plan)
        for _ in range(4):
            other.load(0, 100, tile)  # does not write into what the first table keeps
            table.load(100, 180, tile)
            for lines in (tile.lines, tile.of_components(2).lines):
                values = lines.values[:2, : tile.n_rows].T
                np.testing.assert_array_equal(values, np.nan_to_num(X[rows]))
                wanted = 1.0 if weights is None else weights[rows]
                np.testing.assert_array_equal(lines.weights[: tile.n_rows], wanted)
                places = slice(tile.n_rows, -(-tile.n_rows // plan.chunks[0]) * plan.chunks[0])
                assert not lines.values[:, places].any()
                assert not lines.weights[places].any()
            if gap:
                lengths = np.diff(tile.gaps.first)
                missing = np.repeat(tile.gaps.missing, lengths, axis=0)
                np.testing.assert_array_equal(missing, np.isnan(X[rows]))
