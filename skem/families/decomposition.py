"""Covariances in parts: volume, shape and orientation (Celeux & Govaert 1995).

A covariance is ``volume * D diag(shape) D'`` with an orthogonal D and a shape whose product is
one. Each part may be one for all components ("E"), each component's own ("V"), or, for shape and
orientation, that of the identity ("I"); mclust names models by these three letters. A model's
M-step minimises

    ``sum_k n_k log det S_k + tr(W_k inv(S_k))``

over such covariances, for scatter matrices W_k and counts n_k. In the axes D the W_k have
diagonals, here called spectra, of shape (K, n_features), and what is left is a question of
volumes and shapes: `VARIANCES`. `ORIENTATIONS` finds the axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.families.floor import factorise

__all__ = [
    "ORIENTATIONS",
    "VARIANCES",
    "compose",
    "find_common_axes",
    "loss_of",
    "spectra_and_axes",
]

Array: TypeAlias = NDArray[np.float64]
Variances: TypeAlias = Callable[[Array, Array], Array]

_INNER = 100  # inner iterations at most, where they lead to the only minimum
# A gain, in twice the nats per unit of weight, that is little.
_LITTLE = 1e-2
# A scatter that is none: features have unit variance here.
_NOTHING = 1e-100
# A share of the largest scatter, below which others do not fall where there is one shape for all:
# a component without spread in a direction would make the others' variances there and elsewhere
# differ without limit.
_OF_ONE_SHAPE = 1e-10
# Features at most where rotations are quicker than LAPACK.
_SMALL = 6


def _same(spectra: Array, count: Array) -> Array:
    """One volume, one shape: EE."""
    result = np.empty_like(spectra)
    result[:] = spectra.sum(axis=0) / count.sum()
    return result


def _own_volume(spectra: Array, count: Array) -> Array:
    """A volume each, one shape: VE. Section 3.2.2; alternates, each step the other's minimum."""
    result = np.empty_like(spectra)
    kernels.shapes.own_volume(spectra, count, _INNER, result)
    return result


def _own_shape(spectra: Array, count: Array) -> Array:
    """One volume, a shape each: EV."""
    result = np.empty_like(spectra)
    kernels.shapes.own_shape(spectra, count, np.zeros_like(spectra), result)
    return result


def _own(spectra: Array, count: Array) -> Array:
    """A volume and a shape each: VV."""
    return spectra / count[:, None]


def _positive(rule: Variances, share: float = np.finfo(np.float64).eps) -> Variances:
    """Give rows without spread in a direction a little of it, for the logarithms' sake."""

    def variances(spectra: Array, count: Array) -> Array:
        least = share * max(spectra.max(), _NOTHING)
        return rule(np.maximum(spectra, least), count)

    return variances


# By the letters of volume and shape.
VARIANCES: dict[str, Variances] = {
    "EE": _same,
    "VE": _positive(_own_volume, _OF_ONE_SHAPE),
    "EV": _positive(_own_shape),
    "VV": _positive(_own),
}


def compose(axes: Array, variances: Array) -> Array:
    """Covariances (K, D, D) of variances (K, D) along axes (D, D) or (K, D, D)."""
    k, d = variances.shape
    result = np.empty((k, d, d))
    axes = np.ascontiguousarray(axes).reshape(-1, d, d)
    kernels.shapes.compose(axes, np.ascontiguousarray(variances), result)
    return result


def spectra_and_axes(matrices: Array) -> tuple[Array, Array]:
    """Return eigenvalues (B, D), ascending, and eigenvectors of symmetric matrices (B, D, D).

    Of small ones LAPACK's take longer to prepare than to find.
    """
    if matrices.shape[-1] > _SMALL:
        values, vectors = np.linalg.eigh(matrices)
        return values, vectors
    matrices = np.ascontiguousarray(matrices)
    spectra, axes = np.empty(matrices.shape[:2]), np.empty_like(matrices)
    kernels.rotations.diagonalise(matrices, spectra, axes, np.empty(matrices.shape[1:]))
    return spectra, axes


