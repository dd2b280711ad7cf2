"""In which steps the columns of a table were recorded."""

from __future__ import annotations

from functools import singledispatch
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine.remembered import Remembered

__all__ = ["Recording", "recording_units"]

Array: TypeAlias = NDArray[np.float64]

# Rows read at a time, and looked at first.
_ROWS = 16_384
# A step finer than this share of the standard deviation is none.
_FINEST = 2e-3
# Values that are closer together, in standard deviations or in rounding errors, are the same. A few
# far values don't count for that: it is nine tenths' range, if that is less.
_SAME, _ROUNDING, _TAIL = 1e-6, 8.0, 0.05
# Gaps that so small a share of the neighbours are apart by are strays: a mean among integers.
_STRAYS = 0.05
# Of more rows than these, gaps between distinct values are finer than that.
_FEW = 1000
# A gap is a multiple of a step to so small a share of it.
_NEAR, _NEARLY_ALL = 0.05, 0.75
# Values stand out that so large a share of the rows has each, and so many times those of any other;
# so many of them at most.
_SHARE, _TIMES = 0.05, 5.0
_LUMPS = 3


class Recording(NamedTuple):
    """How the columns of a table were recorded.

    Attributes
    ----------
    units : ndarray of shape (n_features,)
        In the columns' units; 0 for none.
    heaps : ndarray of shape (n_features, 2)
        Where values that stand out make the unit: how many they are, and their share of the rows;
        0 elsewhere.
    """

    units: Array
    heaps: Array


class _Unit(NamedTuple):
    """The same of one column."""

    unit: float = 0.0
    n_values: int = 0
    share: float = 0.0


class _Values(NamedTuple):
    """Distinct values in ascending order, and the weights of the rows that have them."""

    values: Array
    weights: Array


@singledispatch
def recording_units(X: Any, weights: Array | None, deviation: Array) -> Recording:
    """Find the step that each column was recorded in.

    It is the smallest gap between distinct values that is no stray. Each gap counts by the rows
    on its rarer side, and those that count for the lowest 5 % of all are left out: neither a few
    values between the others (a mean put in for a missing integer) nor an accident of floating
    point makes the step.

    Where no two distinct rows have a value in common, as in small tables of continuous columns,
    nothing speaks for a step unless nearly all gaps are multiples of it.

    Where one value stands out, often zero, of a column that is continuous elsewhere (5 % of the
    rows, and five times those of any other value), no step explains it. Then the step is that by
    which a normal distribution as wide as the other rows, about that value, would give it its
    share: ``sqrt(2 pi) s p / q`` for a share p, the share q of the others and their standard
    deviation s. So it is with two or three such values; p is the largest share.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
        Read a block at a time.
    weights : ndarray of shape (n_rows,) or None
        Rows of weight zero are left out; a weight of 2 is the row twice.
    deviation : ndarray of shape (n_features,)
        Standard deviations.

    Returns
    -------
    recording : Recording
        With a unit of 0 for a step finer than 1/500 of the standard deviation, for a column of one
        value.
    """

    def make() -> Recording:
        return _find_units(X, weights, deviation)

    found = _FOUND.of(make, X, weights, deviation)
    return Recording(found.units.copy(), found.heaps.copy())


_FOUND: Remembered[Recording] = Remembered()


def _find_units(X: NDArray[np.floating], weights: Array | None, deviation: Array) -> Recording:
    found = np.zeros((X.shape[1], 3))
    whole = None if np.isnan(X[:_FEW]).any() else _count_distinct(X, weights)
    for j in np.flatnonzero(deviation > 0).tolist():
        # Missing cells (NaN) say nothing: a column is compared with the rows that have it.
        n_distinct = _count_distinct(X, weights, j) if whole is None else whole
        found[j] = _unit(X[:, j], weights, float(deviation[j]), n_distinct)
    return Recording(found[:, 0], found[:, 1:])


def _count_distinct(X: NDArray[np.floating], weights: Array | None, column: int = 0) -> int:
    """Count the distinct rows of positive weight that have a column; of many rows, all of them."""
    if len(X) > _FEW:
        return len(X)
    there = ~np.isnan(X[:, column])
    rows = X[there if weights is None else there & (weights > 0)]
    if X.shape[1] == 1:
        return len(rows)  # rows that are alike can't be told from values that are
    return len({row.tobytes() for row in np.ascontiguousarray(rows)})


