"""Gaussian densities and priors, written out with scipy.stats, one component at a time."""

import numpy as np
from scipy import stats
from scipy.special import logsumexp

KINDS = ("full", "tied", "diag", "spherical")
# Those whose covariances have a conjugate prior; of the last two they are equal lines (K, D).
CONJUGATE = (*KINDS, "EEI", "EII")
# One covariance, or its variances, for all components.
SHARED = ("tied", "EEI", "EII")
# One scale for all features.
ROUND = ("spherical", "EII")


def matrix(kind, covariances, component, n_features):
    """One component's covariance as a (D, D) matrix."""
    one = np.array(covariances if kind == "tied" else covariances[component], dtype=np.float64)
    if one.ndim == 2:
        return one
    return np.diag(one) if one.ndim else one * np.eye(n_features)


def matrices(kind, covariances, n_components, n_features):
    return np.array([matrix(kind, covariances, k, n_features) for k in range(n_components)])


def from_matrix(kind, scatter):
    """Reduce one component's (D, D) matrix of sums of squares to what the structure keeps."""
    if kind in ("diag", "EEI", "EII"):
        return np.diag(scatter)
    if kind == "spherical":
        return np.trace(scatter)
    return scatter


def log_densities(kind, X, means, covariances):
    """log N(x_n | mean_k, covariance_k), shape (n, K)."""
    n_components, n_features = means.shape
    columns = [
        stats.multivariate_normal(means[k], matrix(kind, covariances, k, n_features)).logpdf(X)
        for k in range(n_components)
    ]
    return np.column_stack([np.atleast_1d(column) for column in columns])


def log_joint(kind, X, weights, means, covariances):
    with np.errstate(divide="ignore"):
        return log_densities(kind, X, means, covariances) + np.log(weights)


def mean_prior_log_density(kind, means, covariances, prior_mean, precision):
    """Sum over components of log N(mean_k | prior_mean, covariance_k / precision)."""
    n_components, n_features = means.shape
    total = 0.0
    for k in range(n_components):
        spread = matrix(kind, covariances, k, n_features) / precision
        total += stats.multivariate_normal(prior_mean, spread).logpdf(means[k])
    return total


def covariance_prior_log_density(kind, covariances, prior_covariance, freedom):
    """Inverse-Wishart for matrices, inverse-gamma for variances; a shared one counts once."""
    if kind == "tied":
        return stats.invwishart(freedom, prior_covariance).logpdf(covariances)
    if kind == "full":
        prior = stats.invwishart(freedom, prior_covariance[0])
        return sum(prior.logpdf(covariance) for covariance in covariances)
    if kind in SHARED:
        covariances = covariances[:1]
    if kind == "EII":
        covariances, prior_covariance = covariances[:, :1], prior_covariance[:, :1]
    prior = stats.invgamma(freedom / 2, scale=prior_covariance[0] / 2)
    return sum(np.sum(prior.logpdf(variance)) for variance in covariances)


def log_prior(kind, means, covariances, prior):
    total = 0.0
    if prior.mean_precision > 0:
        total += mean_prior_log_density(kind, means, covariances, prior.mean, prior.mean_precision)
    if prior.degrees_of_freedom is not None:
        total += covariance_prior_log_density(
            kind, covariances, prior.covariance, prior.degrees_of_freedom
        )
    return float(total)


def expected_log_joint(kind, X, resp, means, covariances, prior):
    """sum_nk r_nk log N(x_n | component k) + log prior: what an M-step maximises."""
    scores = log_densities(kind, X, means, covariances)
    return float((resp * scores).sum()) + log_prior(kind, means, covariances, prior)


def statistics(kind, X, resp):
    """Weights (K,), means (K, D) and scatter of the components, in explicit loops."""
    n_rows, n_features = X.shape
    n_components = resp.shape[1]
    weight = np.zeros(n_components)
    mean = np.zeros((n_components, n_features))
    scatter = np.zeros((n_components, n_features, n_features))
    for k in range(n_components):
        for n in range(n_rows):
            weight[k] += resp[n, k]
            mean[k] += resp[n, k] * X[n]
        if weight[k] > 0:
            mean[k] /= weight[k]
        for n in range(n_rows):
            scatter[k] += resp[n, k] * np.outer(X[n] - mean[k], X[n] - mean[k])
    if kind == "tied":
        return weight, mean, scatter.sum(axis=0)
    return weight, mean, np.array([from_matrix(kind, one) for one in scatter])


def e_step(kind, X, sample_weight, weights, means, covariances):
    """Weighted responsibilities (n, K), log normalisers (n,) and their weighted sum."""
    scores = log_joint(kind, X, weights, means, covariances)
    normaliser = logsumexp(scores, axis=1)
    resp = sample_weight[:, None] * np.exp(scores - normaliser[:, None])
    return resp, normaliser, float(np.dot(sample_weight, normaliser))


def maximum_likelihood(kind, weight, mean, scatter, n_features):
    """Weights, means and covariances of highest likelihood for given statistics."""
    total = weight.sum()
    if kind == "tied":
        return weight / total, mean, scatter / total
    if kind in SHARED:
        pooled = scatter.sum(axis=0) / total
        pooled = pooled if kind == "EEI" else np.full(n_features, pooled.mean())
        return weight / total, mean, np.array([pooled] * len(weight))
    seen = weight * n_features if kind == "spherical" else weight
    shape = (-1,) + (1,) * (scatter.ndim - 1)
    return weight / total, mean, scatter / seen.reshape(shape)
