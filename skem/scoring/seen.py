"""Diagonal Gaussian blocks with gaps as linear scores: a line says of each cell whether it is seen.

A missing cell adds nothing to a row's log density, so each column adds
``seen (log p - log(2 pi) - p c^2) / 2 + p c z - p z^2 / 2``, with the precision p, the centre
c, and z = 0 where the cell is missing. That is linear in the lines ``z^2``, ``z`` and ``seen``.
"""

from __future__ import annotations

import numpy as np

from skem.scoring.linear_gaps import LinearGapScorer
from skem.scoring.scorer import Array, Sums

__all__ = ["linear_in_seen", "sums_of_seen"]


def linear_in_seen(scorer: LinearGapScorer) -> tuple[Array, Array]:
    """Return coefficients of the lines ``z^2``, ``z``, ``seen``, (3 D, K), and constants (K,)."""
    none, cells = scorer.levels
    centres, precisions = scorer.model.centres.T, scorer.model.precisions.T
    return np.concatenate([-0.5 * precisions, precisions * centres, cells]), none


def sums_of_seen(scorer: LinearGapScorer, weight: Array, sums: Array) -> Sums:
    """Turn sums of the lines into the scorer's own.

    Parameters
    ----------
    scorer : LinearGapScorer
    weight : ndarray of shape (K,)
        Summed responsibilities.
    sums : ndarray of shape (3 D, K)
    """
    squares, values, seen = np.split(sums, 3)
    packed, lost = scorer.zeros()
    scorer.add_cells(packed, values, squares)
    ones = len(values)
    packed[(scorer.complete.model.left == ones) & (scorer.complete.model.right == ones)] = weight
    lost[:] = np.maximum(weight - seen, 0.0)
    return packed, lost
