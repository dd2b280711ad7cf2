"""What to say of components that something else than their rows keeps from being narrower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import GaussianFamily, GaussianParameters, GaussianPrior
from skem.families.held import Held, find_collapsed, find_dependent, find_held
from skem.mixture._units import Shown, Units

__all__ = ["EMPTIED", "describe_held", "held_columns", "warn_of_held"]

Array: TypeAlias = NDArray[np.float64]

# A component with no larger weight than this has lost all its rows.
EMPTIED = 1e-12
# Rounding of published covariances, by their dtype's name.
_PUBLISHED = {"float64": 3e-9, "float32": 1e-5}
# Components that a message describes one by one, and columns of one sort that it names.
_DESCRIBED, _NAMED = 3, 8


def _say_collapsed(
    found: Sequence[Held], names: Sequence[object], reg_covar: float, needed: int, *, floor: bool
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
    floor : bool
        Whether any of them is at the floor of recorded steps.
    """
    causes = []
    for held in found[:_DESCRIBED]:
        who = f"component {held.component} has {_rows(held.n_rows)}"
        if not len(held.columns):
            causes.append(f"{who} where a covariance of {len(names)} columns needs {needed}")
            continue
        one: NDArray[np.bool_] = np.isfinite(held.values)
        parts = [
            f"column {names[j]!s} is {'' if exact else 'about '}{value:.6g}"
            for j, value, exact in zip(
                held.columns[one], held.values[one], held.exact[one], strict=True
            )
        ]
        if not one.all():
            parts.append(f"columns {[names[j] for j in held.columns[~one]]} are dependent")
        causes.append(f"{who}, in all of which {' and '.join(parts)}")
    if len(found) > _DESCRIBED:
        more = len(found) - _DESCRIBED
        causes.append(f"{more} more {'is' if more == 1 else 'are'} alike")
    by = f"reg_covar={reg_covar:g}"
    by = f"the steps of columns (resolution) and {by}" if floor else f"{by} alone"
    steps = "" if floor else ", or give the columns' steps as resolution"
    return (
        f"Component(s) {[held.component for held in found]} collapsed ({'; '.join(causes)}): "
        f"their covariances are held up by {by}, so the likelihood can't be compared with that "
        "of other fits. Decrease n_components, use a simpler covariance_type, drop such columns or "
        f"make them categorical{steps}."
    )


def _say_held(
    found: Sequence[Held], names: Sequence[object], steps: Array, heaps: Array | None
) -> str:
    """Say which components are at the floor, and how the columns are recorded that it is of."""
    columns = np.unique(np.concatenate([held.columns for held in found]))
    groups: dict[tuple[float, str], list[int]] = {}
    for j in columns.tolist():
        n_values = 0.0 if heaps is None else float(heaps[j, 0])
        groups.setdefault((n_values, "" if n_values else f"{steps[j]:.6g}"), []).append(j)
    parts = []
    for (n_values, step), group in groups.items():
        how = f"in steps of {step}"
        if n_values and heaps is not None:
            how = f"where {_heaped(n_values, 100 * heaps[group, 1])} % of the rows"
        comma = "," if n_values else ""
        parts.append(f"{_named([str(names[j]) for j in group])}{comma} {how}")
    return (
        f"Component(s) {[held.component for held in found]} are held at the width that the "
        f"recording of columns allows ({'; '.join(parts)}): narrower than that can't be told. The "
        "fit is sound. If a column's values are categories or counts, give it that kind "
        "(EMMixture), or drop it; resolution=None holds nothing."
    )


def _heaped(n_values: float, percent: Array) -> str:
    who = "one value has" if n_values == 1 else f"{n_values:.0f} values have"
    least, most = f"{percent.min():.0f}", f"{percent.max():.0f}"
    return f"{who} {least}" + (f" to {most}" if most != least else "")


def _named(columns: list[str]) -> str:
    shown, more = columns[:_NAMED], len(columns) - _NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _rows(number: float) -> str:
    shown = f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"
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

    Components that have lost all rows are not among them.

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
    weights = np.where(weights > EMPTIED, weights, 0.0)
    held = find_held(family, weights, parameters, n_rows)
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
        who = {one.component for one in collapsed}
        floor = any(one.component in who for one in held)
        messages.append(_say_collapsed(found, names, family.reg_covar, needed, floor=floor))
        held = [one for one in held if one.component not in who]
    messages += _tell_held(held, units, shown)
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
    return _tell_held(find_held(family, weights, parameters, n_rows), units, shown)


def _tell_held(held: Sequence[Held], units: Units, shown: Shown) -> list[str]:
    if not held or units.steps is None:
        return []
    return [_say_held(held, shown.names, shown.scale * units.steps, units.heaps)]


def held_columns(
    family: Any, weights: NDArray[np.floating], components: Any, units: Units
) -> NDArray[np.bool_]:
    """Say in which columns components are at the floor, (K, D).

    Parameters
    ----------
    family : GaussianFamily or StudentFamily
    weights : ndarray of shape (K,)
        As published.
    components : GaussianParameters or StudentParameters
        In the user's units.
    units : Units
        Of the fit.
    """
    result = np.zeros(components.means.shape, dtype=bool)
    if units.floor is None:
        return result
    standard = family.standardise(components, units.origin, units.scale)
    gaussian = GaussianParameters(*standard[:3])
    rounding = _PUBLISHED[weights.dtype.name]
    found = find_held(
        family.gaussian.with_floor(units.floor), weights.astype(np.float64), gaussian, 1.0, rounding
    )
    for held in found:
        result[held.component, held.columns] = True
    return result
