"""Scores and sums of components that share a covariance."""

import numpy as np
import pytest

from skem import kernels

N_ROWS, N_COMPONENTS, N_FEATURES = 20, 3, 4
ROWS = [1, 6, 7, 20, 64]


def case():
    rng = np.random.default_rng(3)
    values = rng.standard_normal((N_FEATURES + 2, N_ROWS + 8))
    return rng, values, values[:N_FEATURES].T


@pytest.mark.parametrize(("start", "n_rows"), [(0, 20), (6, 3)])
def test_copy_lines(start, n_rows):
    _, values, _ = case()
    out = np.empty((N_FEATURES, n_rows))
    kernels.projected.copy_lines(values, N_FEATURES, start, n_rows, out)
    np.testing.assert_array_equal(out, values[:N_FEATURES, start : start + n_rows])


@pytest.mark.core
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("n_rows", [1, 19, 20])
def test_projected_scores(rows, n_rows):
    rng, values, Z = case()
    projection = rng.standard_normal((N_FEATURES, N_FEATURES))
    centres = rng.standard_normal((N_COMPONENTS, N_FEATURES))
    constants = np.array([0.5, -np.inf, 3.0])
    scratch = np.full((2 * N_FEATURES + N_COMPONENTS) * rows, np.nan)
    out = np.full((N_COMPONENTS, N_ROWS + 8), np.nan)
    kernels.projected.projected_scores(
        values, n_rows, projection, centres, constants, rows, scratch, out
    )
    for i in range(n_rows):
        y = projection @ Z[i]
        for k in range(N_COMPONENTS):
            wanted = constants[k] + centres[k] @ y - 0.5 * y @ y
            np.testing.assert_allclose(out[k, i], wanted, rtol=1e-12, atol=1e-12)
    assert np.isnan(out[:, n_rows:]).all()


@pytest.mark.core
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("n_rows", [1, 19, 20])
def test_shared_second_moment_is_added(rows, n_rows):
    rng, values, Z = case()
    resp = rng.uniform(size=(N_ROWS, N_COMPONENTS))
    before = rng.standard_normal((N_FEATURES, N_FEATURES))
    second = before.copy()
    scratch = np.full(2 * N_FEATURES * rows + N_FEATURES**2, np.nan)
    kernels.projected.shared_second_moment(values, n_rows, resp, rows, scratch, second)
    wanted = before.copy()
    for i in range(n_rows):
        wanted += resp[i].sum() * np.outer(Z[i], Z[i])
    np.testing.assert_allclose(second, wanted, rtol=1e-12, atol=1e-12)
