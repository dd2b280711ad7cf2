"""From a user's rows and parameters to what inference works with, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem._parameters import check_shape
from skem.engine import Table, TilePlan
from skem.engine.table import column_moments
from skem.families import (
    GAUSSIAN_FAMILIES,
    CategoricalWeights,
    GaussianFamily,
    GaussianParameters,
    GaussianPrior,
)
from skem.inference import MixtureParameters, Visit

if TYPE_CHECKING:
    from skem.mixture._em import EMGaussianMixture

__all__ = [
    "Standard",
    "check_enough_rows",
    "fitted_parameters",
    "given_parameters",
    "make_family",
    "make_prior",
    "make_weights",
    "standardise",
    "to_table",
    "to_user",
]

Array: TypeAlias = NDArray[np.float64]

# Squares of these, times reg_covar or its inverse, are still numbers of that dtype.
_SPREADS = {"float64": (1e-153, 1e153), "float32": (1e-15, 1e15)}


class Standard(NamedTuple):
    """How a fit standardises its rows.

    Attributes
    ----------
    origin : ndarray of shape (D,)
        Weighted means.
    scale : ndarray of shape (D,)
        What the model divides by: each feature's standard deviation, or, where a covariance has
        one variance for all features, the root of their mean square.
    column_scale : ndarray of shape (D,)
        Standard deviations; 1 for a constant column.
    constant : ndarray of shape (D,), bool
        The constant columns.
    """

    origin: Array
    scale: Array
    column_scale: Array
    constant: NDArray[np.bool_]


def standardise(X: NDArray[np.floating], weights: Array | None, family: GaussianFamily) -> Standard:
    """Measure the columns.

    Raises
    ------
    ValueError
        If squares of a column's deviations leave the range of X's dtype.
    """
    origin, deviation = column_moments(X, weights)
    least, most = _SPREADS[X.dtype.name]
    bad = (deviation > 0) & ~((deviation >= least) & (deviation <= most))
    if bad.any():
        column = int(np.argmax(bad))
        raise ValueError(
            f"Column {column} of X has a standard deviation of {deviation[column]:.3g}. Its "
            f"variance is out of the range of {X.dtype.name}, where standard deviations from "
            f"{least:g} to {most:g} are possible: rescale the column."
        )
    column_scale = np.where(deviation > 0, deviation, 1.0)
    scale = column_scale
    if family.one_variance:
        largest = deviation.max()
        common = largest * np.sqrt(np.mean(np.square(deviation / largest))) if largest > 0 else 1.0
        scale = np.full_like(deviation, common)
    return Standard(origin, scale, column_scale, deviation == 0)


def check_enough_rows(X: NDArray[np.floating], weights: Array | None, n_components: int) -> None:
    """Raise ValueError where there are fewer rows of positive weight than components."""
    n_rows = len(X) if weights is None else int(np.count_nonzero(weights))
    if n_rows < n_components:
        which = "n_samples" if weights is None else "n_samples of positive weight"
        raise ValueError(
            f"Expected {which} >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_rows}"
        )


def make_family(estimator: EMGaussianMixture) -> GaussianFamily:
    """Make the family that `covariance_type` names."""
    return GAUSSIAN_FAMILIES[estimator.covariance_type](float(estimator.reg_covar))


def to_table(
    family: GaussianFamily, theta: MixtureParameters, origin: Array, scale: Array
) -> MixtureParameters:
    """Bring parameters in the user's units to a table's."""
    components = theta.components._replace(means=theta.components.means - origin)
    return MixtureParameters(theta.weights, family.rescale(components, 1.0 / scale))


def to_user(
    family: GaussianFamily, theta: MixtureParameters, origin: Array, scale: Array
) -> MixtureParameters:
    """Bring parameters in a table's units to the user's."""
    components = family.rescale(theta.components, scale)
    return MixtureParameters(theta.weights, components._replace(means=components.means + origin))


def fitted_parameters(estimator: EMGaussianMixture, family: GaussianFamily) -> MixtureParameters:
    """Read the fitted attributes back, in the user's units.

    Raises
    ------
    ValueError
        If their shapes are not those that the estimator's parameters ask for.
    """
    means = np.asarray(estimator.means_, dtype=np.float64)
    covariances = np.asarray(estimator.covariances_, dtype=np.float64)
    n_components, n_features = means.shape
    factors = np.asarray(estimator.precisions_cholesky_, dtype=np.float64)
    weights = np.asarray(estimator.weights_, dtype=np.float64)
    shape = family.identity(n_components, n_features).shape
    values = {
        "weights_": (weights, (n_components,)),
        "covariances_": (covariances, shape),
        "precisions_cholesky_": (factors, shape),
    }
    asked = estimator.covariance_type
    # Shapes alone do not tell diag from tied where there are as many components as features.
    fitted = getattr(estimator, "_fitted_type", asked)
    if fitted != asked:
        raise ValueError(
            f"covariance_type={asked!r}, but the estimator was fitted with covariance_type="
            f"{fitted!r}: fit a new one, or change it back"
        )
    for name, (value, expected) in values.items():
        if value.shape != expected:
            raise ValueError(
                f"With means_ of shape {means.shape} and covariance_type={asked!r}, {name} should "
                f"have the shape {expected}, but has {value.shape}"
            )
    return MixtureParameters(weights, GaussianParameters(means, covariances, factors))


def given_parameters(
    estimator: EMGaussianMixture,
    family: GaussianFamily,
    theta: MixtureParameters | None,
    table: Table,
) -> MixtureParameters:
    """Replace parts of a start by what the user gave as `*_init`; nothing of it is changed.

    Parameters
    ----------
    theta : MixtureParameters or None
        None: the user gave everything.
    """
    k, d = estimator.n_components, table.X.shape[1]
    weights, means, precisions = (
        estimator.weights_init,
        estimator.means_init,
        estimator.precisions_init,
    )
    if weights is not None:
        weights = check_shape("weights_init", weights, (k,))
        if weights.min() < 0 or weights.max() > 1:
            raise ValueError(
                "The parameter 'weights_init' should be in the range [0, 1], but got max value "
                f"{weights.max():.5f}, min value {weights.min():.5f}"
            )
        if abs(weights.sum() - 1) > 1e-6:
            raise ValueError(
                "The parameter 'weights_init' should be normalized, but got sum(weights) = "
                f"{weights.sum():.5f}"
            )
    else:
        assert theta is not None
        weights = theta.weights
    if means is not None:
        means = (check_shape("means_init", means, (k, d)) - table.origin) / table.scale
    else:
        assert theta is not None
        means = theta.components.means
    if precisions is not None:
        precisions = check_shape("precisions_init", precisions, family.identity(k, d).shape)
        _check_positive("precisions_init", precisions, family)
        components = family.rescale(
            family.from_precisions(precisions)._replace(means=np.zeros((k, d))), 1.0 / table.scale
        )
    else:
        assert theta is not None
        components = theta.components
    return MixtureParameters(weights, components._replace(means=means))


def _check_positive(name: str, matrices: Array, family: GaussianFamily) -> None:
    if family.has_matrices:
        rounding = 1e-8 * float(np.abs(matrices).max())
        symmetric = np.allclose(matrices, np.swapaxes(matrices, -1, -2), rtol=0, atol=rounding)
        positive = symmetric and bool((np.linalg.eigvalsh(matrices) > 0).all())
        words = "symmetric, positive-definite"
    else:
        positive, words = bool((matrices > 0).all()), "positive"
    if not positive:
        raise ValueError(f"The parameter {name!r} should be {words}")


def make_weights(estimator: EMGaussianMixture) -> CategoricalWeights:
    """Make the weights' family with the prior that the user gave."""
    concentration = estimator.weight_concentration_prior
    return CategoricalWeights(1.0 if concentration is None else float(concentration))


