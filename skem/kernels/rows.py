"""From rows of a table to a tile: standardised, feature by feature, ready for products."""

import numpy as np

from skem.kernels.jit import kernel

# A row farther out than this many standard deviations is drawn back along its direction to
# that distance: its responsibilities have long reached their limit there, and its squares and
# their sums stay finite.
FARTHEST = 1e100

# Rows that are transposed together: two cache lines of each feature.
BATCH = 16


@kernel
def draw_back(values, i):
    """Move row ``i`` of a tile along its direction to the distance ``FARTHEST``."""
    n_features = values.shape[0] - 2
    largest = 0.0
    for j in range(n_features):
        values[j, i] = min(max(values[j, i], -1e300), 1e300)
        largest = max(largest, abs(values[j, i]))
    norm = 0.0
    for j in range(n_features):
        values[j, i] /= largest
        norm += values[j, i] * values[j, i]
    for j in range(n_features):
        values[j, i] *= FARTHEST / norm**0.5
    values[n_features + 1, i] = FARTHEST * FARTHEST


@kernel
def load_tile(X, weights, origin, inverse_scale, values, kept_weights):
    """Standardise rows of positive weight into a feature-major tile.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
    weights : ndarray of shape (n_rows,), float64
    origin, inverse_scale : ndarray of shape (n_features,), float64
    values : ndarray of shape (n_features + 2, > n_rows), float64
        Receives the standardised features, a row of ones and the squared norms.
    kept_weights : ndarray of shape (>= n_rows,), float64
        Receives the weights of the rows that were kept.

    Returns
    -------
    n_kept : int
    """
    n_rows, n_features = X.shape
    # Once through the rows in the order of memory, a number for each cache line: so they come
    # at the memory's full speed, which reading them column by column would not reach.
    touched = 0.0
    for i in range(n_rows):
        for j in range(0, n_features, 8):
            touched = max(touched, np.float64(X[i, j]))
    values[0, values.shape[1] - 1] = touched  # read by nobody; keeps the loop
    kept = 0
    for start in range(0, n_rows, BATCH):
        stop = min(start + BATCH, n_rows)
        positive = 0
        for i in range(start, stop):
            if weights[i] > 0.0:
                positive += 1
        if positive == BATCH:
            for j in range(n_features):
                shift = origin[j]
                factor = inverse_scale[j]
                for i in range(BATCH):
                    values[j, kept + i] = (X[start + i, j] - shift) * factor
            for i in range(BATCH):
                kept_weights[kept + i] = weights[start + i]
            kept += BATCH
        else:
            for i in range(start, stop):
                if weights[i] > 0.0:
                    for j in range(n_features):
                        values[j, kept] = (X[i, j] - origin[j]) * inverse_scale[j]
                    kept_weights[kept] = weights[i]
                    kept += 1
    ones = values[n_features]
    norms = values[n_features + 1]
    for i in range(kept):
        ones[i] = 1.0
        norms[i] = 0.0
    for j in range(n_features):
        feature = values[j]
        for i in range(kept):
            norms[i] += feature[i] * feature[i]
    for i in range(kept):
        if not norms[i] <= FARTHEST * FARTHEST:
            draw_back(values, i)
    return kept


@kernel
def column_sums(X, weights, start, sums):
    """Add ``sum_n w_n (x_n - start)`` to ``sums`` (n_features,)."""
    for i in range(X.shape[0]):
        if weights[i] > 0.0:
            for j in range(X.shape[1]):
                sums[j] += weights[i] * (X[i, j] - start[j])


@kernel
def column_deviations(X, weights, centre, scale, sums, squares):
    """Add weighted sums of ``(x_n - centre) / scale`` and of its squares (n_features,)."""
    for i in range(X.shape[0]):
        if weights[i] > 0.0:
            for j in range(X.shape[1]):
                deviation = (X[i, j] - centre[j]) / scale[j]
                sums[j] += weights[i] * deviation
                squares[j] += weights[i] * deviation * deviation
