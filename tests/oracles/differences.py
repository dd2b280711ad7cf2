"""Gradients by central finite differences."""

import numpy as np


def finite_differences(function, x, step=1e-5):
    """Return the gradient of a scalar function at an array, one pair of calls for each entry.

    Four points, so that the error is of the order step^4.
    """
    gradient = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        values = []
        for move in (-2.0, -1.0, 1.0, 2.0):
            moved = x.copy()
            moved[place] += move * step
            values.append(function(moved))
        gradient[place] = (values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12 * step)
    return gradient


def relative_error(actual, expected):
    """Return the norm of the difference over the norm of what is expected."""
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
