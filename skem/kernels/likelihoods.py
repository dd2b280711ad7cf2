"""Likelihoods of decoders: losses of rows and their gradients at the decoder's output.

A loss is a negative log-likelihood in nats. Outputs hold several samples of each row: line
``s * n_rows + i`` belongs to row i of the targets. Each line has a weight, which multiplies its
gradient but not the loss that is reported.
"""

import math

import numpy as np

from skem.kernels.elementary import (
    LOWEST_SINGLE,
    exponential,
    exponential_single,
    fold,
    log_product,
)
from skem.kernels.jit import contracted_kernel, each, kernel

# Values that are worked on at once where a loop need not know of rows.
TOGETHER = 1024

LOG_2_PI = math.log(2.0 * math.pi)

# Share of a batch in the moving average that is a learned variance, and a step's largest fall.
SHARE, LARGEST_FALL = 0.1, -0.5


@contracted_kernel
def gaussian(output, target, weights, log_variance, bounds, losses, gradient, variance_gradient):
    """Gaussian whose variance is the same for all rows.

    Parameters
    ----------
    output : ndarray of shape (n_samples * n_rows, n_features)
        Means.
    target : ndarray of shape (n_rows, n_features)
    weights : ndarray of shape (n_samples * n_rows,), float64
    log_variance : ndarray of shape (1,) or (n_features,)
        For all features, or for each.
    bounds : ndarray of shape (2,), float64
        Of the log-variances; beyond them a gradient only leads back.
    losses : ndarray of shape (n_samples * n_rows,), float64
        Receives the loss of each line.
    gradient : ndarray of the shape of ``output``, or (0, n_features)
        Receives the gradient, unless it has no lines.
    variance_gradient : ndarray of the shape of ``log_variance``, or (0,)
        Receives the weighted gradient at it, if there is a gradient and it has places.
    """
    n_rows, n_features = target.shape
    # Several short rows at once: a row alone would leave the vectors half empty.
    n_together = min(n_rows, max(1, TOGETHER // n_features))
    squares = np.empty((n_together, n_features))
    flat_squares, precision = squares.reshape(squares.size), np.empty(squares.size)
    ones, row_sums = np.empty(n_features), np.empty(n_together)
    sums, part, total = np.empty(n_features), np.empty(n_features), 0.0
    constant = n_features * LOG_2_PI
    for j in each(n_features):
        ones[j] = 1.0
        sums[j] = 0.0
    for j in range(n_features):
        raw = np.float64(log_variance[j % log_variance.size])
        v = min(max(raw, bounds[0]), bounds[1])
        constant += v
        precision[j] = math.exp(-v)
    for i in range(1, n_together):
        line = precision[i * n_features :]
        for j in each(n_features):
            line[j] = precision[j]
    for first in range(0, output.shape[0], n_rows):
        for a in range(0, n_rows, n_together):
            b = min(a + n_together, n_rows)
            n = (b - a) * n_features
            here = slice(first + a, first + b)
            mean, x = output[here].reshape(n), target[a:b].reshape(n)
            for j in each(n):
                distance = np.float64(mean[j]) - x[j]
                flat_squares[j] = distance * distance * precision[j]
            np.dot(squares[: b - a], ones, row_sums[: b - a])
            line_losses = losses[here]
            for i in each(b - a):
                line_losses[i] = 0.5 * (constant + row_sums[i])
            if gradient.shape[0] > 0:
                out = gradient[here].reshape(n)
                for j in each(n):
                    out[j] = precision[j] * (np.float64(mean[j]) - x[j])
                for r in range(first + a, first + b):
                    line, weight = gradient[r], weights[r]
                    total += weight
                    for j in each(n_features):
                        line[j] *= weight
                np.dot(weights[here], squares[: b - a], part)
                for j in each(n_features):
                    sums[j] += part[j]
    if gradient.shape[0] > 0 and variance_gradient.size > 0:
        for j in each(variance_gradient.size):
            variance_gradient[j] = 0.0
        for j in range(n_features):
            raw = np.float64(log_variance[j % log_variance.size])
            v = min(max(raw, bounds[0]), bounds[1])
            g = 0.5 * (total - sums[j])
            # A step goes against the gradient: beyond a bound it may only lead back.
            variance_gradient[j % log_variance.size] += g * ((raw - v) * g >= 0.0)


@kernel
def move_variances(log_variance, gradient, n_features):
    """Move each learned variance a little of the way to its maximum, which is the mean residual.

    At the current networks the best variance is the mean of the expected squared errors (Rybkin,
    Daniilidis & Levine 2021, section 4). A batch's mean r is folded into a moving average,
    ``v + rate (r - v)``, of which the gradient in log v knows all.

    Parameters
    ----------
    log_variance, gradient : ndarray of shape (1,) or (n_features,)
    n_features : int
    """
    factor = -2.0 * SHARE * log_variance.size / n_features
    for j in range(log_variance.size):
        change = max(factor * np.float64(gradient[j]), LARGEST_FALL)
        log_variance[j] += log_variance.dtype.type(math.log1p(change))


@contracted_kernel
def gaussian_network(output, target, weights, bounds, losses, gradient):
    """Gaussian whose log-variances are the second half of the decoder's output.

    Parameters
    ----------
    output : ndarray of shape (n_samples * n_rows, 2 * n_features)
    target, weights, bounds, losses, gradient
        As for `gaussian`.
    """
    n_rows, n_features = target.shape
    lowest, highest = bounds[0], bounds[1]
    terms = np.empty(n_features)
    for r in range(output.shape[0]):
        mean, raw_line, x = output[r][:n_features], output[r][n_features:], target[r % n_rows]
        weight = weights[r]
        for j in each(n_features):
            v = np.minimum(np.maximum(np.float64(raw_line[j]), lowest), highest)
            distance = np.float64(mean[j]) - x[j]
            terms[j] = v + distance * distance * exponential(-v)
        losses[r] = 0.5 * (n_features * LOG_2_PI + fold(terms, n_features))
        if gradient.shape[0] > 0:
            out, out_variance = gradient[r][:n_features], gradient[r][n_features:]
            for j in each(n_features):
                raw = np.float64(raw_line[j])
                v = np.minimum(np.maximum(raw, lowest), highest)
                precision = exponential(-v)
                distance = np.float64(mean[j]) - x[j]
                out[j] = weight * distance * precision
                g = 0.5 * weight * (1.0 - distance * distance * precision)
                # A step goes against the gradient: beyond a bound it may only lead back.
                out_variance[j] = g * ((raw - v) * g >= 0.0)


@contracted_kernel
def bernoulli(output, target, weights, losses, gradient):
    """Bernoulli with the outputs as log odds: loss, probability and gradient in one pass.

    Parameters
    ----------
    output : ndarray of shape (n_samples * n_rows, n_features)
    target : ndarray of shape (n_rows, n_features)
        In [0, 1].
    weights, losses, gradient
        As for `gaussian`.
    """
    n_rows, n_features = target.shape
    # Several short rows at once: a row alone would leave the vectors half empty.
    n_together = max(1, TOGETHER // n_features)
    room = n_together * n_features
    terms, factors, bits = np.empty(room), np.empty(room), np.empty(room, np.int32)
    e = np.empty(room, output.dtype)
    for first in range(0, output.shape[0], n_rows):
        for a in range(0, n_rows, n_together):
            b = min(a + n_together, n_rows)
            n = (b - a) * n_features
            logits = output[first + a : first + b].reshape(n)
            x = target[a:b].reshape(n)
            # -log p(x) = max(l, 0) - x l + log(1 + e), with e = exp(-|l|).
            if output.itemsize == 4:
                for j in each(n):
                    e[j] = np.maximum(-np.abs(logits[j]), LOWEST_SINGLE)
                exponential_single(e[:n], bits[:n])
            else:
                for j in each(n):
                    e[j] = exponential(-np.abs(logits[j]))
            for j in each(n):
                logit = np.float64(logits[j])
                factors[j] = 1.0 + np.float64(e[j])
                terms[j] = np.maximum(logit, 0.0) - x[j] * logit
            if gradient.shape[0] > 0:
                one = output.dtype.type(1)
                out = gradient[first + a : first + b].reshape(n)
                for j in each(n):
                    # The probability is this, or one less this, without a loss of digits.
                    rest = e[j] / (one + e[j])
                    upper = one * (logits[j] >= 0)
                    out[j] = (upper - x[j]) + rest * (one - upper - upper)
            for i in range(b - a):
                r, here = first + a + i, slice(i * n_features, (i + 1) * n_features)
                losses[r] = fold(terms[here], n_features) + log_product(factors[here], n_features)
                if gradient.shape[0] > 0:
                    line, weight = gradient[r], output.dtype.type(weights[r])
                    for j in each(n_features):
                        line[j] *= weight


@contracted_kernel
def any_likelihood(noise, noise_bounds, odds, output, target, weights, losses, gradient, own):
    """Call the likelihood whose argument is not None; the others are not even compiled.

    Parameters
    ----------
    noise : tuple or None
        `gaussian`'s ``log_variance`` and ``bounds``.
    noise_bounds : ndarray or None
        `gaussian_network`'s ``bounds``.
    odds : bool or None
        Anything, for `bernoulli`.
    output, target, weights, losses, gradient
        As for all of them.
    own : ndarray
        `gaussian`'s ``variance_gradient``.
    """
    if noise is not None:
        gaussian(output, target, weights, noise[0], noise[1], losses, gradient, own)
    if noise_bounds is not None:
        gaussian_network(output, target, weights, noise_bounds, losses, gradient)
    if odds is not None:
        bernoulli(output, target, weights, losses, gradient)
