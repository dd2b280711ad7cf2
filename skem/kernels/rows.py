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
def draw_back(values, n_rows):
    """Move the rows of a tile that are too far out along their direction to ``FARTHEST``."""
    n_features = values.shape[0] - 2
    for i in range(n_rows):
        if values[n_features + 1, i] <= FARTHEST * FARTHEST:
            continue
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
def blank_gaps(values, n_rows):
    """Write 0 to the missing cells (NaN) of a tile, and the squared norms anew.

    Returns
    -------
    n_far : int
        As `load_tile` does.
    """
    n_features = values.shape[0] - 2
    norms = values[n_features + 1]
    for i in range(n_rows):
        norms[i] = 0.0
    for j in range(n_features):
        feature = values[j]
        for i in range(n_rows):
            value = feature[i]
            value = value if value == value else 0.0  # NaN is not itself
            feature[i] = value
            norms[i] += value * value
    n_far = 0
    for i in range(n_rows):
        n_far += not norms[i] <= FARTHEST * FARTHEST
    return n_far


@kernel
def load_tile(X, weights, origin, inverse_scale, n_places, values, tile_weights):
    """Standardise rows into a feature-major tile.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
    weights : ndarray of shape (n_rows,), float64
    origin, inverse_scale : ndarray of shape (n_features,), float64
    n_places : int
        Places of the tile from ``n_rows`` to this are filled with zeros.
    values : ndarray of shape (n_features + 2, > n_places), float64
        Receives the standardised features, a row of ones and the squared norms.
    tile_weights : ndarray of shape (>= n_places,), float64
        Receives the weights.

    Returns
    -------
    n_far : int
        Number of rows that are farther out than ``FARTHEST``: work for `draw_back`.
    """
    n_rows, n_features = X.shape
    # Once through the rows in the order of memory, a number for each cache line: so they come
    # at the memory's full speed, which reading them column by column would not reach.
    touched = 0.0
    for i in range(n_rows):
        for j in range(0, n_features, 8):
            value = np.float64(X[i, j])
            touched = value if value > touched else touched
    values[0, values.shape[1] - 1] = touched  # read by nobody; keeps the loop
    whole = n_rows - n_rows % BATCH
    for start in range(0, whole, BATCH):
        for j in range(n_features):
            shift = origin[j]
            factor = inverse_scale[j]
            for i in range(start, start + BATCH):
                values[j, i] = (X[i, j] - shift) * factor
    for i in range(whole, n_rows):
        for j in range(n_features):
            values[j, i] = (X[i, j] - origin[j]) * inverse_scale[j]
    ones = values[n_features]
    norms = values[n_features + 1]
    for i in range(n_rows):
        tile_weights[i] = weights[i]
        ones[i] = 1.0
        norms[i] = 0.0
    for j in range(n_features):
        feature = values[j]
        for i in range(n_rows):
            norms[i] += feature[i] * feature[i]
    n_far = 0
    for i in range(n_rows):
        n_far += not norms[i] <= FARTHEST * FARTHEST
    for j in range(n_features + 2):
        for i in range(n_rows, n_places):
            values[j, i] = 0.0
    for i in range(n_rows, n_places):
        tile_weights[i] = 0.0
    return n_far


@kernel
def column_deviations(X, weights, centre, scale, sums, squares, largest):
    """Add weighted sums of ``(x_n - centre) / scale`` and of its squares (n_features,).

    ``largest`` (n_features,) rises to the largest of their sizes.
    """
    for i in range(X.shape[0]):
        if weights[i] > 0.0:
            for j in range(X.shape[1]):
                deviation = (X[i, j] - centre[j]) / scale[j]
                sums[j] += weights[i] * deviation
                squares[j] += weights[i] * deviation * deviation
                largest[j] = max(largest[j], abs(deviation))