def _own_axes(scatter: Array, count: Array, parts: str, previous: Array) -> Array:
    """Each component's own orientation: that of its scatter, spectra in the same order."""
    spectra, axes = spectra_and_axes(scatter)
    return compose(axes, VARIANCES[parts](spectra, count))


def loss_of(spectra: Array, count: Array, variances: Array) -> float:
    """What is minimised, along the axes."""
    return float((count[:, None] * np.log(variances) + spectra / variances).sum())


def find_common_axes(
    scatter: Array, count: Array, previous: Array, floor: Array, *, one_volume: bool
) -> Array:
    """Return the covariances with one orientation for all; it is never worse than the one before.

    Alternates between axes and variances. The axes are turned in planes, which needs no step size
    and no decomposition (the problem is that of Flury & Gautschi 1986 and of Browne & McNicholas
    2014). It begins from the axes of what was fitted before and from those of the pooled scatter.
    There are local minima, so once little is gained by these, it also begins from each component's
    own axes. Not earlier: while components are on their way their axes are no guide.

    Parameters
    ----------
    scatter, previous : ndarray of shape (K, D, D)
        Scatter matrices, and the covariances before.
    count : ndarray of shape (K,)
    floor : ndarray of shape (D, D)
        No variance along an axis is lower than its own.
    one_volume : bool
        Whether all have the same: EVE, otherwise VVE.
    """
    scatter, count = np.ascontiguousarray(scatter), np.ascontiguousarray(count)

    def turned_from(matrices: Array) -> tuple[float, Array, Array]:
        starts = np.ascontiguousarray(spectra_and_axes(matrices)[1])
        axes, variances = np.empty_like(floor), np.empty(scatter.shape[:2])
        loss = kernels.shapes.common_axes(
            scatter, count, starts, floor, one_volume, axes, variances
        )
        return float(loss), axes, variances

    pooled = np.empty((2, *floor.shape))
    previous.sum(axis=0, out=pooled[0])
    scatter.sum(axis=0, out=pooled[1])
    best = turned_from(pooled)
    if _loss_before(scatter, count, previous) - best[0] < _LITTLE * count.sum():
        best = min(best, turned_from(scatter), key=lambda turned: turned[0])
    return compose(*best[1:])


def _loss_before(scatter: Array, count: Array, previous: Array) -> float:
    factors, status = factorise(previous, None)
    if status == kernels.covariances.DONE:
        return float(kernels.shapes.loss_of_factors(scatter, count, factors))
    log_det = np.linalg.slogdet(previous)[1]
    inside = np.einsum("kij,kji->k", np.linalg.pinv(previous, hermitian=True), scatter)
    return float((count * log_det + inside).sum())


def _common_axes(scatter: Array, count: Array, parts: str, previous: Array) -> Array:
    """One orientation for all: EVE and VVE."""
    nothing = np.zeros(scatter.shape[1:])
    return find_common_axes(scatter, count, previous, nothing, one_volume=parts == "EV")


def _common_matrix(scatter: Array, count: Array, parts: str, previous: Array) -> Array:
    """A volume each of one matrix: VEE."""
    k, n_features = scatter.shape[:2]
    # A pooled scatter without spread in a direction would have no inverse.
    least = np.finfo(np.float64).eps * np.trace(scatter, axis1=1, axis2=2).max()
    scatter = scatter + max(least, _NOTHING) * np.eye(n_features)
    volumes, matrix = np.empty(k), np.empty((n_features, n_features))
    kernels.matrices.common_matrix(scatter, count, _INNER, volumes, matrix)
    result: Array = volumes[:, None, None] * matrix
    return result


# By orientation: covariances for scatter matrices, counts, letters of `VARIANCES` and what was
# fitted before. "=" stands for a shape and an orientation that are both one for all.
ORIENTATIONS: dict[str, Callable[[Array, Array, str, Array], Array]] = {
    "V": _own_axes,
    "E": _common_axes,
    "=": _common_matrix,
}
