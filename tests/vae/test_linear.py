"""A linear VAE is probabilistic PCA, whose optimum is known in closed form.

Tipping & Bishop (1999); Lucas, Tucker, Grosse & Norouzi (2019).
"""

import numpy as np
import pytest
from scipy import stats

from skem import VAE
from vae.tables import compiled, digits, fit

L = 5
LINEAR = {
    "n_latent": L,
    "hidden_layer_sizes": (),
    "likelihood": "gaussian",
    "batch_size": 64,
    "tol": 0.0,
    "n_iter_no_change": 10_000,
}


def ppca(X, n_latent, variance=None):
    """Return weights (D, L) and noise variance of the maximum likelihood, given the variance."""
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    if variance is None:
        variance = values[n_latent:].mean()
    return vectors[:, :n_latent] * np.sqrt(np.maximum(values[:n_latent] - variance, 0)), variance


def log_likelihood(X, weights, variance, mean):
    covariance = weights @ weights.T + variance * np.eye(X.shape[1])
    return stats.multivariate_normal.logpdf(X, mean, covariance)


def decoder(vae):
    mean = vae.inverse_transform(np.zeros((1, L)))[0]
    return (vae.inverse_transform(np.eye(L)) - mean).T, mean


def exact_elbo(vae, X):
    """Mean ELBO of a linear VAE without sampling."""
    weights, mean = decoder(vae)
    mu, std = vae.encode(X, return_std=True)
    errors = np.square(X - mean - mu @ weights.T).sum(axis=1)
    errors += np.square(std) @ np.square(weights).sum(axis=0)
    noise = vae.noise_variance_
    log_density = -0.5 * (X.shape[1] * np.log(2 * np.pi * noise) + errors / noise)
    kl = 0.5 * (np.square(mu) + np.square(std) - 1 - 2 * np.log(std)).sum(axis=1)
    return (log_density - kl).mean()


def train(X, plan, **parameters):
    """Fit with one learning rate after the other."""
    vae = None
    for rate, max_epochs in plan:
        changed = {"learning_rate_init": rate, "max_epochs": max_epochs, "warm_start": True}
        if vae is None:
            vae = fit(X, **{**LINEAR, **changed, **parameters})
        else:
            fit(X, vae.set_params(**changed))
    return vae


def test_reconstructions_are_means_of_posteriors_not_projections():
    # Noise is most of each column: codes say little, and a likelihood doesn't pretend they do.
    X = np.random.default_rng(0).normal(size=(80, 3)) * [1.1, 1.0, 0.9]
    vae = fit(X, VAE(2, random_state=0, max_epochs=1, learning_rate_init=1e-12))
    weights, variance = ppca(X, 2)
    rows, inverse = X - X.mean(axis=0), np.linalg.inv(weights @ weights.T + variance * np.eye(3))
    # Of a joint normal distribution: E[signal | row] = cov(signal, row) cov(row)^-1 row.
    expected = rows @ inverse @ weights @ weights.T
    np.testing.assert_allclose(vae.reconstruct(X) - X.mean(axis=0), expected, atol=1e-6)
    projected = rows @ np.linalg.pinv(weights).T @ weights.T
    drawn_to_the_mean, kept = np.square(rows - expected).sum(), np.square(rows - projected).sum()
    assert drawn_to_the_mean > kept + 0.2 * np.square(rows).sum()
    # The decoder that projects (Tipping & Bishop 1999, section 3.3) is by far less likely.
    inner = weights.T @ weights + variance * np.eye(2)
    projecting = weights @ np.linalg.inv(weights.T @ weights) @ inner
    np.testing.assert_allclose(rows @ inverse @ weights @ projecting.T, projected, atol=1e-9)
    worse = log_likelihood(X, projecting, variance, X.mean(axis=0))
    assert worse.mean() < vae.score(X) - 0.2


# Tens of thousands of steps, and hundreds of thousands of lines to score.
long = pytest.mark.skipif(not compiled, reason="takes minutes without the compiler")


@pytest.fixture(scope="module")
def learned():
    X = digits()
    return X, train(X, [(3e-3, 1000), (1e-3, 1000), (2e-4, 600), (4e-5, 300)])


def test_the_known_optimum():
    X = digits()
    weights, variance = ppca(X, L)
    assert variance == pytest.approx(0.036197, abs=1e-6)
    best = log_likelihood(X, weights, variance, X.mean(axis=0)).mean()
    assert best == pytest.approx(8.907637, abs=1e-6)


@long
def test_learned_variance_reaches_it(learned):
    X, vae = learned
    assert exact_elbo(vae, X) == pytest.approx(8.907637, abs=0.01)
    assert vae.noise_variance_ == pytest.approx(0.036197, rel=0.01)
    assert vae.n_active_units_ == L


@long
def test_the_estimated_bound_is_the_exact_one(learned):
    X, vae = learned
    assert vae.elbo(X).elbo.mean() == pytest.approx(exact_elbo(vae, X), abs=0.01)
    assert -vae.loss_curve_[-1] == pytest.approx(exact_elbo(vae, X), abs=0.1)


@long
def test_importance_weighting_meets_the_exact_likelihood(learned):
    X, vae = learned
    X = X[::4]
    weights, mean = decoder(vae)
    exact = log_likelihood(X, weights, vae.noise_variance_, mean).mean()
    assert vae.set_params(n_importance_samples=1000).score(X) == pytest.approx(exact, abs=0.005)
    assert exact == pytest.approx(log_likelihood(X, *ppca(digits(), L), mean).mean(), abs=0.01)


@long
def test_the_bound_rises_with_the_samples():
    X = digits()
    # So early that the encoder's posterior is far from the true one.
    vae = fit(X, **{**LINEAR, "max_epochs": 30, "learning_rate_init": 3e-3})
    weights, mean = decoder(vae)
    exact = log_likelihood(X, weights, vae.noise_variance_, mean).mean()
    scores = [vae.set_params(n_importance_samples=k).score(X) for k in (1, 4, 16, 64)]
    assert exact_elbo(vae, X) == pytest.approx(scores[0], abs=0.1)
    assert (np.diff(scores) > 0).all()
    assert scores[-1] == pytest.approx(exact, abs=0.01)


@long
def test_known_variance_with_five_active_units():
    X = digits()
    vae = train(X, [(1e-2, 60), (3e-3, 100), (5e-4, 80)], noise_variance=0.25)
    assert vae.n_active_units_ == 5
    assert exact_elbo(vae, X) == pytest.approx(-22.8720, abs=0.02)
    assert vae.noise_variance_ == pytest.approx(0.25, rel=1e-12)


@long
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_known_variance_without_any():
    X = digits()
    vae = train(X, [(1e-2, 60), (1e-3, 60)], noise_variance=1.0)
    assert vae.n_active_units_ == 0
    weights, _ = ppca(X, L, 1.0)
    assert not weights.any()
    best = log_likelihood(X, weights, 1.0, X.mean(axis=0)).mean()
    assert exact_elbo(vae, X) == pytest.approx(best, abs=0.02)


def test_units_do_not_change_the_model():
    # A shared variance and one common scale: the same steps in other units.
    X = digits()[:200]
    plain = fit(X, **LINEAR, max_epochs=5)
    scaled = fit(1000 * X + 5, **LINEAR, max_epochs=5)
    shift = X.shape[1] * np.log(1000)
    # Noise is a function of the values, which differ; so does the loss, a little.
    np.testing.assert_allclose(np.array(scaled.loss_curve_) - shift, plain.loss_curve_, rtol=0.05)
    assert scaled.noise_variance_ == pytest.approx(1e6 * plain.noise_variance_, rel=0.02)
