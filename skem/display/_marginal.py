"""The arithmetic behind MixtureDisplay: a mixture's exact marginal over two features."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem.families import GAUSSIAN_FAMILIES

__all__ = ["cholesky_2d", "content_levels", "log_density", "marginal", "select_features"]

_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


def select_features(
    features: Sequence[int | str], n_features: int, names: ArrayLike | None
) -> tuple[int, int]:
    """Return the indices of two different features, given by index or by name.

    Parameters
    ----------
    features : sequence of two int or str
        What the user gave.
    n_features : int
        How many features the estimator was fitted on.
    names : array-like of shape (n_features,) or None
        Their names, if it was fitted on a frame.

    Returns
    -------
    pair : (int, int)
        Indices from 0 to n_features - 1.

    Raises
    ------
    ValueError
        If there are not two features, or these are not two of them.
    """
    if n_features < 2:
        raise ValueError(f"MixtureDisplay needs 2 features, but the estimator has {n_features}.")
    if isinstance(features, str) or len(features) != 2:
        raise ValueError(f"features must be a pair of indices or names, got {features!r}.")
    first, second = (_feature_index(feature, n_features, names) for feature in features)
    if first == second:
        raise ValueError(f"features must be two different features, got {features!r}.")
    return first, second


def _feature_index(feature: int | str, n_features: int, names: ArrayLike | None) -> int:
    """Return the index of one feature."""
    if isinstance(feature, str):
        if names is None:
            raise ValueError(
                f"features has the name {feature!r}, but the estimator was fitted without "
                "feature names: give indices."
            )
        known = [str(name) for name in np.asarray(names)]
        if feature not in known:
            raise ValueError(f"features has {feature!r}, which is none of the names {known}.")
        return known.index(feature)
    index = operator.index(feature)
    if not 0 <= index < n_features:
        raise ValueError(
            f"features has the index {index}, but the estimator has {n_features} features, "
            f"0 to {n_features - 1}."
        )
    return index


def marginal(
    means: ArrayLike, covariances: ArrayLike, covariance_type: str, pair: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the means (K, 2) and covariances (K, 2, 2) of two features of a mixture.

    Parameters
    ----------
    means : array-like of shape (K, D)
        Means.
    covariances : array-like
        Of the shape that the type gives them: (K, D, D) for full, (D, D) for tied, ...
    covariance_type : str
        What ``covariances`` holds, as `EMGaussianMixture` names it.
    pair : (int, int)
        The two features.

    Raises
    ------
    ValueError
        If the type is unknown, or ``covariances`` has not its shape.
    """
    means = np.asarray(means, dtype=np.float64)
    cov = np.asarray(covariances, dtype=np.float64)
    n_components, n_features = means.shape
    if covariance_type not in GAUSSIAN_FAMILIES:
        known = list(GAUSSIAN_FAMILIES)
        raise ValueError(f"covariance_type must be one of {known}, got {covariance_type!r}.")
    family = GAUSSIAN_FAMILIES[covariance_type](0.0)
    shape = family.identity(n_components, n_features).shape
    if cov.shape != shape:
        raise ValueError(
            f"covariances_ of type {covariance_type!r} must have shape {shape}, got {cov.shape}."
        )
    columns = list(pair)
    both = family.dense(cov, n_components, n_features)[:, columns][:, :, columns]
    return means[:, columns], both


def cholesky_2d(covariances: NDArray[Any]) -> NDArray[Any]:
    """Return the lower Cholesky factors of 2 x 2 covariances, in closed form.

    Written with standard deviations and a correlation, so that variances of 1e-300 or
    1e300 do no harm; a correlation that rounds to 1 is held just below it.

    Parameters
    ----------
    covariances : ndarray of shape (K, 2, 2)
        Positive definite up to rounding.

    Returns
    -------
    factors : ndarray of shape (K, 2, 2)
        ``factors @ factors.T`` are the covariances.
    """
    std = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    correlation = covariances[:, 1, 0] / std[:, 0] / std[:, 1]
    correlation = np.clip(correlation, -1.0 + 1e-15, 1.0 - 1e-15)
    factors = np.zeros_like(covariances)
    factors[:, 0, 0] = std[:, 0]
    factors[:, 1, 0] = correlation * std[:, 1]
    factors[:, 1, 1] = np.sqrt((1.0 - correlation) * (1.0 + correlation)) * std[:, 1]
    return factors


