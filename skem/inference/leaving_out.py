"""How well rows are described that were left out: what tells two ends of a search apart.

Where there are few rows for each parameter, maxima of the likelihood differ by what they make of
single rows, and the highest is seldom the best. So parameters are estimated once more without some
of the rows, with responsibilities as they are, and the rows left out are scored by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skem.inference.initialisation import Start, start_by_rows
from skem.inference.passes import Passes
from skem.inference.rules import Rule, Theta

__all__ = ["describes_better", "score_left_out"]

Array: TypeAlias = NDArray[np.float64]

_FOLDS = 5
# Standard errors by which a sum of differences must be above zero.
_ERRORS = 1.5


def score_left_out(
    passes: Passes, rule: Rule[Theta], thetas: Sequence[Theta], start: Start
) -> Array:
    """Score each row by parameters that were estimated without it, and without some others.

    Parameters
    ----------
    passes : Passes
        Over the rows of ``start.table``; all have positive weights.
    rule : Rule
    thetas : sequence of MixtureParameters or MixturePosterior
        Those to compare. Responsibilities are those that each gives.
    start : Start

    Returns
    -------
    scores : ndarray of shape (len(thetas), n)
        Log densities, in nats.

    Raises
    ------
    SingularCovarianceError
    """
    table = start.table
    shares = [softmax(passes.scores(rule.scorer(theta)), axis=0).T for theta in thetas]
    n_rows = len(shares[0])
    folds = _folds(n_rows)
    scores = np.empty((len(thetas), n_rows))
    for fold in np.unique(folds):
        out, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        others, left_out = table.take(kept), passes.over(table.take(out))
        for resp, own in zip(shares, scores, strict=True):
            without = replace(start, method=resp[kept], table=others)
            scorer = rule.scorer(start_by_rows(passes, rule, without))
            own[out] = np.logaddexp.reduce(left_out.scores(scorer), axis=0)
    return scores


@lru_cache(maxsize=8)
def _folds(n_rows: int) -> NDArray[np.int64]:
    """Return the rows' folds at random: a table may be sorted, or in step with any number."""
    folds: NDArray[np.int64] = np.random.RandomState(0).permutation(n_rows) % _FOLDS
    return folds


def describes_better(scores: Array, others: Array, weights: Array) -> bool:
    """Say whether scores are higher in the sum, by more than chance may make them.

    By one and a half standard errors of the sum of differences (Vehtari, Gelman & Gabry 2017,
    "Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC", equation
    24).
    """
    apart = weights / weights.mean() * (scores - others)
    return bool(apart.sum() > _ERRORS * np.sqrt(len(apart)) * apart.std())
