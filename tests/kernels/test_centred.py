"""Scores and sums about each component's own centre."""

import numpy as np
import pytest

from skem import kernels
from skem.kernels.arguments import CentredSpace

N_ROWS, N_COMPONENTS, N_FEATURES, N_PLACES = 17, 3, 3, 32
# Rows worked on at a time.
blocks = pytest.mark.parametrize("rows", [1, 4, 17, 32])


def case():
    """A tile; what the places without a row hold must not count."""
    rng = np.random.default_rng(4)
    values = rng.standard_normal((N_FEATURES + 2, N_PLACES))
    centres = rng.standard_normal((N_COMPONENTS, N_FEATURES))
    resp = rng.uniform(size=(N_PLACES, N_COMPONENTS))
    return rng, values, values[:N_FEATURES].T, centres, resp


def started(rng):
    """Sums that hold something already."""
    shape = (N_COMPONENTS, N_FEATURES)
    return [rng.standard_normal(size) for size in (N_COMPONENTS, shape, (*shape, N_FEATURES))]


def scratch(rows):
    """Room that holds NaN."""
    shapes = (N_FEATURES, rows), (N_FEATURES, rows), (N_FEATURES, N_FEATURES), rows
    return CentredSpace(*(np.full(shape, np.nan) for shape in shapes))


def test_centred_lines():
    _, values, Z, centres, _ = case()
    out = np.empty((N_FEATURES, N_ROWS))
    kernels.centred.centred_lines(values, 5, centres[1], out)
    np.testing.assert_array_equal(out.T, Z[5 : 5 + N_ROWS] - centres[1])


@pytest.mark.core
@blocks
@pytest.mark.parametrize("n_rows", [0, 1, 16, 17])
def test_centred_scores(n_rows, rows):
    rng, values, Z, centres, _ = case()
    factors = rng.standard_normal((N_COMPONENTS, N_FEATURES, N_FEATURES))
    constants = np.array([0.5, -np.inf, 3.0])
    out = np.full((N_COMPONENTS, N_PLACES + 8), np.nan)
    space = scratch(rows)
    kernels.centred.centred_scores(values, n_rows, centres, factors, constants, space, out)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            y = factors[k] @ (Z[i] - centres[k])
            np.testing.assert_allclose(out[k, i], constants[k] - 0.5 * y @ y, rtol=1e-12)
    assert np.isnan(out[:, -(-n_rows // rows) * rows :]).all()


@pytest.mark.core
@blocks
@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_centred_sums_are_added(n_rows, rows):
    rng, values, Z, centres, resp = case()
    sums = started(rng)
    wanted = [part.copy() for part in sums]
    kernels.centred.centred_sums(values, n_rows, centres, resp, scratch(rows), *sums)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            deviation = Z[i] - centres[k]
            wanted[0][k] += resp[i, k]
            wanted[1][k] += resp[i, k] * deviation
            wanted[2][k] += resp[i, k] * np.outer(deviation, deviation)
    for part, reference in zip(sums, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_rows", [0, 1, 17, 256, 300, 520])
def test_centred_diagonal_scores(n_rows):
    rng, _, _, centres, _ = case()
    values = rng.standard_normal((N_FEATURES + 2, n_rows + 8))
    precisions = rng.uniform(0.1, 4.0, centres.shape)
    constants = np.array([0.5, -np.inf, 3.0])
    out = np.full((N_COMPONENTS, n_rows + 8), np.nan)
    kernels.centred.centred_diagonal_scores(values, n_rows, centres, precisions, constants, out)
    deviations = values[:N_FEATURES, :n_rows].T[:, None] - centres
    wanted = constants - 0.5 * np.sum(precisions * deviations**2, axis=2)
    np.testing.assert_allclose(out[:, :n_rows].T, wanted, rtol=1e-12, atol=1e-13)
    assert np.isnan(out[:, n_rows:]).all()


@blocks
@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_centred_diagonal_sums_are_added(n_rows, rows):
    rng, values, Z, centres, resp = case()
    weight, first, _ = started(rng)
    second = rng.standard_normal(centres.shape)
    wanted = weight.copy(), first.copy(), second.copy()
    share = np.full(rows, np.nan)
    sums = weight, first, second
    kernels.centred.centred_diagonal_sums(values, n_rows, centres, resp, share, *sums)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            deviation = Z[i] - centres[k]
            wanted[0][k] += resp[i, k]
            wanted[1][k] += resp[i, k] * deviation
            wanted[2][k] += resp[i, k] * deviation**2
    for part, reference in zip((weight, first, second), wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-12, atol=1e-12)
