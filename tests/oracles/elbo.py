"""Variational Gaussian mixtures, written out: bound, evidence, densities, updates, in loops.

Everything is computed from fitted attributes as they are documented. A precision matrix, or number,
is a "block" with a Wishart distribution: its scatter ``Psi`` (its inverse is Bishop's W), and its
degrees of freedom ``nu``. A number is a matrix of one row: Wishart(1 / Psi, nu) in one dimension is
Gamma(nu / 2, rate=Psi / 2).
"""

from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import betaln, digamma, gammaln, logsumexp, multigammaln

from oracles.gaussian import matrices

PROCESS, DISTRIBUTION = "dirichlet_process", "dirichlet_distribution"
LOG_2PI = np.log(2 * np.pi)


class Prior(NamedTuple):
    """What is known before the rows; `psi` is a dense matrix for every structure."""

    kind: str
    weights: str
    gamma: float
    mean: np.ndarray
    beta: float
    psi: np.ndarray
    nu: float


class Posterior(NamedTuple):
    """`weights`: alpha (K,) or the sticks' a and b; `psi` (K, D, D) dense; `nu` (K,)."""

    weights: Any
    mean: np.ndarray
    beta: np.ndarray
    psi: np.ndarray
    nu: np.ndarray


def prior_of(mixture):
    """Read the prior that a fitted mixture says it used."""
    kind, d = mixture.covariance_type, mixture.means_.shape[1]
    psi = np.asarray(mixture.covariance_prior_)
    return Prior(
        kind,
        mixture.weight_concentration_prior_type,
        float(mixture.weight_concentration_prior_),
        np.asarray(mixture.mean_prior_),
        float(mixture.mean_precision_prior_),
        matrices(kind, psi if kind == "tied" else psi[None], 1, d)[0],
        float(mixture.degrees_of_freedom_prior_),
    )


def posterior_of(mixture):
    """Read a fitted mixture's posterior."""
    k, d = mixture.means_.shape
    nu = np.broadcast_to(np.asarray(mixture.degrees_of_freedom_), (k,))
    covariances = matrices(mixture.covariance_type, mixture.covariances_, k, d)
    psi = np.array([nu[j] * covariances[j] for j in range(k)])
    return Posterior(
        mixture.weight_concentration_, mixture.means_, mixture.mean_precision_, psi, nu
    )


def assert_posterior(mixture, expected, rtol=1e-9):
    """Compare a fitted mixture's posterior with another."""
    posterior = posterior_of(mixture)
    for name, actual, wanted in zip(posterior._fields, posterior, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=rtol, err_msg=name)


def blocks(kind, psi, nu):
    """Return the (scatter, nu) that the precisions of dense (K, D, D) scatters consist of."""
    if kind == "full":
        return list(zip(psi, nu, strict=True))
    if kind == "tied":
        return [(psi[0], nu[0])]
    if kind in ("EEI", "EII"):  # of all components one
        psi, nu = psi[:1], nu[:1]
    d = psi.shape[1]
    columns = range(d) if kind in ("diag", "EEI") else range(1)
    return [(m[j : j + 1, j : j + 1], v) for m, v in zip(psi, nu, strict=True) for j in columns]


# --- expectations -------------------------------------------------------------------------


def expected_log_det_block(psi, nu):
    """E ln|P| of one block (Bishop 2006, 10.65)."""
    d = len(psi)
    total = d * np.log(2.0) - np.linalg.slogdet(psi)[1]
    for i in range(1, d + 1):
        total += digamma((nu + 1 - i) / 2)
    return total


def expected_log_det(kind, psi, nu):
    """E ln|P| of a component's whole (D, D) precision."""
    d = len(psi)
    if kind in ("full", "tied"):
        return expected_log_det_block(psi, nu)
    return sum(expected_log_det_block(psi[j : j + 1, j : j + 1], nu) for j in range(d))


