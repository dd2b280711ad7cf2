"""Rows that are likely to be noise, by the distances of their nearest neighbours."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["noise_probabilities"]

Array: TypeAlias = NDArray[np.float64]

_NEIGHBOURS = 12
_ROUNDS = 100
_SETTLED = 1e-4
_MOST = 300.0  # log of a volume, against the typical one, whose exp is still a number


def noise_probabilities(rows: Array) -> Array:
    """Return how probable it is that rows (n, D) are noise between denser clusters.

    Where rows are scattered evenly, the volume of the ball that reaches to the k-th nearest has a
    gamma distribution of shape k, with the density of the rows as its rate. So clusters and noise
    are told apart by a mixture of two (Byers & Raftery 1998, "Nearest-neighbor clutter removal for
    estimating features in spatial point processes").
    """
    from sklearn.neighbors import NearestNeighbors  # late: the import takes longer than a fit

    k = min(_NEIGHBOURS, len(rows) - 1)
    if k < 1:
        return np.zeros(len(rows))
    distance = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors()[0][:, -1]
    if not distance.any():
        return np.zeros(len(rows))
    logs = np.log(np.maximum(distance, np.finfo(np.float64).tiny))
    logs = rows.shape[1] * (logs - np.median(logs[distance > 0]))
    volumes = np.exp(np.clip(logs, -_MOST, _MOST))
    noise = (volumes > np.quantile(volumes, 0.9)).astype(np.float64)
    if not noise.any():
        return noise
    for _ in range(_ROUNDS):
        share = np.clip(noise.mean(), 1e-12, 1.0 - 1e-12)
        dense, sparse = (
            k * np.sum(part) / np.maximum(part @ volumes, np.finfo(np.float64).tiny)
            for part in (1.0 - noise, noise)
        )
        odds = np.log(share / (1.0 - share)) + k * np.log(sparse / dense)
        before, noise = noise, expit(odds + (dense - sparse) * volumes)
        if np.abs(noise - before).max() < _SETTLED:
            break
    return noise
