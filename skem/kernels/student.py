"""Scores by Student's t distributions."""

import math

from skem.kernels.jit import kernel


@kernel
def student_scores(n_rows, constants, powers, rates, scores):
    """Turn minus half squared distances into ``constant - power log(1 + rate distance^2 / 2)``.

    Parameters
    ----------
    n_rows : int
    constants, powers, rates : ndarray of shape (n_components,)
    scores : ndarray of shape (n_components, >= n_rows)
        Is overwritten.
    """
    for k in range(scores.shape[0]):
        line = scores[k]
        for i in range(n_rows):
            # Rounding may leave a distance below zero.
            line[i] = constants[k] - powers[k] * math.log1p(rates[k] * max(-line[i], 0.0))


@kernel
def feature_student_scores(values, n_rows, centres, rates, constants, powers, out):
    """Write ``constant - power sum_j log(1 + rate_j (z_j - centre_j)^2)`` to ``out``.

    Parameters
    ----------
    values : ndarray of shape (n_features + 2, >= n_rows)
    centres, rates : ndarray of shape (n_components, n_features)
    constants, powers : ndarray of shape (n_components,)
    out : ndarray of shape (n_components, >= n_rows)
    """
    n_components, n_features = centres.shape
    for k in range(n_components):
        line = out[k]
        for i in range(n_rows):
            line[i] = constants[k]
        for j in range(n_features):
            feature = values[j]
            centre, rate, power = centres[k, j], rates[k, j], powers[k]
            for i in range(n_rows):
                deviation = feature[i] - centre
                line[i] -= power * math.log1p(rate * deviation * deviation)