def expected_log_weights(prior, weights):
    """E ln pi (Bishop 2006, 10.66; for sticks E ln v_k + sum_j<k E ln(1 - v_j))."""
    if prior.weights == DISTRIBUTION:
        return np.array([digamma(alpha) - digamma(np.sum(weights)) for alpha in weights])
    a, b = weights
    result = []
    for k in range(len(a)):
        total = 0.0
        for j in range(k):
            total += digamma(b[j]) - digamma(a[j] + b[j])
        if k < len(a) - 1:  # the last share is 1 for certain
            total += digamma(a[k]) - digamma(a[k] + b[k])
        result.append(total)
    return np.array(result)


def expected_weights(prior, weights):
    """E pi."""
    if prior.weights == DISTRIBUTION:
        return np.asarray(weights) / np.sum(weights)
    a, b = weights
    result, left = [], 1.0
    for k in range(len(a)):
        share = 1.0 if k == len(a) - 1 else a[k] / (a[k] + b[k])
        result.append(left * share)
        left *= 1.0 - share
    return np.array(result)


def log_rho(prior, posterior, X):
    """Expected log joint density of rows and components, (n, K) (Bishop 2006, 10.46, 10.64)."""
    d = X.shape[1]
    log_pi = expected_log_weights(prior, posterior.weights)
    result = np.empty((len(X), len(log_pi)))
    for k, (m, beta, psi, nu) in enumerate(zip(*posterior[1:], strict=True)):
        precision = nu * np.linalg.inv(psi)
        log_det = expected_log_det(prior.kind, psi, nu)
        for n, row in enumerate(X):
            distance = d / beta + (row - m) @ precision @ (row - m)
            result[n, k] = log_pi[k] + 0.5 * (log_det - d * LOG_2PI - distance)
    return result


def responsibilities(prior, posterior, X):
    rho = log_rho(prior, posterior, X)
    return np.exp(rho - logsumexp(rho, axis=1, keepdims=True))


# --- the bound ----------------------------------------------------------------------------


def _log_b(psi, nu):
    """ln B(inv(psi), nu), a Wishart's constant (Bishop 2006, B.79)."""
    d = len(psi)
    return (
        0.5 * nu * np.linalg.slogdet(psi)[1]
        - 0.5 * nu * d * np.log(2.0)
        - 0.25 * d * (d - 1) * np.log(np.pi)
        - sum(gammaln((nu + 1 - i) / 2) for i in range(1, d + 1))
    )


def weights_terms(prior, weights):
    """E ln p(pi) and E ln q(pi) (Bishop 2006, 10.73 and 10.76; for sticks Beta densities)."""
    gamma = prior.gamma
    if prior.weights == DISTRIBUTION:
        log_pi = expected_log_weights(prior, weights)
        k = len(log_pi)
        p = gammaln(k * gamma) - k * gammaln(gamma)
        q = gammaln(np.sum(weights))
        for alpha, log_one in zip(weights, log_pi, strict=True):
            # Both less E ln pi_k, about -1 / gamma, in which small differences would be lost.
            p += gamma * log_one
            q += alpha * log_one - gammaln(alpha)
        return p, q
    a, b = weights
    p = q = 0.0
    for k in range(len(a) - 1):
        log_v = digamma(a[k]) - digamma(a[k] + b[k])
        log_rest = digamma(b[k]) - digamma(a[k] + b[k])
        p += np.log(gamma) + (gamma - 1) * log_rest
        q += (a[k] - 1) * log_v + (b[k] - 1) * log_rest - betaln(a[k], b[k])
    return p, q


