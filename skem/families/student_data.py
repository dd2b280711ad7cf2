"""Student's t components as plain data: statistics, parameters, and coordinates of statistics.

Shapes: K components, D features; "cov" is that of the Gaussian family's covariances.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skem.families.coordinates import GaussianCoordinates
from skem.families.freedom import DegreesOfFreedom, expected_log_scale
from skem.families.gaussian import GaussianFamily
from skem.families.parameters import (
    TINY,
    Array,
    GaussianParameters,
    GaussianPrior,
    GaussianStatistics,
)

__all__ = ["StudentCoordinates", "StudentParameters", "StudentStatistics", "covariance_ratio"]


class StudentStatistics(NamedTuple):
    """Expected sufficient statistics of rows and their scales.

    Attributes
    ----------
    weight : ndarray of shape (K,)
        Summed responsibilities r.
    scaled : GaussianStatistics
        Those of the rows weighted by ``r E[u]``.
    log_scale : ndarray of shape (K,)
        ``sum r E[log u]``.
    entropy : ndarray of shape (K,)
        r times the entropy of each row's scale, in nats; with missing cells as `weigh_by_scales`
        says.
    """

    weight: Array
    scaled: GaussianStatistics
    log_scale: Array
    entropy: Array

    @property
    def mean(self) -> Array:
        """Means, (K, D)."""
        return self.scaled.mean

    @property
    def surprise(self) -> Array:
        """What degrees of freedom follow from: ``sum r (E[u] - E[log u] - 1)``, (K,)."""
        return self.scaled.weight - self.log_scale - self.weight


class StudentParameters(NamedTuple):
    """Point parameters.

    Attributes
    ----------
    means : ndarray of shape (K, D)
    covariances : ndarray, cov
        The scale matrices: those of rows with a scale of 1.
    factors : ndarray, cov
        As of `GaussianParameters`.
    freedom : ndarray of shape (K,)
        Degrees of freedom.
    """

    means: Array
    covariances: Array
    factors: Array
    freedom: Array

    @property
    def gaussian(self) -> GaussianParameters:
        """Those of rows with a scale of 1."""
        return GaussianParameters(*self[:3])


def covariance_ratio(freedom: Array) -> Array:
    """Return what scale matrices are to be multiplied by for covariances.

    ``df / (df - 2)``; infinite up to two degrees of freedom, where there are no covariances.
    """
    with np.errstate(divide="ignore"):
        return freedom / np.maximum(freedom - 2.0, 0.0)


class StudentCoordinates:
    """Statistics as flat vectors: a Gaussian's, and what degrees of freedom follow from.

    Of each component whose degrees of freedom are estimated, half the logarithm of
    ``sum r (E[u] - E[log u] - 1) / sum r``, which is nearly minus that of the degrees of freedom:
    of those the Fisher information is about a half per row.

    Parameters
    ----------
    gaussian : GaussianFamily
        Of the scale matrices.
    degrees : DegreesOfFreedom
    prior : GaussianPrior
    total : float
        Total weight of the rows.
    reference : StudentStatistics

    Raises
    ------
    numpy.linalg.LinAlgError
        If a scale matrix of the reference, or of what is encoded, is singular.
    """

    def __init__(
        self,
        gaussian: GaussianFamily,
        degrees: DegreesOfFreedom,
        prior: GaussianPrior,
        total: float,
        reference: StudentStatistics,
    ) -> None:
        self.estimated = degrees.given is None
        self.start = float(expected_log_scale(np.asarray(degrees.start)))
        self.gaussian = GaussianCoordinates(gaussian, prior, total, self._counted(reference))
        self.shares = np.sqrt(np.maximum(reference.weight, TINY) / (2.0 * total))

    @staticmethod
    def _counted(stats: StudentStatistics) -> GaussianStatistics:
        """Return the moments with the weights that scale matrices divide by."""
        return stats.scaled._replace(weight=stats.weight)

    def encode(self, stats: StudentStatistics) -> Array:
        vector = self.gaussian.encode(self._counted(stats))
        if not self.estimated:
            return vector
        mean = np.maximum(stats.surprise, TINY) / np.maximum(stats.weight, TINY)
        return np.concatenate([vector, self.shares * np.log(np.maximum(mean, TINY))])

    def decode(self, vector: Array) -> StudentStatistics | None:
        """Return statistics of given coordinates, with mean scales of 1, as they are at the end."""
        k = len(self.shares)
        gaussian = self.gaussian.decode(vector[:-k] if self.estimated else vector)
        if gaussian is None:
            return None
        surprise = np.full(k, -self.start)
        if self.estimated:
            with np.errstate(over="ignore"):
                surprise = np.exp(vector[-k:] / self.shares)
        if not np.isfinite(surprise).all():
            return None
        weight = gaussian.weight
        return StudentStatistics(weight, gaussian, -weight * surprise, np.zeros(k))
