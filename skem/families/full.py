"""Each component has its own covariance matrix."""

from __future__ import annotations

from functools import cache, lru_cache

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
    SingularCovarianceError,
)
from skem.families.wishart import log_inverse_wishart, wishart_divergence
from skem.kernels.arguments import LinearModel
from skem.scoring import CentredScorer, LinearScorer, MomentScorer, Sums

__all__ = [
    "FullGaussian",
    "factors_above",
    "narrowest",
    "precision_factors",
    "rescale_matrices",
]


def precision_factors(covariances: Array) -> Array:
    """Upper triangular C with inv(covariance) = C C', for a stack (K, D, D)."""
    factors = factors_above(covariances, None)
    assert factors is not None
    return factors


def factors_above(covariances: Array, least: Array | None) -> Array | None:
    """Return the same where all covariances are above ``least`` (D, D), else None."""
    factors, status = floor.factorise(covariances, least)
    if status >= 0:
        raise SingularCovarianceError(status)
    return factors if status == kernels.covariances.DONE else None


def narrowest(covariances: Array, total: Array, least: float) -> NDArray[np.bool_]:
    """Say which of a stack of covariances are at the floor where ``total`` is not."""
    values, vectors = np.linalg.eigh(covariances)
    held = values <= 2 * least
    if held.any():
        held &= (vectors * (total @ vectors)).sum(axis=-2) > 100 * least
    return np.asarray(held.any(axis=-1))


def rescale_matrices(parameters: GaussianParameters, scale: Array) -> GaussianParameters:
    """Return the parameters of the features multiplied by ``scale`` (D,), for matrices."""
    return GaussianParameters(
        parameters.means * scale,
        parameters.covariances * scale[:, None] * scale,
        parameters.factors / scale[:, None],
    )


# Asked for in each iteration: making them anew takes a tenth of the time of a fit to a small table.
@cache
def _pairs(n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, right = np.triu_indices(n_features + 1)
    return left.astype(np.int64), right.astype(np.int64)


@lru_cache(maxsize=16)
def _identity(n_components: int, n_features: int) -> Array:
    return np.tile(np.eye(n_features), (n_components, 1, 1))


@lru_cache(maxsize=16)
def _ridge(reg_covar: float, n_components: int, n_features: int) -> Array:
    return reg_covar * _identity(n_components, n_features)


@cache
def _features_of(n_pairs: int) -> int:
    """Return D, of which there are (D + 1) (D + 2) / 2 pairs."""
    return round((np.sqrt(8 * n_pairs + 1) - 3) / 2)


def _means_and_factors(parameters: GaussianParameters) -> tuple[Array, Array]:
    """Return them as kernels take them."""
    return np.ascontiguousarray(parameters.means), np.ascontiguousarray(parameters.factors)


class FullGaussian(GaussianFamily):
    """Covariances of shape (K, D, D), one for each component (mclust: VVV)."""

    has_matrices = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * (n_features + n_features * (n_features + 1) // 2)

    def pairs(self, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _pairs(n_features)

    def scatter_of(self, deviations: Array, weight: Array) -> Array:
        result: Array = np.einsum("k,ki,kj->kij", weight, deviations, deviations)
        return result

    def identity(self, n_components: int, n_features: int) -> Array:
        return _identity(n_components, n_features).copy()

    def ridge(self, n_components: int, n_features: int) -> Array:
        return _ridge(self.reg_covar, n_components, n_features)

    def factorise(self, covariances: Array) -> Array:
        return precision_factors(covariances)

    def factorise_above(self, covariances: Array) -> Array | None:
        return factors_above(covariances, self.floor)

    def precisions(self, factors: Array) -> Array:
        return factors @ np.swapaxes(factors, 1, 2)

    def from_precisions(self, precisions: Array) -> GaussianParameters:
        covariances = np.asarray(np.linalg.inv(precisions), dtype=np.float64)
        covariances = 0.5 * (covariances + np.swapaxes(covariances, 1, 2))
        return GaussianParameters(np.empty((0, 0)), covariances, self.factorise(covariances))

    def log_det_factors(self, factors: Array, n_features: int) -> Array:
        result = np.empty(len(factors))
        kernels.covariances.log_determinants(np.ascontiguousarray(factors), result)
        return result

    def mahalanobis(self, deviations: Array, factors: Array) -> Array:
        result: Array = np.square(np.einsum("ki,kij->kj", deviations, factors)).sum(axis=1)
        return result

    def precision_diagonal(self, factors: Array, n_features: int) -> Array:
        result: Array = np.square(factors).sum(axis=2)
        return result

    def rescale(self, parameters: GaussianParameters, scale: Array) -> GaussianParameters:
        return rescale_matrices(parameters, scale)

    def packed_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        left, right = self.pairs(parameters.means.shape[1])
        coefficients = np.empty((len(left), len(constants)))
        level = constants.copy()
        means, factors = _means_and_factors(parameters)
        slopes = np.empty(means.shape[1])
        kernels.covariances.linear_form(means, factors, coefficients, level, slopes)
        return LinearScorer(LinearModel(left, right, coefficients, level))

    def unpack(self, sums: Sums) -> tuple[Array, Array, Array]:
        (packed,) = sums
        n_pairs, n_components = packed.shape
        d = _features_of(n_pairs)
        weight, first = np.empty(n_components), np.empty((n_components, d))
        second = np.empty((n_components, d, d))
        kernels.covariances.unpack(packed, weight, first, second)
        return weight, first, second

    def centre(
        self, points: Array, weight: Array, first: Array, second: Array
    ) -> GaussianStatistics:
        return centre_by(kernels.covariances.centre, points, weight, first, second)

    def cancellation(self, parameters: GaussianParameters) -> float:
        means, factors = _means_and_factors(parameters)
        covariances = np.ascontiguousarray(parameters.covariances)
        return float(kernels.covariances.cancellation(means, covariances, factors))

    def centred_scorer(self, parameters: GaussianParameters, constants: Array) -> MomentScorer:
        factors = np.ascontiguousarray(np.swapaxes(parameters.factors, 1, 2))
        return CentredScorer(np.ascontiguousarray(parameters.means), factors, constants)

    def gather(self, second: Array) -> Array:
        return second

    def covariance_exponent(self, n_features: int) -> float:
        return n_features + 1.0

    def mean_exponent(self, n_components: int, n_features: int) -> float:
        return 1.0

    def count(self, weight: Array, n_features: int) -> Array:
        return weight

    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        log_det = self.log_det_factors(parameters.factors, parameters.means.shape[1])
        return float(log_inverse_wishart(log_det, parameters.factors, prior).sum())

    def covariance_divergence(
        self, posterior: GaussianPosterior, factors: Array, prior: GaussianPrior
    ) -> float:
        return wishart_divergence(posterior, factors, prior)

    def log_volume(self, log_scale: Array, n_components: int) -> float:
        return n_components * (len(log_scale) + 1) * float(log_scale.sum())

    def at_the_floor(self, parameters: GaussianParameters, total: Array) -> NDArray[np.bool_]:
        return narrowest(parameters.covariances, total, self.reg_covar)

    def floor_below(self, variances: Array, one: Array) -> Array:
        return floor.lower_of(variances, one[0])

    def lift(self, covariances: Array) -> Array:
        assert self.floor is not None
        return floor.lift(covariances, self.floor)

    def dense(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return covariances

    def correlate(self, noise: Array, factors: Array, labels: NDArray[np.int64]) -> Array:
        result = np.empty_like(noise)
        for k in np.unique(labels):
            rows = labels == k
            result[rows] = np.linalg.solve(factors[k].T, noise[rows].T).T
        return result