def components_terms(prior, posterior):
    """E ln p(mu, P) and E ln q(mu, P) (Bishop 2006, 10.74 and 10.77)."""
    kind, d = prior.kind, len(prior.mean)
    p = q = 0.0
    for m, beta, psi, nu in zip(*posterior[1:], strict=True):
        log_det = expected_log_det(kind, psi, nu)
        precision = nu * np.linalg.inv(psi)
        away = (m - prior.mean) @ precision @ (m - prior.mean)
        p += 0.5 * (d * (np.log(prior.beta) - LOG_2PI) + log_det)
        p -= 0.5 * prior.beta * (d / beta + away)
        q += 0.5 * (log_det + d * (np.log(beta) - LOG_2PI) - d)
    k = len(posterior.nu)
    before = blocks(kind, np.array([prior.psi] * k), np.full(k, prior.nu))
    after = blocks(kind, posterior.psi, posterior.nu)
    for (psi0, nu0), (psi, nu) in zip(before, after, strict=True):
        size = len(psi)
        log_det = expected_log_det_block(psi, nu)
        p += _log_b(psi0, nu0) + 0.5 * (nu0 - size - 1) * log_det
        p -= 0.5 * nu * np.trace(psi0 @ np.linalg.inv(psi))
        q += _log_b(psi, nu) + 0.5 * (nu - size - 1) * log_det - 0.5 * nu * size
    return p, q


def elbo_terms(prior, posterior, X, sample_weight):
    """The bound's four parts, at the assignments that suit the posterior best."""
    rho = log_rho(prior, posterior, X)
    likelihood = entropy = 0.0
    for n in range(len(X)):
        log_r = rho[n] - logsumexp(rho[n])
        for k in range(rho.shape[1]):
            r = np.exp(log_r[k])
            likelihood += sample_weight[n] * r * rho[n, k]
            entropy -= sample_weight[n] * r * log_r[k]
    weights = weights_terms(prior, posterior.weights)
    components = components_terms(prior, posterior)
    return likelihood, weights[0] - weights[1], components[0] - components[1], entropy


# --- exact evidence -----------------------------------------------------------------------


def update(prior, X, weighted_resp):
    """The posterior for given weighted responsibilities (n, K) (Bishop 2006, 10.58 to 10.63)."""
    n_rows, d = X.shape
    k = weighted_resp.shape[1]
    counts, first = np.zeros(k), np.zeros((k, d))
    second = np.zeros((k, d, d))
    for n in range(n_rows):
        for j in range(k):
            counts[j] += weighted_resp[n, j]
            # About the prior mean: to add large squares costs digits.
            away = X[n] - prior.mean
            first[j] += weighted_resp[n, j] * away
            second[j] += weighted_resp[n, j] * np.outer(away, away)
    return update_by_moments(prior, counts, first, second)


def update_by_moments(prior, counts, first, second):
    """The same for raw moments about the prior's mean: what natural parameters consist of."""
    kind, d, k = prior.kind, len(prior.mean), len(counts)
    if prior.weights == DISTRIBUTION:
        weights = prior.gamma + counts
    else:
        b = np.array([prior.gamma + counts[j + 1 :].sum() for j in range(k)])
        b[-1] = 0.0
        weights = (1.0 + counts, b)
    beta = prior.beta + counts
    apart = first / beta[:, None]
    scatter = [second[j] - beta[j] * np.outer(apart[j], apart[j]) for j in range(k)]
    if kind == "tied":
        scatter = [sum(scatter)] * k
        nu = np.full(k, prior.nu + counts.sum())
    elif kind == "EEI":
        scatter = [np.diag(np.diag(sum(scatter)))] * k
        nu = np.full(k, prior.nu + counts.sum())
    elif kind == "EII":
        scatter = [np.trace(sum(scatter)) * np.eye(d)] * k
        nu = np.full(k, prior.nu + d * counts.sum())
    elif kind == "diag":
        scatter = [np.diag(np.diag(one)) for one in scatter]
        nu = prior.nu + counts
    elif kind == "spherical":
        scatter = [np.trace(one) * np.eye(d) for one in scatter]
        nu = prior.nu + d * counts
    else:
        nu = prior.nu + counts
    return Posterior(weights, prior.mean + apart, beta, prior.psi + np.array(scatter), nu)


def log_order(prior, counts):
    """Return the log probability of counts in their order under sticks, but for a constant."""
    after = np.cumsum(counts[::-1])[-2::-1]
    return betaln(1 + counts[:-1], prior.gamma + after).sum()


