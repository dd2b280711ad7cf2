"""Two parts of each component, one on either side of its mean."""

from __future__ import annotations

import numpy as np

from skem.families.parameters import Array

__all__ = ["cut_across_axis", "cut_along_axis"]

_POWERS = 4  # that an axis is turned by
# Halves of a normal distribution have means m = sqrt(2 / pi) from its own, and variances 1 - m^2.
_STEEPNESS = 2.0 * np.sqrt(2.0 / np.pi) / (1.0 - 2.0 / np.pi)


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
    share = share / np.maximum(share.sum(axis=1), np.finfo(np.float64).tiny)[:, None]
    for _ in range(_POWERS):
        pull = share * _along(means, rows, axis)
        pull = pull @ rows - pull.sum(axis=1)[:, None] * means
        axis = np.linalg.solve(covariances, pull[:, :, None])[:, :, 0]
        length = np.abs(axis).max(axis=1, keepdims=True)
        axis /= np.where(length > 0, length, 1.0)
    along = _along(means, rows, axis)
    spread = np.sqrt((share * np.square(along)).sum(axis=1))
    along *= (_STEEPNESS / np.where(spread > 0, spread, 1.0))[:, None]
    return along


def _along(means: Array, rows: Array, axis: Array) -> Array:
    """Lengths of the rows' deviations from means (K, D) along an axis each (K, D): (K, n)."""
    result: Array = axis @ rows.T - (axis * means).sum(axis=1)[:, None]
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
    tiny = np.finfo(np.float64).tiny
    # A feature that varies less than this in a component does not vary there.
    least = 1e-8 * np.sqrt(np.square(filled).mean(axis=0))
    result = np.empty_like(share)
    for k, resp in enumerate(share):
        total = np.maximum(resp @ seen, tiny)
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
        spread = np.sqrt((resp @ np.square(along)) / max(float(resp.sum()), tiny))
        result[k] = along * (_STEEPNESS / (spread if spread > 0 else 1.0))
    return result
