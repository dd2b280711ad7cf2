"""A floor under covariances, and the likelihood's maximum above it.

A column recorded in steps of u is not known better than its recording: a component that is
narrower is one of the recording, not of what was recorded. So covariances S are held to
``S >= M`` in the order of matrices. M is below ``diag(u^2 / 4)`` and below the covariance of all
rows, so that one component is never changed.

``u^2 / 12`` is the variance of rounding (Sheppard 1898), but a normal density of that variance
sums up to 1.38 over the recorded values, and one of ``u^2 / 4`` to 1.014: below that a likelihood
is paid for discreteness alone.

Everything here minimises ``sum_k n_k log det S_k + tr(W_k inv(S_k))`` for scatter matrices W_k and
counts n_k; which form that takes for which structure is said below. A covariance at the floor is
the maximum for matrices because the problem is one of eigenvalues where M is the unit matrix
(Anderson & Olkin 1985 for the minimiser, von Neumann's trace inequality for the axes).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine.remembered import Remembered

__all__ = ["is_above", "lift", "lower_of", "root_of", "whiten"]

Array: TypeAlias = NDArray[np.float64]

# What is below the floor by less is not: rounding must change no covariance of all rows.
_ROUNDING = 1e-8


def lower_of(variances: Array, covariance: Array) -> Array:
    """Return a matrix below ``diag(variances)`` and below a covariance, as large as may be.

    ``M = F^(1/2) V min(L, 1) V' F^(1/2)`` for ``F = diag(variances)`` and the eigenvalues L and
    -vectors V of ``F^(-1/2) S F^(-1/2)``; times ``1 - 1e-8``.

    Parameters
    ----------
    variances : ndarray of shape (D,)
        Positive.
    covariance : ndarray of shape (D, D)
        S, positive definite.

    Returns
    -------
    floor : ndarray of shape (D, D)
    """
    width = np.sqrt(variances)
    # The eigenvalues that count are the small ones of the ratio, so they are found as the large
    # ones of its inverse: those lose no digits.
    inverse = np.linalg.inv(covariance) * width[:, None] * width
    values, vectors = np.linalg.eigh(0.5 * (inverse + inverse.T))
    axes = width[:, None] * vectors
    floor = (axes / np.maximum(values, 1.0)) @ axes.T
    return 0.5 * (1.0 - _ROUNDING) * (floor + floor.T)


def least_variances(variances: Array | np.float64, one: Array) -> Array:
    """Return the same where covariances are variances: the smaller of both; times 1 - 1e-8."""
    result: Array = (1.0 - _ROUNDING) * np.minimum(variances, one)
    return result


def is_above(covariances: Array, floor: Array) -> bool:
    """Say whether all of a stack of covariances (..., D, D) are above the floor (D, D)."""
    _, status = factorise(covariances.reshape(-1, *floor.shape), floor)
    return status != kernels.covariances.BELOW_FLOOR


def factorise(covariances: Array, floor: Array | None) -> tuple[Array, int]:
    """Return factors of the inverses (K, D, D), and what the kernel of this name says of them."""
    covariances = np.ascontiguousarray(covariances)
    factors, scratch = np.empty_like(covariances), np.empty((2, *covariances.shape[1:]))
    floors = scratch[:0] if floor is None else floor[None]
    return factors, int(kernels.covariances.factorise(covariances, floors, factors, scratch))


def lift(covariances: Array, floor: Array) -> Array:
    """Return the likeliest covariances above the floor for rows that have these, (..., D, D).

    In the metric of the floor eigenvalues below 1 become 1.
    """
    if is_above(covariances, floor):
        return covariances
    root = root_of(floor)
    values, vectors = np.linalg.eigh(whiten(covariances, floor))
    short = np.maximum(1.0 - values, 0.0)
    # What is added, so that what is above the floor keeps its bits.
    axes = root @ vectors
    return covariances + (axes * short[..., None, :]) @ np.swapaxes(axes, -1, -2)


def root_of(floor: Array) -> Array:
    """Return the lower Cholesky factor L; not to be changed."""
    return _root_and_inverse(floor)[0]


def whiten(matrices: Array, floor: Array) -> Array:
    """Return ``inv(L) S inv(L)'`` for a stack of S, with the floor's Cholesky factor L."""
    inverse = _root_and_inverse(floor)[1]
    result: Array = inverse @ matrices @ inverse.T
    return 0.5 * (result + np.swapaxes(result, -1, -2))


def _root_and_inverse(floor: Array) -> tuple[Array, Array]:
    def make() -> tuple[Array, Array]:
        root: Array = np.asarray(np.linalg.cholesky(floor), dtype=np.float64)
        return root, np.asarray(np.linalg.inv(root), dtype=np.float64)

    return _ROOTS.of(make, floor)


# A fit has one floor, and may be held by it in each iteration.
_ROOTS: Remembered[tuple[Array, Array]] = Remembered()
