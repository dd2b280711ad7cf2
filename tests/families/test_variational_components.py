"""Posteriors of means and precisions: divergences and expectations against draws."""

import numpy as np
import pytest
from oracles import elbo, gaussian
from oracles.cases import blobs, make_family, random_prior, random_resp, scores_of
from oracles.gaussian import CONJUGATE, statistics
from scipy import stats

from skem.families import GaussianStatistics
from skem.families.wishart import log_det_correction, wishart_divergence

K, D, DRAWS = 2, 3, 2000
every_kind = pytest.mark.parametrize("kind", CONJUGATE)


def case(kind, seed=0):
    """A family, its prior, statistics of few rows, the posterior and the expected parameters."""
    rng = np.random.default_rng(seed)
    family, prior = make_family(kind), random_prior(kind, "both", D, rng)
    X, resp = blobs(9, D, rng), random_resp(9, K, rng)
    stats_ = GaussianStatistics(*statistics(kind, X, resp))
    posterior = family.posterior(prior, stats_)
    return family, prior, X, resp, stats_, posterior, family.expected_parameters(posterior)


def as_oracle(kind, prior, posterior):
    """The same prior and posterior with dense matrices."""
    own = prior.covariance if kind == "tied" else prior.covariance.reshape(-1, *_shape(kind))
    before = elbo.Prior(
        kind,
        elbo.DISTRIBUTION,
        1.0,
        prior.mean,
        prior.mean_precision,
        gaussian.matrices(kind, own, 1, D)[0],
        prior.degrees_of_freedom,
    )
    psi = gaussian.matrices(kind, posterior.scatter, K, D)
    nu = np.broadcast_to(posterior.degrees_of_freedom, (K,))
    return before, elbo.Posterior(np.ones(K), posterior.mean, posterior.mean_precision, psi, nu)


def _shape(kind):
    return {"full": (D, D), "spherical": ()}.get(kind, (D,))


def draw(kind, posterior, rng, n):
    """Draws of means (n, K, D) and precisions (n, K, D, D), and their log densities (n,)."""
    precisions, log_density = np.zeros((n, K, D, D)), np.zeros(n)
    laws = [
        stats.wishart(nu, np.linalg.inv(psi))
        for psi, nu in elbo.blocks(kind, posterior.psi, posterior.nu)
    ]
    values = [np.asarray(law.rvs(size=n, random_state=rng)).reshape(n, -1) for law in laws]
    for law, value in zip(laws, values, strict=True):
        log_density += _log_wishart(law, value)
    for k in range(K):
        precisions[:, k] = _assemble(kind, values, k)
    means = np.empty((n, K, D))
    for k in range(K):
        factors = np.linalg.cholesky(np.linalg.inv(posterior.beta[k] * precisions[:, k]))
        noise = np.einsum("nij,nj->ni", factors, rng.normal(size=(n, D)))
        means[:, k] = posterior.mean[k] + noise
    return means, precisions, values, log_density


def _log_wishart(law, values):
    size = int(np.sqrt(values.shape[1]))
    return law.logpdf(np.moveaxis(values.reshape(-1, size, size), 0, -1)).ravel()


def _assemble(kind, values, k):
    if kind in ("full", "tied"):
        return values[0 if kind == "tied" else k].reshape(-1, D, D)
    if kind in ("EEI", "EII"):
        k = 0
    if kind in ("diag", "EEI"):
        return np.concatenate(values[k * D : (k + 1) * D], axis=1)[:, :, None] * np.eye(D)
    return values[k][:, :, None] * np.eye(D)


def log_normals(points, centre, precisions):
    """ln N(point | centre, inv(precision)) for stacks."""
    away = points - centre
    distance = np.einsum("ni,nij,nj->n", away, precisions, away)
    return 0.5 * (np.linalg.slogdet(precisions)[1] - D * np.log(2 * np.pi) - distance)


