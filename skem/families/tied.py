"""All components share one covariance matrix."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skem.families import floor
from skem.families.full import (
    factors_above,
    narrowest,
    rescale_matrices,
)
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    SingularCovarianceError,
)
from skem.families.wishart import log_inverse_wishart, wishart_divergence
from skem.kernels.arguments import ProjectedModel
from skem.scoring import CentredScorer, MomentScorer, ProjectedScorer, Sums

__all__ = ["TiedGaussian"]


def _factors_above(covariance: Array, least: Array | None) -> Array | None:
    """Do as `factors_above` for one covariance (D, D)."""
    try:
        factors = factors_above(covariance[None], least)
    except SingularCovarianceError:
        raise SingularCovarianceError(None) from None
    return None if factors is None else factors[0]


@lru_cache(maxsize=16)  # asked for several times in each iteration
def _ridge(reg_covar: float, n_features: int) -> Array:
    return reg_covar * np.eye(n_features)


class TiedGaussian(GaussianFamily):
    """One covariance of shape (D, D) for all components (mclust: EEE)."""

    has_matrices = True
    is_shared = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features + n_features * (n_features + 1) // 2

    def pairs(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        lines = np.arange(n_features + 1, dtype=np.int64)
        return lines, np.full_like(lines, n_features)

    def scatter_of(self, deviations: Array, weight: Array) -> Array:
        result: Array = (weight * deviations.T) @ deviations
        return result

    def identity(self, n_components: int, n_features: int) -> Array:
        return np.eye(n_features)

    def ridge(self, n_components: int, n_features: int) -> Array:
        return _ridge(self.reg_covar, n_features)

    def factorise(self, covariances: Array) -> Array:
        factors = _factors_above(covariances, None)
        assert factors is not None
        return factors

    def factorise_above(self, covariances: Array) -> Array | None:
        return _factors_above(covariances, self.floor)

    def precisions(self, factors: Array) -> Array:
        return factors @ factors.T

    def from_precisions(self, precisions: Array) -> GaussianParameters:
        covariance = np.linalg.inv(precisions)
        covariance = 0.5 * (covariance + covariance.T)
        return GaussianParameters(np.empty((0, 0)), covariance, self.factorise(covariance))

    def log_det_factors(self, factors: Array, n_features: int) -> Array:
        result: Array = np.log(factors.diagonal()).sum()
        return result

    def mahalanobis(self, deviations: Array, factors: Array) -> Array:
        projected = deviations @ factors
        return np.vecdot(projected, projected)

    def precision_diagonal(self, factors: Array, n_features: int) -> Array:
        return np.vecdot(factors, factors)

    def rescale(self, parameters: GaussianParameters, scale: Array) -> GaussianParameters:
        return rescale_matrices(parameters, scale)

    def packed_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        centres = parameters.means @ parameters.factors
        level = constants - 0.5 * np.vecdot(centres, centres)
        model = ProjectedModel(
            np.ascontiguousarray(parameters.factors), np.ascontiguousarray(centres.T), level
        )
        return ProjectedScorer(model)

    def unpack(self, sums: Sums) -> tuple[Array, Array, Array]:
        first, second = sums
        return first[-1], first[:-1].T, second

    def cancellation(self, parameters: GaussianParameters) -> float:
        means, covariance, factors = parameters
        spread = np.vecdot(means, means).max() + covariance.trace()
        return float(spread * np.vdot(factors, factors))

    def centred_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        # A tile of one copy keeps its argument's order.
        factors = np.tile(np.ascontiguousarray(parameters.factors.T), (len(parameters.means), 1, 1))
        return CentredScorer(np.ascontiguousarray(parameters.means), factors, constants)

    def gather(self, second: Array) -> Array:
        result: Array = second.sum(axis=0)
        return result

    def covariance_exponent(self, n_features: int) -> float:
        return n_features + 1.0

    def mean_exponent(self, n_components: int, n_features: int) -> float:
        return float(n_components)

    def count(self, weight: Array, n_features: int) -> Array:
        return np.asarray(weight.sum())

    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        log_det = self.log_det_factors(parameters.factors, parameters.means.shape[1])
        return float(log_inverse_wishart(log_det, parameters.factors, prior))

    def covariance_divergence(
        self, posterior: GaussianPosterior, factors: Array, prior: GaussianPrior
    ) -> float:
        return wishart_divergence(posterior, factors, prior)

    def log_volume(self, log_scale: Array, n_components: int) -> float:
        return (len(log_scale) + 1) * float(log_scale.sum())

    def at_the_floor(self, parameters: GaussianParameters, total: Array) -> NDArray[np.bool_]:
        shared = narrowest(parameters.covariances, total, self.reg_covar)
        return np.repeat(shared, len(parameters.means))

    def floor_below(self, variances: Array, one: Array) -> Array:
        return floor.lower_of(variances, one)

    def lift(self, covariances: Array) -> Array:
        assert self.floor is not None
        return floor.lift(covariances, self.floor)

    def dense(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return np.tile(covariances, (n_components, 1, 1))

    def correlate(self, noise: Array, factors: Array, labels: NDArray[np.int64]) -> Array:
        return np.asarray(np.linalg.solve(factors.T, noise.T).T, dtype=np.float64)
