"""Products of lines, against NumPy's."""

import numpy as np
import pytest

from skem.kernels.lines import add_combinations, add_inner_products


@pytest.fixture(params=[(1, 1), (4, 2), (8, 5), (9, 4), (15, 3), (24, 1)], ids=str)
def arrays(request):
    """Lines with NaN after those in use, coefficients for them from the third on, and shares."""
    n, n_components = request.param
    rng = np.random.default_rng(n)
    lines = np.full((n + 2, 37), np.nan)
    lines[:n] = rng.standard_normal((n, 37))
    return n, lines, rng.standard_normal((n + 2, n_components)), rng.random((n_components, 37))


def test_combinations_are_added(arrays):
    n, lines, coefficients, shares = arrays
    out = shares.copy()
    add_combinations(coefficients, 2, n, lines, out)
    wanted = shares + coefficients[2:].T @ lines[:n]
    np.testing.assert_allclose(out, wanted, rtol=1e-13, atol=1e-13)


def test_inner_products_are_added(arrays):
    n, lines, sums, shares = arrays
    out = sums.copy()
    add_inner_products(lines, n, shares, 2, out)
    np.testing.assert_array_equal(out[:2], sums[:2])
    np.testing.assert_allclose(out[2:], sums[2:] + lines[:n] @ shares.T, rtol=1e-13, atol=1e-13)
