"""Each component has its own variance for each feature."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.families import floor
from skem.families.algebra import centre_by
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    GaussianStatistics,
)
from skem.families.wishart import gamma_divergence, log_inverse_gamma
from skem.kernels.arguments import LinearModel
from skem.scoring import CentredDiagonalScorer, LinearScorer, MomentScorer, Sums

__all__ = ["DiagGaussian"]


@cache
def _pairs(n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lines = np.arange(n_features, dtype=np.int64)
    ones = np.full(n_features, n_features, dtype=np.int64)
    return np.r_[lines, lines, ones[:1]], np.r_[lines, ones, ones[:1]]


class DiagGaussian(GaussianFamily):
    """Variances of shape (K, D) (mclust: VVI)."""

    tail_of_each_feature = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return 2 * n_components * n_features

    def pairs(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _pairs(n_features)

    def scatter_of(self, deviations: Array, weight: Array) -> Array:
        return weight[:, None] * np.square(deviations)

    def identity(self, n_components: int, n_features: int) -> Array:
        return np.ones((n_components, n_features))

    def log_det_factors(self, factors: Array, n_features: int) -> Array:
        result = np.empty(len(factors))
        kernels.variances.log_determinants(np.ascontiguousarray(factors), result)
        return result

    def mahalanobis(self, deviations: Array, factors: Array) -> Array:
        scaled = deviations * factors
        return np.vecdot(scaled, scaled)

    def precision_diagonal(self, factors: Array, n_features: int) -> Array:
        return np.square(factors)

    def rescale(self, parameters: GaussianParameters, scale: Array) -> GaussianParameters:
        return GaussianParameters(
            parameters.means * scale,
            parameters.covariances * scale * scale,
            parameters.factors / scale,
        )

    def packed_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        left, right = self.pairs(parameters.means.shape[1])
        means, _, factors = map(np.ascontiguousarray, parameters)
        coefficients = np.empty((len(left), len(constants)))
        level = constants.copy()
        kernels.variances.linear_form(means, factors, coefficients, level)
        return LinearScorer(LinearModel(left, right, coefficients, level))

    def unpack(self, sums: Sums) -> tuple[Array, Array, Array]:
        (packed,) = sums
        n_features = len(packed) // 2
        return packed[-1], packed[n_features:-1].T, packed[:n_features].T

    def centre(
        self, points: Array, weight: Array, first: Array, second: Array
    ) -> GaussianStatistics:
        moments = map(np.ascontiguousarray, (weight, first, second))
        return centre_by(kernels.variances.centre, points, *moments)

    def cancellation(self, parameters: GaussianParameters) -> float:
        return float(kernels.variances.cancellation(*map(np.ascontiguousarray, parameters)))

    def centred_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        means = np.ascontiguousarray(parameters.means)
        return CentredDiagonalScorer(means, self.precisions(parameters.factors), constants)

    def gather(self, second: Array) -> Array:
        return second

    def covariance_exponent(self, n_features: int) -> float:
        return 2.0

    def mean_exponent(self, n_components: int, n_features: int) -> float:
        return 1.0

    def count(self, weight: Array, n_features: int) -> Array:
        return weight

    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        return float(log_inverse_gamma(parameters.covariances, prior).sum())

    def covariance_divergence(
        self, posterior: GaussianPosterior, factors: Array, prior: GaussianPrior
    ) -> float:
        return gamma_divergence(posterior, prior)

    def log_volume(self, log_scale: Array, n_components: int) -> float:
        return 2.0 * n_components * float(log_scale.sum())

    def at_the_floor(self, parameters: GaussianParameters, total: Array) -> NDArray[np.bool_]:
        narrow = parameters.covariances <= 2 * self.reg_covar
        held = narrow & (np.diagonal(total) > 100 * self.reg_covar)
        return np.asarray(held.any(axis=1))

    def floor_below(self, variances: Array, one: Array) -> Array:
        return floor.least_variances(variances, one[0])

    def lift(self, covariances: Array) -> Array:
        assert self.floor is not None
        return np.maximum(covariances, self.floor)

    def dense(self, covariances: Array, n_components: int, n_features: int) -> Array:
        result: Array = covariances[:, :, None] * np.eye(n_features)
        return result

    def correlate(self, noise: Array, factors: Array, labels: NDArray[np.int64]) -> Array:
        return noise / factors[labels]
