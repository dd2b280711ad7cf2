"""The maximum mean discrepancy of codes and draws from their prior."""

import numpy as np

from skem.kernels.elementary import LARGEST, exponential
from skem.kernels.jit import contracted_kernel, each

RBF, IMQ = range(2)


@contracted_kernel
def _from_point(kind, twice, points, point, values, slopes):
    """Evaluate a kernel function between one point and others.

    Parameters
    ----------
    kind : int
        RBF is ``exp(-d / twice)`` at a squared distance d, IMQ ``twice / (twice + d)``.
    twice : float
        Twice the squared bandwidth.
    points : ndarray of shape (n_latent, n_points), float64
    point : ndarray of shape (n_latent,), float64
    values, slopes : ndarray of shape (n_points,), float64
        Receive the function and its derivative at the squared distances.
    """
    n = values.size
    for j in each(n):
        slopes[j] = 0.0
    for dimension in range(point.size):
        line, here = points[dimension], point[dimension]
        for j in each(n):
            distance = line[j] - here
            slopes[j] += distance * distance
    if kind == RBF:
        for j in each(n):
            values[j] = exponential(slopes[j] / -twice)
            slopes[j] = values[j] / -twice
    else:
        for j in each(n):
            values[j] = twice / (twice + slopes[j])
            slopes[j] = values[j] / -(twice + slopes[j])


@contracted_kernel
def mmd(kind, bandwidth, z, prior, keys, weights, gradient):
    """Estimate ``E k(z, z') - 2 E k(z, p) + E k(p, p')`` over pairs of different rows.

    Without bias (Gretton et al. 2012, equation 3). A row that stands here several times, by its
    key, has one code and one prior draw, and so makes no pairs with itself.

    Parameters
    ----------
    kind : int
    bandwidth : float
    z, prior : ndarray of shape (n_rows, n_latent), float64
        Codes, and as many draws from the prior.
    keys : ndarray of shape (n_rows,), uint64
    weights : ndarray of shape (n_rows,), float64
        Of the rows; only their ratios count.
    gradient : ndarray of shape (n_rows, n_latent) or (0, n_latent), float64
        Receives the gradient at ``z``, unless it has no rows.

    Returns
    -------
    value : float
        Zero if there is no pair.
    """
    n_rows, n_latent = z.shape
    twice = 2.0 * bandwidth * bandwidth
    codes, ideal = np.empty((n_latent, n_rows)), np.empty((n_latent, n_rows))
    codes[:] = z.T
    ideal[:] = prior.T
    values, slopes, pairs = np.empty(n_rows), np.empty(n_rows), np.empty(n_rows)
    total, n_pairs = weights.sum(), 0.0
    for i in range(n_rows):
        for j in each(n_rows):
            pairs[j] = weights[j] * (keys[j] != keys[i])
        n_pairs += weights[i] * pairs.sum()
    near, far = 0.0, 0.0
    gradient[:] = 0.0
    if n_pairs > 0:
        for i in range(n_rows):
            for j in each(n_rows):
                pairs[j] = (weights[i] / n_pairs) * weights[j] * (keys[j] != keys[i])
            _from_point(kind, twice, ideal, prior[i], values, slopes)
            near += np.dot(pairs, values)
            _from_point(kind, twice, codes, z[i], values, slopes)
            near += np.dot(pairs, values)
            if gradient.shape[0] > 0:
                for j in each(n_rows):
                    slopes[j] *= 4.0 * pairs[j]
                # The slope at a squared distance, times z_i - z_j.
                gradient[i] += slopes.sum() * z[i] - np.dot(codes, slopes)
            _from_point(kind, twice, ideal, z[i], values, slopes)
            share = weights[i] / (total * total)
            far += share * np.dot(weights, values)
            if gradient.shape[0] > 0:
                for j in each(n_rows):
                    slopes[j] *= 4.0 * share * weights[j]
                gradient[i] -= slopes.sum() * z[i] - np.dot(ideal, slopes)
    return near - 2.0 * far


@contracted_kernel
def _expected_from(square, means, variances, mean, variance, values, exponents):
    """Evaluate the expected RBF between one Gaussian and others, with diagonal covariances.

    ``prod_d sqrt(h^2 / c_d) exp(-(m_d - m'_d)^2 / (2 c_d))`` with ``c = h^2 + v + v'``: the
    integral of a product of Gaussians (Bishop 2006, equation 2.115).

    Parameters
    ----------
    square : float
        h squared.
    means, variances : ndarray of shape (n_latent, n_points), float64
    mean, variance : ndarray of shape (n_latent,), float64
    values : ndarray of shape (n_points,), float64
        Receives the expectations.
    exponents : ndarray of shape (n_points,), float64
        Room.
    """
    n = values.size
    for j in each(n):
        values[j] = 1.0
        exponents[j] = 0.0
    for dimension in range(mean.size):
        line, spread = means[dimension], variances[dimension]
        here, own = mean[dimension], variance[dimension]
        for j in each(n):
            total = square + spread[j] + own
            distance = line[j] - here
            values[j] = values[j] * square / total
            exponents[j] += distance * distance / total
    for j in each(n):
        values[j] = np.sqrt(values[j]) * exponential(np.maximum(-0.5 * exponents[j], -LARGEST))


@contracted_kernel
def expected_mmd(squares, shares, mean, variance, keys, weights):
    """Compute what `mmd` estimates, of Gaussian codes and the prior N(0, I), without chance.

    Parameters
    ----------
    squares, shares : ndarray of shape (n_kernels,), float64
        The kernel function is a sum of RBFs: their squared bandwidths and factors.
    mean, variance : ndarray of shape (n_rows, n_latent), float64
    keys : ndarray of shape (n_rows,), uint64
    weights : ndarray of shape (n_rows,), float64

    Returns
    -------
    value : float
        Zero if there is no pair of different rows.
    """
    n_rows, n_latent = mean.shape
    means, variances = np.empty((n_latent, n_rows)), np.empty((n_latent, n_rows))
    means[:] = mean.T
    variances[:] = variance.T
    origin, unit = np.zeros(n_latent), np.ones(n_latent)
    values, pairs, room = np.empty(n_rows), np.empty(n_rows), np.empty(n_rows)
    total, n_pairs, near, far = weights.sum(), 0.0, 0.0, 0.0
    for i in range(n_rows):
        for j in each(n_rows):
            pairs[j] = weights[i] * weights[j] * (keys[j] != keys[i])
        n_pairs += pairs.sum()
        for k in range(squares.size):
            _expected_from(squares[k], means, variances, mean[i], variance[i], values, room)
            near += shares[k] * np.dot(pairs, values)
    if n_pairs == 0.0:
        return 0.0
    for k in range(squares.size):
        _expected_from(squares[k], means, variances, origin, unit, values, room)
        prior = (squares[k] / (squares[k] + 2.0)) ** (0.5 * n_latent)
        far += shares[k] * (2.0 * np.dot(weights, values) / total - prior)
    return near / n_pairs - far
