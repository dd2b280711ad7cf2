"""From rows to tiles: standardising, leaving out rows of no weight, rows far out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skem import kernels
from skem.engine import Table, Tile, plan_tiles

FARTHEST = kernels.rows.FARTHEST


def load(X, weights, origin=None, scale=None):
    """Return the kept rows (n, D + 2) and weights that a tile receives."""
    n_rows, n_features = X.shape
    origin = np.zeros(n_features) if origin is None else origin
    scale = np.ones(n_features) if scale is None else scale
    plan = plan_tiles(n_rows, n_features, 2, n_features)
    tile = Tile(plan)
    tile.values.fill(np.nan)
    tile.weights.fill(np.nan)
    Table(X, weights, origin, scale).load(0, n_rows, tile)
    block_rows = plan.chunks[0]
    n_places = -(-tile.n_rows // block_rows) * block_rows
    assert (tile.values[:, tile.n_rows : n_places] == 0.0).all()
    assert (tile.weights[tile.n_rows : n_places] == 0.0).all()
    return tile.values[:, : tile.n_rows].T, tile.weights[: tile.n_rows]


@pytest.mark.parametrize(("n_rows", "n_places"), [(0, 0), (0, 4), (3, 3), (16, 24), (35, 40)])
def test_load_tile_fills_places_and_no_more(n_rows, n_places):
    X = np.random.default_rng(0).standard_normal((n_rows, 2))
    values = np.full((4, 42), np.nan)
    weights = np.arange(1.0, n_rows + 1)
    tile_weights = np.full(42, np.nan)
    n_far = kernels.rows.load_tile(
        X, weights, np.zeros(2), np.ones(2), n_places, values, tile_weights
    )
    assert n_far == 0
    np.testing.assert_array_equal(tile_weights[:n_rows], weights)
    np.testing.assert_array_equal(tile_weights[n_rows:n_places], 0.0)
    assert np.isnan(tile_weights[n_places:]).all()
    np.testing.assert_array_equal(values[:2, :n_rows], X.T)
    np.testing.assert_array_equal(values[2, :n_rows], 1.0)
    np.testing.assert_array_equal(values[:, n_rows:n_places], 0.0)
    assert np.isnan(values[:, n_places:41]).all()


def test_load_tile_counts_the_rows_far_out():
    X = np.array([[1.0], [2e100], [-1e308], [1e99]])
    given = X, np.ones(4), np.zeros(1), np.ones(1)
    with np.errstate(over="ignore"):
        assert kernels.rows.load_tile(*given, 4, np.empty((3, 5)), np.empty(4)) == 2


def expected(X, weights, origin, scale):
    rows, kept = [], []
    for x, w in zip(X.astype(np.float64), weights, strict=True):
        if w > 0:
            z = (x - origin) / scale
            rows.append([*z, 1.0, np.sum(z * z)])
            kept.append(w)
    return np.array(rows).reshape(-1, X.shape[1] + 2), np.array(kept)


@pytest.mark.core
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=30, deadline=None)
@given(
    n_rows=st.integers(1, 35),
    n_features=st.integers(1, 4),
    zeros=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_load_tile(dtype, n_rows, n_features, zeros, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(3.0, 2.0, (n_rows, n_features)).astype(dtype)
    weights = rng.uniform(0.1, 3.0, n_rows) * (rng.uniform(size=n_rows) >= zeros)
    origin, scale = rng.normal(3.0, 1.0, n_features), rng.uniform(0.1, 5.0, n_features)
    rows, kept = load(X, weights, origin, scale)
    wanted, wanted_weights = expected(X, weights, origin, scale)
    np.testing.assert_array_equal(kept, wanted_weights)
    np.testing.assert_allclose(rows, wanted, rtol=1e-14, atol=1e-15)


def test_rows_without_weight_are_not_even_read():
    X = np.arange(36.0).reshape(18, 2)
    weights = np.ones(18)
    weights[[0, 5, 17]] = 0.0
    X[weights == 0] = np.nan
    rows, kept = load(X, weights)
    assert len(kept) == 15
    np.testing.assert_array_equal(rows[:, :2], X[weights > 0])


@pytest.mark.parametrize("n_rows", [3, 8, 13])
@pytest.mark.parametrize("zero", [None, 1])
def test_origin_is_subtracted_before_scaling(n_rows, zero):
    # A shift of 1e8 leaves the difference's digits untouched, in every branch.
    near = np.arange(1.0, n_rows + 1)
    weights = np.ones(n_rows)
    if zero is not None:
        weights[zero] = 0.0
    rows, _ = load(1e8 + near[:, None], weights, np.array([1e8]), np.array([3.0]))
    np.testing.assert_array_equal(rows[:, 0], near[weights > 0] * (1.0 / 3.0))


def load_far(rows):
    X = np.array(rows, dtype=np.float64)
    # With the JIT off, numpy warns of the very overflow that is caught there.
    with np.errstate(over="ignore"):
        return load(X, np.ones(len(X)))[0]


@pytest.mark.parametrize(
    "row",
    [[3e200, -4e200], [1e308, 1e308], [1e120, 0.0], [0.9e100, 0.9e100], [-2e100, 1e-300]],
)
def test_rows_beyond_farthest_are_drawn_back_along_their_direction(row):
    z = load_far([row])[0]
    direction = np.array(row) / np.abs(row).max()
    direction /= np.linalg.norm(direction)
    np.testing.assert_allclose(z[:2] / FARTHEST, direction, rtol=1e-12, atol=1e-300)


def test_norm_of_a_row_drawn_back_is_its_squared_length():
    z = load_far([[3e200, -4e200, 1e199]])[0]
    assert z[3] == 1.0
    np.testing.assert_allclose(z[4], np.sum(np.square(z[:3])), rtol=1e-14)


def test_infinite_after_standardising():
    X = np.array([[1e308, 1.0], [-1e308, 2.0]])
    with np.errstate(over="ignore"):
        rows, _ = load(X, np.ones(2), np.zeros(2), np.array([1e-153, 1.0]))
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows[:, 0], [FARTHEST, -FARTHEST], rtol=1e-12)


def test_a_row_drawn_back_leaves_its_neighbours():
    near = [[1.0, 2.0], [3.0, -4.0]]
    rows = load_far([near[0], [1e250, 1.0], near[1]])
    np.testing.assert_array_equal(rows[[0, 2], :2], near)
    np.testing.assert_array_equal(rows[[0, 2], 3], [5.0, 25.0])


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_rows_up_to_farthest_stay(fraction):
    row = fraction * FARTHEST * np.array([0.6, 0.8]) * (1 - 1e-15)
    np.testing.assert_array_equal(load_far([row])[0, :2], row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_column_deviations(dtype):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((13, 3)).astype(dtype)
    weights = rng.integers(0, 3, 13).astype(np.float64)
    start, scale = rng.standard_normal(3), rng.uniform(0.5, 2.0, 3)
    sums, squares, largest = np.full(3, 10.0), np.full(3, 20.0), np.array([0.1, 0.1, 99.0])
    kernels.rows.column_deviations(X, weights, start, scale, sums, squares, largest)
    deviations = (X.astype(np.float64) - start) / scale
    np.testing.assert_allclose(sums, 10 + weights @ deviations, rtol=1e-13)
    np.testing.assert_allclose(squares, 20 + weights @ deviations**2, rtol=1e-13)
    seen = np.abs(deviations[weights > 0]).max(axis=0)
    np.testing.assert_allclose(largest, [seen[0], seen[1], 99.0], rtol=1e-13)


def test_unknown_kernels_are_named():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = kernels.nothing_here
