"""Products of lines, against NumPy's."""

import numpy as np
import pytest
from oracles.callees import from_python

from skem.kernels import lines as kernels

add_combinations = from_python(kernels.add_combinations)
add_inner_products = from_python(kernels.add_inner_products)

SIZES = [(1, 1), (4, 2), (7, 3), (8, 5), (9, 4), (15, 3), (24, 1)]


@pytest.fixture(params=SIZES, ids=str)
def arrays(request):
    """Lines, NaN but for those in use, and a line more than there are components."""
    n, n_components = request.param
    rng = np.random.default_rng(n)
    lines = np.full((n + 3, 45), np.nan)
    lines[1 : n + 1, 5:42] = rng.standard_normal((n, 37))
    return n, lines, rng.standard_normal((n + 2, n_components)), rng.random((n_components + 1, 37))


@pytest.mark.parametrize("column", [0, 2])
def test_combinations_are_added(arrays, column):
    n, lines, coefficients, shares = arrays
    coefficients = np.hstack([np.full((n + 2, column), np.nan), coefficients])
    out = shares.copy()
    add_combinations(coefficients, 2, column, lines, 1, n, 5, out)
    wanted = shares[:-1] + coefficients[2:, column:].T @ lines[1 : n + 1, 5:42]
    np.testing.assert_allclose(out[:-1], wanted, rtol=1e-13, atol=1e-13)


def test_inner_products_are_added(arrays):
    n, lines, sums, shares = arrays
    shares[-1] = np.nan
    n_components = sums.shape[1]
    sums = np.hstack([sums, np.ones((n + 2, 1))])  # with a column that is none of the components'
    out = sums.copy()
    add_inner_products(lines, 1, n, 5, shares, out, 2)
    wanted = sums.copy()
    wanted[2:, :n_components] += lines[1 : n + 1, 5:42] @ shares[:-1].T
    np.testing.assert_allclose(out, wanted, rtol=1e-13, atol=1e-13)
