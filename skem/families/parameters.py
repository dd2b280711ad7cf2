"""The plain data that Gaussian families pass around.

Shapes: K components, D features; "cov" stands for the shape that a structure gives its
covariances: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EMPTY",
    "TINY",
    "Array",
    "GaussianParameters",
    "GaussianPosterior",
    "GaussianPrior",
    "GaussianStatistics",
    "SingularCovarianceError",
    "shares_of",
]

Array: TypeAlias = NDArray[np.float64]

# A component with a smaller share of the rows than this has none.
EMPTY = 1e-14
# What stands in for a divisor of zero: the smallest normal number.
TINY = float(np.finfo(np.float64).tiny)


def shares_of(weights: Array) -> Array:
    """Divide weights (K,) by their sum, which is less than one where some rows are noise.

    If all rows are, no component has more than another.
    """
    total = weights.sum()
    result: Array = weights / total if total > 0 else np.full(len(weights), 1.0 / len(weights))
    return result


class SingularCovarianceError(ValueError):
    """A covariance that has no Cholesky factor; `component` is None if it is shared."""

    def __init__(self, component: int | None) -> None:
        self.component = component
        who = (
            "The shared covariance"
            if component is None
            else f"The covariance of component {component}"
        )
        super().__init__(
            f"{who} is singular: its rows do not spread in every direction. Increase reg_covar, "
            "decrease n_components, drop constant or linearly dependent columns, or use a "
            "simpler covariance_type."
        )

    def __reduce__(self) -> tuple[type[SingularCovarianceError], tuple[int | None]]:
        # Pickled by what it was made from, not by its message: workers send it back.
        return type(self), (self.component,)


class GaussianStatistics(NamedTuple):
    """Expected sufficient statistics, in the form whose sums lose no digits.

    Attributes
    ----------
    weight : ndarray of shape (K,)
        Summed responsibilities.
    mean : ndarray of shape (K, D)
    scatter : ndarray, cov
        Summed weighted squares of the deviations from `mean`.
    """

    weight: Array
    mean: Array
    scatter: Array


class GaussianPrior(NamedTuple):
    """Conjugate prior: normal means given the covariance, inverse-Wishart covariances.

    Attributes
    ----------
    mean : ndarray of shape (D,)
    mean_precision : float
        Pseudo-rows at `mean`; 0 for a flat prior on the means.
    covariance : ndarray of the shape of one covariance
        Scale of the inverse-Wishart (inverse-gamma) prior.
    degrees_of_freedom : float or None
        None for a flat prior on the covariances.
    """

    mean: Array
    mean_precision: float
    covariance: Array
    degrees_of_freedom: float | None


class GaussianPosterior(NamedTuple):
    """Hyperparameters after the statistics are seen (Bishop 2006, 10.60 to 10.63).

    Attributes
    ----------
    mean : ndarray of shape (K, D)
    mean_precision : ndarray of shape (K,)
    scatter : ndarray, cov
    degrees_of_freedom : ndarray of shape (K,), or () for a shared covariance
        Those of the prior (a flat one has none) and one for each observation.
    divisor : ndarray of the same shape
        What `scatter` is divided by at the joint mode over means and covariances.
    """

    mean: Array
    mean_precision: Array
    scatter: Array
    degrees_of_freedom: Array
    divisor: Array


class GaussianParameters(NamedTuple):
    """Point parameters.

    Attributes
    ----------
    means : ndarray of shape (K, D)
    covariances : ndarray, cov
    factors : ndarray, cov
        C with precision = C C' (square roots of precisions for diag and spherical).
    """

    means: Array
    covariances: Array
    factors: Array
