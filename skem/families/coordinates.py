"""Coordinates of Gaussian statistics, in which fits are extrapolated."""

from __future__ import annotations

import numpy as np

from skem import kernels
from skem.families.parameters import TINY, Array, GaussianPrior, GaussianStatistics
from skem.families.structure import CovarianceStructure
from skem.kernels.arguments import CoordinateFrame

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
        self.added = prior.degrees_of_freedom or 0.0
        self.n_features, self.shape = reference.mean.shape[1], reference.scatter.shape
        size = self.n_features if family.has_matrices else 1
        # As kernels take them: a covariance of so many features each.
        self.block = -1, size, size
        counts, blocks = self._counts(reference.weight), self._blocks(reference)
        self.frame = CoordinateFrame(
            np.empty_like(blocks),
            np.ascontiguousarray(reference.mean).reshape(-1, size),
            np.sqrt(np.maximum(reference.weight, TINY) / total),
            np.sqrt(np.maximum(counts, TINY) / total),
        )
        _insist(
            kernels.coordinates.refer(
                blocks, counts, self.added, family.reg_covar, self.frame.roots
            )
        )

    def _counts(self, weight: Array) -> Array:
        """Return the observations that covariances have seen, as kernels take them."""
        return np.ascontiguousarray(self.family.count(weight, self.n_features)).reshape(-1)

    def _blocks(self, stats: GaussianStatistics) -> Array:
        """Return the scatter matrices, the prior's included, as kernels take them."""
        scatter = stats.scatter
        if self.prior.degrees_of_freedom is not None:
            scatter = scatter + self.prior.covariance
        return np.ascontiguousarray(scatter).reshape(self.block)

    def encode(self, stats: GaussianStatistics) -> Array:
        """Return the coordinates of statistics."""
        roots, origin, shares, _ = self.frame
        n_matrices, d = roots.shape[:2]
        result = np.empty(len(shares) + origin.size + n_matrices * (d * (d + 1) // 2))
        _insist(
            kernels.coordinates.encode(
                np.ascontiguousarray(stats.weight),
                np.ascontiguousarray(stats.mean).reshape(origin.shape),
                self._blocks(stats),
                self._counts(stats.weight),
                self.added,
                self.family.reg_covar,
                self.total,
                self.frame,
                np.empty((d, d)),
                result,
            )
        )
        return result

    def decode(self, vector: Array) -> GaussianStatistics | None:
        """Return the statistics of given coordinates, or None if no rows could have them.

        There are none for numbers that overflow, and for covariances that would be narrower
        than `reg_covar` and the prior make them.
        """
        roots, origin, shares, _ = self.frame
        weight, mean, blocks = np.empty_like(shares), np.empty_like(origin), np.empty_like(roots)
        kernels.coordinates.decode_weights(vector, self.total, weight)
        ridge = self.family.reg_covar
        if not kernels.coordinates.decode(
            vector[len(shares) :],
            self._counts(weight),
            self.added,
            ridge,
            _ROUNDING * ridge,
            self.frame,
            np.empty(roots.shape[1:]),
            mean,
            blocks,
        ):
            return None
        scatter = blocks.reshape(self.shape)
        if self.prior.degrees_of_freedom is not None:
            scatter -= self.prior.covariance
        return GaussianStatistics(weight, mean.reshape(len(weight), -1), scatter)


def _insist(factorised: bool) -> None:
    if not factorised:
        raise np.linalg.LinAlgError("a covariance is singular")
