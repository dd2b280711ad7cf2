"""Means and spreads of columns, and rows as kernels take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels

__all__ = ["column_moments", "is_plain", "plain", "seen_moments"]

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


def column_moments(X: Rows, weights: Array | None) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each column, in two passes.

    Sums are taken about the first row of positive weight and then about the mean, so a constant
    column has a standard deviation of exactly zero and a shift costs no digits (Chan, Golub &
    LeVeque 1983).

    Returns
    -------
    mean, deviation : ndarray of shape (n_features,), float64
        A deviation that float64 can't hold is inf.
    """
    n_rows, n_features = X.shape
    first = 0 if weights is None else int(np.flatnonzero(weights > 0)[0])
    total = float(n_rows) if weights is None else float(weights.sum())
    start = X[first].astype(np.float64)
    sums, largest = np.zeros(n_features), np.zeros(n_features)
    unit, ignored = np.ones(n_features), np.zeros(n_features)
    deviations = kernels.rows.column_deviations
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, w in _pieces(X, weights):
            deviations(rows, w, start, unit, sums, ignored)
            reach = np.abs(rows[w > 0] - start).max(axis=0, initial=0.0)
            np.maximum(largest, reach, out=largest)
        mean = start + sums / total
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        sums, squares = np.zeros(n_features), np.zeros(n_features)
        for rows, w in _pieces(X, weights):
            deviations(rows, w, mean, scale, sums, squares)
        # The mean is rounded: what is left of the deviations corrects for it.
        variance = squares / total - np.square(sums / total)
        deviation = scale * np.sqrt(np.maximum(variance, 0.0))
    deviation[largest == 0] = 0.0
    deviation[~np.isfinite(deviation) | ~np.isfinite(mean)] = np.inf
    return mean, deviation


def seen_moments(X: Rows, weights: Array | None) -> tuple[Array, Array, Array]:
    """Weighted mean and standard deviation of each column's seen cells (not NaN), in two passes.

    Returns
    -------
    mean, deviation : ndarray of shape (n_features,), float64
        Of a column without any seen cell NaN; a deviation that float64 can't hold is inf.
    seen : ndarray of shape (n_features,), float64
        Total weight of the seen cells.
    """
    n_features = X.shape[1]
    start, seen = np.full(n_features, np.nan), np.zeros(n_features)
    sums = np.zeros(n_features)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for rows, w in _pieces(X, weights):
            there = ~np.isnan(rows) & (w > 0)[:, None]
            new = np.isnan(start) & there.any(axis=0)
            start[new] = rows[there.argmax(axis=0)[new], new]
            seen += w @ there
            sums += w @ np.where(there, rows - start, 0.0)
        mean = start + sums / seen
        sums, squares = np.zeros(n_features), np.zeros(n_features)
        for rows, w in _pieces(X, weights):
            there = ~np.isnan(rows) & (w > 0)[:, None]
            apart = np.where(there, rows - mean, 0.0)
            sums += w @ apart
            squares += w @ np.square(apart)
        # The mean is rounded: what is left of the deviations corrects for it.
        variance = squares / seen - np.square(sums / seen)
        deviation = np.sqrt(np.maximum(variance, 0.0))
    # Of equal values what is left is rounding.
    deviation[deviation <= 1e-14 * np.abs(mean)] = 0.0
    deviation[(seen > 0) & (~np.isfinite(deviation) | ~np.isfinite(mean))] = np.inf
    return mean, deviation, seen
