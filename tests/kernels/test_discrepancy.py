"""The maximum mean discrepancy, and its gradient."""

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error

from skem import kernels
from skem.vae._info import MMD_KERNELS, as_rbfs

every_kernel = pytest.mark.parametrize("kernel", MMD_KERNELS)


def _codes(n=7, n_latent=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 2, size=(n, n_latent)), rng.normal(size=(n, n_latent))


def _kernel(name, a, b, h):
    square = np.square(a - b).sum()
    return np.exp(-square / (2 * h**2)) if name == "rbf" else 2 * h**2 / (2 * h**2 + square)


def mmd(z, prior, weights, kernel, bandwidth, keys=None):
    """Return the value and the gradient at ``z``."""
    keys = np.arange(len(z)) if keys is None else keys
    arrays = z, prior, keys.astype(np.uint64), np.asarray(weights, float)
    gradient = np.full_like(z, np.nan)
    value = kernels.discrepancy.mmd(MMD_KERNELS[kernel], bandwidth, *arrays, gradient)
    nothing = np.empty((0, z.shape[1]))
    assert kernels.discrepancy.mmd(MMD_KERNELS[kernel], bandwidth, *arrays, nothing) == value
    return value, gradient


@every_kernel
def test_mmd_is_the_mean_over_pairs_of_different_rows(kernel):
    z, prior = _codes()
    n = len(z)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    expected = np.mean([_kernel(kernel, z[i], z[j], 1.3) for i, j in pairs])
    expected += np.mean([_kernel(kernel, prior[i], prior[j], 1.3) for i, j in pairs])
    expected -= 2 * np.mean([_kernel(kernel, a, b, 1.3) for a in z for b in prior])
    assert mmd(z, prior, np.ones(n), kernel, 1.3)[0] == pytest.approx(expected, rel=1e-9)


@every_kernel
@pytest.mark.parametrize("weights", [np.ones(6), np.arange(1.0, 7.0), np.arange(1.0, 7.0) / 1e3])
def test_mmd_is_unbiased(kernel, weights):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(3000, 2, 6, 2))
    values = [mmd(z, prior, weights, kernel, 1.0)[0] for z, prior in draws]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


@every_kernel
def test_mmd_gradient(kernel):
    z, prior = _codes()
    weights = np.random.default_rng(1).uniform(0.5, 3, size=len(z))
    gradient = mmd(z, prior, weights, kernel, 1.3)[1]
    expected = finite_differences(lambda z: mmd(z, prior, weights, kernel, 1.3)[0], z)
    assert relative_error(gradient, expected) < 1e-8


@every_kernel
def test_weights_count_as_repeated_rows(kernel):
    z, prior = _codes()
    times = np.array([1, 2, 0, 3, 1, 1, 4])
    value, gradient = mmd(z, prior, times, kernel, 1.3)
    twice = [rows.repeat(times, axis=0) for rows in (z, prior)]
    keys = np.arange(7).repeat(times)
    repeated, slopes = mmd(*twice, np.ones(times.sum()), kernel, 1.3, keys)
    assert value == pytest.approx(repeated, rel=1e-12)
    expected = np.zeros_like(z)
    np.add.at(expected, keys, slopes)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-14)


def test_only_the_ratios_of_weights_count():
    z, prior = _codes()
    weights = np.random.default_rng(1).uniform(0.5, 3, size=len(z))
    value, gradient = mmd(z, prior, weights, "rbf", 1.3)
    scaled, scaled_gradient = mmd(z, prior, 1e-6 * weights, "rbf", 1.3)
    assert scaled == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(scaled_gradient, gradient, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("n", [1, 3])
def test_one_row_has_no_pair(n):
    z, prior = (rows.repeat(n, axis=0) for rows in _codes(1))
    value, gradient = mmd(z, prior, np.ones(n), "rbf", 1.0, np.zeros(n))
    assert value == 0
    assert not gradient.any()


def _expected(name, mean, variance, other, own, h):
    """The expected kernel function between two Gaussians, by integrating over their difference."""
    spread, shift = np.sqrt(variance + own), mean - other
    nodes, shares = np.polynomial.hermite_e.hermegauss(60)
    x = [shift[d] + spread[d] * nodes for d in (0, 1)]
    square = np.square(x[0])[:, None] + np.square(x[1])
    values = np.exp(-square / (2 * h**2)) if name == "rbf" else 2 * h**2 / (2 * h**2 + square)
    return shares @ values @ shares / shares.sum() ** 2


@every_kernel
def test_the_expected_mmd_is_the_integral(kernel):
    n, h = 5, 1.3
    mean = _codes(n, 2)[0]
    variance = np.random.default_rng(1).uniform(0.1, 2, size=(n, 2))
    weights, keys = np.array([1.0, 2.0, 0.5, 1.0, 3.0]), np.array([0, 1, 2, 2, 3], np.uint64)
    share, origin, unit = weights / weights.sum(), np.zeros(2), np.ones(2)
    pairs = [(i, j) for i in range(n) for j in range(n) if keys[i] != keys[j]]
    factors = np.array([weights[i] * weights[j] for i, j in pairs])
    near = [_expected(kernel, mean[i], variance[i], mean[j], variance[j], h) for i, j in pairs]
    far = [_expected(kernel, *row, origin, unit, h) for row in zip(mean, variance, strict=True)]
    expected = factors @ near / factors.sum() - 2 * share @ far
    expected += _expected(kernel, origin, unit, origin, unit, h)
    sums = as_rbfs(kernel, h)
    value = kernels.discrepancy.expected_mmd(*sums, mean, variance, keys, weights)
    assert value == pytest.approx(expected, abs=1e-12 if kernel == "rbf" else 3e-5)
    none = kernels.discrepancy.expected_mmd(*sums, mean, variance, 0 * keys, weights)
    assert none == 0


def test_an_imq_is_a_sum_of_rbfs():
    squares, shares = as_rbfs("imq", 1.3)
    distances = np.logspace(-3, 2, 50)
    values = np.exp(-np.square(distances)[:, None] / (2 * squares)) @ shares
    expected = 2 * 1.3**2 / (2 * 1.3**2 + np.square(distances))
    np.testing.assert_allclose(values, expected, rtol=2e-4, atol=2e-4)
