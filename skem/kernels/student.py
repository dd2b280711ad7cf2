"""Scores by Student's t distributions."""

import math

from skem.kernels.jit import kernel

LOG_2PI = math.log(2.0 * math.pi)


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


@kernel
def student_gap_scores(first, missing, heights, constants, freedom, rates, scores):
    """Turn minus half squared distances of seen cells into log densities of a multivariate t.

    Parameters
    ----------
    first, missing : ndarray
        Segments of rows with the same gap, as for `skem.kernels.gaps.complete_block`.
    heights : ndarray of shape (n_components, >= n_segments)
        As that kernel writes them.
    constants : ndarray of shape (n_components, n_features + 1)
        By the number of seen cells; where none is seen, the log weights.
    freedom, rates : ndarray of shape (n_components,)
    scores : ndarray of shape (n_components, >= n_rows)
        Is overwritten.
    """
    n_features = missing.shape[1]
    for s in range(first.size - 1):
        p = n_features
        for j in range(n_features):
            p -= missing[s, j]
        for k in range(scores.shape[0]):
            level = constants[k, p]
            if p > 0:  # without the 2 pi of a normal distribution's cells
                level += heights[k, s] - 0.5 * (n_features - p) * LOG_2PI
            power = 0.5 * (freedom[k] + p)
            for i in range(first[s], first[s + 1]):
                distance = max(-scores[k, i], 0.0)
                scores[k, i] = level - power * math.log1p(rates[k] * distance)


@kernel
def feature_student_gap_scores(
    values, first, missing, centres, rates, heights, log_weights, powers, out
):
    """Write ``log_weight + sum (height_j - power log(1 + rate_j (z_j - centre_j)^2))``.

    The sum is over seen cells. ``heights`` has the shape (n_components, n_features), the others
    are as for `feature_student_scores`.
    """
    n_components, n_features = centres.shape
    for s in range(first.size - 1):
        for k in range(n_components):
            for i in range(first[s], first[s + 1]):
                score = log_weights[k]
                for j in range(n_features):
                    if not missing[s, j]:
                        deviation = values[j, i] - centres[k, j]
                        tail = math.log1p(rates[k, j] * deviation * deviation)
                        score += heights[k, j] - powers[k] * tail
                out[k, i] = score
