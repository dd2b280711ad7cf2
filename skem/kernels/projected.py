"""Scores and sums for components that share one covariance.

What is triangular or symmetric is worked on eight lines at a time, up to the diagonal.
"""

import numpy as np

from skem.kernels.blocks import hand_over, normalise_block, weigh_line
from skem.kernels.jit import inner_kernel, kernel
from skem.kernels.lines import add_combinations, add_inner_products
from skem.kernels.steps import NORMALISE, SCORE, SUM


@inner_kernel
def project(projection, values, start, out):
    """Write ``projection.T @ values``, from the row ``start`` on, to ``out[:n_features]``."""
    n_features = projection.shape[0]
    for j in range(n_features):
        for i in range(out.shape[1]):
            out[j, i] = 0.0
    for j in range(0, n_features, 8):
        add_combinations(projection, j, j, values, j, min(8, n_features - j), start, out[j:])


@inner_kernel
def add_squares(values, start, weight, weighted, out):
    """Add ``sum_n weight_n z_n z_n'`` to ``out`` (n_features, n_features), which is symmetric.

    ``weighted`` (n_features + 1, n_rows) is scratch.
    """
    n_features, n_rows = out.shape[0], weighted.shape[1]
    for j in range(n_features):
        source, target = values[j, start : start + n_rows], weighted[j]
        for i in range(n_rows):
            target[i] = source[i] * weight[i]
    for j in range(0, n_features, 8):
        n = min(8, n_features - j)
        add_inner_products(values, j, n, start, weighted[: j + n + 1], out, j)
    for j in range(n_features):
        for m in range(j):
            out[m, j] = out[j, m]


@kernel
def projected_steps(steps, tile, n_rows, model, space, first, second):
    """Take one to three steps with a tile, a block of rows after the other.

    Parameters
    ----------
    steps : int
        See `skem.kernels.steps`.
    tile : TileLines
    n_rows : int
    model : ProjectedModel
    space : ProjectedSpace
    first : ndarray of shape (n_features + 1, n_components)
        ``sum_n resp_nk [z_n, 1]`` is added.
    second : ndarray of shape (n_features, n_features)
        ``sum_n (sum_k resp_nk) z_n z_n'`` is added; symmetric.

    Returns
    -------
    total : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats, hardened ``sum_n w_n max_k score_nk``; 0
        if nothing was normalised.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    projection, centres, constants = model
    projected, spacious, weight = space
    n_features, n_components = centres.shape
    block = spacious[:n_components]
    rows = projected.shape[1]
    none = np.int64(0)  # a literal would have functions compiled once more
    total = 0.0
    for start in range(0, n_rows, rows):
        if steps & SCORE:
            project(projection, values, start, projected)
            half = power
            for i in range(rows):
                half[i] = 0.0
            for j in range(n_features):
                line = projected[j]
                for i in range(rows):
                    half[i] += 0.5 * line[i] * line[i]
            for k in range(n_components):
                for i in range(rows):
                    block[k, i] = constants[k] - half[i]
            add_combinations(centres, none, none, projected, none, n_features, none, spacious)
        if steps & NORMALISE:
            total += normalise_block(
                steps, start, block, weights, power, power_bits, log_normaliser, factor
            )
        if not steps & SUM:
            hand_over(block, start, scores)
            continue
        # From here on the block holds responsibilities.
        for i in range(rows):
            weight[i] = 0.0
        for k in range(n_components):
            first[n_features, k] += weigh_line(steps, start, n_rows, k, block[k], factor, resp)
            for i in range(rows):
                weight[i] += block[k, i]
        add_inner_products(values, none, n_features, start, spacious, first, none)
        add_squares(values, start, weight, projected, second)
    return total
