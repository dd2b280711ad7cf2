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
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels

__all__ = ["ORIENTATIONS", "VARIANCES", "compose", "find_common_axes", "loss_of"]

Array: TypeAlias = NDArray[np.float64]
Variances: TypeAlias = Callable[[Array, Array], Array]
Judge: TypeAlias = Callable[[Array, Array], tuple[float, Array]]

_INNER = 100  # inner iterations at most, where they lead to the only minimum
_TURNS = 3  # of common axes: later EM iterations go on, and each is an improvement
# A gain, in twice the nats per unit of weight, that is little.
_LITTLE = 1e-2
# A scatter that is none: features have unit variance here.
_NOTHING = 1e-100
# A share of its variances that makes a matrix without an inverse one that has one.
_WIDENED, _SINGULAR = 1e-12, 1e-14
# A share of the largest scatter, below which others do not fall where there is one shape for all:
# a component without spread in a direction would make the others' variances there and elsewhere
# differ without limit.
_OF_ONE_SHAPE = 1e-10
# A share of the largest volume, below which others do not fall.
_LEAST_VOLUME = 1e-12
_SETTLED = 1e-12  # relative change that ends them


def _same(spectra: Array, count: Array) -> Array:
    """One volume, one shape: EE."""
    return np.tile(spectra.sum(axis=0) / count.sum(), (len(spectra), 1))


def _volume(spectra: Array) -> Array:
    """Geometric mean of each spectrum, shape (K, 1)."""
    result: Array = np.exp(np.log(spectra).mean(axis=1, keepdims=True))
    return result


def _own_volume(spectra: Array, count: Array) -> Array:
    """A volume each, one shape: VE. Section 3.2.2; alternates, each step the other's minimum."""
    volumes = spectra.mean(axis=1, keepdims=True) / count[:, None]
    for _ in range(_INNER):
        pooled = (spectra / volumes).sum(axis=0, keepdims=True)
        shape = pooled / _volume(pooled)
        before, volumes = volumes, (spectra / shape).mean(axis=1, keepdims=True) / count[:, None]
        if np.abs(volumes - before).max() <= _SETTLED * volumes.max():
            break
    return volumes * shape


def _own_shape(spectra: Array, count: Array) -> Array:
    """One volume, a shape each: EV."""
    sizes = _volume(spectra)
    return spectra / sizes * (sizes.sum() / count.sum())


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
    result: Array = (axes * variances[:, None, :]) @ np.swapaxes(axes, -1, -2)
    return 0.5 * (result + np.swapaxes(result, 1, 2))


def _own_axes(scatter: Array, count: Array, variances: Variances, previous: Array) -> Array:
    """Each component's own orientation: that of its scatter, spectra in the same order."""
    spectra, axes = np.linalg.eigh(scatter)
    return compose(axes, variances(spectra, count))


def loss_of(spectra: Array, count: Array, variances: Array) -> float:
    """What is minimised, along the axes."""
    return float((count[:, None] * np.log(variances) + spectra / variances).sum())


class _Turned(NamedTuple):
    """Axes (D, D) with what they are judged by: the loss, and variances (K, D) along them."""

    loss: float
    variances: Array
    axes: Array


def find_common_axes(
    scatter: Array, count: Array, previous: Array, judge: Judge
) -> tuple[Array, Array]:
    """Return one orientation for all and variances along it; never worse than the axes before.

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
    judge : callable
        ``judge(axes, spectra)`` returns the loss along axes (D, D), in which scatters have these
        diagonals (K, D), and the variances that it is lowest for.
    """

    def turned_from(matrices: Array) -> _Turned:
        ends = (_turn(scatter, axes, judge) for axes in np.linalg.eigh(matrices)[1])
        return min(ends, key=lambda turned: turned.loss)

    best = turned_from(np.stack([previous.sum(axis=0), scatter.sum(axis=0)]))
    inside = np.einsum("kij,kji->k", np.linalg.pinv(previous, hermitian=True), scatter)
    before = float((count * np.linalg.slogdet(previous)[1] + inside).sum())
    if before - best.loss < _LITTLE * count.sum():
        best = min(best, turned_from(scatter), key=lambda turned: turned.loss)
    return best.axes, best.variances


def _turn(scatter: Array, axes: Array, judge: Judge) -> _Turned:
    """Turn axes until that is no gain, but not too often."""
    axes = np.ascontiguousarray(axes)
    turned = axes.T @ scatter @ axes
    best = _Turned(*judge(axes, np.diagonal(turned, axis1=1, axis2=2)), axes.copy())
    for _ in range(_TURNS):
        kernels.rotations.turn_axes(turned, 1.0 / best.variances, axes)
        loss, found = judge(axes, np.diagonal(turned, axis1=1, axis2=2))
        # What is no gain may be a loss, by rounding.
        if not loss < best.loss - _SETTLED * abs(best.loss):
            break
        best = _Turned(loss, found, axes.copy())
    return best


def _common_axes(scatter: Array, count: Array, variances: Variances, previous: Array) -> Array:
    """One orientation for all: EVE and VVE."""

    def judge(axes: Array, spectra: Array) -> tuple[float, Array]:
        found = variances(spectra, count)
        return loss_of(spectra, count, found), found

    return compose(*find_common_axes(scatter, count, previous, judge))


def _invertible(matrix: Array) -> Array:
    """Return a matrix with an inverse: widened, if need be, by more than rounding."""
    values = np.linalg.eigvalsh(matrix)
    if values[0] > _SINGULAR * values[-1]:
        return matrix
    n_features = len(matrix)
    return matrix + _WIDENED * np.trace(matrix) / n_features * np.eye(n_features)


def _common_matrix(scatter: Array, count: Array, variances: Variances, previous: Array) -> Array:
    """A volume each of one matrix: VEE. Section 3.2.4; alternates like `_own_volume`."""
    n_features = scatter.shape[1]
    # A pooled scatter without spread in a direction would have no inverse.
    least = np.finfo(np.float64).eps * np.trace(scatter, axis1=1, axis2=2).max()
    scatter = scatter + max(least, _NOTHING) * np.eye(n_features)
    volumes = np.trace(scatter, axis1=1, axis2=2) / (n_features * count)
    for _ in range(_INNER):
        summed = _invertible(np.einsum("kij,k->ij", scatter, 1.0 / volumes))
        pooled = summed / np.exp(np.linalg.slogdet(summed)[1] / n_features)
        trace = np.einsum("ij,kji->k", np.linalg.inv(pooled), scatter)
        before, volumes = volumes, trace / (n_features * count)
        # Of rows without spread it has no end: a volume, and with it the matrix, vanishes.
        volumes = np.maximum(volumes, _LEAST_VOLUME * volumes.max())
        if np.abs(volumes - before).max() <= _SETTLED * volumes.max():
            break
    return volumes[:, None, None] * pooled


# By orientation: covariances for scatter matrices, counts, a rule of `VARIANCES` and what was
# fitted before. "=" stands for a shape and an orientation that are both one for all.
ORIENTATIONS: dict[str, Callable[[Array, Array, Variances, Array], Array]] = {
    "V": _own_axes,
    "E": _common_axes,
    "=": _common_matrix,
}
