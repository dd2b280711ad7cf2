"""Matrix products against NumPy's."""

import numpy as np
import pytest

from skem.kernels import product
from skem.kernels.tiles import N_ROWS, N_VECTORS, VECTOR_BYTES

# What is around the edges of a tile, of a block of steps and of a table that is copied.
WIDEST = N_VECTORS * VECTOR_BYTES // 4
EDGES = [
    (1, 1, 1),
    (2, 3, 5),
    (N_ROWS, 8, WIDEST),
    (N_ROWS - 1, 1, WIDEST - 1),
    (N_ROWS + 1, product.N_INNER, WIDEST + 1),
    (3 * N_ROWS + 2, product.N_INNER + 1, 2 * WIDEST + 17),
    (13, 2 * product.N_INNER_ACROSS + 5, 7),
    (40, 300, 230),
]
# By the library, because it is small or narrow or large across, and by tiles.
CHOICES = [(3, 4, 5), (70, 70, 70), (300, 200, 9), (40, 300, 230)]


def _factors(shape, dtype):
    n_rows, n_inner, n_columns = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n_rows, n_inner)), rng.normal(size=(n_inner, n_columns))
    return a.astype(dtype), b.astype(dtype)


def _forms(a, b):
    across = np.ascontiguousarray
    yield product.multiply, a, b
    yield product.multiply_left_transposed, across(a.T), b
    yield product.multiply_right_transposed, a, across(b.T)


def _by_tiles(a, b):
    n_rows, n_inner = a.shape
    across = np.ascontiguousarray
    yield lambda out: product._product(a.ravel(), n_inner, 1, b, out)
    yield lambda out: product._product(across(a.T).ravel(), 1, n_rows, b, out)
    yield lambda out: product._product_across(a.ravel(), across(b.T), out)


def _assert_product(multiply, a, b):
    exact = a.astype(float) @ b.astype(float)
    scale = np.abs(a).astype(float) @ np.abs(b).astype(float)
    # What is beside the result stays as it is.
    room = np.full((len(exact) + 2, exact.shape[1]), 7, a.dtype)
    out = room[1:-1]
    out[:] = np.nan
    multiply(out)
    assert (np.abs(out - exact) <= 40 * np.finfo(a.dtype).eps * scale).all()
    assert (room[[0, -1]] == 7).all()


every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
tiles_only = pytest.mark.skipif(product.disabled, reason="tiles are for compiled code alone")


@every_dtype
@pytest.mark.parametrize("shape", CHOICES, ids=str)
def test_products(shape, dtype):
    a, b = _factors(shape, dtype)
    for multiply, left, right in _forms(a, b):
        _assert_product(lambda out, f=multiply, x=left, y=right: f(x, y, out), a, b)


@tiles_only
@every_dtype
@pytest.mark.parametrize("shape", EDGES, ids=str)
def test_edges_of_tiles(shape, dtype):
    a, b = _factors(shape, dtype)
    for multiply in _by_tiles(a, b):
        _assert_product(multiply, a, b)


@tiles_only
def test_a_row_is_the_same_whatever_rows_are_beside_it():
    a, b = _factors((20, 150, 90), np.float32)
    whole = np.empty((20, 90), np.float32)
    for number, multiply in enumerate(_by_tiles(a, b)):
        multiply(whole)
        for row in (0, 13, 19):
            alone = np.empty((1, 90), np.float32)
            list(_by_tiles(a[[row]], b))[number](alone)
            np.testing.assert_array_equal(alone[0], whole[row])


@tiles_only
def test_what_is_no_number_stays_in_its_row():
    a, b = _factors((8, 5, 30), np.float64)
    a[[3, 5], [2, 1]] = np.nan, np.inf
    out = np.empty((8, 30))
    for multiply in _by_tiles(a, b):
        multiply(out)
        assert np.isnan(out[3]).all()
        assert not np.isfinite(out[5]).any()
        assert np.isfinite(np.delete(out, [3, 5], axis=0)).all()