def _unit(
    column: NDArray[np.floating], weights: Array | None, deviation: float, n_distinct: int
) -> _Unit:
    """Find the step of one column of a table of so many distinct rows."""
    n, eps = len(column), float(np.finfo(column.dtype).eps)
    # Rows from all over the table, in case it is sorted. More rows only make the step finer.
    every = slice(None, None, -(-n // _ROWS))
    some = _count(_Values(np.empty(0), np.empty(0)), column, weights, every)
    lumps = _outstanding(some)
    continuous = not len(lumps)
    if n > _ROWS and _is_fine(some, deviation, eps) and continuous:
        return _Unit()
    found = some
    if n > _ROWS:
        found = _Values(np.empty(0), np.empty(0))
        for start in range(0, n, _ROWS):
            found = _count(found, column, weights, slice(start, start + _ROWS))
            if _is_fine(found, deviation, eps) and continuous:
                return _Unit()
    step = _smallest_gap(found, deviation, eps)
    if step < _FINEST * deviation:
        step = 0.0
    if len(found.values) >= n_distinct:
        return _Unit(step if _is_lattice(found.values, step) else 0.0)
    if n > _ROWS:
        lumps = _outstanding(found)
    explained = _step_of_lumps(found, lumps) if len(lumps) else 0.0
    if explained <= step:
        return _Unit(step)
    return _Unit(explained, len(lumps), float(found.weights[lumps].sum() / found.weights.sum()))


def _count(
    before: _Values, column: NDArray[np.floating], weights: Array | None, part: slice
) -> _Values:
    """Add a part of a column to the values counted before."""
    values = np.asarray(column[part], dtype=np.float64)
    count = np.ones(len(values)) if weights is None else weights[part]
    there = (count > 0) & ~np.isnan(values)
    values = np.concatenate([before.values, values[there]])
    if weights is None and not len(before.values):
        # Which row has which value takes ten times as long to find as how many have it.
        distinct, counts = np.unique(values, return_counts=True)
        return _Values(distinct, counts.astype(np.float64))
    count = np.concatenate([before.weights, count[there]])
    distinct, where = np.unique(values, return_inverse=True)
    return _Values(distinct, _sum(where.ravel(), count))


def _sum(places: NDArray[np.intp], weights: Array) -> Array:
    """Add up the weights that have the same place."""
    return np.asarray(np.bincount(places, weights), dtype=np.float64)


def _is_fine(found: _Values, deviation: float, eps: float) -> bool:
    step = _smallest_gap(found, deviation, eps)
    return len(found.values) > 1 and step < _FINEST * deviation


def _smallest_gap(found: _Values, deviation: float, eps: float) -> float:
    """Return the smallest gap but strays; 0 where there is none."""
    values, weights = found
    gaps = np.diff(values)
    rounding = _ROUNDING * eps * np.maximum(np.abs(values[1:]), np.abs(values[:-1]))
    share = np.cumsum(weights) / weights.sum()
    low, high = np.searchsorted(share, [_TAIL, 1.0 - _TAIL])
    spread = values[min(high, len(values) - 1)] - values[low]
    same = _SAME * (min(deviation, spread) if spread > 0 else deviation)
    apart = gaps > np.maximum(same, rounding)
    if not apart.any():
        return 0.0
    # Values that are the same count together.
    together = _sum(np.concatenate([[0], np.cumsum(apart)]), weights)
    gaps, counts = gaps[apart], np.minimum(together[1:], together[:-1])
    if counts.min() < counts.max():
        order = np.argsort(gaps, kind="stable")
        gaps, counts = gaps[order], counts[order]
    share = np.cumsum(counts)
    place = np.searchsorted(share, _STRAYS * share[-1])
    # In order up to there, or anyhow where all count the same.
    return float(np.partition(gaps, place)[place])


def _is_lattice(values: Array, step: float) -> bool:
    """Say whether nearly all gaps between values are multiples of a step."""
    if step == 0.0:
        return False
    gaps = np.diff(values) / step
    return bool(np.mean(np.abs(gaps - np.round(gaps)) <= _NEAR) >= _NEARLY_ALL)


def _outstanding(found: _Values) -> NDArray[np.intp]:
    """Return the places of the values that are far more frequent than all others; or none."""
    if not found.weights.max(initial=0.0) >= _SHARE * found.weights.sum():
        return np.zeros(0, dtype=np.intp)
    order = np.argsort(-found.weights, kind="stable")
    ranked = found.weights[order]
    # Three values in all are no continuous column.
    for n in range(1, min(_LUMPS, len(ranked) - 2) + 1):
        if ranked[n - 1] >= max(_SHARE * ranked.sum(), _TIMES * ranked[n]):
            return order[:n]
    return order[:0]


def _step_of_lumps(found: _Values, lumps: NDArray[np.intp]) -> float:
    """Return the step that explains the shares of the values that stand out."""
    others = found.weights.copy()
    others[lumps] = 0.0
    total = others.sum()
    # About one of them, in units that leave squares their range.
    apart = found.values - found.values[lumps[0]]
    unit = np.abs(apart).max()
    apart /= unit
    # Not by matrix products: BLAS would start its threads for each column.
    mean = (others * apart).sum() / total
    spread = unit * np.sqrt((others * np.square(apart - mean)).sum() / total)
    return float(np.sqrt(2.0 * np.pi) * spread * found.weights[lumps[0]] / total)
