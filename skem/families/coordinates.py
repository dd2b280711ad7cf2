"""Coordinates of Gaussian statistics, in which fits are extrapolated."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from skem import kernels
from skem.families.floor import is_above
from skem.families.parameters import Array, GaussianPrior, GaussianStatistics
from skem.families.structure import CovarianceStructure

__all__ = ["GaussianCoordinates"]

_TINY = float(np.finfo(np.float64).tiny)
# Relative to `reg_covar`: a covariance that is narrower by less is as wide.
_ROUNDING = 1e-9


# Asked for at every other guess: making them anew takes a third of the time of the coordinates.
@cache
def _entry_factors(size: int) -> Array:
    """Return what a lower triangle's entries are multiplied by, line by line."""
    result: Array = np.where(np.eye(size, dtype=bool), np.sqrt(2.0), 1.0)[np.tril_indices(size)]
    return result


@lru_cache(maxsize=16)
def _least(reg_covar: float, size: int) -> Array:
    return reg_covar * (1.0 - _ROUNDING) * np.eye(size)


class GaussianCoordinates:
    """Statistics as flat vectors whose squared length is a Fisher information, about a reference.

    For each component: twice the root of its share of the rows; the mean, in units of the
    reference's covariance; the Cholesky factor of the covariance in the same units, with the
    logarithm of its diagonal. Means and factors are multiplied by the root of the reference's
    share, so that a component counts by its rows. Near the reference half the squared distance
    is then the divergence between complete-data likelihoods, per unit of weight and whatever the
    units of the features.

    Covariances include `reg_covar` and the prior, so that they have a factor where few rows are.

    Parameters
    ----------
    family : CovarianceStructure
    prior : GaussianPrior
    total : float
        Total weight of the rows.
    reference : GaussianStatistics

    Raises
    ------
    numpy.linalg.LinAlgError
        If a covariance of the reference, or of what is encoded, is singular.
    """

    def __init__(
        self,
        family: CovarianceStructure,
        prior: GaussianPrior,
        total: float,
        reference: GaussianStatistics,
    ) -> None:
        self.family, self.prior, self.total = family, prior, total
        self.shape = reference.mean.shape
        self.mean = reference.mean
        self.roots = np.linalg.cholesky(self._covariances(reference))
        self.inverses = np.linalg.inv(self.roots)
        self.shares = np.sqrt(np.maximum(reference.weight, _TINY) / total)
        # What the entries of a factor count for: a change of its diagonal for twice the others.
        counts = np.maximum(self.family.count(reference.weight, self.shape[1]), _TINY)
        size = self.roots.shape[-1]
        factors = _entry_factors(size)
        ranks = (1,) * (self.roots.ndim - 1 - counts.ndim)
        self.least = _least(family.reg_covar, size)
        # As kernels take them: one line for each matrix, or for each variance.
        self.matrices = self.roots.reshape(-1, size, size), self.inverses.reshape(-1, size, size)
        scale = np.empty((*self.roots.shape[:-2], len(factors)))
        scale[...] = np.sqrt(counts / total).reshape(counts.shape + ranks) * factors
        self.scale = scale.reshape(-1, len(factors))

    def _divisor(self, weight: Array, ndim: int) -> Array:
        """Return what scatters of `ndim` dimensions, with the prior's, are divided by."""
        divisor = np.maximum(self.family.count(weight, self.shape[1]), _TINY)
        if self.prior.degrees_of_freedom is not None:
            divisor += self.prior.degrees_of_freedom
        return divisor.reshape(divisor.shape + (1,) * (ndim - divisor.ndim))

    def _covariances(self, stats: GaussianStatistics) -> Array:
        """Return covariances as matrices: (..., D, D), or (..., 1, 1) for variances."""
        scatter = stats.scatter + self.prior.covariance
        covariances = scatter / self._divisor(stats.weight, scatter.ndim)
        covariances += self.family.ridge(*self.shape)
        if self.family.has_matrices:
            return covariances
        return covariances.reshape(covariances.shape + (1,) * (4 - covariances.ndim))

    def encode(self, stats: GaussianStatistics) -> Array:
        """Return the coordinates of statistics."""
        roots, inverses = self.matrices
        covariances = np.ascontiguousarray(self._covariances(stats)).reshape(roots.shape)
        entries = np.empty_like(self.scale)
        if not kernels.coordinates.encode(covariances, inverses, self.scale, entries):
            raise np.linalg.LinAlgError("a covariance is singular")
        apart = self._columns(stats.mean - self.mean)
        means = (self.inverses @ apart).reshape(self.shape) * self.shares[:, None]
        weights = 2.0 * np.sqrt(np.maximum(stats.weight, 0.0) / self.total)
        return np.concatenate([weights, means.ravel(), entries.ravel()])

    def decode(self, vector: Array) -> GaussianStatistics | None:
        """Return the statistics of given coordinates, or None if no rows could have them.

        There are none for numbers that overflow, and for covariances that would be narrower
        than `reg_covar` and the prior make them.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            stats = self._decode(vector)
            finite = np.isfinite(stats.weight.sum() + stats.mean.sum() + stats.scatter.sum())
        if not finite:
            return None
        return stats if is_above(self._covariances(stats), self.least) else None

    def _decode(self, vector: Array) -> GaussianStatistics:
        k, d = self.shape
        weight = np.square(vector[:k])
        weight *= self.total / weight.sum()
        columns = self._columns(vector[k : k + k * d].reshape(k, d) / self.shares[:, None])
        mean = self.mean + (self.roots @ columns).reshape(k, d)
        roots, _ = self.matrices
        covariances = np.empty_like(roots)
        entries = vector[k + k * d :].reshape(self.scale.shape)
        kernels.coordinates.decode(entries, roots, self.scale, covariances)
        ridge = self.family.ridge(k, d)
        covariances = covariances.reshape(ridge.shape) - ridge
        scatter = covariances * self._divisor(weight, ridge.ndim) - self.prior.covariance
        return GaussianStatistics(weight, mean, scatter)

    def _columns(self, means: Array) -> Array:
        """Return means as columns that the covariances' factors can be multiplied with."""
        return means[..., None] if self.family.has_matrices else means[..., None, None]
