"""The questions that a covariance structure answers.

Shapes: K components, D features; "cov" stands for the shape that a structure gives its
covariances: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    SingularCovarianceError,
)
from skem.scoring import MomentScorer, Sums

__all__ = ["CovarianceStructure"]


@dataclass(frozen=True)
class CovarianceStructure(ABC):
    """What each structure defines; `GaussianFamily` says what follows from it.

    Parameters
    ----------
    reg_covar : float
        Added to the variances wherever a covariance is formed by a point estimate.
    floor : ndarray, default=None
        What no covariance is narrower than; see `skem.families.floor`.
    """

    has_matrices: ClassVar[bool] = False  # covariances with entries off the diagonal
    is_shared: ClassVar[bool] = False  # one covariance for all components
    one_variance: ClassVar[bool] = False  # one variance for all features
    one_scale: ClassVar[bool] = False  # rescaling single features leads out of the structure
    conjugate: ClassVar[bool] = True  # the posterior of a covariance has its prior's form

    reg_covar: float
    floor: Array | None = field(default=None, compare=False)

    @abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the free parameters of means and covariances."""

    @abstractmethod
    def pairs(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lines of a tile whose products the packed sums are made of."""

    @abstractmethod
    def scatter_of(self, deviations: Array, weight: Array) -> Array:
        """Weighted squares of one deviation for each component: (K, D), (K,) -> cov."""

    @abstractmethod
    def identity(self, n_components: int, n_features: int) -> Array:
        """Unit covariances."""

    @abstractmethod
    def log_det_factors(self, factors: Array, n_features: int) -> Array:
        """Return log det C, shape (K,) or (), half the log determinant of the precision."""

    @abstractmethod
    def mahalanobis(self, deviations: Array, factors: Array) -> Array:
        """Squared Mahalanobis length of one deviation for each component: (K,)."""

    @abstractmethod
    def precision_diagonal(self, factors: Array, n_features: int) -> Array:
        """Diagonals of the precisions, broadcastable to (K, D)."""

    @abstractmethod
    def rescale(self, parameters: GaussianParameters, scale: Array) -> GaussianParameters:
        """Return the parameters of the features multiplied by ``scale`` (D,)."""

    @abstractmethod
    def packed_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        """Make the scorer by one matrix product."""

    @abstractmethod
    def unpack(self, sums: Sums) -> tuple[Array, Array, Array]:
        """Weight (K,), first (K, D) and second moments (cov) about the origin."""

    @abstractmethod
    def cancellation(self, parameters: GaussianParameters) -> float:
        """Bound the largest (distance from the origin / width)^2 of the components' rows."""

    @abstractmethod
    def centred_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        """Make the scorer about the components' own means."""

    @abstractmethod
    def gather(self, second: Array) -> Array:
        """Bring second moments summed by the centred scorer to the shape cov."""

    @abstractmethod
    def covariance_exponent(self, n_features: int) -> float:
        """Exponent a in the prior density of a covariance, det^-(nu + a)/2."""

    @abstractmethod
    def mean_exponent(self, n_components: int, n_features: int) -> float:
        """Exponent that the means' prior adds to a covariance's, times two."""

    @abstractmethod
    def count(self, weight: Array, n_features: int) -> Array:
        """Observations that a covariance has seen, given the components' weights (K,)."""

    def pool(self, scatter: Array) -> Array:
        """Add up what informs a covariance, where it is one of several components: cov -> cov."""
        return scatter

    def related_columns(self, n_features: int) -> NDArray[np.bool_]:
        """Say of which pairs of columns covariances are among the parameters, (D, D)."""
        return np.full((n_features, n_features), self.has_matrices)

    def values_of_a_row(self, n_features: int) -> int:
        """Count the values that one row gives a variance."""
        return n_features if self.one_variance else 1

    def squares_per_entry(self, n_features: int) -> int:
        """Features whose squares an entry of a scatter is the sum of."""
        return 1

    def prior_shape(self, n_features: int) -> tuple[int, ...]:
        """Shape of the scale of one covariance's prior."""
        shape = self.identity(1, n_features).shape
        return shape if self.is_shared else shape[1:]

    @abstractmethod
    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        """Log prior density of the covariances, in nats; degrees of freedom given."""

    @abstractmethod
    def covariance_divergence(
        self, posterior: GaussianPosterior, factors: Array, prior: GaussianPrior
    ) -> float:
        """KL(q || prior) of the precisions, in nats; the expected precision is C C'."""

    @abstractmethod
    def log_volume(self, log_scale: Array, n_components: int) -> float:
        """Log Jacobian of rescaling all covariances by ``exp(log_scale)`` (D,)."""

    @abstractmethod
    def at_the_floor(self, parameters: GaussianParameters, total: Array) -> NDArray[np.bool_]:
        """Say which components are as narrow as `reg_covar` where the data, with covariance
        ``total`` (D, D), are not: shape (K,).
        """

    def floor_below(self, variances: Array, one: Array) -> Array | None:
        """Return the floor below variances (D,), and below the covariance of all rows.

        None: the structure has none.

        Parameters
        ----------
        variances : ndarray of shape (D,)
        one : ndarray of the shape of the covariances of one component
        """
        return None

    def lift(self, covariances: Array) -> Array:
        """Return the likeliest covariances above the floor for rows that have these."""
        return covariances

    @abstractmethod
    def dense(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Covariances as full matrices, (K, D, D)."""

    @abstractmethod
    def correlate(self, noise: Array, factors: Array, labels: NDArray[np.int64]) -> Array:
        """Give standard normal rows (n, D) the covariances of their components."""

    def parameters_that_overfit(self, n_components: int, n_features: int) -> int:
        """Count them all."""
        return self.n_parameters(n_components, n_features)

    def rows_needed(self, n_features: int) -> int:
        """Return how many rows of a component determine its covariance."""
        if self.is_shared:
            return 1
        return n_features + 1 if self.has_matrices else 2

    def least_rows(self, n_components: int, n_features: int) -> int:
        """Return how many rows determine the covariances of so many components at all."""
        if self.is_shared:
            return n_components + (n_features if self.has_matrices else 1)
        return n_components * self.rows_needed(n_features)

    # --- of variances; a structure of matrices has its own --------------------------------

    def ridge(self, n_components: int, n_features: int) -> Array | float:
        """Return what is added to covariances."""
        return self.reg_covar

    def factorise_above(self, covariances: Array) -> Array | None:
        """Return what `factorise` does where all covariances are above the floor, else None."""
        return self._factors_above(covariances, self.floor)

    def factorise(self, covariances: Array) -> Array:
        """Return C with inv(covariance) = C C'; raise SingularCovarianceError."""
        factors = self._factors_above(covariances, None)
        assert factors is not None
        return factors

    def _factors_above(self, covariances: Array, least: Array | None) -> Array | None:
        """Return factors where all covariances are above ``least``, else None."""
        shape = (len(covariances), -1) if least is None else (-1, np.size(least))
        variances = np.ascontiguousarray(covariances).reshape(shape)
        factors = np.empty_like(variances)
        floors = variances[:0] if least is None else np.reshape(least, (1, -1))
        status = kernels.variances.factorise(variances, floors, factors)
        if status >= 0:
            raise SingularCovarianceError(status)
        done = status == kernels.covariances.DONE
        return factors.reshape(covariances.shape) if done else None

    def precisions(self, factors: Array) -> Array:
        """Return C C'."""
        return np.square(factors)

    def from_precisions(self, precisions: Array) -> GaussianParameters:
        """Return covariances and factors (means of shape (0, 0)) for given precisions."""
        return GaussianParameters(np.empty((0, 0)), 1.0 / precisions, np.sqrt(precisions))
