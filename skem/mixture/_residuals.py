"""Which pairs of columns are still dependent within components."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["pair_residuals"]

Array: TypeAlias = NDArray[np.float64]


def pair_residuals(features: list[Array], weights: Array, resp: Array) -> Array:
    """Return the dependence within components of each pair of columns, per degree of freedom.

    ``n tr(Saa^+ Sab Sbb^+ Sba) / (rank(Saa) rank(Sbb))`` for the pooled covariances S within
    components: the squared canonical correlations there, times the weight of the rows that have
    both cells. With one component and categories it is Pearson's chi-squared statistic divided by
    its degrees of freedom; with numbers, n times the squared correlation.

    Parameters
    ----------
    features : list of ndarray of shape (n, p)
        Of each column: indicators of categories, or the values; NaN where missing.
    weights : ndarray of shape (n,)
    resp : ndarray of shape (n, K)

    Returns
    -------
    residuals : ndarray of shape (n_columns, n_columns)
        NaN on the diagonal, and where a column does not vary within components.
    """
    result = np.full((len(features), len(features)), np.nan)
    seen = [~np.isnan(own[:, 0]) for own in features]
    for a in range(len(features)):
        for b in range(a):
            both = seen[a] & seen[b]
            share = weights[both, None] * resp[both]
            joined = np.hstack([features[a][both], features[b][both]])
            result[a, b] = result[b, a] = _residual(joined, share, features[a].shape[1])
    return result


def _residual(joined: Array, share: Array, p: int) -> float:
    """Return the statistic for columns of which the first has p features."""
    total = share.sum(axis=0)
    n = float(total.sum())
    if n == 0:
        return np.nan
    means = (share.T @ joined) / np.maximum(total, np.finfo(np.float64).tiny)[:, None]
    apart = joined - joined.mean(axis=0)
    means = means - joined.mean(axis=0)
    scatter = (share.sum(axis=1) * apart.T) @ apart - (total * means.T) @ means
    first, rank_a = _inverse(scatter[:p, :p])
    second, rank_b = _inverse(scatter[p:, p:])
    if not rank_a * rank_b:
        return np.nan
    across = scatter[:p, p:]
    return n * float(np.trace(first @ across @ second @ across.T)) / (rank_a * rank_b)


def _inverse(matrix: Array) -> tuple[Array, int]:
    """Return the pseudo-inverse of a positive semi-definite matrix, and its rank."""
    values, vectors = np.linalg.eigh(matrix)
    good = values > 1e-10 * max(float(np.trace(matrix)), np.finfo(np.float64).tiny)
    inverse: Array = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return inverse, int(good.sum())
