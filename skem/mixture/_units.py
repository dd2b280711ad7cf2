"""The units that a fit works in, and parameters in these and in the user's."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import AnyTable, Partitions, column_moments, has_gaps, seen_moments
from skem.families import GaussianFamily, GaussianParameters
from skem.kernels.rows import FARTHEST

__all__ = [
    "Units",
    "check_enough_rows",
    "check_reach",
    "components_to_table",
    "components_to_user",
    "measure",
]

Array: TypeAlias = NDArray[np.float64]

# Squares of these, times reg_covar or its inverse, are still numbers of that dtype.
_SPREADS = {"float64": (1e-153, 1e153), "float32": (1e-15, 1e15)}


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
    """

    origin: Array
    scale: Array
    column_scale: Array
    constant: NDArray[np.bool_]
    steps: Array | None = None
    floor: Array | None = None


def measure(
    X: NDArray[np.floating] | Partitions,
    weights: Array | None,
    family: GaussianFamily,
    names: NDArray[Any] | None = None,
) -> Units:
    """Measure the columns, which errors call by their ``names`` if given.

    Raises
    ------
    ValueError
        If a column has no value, or squares of its deviations leave the range of X's dtype.
    """
    if has_gaps(X):
        mean, deviation, seen = seen_moments(X, weights)
        if not seen.all():
            empty = np.flatnonzero(seen == 0)
            listed = (empty if names is None else names[empty]).tolist()
            raise ValueError(
                f"Column(s) {listed} of X have no value at all: all are NaN or in rows of weight "
                "zero. Drop them"
            )
    else:
        mean, deviation = column_moments(X, weights)
    least, most = _SPREADS[X.dtype.name]
    bad = (deviation > 0) & ~((deviation >= least) & (deviation <= most))
    _refuse(bad, deviation, X.dtype)
    origin, scale = family.units(mean, deviation)
    return Units(origin, scale, np.where(deviation > 0, deviation, 1.0), deviation == 0)


def check_reach(X: NDArray[np.floating], weights: Array | None, units: Units) -> None:
    """Check that rows can be read in units that were measured on others.

    Raises
    ------
    ValueError
        If squares of a column's deviations leave the range of X's dtype, or a value is so far out
        in these units that reading would move it.
    """
    deviation = (seen_moments if has_gaps(X) else column_moments)(X, weights)[1]
    _refuse(deviation > _SPREADS[X.dtype.name][1], deviation, X.dtype)
    rows = X if weights is None else X[weights > 0]
    ends = np.stack([np.fmin.reduce(rows), np.fmax.reduce(rows)]).astype(np.float64)
    with np.errstate(over="ignore"):
        far = (np.abs(ends - units.origin) / units.scale).max(axis=0)
    farthest = FARTHEST / np.sqrt(X.shape[1])
    if (far > farthest).any():
        column = int(np.argmax(far > farthest))
        raise ValueError(
            f"Column {column} of X has a value {far[column]:.3g} standard deviations away from "
            f"the mean of the rows that were fitted first, and at most {farthest:.3g} are "
            "possible: check the value, or rescale the column and fit anew."
        )


def _refuse(bad: NDArray[np.bool_], deviation: Array, dtype: np.dtype[np.floating]) -> None:
    """Raise ValueError for the first bad column."""
    if bad.any():
        column = int(np.argmax(bad))
        least, most = _SPREADS[dtype.name]
        raise ValueError(
            f"Column {column} of X has a standard deviation of {deviation[column]:.3g}. Its "
            f"variance is out of the range of {dtype.name}, where standard deviations from "
            f"{least:g} to {most:g} are possible: rescale the column."
        )


def check_enough_rows(table: AnyTable, n_components: int) -> None:
    """Raise ValueError where there are fewer rows of positive weight than components."""
    n_rows = table.n_positive
    if n_rows < n_components:
        which = "n_samples of positive weight" if table.is_weighted else "n_samples"
        raise ValueError(
            f"Expected {which} >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_rows}"
        )


def components_to_table(
    family: GaussianFamily, components: GaussianParameters, origin: Array, scale: Array
) -> GaussianParameters:
    """Bring parameters in the user's units to a table's."""
    components = components._replace(means=components.means - origin)
    return family.rescale(components, 1.0 / scale)


def components_to_user(
    family: GaussianFamily, components: GaussianParameters, origin: Array, scale: Array
) -> GaussianParameters:
    """Bring parameters in a table's units to the user's."""
    components = family.rescale(components, scale)
    return components._replace(means=components.means + origin)
