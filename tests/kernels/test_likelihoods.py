"""Losses against SciPy's densities, their gradients against finite differences."""

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error
from scipy import stats
from scipy.special import expit

from skem.vae._likelihoods import (
    Bernoulli,
    FeatureVariance,
    KnownVariance,
    NetworkVariance,
    SharedVariance,
)

N_ROWS, N_SAMPLES, D = 4, 3, 5
LIKELIHOODS = {
    "known": KnownVariance(np.array([np.log(0.3)])),
    "shared": SharedVariance(),
    "per_feature": FeatureVariance(),
    "network": NetworkVariance(),
    "bernoulli": Bernoulli(),
}


def _case(name):
    rng = np.random.default_rng(0)
    likelihood = LIKELIHOODS[name]
    output = rng.normal(size=(N_ROWS * N_SAMPLES, likelihood.n_outputs(D)))
    own = rng.normal(size=likelihood.n_parameters(D))
    target = rng.uniform(size=(N_ROWS, D))
    weights = rng.uniform(0.1, 2, size=len(output))
    return likelihood, own, output, target, weights


def _losses(likelihood, own, output, target, weights, *, gradient=False):
    losses = np.empty(len(output))
    at_output = np.full_like(output, np.nan) if gradient else np.empty((0, output.shape[1]))
    at_own = np.full_like(own, np.nan)
    likelihood.losses(own, output, target, weights, losses, at_output, at_own)
    return (losses, at_output, at_own) if gradient else losses


def _density(name, own, output, target):
    rows = np.tile(target, (N_SAMPLES, 1))
    if name == "bernoulli":
        p = 1 / (1 + np.exp(-output))
        return (rows * np.log(p) + (1 - rows) * np.log1p(-p)).sum(axis=1)
    variance = {
        "known": 0.3,
        "shared": np.exp(own),
        "per_feature": np.exp(own),
        "network": np.exp(output[:, D:]),
    }[name]
    return stats.norm.logpdf(rows, output[:, :D], np.sqrt(variance)).sum(axis=1)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_losses(name):
    likelihood, own, output, target, weights = _case(name)
    losses = _losses(likelihood, own, output, target, weights)
    np.testing.assert_allclose(losses, -_density(name, own, output, target), rtol=1e-11)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients(name):
    likelihood, own, output, target, weights = _case(name)
    losses, at_output, at_own = _losses(*_case(name), gradient=True)
    np.testing.assert_allclose(losses, _losses(*_case(name)), rtol=1e-12)

    def total(own, output):
        return weights @ _losses(likelihood, own, output, target, weights)

    expected = finite_differences(lambda output: total(own, output), output)
    assert relative_error(at_output, expected) < 1e-8
    if own.size:
        expected = finite_differences(lambda own: total(own, output), own)
        assert relative_error(at_own, expected) < 1e-8


@pytest.mark.parametrize("name", ["shared", "per_feature", "network"])
def test_beyond_its_bounds_a_variance_is_only_led_back(name):
    likelihood, own, output, target, weights = _case(name)
    for far, sign in ((-1e4, -1), (1e4, 1)):
        if name == "network":
            output[:, D:] = far
        else:
            own[:] = far
        losses, at_output, at_own = _losses(likelihood, own, output, target, weights, gradient=True)
        assert np.isfinite(losses).all()
        slopes = at_output[:, D:] if name == "network" else at_own
        # The data's variance lies between the bounds, so the way back goes down.
        assert (sign * slopes >= 0).all()
        assert (sign * slopes > 0).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli_with_extreme_odds(dtype):
    output = np.array([[-1e4, 1e4, -800.0, 0.0]], dtype=dtype)
    target = np.array([[0.0, 1.0, 1.0, 0.5]], dtype=dtype)
    weights = np.ones(1)
    losses, gradient, _ = _losses(
        Bernoulli(), np.empty(0, dtype), output, target, weights, gradient=True
    )
    assert losses[0] == pytest.approx(800 + np.log(2))
    np.testing.assert_allclose(gradient, [[0, 0, -1, 0]], atol=1e-7)


def test_bernoulli_in_single_precision_keeps_its_digits():
    odds = np.concatenate([np.linspace(-60, 60, 601), [0.0, -0.0]]).astype(np.float32)
    for target in (0.0, 0.25, 1.0):
        x = np.full((len(odds), 1), target, np.float32)
        losses, gradient, _ = _losses(
            Bernoulli(), np.empty(0), odds[:, None], x, np.ones(len(odds)), gradient=True
        )
        l = odds.astype(float)  # noqa: E741
        expected = np.logaddexp(0, l) - target * l
        np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-7)
        # Small differences of probabilities and targets of 0 and 1 have all digits.
        p, rest = expit(l), expit(-l)
        expected = (1 - target) * p - target * rest
        atol = 1e-7 if target == 0.25 else 0.0
        np.testing.assert_allclose(gradient[:, 0], expected, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_draws_have_the_density(name):
    likelihood, own, output, _, _ = _case(name)
    line = np.tile(output[:1], (20_000, 1))
    rows = likelihood.draw(own, line, np.random.RandomState(0))
    mean = likelihood.mean(line)[0]
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.05)
    if name == "bernoulli":
        assert set(np.unique(rows)) == {0.0, 1.0}
        return
    expected = likelihood.constant_variance(own)
    if expected is None:
        expected = np.exp(output[0, D:])
    np.testing.assert_allclose(rows.var(axis=0), np.broadcast_to(expected, D), rtol=0.05)
