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
def draw(head, noise, deviation, z):
    """Write ``z = mu + exp(v / 2) noise`` (Kingma & Welling 2014, section 2.4).

    Parameters
    ----------
    head : ndarray of shape (n_rows, 2 * n_latent)
    noise, z : ndarray of shape (n_samples * n_rows, n_latent)
        Row i's sample s is in line ``s * n_rows + i``.
    deviation : ndarray of shape (n_rows, n_latent), float64
        Receives ``exp(v / 2)``, which the other kernels go on with.
    """
    n_rows, n_latent = head.shape[0], z.shape[1]
    for i in range(n_rows):
        log_variance, line = head[i][n_latent:], deviation[i]
        for j in each(n_latent):
            v = np.minimum(np.maximum(np.float64(log_variance[j]), LOWEST), HIGHEST)
            line[j] = 0.5 * v
    # All at once: rows are too short for vectors.
    flat = deviation.reshape(deviation.size)
    for k in each(flat.size):
        flat[k] = exponential(flat[k])
    for s in range(z.shape[0] // n_rows):
        for i in range(n_rows):
            line, eps = z[s * n_rows + i], noise[s * n_rows + i]
            mean, factor = head[i], deviation[i]
            for j in each(n_latent):
                line[j] = mean[j] + factor[j] * eps[j]


@contracted_kernel
def divergence(head, deviation, weights, free_bits, kl, sums):
    """Compute ``KL(q || N(0, I)) = (mu^2 + e^v - 1 - v) / 2`` per dimension.

    Parameters
    ----------
    head : ndarray of shape (n_rows, 2 * n_latent)
    deviation : ndarray of shape (n_rows, n_latent), float64
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
    n_latent = kl.shape[1]
    raw, counted = sums[0], sums[1]
    for j in each(n_latent):
        raw[j] = 0.0
        counted[j] = 0.0
    for i in range(head.shape[0]):
        mean, log_variance, factor, line = head[i], head[i][n_latent:], deviation[i], kl[i]
        for j in each(n_latent):
            m = np.float64(mean[j])
            v = np.minimum(np.maximum(np.float64(log_variance[j]), LOWEST), HIGHEST)
            line[j] = 0.5 * (m * m + factor[j] * factor[j] - 1.0 - v)
            raw[j] += weights[i] * line[j]
            counted[j] += weights[i] * np.maximum(line[j], free_bits)
    return counted.sum()


@contracted_kernel
def head_gradient(head, noise, deviation, z_gradient, weights, kl, beta, free_bits, out):
    """Compute a loss's gradient at the encoder's output.

    The loss is a function of z plus ``beta * weight * max(kl, free_bits)``, summed over rows
    and dimensions.

    Parameters
    ----------
    head, noise, deviation : ndarray
        As for `draw`.
    z_gradient : ndarray of shape (n_samples * n_rows, n_latent)
    weights : ndarray of shape (n_rows,), float64
    kl : ndarray of shape (n_rows, n_latent)
        From `divergence`.
    beta, free_bits : float
    out : ndarray of shape (n_rows, 2 * n_latent)
        Receives the gradient.
    """
    n_rows, n_latent = head.shape[0], z_gradient.shape[1]
    n_samples = z_gradient.shape[0] // n_rows
    at_mean, at_deviation = np.empty(n_latent), np.empty(n_latent)
    for i in range(n_rows):
        mean, log_variance, sigma = head[i], head[i][n_latent:], deviation[i]
        out_mean, out_log_variance = out[i][:n_latent], out[i][n_latent:]
        divergences = kl[i]
        for j in each(n_latent):
            at_mean[j] = 0.0
            at_deviation[j] = 0.0
        for s in range(n_samples):
            gradient, eps = z_gradient[s * n_rows + i], noise[s * n_rows + i]
            for j in each(n_latent):
                at_mean[j] += gradient[j]
                at_deviation[j] += gradient[j] * eps[j]
        factor = beta * weights[i]
        for j in each(n_latent):
            raw = np.float64(log_variance[j])
            v = np.minimum(np.maximum(raw, LOWEST), HIGHEST)
            counts = factor * (divergences[j] >= free_bits)
            out_mean[j] = at_mean[j] + counts * mean[j]
            g = 0.5 * (at_deviation[j] * sigma[j] + counts * (sigma[j] * sigma[j] - 1.0))
            # A step goes against the gradient: beyond a bound it may only lead back.
            out_log_variance[j] = g * ((raw - v) * g >= 0.0)


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