def log_density(
    points: NDArray[Any],
    weights: NDArray[Any],
    means: NDArray[Any],
    factors: NDArray[Any],
    df: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Return the log density of a mixture over two features, in nats.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Where.
    weights : ndarray of shape (K,)
        Mixing weights, all positive.
    means : ndarray of shape (K, 2)
        Means.
    factors : ndarray of shape (K, 2, 2)
        Cholesky factors of the covariances.
    df : ndarray of shape (K,), default=None
        Degrees of freedom of Student's t components, whose scale matrices the factors are of.

    Returns
    -------
    values : ndarray of shape (n,)
        ``log sum_k weights[k] * N(point; means[k], factors[k] @ factors[k].T)``; over two features
        a t density is ``(1 + d^2 / df) ** -(df / 2 + 1)`` in the place of ``exp(-d^2 / 2)``.
    """
    total = np.full(len(points), -np.inf)
    for k, (weight, mean, factor) in enumerate(zip(weights, means, factors, strict=True)):
        z0 = (points[:, 0] - mean[0]) / factor[0, 0]
        z1 = (points[:, 1] - mean[1] - factor[1, 0] * z0) / factor[1, 1]
        constant = np.log(weight / (2.0 * np.pi)) - np.log(np.diagonal(factor)).sum()
        squared = z0**2 + z1**2
        fall = 0.5 * squared if df is None else (0.5 * df[k] + 1.0) * np.log1p(squared / df[k])
        total = np.logaddexp(total, constant - fall)
    return total


def content_levels(
    contents: NDArray[Any],
    weights: NDArray[Any],
    means: NDArray[Any],
    factors: NDArray[Any],
    df: NDArray[Any] | None = None,
    n_points: int = 500,
) -> NDArray[Any]:
    """Return the log densities whose contours enclose given shares of the probability.

    The region where the density exceeds its (1 - p) quantile is the smallest that holds
    probability p (Hyndman 1996). The quantiles are taken over a fixed set of points
    for each component: a sunflower spiral, spread as the component is.

    Parameters
    ----------
    contents : ndarray of shape (n_levels,)
        Shares of the probability, between 0 and 1.
    weights, means, factors, df : ndarray
        The mixture, as in :func:`log_density`.
    n_points : int, default=500
        Points for each component.

    Returns
    -------
    levels : ndarray of shape (n_levels,)
        Log densities, in nats; they rise as the contents fall.

    References
    ----------
    R. J. Hyndman (1996). Computing and graphing highest density regions. The American
    Statistician 50(2), 120-126.
    """
    i = np.arange(n_points)
    # -2 log(1 - p), the squared radius of a share p of a Gaussian; of a t: df ((1-p)^(-2/df) - 1).
    squared = np.tile(-2.0 * np.log1p(-(i + 0.5) / n_points), (len(weights), 1))
    if df is not None:
        squared = df[:, np.newaxis] * np.expm1(squared / df[:, np.newaxis])
    directions = np.column_stack([np.cos(_GOLDEN_ANGLE * i), np.sin(_GOLDEN_ANGLE * i)])
    spirals = np.sqrt(squared)[:, :, np.newaxis] * directions
    points = means[:, np.newaxis] + spirals @ factors.transpose(0, 2, 1)
    values = log_density(points.reshape(-1, 2), weights, means, factors, df)
    order = np.argsort(-values)
    share = np.repeat(weights / weights.sum(), n_points)[order] / n_points
    return np.interp(contents, np.cumsum(share) - 0.5 * share, values[order])
