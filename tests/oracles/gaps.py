"""Rows with missing cells (NaN), one at a time: only seen cells count.

A component's marginal density is SciPy's of the seen block; a completed row is the conditional
Gaussian's by the formulas for covariances (Bishop 2006, 2.81 and 2.82).
"""

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from oracles import elbo
from oracles.gaussian import from_matrix, matrix


def punch(X, share, seed, *, keep_one=False):
    """Return the table with a share of its cells missing at random."""
    rng = np.random.default_rng(seed)
    holes = rng.uniform(size=X.shape) < share
    if keep_one:
        holes[holes.all(axis=1), 0] = False
    return np.where(holes, np.nan, X).astype(X.dtype)


def log_density(row, mean, covariance):
    """log N of the seen cells of one row; 0 where nothing is seen."""
    seen = ~np.isnan(row)
    if not seen.any():
        return 0.0
    block = covariance[np.ix_(seen, seen)]
    return float(stats.multivariate_normal(mean[seen], block).logpdf(row[seen]))


def log_densities(kind, X, means, covariances):
    """Of the seen cells, shape (n, K)."""
    k, d = means.shape
    result = np.empty((len(X), k))
    for j in range(k):
        covariance = matrix(kind, covariances, j, d)
        for n, row in enumerate(X):
            result[n, j] = log_density(row, means[j], covariance)
    return result


def log_joint(kind, X, weights, means, covariances):
    return log_densities(kind, X, means, covariances) + np.log(weights)


def log_mixture(kind, X, weights, means, covariances):
    return logsumexp(log_joint(kind, X, weights, means, covariances), axis=1)


def conditional(row, mean, covariance):
    """Mean (q,) and covariance (q, q) of the missing cells given the seen ones."""
    gap = np.isnan(row)
    gain = covariance[np.ix_(gap, ~gap)] @ np.linalg.inv(covariance[np.ix_(~gap, ~gap)])
    middle = mean[gap] + gain @ (row[~gap] - mean[~gap])
    return middle, covariance[np.ix_(gap, gap)] - gain @ covariance[np.ix_(~gap, gap)]


def complete(row, mean, covariance):
    """A row's expectation (D,) and covariance (D, D) given its seen cells."""
    gap = np.isnan(row)
    whole, spread = row.astype(float), np.zeros((len(row), len(row)))
    if gap.any():
        whole[gap], spread[np.ix_(gap, gap)] = conditional(row, mean, covariance)
    return whole, spread


def statistics(kind, X, resp, means, covariances):
    """Expected weights (K,), means (K, D) and scatter given parameters, in explicit loops."""
    k, d = means.shape
    weight, mean, scatter = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for j in range(k):
        covariance = matrix(kind, covariances, j, d)
        completed = [complete(row, means[j], covariance) for row in X]
        for n, (whole, _) in enumerate(completed):
            weight[j] += resp[n, j]
            mean[j] += resp[n, j] * whole
        mean[j] /= weight[j]
        for n, (whole, spread) in enumerate(completed):
            apart = whole - mean[j]
            scatter[j] += resp[n, j] * (np.outer(apart, apart) + spread)
    if kind == "tied":
        return weight, mean, scatter.sum(axis=0)
    return weight, mean, np.array([from_matrix(kind, one) for one in scatter])


def start_parameters(kind, X, resp):
    """Weighted moments of each column's seen cells; covariances begin diagonal."""
    weights = resp.mean(axis=0)
    k, d = resp.shape[1], X.shape[1]
    means, variances = np.empty((k, d)), np.empty((k, d))
    for c in range(k):
        for j in range(d):
            seen = ~np.isnan(X[:, j])
            share = resp[seen, c] / resp[seen, c].sum()
            means[c, j] = share @ X[seen, j]
            variances[c, j] = share @ np.square(X[seen, j] - means[c, j])
    covariances = {
        "full": np.array([np.diag(line) for line in variances]),
        "tied": np.diag(weights @ variances),
        "diag": variances,
        "spherical": variances.mean(axis=1),
    }[kind]
    return weights, means, covariances


# --- variational ----------------------------------------------------------------------------


def log_rho(prior, posterior, X):
    """Log of the integral over the missing cells of exp(E ln N) and expected weights, (n, K).

    Given a component, the best q of the gap is Gaussian with the gap's block of the expected
    precision, about the point where the expected log density is highest.
    """
    result = np.empty((len(X), len(posterior.beta)))
    for n, row in enumerate(X):
        gap = np.isnan(row)
        for k, (m, psi, nu) in enumerate(
            zip(posterior.mean, posterior.psi, posterior.nu, strict=True)
        ):
            whole, _ = complete(row, m, psi / nu)
            result[n, k] = elbo.log_rho(prior, posterior, whole[None])[0, k]
            if gap.any():
                block = (nu * np.linalg.inv(psi))[np.ix_(gap, gap)]
                log_det = np.linalg.slogdet(block)[1]
                result[n, k] += 0.5 * (gap.sum() * elbo.LOG_2PI - log_det)
    return result


def bound(prior, posterior, X, sample_weight):
    """The evidence lower bound at the best q of assignments and gaps."""
    rows = logsumexp(log_rho(prior, posterior, X), axis=1)
    weights = elbo.weights_terms(prior, posterior.weights)
    components = elbo.components_terms(prior, posterior)
    return float(sample_weight @ rows) + weights[0] - weights[1] + components[0] - components[1]


def log_predictive(prior, posterior, X):
    """Mixture of the seen blocks' Student's t, by scipy.stats."""
    freedom, widths = elbo.tails(prior, posterior)
    result = np.empty((len(X), len(freedom)))
    for n, row in enumerate(X):
        seen = ~np.isnan(row)
        for k, (v, width) in enumerate(zip(freedom, widths, strict=True)):
            m, block = posterior.mean[k][seen], width[np.ix_(seen, seen)]
            if not seen.any():
                result[n, k] = 0.0
            elif prior.kind in ("diag", "EEI"):
                scale = np.sqrt(np.diag(block))
                result[n, k] = stats.t(v, loc=m, scale=scale).logpdf(row[seen]).sum()
            else:
                result[n, k] = stats.multivariate_t(m, block, df=v).logpdf(row[seen])
    return logsumexp(result, b=elbo.expected_weights(prior, posterior.weights), axis=1)
