"""Components that something else than their rows keeps from being narrower."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.families.floor import is_above, root_of, whiten
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import Array, GaussianParameters, GaussianPrior

__all__ = ["Held", "find_collapsed", "find_dependent", "find_held"]

# A column is named that has so large a share of a direction.
_SHARE = 0.1
# A covariance at the floor is that to rounding; the floor of all rows is below them by 1e-8.
_ROUNDING = 3e-9
# A variance up to so many times reg_covar is its own; nothing but its own up to so many.
_OWN, _ALONE = 2.0, 1.0 + 1e-6


class Held(NamedTuple):
    """A component that is held up.

    Attributes
    ----------
    component : int
    n_rows : float
    columns : ndarray of int
        Along which it would be narrower; empty where its rows are too few for any.
    values : ndarray of shape (len(columns),)
        The one value that a column has in it; NaN where columns depend on each other.
    exact : ndarray of shape (len(columns),), bool
        Whether that is its value to rounding, not only to the width of `reg_covar`.
    """

    component: int
    n_rows: float
    columns: NDArray[np.intp]
    values: Array
    exact: NDArray[np.bool_]


def find_collapsed(
    family: GaussianFamily,
    prior: GaussianPrior,
    weights: Array,
    parameters: GaussianParameters,
    n_rows: float,
) -> list[Held]:
    """Return the components that have collapsed: their likelihood can't be compared.

    Those are components held up by `reg_covar` in a direction in which the table is wider, and
    those that have fewer rows than determine their covariance.

    Parameters
    ----------
    family : GaussianFamily
    prior : GaussianPrior
        With one of the covariances, few rows will do.
    weights : ndarray of shape (K,)
    parameters : GaussianParameters
        In a table's units.
    n_rows : float
        Rows of positive weight.
    """
    k, d = parameters.means.shape
    few = np.zeros(k, dtype=bool)
    if prior.degrees_of_freedom is None:
        few = weights * n_rows < family.rows_needed(d)
        few |= n_rows < family.least_rows(k, d)
    dense = family.dense(parameters.covariances, k, d)
    if not few.any() and is_above(dense, _OWN * family.reg_covar * np.eye(d)):
        return []
    at_ridge = family.collapsed(weights, parameters)
    found = []
    for component in np.flatnonzero((at_ridge | few) & (weights > 0)):
        columns = np.zeros(0, dtype=np.intp)
        if not few[component]:
            values, vectors = np.linalg.eigh(dense[component])
            narrow = values <= _OWN * family.reg_covar
            columns = np.flatnonzero(np.square(vectors[:, narrow]).sum(axis=1) > _SHARE)
        variance = np.diagonal(dense[component])[columns]
        mean = parameters.means[component][columns]
        one = np.where(variance <= _OWN * family.reg_covar, mean, np.nan)
        exact = variance <= _ALONE * family.reg_covar
        n_own = float(weights[component] * n_rows)
        found.append(Held(int(component), n_own, columns, one, exact))
    return found


def find_held(
    family: GaussianFamily,
    weights: Array,
    parameters: GaussianParameters,
    n_rows: float,
    rounding: float = _ROUNDING,
) -> list[Held]:
    """Return the components that are at the floor of recorded steps; see `find_collapsed`.

    They are so to a relative ``rounding``. A single component is none of them: the floor is below
    the covariance of all rows.
    """
    k, d = parameters.means.shape
    if family.floor is None or k == 1:
        return []
    dense = family.dense(parameters.covariances, k, d)
    floor = family.floor
    if not family.has_matrices:
        floor = np.broadcast_to(floor, d) * np.eye(d)
    found: list[Held] = []
    if is_above(dense, (1.0 + rounding) * floor):
        return found
    root = root_of(floor)
    values, vectors = np.linalg.eigh(whiten(dense, floor))
    for component in np.flatnonzero((values[:, 0] <= 1.0 + rounding) & (weights > 0)):
        narrow = vectors[component][:, values[component] <= 1.0 + rounding]
        # A direction's variance in the floor, shared out among the columns.
        directions = np.linalg.solve(root.T, narrow)
        shares = (directions * (floor @ directions)).max(axis=1)
        columns = np.flatnonzero(shares > _SHARE)
        nothing, none = np.full(len(columns), np.nan), np.zeros(len(columns), dtype=bool)
        n_own = float(weights[component] * n_rows)
        found.append(Held(int(component), n_own, columns, nothing, none))
    return found


def find_dependent(
    family: GaussianFamily,
    weights: Array,
    parameters: GaussianParameters,
    constant: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Return the columns of the table that depend on each other linearly.

    Structures without matrices don't tell, and have no trouble with them.
    """
    if not family.has_matrices or family.reg_covar == 0:
        return np.zeros(0, dtype=np.intp)
    total = family.total_covariance(weights, parameters)
    if is_above(total, family.reg_covar * np.eye(len(total))):
        return np.zeros(0, dtype=np.intp)
    values, vectors = np.linalg.eigh(total)
    narrow = values <= family.reg_covar
    shares = np.square(vectors[:, narrow]).sum(axis=1)
    return np.flatnonzero((shares > _SHARE) & ~constant)