def make_prior(estimator: EMGaussianMixture, family: GaussianFamily, visit: Visit) -> GaussianPrior:
    """Make the components' prior that the user gave, in the table's units."""
    table = visit.table
    d = table.X.shape[1]
    prior = family.flat_prior(d)
    mean, kappa = estimator.mean_prior, estimator.mean_precision_prior
    if mean is not None or kappa is not None:
        mean = table.origin if mean is None else check_shape("mean_prior", mean, (d,))
        prior = prior._replace(
            mean=(mean - table.origin) / table.scale,
            mean_precision=1.0 if kappa is None else float(kappa),
        )
    covariance, nu = estimator.covariance_prior, estimator.degrees_of_freedom_prior
    if covariance is not None or nu is not None:
        nu = float(d) if nu is None else float(nu)
        if family.has_matrices and nu <= d - 1:
            raise ValueError(
                "The parameter 'degrees_of_freedom_prior' should be greater than n_features - 1 "
                f"= {d - 1}, but got {nu}"
            )
        prior = prior._replace(
            covariance=_prior_covariance(family, visit, covariance),
            degrees_of_freedom=nu,
        )
    return prior


def _prior_covariance(family: GaussianFamily, visit: Visit, covariance: Any) -> Array:
    table = visit.table
    d = table.X.shape[1]
    shape = family.identity(1, d).shape
    if covariance is None:
        plan = TilePlan(len(table.X), d, 1, visit.plan.n_pairs)
        alone = Visit(table, plan, visit.threads)
        stats = alone.summarise(family, family.summer(1, d), lambda a, b: np.ones((b - a, 1)))
        # Of one variance for all features the scatter has seen D values a row.
        seen = family.count(stats.weight, d).reshape((-1,) + (1,) * (len(shape) - 1))
        result: Array = (stats.scatter / seen).reshape(shape)
        return result + family.reg_covar * family.identity(1, d)
    # The shape of one component's covariance.
    own = shape if family.is_shared else shape[1:]
    covariance = check_shape("covariance_prior", covariance, own)
    _check_positive("covariance_prior", covariance, family)
    unit = family.identity(1, d)
    parameters = GaussianParameters(np.zeros((1, d)), covariance.reshape(shape), unit)
    return family.rescale(parameters, 1.0 / table.scale).covariances
