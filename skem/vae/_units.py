"""Between the user's units and the network's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import column_moments, is_plain, plain

__all__ = ["Units", "measure", "unchanged"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True)
class Units:
    """A network reads ``(x - origin) / scale``.

    Attributes
    ----------
    origin, scale : ndarray of shape (n_features,), float64
    constant : ndarray of shape (n_features,), bool
        Columns without any spread, whose scale is that of the others (their geometric mean, if each
        has its own), or 1 if there is none.
    """

    origin: Array
    scale: Array
    constant: NDArray[np.bool_]

    @cached_property
    def inverse_scale(self) -> Array:
        """One over the scale."""
        return 1.0 / self.scale

    @property
    def log_volume(self) -> float:
        """What is added to a loss in the network's units to have it in the user's."""
        return float(np.log(self.scale).sum())

    def read(self, X: Floats, places: NDArray[np.intp], dtype: Any) -> Floats:
        """Return the rows at some places as a network reads them."""
        if not is_plain(X):
            X, places = plain(X.take(places, axis=0)), np.arange(len(places))
        out = np.empty((len(places), X.shape[1]), dtype)
        kernels.standardise.standardise(X, places, self.origin, self.inverse_scale, out)
        return out

    def write(self, values: Floats, dtype: Any) -> Floats:
        """Return a network's values in the user's units; the dtype's range bounds them."""
        limits = np.finfo(dtype)
        rows = values.astype(np.float64) * self.scale + self.origin
        return np.clip(rows, limits.min, limits.max, out=rows).astype(dtype, copy=False)


def unchanged(n_features: int) -> Units:
    """Leave rows in their units."""
    return Units(np.zeros(n_features), np.ones(n_features), np.zeros(n_features, dtype=bool))


def measure(X: Floats, weights: Array | None, *, one_scale: bool) -> Units:
    """Make weighted means zero and variances one: of each column, or on average.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    weights : ndarray of shape (n_rows,) or None
    one_scale : bool
        Whether all columns have one scale, the root of their mean variance. A likelihood with
        one noise variance is the same model then as in the user's units.

    Raises
    ------
    ValueError
        If float64 can't hold the spread of a column.
    """
    mean, deviation = column_moments(X, weights)
    wide = np.flatnonzero(~np.isfinite(deviation))
    if len(wide):
        raise ValueError(
            f"Column(s) {wide.tolist()} of X spread too widely for {X.dtype}: their standard "
            "deviation is not finite. Rescale them."
        )
    constant = deviation == 0
    if one_scale:
        largest = deviation.max()
        share = deviation / largest if largest > 0 else deviation
        scale = np.full(len(mean), largest * np.sqrt(np.mean(share * share)))
    else:
        spread = np.log(deviation[~constant])
        # In units of the table, so that other units of all of it change nothing.
        scale = np.where(constant, np.exp(spread.mean()) if len(spread) else 0.0, deviation)
    # Below 1e-300 an inverse would be infinite.
    scale = np.where(scale > 0, np.maximum(scale, 1e-300), 1.0)
    return Units(mean, scale, constant)
