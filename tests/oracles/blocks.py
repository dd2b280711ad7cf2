"""Mixtures of blocks in loops over rows and cells, by SciPy's distributions."""

import numpy as np
import scipy.stats as st
from scipy.special import logsumexp


def _gaussian(entry, k, cells):
    means = np.asarray(entry["means"])
    n_components, d = means.shape
    covariance = np.asarray(entry["covariances"])
    if covariance.shape == (n_components, d, d):
        covariance = covariance[k]
    elif covariance.shape == (n_components, d):
        covariance = np.diag(covariance[k])
    elif covariance.shape == (n_components,):
        covariance = covariance[k] * np.eye(d)
    seen = ~np.isnan(cells)
    if not seen.any():
        return 0.0
    block = covariance[np.ix_(seen, seen)]
    return st.multivariate_normal(means[k, seen], block).logpdf(cells[seen])


_ONE = {
    "poisson": lambda e, k, j, x: st.poisson(e["rates"][k, j]).logpmf(x),
    "exponential": lambda e, k, j, x: st.expon(scale=1 / e["rates"][k, j]).logpdf(x),
    "geometric": lambda e, k, j, x: st.geom(e["probabilities"][k, j], loc=-1).logpmf(x),
    "bernoulli": lambda e, k, j, x: st.bernoulli(e["probabilities"][k, j]).logpmf(x),
    "categorical": lambda e, k, j, x: np.log(e["probabilities"][j][k, int(x)]),
    "lognormal": lambda e, k, j, x: st.lognorm(
        np.sqrt(e["variances"][k, j]), scale=np.exp(e["means"][k, j])
    ).logpdf(x),
}


def log_joint(weights, parameters, blocks, values):
    """Log weight and log density of the seen cells, (n, K).

    ``blocks`` are the columns of each entry of ``parameters``, ``values`` numbers and codes.
    """
    result = np.empty((len(values), len(weights)))
    for i, row in enumerate(values):
        for k, weight in enumerate(weights):
            total = np.log(weight)
            for entry, columns in zip(parameters, blocks, strict=True):
                cells = row[columns]
                if "covariances" in entry:
                    total += _gaussian(entry, k, cells)
                    continue
                for j, x in enumerate(cells):
                    if not np.isnan(x):
                        total += _ONE[entry["kind"]](entry, k, j, x)
            result[i, k] = total
    return result


def log_density(*model):
    return logsumexp(log_joint(*model), axis=1)


def responsibilities(*model):
    joint = log_joint(*model)
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
