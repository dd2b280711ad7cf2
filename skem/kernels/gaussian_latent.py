"""The Gaussian latent of a variational autoencoder: samples, divergence, gradients.

An encoder's output has a line for each row: L means mu, then L log-variances v. The
log-variances count as bounded, so that no row gives an infinite variance; beyond a bound a
gradient only leads back.
"""

import numpy as np

from skem.kernels.elementary import exponential, fold
from skem.kernels.jit import contracted_kernel, each

LOWEST, HIGHEST = -30.0, 20.0


@contracted_kernel
def draw(head, noise, mean, log_variance, deviation, z):
    """Write ``z = mu + exp(v / 2) noise`` (Kingma & Welling 2014, section 2.4).

    Parameters
    ----------
    head : ndarray of shape (n_rows, 2 * n_latent)
    noise, z : ndarray of shape (n_samples * n_rows, n_latent)
        Row i's sample s is in line ``s * n_rows + i``.
    mean, log_variance : ndarray of shape (n_rows, n_latent), float64
        Receive the halves of ``head``, with which the other kernels go on: rows are too short for
        vectors, so loops run over all of them at once.
    deviation : ndarray of shape (n_rows, n_latent), float64
        Receives ``exp(v / 2)``.
    """
    n_rows, n_latent = deviation.shape
    split(head, mean, log_variance)
    n = n_rows * n_latent
    centre, v, factor = mean.reshape(n), log_variance.reshape(n), deviation.reshape(n)
    for k in each(n):
        factor[k] = exponential(0.5 * np.minimum(np.maximum(v[k], LOWEST), HIGHEST))
    for first in range(0, z.shape[0], n_rows):
        out = z[first : first + n_rows].reshape(n)
        eps = noise[first : first + n_rows].reshape(n)
        for k in each(n):
            out[k] = centre[k] + factor[k] * eps[k]


@contracted_kernel
def split(head, mean, log_variance):
    """Copy the halves of ``head`` (n_rows, 2 * n_latent) to float64 arrays (n_rows, n_latent)."""
    n_latent = mean.shape[1]
    for i in range(head.shape[0]):
        both, first, second = head[i], mean[i], log_variance[i]
        upper = both[n_latent:]
        for j in each(n_latent):
            first[j] = both[j]
        for j in each(n_latent):
            second[j] = upper[j]


@contracted_kernel
def divergence(mean, log_variance, deviation, weights, free_bits, kl, sums):
    """Compute ``KL(q || N(0, I)) = (mu^2 + e^v - 1 - v) / 2`` per dimension.

    Parameters
    ----------
    mean, log_variance, deviation : ndarray of shape (n_rows, n_latent), float64
        From `draw`.
    weights : ndarray of shape (n_rows,), float64
    free_bits : float
    kl : ndarray of shape (n_rows, n_latent), float64
        Receives the divergences, in nats.
    sums : ndarray of shape (2, n_latent), float64
        Receives weighted sums over rows: of the divergences, and of ``max(kl, free_bits)``.

    Returns
    -------
    total : float
        The second sums, added up.
    """
    n, n_latent = kl.size, kl.shape[1]
    counted = np.empty(kl.shape)
    centre, v, factor = mean.reshape(n), log_variance.reshape(n), deviation.reshape(n)
    flat, flat_counted = kl.reshape(n), counted.reshape(n)
    for k in each(n):
        bounded = np.minimum(np.maximum(v[k], LOWEST), HIGHEST)
        flat[k] = 0.5 * (centre[k] * centre[k] + factor[k] * factor[k] - 1.0 - bounded)
        flat_counted[k] = np.maximum(flat[k], free_bits)
    np.dot(weights, kl, sums[0])
    np.dot(weights, counted, sums[1])
    total = 0.0
    for j in range(n_latent):
        total += sums[1, j]
    return total


@contracted_kernel
def head_gradient(
    mean, log_variance, noise, deviation, z_gradient, weights, kl, beta, free_bits, out
):
    """Compute a loss's gradient at the encoder's output.

    The loss is a function of z plus ``beta * weight * max(kl, free_bits)``, summed over rows
    and dimensions.

    Parameters
    ----------
    mean, log_variance, noise, deviation : ndarray
        As for `draw`.
    z_gradient : ndarray of shape (n_samples * n_rows, n_latent)
    weights : ndarray of shape (n_rows,), float64
    kl : ndarray of shape (n_rows, n_latent)
        From `divergence`.
    beta, free_bits : float
    out : ndarray of shape (n_rows, 2 * n_latent)
        Receives the gradient.
    """
    n_rows, n_latent = kl.shape
    n = n_rows * n_latent
    centre, v, factor = mean.reshape(n), log_variance.reshape(n), deviation.reshape(n)
    counts = np.empty(n)
    at_mean, at_deviation = np.zeros(kl.shape), np.zeros(kl.shape)
    flat_mean, flat_deviation = at_mean.reshape(n), at_deviation.reshape(n)
    for i in range(n_rows):
        line, share = counts[i * n_latent :], beta * weights[i]
        for j in each(n_latent):
            line[j] = share
    for first in range(0, z_gradient.shape[0], n_rows):
        gradient = z_gradient[first : first + n_rows].reshape(n)
        eps = noise[first : first + n_rows].reshape(n)
        for k in each(n):
            flat_mean[k] += gradient[k]
            flat_deviation[k] += gradient[k] * eps[k]
    divergences = kl.reshape(n)
    for k in each(n):
        bounded = np.minimum(np.maximum(v[k], LOWEST), HIGHEST)
        count = counts[k] * (divergences[k] >= free_bits)
        flat_mean[k] += count * centre[k]
        slope = flat_deviation[k] * factor[k] + count * (factor[k] * factor[k] - 1.0)
        # A step goes against the gradient: beyond a bound it may only lead back.
        flat_deviation[k] = 0.5 * slope * ((v[k] - bounded) * slope >= 0.0)
    for i in range(n_rows):
        line, first_half, second_half = out[i], at_mean[i], at_deviation[i]
        upper = line[n_latent:]
        for j in each(n_latent):
            line[j] = first_half[j]
        for j in each(n_latent):
            upper[j] = second_half[j]


@contracted_kernel
def log_ratio(head, noise, z, out):
    """Write ``log N(z; 0, I) - log q(z)`` of each sample to ``out`` (n_samples * n_rows,)."""
    n_rows, n_latent = head.shape[0], z.shape[1]
    terms = np.empty(n_latent)
    for r in range(z.shape[0]):
        log_variance, line, eps = head[r % n_rows][n_latent:], z[r], noise[r]
        for j in each(n_latent):
            v = np.minimum(np.maximum(np.float64(log_variance[j]), LOWEST), HIGHEST)
            e, zj = np.float64(eps[j]), np.float64(line[j])
            terms[j] = 0.5 * (v + e * e - zj * zj)
        out[r] = fold(terms, n_latent)
