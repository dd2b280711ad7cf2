"""From a user's rows and parameters to what inference works with, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem._parameters import check_shape
from skem.engine import Table
from skem.engine.table import column_moments
from skem.families import (
    GAUSSIAN_FAMILIES,
    GaussianFamily,
    GaussianParameters,
    GaussianPrior,
    GaussianStatistics,
)
from skem.inference import Visit

if TYPE_CHECKING:
    from skem.mixture._forms import GaussianEstimator

__all__ = [
    "Standard",
    "check_enough_rows",
    "check_positive",
    "components_to_table",
    "components_to_user",
    "fitted_components",
    "make_family",
    "make_prior",
    "prior_covariance",
    "spread_of_rows",
    "standardise",
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
    units : ndarray of shape (D,) or None
        The steps that columns were recorded in, in their units; 0 for none.
    floor : ndarray or None
        What no covariance is narrower than, in the units of the table.
    """

    origin: Array
    scale: Array
    column_scale: Array
    constant: NDArray[np.bool_]
    units: Array | None = None
    floor: Array | None = None


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
    if family.one_scale:
        largest = deviation.max()
        common = largest * np.sqrt(np.mean(np.square(deviation / largest))) if largest > 0 else 1.0
        scale = np.full_like(deviation, common)
    return Standard(origin, scale, column_scale, deviation == 0)


def check_enough_rows(table: Table, n_components: int) -> None:
    """Raise ValueError where there are fewer rows of positive weight than components."""
    n_rows = table.n_positive
    if n_rows < n_components:
        which = "n_samples" if table.weights is None else "n_samples of positive weight"
        raise ValueError(
            f"Expected {which} >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_rows}"
        )


def make_family(estimator: GaussianEstimator) -> GaussianFamily:
    """Make the family that `covariance_type` names."""
    return GAUSSIAN_FAMILIES[estimator.covariance_type](float(estimator.reg_covar))


def components_to_table(
    family: GaussianFamily, components: GaussianParameters, origin: Array, scale: Array
) -> GaussianParameters:
    """Bring parameters in the user's units to a table's."""
    components = components._replace(means=components.means - origin)
    return family.rescale(components, 1.0 / scale)


def components_to_user(
    family: GaussianFamily, components: GaussianParameters, origin: Array, scale: Array
) -> GaussianParameters:
    """Bring parameters in a table's units to the user's."""
    components = family.rescale(components, scale)
    return components._replace(means=components.means + origin)


def fitted_components(estimator: GaussianEstimator, family: GaussianFamily) -> GaussianParameters:
    """Read the fitted components back, in the user's units.

    Raises
    ------
    ValueError
        If the attributes' shapes are not those that the estimator's parameters ask for.
    """
    means = np.asarray(estimator.means_, dtype=np.float64)
    covariances = np.asarray(estimator.covariances_, dtype=np.float64)
    n_components, n_features = means.shape
    factors = np.asarray(estimator.precisions_cholesky_, dtype=np.float64)
    shape = family.identity(n_components, n_features).shape
    values = {
        "weights_": (np.asarray(estimator.weights_), (n_components,)),
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
    return GaussianParameters(means, covariances, factors)


def check_positive(name: str, matrices: Array, family: GaussianFamily) -> None:
    """Raise ValueError for what can be no covariances or precisions."""
    if family.has_matrices:
        rounding = 1e-8 * float(np.abs(matrices).max())
        symmetric = np.allclose(matrices, np.swapaxes(matrices, -1, -2), rtol=0, atol=rounding)
        positive = symmetric and bool((np.linalg.eigvalsh(matrices) > 0).all())
        words = "symmetric, positive-definite"
    else:
        positive, words = bool((matrices > 0).all()), "positive"
    if not positive:
        raise ValueError(f"The parameter {name!r} should be {words}")


def make_prior(
    family: GaussianFamily,
    table: Table,
    *,
    mean: Any,
    mean_precision: float,
    covariance: Array | None,
    degrees_of_freedom: float | None,
) -> GaussianPrior:
    """Make the components' prior in the table's units.

    Parameters
    ----------
    family : GaussianFamily
    table : Table
    mean : array-like of shape (n_features,) or None
        In the user's units. None: the weighted mean of the rows.
    mean_precision : float
        0 for a flat prior on the means.
    covariance : ndarray or None
        In the table's units; see `prior_covariance`.
    degrees_of_freedom : float or None
        None for a flat prior on the covariances.
    """
    d = table.X.shape[1]
    prior = family.flat_prior(d)
    if mean_precision > 0:
        mean = table.origin if mean is None else check_shape("mean_prior", mean, (d,))
        mean = (mean - table.origin) / table.scale
        prior = prior._replace(mean=mean, mean_precision=float(mean_precision))
    if degrees_of_freedom is None:
        return prior
    if not family.conjugate:
        conjugate = [name for name, cls in GAUSSIAN_FAMILIES.items() if cls.conjugate]
        raise ValueError(
            f"A covariance_type with a conjugate prior of its covariances is needed for "
            f"covariance_prior and degrees_of_freedom_prior: one of {conjugate}, but got "
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


def spread_of_rows(family: GaussianFamily, visit: Visit) -> GaussianStatistics:
    """Statistics of one component that has all rows."""
    d = visit.table.X.shape[1]
    one = visit.of(1)
    stats = one.summarise(family, family.summer(1, d), lambda a, b: np.ones((b - a, 1)))
    return stats._replace(scatter=family.pool(stats.scatter))


def prior_covariance(family: GaussianFamily, table: Table, covariance: Any) -> Array:
    """Bring a prior's scale that the user gave to the table's units."""
    d = table.X.shape[1]
    covariance = check_shape("covariance_prior", covariance, family.prior_shape(d))
    check_positive("covariance_prior", covariance, family)
    unit = family.identity(1, d)
    covariance = np.broadcast_to(covariance, unit.shape)
    parameters = GaussianParameters(np.zeros((1, d)), covariance, unit)
    return family.rescale(parameters, 1.0 / table.scale).covariances
