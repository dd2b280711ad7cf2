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


@pytest.mark.core
@SHAPES
def test_factors_of_variances_above_a_floor(k, d):
    _, variances = draw(k, d)
    least = variances.min(axis=0)
    for floors in (least[:0].reshape(0, d), least[None]):
        factors = np.full((k, d), np.nan)
        status = kernels.variances.factorise(variances, floors, factors)
        assert status == kernels.covariances.DONE
        np.testing.assert_allclose(variances * factors**2, 1.0, rtol=1e-14)
    for higher in (np.nextafter(least, np.inf), np.full(d, np.nan)):
        status = kernels.variances.factorise(variances, higher[None], factors)
        assert status == kernels.covariances.BELOW_FLOOR


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_the_component_without_a_variance_is_named(value):
    _, variances = draw(3, 2)
    variances[1, 1] = variances[2, 0] = value
    none, factors = np.empty((0, 2)), np.empty((3, 2))
    assert kernels.variances.factorise(variances, none, factors) == 1


@pytest.mark.core
@SHAPES
def test_statistics_from_moments(k, d):
    rng = np.random.default_rng(2)
    rows, resp = rng.standard_normal((30, d)) + 3.0, rng.uniform(size=(30, k))
    weight, first, second = resp.sum(axis=0), resp.T @ rows, resp.T @ rows**2
    shift, scatter = np.full((2, k, d), np.nan)
    kernels.variances.centre(weight, first, second, shift, scatter)
    for c in range(k):
        np.testing.assert_allclose(shift[c], np.average(rows, axis=0, weights=resp[:, c]))
        wanted = np.average((rows - shift[c]) ** 2, axis=0, weights=resp[:, c]) * weight[c]
        np.testing.assert_allclose(scatter[c], wanted, rtol=1e-9)


def test_no_rows_have_no_statistics():
    shift, scatter = np.full((2, 2, 3), np.nan)
    kernels.variances.centre(np.zeros(2), *np.zeros((2, 2, 3)), shift, scatter)
    assert (shift == 0.0).all()
    assert (scatter == 0.0).all()


@SHAPES
def test_log_determinants(k, d):
    _, variances = draw(k, d)
    out = np.empty(k)
    kernels.variances.log_determinants(1.0 / np.sqrt(variances), out)
    np.testing.assert_allclose(np.exp(-2.0 * out), variances.prod(axis=1), rtol=1e-12)
