"""Variances along the features against the formulas they stand for."""

import numpy as np
import pytest

from skem import kernels

SHAPES = pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 9)])


def draw(k, d):
    rng = np.random.default_rng(0)
    return rng.standard_normal((k, d)), rng.uniform(0.1, 3.0, (k, d))


@pytest.mark.core
@SHAPES
def test_linear_form(k, d):
    means, variances = draw(k, d)
    coefficients, level = np.full((2 * d + 1, k), np.nan), np.arange(k, dtype=float)
    kernels.variances.linear_form(means, 1.0 / np.sqrt(variances), coefficients, level)
    for z in np.random.default_rng(1).standard_normal((4, d)):
        score = np.concatenate([z * z, z, [1.0]]) @ coefficients + level
        wanted = np.arange(k) - 0.5 * (np.square(z - means) / variances).sum(axis=1)
        np.testing.assert_allclose(score, wanted, rtol=1e-11)


@SHAPES
def test_cancellation(k, d):
    means, variances = draw(k, d)
    reached = kernels.variances.cancellation(means, variances, 1.0 / np.sqrt(variances))
    wanted = (np.square(means) / variances + 1.0).sum(axis=1).max()
    np.testing.assert_allclose(reached, wanted, rtol=1e-12)
