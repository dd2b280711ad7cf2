"""Each component has one variance for all features."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from skem.families import floor
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
)
from skem.families.wishart import gamma_divergence, log_inverse_gamma
from skem.kernels.arguments import LinearModel
from skem.scoring import CentredDiagonalScorer, LinearScorer, MomentScorer, Sums

__all__ = ["SphericalGaussian"]


@cache
def _pairs(n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # Features, the ones and the squared norm, each times the ones.
    lines = np.arange(n_features + 2, dtype=np.int64)
    return lines, np.full_like(lines, n_features)


class SphericalGaussian(GaussianFamily):
    """Variances of shape (K,) (mclust: VII).

    The one structure that is not closed under rescaling single features: its tables have the
    same scale for all.
    """

    one_variance = True
    one_scale = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * (n_features + 1)

    def pairs(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _pairs(n_features)

    def scatter_of(self, deviations: Array, weight: Array) -> Array:
        return weight * np.vecdot(deviations, deviations)

    def identity(self, n_components: int, n_features: int) -> Array:
        return np.ones(n_components)

    def log_det_factors(self, factors: Array, n_features: int) -> Array:
        return n_features * np.log(factors)

    def mahalanobis(self, deviations: Array, factors: Array) -> Array:
        return np.square(factors) * np.vecdot(deviations, deviations)

    def precision_diagonal(self, factors: Array, n_features: int) -> Array:
        return np.square(factors)[:, None]

    def rescale(self, parameters: GaussianParameters, scale: Array) -> GaussianParameters:
        return GaussianParameters(
            parameters.means * scale,
            parameters.covariances * scale[0] * scale[0],
            parameters.factors / scale[0],
        )

    def packed_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        means = parameters.means
        n_components, n_features = means.shape
        left, right = self.pairs(n_features)
        precisions = self.precisions(parameters.factors)
        coefficients = np.zeros((n_features + 2, n_components))
        np.multiply(precisions, means.T, out=coefficients[:n_features])
        coefficients[-1] = -0.5 * precisions
        level = constants - 0.5 * precisions * np.vecdot(means, means)
        return LinearScorer(LinearModel(left, right, coefficients, level))

    def unpack(self, sums: Sums) -> tuple[Array, Array, Array]:
        (packed,) = sums
        return packed[-2], packed[:-2].T, packed[-1]

    def cancellation(self, parameters: GaussianParameters) -> float:
        n_features = parameters.means.shape[1]
        means = parameters.means
        spread = np.vecdot(means, means) + n_features * parameters.covariances
        return float((spread * np.square(parameters.factors)).max())

    def centred_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        means = np.ascontiguousarray(parameters.means)
        precisions = self.precisions(parameters.factors)
        return CentredDiagonalScorer(
            means, np.repeat(precisions, means.shape[1]).reshape(means.shape), constants
        )

    def gather(self, second: Array) -> Array:
        result: Array = second.sum(axis=1)
        return result

    def squares_per_entry(self, n_features: int) -> int:
        return n_features

    def covariance_exponent(self, n_features: int) -> float:
        return 2.0

    def mean_exponent(self, n_components: int, n_features: int) -> float:
        return float(n_features)

    def count(self, weight: Array, n_features: int) -> Array:
        return n_features * weight

    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        return float(log_inverse_gamma(parameters.covariances, prior).sum())

    def covariance_divergence(
        self, posterior: GaussianPosterior, factors: Array, prior: GaussianPrior
    ) -> float:
        return gamma_divergence(posterior, prior)

    def log_volume(self, log_scale: Array, n_components: int) -> float:
        return 2.0 * n_components * float(log_scale[0])

    def at_the_floor(self, parameters: GaussianParameters, total: Array) -> NDArray[np.bool_]:
        narrow = parameters.covariances <= 2 * self.reg_covar
        result: NDArray[np.bool_] = narrow & (np.diagonal(total).mean() > 100 * self.reg_covar)
        return result

    def floor_below(self, variances: Array, one: Array) -> Array:
        return floor.least_variances(variances.max(), one[0])

    def lift(self, covariances: Array) -> Array:
        assert self.floor is not None
        return np.maximum(covariances, self.floor)

    def dense(self, covariances: Array, n_components: int, n_features: int) -> Array:
        result: Array = covariances[:, None, None] * np.eye(n_features)
        return result

    def correlate(self, noise: Array, factors: Array, labels: NDArray[np.int64]) -> Array:
        return noise / factors[labels][:, None]
