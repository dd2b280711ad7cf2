"""Scores and sums about each component's own centre.

Slower than the forms in `skem.kernels.linear`, but without their cancellation where components
are narrow compared with their distance from the origin.
"""

import numpy as np

from skem.kernels.jit import inner_kernel, kernel, reassociating_callee, reassociating_kernel

# Rows that the diagonal kernels go through at a time, so that they stay in the innermost cache.
BLOCK = 256


@inner_kernel
def centred_lines(values, start, centre, out):
    """Write features minus ``centre``, from the row ``start`` on, to ``out``."""
    n_features, n_rows = out.shape
    for j in range(n_features):
        source = values[j, start : start + n_rows]
        target = out[j]
        for i in range(n_rows):
            target[i] = source[i] - centre[j]


@kernel
def centred_scores(values, n_rows, centres, factors, constants, space, out):
    """Write ``constants - |factor (z - centre)|^2 / 2`` to ``out``.

    Parameters
    ----------
    values : ndarray of shape (n_features + 2, >= n_places)
        ``n_places`` is ``n_rows``, rounded up to whole blocks.
    centres : ndarray of shape (n_components, n_features)
    factors : ndarray of shape (n_components, n_features, n_features)
        ``factor.T @ factor`` is the precision.
    constants : ndarray of shape (n_components,)
    space : CentredSpace
    out : ndarray of shape (n_components, >= n_places)
    """
    centred, projected, _, _ = space
    n_features, rows = centred.shape
    for start in range(0, n_rows, rows):
        for k in range(len(centres)):
            centred_lines(values, start, centres[k], centred)
            np.dot(factors[k], centred, projected)
            target = out[k, start : start + rows]
            for i in range(rows):
                target[i] = constants[k]
            for j in range(n_features):
                for i in range(rows):
                    target[i] -= 0.5 * projected[j, i] * projected[j, i]


@reassociating_callee
def take_share(resp, k, start, n_rows, share):
    """Write a component's responsibilities for a block of rows to ``share``; return their sum."""
    total = 0.0
    for i in range(len(share)):
        share[i] = resp[start + i, k] if start + i < n_rows else 0.0
        total += share[i]
    return total


@reassociating_kernel
def centred_sums(values, n_rows, centres, resp, space, weight, first, second):
    """Add each component's weight, first and second moments about its centre.

    ``space`` is a `CentredSpace`; ``weight`` (K,), ``first`` (K, D) and ``second`` (K, D, D) are
    added to.
    """
    centred, weighted, part, share = space
    n_features, rows = centred.shape
    for start in range(0, n_rows, rows):
        for k in range(len(centres)):
            centred_lines(values, start, centres[k], centred)
            weight[k] += take_share(resp, k, start, n_rows, share)
            for j in range(n_features):
                total = 0.0
                for i in range(rows):
                    weighted[j, i] = centred[j, i] * share[i]
                    total += weighted[j, i]
                first[k, j] += total
            np.dot(weighted, centred.T, part)
            for j in range(n_features):
                for m in range(n_features):
                    second[k, j, m] += part[j, m]


@kernel
def centred_diagonal_scores(values, n_rows, centres, precisions, constants, out):
    """Write ``constants - sum_j precision_j (z_j - centre_j)^2 / 2`` to ``out``.

    As `centred_scores`, with ``precisions`` of shape (n_components, n_features).
    """
    n_components, n_features = centres.shape
    for start in range(0, n_rows, BLOCK):
        stop = min(start + BLOCK, n_rows)
        for k in range(n_components):
            target = out[k, start:stop]
            for i in range(stop - start):
                target[i] = constants[k]
            for j in range(n_features):
                source = values[j, start:stop]
                centre = centres[k, j]
                half = 0.5 * precisions[k, j]
                for i in range(stop - start):
                    deviation = source[i] - centre
                    target[i] -= half * deviation * deviation


@reassociating_kernel
def centred_diagonal_sums(values, n_rows, centres, resp, share, weight, first, second):
    """Add weight (K,), first (K, D) and squared (K, D) moments about each centre.

    ``share`` is scratch; its length is the number of rows worked on at a time.
    """
    n_components, n_features = centres.shape
    rows = len(share)
    for start in range(0, n_rows, rows):
        for k in range(n_components):
            weight[k] += take_share(resp, k, start, n_rows, share)
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
