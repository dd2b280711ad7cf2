"""Scores and sums about each component's own centre.

Slower than the forms in `skem.kernels.linear`, but without their cancellation where components
are narrow compared with their distance from the origin.
"""

import numpy as np

from skem.kernels.blocks import hand_over, normalise_block, weigh_line
from skem.kernels.jit import inner_kernel, reassociating_kernel
from skem.kernels.steps import NORMALISE, SCORE, SUM


@inner_kernel
def centred_lines(values, start, centre, out):
    """Write features minus ``centre``, from the row ``start`` on, to ``out``."""
    n_features, n_rows = out.shape
    for j in range(n_features):
        source = values[j, start : start + n_rows]
        target = out[j]
        for i in range(n_rows):
            target[i] = source[i] - centre[j]


@reassociating_kernel
def centred_steps(steps, tile, n_rows, model, space, weight, first, second):
    """Take one to three steps with a tile, a block of rows after the other.

    Scores are ``constants - |factor (z - centre)|^2 / 2``.

    Parameters
    ----------
    steps, tile, n_rows
        As for `skem.kernels.linear.linear_steps`.
    model : CentredModel
    space : CentredSpace
    weight : ndarray of shape (n_components,)
        Responsibilities are added.
    first : ndarray of shape (n_components, n_features)
    second : ndarray of shape (n_components, n_features, n_features)
        Moments about the centres are added.

    Returns
    -------
    total : float
        As `skem.kernels.linear.linear_steps` does.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    centres, factors, constants = model
    centred, projected, part, block = space
    n_components, n_features = centres.shape
    rows = centred.shape[1]
    total = 0.0
    for start in range(0, n_rows, rows):
        if steps & SCORE:
            for k in range(n_components):
                centred_lines(values, start, centres[k], centred)
                np.dot(factors[k], centred, projected)
                line = block[k]
                for i in range(rows):
                    line[i] = constants[k]
                for j in range(n_features):
                    for i in range(rows):
                        line[i] -= 0.5 * projected[j, i] * projected[j, i]
        if steps & NORMALISE:
            total += normalise_block(
                steps, start, block, weights, power, power_bits, log_normaliser, factor
            )
        if not steps & SUM:
            hand_over(block, start, scores)
            continue
        for k in range(n_components):
            share = block[k]
            weight[k] += weigh_line(steps, start, n_rows, k, share, factor, resp)
            centred_lines(values, start, centres[k], centred)
            for j in range(n_features):
                moment = 0.0
                for i in range(rows):
                    projected[j, i] = centred[j, i] * share[i]
                    moment += projected[j, i]
                first[k, j] += moment
            np.dot(projected, centred.T, part)
            for j in range(n_features):
                for m in range(n_features):
                    second[k, j, m] += part[j, m]
    return total


@reassociating_kernel
def centred_diagonal_steps(steps, tile, n_rows, model, block, weight, first, second):
    """Take the same steps where factors are diagonal: (n_components, n_features) precisions.

    ``block`` (n_components, n_block_rows) is scratch; ``second`` (n_components, n_features) holds
    squares about the centres.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    centres, precisions, constants = model
    n_components, n_features = centres.shape
    rows = block.shape[1]
    total = 0.0
    for start in range(0, n_rows, rows):
        if steps & SCORE:
            for k in range(n_components):
                line = block[k]
                for i in range(rows):
                    line[i] = constants[k]
                for j in range(n_features):
                    source = values[j, start : start + rows]
                    centre = centres[k, j]
                    half = 0.5 * precisions[k, j]
                    for i in range(rows):
                        deviation = source[i] - centre
                        line[i] -= half * deviation * deviation
        if steps & NORMALISE:
            total += normalise_block(
                steps, start, block, weights, power, power_bits, log_normaliser, factor
            )
        if not steps & SUM:
            hand_over(block, start, scores)
            continue
        for k in range(n_components):
            share = block[k]
            weight[k] += weigh_line(steps, start, n_rows, k, share, factor, resp)
            for j in range(n_features):
                source = values[j, start : start + rows]
                centre = centres[k, j]
                sum_1 = 0.0
                sum_2 = 0.0
                for i in range(rows):
                    deviation = source[i] - centre
                    weighted = share[i] * deviation
                    sum_1 += weighted
                    sum_2 += weighted * deviation
                first[k, j] += sum_1
                second[k, j] += sum_2
    return total
