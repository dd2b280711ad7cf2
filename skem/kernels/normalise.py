"""From scores to responsibilities and log normalisers."""

import math

from skem.kernels.elementary import add_logarithms
from skem.kernels.jit import contracted_callee, inner_kernel, kernel

# exp(x) = 2^m exp(r) with m = round(x / log 2) and |r| <= log(2) / 2: log 2 in two parts, so
# that r is exact, and the Taylor series of exp(r) to r^13, whose remainder is below 1e-17.
# The library's exp is a scalar call of 4.4 ns in numba; this loop is vectorised (1.1 ns).
LOG2_E = 1.4426950408889634
LOG2_HIGH = 6.93145751953125e-1
LOG2_LOW = 1.42860682030941723212e-6
# Adding and subtracting 1.5 * 2^52 rounds a float64 to the nearest integer.
ROUNDER = 6755399441055744.0
ONE_BITS = 1023 << 52  # of the float64 1.0
# Below this, exp is taken as zero: its exponent would leave the normal numbers.
LOWEST = -708.0
C2, C3, C4, C5, C6, C7 = (1.0 / math.factorial(i) for i in range(2, 8))
C8, C9, C10, C11, C12, C13 = (1.0 / math.factorial(i) for i in range(8, 14))


@contracted_callee
def exp_difference(x, shift, n, power, power_bits):
    """Replace ``x[:n]`` by ``exp(x - shift)``, for ``x <= shift``.

    ``power`` (float64, at least ``n`` long) is scratch, and ``power_bits`` the same memory as
    int64: numba takes long to compile such a view.
    """
    for i in range(n):
        value = x[i] - shift[i]
        value = LOWEST if value < LOWEST else value
        shifted = value * LOG2_E + ROUNDER
        power[i] = shifted
        whole = shifted - ROUNDER
        r = (value - whole * LOG2_HIGH) - whole * LOG2_LOW
        p = C11 + r * (C12 + r * C13)
        p = C8 + r * (C9 + r * (C10 + r * p))
        p = C5 + r * (C6 + r * (C7 + r * p))
        p = C2 + r * (C3 + r * (C4 + r * p))
        p = 1.0 + r * (1.0 + r * p)
        x[i] = p if value > LOWEST else 0.0
    # The last bits of m + ROUNDER are those of m, and 2^m is 1.0 with m added to its exponent.
    for i in range(n):
        power_bits[i] = (power_bits[i] << 52) + ONE_BITS
    for i in range(n):
        x[i] *= power[i]


@inner_kernel
def log_normalise(scores, n_rows, weights, power, power_bits, log_normaliser, factor, hard):
    """Turn log joint scores into unnormalised responsibilities, row by row.

    Or, ``hard``, into 0 and 1: each row is wholly the component's of the highest score, the
    first of equals, and that score is its log normaliser (Celeux & Govaert 1992).

    Parameters
    ----------
    scores : ndarray of shape (n_components, >= n_rows)
        On return ``exp(scores - max)``, or 0 and 1.
    weights : ndarray of shape (>= n_rows,)
    power, power_bits : ndarray of shape (>= n_rows,)
        Scratch of `exp_difference`.
    log_normaliser : ndarray of shape (>= n_rows,)
        Receives ``log sum_k exp(scores)``.
    factor : ndarray of shape (>= n_rows,)
        Receives ``w / sum_k exp(scores - max)``: times the new scores it gives the weighted
        responsibilities.
    hard : bool

    Returns
    -------
    total : float
        ``sum_n w_n log_normaliser_n``, in nats.
    """
    n_components = scores.shape[0]
    largest = log_normaliser
    for i in range(n_rows):
        largest[i] = scores[0, i]
        factor[i] = 0.0
    for k in range(1, n_components):
        line = scores[k]
        for i in range(n_rows):
            known, score = largest[i], line[i]
            largest[i] = score if score > known else known
    for k in range(n_components):
        line = scores[k]
        if hard:
            for i in range(n_rows):
                line[i] = 1.0 - factor[i] if line[i] == largest[i] else 0.0
        else:
            exp_difference(line, largest, n_rows, power, power_bits)
        for i in range(n_rows):
            factor[i] += line[i]
    total = 0.0
    add_logarithms(factor, n_rows, power, power_bits, log_normaliser)
    for i in range(n_rows):
        total += weights[i] * log_normaliser[i]
        factor[i] = weights[i] / factor[i]
    return total


@inner_kernel
def responsibilities(scores, n_rows, factor, resp):
    """Write ``scores * factor``, transposed, to ``resp`` (>= n_rows, n_components)."""
    n_components = scores.shape[0]
    whole = n_rows - n_rows % 8
    for start in range(0, whole, 8):
        for k in range(n_components):
            line = scores[k]
            for i in range(start, start + 8):
                resp[i, k] = line[i] * factor[i]
    for i in range(whole, n_rows):
        for k in range(n_components):
            resp[i, k] = scores[k, i] * factor[i]


@kernel
def best_component(scores, n_rows, labels):
    """Write each row's component of the highest score to ``labels``; the first of equals."""
    for i in range(n_rows):
        labels[i] = 0
    for i in range(n_rows):
        best = scores[0, i]
        for k in range(1, scores.shape[0]):
            if scores[k, i] > best:
                best = scores[k, i]
                labels[i] = k