@pytest.mark.core
@every_kind
def test_divergence_is_that_of_draws(kind):
    family, prior, _, _, _, posterior, parameters = case(kind)
    before, after = as_oracle(kind, prior, posterior)
    means, precisions, values, ratio = draw(kind, after, np.random.default_rng(1), DRAWS)
    blocks = elbo.blocks(kind, np.array([before.psi] * K), np.full(K, before.nu))
    for (psi, nu), value in zip(blocks, values, strict=True):
        ratio = ratio - _log_wishart(stats.wishart(nu, np.linalg.inv(psi)), value)
    for k in range(K):
        ratio += log_normals(means[:, k], after.mean[k], after.beta[k] * precisions[:, k])
        ratio -= log_normals(means[:, k], before.mean, before.beta * precisions[:, k])
    divergence = family.divergence(posterior, parameters, prior)
    error = ratio.std() / np.sqrt(DRAWS)
    assert error < 0.1
    assert divergence == pytest.approx(ratio.mean(), abs=5 * error)
    p, q = elbo.components_terms(before, after)
    assert divergence == pytest.approx(q - p, rel=1e-10)


@every_kind
def test_expected_scores_are_those_of_draws(kind):
    family, prior, X, resp, stats_, posterior, parameters = case(kind, seed=1)
    _, after = as_oracle(kind, prior, posterior)
    means, precisions, *_ = draw(kind, after, np.random.default_rng(2), DRAWS)
    log_weights = np.array([-0.3, -1.4])
    scorer = family.expected_scorer(posterior, parameters, log_weights)
    scores = scores_of(scorer, X, K, family.n_products(D))
    total = 0.0
    for n, row in enumerate(X):
        for k in range(K):
            density = log_normals(row, means[:, k], precisions[:, k])
            error = density.std() / np.sqrt(DRAWS)
            assert abs(scores[n, k] - log_weights[k] - density.mean()) < 5 * error
            total += resp[n, k] * (scores[n, k] - log_weights[k])
    # The same from sufficient statistics.
    value = family.expected_log_likelihood(stats_, posterior, parameters)
    assert value == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_expected_log_determinants(dimension):
    rng = np.random.default_rng(0)
    psi = gaussian.matrices("full", [np.cov(rng.normal(size=(dimension, 30)))], 1, dimension)
    psi = psi.reshape(dimension, dimension)
    for nu in (dimension - 0.5, dimension + 3.0, 1e7):
        law = stats.wishart(nu, np.linalg.inv(psi)) if nu > dimension else None
        log_det = np.linalg.slogdet(nu * np.linalg.inv(psi))[1]
        value = float(log_det_correction(np.array(nu), dimension)) + log_det
        assert value == pytest.approx(elbo.expected_log_det_block(psi, nu), rel=1e-10)
        if law is not None:
            draws = law.rvs(size=4000, random_state=rng).reshape(4000, dimension, dimension)
            values = np.linalg.slogdet(draws)[1]
            assert abs(values.mean() - value) < 5 * values.std() / np.sqrt(4000)


def test_divergence_by_entropy():
    # KL = -entropy - E ln p, by scipy's Wishart.
    _, prior, *_, posterior, parameters = case("full", seed=2)
    expected = 0.0
    for psi, nu in zip(posterior.scatter, posterior.degrees_of_freedom, strict=True):
        law = stats.wishart(nu, np.linalg.inv(psi))
        before = stats.wishart(prior.degrees_of_freedom, np.linalg.inv(prior.covariance[0]))
        # ln p is linear in ln|P| and tr(Psi0 P), so its expectation is that at any P with
        # those expectations corrected.
        at = law.mean()
        log_det = elbo.expected_log_det_block(psi, nu) - np.linalg.slogdet(at)[1]
        expected_p = before.logpdf(at) + 0.5 * (prior.degrees_of_freedom - D - 1) * log_det
        expected += -law.entropy() - expected_p
    assert wishart_divergence(posterior, parameters.factors, prior) == pytest.approx(
        expected, rel=1e-10
    )


@every_kind
def test_no_rows_no_divergence(kind):
    family, prior, *_ = case(kind)
    shape = np.zeros_like(family.identity(K, D))
    nothing = GaussianStatistics(np.zeros(K), np.zeros((K, D)), shape)
    posterior = family.posterior(prior, nothing)
    parameters = family.expected_parameters(posterior)
    assert family.divergence(posterior, parameters, prior) == pytest.approx(0.0, abs=1e-12)
