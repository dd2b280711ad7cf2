"""The units that a fit works in, and parameters in these and in the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import AnyTable, Partitions, Table, column_moments, has_gaps, seen_moments
from skem.families.contract import AnyFamily

__all__ = [
    "Shown",
    "Units",
    "check_enough_rows",
    "check_reach",
    "measure",
]

Array: TypeAlias = NDArray[np.float64]

# Squares of these, times reg_covar or its inverse, are still numbers of that dtype.
_SPREADS = {"float64": (1e-153, 1e153), "float32": (1e-15, 1e15)}


class Shown(NamedTuple):
    """How messages show columns: by their names, and in the units that people know.

    Attributes
    ----------
    names : sequence
    origin, scale : ndarray of shape (D,) or float
        Of a column in which the fit was given ``(x - origin) / scale``.
    """

    names: Sequence[object]
    origin: Array | float = 0.0
    scale: Array | float = 1.0

    def of_columns(self, columns: NDArray[np.intp]) -> Shown:
        """Return those of some of the columns."""
        every = (len(self.names),)
        origin, scale = (np.broadcast_to(part, every)[columns] for part in self[1:])
        return Shown([self.names[j] for j in columns.tolist()], origin, scale)


class Units(NamedTuple):
    """How a fit standardises its rows.

    Attributes
    ----------
    origin : ndarray of shape (D,)
        Weighted means.
    scale : ndarray of shape (D,)
        What the model divides by, as the family chooses it: each column's standard deviation, or
        one common scale.
    column_scale : ndarray of shape (D,)
        Standard deviations; 1 for a constant column.
    constant : ndarray of shape (D,), bool
        The constant columns.
    steps : ndarray of shape (D,) or None
        Those that columns were recorded in, in their units; 0 for none.
    floor : ndarray or None
        What no covariance is narrower than, in the units of the table.
    box : tuple of ndarray, or None
        The fields of the `NoiseBox`, in the user's units; None where there is no noise.
    heaps : ndarray of shape (D, 2) or None
        Where steps were looked for, those of `skem.engine.resolution.Recording`.
    """

    origin: Array
    scale: Array
    column_scale: Array
    constant: NDArray[np.bool_]
    steps: Array | None = None
    floor: Any = None
    box: tuple[Array, ...] | None = None
    heaps: Array | None = None

    def of_columns(self, columns: NDArray[np.intp]) -> Units:
        """Return the units of some of the columns, without the floor."""
        steps, heaps = (
            None if part is None else part[columns] for part in (self.steps, self.heaps)
        )
        return Units(
            self.origin[columns],
            self.scale[columns],
            self.column_scale[columns],
            self.constant[columns],
            steps,
            heaps=heaps,
        )


def measure(
    X: NDArray[np.floating] | Partitions,
    weights: Array | None,
    family: AnyFamily,
    *,
    gappy: bool,
    names: Sequence[object] | None = None,
) -> Units:
    """Measure the columns.

    Parameters
    ----------
    X : ndarray of shape (n_rows, D)
    weights : ndarray of shape (n_rows,) or None
    family : GaussianFamily
    gappy : bool
        Whether any cell is missing.
    names : sequence of D names, default=None
        What errors call the columns.

    Raises
    ------
    ValueError
        If a column has no value, or squares of its deviations leave the range of X's dtype.
    """
    if gappy:
        mean, deviation, seen = seen_moments(X, weights)
        if not seen.all():
            empty = np.flatnonzero(seen == 0)
            listed = empty.tolist() if names is None else [names[j] for j in empty.tolist()]
            raise ValueError(
                f"Column(s) {listed} of X have no value at all: all are NaN or in rows of weight "
                "zero. Drop them"
            )
    else:
        mean, deviation = column_moments(X, weights)
    least, most = _SPREADS[X.dtype.name]
    bad = (deviation > 0) & ~((deviation >= least) & (deviation <= most))
    _refuse(bad, deviation, X.dtype, names)
    origin, scale = family.units(mean, deviation)
    return Units(origin, scale, np.where(deviation > 0, deviation, 1.0), deviation == 0)


def check_reach(table: Table, units: Units, names: Sequence[Any] | None) -> None:
    """Check that rows can be read in units that were measured on others.

    Raises
    ------
    ValueError
        If squares of a column's deviations leave the range of X's dtype, or a value is so far out
        in these units that reading would move it.
    """
    X, weights = table.X, table.weights
    moments = seen_moments if has_gaps(X) else column_moments
    deviation = moments(X, weights)[1]
    _refuse(deviation > _SPREADS[X.dtype.name][1], deviation, X.dtype, names)
    rows = X if weights is None else X[weights > 0]
    ends = np.stack([np.fmin.reduce(rows), np.fmax.reduce(rows)]).astype(np.float64)
    with np.errstate(over="ignore"):
        far = (np.abs(ends - units.origin) / units.scale).max(axis=0)
    farthest = kernels.rows.FARTHEST / np.sqrt(X.shape[1])
    if (far > farthest).any():
        column = int(np.argmax(far > farthest))
        raise ValueError(
            f"Column {_name(column, names)} of X has a value {far[column]:.3g} standard "
            "deviations away from the mean of the rows that were fitted first, and at most "
            f"{farthest:.3g} are possible: check the value, or rescale the column and fit anew."
        )


def _refuse(
    bad: NDArray[np.bool_],
    deviation: Array,
    dtype: np.dtype[np.floating],
    names: Sequence[Any] | None,
) -> None:
    """Raise ValueError for the first bad column."""
    if bad.any():
        column = int(np.argmax(bad))
        least, most = _SPREADS[dtype.name]
        raise ValueError(
            f"Column {_name(column, names)} of X has a standard deviation of "
            f"{deviation[column]:.3g}. Its variance is out of the range of {dtype.name}, where "
            f"standard deviations from {least:g} to {most:g} are possible: rescale the column."
        )


def _name(column: int, names: Sequence[Any] | None) -> str:
    return str(column) if names is None else repr(names[column])


def check_enough_rows(table: AnyTable, n_components: int) -> None:
    """Raise ValueError where there are fewer rows of positive weight than components."""
    n_rows = table.n_positive
    if n_rows < n_components:
        which = "n_samples of positive weight" if table.is_weighted else "n_samples"
        raise ValueError(
            f"Expected {which} >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_rows}"
        )
