"""The floor under a fit's covariances, from the steps in which the columns were recorded."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._parameters import check_shape
from skem.engine import Partitions, Table
from skem.engine.remembered import Remembered
from skem.engine.resolution import Recording, recording_units
from skem.families import GaussianFamily, SingularCovarianceError
from skem.inference import Passes
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units

__all__ = ["find_floor", "measure_steps"]

Array: TypeAlias = NDArray[np.float64]


def measure_steps(
    resolution: str | ArrayLike | None,
    X: NDArray[np.floating] | Partitions,
    weights: Array | None,
    units: Units,
    stepped: NDArray[np.bool_],
) -> tuple[Array | None, Array | None]:
    """Return the steps that the columns were recorded in, and heaps where steps were looked for.

    Steps are found or given; None: none are asked for. Columns that are not ``stepped``
    (n_features,) have none, and none are to be given for them. Heaps are those of `Recording`.

    Raises
    ------
    ValueError
        For given steps that can be none.
    """
    if resolution is None:
        return None, None
    if isinstance(resolution, str):
        found: Recording = recording_units(
            X, weights, np.where(units.constant | ~stepped, 0.0, units.column_scale)
        )
        return found.units, found.heaps
    steps = np.zeros(len(stepped))
    steps[stepped] = check_shape("resolution", resolution, (int(stepped.sum()),))
    if steps.min() < 0:
        raise ValueError(
            "The parameter 'resolution' should have no negative steps, but got "
            f"min value {steps.min():g}"
        )
    return steps, None


def find_floor(steps: Array | None, family: Any, rule: Any, passes: Passes, units: Units) -> Any:
    """Return the floor in the table's units, or None if no step is coarse enough for one.

    Parameters
    ----------
    steps : ndarray of shape (n_features,) or None
        In the user's units; 0 for none.
    family : Estimable
    rule : Rule
        Says what the covariance of all rows is.
    passes : Passes
    units : Units
    """
    if steps is None or not (steps > 0).any():
        return None

    def make() -> Any:
        all_rows = statistics_of_all_rows(family, passes)
        try:
            one = rule.update(all_rows, rule.without_rows(1, len(steps)))
        except SingularCovarianceError:
            return None  # as any fit to these rows is
        return family.find_floor(0.25 * np.square(steps / units.scale), one.components)

    table = passes.source
    if not isinstance(family, GaussianFamily) or not isinstance(table, Table):
        return make()
    # A structure has one floor for all numbers of components.
    names = f"{type(rule)} {type(family)} {family.reg_covar!r} {rule.prior[1::2]!r}".encode()
    given = np.frombuffer(names, dtype=np.uint8)
    prior = rule.prior.mean, rule.prior.covariance
    return _FLOORS.of(make, table.X, table.weights, table.origin, table.scale, steps, *prior, given)


_FLOORS: Remembered[Any] = Remembered()
