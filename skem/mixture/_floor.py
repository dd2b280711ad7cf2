"""The floor under a fit's covariances, from the steps in which the columns were recorded."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import SingularCovarianceError
from skem.inference import Visit
from skem.mixture._setup import Standard, spread_of_rows

__all__ = ["find_floor"]

Array: TypeAlias = NDArray[np.float64]

# Where reg_covar is 0: so narrow a covariance is singular all the same.
_NOTHING = 1e-14


def find_floor(units: Array, rule: Any, visit: Visit, standard: Standard) -> Array | None:
    """Return the floor in the table's units, or None if no step is coarse enough for one.

    Parameters
    ----------
    units : ndarray of shape (n_features,)
        Steps in the user's units; 0 for none.
    rule : Rule
    visit : Visit
    standard : Standard
    """
    if not (units > 0).any():
        return None
    family, d = rule.family, len(units)
    variances = 0.25 * np.square(units / standard.scale)
    variances = np.maximum(variances, max(family.reg_covar, _NOTHING))
    try:
        one = rule.update(spread_of_rows(family, visit), rule.blank(1, d)).components.covariances
    except SingularCovarianceError:
        return None  # as any fit to these rows is
    floor: Array | None = family.floor_below(variances, one)
    return floor
