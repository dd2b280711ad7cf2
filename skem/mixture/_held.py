"""Components that something else than their rows keeps from being narrower, and what to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import GaussianFamily, GaussianParameters, GaussianPrior
from skem.mixture._units import Units

__all__ = ["describe_held", "find_collapsed", "find_dependent", "find_held", "warn_of_held"]

Array: TypeAlias = NDArray[np.float64]

# A column is named that has so large a share of a direction.
_SHARE = 0.1
# A covariance at the floor is that to rounding; the floor of all rows is below them by 1e-8.
_ROUNDING = 3e-9
# Variances up to so many times reg_covar are its own, and one of the table's is not.
_OWN, _WIDE = 2.0, 100.0
# Components that a message describes one by one.
_DESCRIBED = 3


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
    """

    component: int
    n_rows: float
    columns: NDArray[np.intp]
    values: Array


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
    at_ridge = family.collapsed(weights, parameters)
    few = np.zeros(k, dtype=bool)
    if prior.degrees_of_freedom is None:
        few = weights * n_rows < family.rows_needed(d)
        few |= n_rows < family.least_rows(k, d)
    dense = family.dense(parameters.covariances, k, d)
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
        found.append(Held(int(component), float(weights[component] * n_rows), columns, one))
    return found


def find_held(
    family: GaussianFamily, weights: Array, parameters: GaussianParameters, n_rows: float
) -> list[Held]:
    """Return the components that are at the floor of recorded steps; see `find_collapsed`."""
    if family.floor is None:
        return []
    k, d = parameters.means.shape
    dense = family.dense(parameters.covariances, k, d)
    floor = family.floor
    if not family.has_matrices:
        floor = np.broadcast_to(floor, d) * np.eye(d)
    root = np.linalg.cholesky(floor)
    half = np.linalg.solve(root, dense)
    values, vectors = np.linalg.eigh(np.linalg.solve(root, np.swapaxes(half, 1, 2)))
    found = []
    for component in np.flatnonzero((values[:, 0] <= 1.0 + _ROUNDING) & (weights > 0)):
        narrow = vectors[component][:, values[component] <= 1.0 + _ROUNDING]
        # A direction's variance in the floor, shared out among the columns.
        directions = np.linalg.solve(root.T, narrow)
        shares = (directions * (floor @ directions)).max(axis=1)
        columns = np.flatnonzero(shares > _SHARE)
        nothing = np.full(len(columns), np.nan)
        found.append(Held(int(component), float(weights[component] * n_rows), columns, nothing))
    return found


def find_dependent(
    family: GaussianFamily,
    weights: Array,
    parameters: GaussianParameters,
    constant: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Return the columns of the table that depend on each other linearly."""
    if not family.has_matrices or family.reg_covar == 0:
        return np.zeros(0, dtype=np.intp)
    values, vectors = np.linalg.eigh(family.total_covariance(weights, parameters))
    narrow = values <= family.reg_covar
    shares = np.square(vectors[:, narrow]).sum(axis=1)
    return np.flatnonzero((shares > _SHARE) & ~constant)


def _say_collapsed(
    found: Sequence[Held], names: Sequence[object], reg_covar: float, needed: int
) -> str:
    """Say which components have collapsed, why, and what to do.

    Parameters
    ----------
    found : sequence of Held
        With values in the user's units.
    names : sequence
        Of all columns.
    reg_covar : float
    needed : int
        How many rows determine a component's covariance.
    """
    causes = []
    for held in found[:_DESCRIBED]:
        who = f"component {held.component} has {_rows(held.n_rows)}"
        if not len(held.columns):
            causes.append(f"{who} where a covariance of {len(names)} columns needs {needed}")
            continue
        one: NDArray[np.bool_] = np.isfinite(held.values)
        parts = [
            f"column {names[j]!s} is {value:.6g}"
            for j, value in zip(held.columns[one], held.values[one], strict=True)
        ]
        if not one.all():
            parts.append(f"columns {[names[j] for j in held.columns[~one]]} are dependent")
        causes.append(f"{who}, in all of which {' and '.join(parts)}")
    if len(found) > _DESCRIBED:
        causes.append(f"{len(found) - _DESCRIBED} more are alike")
    return (
        f"Component(s) {[held.component for held in found]} collapsed: "
        f"{'; '.join(causes)}. Their covariances are held up by reg_covar={reg_covar:g} alone, so "
        "the likelihood can't be compared with that of other fits. Drop such columns or make them "
        "categorical, use a simpler covariance_type, decrease n_components, or give the "
        "columns' steps as resolution."
    )


def _say_held(found: Sequence[Held], names: Sequence[object], steps: Array) -> str:
    """Say which components are at the floor, and of which columns' steps."""
    columns = np.unique(np.concatenate([held.columns for held in found]))
    listed = ", ".join(f"{names[j]!s} by {steps[j]:.6g}" for j in columns)
    return (
        f"Component(s) {[held.component for held in found]} are held at the width of the steps "
        f"that columns are recorded in ({listed}): narrower than that can't be told. If a column's "
        "values are categories, drop it or make it categorical; resolution=None holds nothing."
    )


def _rows(number: float) -> str:
    shown = f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:.0f}"
    return f"{shown} row" + ("" if shown == "1" else "s")


def describe_held(
    family: GaussianFamily,
    prior: GaussianPrior,
    weights: Array,
    parameters: GaussianParameters,
    n_rows: float,
    units: Units,
    names: Sequence[object],
) -> list[str]:
    """Return what a user should know of components that are held up, and of dependent columns.

    Parameters
    ----------
    family, prior, weights, parameters, n_rows
        As for `find_collapsed`.
    units : Units
        From the table's units to the user's.
    names : sequence
        Of the columns.
    """
    messages = []
    collapsed = find_collapsed(family, prior, weights, parameters, n_rows)
    if collapsed:
        shown = [
            held._replace(
                values=held.values * units.scale[held.columns] + units.origin[held.columns]
            )
            for held in collapsed
        ]
        d = len(names)
        needed = max(family.rows_needed(d), family.least_rows(1, d))
        messages.append(_say_collapsed(shown, names, family.reg_covar, needed))
    messages += warn_of_held(family, weights, parameters, n_rows, units, names)
    dependent = find_dependent(family, weights, parameters, units.constant)
    if len(dependent) and n_rows > len(names):
        messages.append(
            f"Columns {[names[j] for j in dependent]} of X depend on each other linearly: in one "
            f"direction their variance is reg_covar={family.reg_covar:g} by decree, and densities "
            "depend on it. Drop one of them."
        )
    return messages


def warn_of_held(
    family: GaussianFamily,
    weights: Array,
    parameters: GaussianParameters,
    n_rows: float,
    units: Units,
    names: Sequence[object],
) -> list[str]:
    """Return what a user should know of components at the floor; see `describe_held`."""
    held = find_held(family, weights, parameters, n_rows)
    if not held or units.steps is None:
        return []
    return [_say_held(held, names, units.steps)]
