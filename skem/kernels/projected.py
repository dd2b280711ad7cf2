"""Scores and sums for components that share one covariance."""

import numpy as np

from skem.kernels.jit import kernel
from skem.kernels.linear import linear_sums
from skem.kernels.normalise import log_normalise, responsibilities


@kernel
def copy_lines(values, n_lines, start, n_rows, out):
    """Copy part of a tile to a contiguous array of shape (n_lines, n_rows)."""
    for j in range(n_lines):
        source = values[j, start : start + n_rows]
        target = out[j]
        for i in range(n_rows):
            target[i] = source[i]


@kernel
def projected_scores(values, n_rows, projection, centres, constants, rows, scratch, out):
    """Write ``constants + centres @ y - |y|^2 / 2`` with ``y = projection @ z`` to ``out``.

    Parameters
    ----------
    values : ndarray of shape (n_features + 2, >= n_rows)
    projection : ndarray of shape (n_features, n_features)
        ``projection.T @ projection`` is the shared precision.
    centres : ndarray of shape (n_components, n_features)
        The projected means.
    constants : ndarray of shape (n_components,)
    rows : int
        Rows worked on at a time.
    scratch : ndarray
        At least ``(2 * n_features + n_components) * rows`` long.
    out : ndarray of shape (n_components, >= n_rows)
    """
    n_components, n_features = centres.shape
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        size = n_features * n
        lines = scratch[:size].reshape((n_features, n))
        projected = scratch[size : 2 * size].reshape((n_features, n))
        part = scratch[2 * size : 2 * size + n_components * n].reshape((n_components, n))
        copy_lines(values, n_features, start, n, lines)
        np.dot(projection, lines, projected)
        np.dot(centres, projected, part)
        half = lines[0]
        for i in range(n):
            half[i] = 0.0
        for j in range(n_features):
            y = projected[j]
            for i in range(n):
                half[i] += 0.5 * y[i] * y[i]
        for k in range(n_components):
            source = part[k]
            target = out[k, start : start + n]
            constant = constants[k]
            for i in range(n):
                target[i] = source[i] - half[i] + constant


@kernel
def shared_second_moment(values, n_rows, resp, rows, scratch, second):
    """Add ``sum_n (sum_k resp_nk) z_n z_n'`` to ``second`` (n_features, n_features).

    ``scratch`` is at least ``2 * n_features * rows + n_features^2`` long.
    """
    n_features = second.shape[0]
    n_components = resp.shape[1]
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        size = n_features * n
        lines = scratch[:size].reshape((n_features, n))
        weighted = scratch[size : 2 * size].reshape((n_features, n))
        stop = 2 * size + n_features * n_features
        part = scratch[2 * size : stop].reshape((n_features, n_features))
        copy_lines(values, n_features, start, n, lines)
        for i in range(n):
            weight = 0.0
            for k in range(n_components):
                weight += resp[start + i, k]
            weighted[0, i] = weight
        for j in range(n_features - 1, -1, -1):
            for i in range(n):
                weighted[j, i] = lines[j, i] * weighted[0, i]
        np.dot(weighted, lines.T, part)
        for j in range(n_features):
            for m in range(n_features):
                second[j, m] += part[j, m]


@kernel
def projected_expectation(
    values,
    n_rows,
    weights,
    projection,
    centres,
    constants,
    lines,
    ones,
    rows,
    chunks,
    mantissa,
    exponent,
    log_normaliser,
    factor,
    scratch,
    scores,
    resp,
    first,
    second,
):
    """Score, normalise and sum in one go: a tile's whole E-step; parameters as for the steps.

    ``lines`` and ``ones`` say which products of lines are summed to ``first``.

    Returns
    -------
    total : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats.
    """
    projected_scores(values, n_rows, projection, centres, constants, rows, scratch, scores)
    total = log_normalise(scores, n_rows, weights, mantissa, exponent, log_normaliser, factor)
    responsibilities(scores, n_rows, factor, resp)
    linear_sums(values, n_rows, lines, ones, resp, chunks, scratch, first)
    shared_second_moment(values, n_rows, resp, rows, scratch, second)
    return total
