"""Student's t mixtures: what `StudentSettings` asks and publishes besides a Gaussian mixture."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem._parameters import check_shape
from skem.families import (
    DegreesOfFreedom,
    GaussianParameters,
    StudentFamily,
    StudentParameters,
)
from skem.inference import MixtureParameters
from skem.mixture._point import PointKind
from skem.mixture._problem import FitProblem
from skem.mixture._protocols import FittedMixture, PointSettings
from skem.mixture._reading import check_complete, check_shapes, fitted_weights, gaussian_family

# Components whose columns are as much narrower than the whole ones, in variance, live among far
# rows; and reg_covar has a tenth of a variance that is ten times as large.
_NARROW, _BLURRED = 0.01, 10.0

__all__ = ["STUDENT", "StudentSettings", "check_bounds", "make_degrees"]

Array: TypeAlias = NDArray[np.float64]


class StudentSettings(PointSettings, Protocol):
    """Parameters and fitted attributes of Student's t mixtures besides."""

    df: str | float
    df_bounds: tuple[float, float]

    scale_matrices_: NDArray[np.floating]
    df_: NDArray[np.floating]


def check_bounds(df_bounds: Any) -> tuple[float, float]:
    """Return bounds of degrees of freedom; ValueError if they are none."""
    low, high = check_shape("df_bounds", df_bounds, (2,))
    if not 0.0 < low <= high:
        raise ValueError(
            "The parameter 'df_bounds' should be two positive numbers, the smaller one first, but "
            f"got ({low:g}, {high:g})"
        )
    return float(low), float(high)


def make_degrees(df: str | float, df_bounds: Any) -> DegreesOfFreedom:
    """Make what finds degrees of freedom as `df` says."""
    bounds = check_bounds(df_bounds)
    if isinstance(df, str):
        return DegreesOfFreedom(None, df == "shared", bounds)
    return DegreesOfFreedom(float(df), False, bounds)


class StudentKind(PointKind):
    """Maximum likelihood and MAP of Student's t components."""

    def family(self, estimator: Any) -> StudentFamily:
        """Make the family that `covariance_type` and `df` name."""
        degrees = make_degrees(estimator.df, estimator.df_bounds)
        return StudentFamily(gaussian_family(estimator), degrees)

    def complete(
        self, estimator: PointSettings, problem: FitProblem, theta: MixtureParameters | None
    ) -> MixtureParameters:
        """Put `*_init` in their places; degrees of freedom are the start's."""
        family: StudentFamily = problem.family
        started = None if theta is None else theta.components
        plain = None
        if theta is not None:
            plain = theta._replace(components=theta.components.gaussian)
        result = super().complete(estimator, problem._replace(family=family.gaussian), plain)
        components = family.with_freedom(result.components)
        if started is not None:
            components = components._replace(freedom=started.freedom)
        return result._replace(components=components)

    def read(self, estimator: FittedMixture, family: Any) -> MixtureParameters:
        """Read the fitted attributes back, in the user's units."""
        mixture: Any = estimator
        names = ("weights_", "means_", "scale_matrices_", "precisions_cholesky_", "df_")
        check_complete(estimator, names)
        means, scales, factors, freedom = (
            np.asarray(getattr(mixture, name), dtype=np.float64)
            for name in ("means_", "scale_matrices_", "precisions_cholesky_", "df_")
        )
        check_shapes(estimator, means, {"scale_matrices_": scales}, family.gaussian)
        if freedom.shape != (len(means),):
            raise ValueError(
                f"With means_ of shape {means.shape}, df_ should have the shape {(len(means),)}, "
                f"but has {freedom.shape}"
            )
        components = StudentParameters(means, scales, factors, freedom)
        return MixtureParameters(fitted_weights(estimator), components)

    def attributes(self, problem: FitProblem, theta: MixtureParameters) -> dict[str, Any]:
        """Return weights, means, scale matrices and degrees of freedom in the user's units."""
        published = super().attributes(problem, theta)
        published["scale_matrices_"] = published.pop("covariances_")
        return published | {"df_": theta.components.freedom}

    def diagnose(
        self,
        estimator: PointSettings,
        problem: FitProblem,
        theta: MixtureParameters,
        n_rows: float,
    ) -> list[str]:
        """Name components that emptied or collapsed, and columns whose far values blur the fit."""
        gaussian: GaussianParameters = theta.components.gaussian
        far = _find_blurred(problem, theta.weights[: problem.n_components], gaussian)
        # What is blurred is not dependent, though its variance is reg_covar's.
        units = problem.units._replace(constant=problem.units.constant | far)
        plain = problem._replace(family=problem.family.gaussian, units=units)
        said = super().diagnose(estimator, plain, theta._replace(components=gaussian), n_rows)
        if not far.any():
            return said
        names = [problem.shown.names[j] for j in np.flatnonzero(far).tolist()]
        return [
            *said,
            f"Column(s) {names} of X have values so far out that the standard deviation, in units "
            f"of which reg_covar={estimator.reg_covar:g} counts, is many times that of the other "
            "rows: reg_covar widens the scale matrices and blurs the fit. Check these values, or "
            "decrease reg_covar by orders of magnitude.",
        ]


STUDENT = StudentKind()


def _find_blurred(
    problem: FitProblem, weights: Array, parameters: GaussianParameters
) -> NDArray[np.bool_]:
    """Say in which columns a few far rows make `reg_covar` large for all others, (D,)."""
    family, units = problem.family.gaussian, problem.units
    whole = np.square(units.column_scale / units.scale)
    narrow = np.diagonal(family.total_covariance(weights, parameters)) < _NARROW * whole
    least = family.column_variances(parameters)[weights > 0].min(axis=0, initial=np.inf)
    found: NDArray[np.bool_] = narrow & (least <= _BLURRED * family.reg_covar) & ~units.constant
    return found
