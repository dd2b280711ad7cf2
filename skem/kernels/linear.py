"""Scores and sums that are linear in products of two lines of a tile.

The log density of an exponential family is linear in its sufficient statistics, and those of a
Gaussian are products of two lines of a tile ``[z_1 .. z_D, 1, |z|^2]``. So the scores of all
components are one matrix product, and the expected statistics are one more.

The products are formed for ``rows`` rows and ``chunk`` pairs at a time, so that they are still
in the cache when BLAS reads them.
"""

import numpy as np

from skem.kernels.jit import kernel
from skem.kernels.normalise import log_normalise, responsibilities


@kernel
def fill_products(values, left, right, first, last, start, n_rows, out):
    """Write ``values[left[p]] * values[right[p]]`` for ``first <= p < last`` to ``out``."""
    for p in range(first, last):
        x = values[left[p], start : start + n_rows]
        y = values[right[p], start : start + n_rows]
        line = out[p - first]
        for i in range(n_rows):
            line[i] = x[i] * y[i]


@kernel
def linear_scores(values, n_rows, left, right, coefficients, constants, chunks, scratch, out):
    """Write ``constants + coefficients @ products`` to ``out``.

    Parameters
    ----------
    values : ndarray of shape (n_lines, >= n_rows)
    left, right : ndarray of shape (n_pairs,), int64
    coefficients : ndarray of shape (n_components, n_pairs)
    constants : ndarray of shape (n_components,)
    chunks : tuple of two ints
        Rows and pairs for which products are formed at a time.
    scratch : ndarray
        At least ``rows * chunk + n_components * max(rows, chunk)`` long.
    out : ndarray of shape (n_components, >= n_rows)
    """
    n_components, n_pairs = coefficients.shape
    rows, chunk = chunks
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        for first in range(0, n_pairs, chunk):
            last = min(first + chunk, n_pairs)
            n_products = (last - first) * n
            products = scratch[:n_products].reshape((last - first, n))
            part = scratch[n_products : n_products + n_components * n].reshape((n_components, n))
            fill_products(values, left, right, first, last, start, n, products)
            np.dot(np.ascontiguousarray(coefficients[:, first:last]), products, part)
            for k in range(n_components):
                target = out[k, start : start + n]
                source = part[k]
                if first == 0:
                    constant = constants[k]
                    for i in range(n):
                        target[i] = source[i] + constant
                else:
                    for i in range(n):
                        target[i] += source[i]


@kernel
def linear_sums(values, n_rows, left, right, resp, chunks, scratch, sums):
    """Add ``products @ resp`` to ``sums``.

    Parameters
    ----------
    values, n_rows, left, right, chunks, scratch
        As for `linear_scores`.
    resp : ndarray of shape (>= n_rows, n_components)
        Weighted responsibilities.
    sums : ndarray of shape (n_pairs, n_components)
    """
    n_pairs, n_components = sums.shape
    rows, chunk = chunks
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        for first in range(0, n_pairs, chunk):
            last = min(first + chunk, n_pairs)
            n_products = (last - first) * n
            n_part = (last - first) * n_components
            products = scratch[:n_products].reshape((last - first, n))
            part = scratch[n_products : n_products + n_part].reshape((last - first, n_components))
            fill_products(values, left, right, first, last, start, n, products)
            np.dot(products, resp[start : start + n], part)
            for p in range(first, last):
                target = sums[p]
                source = part[p - first]
                for k in range(n_components):
                    target[k] += source[k]


@kernel
def linear_expectation(
    values,
    n_rows,
    weights,
    left,
    right,
    coefficients,
    constants,
    rows,
    mantissa,
    exponent,
    scratch,
    sums,
):
    """Score, normalise and sum in one go: the products that score some rows also sum them.

    Parameters
    ----------
    values, n_rows, left, right, coefficients, constants
        As for `linear_scores`.
    weights : ndarray of shape (>= n_rows,)
    rows : int
        Rows worked on at a time.
    mantissa, exponent : ndarray of shape (>= rows,)
        Scratch (float64, int64).
    scratch : ndarray
        At least ``rows * (n_pairs + 2 * n_components + 2) + n_pairs * n_components`` long.
    sums : ndarray of shape (n_pairs, n_components)
        Is added to.

    Returns
    -------
    total : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats.
    """
    n_components, n_pairs = coefficients.shape
    total = 0.0
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        a, b, c = n_pairs * n, (n_pairs + n_components) * n, (n_pairs + 2 * n_components) * n
        products = scratch[:a].reshape((n_pairs, n))
        scores = scratch[a:b].reshape((n_components, n))
        resp = scratch[b:c].reshape((n, n_components))
        log_normaliser, factor = scratch[c : c + n], scratch[c + n : c + 2 * n]
        part = scratch[c + 2 * n : c + 2 * n + n_pairs * n_components]
        part = part.reshape((n_pairs, n_components))
        fill_products(values, left, right, 0, n_pairs, start, n, products)
        np.dot(coefficients, products, scores)
        for k in range(n_components):
            line = scores[k]
            for i in range(n):
                line[i] += constants[k]
        total += log_normalise(
            scores, n, weights[start : start + n], mantissa, exponent, log_normaliser, factor
        )
        responsibilities(scores, n, factor, resp)
        np.dot(products, resp, part)
        for p in range(n_pairs):
            for k in range(n_components):
                sums[p, k] += part[p, k]
    return total
