"""Diagonal Gaussian blocks with gaps as linear scores: a line says of each cell whether it is seen.

A missing cell adds nothing to a row's log density, so each column adds
``seen (log p - log(2 pi) - p c^2) / 2 + p c z - p z^2 / 2``, with the precision p, the centre
c, and z = 0 where the cell is missing. That is linear in the lines ``z^2``, ``z`` and ``seen``.
"""

from __future__ import annotations

import numpy as np

from skem.scoring.gaps import DiagonalGaps, GapScorer
from skem.scoring.linear import LinearScorer
from skem.scoring.scorer import Array, Sums

__all__ = ["is_linear_in_seen", "linear_in_seen", "moments_of_seen"]

_LOG_2PI = float(np.log(2 * np.pi))


def is_linear_in_seen(scorer: GapScorer) -> bool:
    """Whether precisions are diagonal, and components so wide that sums about the origin do.

    Complete rows of others are scored about the components' centres.
    """
    return isinstance(scorer.model, DiagonalGaps) and isinstance(scorer.complete, LinearScorer)


def linear_in_seen(scorer: GapScorer) -> tuple[Array, Array]:
    """Return coefficients of the lines ``z^2``, ``z``, ``seen``, (3 D, K), and constants (K,)."""
    centres, precisions = scorer.model.centres, scorer.model.precisions
    slopes = precisions * centres
    seen = 0.5 * (np.log(precisions) - _LOG_2PI - slopes * centres)
    coefficients = np.concatenate([-0.5 * precisions, slopes, seen], axis=1).T
    return coefficients, scorer.nothing_seen


def moments_of_seen(scorer: GapScorer, weight: Array, sums: Array) -> Sums:
    """Turn sums of the lines into moments about the scorer's centres, of all rows.

    Parameters
    ----------
    scorer : GapScorer
    weight : ndarray of shape (K,)
        Summed responsibilities.
    sums : ndarray of shape (3 D, K)
    """
    centres, precisions = scorer.model.centres, scorer.model.precisions
    d = centres.shape[1]
    second, first, seen = sums[:d].T, sums[d : 2 * d].T, sums[2 * d :].T
    about = second - centres * (2.0 * first - centres * seen)
    # A missing cell's square is expected to be the variance.
    about += np.maximum(weight[:, None] - seen, 0.0) / precisions
    return weight.copy(), first - centres * seen, about
