"""Scores and sums that are linear in products of two lines of a tile.

The log density of an exponential family is linear in its sufficient statistics, and those of a
Gaussian are products of two lines of a tile ``[z_1 .. z_D, 1, |z|^2]``. So the scores of all
components are one matrix product, and the expected statistics are one more.

The products are formed for ``rows`` rows and ``chunk`` pairs at a time, so that they are still
in the cache when BLAS reads them.
"""

import numpy as np

from skem.kernels.jit import kernel


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
