"""Covariances in parts (volume, shape, orientation), the likeliest above a floor.

As `skem.families.decomposition`, which see, under the constraint that no covariance is narrower
than the floor M of `skem.families.floor`:

- where a structure is closed under linear maps (VVV, EEE, VEE, EVV, and of variances all), in the
  order of matrices, ``S_k >= M``, by whitening with M;
- where it is not (EEV, VEV, EVE, VVE), along each component's axes d: ``variance >= d' M d``. That
  is what ``S_k >= M`` comes to where the axes are M's own.

Given the axes every maximum is exact. Of EEV and VEV the axes are those of the scatter matrices,
or those before where these are better, so the likelihood never falls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.families.decomposition import compose, find_common_axes, loss_of, spectra_and_axes
from skem.families.floor import root_of, whiten
from skem.families.parameters import TINY

__all__ = ["CONSTRAINED_ORIENTATIONS", "CONSTRAINED_VARIANCES"]

Array: TypeAlias = NDArray[np.float64]
# Spectra (K, D), counts (K,) and least variances (K, D) -> variances (K, D).
Variances: TypeAlias = Callable[[Array, Array, Array], Array]

_INNER = 200


def _own(spectra: Array, count: Array, least: Array) -> Array:
    """A volume and a shape each: VV."""
    return np.maximum(spectra / count[:, None], least)


def _same(spectra: Array, count: Array, least: Array) -> Array:
    """One volume, one shape: EE."""
    pooled = np.maximum(spectra.sum(axis=0) / count.sum(), least.max(axis=0))
    return np.tile(pooled, (len(spectra), 1))


def _own_volume(spectra: Array, count: Array, least: Array) -> Array:
    """A volume each, one shape: VE."""
    share = count / count.sum()
    # What is negative by rounding would make the problem one without a minimum.
    spectra = np.maximum(spectra, 0.0) / count.sum()
    bottom = np.log(least)
    # Above the floor: the mean of logarithms by component, and the highest shape about it.
    log_var = np.log(np.maximum(spectra / share[:, None], least))
    volume = log_var.mean(axis=1)
    shape = (log_var - volume[:, None]).mean(axis=0)
    volume += (bottom - volume[:, None] - shape).max(axis=1).clip(0.0) + 1e-3
    kernels.volumes.own_volumes(spectra, share, bottom, volume, shape)
    result: Array = np.exp(volume[:, None] + shape)
    return result


def _own_shape(spectra: Array, count: Array, least: Array) -> Array:
    """One volume, a shape each: EV."""
    spectra = np.maximum(spectra, TINY)
    result = np.empty_like(spectra)
    kernels.shapes.own_shape(spectra, count, np.ascontiguousarray(least), result)
    return result


# By the letters of volume and shape.
CONSTRAINED_VARIANCES: dict[str, Variances] = {
    "EE": _same,
    "VE": _own_volume,
    "EV": _own_shape,
    "VV": _own,
}


def _own_axes(scatter: Array, count: Array, parts: str, previous: Array, floor: Array) -> Array:
    """Each component's own orientation: EEV and VEV."""

    def along(axes: Array) -> tuple[float, Array, Array]:
        spectra = (axes * (scatter @ axes)).sum(axis=1)
        least = (axes * (floor @ axes)).sum(axis=1)
        found = CONSTRAINED_VARIANCES[parts](spectra, count, least)
        return loss_of(spectra, count, found), axes, found

    before = along(spectra_and_axes(previous)[1])
    now = along(spectra_and_axes(scatter)[1])
    return compose(*min(now, before, key=lambda result: result[0])[1:])


def _own_matrix(scatter: Array, count: Array, parts: str, previous: Array, floor: Array) -> Array:
    """A shape and an orientation each: EVV and VVV. Whitened, the floor is the unit matrix."""
    spectra, axes = spectra_and_axes(whiten(scatter, floor))
    variances = CONSTRAINED_VARIANCES[parts]
    return compose(
        root_of(floor) @ axes, variances(np.maximum(spectra, 0.0), count, np.ones(spectra.shape))
    )


def _common_matrix(
    scatter: Array, count: Array, parts: str, previous: Array, floor: Array
) -> Array:
    """A volume each of one matrix: VEE. Whitened, and with the least volume 1."""
    root, scatter = root_of(floor), whiten(scatter, floor)
    volumes, matrix = np.empty(len(count)), np.empty_like(floor)
    kernels.matrices.common_matrix_above_one(scatter, count, _INNER, volumes, matrix)
    result = volumes[:, None, None] * (root @ matrix @ root.T)
    return 0.5 * (result + np.swapaxes(result, 1, 2))


def _common_axes(scatter: Array, count: Array, parts: str, previous: Array, floor: Array) -> Array:
    """One orientation for all: EVE and VVE. As without a floor, which turns with the axes."""
    return find_common_axes(scatter, count, previous, floor, one_volume=parts == "EV")


# By orientation, as `skem.families.decomposition.ORIENTATIONS`; "*" stands for a shape and an
# orientation that are both each component's own.
CONSTRAINED_ORIENTATIONS: dict[str, Callable[[Array, Array, str, Array, Array], Array]] = {
    "V": _own_axes,
    "*": _own_matrix,
    "E": _common_axes,
    "=": _common_matrix,
}
