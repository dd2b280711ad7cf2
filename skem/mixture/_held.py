"""What to say of components that something else than their rows keeps from being narrower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import GaussianFamily, GaussianParameters, GaussianPrior
from skem.families.held import Held, find_collapsed, find_dependent, find_held
from skem.mixture._units import Shown, Units

__all__ = ["describe_held", "warn_of_held"]

Array: TypeAlias = NDArray[np.float64]

# Components that a message describes one by one.
_DESCRIBED = 3


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
        f"Component(s) {[held.component for held in found]} collapsed ({'; '.join(causes)}): "
        f"their covariances are held up by reg_covar={reg_covar:g} alone, so the likelihood can't "
        "be compared with that of other fits. Drop such columns or make them categorical, use a "
        "simpler covariance_type, decrease n_components, or give the columns' steps as resolution."
    )


def _say_held(found: Sequence[Held], names: Sequence[object], steps: Array) -> str:
    """Say which components are at the floor, and of which columns' steps."""
    columns = np.unique(np.concatenate([held.columns for held in found]))
    listed = ", ".join(f"{names[j]!s} by {steps[j]:.6g}" for j in columns)
    return (
        f"Component(s) {[held.component for held in found]} are held at the width of the steps "
        f"that columns are recorded in ({listed}): narrower than that can't be told. The fit is "
        "sound. If a column's values are categories, drop it or make it categorical; "
        "resolution=None holds nothing."
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
    shown: Shown,
) -> list[str]:
    """Return what a user should know of components that are held up, and of dependent columns.

    Parameters
    ----------
    family, prior, weights, parameters, n_rows
        As for `find_collapsed`.
    units : Units
        From the table's units to those of the rows.
    shown : Shown
    """
    messages = []
    names = shown.names
    collapsed = find_collapsed(family, prior, weights, parameters, n_rows)
    if collapsed:
        origin = shown.origin + shown.scale * units.origin
        scale = shown.scale * units.scale
        found = [
            held._replace(values=held.values * scale[held.columns] + origin[held.columns])
            for held in collapsed
        ]
        d = len(names)
        needed = max(family.rows_needed(d), family.least_rows(1, d))
        messages.append(_say_collapsed(found, names, family.reg_covar, needed))
    messages += warn_of_held(family, weights, parameters, n_rows, units, shown)
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
    shown: Shown,
) -> list[str]:
    """Return what a user should know of components at the floor; see `describe_held`."""
    held = find_held(family, weights, parameters, n_rows)
    if not held or units.steps is None:
        return []
    return [_say_held(held, shown.names, shown.scale * units.steps)]
