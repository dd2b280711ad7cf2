"""Scores and sums for components that share one covariance."""

import numpy as np

from skem.kernels.jit import inner_kernel, kernel
from skem.kernels.normalise import log_normalise, responsibilities
from skem.kernels.steps import HARDEN, NORMALISE, SCORE, SUM


@inner_kernel
def copy_lines(values, start, out):
    """Copy part of a tile, from the row ``start`` on, to a contiguous array."""
    n_lines, n_rows = out.shape
    for j in range(n_lines):
        source = values[j, start : start + n_rows]
        target = out[j]
        for i in range(n_rows):
            target[i] = source[i]


@inner_kernel
def weigh_lines(lines, resp, out):
    """Write ``(sum_k resp_nk) z_n``, feature by feature, to ``out`` (n_features, n_rows)."""
    n_features, n_rows = out.shape
    weight = out[0]
    for i in range(n_rows):
        weight[i] = 0.0
        for k in range(resp.shape[1]):
            weight[i] += resp[i, k]
    # The first line last: it holds the weights until then.
    for j in range(n_features - 1, -1, -1):
        for i in range(n_rows):
            out[j, i] = lines[j, i] * weight[i]


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
        ``sum_n (sum_k resp_nk) z_n z_n'`` is added.

    Returns
    -------
    total : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats, hardened ``sum_n w_n max_k score_nk``; 0
        if nothing was normalised.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    projection, centres, constants = model
    lines, projected, block, first_part, second_part = space
    n_components, n_features = centres.shape
    rows = lines.shape[1]
    total = 0.0
    for start in range(0, n_rows, rows):
        stop = start + rows
        copy_lines(values, start, lines)
        features = lines[:n_features]
        if steps & SCORE:
            np.dot(projection, features, projected)
            np.dot(centres, projected, block)
            half = power
            for i in range(rows):
                half[i] = 0.0
            for j in range(n_features):
                for i in range(rows):
                    half[i] += 0.5 * projected[j, i] * projected[j, i]
            for k in range(n_components):
                for i in range(rows):
                    block[k, i] += constants[k] - half[i]
        if steps & NORMALISE:
            total += log_normalise(
                block,
                rows,
                weights[start:stop],
                power,
                power_bits,
                log_normaliser[start:stop],
                factor[start:stop],
                steps & HARDEN != 0,
            )
        if not steps & SUM:
            for k in range(n_components):
                line = scores[k, start:stop]
                for i in range(rows):
                    line[i] = block[k, i]
            continue
        if steps & NORMALISE:
            block_resp = resp[:rows]
            responsibilities(block, rows, factor[start:stop], block_resp)
        else:
            block_resp = resp[start:stop]
        np.dot(lines, block_resp, first_part)
        for j in range(n_features + 1):
            for k in range(n_components):
                first[j, k] += first_part[j, k]
        weighted = projected
        weigh_lines(features, block_resp, weighted)
        np.dot(weighted, features.T, second_part)
        for j in range(n_features):
            for m in range(n_features):
                second[j, m] += second_part[j, m]
    return total
