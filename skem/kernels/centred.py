"""Scores and sums about each component's own centre.

Slower than the forms in `skem.kernels.linear`, but without their cancellation where components
are narrow compared with their distance from the origin.
"""

import numpy as np

from skem.kernels.jit import kernel, reassociating_kernel


@kernel
def centred_lines(values, n_rows, centre, out):
    """Write the features of a tile minus ``centre`` to ``out`` (n_features, n_rows)."""
    for j in range(centre.shape[0]):
        source = values[j]
        target = out[j]
        for i in range(n_rows):
            target[i] = source[i] - centre[j]


@kernel
def centred_scores(values, n_rows, centres, factors, constants, scratch, out):
    """Write ``constants - |factor (z - centre)|^2 / 2`` to ``out``.

    Parameters
    ----------
    values : ndarray of shape (n_features + 2, >= n_rows)
    centres : ndarray of shape (n_components, n_features)
    factors : ndarray of shape (n_components, n_features, n_features)
        ``factor.T @ factor`` is the precision.
    constants : ndarray of shape (n_components,)
    scratch : ndarray
        At least ``2 * n_features * n_rows`` long.
    out : ndarray of shape (n_components, >= n_rows)
    """
    n_components, n_features = centres.shape
    size = n_features * n_rows
    centred = scratch[:size].reshape((n_features, n_rows))
    projected = scratch[size : 2 * size].reshape((n_features, n_rows))
    for k in range(n_components):
        centred_lines(values, n_rows, centres[k], centred)
        np.dot(factors[k], centred, projected)
        target = out[k]
        for i in range(n_rows):
            target[i] = constants[k]
        for j in range(n_features):
            line = projected[j]
            for i in range(n_rows):
                target[i] -= 0.5 * line[i] * line[i]


@kernel
def centred_sums(values, n_rows, centres, resp, scratch, weight, first, second):
    """Add each component's weight, first and second moments about its centre.

    ``scratch`` is at least ``2 * n_features * n_rows + n_features^2`` long; ``weight`` (K,),
    ``first`` (K, D) and ``second`` (K, D, D) are added to.
    """
    n_components, n_features = centres.shape
    size = n_features * n_rows
    centred = scratch[:size].reshape((n_features, n_rows))
    weighted = scratch[size : 2 * size].reshape((n_features, n_rows))
    square = n_features * n_features
    part = scratch[2 * size : 2 * size + square].reshape((n_features, n_features))
    for k in range(n_components):
        centred_lines(values, n_rows, centres[k], centred)
        for i in range(n_rows):
            weight[k] += resp[i, k]
        for j in range(n_features):
            for i in range(n_rows):
                weighted[j, i] = centred[j, i] * resp[i, k]
                first[k, j] += weighted[j, i]
        np.dot(weighted, centred.T, part)
        second[k] += part


@kernel
def centred_diagonal_scores(values, n_rows, centres, precisions, constants, out):
    """Write ``constants - sum_j precision_j (z_j - centre_j)^2 / 2`` to ``out``.

    As `centred_scores`, with ``precisions`` of shape (n_components, n_features).
    """
    n_components, n_features = centres.shape
    for k in range(n_components):
        target = out[k]
        for i in range(n_rows):
            target[i] = constants[k]
        for j in range(n_features):
            source = values[j]
            centre = centres[k, j]
            half = 0.5 * precisions[k, j]
            for i in range(n_rows):
                deviation = source[i] - centre
                target[i] -= half * deviation * deviation


@reassociating_kernel
def centred_diagonal_sums(values, n_rows, centres, resp, share, weight, first, second):
    """Add weight (K,), first (K, D) and squared (K, D) moments about each centre.

    ``share`` is scratch, at least ``n_rows`` long.
    """
    n_components, n_features = centres.shape
    for k in range(n_components):
        total = 0.0
        for i in range(n_rows):
            share[i] = resp[i, k]
            total += share[i]
        weight[k] += total
        for j in range(n_features):
            source = values[j]
            centre = centres[k, j]
            sum_1 = 0.0
            sum_2 = 0.0
            for i in range(n_rows):
                deviation = source[i] - centre
                weighted = share[i] * deviation
                sum_1 += weighted
                sum_2 += weighted * deviation
            first[k, j] += sum_1
            second[k, j] += sum_2
