"""The Gaussian code against SciPy, and its gradient against finite differences."""

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error
from scipy import stats

from skem.vae._latents import Batch, GaussianLatent

N_ROWS, L, BETA = 6, 3, 0.7


def _batch(n_rows=N_ROWS):
    rng = np.random.default_rng(0)
    keys = rng.integers(2**63, size=n_rows).astype(np.uint64)
    weights = rng.uniform(0.1, 1, size=n_rows)
    return Batch(np.empty((n_rows, 1)), keys, weights, np.array([3], np.uint64))


def _head(n_rows=N_ROWS):
    return np.random.default_rng(1).normal(size=(n_rows, 2 * L))


def _forward(latent, head, batch):
    space = latent.space(len(head), np.float64)
    return latent.forward(np.empty(0), head, batch, BETA, space), space


@pytest.mark.parametrize("n_samples", [1, 4])
def test_samples_are_mean_plus_deviation_times_noise(n_samples):
    head, batch = _head(), _batch()
    _, space = _forward(GaussianLatent(L, n_samples), head, batch)
    expected = head[:, :L] + np.exp(0.5 * head[:, L:]) * space.noise.reshape(n_samples, N_ROWS, L)
    np.testing.assert_allclose(space.z.reshape(n_samples, N_ROWS, L), expected, rtol=1e-11)
    share = space.line_weights.reshape(n_samples, N_ROWS)
    np.testing.assert_allclose(share.sum(axis=0), batch.weights, rtol=1e-14)


def test_divergence_by_monte_carlo():
    head, batch = _head(2), _batch(2)
    cost, space = _forward(GaussianLatent(L), head, batch)
    mean, deviation = head[:, :L], np.exp(0.5 * head[:, L:])
    z = stats.norm.rvs(mean, deviation, size=(200_000, 2, L), random_state=0)
    kl = (stats.norm.logpdf(z, mean, deviation) - stats.norm.logpdf(z)).mean(axis=0)
    np.testing.assert_allclose(space.kl, kl, atol=0.02)
    np.testing.assert_allclose(space.divergence[0], batch.weights @ space.kl, rtol=1e-12)
    assert cost == pytest.approx(BETA * space.divergence[0].sum())


@pytest.mark.parametrize("free_bits", [0.0, 0.3])
@pytest.mark.parametrize("n_samples", [1, 3])
def test_gradient(n_samples, free_bits):
    latent, head, batch = GaussianLatent(L, n_samples, free_bits), _head(), _batch()
    pull = np.random.default_rng(2).normal(size=(n_samples * N_ROWS, L))

    def loss(head):
        cost, space = _forward(latent, head, batch)
        return cost + (pull * space.z).sum()

    _, space = _forward(latent, head, batch)
    assert (space.kl < 0.3).any()
    space.z_gradient[:] = pull
    nothing = np.empty(0)
    gradient = latent.backward(nothing, nothing, head, batch, BETA, nothing, space)
    assert relative_error(gradient, finite_differences(loss, head)) < 1e-8


def test_free_bits_cost_nothing_below_and_all_above():
    head, batch = _head(), _batch()
    cost, space = _forward(GaussianLatent(L, free_bits=0.3), head, batch)
    expected = BETA * (batch.weights @ np.maximum(space.kl, 0.3)).sum()
    assert cost == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(space.divergence[0], batch.weights @ space.kl)


@pytest.mark.parametrize("far", [-1e30, 1e30])
def test_log_variances_are_bounded_and_led_back(far):
    latent, head, batch = GaussianLatent(L), _head(), _batch()
    head[:, L:] = far
    cost, space = _forward(latent, head, batch)
    assert np.isfinite(cost)
    assert np.isfinite(space.z).all()
    space.z_gradient[:] = 0.0
    nothing = np.empty(0)
    slope = latent.backward(nothing, nothing, head, batch, BETA, nothing, space)[:, L:]
    assert (np.sign(far) * slope > 0).all()


@pytest.mark.parametrize("n_samples", [1, 5])
def test_log_shares(n_samples):
    latent, head, batch = GaussianLatent(L, n_samples), _head(), _batch()
    _, space = _forward(latent, head, batch)
    z = space.z.reshape(n_samples, N_ROWS, L)
    posterior = stats.norm.logpdf(z, head[:, :L], np.exp(0.5 * head[:, L:]))
    expected = (stats.norm.logpdf(z) - posterior).sum(axis=2) - np.log(n_samples)
    shares = latent.log_shares(head, space).reshape(n_samples, N_ROWS)
    np.testing.assert_allclose(shares, expected, rtol=1e-8, atol=1e-10)
