"""Fitted mixtures from given parameters, without rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from skem._parameters import Allowed, check_parameters, check_shape
from skem._tables import without_mask
from skem.families import GaussianFamily, GaussianParameters
from skem.mixture._point import check_weights
from skem.mixture._protocols import MixtureSettings
from skem.mixture._reading import gaussian_family
from skem.mixture._record import FitRecord
from skem.mixture._units import Units

__all__ = ["FromParameters", "given_attributes"]

Array: TypeAlias = NDArray[np.float64]

# By how much, relative to the largest variance, covariances may miss the structure that they
# should have: they may have been written down with few digits.
_ROUNDING = 1e-3


class FromParameters:
    """An estimator of points that can be built from them."""

    _allowed: ClassVar[Mapping[str, tuple[Allowed, ...]]]

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str = "full",
        **parameters: Any,
    ) -> Self:
        """Build a fitted mixture from its parameters.

        Rows can be scored, assigned and drawn at once. `partial_fit`, and `fit` with
        ``warm_start=True``, go on from there.

        Parameters
        ----------
        weights : array-like of shape (n_components,)
            Non-negative, with sum one. Components keep this order.
        means : array-like of shape (n_components, n_features)
            A frame's column names become ``feature_names_in_``.
        covariances : array-like
            Of the shape that ``covariances_`` has for `covariance_type`; positive(-definite), and
            with the structure of that type.
        covariance_type : str, default='full'
        **parameters : object
            Other parameters of the estimator.

        Returns
        -------
        mixture : estimator
            As after a fit, except that ``converged_`` is False, ``n_iter_`` is 0, and there is no
            ``lower_bound_``, which takes rows.

        Raises
        ------
        ValueError
            If parameters are of the wrong shape, or no parameters of such a mixture.

        Examples
        --------
        >>> from skem import EMGaussianMixture
        >>> mixture = EMGaussianMixture.from_parameters(
        ...     [0.5, 0.5], [[0.0, 0.0], [4.0, 0.0]], [1.0, 2.0], covariance_type="spherical"
        ... )
        >>> mixture.predict([[1.0, 0.0], [3.0, 0.0]])
        array([0, 1])
        """
        estimator: Any = cls(  # type: ignore[call-arg]
            n_components=len(np.asarray(weights)), covariance_type=covariance_type, **parameters
        )
        check_parameters(cls.__name__, estimator.get_params(deep=False), cls._allowed)
        family = gaussian_family(estimator)
        for name, value in given_attributes(estimator, family, weights, means, covariances).items():
            setattr(estimator, name, value)
        result: Self = estimator
        return result


def given_attributes(
    estimator: MixtureSettings,
    family: GaussianFamily,
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
) -> dict[str, Any]:
    """Return fitted attributes; sets the names of columns."""
    k = estimator.n_components
    if estimator.noise:
        raise ValueError(
            f"noise={estimator.noise!r} is as dense as a box around rows, which given parameters "
            "don't have: set noise=False, or fit"
        )
    shares = check_weights("weights", weights, k)
    centres: Array = validate_data(estimator, without_mask(means), dtype=np.float64)
    centres = check_shape("means", centres, (k, centres.shape[1]))
    components = check_components(family, centres, covariances)
    units = _units(family, shares, components)
    table = family.standardise(components, units.origin, units.scale)
    if not _has_structure(family, shares, table):
        raise ValueError(
            "The parameter 'covariances' does not have the structure of covariance_type="
            f"{estimator.covariance_type!r}: give covariances of that type, or another type"
        )
    rng = check_random_state(estimator.random_state)
    with np.errstate(over="ignore"):  # what overflows is refused below
        precisions = family.precisions(components.factors)
    attributes = {
        "weights_": shares,
        "means_": components.means,
        "covariances_": components.covariances,
        "precisions_": precisions,
        "precisions_cholesky_": components.factors,
    }
    for name, value in attributes.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} would be out of the range of float64: rescale the columns")
    record = FitRecord(
        estimator.covariance_type,
        rng.randint(2**31 - 1),
        units,
        weight=0.0,
    )
    ending = {"converged_": False, "n_iter_": 0, "lower_bounds_": [], "_record": record}
    return attributes | ending


def check_components(
    family: GaussianFamily, means: Array, covariances: ArrayLike
) -> GaussianParameters:
    """Return given means and covariances, with their factors; ValueError if they are none."""
    values = check_shape("covariances", covariances, family.covariance_shape(*means.shape))
    # Columns may be in very different units: look at what does not depend on them.
    unit = values
    if family.has_matrices:
        variances = np.diagonal(values, axis1=-2, axis2=-1)
        scale = np.sqrt(np.where(variances > 0, variances, 1.0))
        unit = values / scale[..., :, None] / scale[..., None, :]
    positive, words = family.are_positive(unit)
    if not positive:
        raise ValueError(f"The parameter 'covariances' should be {words}")
    return GaussianParameters(means, values, family.factorise(values))


def _units(family: GaussianFamily, weights: Array, components: GaussianParameters) -> Units:
    """Return the units that many rows of the mixture would be read in."""
    means = components.means
    origin = means[0] + weights @ (means - means[0]) / weights.sum()
    within = family.column_variances(components)
    deviation = np.sqrt(weights @ (within + np.square(means - origin)) / weights.sum())
    origin, scale = family.units(origin, deviation)
    return Units(origin, scale, deviation, np.zeros(len(origin), dtype=bool))


def _has_structure(family: GaussianFamily, weights: Array, components: GaussianParameters) -> bool:
    """Say whether an M-step gives covariances back, from the statistics that they lead to.

    A fit adds `reg_covar` after it has made the structure. Where that is not little, the structure
    can't be told, and all is taken for good.
    """
    k, d = components.means.shape
    given = family.dense(components.covariances, k, d)
    if np.linalg.eigvalsh(given).min() < family.reg_covar / _ROUNDING:
        return True
    exact = type(family)(0.0)
    stats = exact.expected(weights, components)
    again = exact.mode(stats, exact.flat_prior(d), components).covariances
    error = np.abs(exact.dense(again, k, d) - given)
    return bool((error.max(axis=(1, 2)) <= _ROUNDING * given.max(axis=(1, 2))).all())
