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
from scipy.optimize import brentq

from skem import kernels
from skem.families.decomposition import compose, find_common_axes, loss_of
from skem.families.floor import cholesky, lift, whiten

__all__ = ["CONSTRAINED_ORIENTATIONS", "CONSTRAINED_VARIANCES"]

Array: TypeAlias = NDArray[np.float64]
# Spectra (K, D), counts (K,) and least variances (K, D) -> variances (K, D).
Variances: TypeAlias = Callable[[Array, Array, Array], Array]

_SETTLED = 1e-12
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
    """One volume, a shape each: EV.

    Given the volume, a component's variances are ``max(spectrum / mu, least)`` with the mu that
    gives that volume; and the volume is the best where the mu add up to the count.
    """
    d = spectra.shape[1]
    log_spectra = np.log(np.maximum(spectra, np.finfo(np.float64).tiny))
    bottom = np.log(least)
    # By the mu at which they meet the floor, those with the largest first.
    order = np.argsort(bottom - log_spectra, axis=1)
    meets = np.take_along_axis(log_spectra - bottom, order, axis=1)
    free = np.cumsum(np.take_along_axis(log_spectra, order, axis=1), axis=1)
    held = np.take_along_axis(bottom, order, axis=1)
    sums = free + held.sum(axis=1, keepdims=True) - np.cumsum(held, axis=1)
    number = np.arange(1, d + 1)

    def log_mu(volume: float) -> Array:
        """Solve for mu: the mean of max(log spectrum - log mu, bottom) is the log volume."""
        of_so_many = (sums - d * volume) / number
        # As many directions are free as are above the floor with that mu.
        fits = of_so_many <= meets
        last = d - 1 - np.argmax(fits[:, ::-1], axis=1)
        result = np.take_along_axis(of_so_many, last[:, None], axis=1)[:, 0]
        return np.where(fits.any(axis=1), result, meets[:, 0])

    def excess(volume: float) -> float:
        return float(np.logaddexp.reduce(log_mu(volume))) - log_total

    log_total = float(np.log(count.sum()))
    low = float(bottom.mean(axis=1).max())
    high = max(low, float(np.log(np.maximum(spectra / count[:, None], least)).max())) + 1.0
    # Larger volumes need smaller mu.
    volume = brentq(excess, low, high, xtol=1e-13) if excess(low) > 0.0 else low
    return np.exp(np.maximum(log_spectra - log_mu(volume)[:, None], bottom))


# By the letters of volume and shape.
CONSTRAINED_VARIANCES: dict[str, Variances] = {
    "EE": _same,
    "VE": _own_volume,
    "EV": _own_shape,
    "VV": _own,
}


def _own_axes(
    scatter: Array, count: Array, variances: Variances, previous: Array, floor: Array
) -> Array:
    """Each component's own orientation: EEV and VEV."""

    def along(axes: Array) -> tuple[float, Array]:
        spectra = np.einsum("kij,kil,klj->kj", axes, scatter, axes)
        least = np.einsum("kij,il,klj->kj", axes, floor, axes)
        found = variances(spectra, count, least)
        return loss_of(spectra, count, found), compose(axes, found)

    before = along(np.linalg.eigh(previous)[1])
    now = along(np.linalg.eigh(scatter)[1])
    return min(now, before, key=lambda result: result[0])[1]


def _own_matrix(
    scatter: Array, count: Array, variances: Variances, previous: Array, floor: Array
) -> Array:
    """A shape and an orientation each: EVV and VVV. Whitened, the floor is the unit matrix."""
    root = cholesky(floor)
    spectra, axes = np.linalg.eigh(whiten(scatter, root))
    return compose(root @ axes, variances(np.maximum(spectra, 0.0), count, np.ones(spectra.shape)))


def _common_matrix(
    scatter: Array, count: Array, variances: Variances | None, previous: Array, floor: Array
) -> Array:
    """A volume each of one matrix: VEE. Whitened, and with the least volume 1.

    Volumes of at least 1 and a matrix above the floor are the same covariances as any that are
    above it, and constrain each other no more: each step is the other's minimum.
    """
    root = cholesky(floor)
    scatter = whiten(scatter, root)
    k, d = scatter.shape[:2]
    unit = np.eye(d)
    volumes = np.ones(k)
    for _ in range(_INNER):
        pooled = np.einsum("kij,k->ij", scatter, 1.0 / volumes) / count.sum()
        matrix = lift(pooled, unit)
        trace = np.einsum("ij,kji->k", np.linalg.inv(matrix), scatter)
        before, volumes = volumes, np.maximum(trace / (d * count), 1.0)
        if np.abs(volumes - before).max() <= _SETTLED * volumes.max():
            break
    result = volumes[:, None, None] * (root @ matrix @ root.T)
    return 0.5 * (result + np.swapaxes(result, 1, 2))


def _common_axes(
    scatter: Array, count: Array, variances: Variances, previous: Array, floor: Array
) -> Array:
    """One orientation for all: EVE and VVE. As without a floor, which turns with the axes."""

    def judge(axes: Array, spectra: Array) -> tuple[float, Array]:
        least = np.tile(np.einsum("ij,il,lj->j", axes, floor, axes), (len(count), 1))
        found = variances(spectra, count, least)
        return loss_of(spectra, count, found), found

    return compose(*find_common_axes(scatter, count, previous, judge))


# By orientation, as `skem.families.decomposition.ORIENTATIONS`; "*" stands for a shape and an
# orientation that are both each component's own.
CONSTRAINED_ORIENTATIONS: dict[str, Callable[[Array, Array, Variances, Array, Array], Array]] = {
    "V": _own_axes,
    "*": _own_matrix,
    "E": _common_axes,
    "=": _common_matrix,
}
