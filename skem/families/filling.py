"""Missing cells filled with what a Gaussian expects there."""

from __future__ import annotations

import numpy as np

from skem.engine.gaps import index_gaps
from skem.families.parameters import Array

__all__ = ["fill_gaps"]


def fill_gaps(rows: Array, mean: Array, covariance: Array) -> Array:
    """Return rows with conditional means in the place of NaN.

    Parameters
    ----------
    rows : ndarray of shape (n, D)
    mean : ndarray of shape (D,)
    covariance : ndarray of shape (D, D)
        Positive-definite.

    Returns
    -------
    filled : ndarray of shape (n, D)
        The same array where nothing is missing.
    """
    index = index_gaps(rows, None)
    if not index.missing.any():
        return rows
    filled = rows.copy()
    for a, b, gap in zip(index.first[:-1], index.first[1:], index.missing, strict=True):
        if not gap.any():
            continue
        places = index.order[a:b]
        slopes = np.linalg.solve(covariance[np.ix_(~gap, ~gap)], covariance[np.ix_(~gap, gap)])
        seen = rows[np.ix_(places, ~gap)] - mean[~gap]
        filled[np.ix_(places, gap)] = mean[gap] + seen @ slopes
    return filled
