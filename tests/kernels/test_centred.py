"""Scores and sums about each component's own centre."""

import numpy as np
import pytest

from skem import kernels

N_ROWS, N_COMPONENTS, N_FEATURES = 17, 3, 3


def case():
    rng = np.random.default_rng(4)
    values = rng.standard_normal((N_FEATURES + 2, N_ROWS + 8))
    centres = rng.standard_normal((N_COMPONENTS, N_FEATURES))
    resp = rng.uniform(size=(N_ROWS, N_COMPONENTS))
    return rng, values, values[:N_FEATURES].T, centres, resp


def started(rng):
    """Sums that hold something already."""
    shape = (N_COMPONENTS, N_FEATURES)
    return [rng.standard_normal(size) for size in (N_COMPONENTS, shape, (*shape, N_FEATURES))]


def test_centred_lines():
    _, values, Z, centres, _ = case()
    out = np.empty((N_FEATURES, N_ROWS))
    kernels.centred.centred_lines(values, N_ROWS, centres[1], out)
    np.testing.assert_array_equal(out.T, Z[:N_ROWS] - centres[1])


@pytest.mark.core
@pytest.mark.parametrize("n_rows", [0, 1, 16, 17])
def test_centred_scores(n_rows):
    rng, values, Z, centres, _ = case()
    factors = rng.standard_normal((N_COMPONENTS, N_FEATURES, N_FEATURES))
    constants = np.array([0.5, -np.inf, 3.0])
    out = np.full((N_COMPONENTS, N_ROWS + 8), np.nan)
    scratch = np.full(2 * N_FEATURES * N_ROWS, np.nan)
    kernels.centred.centred_scores(values, n_rows, centres, factors, constants, scratch, out)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            y = factors[k] @ (Z[i] - centres[k])
            np.testing.assert_allclose(out[k, i], constants[k] - 0.5 * y @ y, rtol=1e-12)
    assert np.isnan(out[:, n_rows:]).all()


@pytest.mark.core
@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_centred_sums_are_added(n_rows):
    rng, values, Z, centres, resp = case()
    sums = started(rng)
    wanted = [part.copy() for part in sums]
    scratch = np.full(2 * N_FEATURES * N_ROWS + N_FEATURES**2, np.nan)
    kernels.centred.centred_sums(values, n_rows, centres, resp, scratch, *sums)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            deviation = Z[i] - centres[k]
            wanted[0][k] += resp[i, k]
            wanted[1][k] += resp[i, k] * deviation
            wanted[2][k] += resp[i, k] * np.outer(deviation, deviation)
    for part, reference in zip(sums, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_centred_diagonal_scores(n_rows):
    rng, values, Z, centres, _ = case()
    precisions = rng.uniform(0.1, 4.0, centres.shape)
    constants = np.array([0.5, -np.inf, 3.0])
    out = np.full((N_COMPONENTS, N_ROWS + 8), np.nan)
    kernels.centred.centred_diagonal_scores(values, n_rows, centres, precisions, constants, out)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            wanted = constants[k] - 0.5 * np.sum(precisions[k] * (Z[i] - centres[k]) ** 2)
            np.testing.assert_allclose(out[k, i], wanted, rtol=1e-12)
    assert np.isnan(out[:, n_rows:]).all()


@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_centred_diagonal_sums_are_added(n_rows):
    rng, values, Z, centres, resp = case()
    weight, first, _ = started(rng)
    second = rng.standard_normal(centres.shape)
    wanted = weight.copy(), first.copy(), second.copy()
    scratch = np.full(n_rows, np.nan)
    sums = weight, first, second
    kernels.centred.centred_diagonal_sums(values, n_rows, centres, resp, scratch, *sums)
    for i in range(n_rows):
        for k in range(N_COMPONENTS):
            deviation = Z[i] - centres[k]
            wanted[0][k] += resp[i, k]
            wanted[1][k] += resp[i, k] * deviation
            wanted[2][k] += resp[i, k] * deviation**2
    for part, reference in zip((weight, first, second), wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-12, atol=1e-12)