def best_order(prior, counts):
    """Return the order of components in which their counts are the most probable: of all K!.

    A Dirichlet has no preference, and is given the larger ones first; so are orders whose values
    differ by rounding alone (with gamma = 1 the last two may change places).
    """
    if prior.weights == DISTRIBUTION:
        return np.argsort(-counts)
    orders = [list(order) for order in permutations(np.argsort(-counts))]  # descending first
    values = np.array([log_order(prior, counts[order]) for order in orders])
    highest = values.max()
    return np.array(orders[np.argmax(values >= highest - 1e-12 * abs(highest))])


def coordinate_ascent(prior, X, sample_weight, resp, n_iter):
    """Return the posterior after a first update by `resp` and then `n_iter` of each kind.

    After each of the latter components are put in the best order.
    """
    posterior = update(prior, X, sample_weight[:, None] * resp)
    for _ in range(n_iter):
        resp = responsibilities(prior, posterior, X)
        order = best_order(prior, sample_weight @ resp)
        posterior = update(prior, X, sample_weight[:, None] * resp[:, order])
    return posterior


def log_evidence_given(prior, X, sample_weight, labels, k):
    """ln p(X, labels): all integrals are in closed form, ratios of normalising constants."""
    d, n = X.shape[1], np.sum(sample_weight)
    posterior = update(prior, X, sample_weight[:, None] * np.eye(k)[labels])
    total = -0.5 * n * d * LOG_2PI
    for beta in posterior.beta:
        total += 0.5 * d * (np.log(prior.beta) - np.log(beta))
    before = blocks(prior.kind, np.array([prior.psi] * k), np.full(k, prior.nu))
    for (psi0, nu0), (psi, nu) in zip(
        before, blocks(prior.kind, posterior.psi, posterior.nu), strict=True
    ):
        size = len(psi)
        total += multigammaln(nu / 2, size) - multigammaln(nu0 / 2, size)
        total += 0.5 * size * (nu - nu0) * np.log(2.0)
        total += 0.5 * nu0 * np.linalg.slogdet(psi0)[1] - 0.5 * nu * np.linalg.slogdet(psi)[1]
    if prior.weights == DISTRIBUTION:
        total += gammaln(k * prior.gamma) - gammaln(np.sum(posterior.weights))
        total += sum(gammaln(alpha) - gammaln(prior.gamma) for alpha in posterior.weights)
        return total
    a, b = posterior.weights
    return total + sum(betaln(a[j], b[j]) - betaln(1.0, prior.gamma) for j in range(k - 1))


def log_evidence(prior, X, k, sample_weight=None):
    """ln p(X) as the sum over all k^n assignments."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    every = product(range(k), repeat=len(X))
    return logsumexp([log_evidence_given(prior, X, weight, list(z), k) for z in every])


# --- the predictive density ---------------------------------------------------------------


def tails(prior, posterior):
    """Each component's degrees of freedom (K,) and squared widths (K, D, D) of its Student's t.

    Bishop 2006, 10.81 and 10.82. A number's posterior is a matrix's of one row.
    """
    size = len(prior.mean) if prior.kind in ("full", "tied") else 1
    freedom = posterior.nu + 1 - size
    widths = [
        psi * (1 + beta) / (beta * v)
        for psi, beta, v in zip(posterior.psi, posterior.beta, freedom, strict=True)
    ]
    return freedom, np.array(widths)


def log_predictive(prior, posterior, X, share=None):
    """Mixture of Student's t, by scipy.stats; its shares are the expected weights if not given."""
    columns = []
    for m, v, width in zip(posterior.mean, *tails(prior, posterior), strict=True):
        if prior.kind in ("diag", "EEI"):
            scale = np.sqrt(np.diag(width))
            columns.append(stats.t(v, loc=m, scale=scale).logpdf(X).sum(axis=1))
        else:
            columns.append(np.atleast_1d(stats.multivariate_t(m, width, df=v).logpdf(X)))
    share = expected_weights(prior, posterior.weights) if share is None else share
    return logsumexp(np.column_stack(columns), b=share, axis=1)
