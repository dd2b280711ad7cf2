"""Rows that are likely to be noise, by the distances of their nearest neighbours."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["noise_probabilities", "rows_of_clusters"]

Array: TypeAlias = NDArray[np.float64]

_NEIGHBOURS = 12
_ROUNDS = 100
_SETTLED = 1e-4
_MOST = 300.0  # log of a volume, against the typical one, whose exp is still a number
# Rounding of sums of weights.
_ROUNDING = 1e-9


def rows_of_clusters(rows: Array, weights: Array | None, least: int) -> NDArray[np.bool_]:
    """Say which rows are rather a cluster's than noise: at least half of them.

    Parameters
    ----------
    rows : ndarray of shape (n, D)
    weights : ndarray of shape (n,) or None
        Positive; see `noise_probabilities`.
    least : int
        So many distinct rows are taken for a cluster's, if there are as many.
    """
    distinct, place, shares = _distinct(rows, weights)
    odds = _log_odds(distinct, shares)
    half = np.quantile(odds, 0.5, weights=shares, method="inverted_cdf")
    few = np.sort(odds)[min(least, len(odds)) - 1]
    kept: NDArray[np.bool_] = odds <= max(0.0, float(half), float(few))
    return kept[place]


def noise_probabilities(rows: Array, weights: Array | None = None) -> Array:
    """Return how probable it is that rows are noise between denser clusters.

    Where rows are scattered evenly, the volume of the ball that reaches to the k-th nearest has a
    gamma distribution of shape k, with the density of the rows as its rate. So clusters and noise
    are told apart by a mixture of two (Byers & Raftery 1998, "Nearest-neighbor clutter removal for
    estimating features in spatial point processes").

    Parameters
    ----------
    rows : ndarray of shape (n, D)
    weights : ndarray of shape (n,) or None
        Positive. A weight of 2 is the row twice, and only ratios of weights matter: the k-th
        nearest is where neighbours weigh k times as much as distinct rows do on average.

    Returns
    -------
    probabilities : ndarray of shape (n,)
    """
    distinct, place, shares = _distinct(rows, weights)
    probabilities: Array = expit(_log_odds(distinct, shares))[place]
    return probabilities


def _distinct(rows: Array, weights: Array | None) -> tuple[Array, NDArray[np.intp], Array]:
    """Return the distinct rows, which of them each row is, and their weights, 1 on average."""
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    shares = np.bincount(place.reshape(-1), weights)
    return distinct, place.reshape(-1), shares / shares.mean()


def _log_odds(rows: Array, shares: Array) -> Array:
    """Return the logarithms of the odds for noise of distinct rows."""
    k = min(_NEIGHBOURS, len(rows) - 1)
    none: Array = np.full(len(rows), -np.inf)
    if k < 1:
        return none
    distance = _reach(rows, shares, k)
    logs = np.log(np.maximum(distance, np.finfo(np.float64).tiny))
    typical = np.quantile(logs, 0.5, weights=shares, method="inverted_cdf")
    volumes = np.exp(np.clip(rows.shape[1] * (logs - typical), -_MOST, _MOST))
    most = np.quantile(volumes, 0.9, weights=shares, method="inverted_cdf")
    noise = (volumes > most).astype(np.float64)
    if not noise.any():
        return none
    for _ in range(_ROUNDS):
        share = np.clip(shares @ noise / len(rows), 1e-12, 1.0 - 1e-12)
        dense, sparse = (
            k * np.sum(part) / np.maximum(part @ volumes, np.finfo(np.float64).tiny)
            for part in (shares * (1.0 - noise), shares * noise)
        )
        level = np.log(share / (1.0 - share)) + k * np.log(sparse / dense)
        odds: Array = level + (dense - sparse) * volumes
        before, noise = noise, expit(odds)
        if np.abs(noise - before).max() < _SETTLED:
            break
    return odds


def _reach(rows: Array, shares: Array, k: int) -> Array:
    """Return how far each row is from the neighbour by which k others are at hand.

    A row that weighs 2 has one of them where it is.
    """
    from sklearn.neighbors import NearestNeighbors  # late: the import takes longer than a fit

    finder, n = NearestNeighbors().fit(rows), len(rows)
    most = k
    while True:
        distance, index = finder.kneighbors(n_neighbors=most)
        distance = np.column_stack([np.zeros(n), distance])
        weight = np.cumsum(np.column_stack([shares, shares[index]]), axis=1)
        enough = weight >= k + 1 - _ROUNDING * n
        if most == n - 1 or enough[:, -1].all():
            place = np.where(enough.any(axis=1), enough.argmax(axis=1), most)
            reached: Array = distance[np.arange(n), place]
            return reached
        most = min(2 * most, n - 1)
