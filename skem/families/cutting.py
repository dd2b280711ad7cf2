"""Two parts of each component, one on either side of its mean."""

from __future__ import annotations

import numpy as np

from skem.families.parameters import TINY, Array

__all__ = ["cut_across_axis", "cut_along_axis", "cut_between_modes"]

_POWERS = 4  # that an axis is turned by
# Halves of a normal distribution have means m = sqrt(2 / pi) from its own, and variances 1 - m^2.
_STEEPNESS = 2.0 * np.sqrt(2.0 / np.pi) / (1.0 - 2.0 / np.pi)
_EPS = np.finfo(np.float64).eps
_FLAT = 1e-10  # of the largest variance, along an axis where rows don't vary


def cut_across_axis(means: Array, covariances: Array, rows: Array, share: Array) -> Array:
    """Log odds of parts on either side of each component's mean, across an axis: (K, n).

    Those of two Gaussians whose means are as far apart as those of the halves of one. The axis is
    the longest one of the covariance, turned to where the rows spread more than the covariance
    says (it may be round, or shared with others): the power method on their ratio.

    Parameters
    ----------
    means : ndarray of shape (K, D)
    covariances : ndarray of shape (K, D, D)
    rows : ndarray of shape (n, D)
    share : ndarray of shape (K, n)
        Weighted responsibilities.
    """
    axis = np.linalg.eigh(covariances)[1][:, :, -1]
    share = share / np.maximum(share.sum(axis=1), TINY)[:, None]
    for _ in range(_POWERS):
        pull = _along(means, rows, axis)
        pull *= share
        pull = pull @ rows - pull.sum(axis=1)[:, None] * means
        axis = np.linalg.solve(covariances, pull[:, :, None])[:, :, 0]
        length = np.abs(axis).max(axis=1, keepdims=True)
        axis /= np.where(length > 0, length, 1.0)
    along = _along(means, rows, axis)
    spread = np.sqrt((share * np.square(along)).sum(axis=1))
    along *= (_STEEPNESS / np.where(spread > 0, spread, 1.0))[:, None]
    return along


def cut_between_modes(rows: Array, share: Array) -> Array:
    """Log odds of parts on either side of each component's mean, where it has two modes: (K, n).

    Two clusters of like sizes have a kurtosis below a normal distribution's along the axis between
    them, however little they differ along longer ones (Pena & Prieto 2001, "Cluster identification
    using projections", section 2.2). The axis is that of the lowest kurtosis among the principal
    ones of the component's rows and those of their fourth moments ("FOBI", Cardoso 1989; "ICS",
    Tyler, Critchley, Duembgen & Oja 2009), which find independent factors.

    Parameters
    ----------
    rows : ndarray of shape (n, D)
    share : ndarray of shape (K, n)
        Weighted responsibilities.
    """
    result = np.zeros_like(share)
    for k, weights in enumerate(share):
        # Rows of hardly any share may be too far for their squares.
        own = np.flatnonzero(weights > _EPS * weights.sum())
        if len(own):
            along = _two_modes(rows.take(own, axis=0), weights.take(own) / weights.sum())
            result[k, own] = _STEEPNESS * along
    return result


def _two_modes(rows: Array, weights: Array) -> Array:
    """Standardised coordinates along the axis of the lowest kurtosis, (n,); weights add up to 1."""
    apart = rows - weights @ rows
    apart /= np.maximum(np.abs(apart).max(), TINY)
    variances, axes = np.linalg.eigh((apart.T * weights) @ apart)
    seen = variances > _FLAT * variances[-1]
    if not seen.any():
        return np.zeros(len(rows))
    white = apart @ (axes[:, seen] / np.sqrt(variances[seen]))
    length = np.square(np.ascontiguousarray(white.T)).sum(axis=0)
    fourth = (white.T * (weights * length)) @ white
    along = np.concatenate([white, white @ np.linalg.eigh(fourth)[1]], axis=1)
    powers = np.square(along)
    kurtosis = weights @ np.square(powers, out=powers)
    lowest: Array = along[:, kurtosis.argmin()]
    return lowest


def _along(means: Array, rows: Array, axis: Array) -> Array:
    """Lengths of the rows' deviations from means (K, D) along an axis each (K, D): (K, n)."""
    result: Array = axis @ rows.T
    result -= (axis * means).sum(axis=1)[:, None]
    return result


def cut_along_axis(features: Array, share: Array) -> Array:
    """Log odds of parts on either side of each component's mean, across an axis: (K, n).

    As `cut_across_axis`, for rows that are no Gaussians': the axis is the first principal one of
    the component's rows, with each feature in units of its deviation there (power method).

    Parameters
    ----------
    features : ndarray of shape (n, p)
        NaN where missing, which counts as the component's mean.
    share : ndarray of shape (K, n)
        Weighted responsibilities.
    """
    seen = ~np.isnan(features)
    filled = np.where(seen, features, 0.0)
    # A feature that varies less than this in a component does not vary there.
    least = 1e-8 * np.sqrt(np.square(filled).mean(axis=0))
    result = np.empty_like(share)
    for k, resp in enumerate(share):
        total = np.maximum(resp @ seen, TINY)
        apart = np.where(seen, filled - (resp @ filled) / total, 0.0)
        deviation = np.sqrt((resp @ np.square(apart)) / total)
        apart /= np.where(deviation > least, deviation, 1.0)
        # Any start that no axis is likely to be perpendicular to.
        axis = np.sqrt(np.arange(1.0, features.shape[1] + 1))
        for _ in range(2 * _POWERS):
            axis = (resp * (apart @ axis)) @ apart
            length = np.abs(axis).max()
            axis /= length if length > 0 else 1.0
        along = apart @ axis
        spread = np.sqrt((resp @ np.square(along)) / max(float(resp.sum()), TINY))
        result[k] = along * (_STEEPNESS / (spread if spread > 0 else 1.0))
    return result
