"""A partition of rows by thresholds of single columns.

Columns of a real table mean something: clusters often differ in one that is heaped at a value, or
has two modes. Distances between rows, where all columns count alike, say little of it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["cut_at_thresholds"]

Array: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

# Added to variances, of columns whose own is one: without it a part in which a column is constant
# would be better than any other.
_NARROWEST = 1e-3
# Thresholds to look at, of more: at equal steps through the distinct values, and below and above
# those that most rows have.
_EVEN, _HEAPS = 32, 8


class _Cut(NamedTuple):
    """The best cut of a part: how much it lowers the cost, and the places of the halves."""

    gain: float
    left: Places
    right: Places


def cut_at_thresholds(rows: Array, weights: Array, n_parts: int, least: float) -> Places | None:
    """Cut rows in two at a threshold of one column, again and again.

    Each cut is that of all parts, columns and thresholds which raises the classification
    likelihood most, with independent normal columns in each part (Celeux & Govaert 1995,
    "Gaussian parsimonious clustering models", the model with diagonal covariances).

    Parameters
    ----------
    rows : ndarray of shape (n, D)
        Columns of variance one, or zero.
    weights : ndarray of shape (n,)
    n_parts : int
    least : float
        Smallest weight of a part.

    Returns
    -------
    labels : ndarray of int, shape (n,), or None
        None if no threshold is left before there are so many parts.
    """
    labels = np.zeros(len(rows), np.intp)
    cuts = [_best_cut(rows, weights, np.arange(len(rows)), least)]
    for part in range(1, n_parts):
        best = max(range(part), key=lambda number: cuts[number].gain)
        gain, left, right = cuts[best]
        if gain == -np.inf:
            return None
        labels[right] = part
        if part < n_parts - 1:
            cuts[best] = _best_cut(rows, weights, left, least)
            cuts.append(_best_cut(rows, weights, right, least))
    return labels


def _best_cut(rows: Array, weights: Array, places: Places, least: float) -> _Cut:
    """Find the best threshold of the best column for the rows at some places."""
    best = _Cut(-np.inf, places, places)
    own = None
    for column in range(rows.shape[1]):
        order = places[np.argsort(rows[places, column], kind="stable")]
        ordered, weight = rows[order], weights[order]
        bounds = _bounds(ordered[:, column])
        if len(bounds) == 0:
            continue
        # Sums over the rows below each threshold, and over all.
        sums = np.cumsum(
            np.add.reduceat(
                weight[:, None] * np.column_stack([np.ones_like(weight), ordered, ordered**2]),
                np.r_[0, bounds],
                axis=0,
            ),
            axis=0,
        )
        below, whole = sums[:-1], sums[-1]
        if own is None:
            own = _cost(whole[None, :])[0]
        gains = own - _cost(below) - _cost(whole - below)
        gains[np.minimum(below[:, 0], whole[0] - below[:, 0]) < least] = -np.inf
        at = int(gains.argmax())
        if gains[at] > best.gain:
            best = _Cut(float(gains[at]), order[: bounds[at]], order[bounds[at] :])
    return best


def _bounds(values: Array) -> Places:
    """Return where sorted values change, or the most telling of these places."""
    changes = np.flatnonzero(values[1:] > values[:-1]) + 1
    if len(changes) <= _EVEN + 2 * _HEAPS:
        return changes
    heaps = np.diff(np.r_[0, changes, len(values)])
    even = np.linspace(0, len(changes) - 1, _EVEN).astype(np.intp)
    below, above = (np.argsort(-sizes)[:_HEAPS] for sizes in (heaps[1:], heaps[:-1]))
    return changes[np.unique(np.concatenate([even, below, above]))]


def _cost(sums: Array) -> Array:
    """Minus twice the classification log-likelihood of parts, but for a constant.

    Parameters
    ----------
    sums : ndarray of shape (n_parts, 1 + 2 D)
        Of the weights, the weighted columns and their squares.
    """
    weight = np.maximum(sums[:, :1], np.finfo(np.float64).tiny)
    means, squares = np.split(sums[:, 1:] / weight, 2, axis=1)
    variances = np.maximum(squares - means**2, 0.0) + _NARROWEST
    cost: Array = weight[:, 0] * (np.log(variances).sum(axis=1) - 2.0 * np.log(weight[:, 0]))
    return cost
