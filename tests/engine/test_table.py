"""A table read in any layout gives the same bits, and copies nothing as a whole."""

import tracemalloc

import numpy as np
import pytest
from oracles import cases

from skem import kernels
from skem.engine import Table, Tile, Workplace, make_table, plan_tiles
from skem.engine.gaps import index_gaps

LAYOUTS = ["C", "F", "read-only", "memmap", "sliced", "reversed", "transposed"]


def rows(dtype=np.float64):
    return np.random.default_rng(0).normal(5.0, 3.0, (41, 3)).astype(dtype)


def laid_out(X, layout, folder):
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if layout == "memmap":
        path = folder / "rows.npy"
        np.save(path, X)
        return np.load(path, mmap_mode="r")
    if layout == "sliced":
        return np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2]
    if layout == "reversed":
        return X[::-1].copy()[::-1]
    if layout == "transposed":
        return X.T.copy().T
    return X.copy()


def load(table, start, stop):
    tile = Tile(cases.small_plan(*table.X.shape, 2, 10, (64, 1, (8, 4))))
    table.load(start, stop, tile)
    return tile.values[:, : tile.n_rows].copy(), tile.weights[: tile.n_rows].copy()


@pytest.mark.core
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, dtype, tmp_path):
    X = rows(dtype)
    origin, scale = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(np.float64)
    for w in (None, weights):
        wanted = load(Table(X, w, origin, scale), 4, 37)
        got = load(Table(laid_out(X, layout, tmp_path), w, origin, scale), 4, 37)
        for a, b in zip(wanted, got, strict=True):
            np.testing.assert_array_equal(a, b)


def test_kernels_are_compiled_for_one_layout_only(tmp_path):
    # Each further layout would cost every user a compilation; with the JIT off there is none.
    for dtype in (np.float32, np.float64):
        for layout in LAYOUTS:
            load(cases.make_table(laid_out(rows(dtype), layout, tmp_path)), 4, 37)
    compiled = getattr(kernels.rows.load_tile, "signatures", [])
    assert {(signature[0].layout, signature[0].mutable) for signature in compiled} <= {("C", True)}


@pytest.mark.core
def test_load_standardises():
    X, origin, scale = rows(), np.array([5.0, 1.0, -3.0]), np.array([3.0, 0.5, 2.0])
    values, weights = load(Table(X, None, origin, scale), 4, 37)
    Z = (X[4:37] - origin) / scale
    np.testing.assert_allclose(values[:3].T, Z, rtol=1e-14)
    np.testing.assert_array_equal(values[3], 1.0)
    np.testing.assert_allclose(values[4], np.square(Z).sum(axis=1), rtol=1e-13)
    np.testing.assert_array_equal(weights, 1.0)


@pytest.mark.core
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.95, 1.0])
def test_kept_says_what_load_keeps(zeros):
    X, rng = rows(), np.random.default_rng(2)
    weights = rng.uniform(0.5, 2.0, len(X)) * (rng.uniform(size=len(X)) >= zeros)
    table = cases.make_table(X, weights)
    for start, stop in [(0, 41), (3, 20), (40, 41)]:
        values, kept_weights = load(table, start, stop)
        kept = table.kept(start, stop)
        np.testing.assert_array_equal(values[:3].T, X[start:stop][kept])
        np.testing.assert_array_equal(kept_weights, weights[start:stop][kept])


def test_without_weights_every_row_is_kept():
    table = cases.make_table(rows())
    assert table.kept(3, 9) == slice(None)


def test_total_weight():
    X = rows()
    assert cases.make_table(X).total_weight == 41.0
    weights = np.linspace(0, 1, 41)
    assert cases.make_table(X, weights).total_weight == pytest.approx(20.5, rel=1e-15)


def test_rows_are_not_changed():
    X = rows()
    before = X.copy()
    load(cases.make_table(X, origin=X.mean(axis=0)), 0, 41)
    np.testing.assert_array_equal(X, before)


@pytest.mark.filterwarnings(
    "ignore:overflow encountered:RuntimeWarning"
)  # where nothing is compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_a_data_frame_fill_a_tile_as_rows_do(dtype):
    X = np.random.default_rng(0).normal(5.0, 3.0, (3000, 5)).astype(dtype)
    X[7, 2], X[9], X[11, 4] = 3e38, -2e38, np.nan  # two rows too far out, and a gap
    weights = np.random.default_rng(1).integers(0, 2, len(X)).astype(np.float64)
    origin, scale = np.linspace(-5.0, 5.0, 5), np.geomspace(1e-150, 4.0, 5)
    for w in (None, weights):
        filled = []
        for order in "CF":
            tile = Tile(cases.small_plan(3000, 5, 2, 28, (2432, 1, (128, 28))))
            for array in (tile.values, tile.weights):
                array.fill(np.nan)  # of rows that were there before
            Table(np.asarray(X, order=order), w, origin, scale).load(3, 2405, tile)
            places = -(-tile.n_rows // 128) * 128
            filled.append((tile.n_rows, tile.values[:, :places], tile.weights[:places]))
        assert filled[0][0] == filled[1][0] > 1024
        for a, b in zip(filled[0][1:], filled[1][1:], strict=True):
            np.testing.assert_array_equal(a, b)
        assert np.isfinite(filled[0][1]).all()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_tile_of_a_table_with_gaps_copies_its_own_rows_alone(order):
    X = np.random.default_rng(0).normal(size=(40_000, 8))
    X[::3, 1] = np.nan
    table = make_table(np.asarray(X, order=order), None, np.zeros(8), np.ones(8))
    plan = plan_tiles(len(X), 8, 2, 45)
    tile = Workplace(plan).tile
    tiles = [piece for group in range(table.n_groups(plan)) for piece in table.tiles(plan, group)]
    table.load(*tiles[0], tile)  # makes the index, and compiles
    tracemalloc.start()
    table.load(*tiles[-1], tile)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 3
    rows = X[table.places(*tiles[-1])]
    np.testing.assert_array_equal(tile.values[:8, : tile.n_rows].T, np.nan_to_num(rows))


def test_rows_with_gaps_are_sorted_by_missing_cells_then_by_rows_of_a_pattern():
    patterns = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]], bool)
    which = np.array([0, 1, 3, 4, 1, 2, 0, 1, 4, 3, 2, 0, 4])
    X = np.where(patterns[which], np.nan, np.arange(39.0).reshape(13, 3))
    index = index_gaps(X, np.r_[0.0, np.ones(12)])
    # The first row has no weight, so that its pattern has two rows left.
    wanted = [2, 3, 1, 0, 4]
    np.testing.assert_array_equal(index.missing, patterns[wanted])
    np.testing.assert_array_equal(index.first, [0, 2, 4, 7, 9, 12])
    rows = np.arange(1, 13)
    expected = np.concatenate([rows[which[1:] == pattern] for pattern in wanted])
    np.testing.assert_array_equal(index.order, expected)
