"""A table as training and scoring read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.vae._units import Units

__all__ = ["Rows", "hold_out", "make_keys", "make_rows"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Keys: TypeAlias = NDArray[np.uint64]

# Rows copied at a time where a table can't be read as it is.
_BLOCK = 4096


@dataclass(frozen=True)
class Rows:
    """Rows of positive weight, with the keys of their random numbers.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
    index : ndarray of shape (n_kept,) or None
        The rows that count; None: all.
    keys : ndarray of shape (n_kept,), uint64
    weights : ndarray of shape (n_kept,), float64
        With a mean of one.
    total_weight : float
        Their sum as they were given.
    units : Units
    dtype : dtype
        The network's.
    """

    X: Floats
    index: NDArray[np.intp] | None
    keys: Keys
    weights: Array
    total_weight: float
    units: Units
    dtype: np.dtype[np.floating]

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: NDArray[np.intp]) -> tuple[Floats, Keys, Array]:
        """Return chosen rows as the network reads them, their keys and their weights."""
        # `take` is several times as fast as an index for a few rows.
        places = chosen if self.index is None else self.index.take(chosen)
        x = self.units.read(self.X, places, self.dtype)
        return x, self.keys.take(chosen), self.weights.take(chosen)

    def subset(self, chosen: NDArray[np.intp]) -> Rows:
        """Return some of the rows; the mean of their weights is one again."""
        weights = self.weights[chosen]
        index = chosen if self.index is None else self.index[chosen]
        share = float(weights.sum() / self.weights.sum())
        return replace(
            self,
            index=index,
            keys=self.keys[chosen],
            weights=weights / weights.mean(),
            total_weight=self.total_weight * share,
        )


def hold_out(rows: Rows, fraction: float) -> tuple[Rows, Rows]:
    """Split rows into those to train on and those to watch.

    Equal rows stay together, so a row of weight 2 is the row twice. The order is that of the keys,
    which are as good as random.

    Parameters
    ----------
    rows : Rows
    fraction : float
        Least share of the weight that is held out.

    Raises
    ------
    ValueError
        If no row remains to train on.
    """
    _, group = np.unique(rows.keys, return_inverse=True)
    share = np.cumsum(np.bincount(group, rows.weights)) / rows.weights.sum()
    # Rounding must not decide whether one more row is held out.
    n_held = 1 + int(np.searchsorted(share, fraction * (1.0 - 1e-9)))
    if n_held >= len(share):
        raise ValueError(
            f"validation_fraction={fraction} leaves no rows to train on where n_samples = "
            f"{len(rows)}. Set early_stopping=False or give more rows"
        )
    held = group < n_held
    return rows.subset(np.flatnonzero(~held)), rows.subset(np.flatnonzero(held))


def make_keys(X: Floats, seed: int) -> Keys:
    """Hash each row's values and a seed: the source of the row's random numbers."""
    keys = np.empty(len(X), np.uint64)
    start = np.array([seed], np.uint64)
    for a in range(0, len(X), _BLOCK):
        rows = X[a : a + _BLOCK]
        plain = rows.flags.c_contiguous and rows.flags.writeable and type(rows) is np.ndarray
        rows = rows if plain else np.array(rows, order="C", subok=False)
        kernels.noise.row_keys(rows, start, keys[a : a + _BLOCK])
    return keys


def make_rows(
    X: Floats, weights: Array | None, units: Units, dtype: np.dtype[np.floating], seed: int
) -> Rows:
    """Prepare a table."""
    keys = make_keys(X, seed)
    if weights is None:
        return Rows(X, None, keys, np.ones(len(X)), float(len(X)), units, dtype)
    index = np.flatnonzero(weights > 0)
    kept = weights[index]
    total = float(kept.sum())
    return Rows(X, index, keys[index], kept * (len(kept) / total), total, units, dtype)
