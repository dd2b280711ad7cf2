"""Matrix products against NumPy's."""

import numpy as np
import pytest

from skem.kernels import product
from skem.kernels.tiles import N_ROWS, N_VECTORS, VECTOR_BYTES

# What is around the edges of a tile, of a block of steps and of a table that is copied.
WIDEST = N_VECTORS * VECTOR_BYTES // 4
SHAPES = [
    (1, 1, 1),
    (2, 3, 5),
    (N_ROWS, 8, WIDEST),
    (N_ROWS - 1, 1, WIDEST - 1),
    (N_ROWS + 1, product.N_INNER, WIDEST + 1),
    (3 * N_ROWS + 2, product.N_INNER + 1, 2 * WIDEST + 17),
    (13, 2 * product.N_INNER_ACROSS + 5, 7),
    (40, 300, 230),
    (40, 300, 70),
    (5, 2, 0),
]


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products(shape, dtype):
    a, b = _factors(shape, dtype)
    exact = a.astype(float) @ b.astype(float)
    scale = np.abs(a).astype(float) @ np.abs(b).astype(float)
    for multiply, left, right in _forms(a, b):
        # What is beside the result stays as it is.
        room = np.full((len(exact) + 2, exact.shape[1]), 7, dtype)
        out = room[1:-1]
        out[:] = np.nan
        multiply(left, right, out)
        assert (np.abs(out - exact) <= 40 * np.finfo(dtype).eps * scale).all()
        assert (room[[0, -1]] == 7).all()


@pytest.mark.skipif(product.disabled, reason="a library's products depend on all rows")
def test_a_row_is_the_same_whatever_rows_are_beside_it():
    a, b = _factors((20, 150, 90), np.float32)
    for multiply, left, right in _forms(a, b):
        out = np.empty((20, 90), np.float32)
        multiply(left, right, out)
        for row in (0, 13, 19):
            alone = np.empty((1, 90), np.float32)
            mine = a[[row]] if left is a else np.ascontiguousarray(a[[row]].T)
            multiply(mine, right, alone)
            np.testing.assert_array_equal(alone[0], out[row])


def test_what_is_no_number_stays_in_its_row():
    a, b = _factors((8, 5, 30), np.float64)
    a[3, 2], a[5, 1] = np.nan, np.inf
    for multiply, left, right in _forms(a, b):
        out = np.empty((8, 30))
        multiply(np.where(np.isfinite(left), left, np.nan), right, out)
        assert np.isnan(out[[3, 5]]).all()
        assert np.isfinite(np.delete(out, [3, 5], axis=0)).all()
