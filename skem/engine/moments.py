"""Means and spreads of columns, and rows as kernels take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine.remembered import Remembered

__all__ = [
    "ColumnSums",
    "column_moments",
    "is_plain",
    "moments_of_parts",
    "plain",
    "seen_moments",
    "sum_columns",
    "sum_seen_columns",
]

Array: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.floating]

# Rows read at a time while columns are measured.
_MEASURED_ROWS = 16_384


def is_plain(rows: Rows) -> bool:
    """Say whether rows are a C-ordered, writable array: the kind that kernels are compiled for."""
    return rows.flags.c_contiguous and rows.flags.writeable and type(rows) is np.ndarray


def plain(rows: Rows) -> Rows:
    """Return rows as such an array."""
    return rows if is_plain(rows) else np.array(rows, order="C", subok=False)


def _pieces(X: Rows, weights: Array | None) -> Iterator[tuple[Rows, Array]]:
    """Go through the rows, and their weights, some thousand at a time.

    A piece may be overwritten by the next: fresh memory for each is slow.
    """
    most = min(_MEASURED_ROWS, len(X))
    room = None if is_plain(X) else np.empty((most, X.shape[1]), X.dtype)
    ones = np.ones(most)
    for start in range(0, len(X), _MEASURED_ROWS):
        rows = X[start : start + _MEASURED_ROWS]
        if room is not None:
            room[: len(rows)] = rows
            rows = room[: len(rows)]
        w = ones[: len(rows)] if weights is None else weights[start : start + len(rows)]
        yield rows, w


@singledispatch
def column_moments(X: Any, weights: Array | None) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each column, in two passes.

    Sums are taken about the first row of positive weight and then about the mean, so a constant
    column has a standard deviation of exactly zero and a shift costs no digits (Chan, Golub &
    LeVeque 1983).

    Returns
    -------
    mean, deviation : ndarray of shape (n_features,), float64
        A deviation that float64 can't hold is inf.
    """

    def make() -> tuple[Array, Array]:
        return moments_of_parts([sum_columns(X, weights)], gappy=False)[:2]

    mean, deviation = _MOMENTS.of(make, X, weights)
    return mean.copy(), deviation.copy()


_MOMENTS: Remembered[tuple[Array, Array]] = Remembered()


@singledispatch
def seen_moments(X: Any, weights: Array | None) -> tuple[Array, Array, Array]:
    """Weighted mean and standard deviation of each column's seen cells (not NaN), in two passes.

    Returns
    -------
    mean, deviation : ndarray of shape (n_features,), float64
        Of a column without any seen cell NaN; a deviation that float64 can't hold is inf.
    seen : ndarray of shape (n_features,), float64
        Total weight of the seen cells.
    """
    return moments_of_parts([sum_seen_columns(X, weights)], gappy=True)


class ColumnSums(NamedTuple):
    """Sums over the seen cells of a part of a table, by which moments of the whole are found.

    Attributes
    ----------
    start : ndarray of shape (n_features,)
        A seen cell of each column; NaN where there is none.
    weight, sums : ndarray of shape (n_features,)
        Total weight of the seen cells, and weighted sum of their deviations from ``start``.
    centre : ndarray of shape (n_features,)
        The part's mean, rounded.
    unit : ndarray of shape (n_features,)
        What deviations from it are divided by, so that their squares are numbers of float64.
    rest, squares : ndarray of shape (n_features,)
        Weighted sums of these deviations, and of their squares.
    """

    start: Array
    weight: Array
    sums: Array
    centre: Array
    unit: Array
    rest: Array
    squares: Array


def sum_columns(X: Rows, weights: Array | None) -> ColumnSums:
    """Sum the columns of rows without missing cells, some of them of positive weight."""
    first = 0 if weights is None else int(np.flatnonzero(weights > 0)[0])
    total = float(len(X)) if weights is None else float(weights.sum())
    start = X[first].astype(np.float64)
    sums, largest, rest, squares, ignored = np.zeros((5, len(start)))
    one = np.ones_like(start)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, w in _pieces(X, weights):
            kernels.rows.column_deviations(rows, w, start, one, sums, ignored, largest)
        centre, unit = start + sums / total, _unit(largest)
        for rows, w in _pieces(X, weights):
            kernels.rows.column_deviations(rows, w, centre, unit, rest, squares, ignored)
    return ColumnSums(start, np.full_like(start, total), sums, centre, unit, rest, squares)


def sum_seen_columns(X: Rows, weights: Array | None) -> ColumnSums:
    """Sum each column's seen cells (not NaN), of rows of positive weight."""
    n_features = X.shape[1]
    start, weight = np.full(n_features, np.nan), np.zeros(n_features)
    sums, rest, squares = np.zeros((3, n_features))
    room = np.empty((min(_MEASURED_ROWS, len(X)), n_features))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for rows, w in _pieces(X, weights):
            there = ~np.isnan(rows) & (w > 0)[:, None]
            new = np.isnan(start) & there.any(axis=0)
            start[new] = rows[there.argmax(axis=0)[new], new]
            weight += w @ there
            sums += w @ _apart(rows, there, start, room)
        centre = start + sums / weight
        for rows, w in _pieces(X, weights):
            there = ~np.isnan(rows) & (w > 0)[:, None]
            apart = _apart(rows, there, centre, room)
            rest += w @ apart
            squares += w @ np.square(apart, out=apart)
    return ColumnSums(start, weight, sums, centre, np.ones(n_features), rest, squares)


def _apart(rows: Rows, there: NDArray[np.bool_], centre: Array, room: Array) -> Array:
    """Return the distances of cells from their column's centre, in some room; 0 where not there."""
    apart = np.subtract(rows, centre, out=room[: len(rows)])
    np.copyto(apart, 0.0, where=~there)
    return apart


def _unit(largest: Array) -> Array:
    """Return what to divide deviations by, of which the largest are given."""
    return np.where((largest > 0) & np.isfinite(largest), largest, 1.0)


def moments_of_parts(parts: Sequence[ColumnSums], *, gappy: bool) -> tuple[Array, Array, Array]:
    """Return the moments of a table, of which all parts have been summed; see `seen_moments`.

    A part's squares about the mean of all follow from those about its own (Chan, Golub & LeVeque
    1983). Between the two lies the difference of two numbers of float64, not of the exact means,
    so rounding these costs nothing.
    """
    starts, weights, sums, centres, units, rests, squares = map(np.array, zip(*parts, strict=True))
    start = starts[np.isfinite(starts).argmax(axis=0), np.arange(starts.shape[1])]
    total = weights.sum(axis=0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sums = sums + np.where(weights > 0, weights * (starts - start), 0.0)
        mean = start + sums.sum(axis=0) / total
        apart = np.where(weights > 0, centres - mean, 0.0)
        reach = np.maximum(np.where(squares > 0, units, 0.0), np.abs(apart))
        unit = _unit(reach.max(axis=0))
        ratio, apart = units / unit, apart / unit
        squares = ratio**2 * squares + 2.0 * apart * ratio * rests + weights * apart**2
        rest = (ratio * rests + weights * apart).sum(axis=0)
        # The mean is rounded: what is left of the deviations corrects for it.
        variance = squares.sum(axis=0) / total - np.square(rest / total)
        deviation: Array = unit * np.sqrt(np.maximum(variance, 0.0))
    if gappy:  # of equal values what is left is rounding
        deviation[deviation <= 1e-14 * np.abs(mean)] = 0.0
    deviation[(total > 0) & (~np.isfinite(deviation) | ~np.isfinite(mean))] = np.inf
    return mean, deviation, total
