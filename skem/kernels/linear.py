"""Scores and sums that are linear in products of two lines of a tile.

The log density of an exponential family is linear in its sufficient statistics, and those of a
Gaussian are products of two lines of a tile ``[z_1 .. z_D, 1, |z|^2]``. So the scores of all
components are one matrix product, and the expected statistics are one more.

The products are formed for a block of rows and a chunk of pairs at a time, so that they are
still in the cache when they are multiplied.
"""

import numpy as np

from skem.kernels.blocks import hand_over, normalise_block, weigh_line
from skem.kernels.jit import inner_kernel, kernel
from skem.kernels.lines import add_combinations, add_inner_products
from skem.kernels.steps import NORMALISE, SCORE, SUM


@inner_kernel
def fill_products(values, left, right, first, last, start, out):
    """Write ``values[left[p]] * values[right[p]]`` for ``first <= p < last`` to ``out``.

    Row ``p - first`` of ``out`` receives the rows of the tile from ``start`` on.
    """
    n_rows = out.shape[1]
    for p in range(first, last):
        # Slices, since with an offset in the index the loop would not be vectorised.
        x = values[left[p], start : start + n_rows]
        y = values[right[p], start : start + n_rows]
        line = out[p - first]
        for i in range(n_rows):
            line[i] = x[i] * y[i]


@inner_kernel
def first_plain(left, right, ones):
    """Return from which pair on all are one line after the other, times ones."""
    p = left.size
    while p > 0 and right[p - 1] == ones and (p == left.size or left[p - 1] == left[p] - 1):
        p -= 1
    return p


@kernel
def linear_steps(steps, tile, n_rows, model, space, sums):
    """Take one to three steps with a tile, a block of rows after the other.

    One kernel for all steps, because they share most of what takes long to compile, and because
    products that were formed to score a block also sum it where all pairs are one chunk.

    Parameters
    ----------
    steps : int
        See `skem.kernels.steps`.
    tile : TileLines
    n_rows : int
    model : LinearModel
    space : LinearSpace
    sums : ndarray of shape (n_pairs, n_components)
        ``products @ resp`` is added.

    Returns
    -------
    total : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats, hardened ``sum_n w_n max_k score_nk``; 0
        if nothing was normalised.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    left, right, coefficients, constants = model
    products, spacious = space
    n_components = constants.size
    block = spacious[:n_components]
    chunk, rows = products.shape
    # The pairs: products of two lines, lines as they are, and the line of ones, whose products
    # with anything are known.
    ones = values.shape[0] - 2
    n_lines = left.size
    if n_lines > 0 and left[n_lines - 1] == ones and right[n_lines - 1] == ones:
        n_lines -= 1
    n_products = first_plain(left[:n_lines], right[:n_lines], ones)
    plain = left[n_products] if n_products < n_lines else 0
    none = np.int64(0)  # a literal would have functions compiled once more
    total = 0.0
    for start in range(0, n_rows, rows):
        if steps & SCORE:
            for k in range(n_components):
                level = constants[k]
                for p in range(n_lines, left.size):
                    level += coefficients[p, k]
                for i in range(rows):
                    block[k, i] = level
            for first in range(0, n_products, chunk):
                last = first + chunk if first + chunk < n_products else n_products
                fill_products(values, left, right, first, last, start, products)
                add_combinations(
                    coefficients, first, none, products, none, last - first, none, spacious
                )
            add_combinations(
                coefficients, n_products, none, values, plain, n_lines - n_products, start, spacious
            )
        if steps & NORMALISE:
            total += normalise_block(
                steps, start, block, weights, power, power_bits, log_normaliser, factor
            )
        if not steps & SUM:
            hand_over(block, start, scores)
            continue
        # From here on the block holds responsibilities.
        for k in range(n_components):
            weight = weigh_line(steps, start, n_rows, k, block[k], factor, resp)
            for p in range(n_lines, left.size):
                sums[p, k] += weight
        for first in range(0, n_products, chunk):
            last = first + chunk if first + chunk < n_products else n_products
            if chunk < n_products or not steps & SCORE:
                fill_products(values, left, right, first, last, start, products)
            add_inner_products(products, none, last - first, none, spacious, sums, first)
        add_inner_products(values, plain, n_lines - n_products, start, spacious, sums, n_products)
    return total
