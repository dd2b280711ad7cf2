"""Coordinates of Gaussian statistics, in which fits are extrapolated."""

from __future__ import annotations

import numpy as np

from skem import kernels
from skem.families.parameters import TINY, Array, GaussianPrior, GaussianStatistics
from skem.families.structure import CovarianceStructure

__all__ = ["GaussianCoordinates"]

# Relative to `reg_covar`: a covariance that is narrower by less is as wide.
_ROUNDING = 1e-9


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
        self.reference = reference
        self.added = prior.degrees_of_freedom or 0.0
        size = reference.mean.shape[1] if family.has_matrices else 1
        # As kernels take them: a covariance of so many features each.
        self.block = -1, size, size
        counts = self._counts(reference.weight)
        self.roots = self._factorise(reference, counts)
        self.origin = np.ascontiguousarray(reference.mean).reshape(-1, size)
        self.shares = np.sqrt(np.maximum(reference.weight, TINY) / total)
        # What the entries of a factor count for.
        self.sizes = np.sqrt(counts / total)

    def _counts(self, weight: Array) -> Array:
        """Return the observations that covariances have seen, as kernels take them."""
        counts = self.family.count(weight, self.reference.mean.shape[1])
        return np.maximum(counts, TINY).reshape(-1)

    def _factorise(self, stats: GaussianStatistics, counts: Array) -> Array:
        """Return the Cholesky factors of covariances, as kernels take them."""
        scatter = stats.scatter
        if self.prior.degrees_of_freedom is not None:
            scatter = scatter + self.prior.covariance
        blocks = np.ascontiguousarray(scatter).reshape(self.block)
        roots = np.empty_like(blocks)
        ridge = self.family.reg_covar
        if not kernels.coordinates.factorise(blocks, counts, self.added, ridge, roots):
            raise np.linalg.LinAlgError("a covariance is singular")
        return roots

    def encode(self, stats: GaussianStatistics) -> Array:
        """Return the coordinates of statistics."""
        roots = self._factorise(stats, self._counts(stats.weight))
        k, n_matrices, d = len(self.shares), *self.roots.shape[:2]
        result = np.empty(k + self.origin.size + n_matrices * (d * (d + 1) // 2))
        kernels.coordinates.encode(
            np.ascontiguousarray(stats.weight),
            np.ascontiguousarray(stats.mean).reshape(self.origin.shape),
            roots,
            self.total,
            self.roots,
            self.origin,
            self.shares,
            self.sizes,
            result,
        )
        return result

    def decode(self, vector: Array) -> GaussianStatistics | None:
        """Return the statistics of given coordinates, or None if no rows could have them.

        There are none for numbers that overflow, and for covariances that would be narrower
        than `reg_covar` and the prior make them.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._decode(vector)

    def _decode(self, vector: Array) -> GaussianStatistics | None:
        k, ridge = len(self.shares), self.family.reg_covar
        weight = np.square(vector[:k])
        weight *= self.total / weight.sum()
        counts = self._counts(weight)
        mean, blocks = np.empty_like(self.origin), np.empty_like(self.roots)
        finite = kernels.coordinates.decode(
            vector[k:],
            counts,
            self.added,
            ridge,
            self.roots,
            self.origin,
            self.shares,
            self.sizes,
            mean,
            blocks,
            np.empty(self.block[1:]),
        )
        # NaN and infinity have no factors, either.
        if not finite or not kernels.coordinates.factorise(
            blocks, counts, self.added, _ROUNDING * ridge, np.empty_like(blocks)
        ):
            return None
        scatter = blocks.reshape(self.reference.scatter.shape)
        if self.prior.degrees_of_freedom is not None:
            scatter -= self.prior.covariance
        return GaussianStatistics(weight, mean.reshape(self.reference.mean.shape), scatter)
