"""Conjugate priors of Gaussian components, from what users give."""

from __future__ import annotations

from typing import Any

import numpy as np

from skem._parameters import check_shape
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPrior,
    GaussianStatistics,
    SingularCovarianceError,
)
from skem.families.registry import conjugate_names

__all__ = ["empirical_scale", "given_scale", "make_prior", "observed_scale", "user_scale"]


def make_prior(
    family: GaussianFamily,
    origin: Array,
    scale: Array,
    *,
    mean: Any,
    mean_precision: float,
    covariance: Array | None,
    degrees_of_freedom: float | None,
) -> GaussianPrior:
    """Make the components' prior in a table's units.

    Parameters
    ----------
    family : GaussianFamily
    origin, scale : ndarray of shape (n_features,)
        The table's.
    mean : array-like of shape (n_features,) or None
        In the user's units. None: the origin.
    mean_precision : float
        0 for a flat prior on the means.
    covariance : ndarray or None
        In the table's units; see `given_scale`.
    degrees_of_freedom : float or None
        None for a flat prior on the covariances.

    Raises
    ------
    ValueError
        If the mean has another shape, the family's covariances have no conjugate prior, or there
        are too few degrees of freedom.
    """
    d = len(origin)
    prior = family.flat_prior(d)
    if mean_precision > 0:
        mean = origin if mean is None else check_shape("mean_prior", mean, (d,))
        prior = prior._replace(mean=(mean - origin) / scale, mean_precision=float(mean_precision))
    if degrees_of_freedom is None:
        return prior
    if not family.conjugate:
        raise ValueError(
            f"A covariance_type with a conjugate prior of its covariances is needed for "
            f"covariance_prior and degrees_of_freedom_prior: one of {conjugate_names()}, but got "
            f"{type(family).__name__!r}"
        )
    nu = float(degrees_of_freedom)
    if family.has_matrices and nu <= d - 1:
        raise ValueError(
            "The parameter 'degrees_of_freedom_prior' should be greater than n_features - 1 "
            f"= {d - 1}, but got {nu}"
        )
    assert covariance is not None
    return prior._replace(covariance=covariance, degrees_of_freedom=nu)


def given_scale(family: GaussianFamily, scale: Array, covariance: Any) -> Array:
    """Bring a prior's scale that the user gave to a table's units.

    Raises
    ------
    ValueError
        If it has another shape, or is not positive.
    """
    d = len(scale)
    covariance = check_shape("covariance_prior", covariance, family.prior_shape(d))
    positive, words = family.are_positive(covariance)
    if not positive:
        raise ValueError(f"The parameter 'covariance_prior' should be {words}")
    unit = family.identity(1, d)
    covariance = np.broadcast_to(covariance, unit.shape)
    parameters = GaussianParameters(np.zeros((1, d)), covariance, unit)
    return family.rescale(parameters, 1.0 / scale).covariances


def user_scale(family: GaussianFamily, prior: GaussianPrior, scale: Array) -> Array:
    """Bring a prior's scale in a table's units to the user's, in the shape that the user gives."""
    d = len(scale)
    unit = GaussianParameters(np.zeros((1, d)), prior.covariance, family.identity(1, d))
    covariance = family.rescale(unit, scale).covariances
    # Of equal entries, or of one component, the first.
    extra = covariance.ndim - len(family.prior_shape(d))
    result: Array = covariance[(0,) * extra]
    return result


def observed_scale(family: GaussianFamily, stats: GaussianStatistics) -> Array:
    """Return the covariance of the rows, plus `reg_covar`, from statistics of one component."""
    d = stats.mean.shape[1]
    # Of one variance for all features the scatter has seen D values a row.
    seen = float(family.count(stats.weight, d).sum())
    return family.pool(stats.scatter) / seen + family.reg_covar * family.identity(1, d)


def empirical_scale(family: GaussianFamily, stats: GaussianStatistics) -> Array:
    """Return the unbiased covariance of the rows, plus `reg_covar`.

    Parameters
    ----------
    family : GaussianFamily
    stats : GaussianStatistics
        Those of one component that has all rows.

    Raises
    ------
    ValueError
        If it is singular.
    """
    d = stats.mean.shape[1]
    n = float(stats.weight.sum())
    # Below two rows there is no unbiased one.
    divisor = family.values_of_a_row(d) * max(n - 1.0, 0.5 * n)
    scale = family.pool(stats.scatter) / divisor + family.reg_covar * family.identity(1, d)
    try:
        family.factorise(scale)
    except SingularCovarianceError:
        raise ValueError(
            "The covariance of X is singular, so it can be no covariance_prior: increase reg_covar "
            f"(it is {family.reg_covar:g}), give a covariance_prior, or drop constant or linearly "
            "dependent columns"
        ) from None
    return scale
