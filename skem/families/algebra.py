"""Gaussian statistics: what sums become, and how they add up, merge and split.

Source: Chan, Golub & LeVeque 1983 for adding up scatter matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from skem.families.parameters import (
    TINY,
    Array,
    GaussianParameters,
    GaussianStatistics,
)
from skem.families.structure import CovarianceStructure
from skem.scoring import MomentScorer, Scorer, Sums

__all__ = ["GaussianAlgebra", "centre_by"]

Data = TypeVar("Data")
# The fields of these that a shared covariance has once for all components.
_COVARIANCE_FIELDS = ("scatter", "degrees_of_freedom", "divisor", "covariances", "factors")


def centre_by(
    kernel: Callable[..., None], points: Array, weight: Array, first: Array, second: Array
) -> GaussianStatistics:
    """Do as `GaussianAlgebra.centre` by a kernel, ``kernel(weight, first, second, mean, scatter)``.

    The moments are contiguous.
    """
    mean, scatter = np.empty_like(first), np.empty_like(second)
    kernel(weight, first, second, mean, scatter)
    if points.ndim:
        mean += points
    return GaussianStatistics(weight, mean, scatter)


@dataclass(frozen=True)
class GaussianAlgebra(CovarianceStructure):
    """Statistics of Gaussian components with any structure of their covariances."""

    def nothing(self, n_components: int, n_features: int) -> GaussianStatistics:
        mean = np.zeros((n_components, n_features))
        scatter = np.zeros_like(self.identity(n_components, n_features))
        return GaussianStatistics(np.zeros(n_components), mean, scatter)

    def statistics(self, scorer: Scorer, sums: Sums) -> GaussianStatistics:
        """Turn a scorer's sums into statistics."""
        parts = cast(MomentScorer, scorer).by_points(sums)
        result, *more = [self.centre(at, *self._moments(at, part)) for at, part in parts]
        for other in more:
            result = self.add(result, other)
        return result

    def _moments(self, points: Array, sums: Sums) -> tuple[Array, Array, Array]:
        """Return summed responsibilities, and first and second moments about the points."""
        if not points.ndim:
            return self.unpack(sums)
        weight, first, second = sums
        return weight, first, self.gather(second)

    def centre(
        self, points: Array, weight: Array, first: Array, second: Array
    ) -> GaussianStatistics:
        """Turn moments about points, (K, D) or (), into statistics."""
        shift = first / np.maximum(weight, TINY)[:, None]
        mean = points + shift if points.ndim else shift
        return GaussianStatistics(weight, mean, second - self.scatter_of(shift, weight))

    def add(self, a: GaussianStatistics, b: GaussianStatistics) -> GaussianStatistics:
        """Statistics of both sets of rows (Chan, Golub & LeVeque 1983)."""
        weight = a.weight + b.weight
        share = b.weight / np.maximum(weight, TINY)
        apart = b.mean - a.mean
        between = self.scatter_of(apart, a.weight * share)
        mean = a.mean + share[:, None] * apart
        return GaussianStatistics(weight, mean, a.scatter + b.scatter + between)

    def merge(self, stats: GaussianStatistics, a: int, b: int) -> GaussianStatistics:
        """Statistics when component ``a`` also has the rows of ``b``, and ``b`` none."""
        weight, mean, scatter = (values.copy() for values in stats)
        share = weight[b] / max(weight[a] + weight[b], TINY)
        apart = mean[b] - mean[a]
        between = self.scatter_of(apart[None], np.atleast_1d(weight[a] * share))
        mean[a] += share * apart
        weight[a], weight[b] = weight[a] + weight[b], 0.0
        if self.is_shared:
            return GaussianStatistics(weight, mean, scatter + between)
        scatter[a] += scatter[b] + between[0]
        scatter[b] = 0.0
        return GaussianStatistics(weight, mean, scatter)

    def split_into(
        self, stats: GaussianStatistics, parts: GaussianStatistics, split: int, free: int
    ) -> GaussianStatistics:
        """Statistics when a component's parts, 2k and 2k + 1, take its place and a free one."""
        two = self.take(parts, np.array([2 * split, 2 * split + 1]))
        weight, mean, scatter = (values.copy() for values in stats)
        places = [split, free]
        weight[places], mean[places] = two.weight, two.mean
        if self.is_shared:
            share = np.atleast_1d(np.prod(two.weight) / two.weight.sum())
            between = self.scatter_of((two.mean[1] - two.mean[0])[None], share)
            return GaussianStatistics(weight, mean, scatter - between)
        scatter[places] = two.scatter
        return GaussianStatistics(weight, mean, scatter)

    def scale(self, stats: GaussianStatistics, factor: float) -> GaussianStatistics:
        """Statistics of rows counted ``factor`` times."""
        return GaussianStatistics(factor * stats.weight, stats.mean, factor * stats.scatter)

    def expected(self, weights: Array, parameters: GaussianParameters) -> GaussianStatistics:
        """Statistics per unit of weight that rows of a mixture are expected to have."""
        shape = parameters.means.shape
        within = parameters.covariances - self.reg_covar * self.identity(*shape)
        if self.is_shared:
            share = np.asarray(1.0)
        else:
            share = weights.reshape((-1,) + (1,) * (within.ndim - 1))
        return GaussianStatistics(
            weights, parameters.means, self.squares_per_entry(shape[1]) * share * within
        )

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        """Return some of the components of statistics, a posterior or parameters, in an order."""
        of_all = _COVARIANCE_FIELDS if self.is_shared else ()
        plain: Any = data
        fields = plain._asdict().items()
        kept = {name: values[index] for name, values in fields if name not in of_all}
        result: Data = plain._replace(**kept)
        return result
