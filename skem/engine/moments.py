"""Means and spreads of columns, and rows as kernels take them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import singledispatch
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels

__all__ = [
    "AskParts",
    "column_moments",
    "is_plain",
    "moments_of",
    "plain",
    "seen_moments",
    "seen_moments_of",
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
    """Go through the rows, and their weights, some thousand at a time."""
    for start in range(0, len(X), _MEASURED_ROWS):
        stop = min(start + _MEASURED_ROWS, len(X))
        yield (
            plain(X[start:stop]),
            np.ones(stop - start) if weights is None else weights[start:stop],
        )


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
    first = 0 if weights is None else int(np.flatnonzero(weights > 0)[0])
    total = float(len(X)) if weights is None else float(weights.sum())
    return moments_of(_whole(X, weights), total, X[first].astype(np.float64))


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
    return seen_moments_of(_whole(X, weights))


class AskParts(Protocol):
    """Asks something of the parts of a table, in their order."""

    def __call__(self, function: Callable[..., Any], *args: Any) -> Iterable[Any]:
        """Return ``function(X, weights, *args)`` of each part; weights are an array or None."""


def _whole(X: Rows, weights: Array | None) -> AskParts:
    """Ask a table in one part."""
    return lambda function, *args: [function(X, weights, *args)]


def moments_of(ask: AskParts, total: float, start: Array) -> tuple[Array, Array]:
    """Return the same as `column_moments` of a table in parts.

    Parameters
    ----------
    ask : AskParts
    total : float
        Sum of all weights.
    start : ndarray of shape (n_features,)
        Any row of positive weight.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums, largest = np.zeros_like(start), np.zeros_like(start)
        for more, reach in ask(_sum_about, start):
            sums += more
            np.maximum(largest, reach, out=largest)
        mean = start + sums / total
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        sums, squares = np.zeros_like(start), np.zeros_like(start)
        for more, more_squares in ask(_square_about, mean, scale):
            sums += more
            squares += more_squares
        # The mean is rounded: what is left of the deviations corrects for it.
        variance = squares / total - np.square(sums / total)
        deviation = scale * np.sqrt(np.maximum(variance, 0.0))
    deviation[largest == 0] = 0.0
    deviation[~np.isfinite(deviation) | ~np.isfinite(mean)] = np.inf
    return mean, deviation


def _sum_about(X: Rows, weights: Array | None, start: Array) -> tuple[Array, Array]:
    """Return the sums of deviations from a row, and the largest of them."""
    sums, largest = np.zeros_like(start), np.zeros_like(start)
    unit, ignored = np.ones_like(start), np.zeros_like(start)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, w in _pieces(X, weights):
            kernels.rows.column_deviations(rows, w, start, unit, sums, ignored)
            reach = np.abs(rows[w > 0] - start).max(axis=0, initial=0.0)
            np.maximum(largest, reach, out=largest)
    return sums, largest


def _square_about(X: Rows, weights: Array | None, mean: Array, scale: Array) -> tuple[Array, Array]:
    """Return the sums of deviations and of their squares, in units of a scale."""
    sums, squares = np.zeros_like(mean), np.zeros_like(mean)
    for rows, w in _pieces(X, weights):
        kernels.rows.column_deviations(rows, w, mean, scale, sums, squares)
    return sums, squares


def seen_moments_of(ask: AskParts) -> tuple[Array, Array, Array]:
    """Return the same as `seen_moments` of a table in parts."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parts = iter(ask(_sum_seen))
        start, seen, sums = next(parts)
        for other, more, more_sums in parts:
            new = np.isnan(start)
            start[new] = other[new]
            # Each part has summed about the first value that it has itself.
            sums += more_sums + np.where(more > 0, more * (other - start), 0.0)
            seen += more
        mean = start + sums / seen
        sums, squares = np.zeros_like(mean), np.zeros_like(mean)
        for more_sums, more_squares in ask(_square_seen, mean):
            sums += more_sums
            squares += more_squares
        # The mean is rounded: what is left of the deviations corrects for it.
        variance = squares / seen - np.square(sums / seen)
        deviation = np.sqrt(np.maximum(variance, 0.0))
    # Of equal values what is left is rounding.
    deviation[deviation <= 1e-14 * np.abs(mean)] = 0.0
    deviation[(seen > 0) & (~np.isfinite(deviation) | ~np.isfinite(mean))] = np.inf
    return mean, deviation, seen


def _sum_seen(X: Rows, weights: Array | None) -> tuple[Array, Array, Array]:
    """Return each column's first seen cell, and weights and sums about it of the seen cells."""
    n_features = X.shape[1]
    start, seen = np.full(n_features, np.nan), np.zeros(n_features)
    sums = np.zeros(n_features)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, w in _pieces(X, weights):
            there = ~np.isnan(rows) & (w > 0)[:, None]
            new = np.isnan(start) & there.any(axis=0)
            start[new] = rows[there.argmax(axis=0)[new], new]
            seen += w @ there
            sums += w @ np.where(there, rows - start, 0.0)
    return start, seen, sums


def _square_seen(X: Rows, weights: Array | None, mean: Array) -> tuple[Array, Array]:
    """Return the sums of the seen cells' deviations and of their squares."""
    sums, squares = np.zeros_like(mean), np.zeros_like(mean)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, w in _pieces(X, weights):
            there = ~np.isnan(rows) & (w > 0)[:, None]
            apart = np.where(there, rows - mean, 0.0)
            sums += w @ apart
            squares += w @ np.square(apart)
    return sums, squares
