"""Student's t mixtures, row by row: SciPy's densities, and gamma distributions of latent scales."""

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, softmax

from oracles.gaps import complete
from oracles.gaussian import from_matrix, matrix


def log_density(row, mean, scale, df):
    """Log t density of the seen cells of one row; 0 where nothing is seen."""
    seen = ~np.isnan(row)
    if not seen.any():
        return 0.0
    t = stats.multivariate_t(mean[seen], scale[np.ix_(seen, seen)], df)
    return float(t.logpdf(row[seen]))


def log_joint(kind, X, weights, means, scales, df):
    """Log weight plus log density of each row, (n, K)."""
    k, d = means.shape
    result = np.empty((len(X), k))
    for j in range(k):
        scale = matrix(kind, scales, j, d)
        for n, row in enumerate(X):
            result[n, j] = np.log(weights[j]) + log_density(row, means[j], scale, df[j])
    return result


def posterior(row, mean, scale, df):
    """The gamma distribution of a row's scale, given its seen cells."""
    seen = ~np.isnan(row)
    apart = row[seen] - mean[seen]
    distance = apart @ np.linalg.solve(scale[np.ix_(seen, seen)], apart)
    return stats.gamma(0.5 * (df + seen.sum()), scale=2.0 / (df + distance))


def expected_log(gamma):
    """E[log u] of a gamma distribution."""
    shape, scale = gamma.args[0], gamma.kwds["scale"]
    return digamma(shape) + np.log(scale)


def em_step(kind, X, weights, means, scales, df, row_weights=None):
    """One E- and one M-step in explicit loops: weights, means, scale matrices, df of each.

    Structures without parts in common, and tied. Degrees of freedom have no bounds.
    """
    k, d = means.shape
    resp = softmax(log_joint(kind, X, weights, means, scales, df), axis=1)
    if row_weights is not None:
        resp = resp * row_weights[:, None]
    new_means, scatters, new_df = np.zeros((k, d)), np.zeros((k, d, d)), np.zeros(k)
    for j in range(k):
        scale = matrix(kind, scales, j, d)
        gammas = [posterior(row, means[j], scale, df[j]) for row in X]
        u = np.array([gamma.mean() for gamma in gammas])
        completed = [complete(row, means[j], scale) for row in X]
        whole = np.array([row for row, _ in completed])
        new_means[j] = (resp[:, j] * u) @ whole / (resp[:, j] @ u)
        for n, (row, spread) in enumerate(completed):
            apart = row - new_means[j]
            scatters[j] += resp[n, j] * (u[n] * np.outer(apart, apart) + spread)
        logs = np.array([expected_log(gamma) for gamma in gammas])
        mean = resp[:, j] @ (logs - u) / resp[:, j].sum()
        new_df[j] = brentq(lambda v, c=mean: np.log(v / 2) - digamma(v / 2) + 1 + c, 1e-3, 1e6)
    total = resp.sum(axis=0)
    if kind == "tied":
        new_scales = scatters.sum(axis=0) / total.sum()
    else:
        new_scales = np.array([from_matrix(kind, scatters[j] / total[j]) for j in range(k)])
        new_scales /= d if kind == "spherical" else 1
    return total / total.sum(), new_means, new_scales, new_df
