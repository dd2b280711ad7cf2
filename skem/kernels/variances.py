"""Variances of components along the features: factors, scores' coefficients, statistics.

As `skem.kernels.covariances`, for diagonal matrices. Shapes: K components, D features.
"""

import math

from skem.kernels.covariances import BELOW_FLOOR, DONE, TINY
from skem.kernels.jit import kernel


@kernel
def factorise(variances, floors, factors):
    """Write the roots of precisions.

    Parameters
    ----------
    variances, factors : ndarray of shape (K, D)
    floors : ndarray of shape (0, D) or (1, D)
        What variances are to be no lower than.

    Returns
    -------
    status : int
        -1 if all is well, -2 if a variance is lower than the floor, else the first component
        with a variance that is not positive.
    """
    n_components, n_features = variances.shape
    for step in range(floors.shape[0]):
        for k in range(n_components):
            for j in range(n_features):
                if not variances[k, j] >= floors[step, j]:
                    return BELOW_FLOOR
    for k in range(n_components):
        for j in range(n_features):
            if not variances[k, j] > 0.0:
                return k
            factors[k, j] = 1.0 / math.sqrt(variances[k, j])
    return DONE


@kernel
def linear_form(means, factors, coefficients, level):
    """Write what log densities have for squares of features, features and ones, in this order.

    ``-|(z - m) c|^2 / 2`` is ``coefficients . products + level``.

    Parameters
    ----------
    means, factors : ndarray of shape (K, D)
        m and c, the roots of precisions.
    coefficients : ndarray of shape (2 D + 1, K)
    level : ndarray of shape (K,)
        Their share is added.
    """
    n_components, n_features = means.shape
    for k in range(n_components):
        distance = 0.0
        for j in range(n_features):
            precision = factors[k, j] * factors[k, j]
            slope = precision * means[k, j]
            coefficients[j, k] = -0.5 * precision
            coefficients[n_features + j, k] = slope
            distance += slope * means[k, j]
        coefficients[2 * n_features, k] = 0.0
        level[k] -= 0.5 * distance


@kernel
def log_determinants(factors, out):
    """Write the sum of the logarithms of each line of (K, D) to ``out`` (K,)."""
    for k in range(factors.shape[0]):
        total = 0.0
        for j in range(factors.shape[1]):
            total += math.log(factors[k, j])
        out[k] = total


@kernel
def cancellation(means, variances, factors):
    """Return the largest ``sum_j (m_j^2 + v_j) c_j^2`` of the components; all (K, D)."""
    largest = 0.0
    for k in range(means.shape[0]):
        total = 0.0
        for j in range(means.shape[1]):
            spread = means[k, j] * means[k, j] + variances[k, j]
            total += spread * factors[k, j] * factors[k, j]
        # NaN is not lower than anything, and stays.
        if not total <= largest:
            largest = total
    return largest


@kernel
def centre(weight, first, second, shift, scatter):
    """Turn moments about a point each into means about it and sums of squares about these.

    Parameters
    ----------
    weight : ndarray of shape (K,)
    first, second, shift, scatter : ndarray of shape (K, D)
    """
    n_components, n_features = first.shape
    for k in range(n_components):
        known = weight[k] if weight[k] > TINY else TINY
        for j in range(n_features):
            apart = first[k, j] / known
            shift[k, j] = apart
            scatter[k, j] = second[k, j] - weight[k] * (apart * apart)
