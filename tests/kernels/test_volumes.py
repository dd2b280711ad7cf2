"""Newton's method with a barrier against SciPy's constrained minimiser."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from skem import kernels


def loss_of(spectra, share, volume, shape):
    log_var = volume[:, None] + shape
    return float((share[:, None] * log_var + spectra * np.exp(-log_var)).sum())


@pytest.mark.core
@pytest.mark.parametrize("seed", range(4))
def test_the_least_loss_above_the_floor(seed):
    rng = np.random.default_rng(seed)
    k, d = 3, 4
    share = rng.dirichlet(np.ones(k))
    spectra = share[:, None] * rng.gamma(0.5, 1.0, (k, d))
    bottom = np.log(rng.uniform(0.05, 0.5, (k, d)))
    begin = np.full(k, 1.0), np.zeros(d)
    volume, shape = begin[0].copy(), begin[1].copy()
    kernels.volumes.own_volumes(spectra, share, bottom, volume, shape)
    assert (volume[:, None] + shape >= bottom).all()

    sums = np.hstack([np.repeat(np.eye(k), d, axis=0), np.tile(np.eye(d), (k, 1))])
    wanted = minimize(
        lambda x: loss_of(spectra, share, x[:k], x[k:]),
        np.concatenate(begin),
        constraints=LinearConstraint(sums, bottom.ravel(), np.inf),
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    reached = loss_of(spectra, share, volume, shape)
    assert reached == pytest.approx(wanted.fun, abs=1e-7)


def test_without_a_floor_in_reach_gradients_vanish():
    rng = np.random.default_rng(0)
    share, spectra = np.array([0.2, 0.8]), rng.gamma(2.0, 1.0, (2, 3))
    volume, shape = np.full(2, 1.0), np.zeros(3)
    kernels.volumes.own_volumes(spectra, share, np.full((2, 3), -50.0), volume, shape)
    slope = share[:, None] - spectra * np.exp(-volume[:, None] - shape)
    np.testing.assert_allclose(slope.sum(axis=0), 0.0, atol=1e-8)
    np.testing.assert_allclose(slope.sum(axis=1), 0.0, atol=1e-8)


def test_solve():
    rng = np.random.default_rng(0)
    root, vector = rng.standard_normal((5, 5)), rng.standard_normal(5)
    matrix = root @ root.T
    found = vector.copy()
    kernels.volumes.solve(matrix.copy(), found)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, vector), rtol=1e-9)
