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
_FIRST = np.zeros(1, np.intp)


class _Cut(NamedTuple):
    """The best cut of a part: how much it lowers the cost, and the rows of the halves.

    Of each half the places of its rows, once for each column, in the order of its values.
    """

    gain: float
    left: list[Places]
    right: list[Places]


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
    columns = np.ascontiguousarray(rows.T)
    summed = weights[:, None] * np.column_stack([np.ones_like(weights), rows, rows**2])
    # Sorted once: what is in order stays in order when some of it is left out.
    cuts = [_best_cut(columns, summed, list(np.argsort(columns, kind="stable")), least)]
    for part in range(1, n_parts):
        best = max(range(part), key=lambda number: cuts[number].gain)
        gain, left, right = cuts[best]
        if gain == -np.inf:
            return None
        labels[right[0]] = part
        if part < n_parts - 1:
            cuts[best] = _best_cut(columns, summed, left, least)
            cuts.append(_best_cut(columns, summed, right, least))
    return labels


def _best_cut(columns: Array, summed: Array, orders: list[Places], least: float) -> _Cut:
    """Find the best threshold of the best column for the rows at some places.

    Parameters
    ----------
    columns : ndarray of shape (D, n)
    summed : ndarray of shape (n, 1 + 2 D)
        See `_cost`.
    orders : list of ndarray
        The places, in the order of each column's values.
    least : float
        Smallest weight of a part.
    """
    thresholds, sums = [], []
    for column, order in zip(columns, orders, strict=True):
        bounds = _bounds(column.take(order))
        if len(bounds):
            edges = np.concatenate([_FIRST, bounds])
            steps = np.add.reduceat(summed.take(order, axis=0), edges, axis=0)
            sums.append(np.cumsum(steps, axis=0))
        thresholds.append(bounds)
    if not sums:
        return _Cut(-np.inf, orders, orders)
    # Over the rows below each threshold, and above it.
    below = np.concatenate([part[:-1] for part in sums])
    above = np.concatenate([part[-1] - part[:-1] for part in sums])
    gains = _cost(sums[0][-1:]) - _cost(below) - _cost(above)
    gains[np.minimum(below[:, 0], above[:, 0]) < least] = -np.inf
    place = int(gains.argmax())
    best = float(gains[place])
    if best == -np.inf:
        return _Cut(best, orders, orders)
    column_of = np.repeat(np.arange(len(orders)), [len(bounds) for bounds in thresholds])
    threshold = np.concatenate(thresholds)[place]
    is_left = np.zeros(columns.shape[1], np.bool_)
    is_left[orders[column_of[place]][:threshold]] = True
    halves = [(order, is_left.take(order)) for order in orders]
    return _Cut(
        best,
        [order[is_left] for order, is_left in halves],
        [order[~is_left] for order, is_left in halves],
    )


def _bounds(values: Array) -> Places:
    """Return where sorted values change, or the most telling of these places."""
    changes = np.flatnonzero(values[1:] > values[:-1]) + 1
    if len(changes) <= _EVEN + 2 * _HEAPS:
        return changes
    heaps = np.diff(np.concatenate([_FIRST, changes, [len(values)]]))
    last = len(changes) - 1
    chosen = np.zeros(len(changes), np.bool_)
    chosen[(np.arange(_EVEN - 1) * (last / (_EVEN - 1))).astype(np.intp)] = True
    chosen[last] = True
    for sizes in (heaps[1:], heaps[:-1]):
        chosen[np.argsort(-sizes)[:_HEAPS]] = True
    return changes[chosen]


def _cost(sums: Array) -> Array:
    """Minus twice the classification log-likelihood of parts, but for a constant.

    Parameters
    ----------
    sums : ndarray of shape (n_parts, 1 + 2 D)
        Of the weights, the weighted columns and their squares.
    """
    weight = np.maximum(sums[:, 0], np.finfo(np.float64).tiny)
    means = sums[:, 1:] / weight[:, None]
    n_features = means.shape[1] // 2
    variances = means[:, n_features:] - np.square(means[:, :n_features])
    variances = np.maximum(variances, 0.0) + _NARROWEST
    cost: Array = weight * (np.log(variances).sum(axis=1) - 2.0 * np.log(weight))
    return cost
