"""A table as the engine reads it: rows, weights, one origin and one scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine.tiles import Tile

__all__ = ["Table", "column_moments", "is_plain", "plain"]

Array: TypeAlias = NDArray[np.float64]

# Rows read at a time while columns are measured.
_MEASURED_ROWS = 16_384


@dataclass(frozen=True)
class Table:
    """Rows with weights, read as ``(x - origin) / scale``; nothing is copied as a whole.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
        Any layout, read-only or not, in memory or mapped.
    weights : ndarray of shape (n_rows,) or None
        None: every row counts once.
    origin, scale : ndarray of shape (n_features,)
    """

    X: NDArray[np.floating]
    weights: Array | None
    origin: Array
    scale: Array

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return float(len(self.X)) if self.weights is None else float(self.weights.sum())

    @property
    def n_positive(self) -> int:
        """Number of rows of positive weight."""
        return len(self.X) if self.weights is None else int(np.count_nonzero(self.weights))

    def load(self, start: int, stop: int, tile: Tile) -> None:
        """Fill a tile with the rows of positive weight among ``start <= row < stop``."""
        kept = self.kept(start, stop)
        rows = plain(self.X[start:stop][kept])
        n_rows, n_places = tile.hold(len(rows))
        weights = tile.ones[:n_rows] if self.weights is None else self.weights[start:stop][kept]
        n_far = kernels.rows.load_tile(
            rows, weights, self.origin, self._inverse_scale, n_places, tile.values, tile.weights
        )
        if n_far:
            kernels.rows.draw_back(tile.values, n_rows)

    @cached_property
    def _inverse_scale(self) -> Array:
        return 1.0 / self.scale

    def kept(self, start: int, stop: int) -> slice | NDArray[np.bool_]:
        """Say which of the rows from ``start`` to ``stop`` `load` keeps, as an index to them."""
        if self.weights is None:
            return slice(None)
        positive = self.weights[start:stop] > 0
        return slice(None) if positive.all() else positive


def is_plain(rows: NDArray[np.floating]) -> bool:
    """Say whether rows are a C-ordered, writable array: the kind that kernels are compiled for."""
    return rows.flags.c_contiguous and rows.flags.writeable and type(rows) is np.ndarray


def plain(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return rows as such an array."""
    return rows if is_plain(rows) else np.array(rows, order="C", subok=False)


def _weights(weights: Array | None, start: int, stop: int) -> Array:
    return np.ones(stop - start) if weights is None else weights[start:stop]


def column_moments(X: NDArray[np.floating], weights: Array | None) -> tuple[Array, Array]:
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
    blocks = [(a, min(a + _MEASURED_ROWS, n_rows)) for a in range(0, n_rows, _MEASURED_ROWS)]
    sums, largest = np.zeros(n_features), np.zeros(n_features)
    unit, ignored = np.ones(n_features), np.zeros(n_features)
    deviations = kernels.rows.column_deviations
    with np.errstate(over="ignore", invalid="ignore"):
        for a, b in blocks:
            rows, w = plain(X[a:b]), _weights(weights, a, b)
            deviations(rows, w, start, unit, sums, ignored)
            reach = np.abs(rows[w > 0] - start).max(axis=0, initial=0.0)
            np.maximum(largest, reach, out=largest)
        mean = start + sums / total
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        sums, squares = np.zeros(n_features), np.zeros(n_features)
        for a, b in blocks:
            rows, w = plain(X[a:b]), _weights(weights, a, b)
            deviations(rows, w, mean, scale, sums, squares)
        # The mean is rounded: what is left of the deviations corrects for it.
        variance = squares / total - np.square(sums / total)
        deviation = scale * np.sqrt(np.maximum(variance, 0.0))
    deviation[largest == 0] = 0.0
    deviation[~np.isfinite(deviation) | ~np.isfinite(mean)] = np.inf
    return mean, deviation
