"""How Gaussian components meet rows: units, scorers, and gaps in the rows.

Shapes: K components, D features.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from skem.families.algebra import GaussianAlgebra
from skem.families.filling import fill_gaps
from skem.families.parameters import Array, GaussianParameters, GaussianStatistics
from skem.scoring import DenseGaps, DiagonalGaps, MomentScorer, Scorer, gap_scorer

__all__ = ["LOG_2PI", "GaussianRows"]


def _average(values: Array, weights: Array) -> Array:
    """Average lines (K, n) by weights (K,), which are all zero if every row is noise."""
    if not weights.any():
        weights = np.ones_like(weights)
    result: Array = (weights[:, None] * values).sum(axis=0) / weights[:, None].sum(axis=0)
    return result


LOG_2PI = float(np.log(2 * np.pi))

# The packed forms lose digits in proportion to (distance from the origin / width)^2. Above this
# ratio, where about 1e-10 nats would be lost, components are scored about their own means.
MOST_CANCELLATION = 1e6


class _Latest(threading.local):
    """The cancellation of the parameters that were asked for last: each iteration asks twice."""

    def __init__(self) -> None:
        self._arrays: tuple[Any, ...] = ()
        self._value = 0.0

    def of(
        self, cancellation: Callable[[GaussianParameters], float], parameters: GaussianParameters
    ) -> float:
        """Return ``cancellation(parameters)``; arrays are told apart by identity, and not kept."""
        means, _, factors = parameters
        if not self._arrays or self._arrays[0]() is not means or self._arrays[1]() is not factors:
            self._value = cancellation(parameters)
            self._arrays = weakref.ref(means), weakref.ref(factors)
        return self._value


_LATEST = _Latest()


@dataclass(frozen=True)
class GaussianRows(GaussianAlgebra):
    """Gaussian components with any structure of their covariances, as rows meet them."""

    # Returns what completes rows with missing cells before there are parameters; None: none are
    # missing.
    gap_start: Callable[[], GaussianParameters] | None = field(
        default=None, kw_only=True, compare=False
    )

    def n_products(self, n_features: int) -> int:
        return len(self.pairs(n_features)[0])

    def units(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Choose means and standard deviations; one common scale where the structure needs it.

        A column that does not vary has a scale of 1. A common scale is the root of the mean square
        of all deviations.
        """
        if not self.one_scale:
            return mean, np.where(deviation > 0, deviation, 1.0)
        largest = deviation.max()
        common = largest * np.sqrt(np.mean(np.square(deviation / largest))) if largest > 0 else 1.0
        return mean, np.full_like(deviation, common)

    def typical_units(self, weights: Array, parameters: GaussianParameters) -> tuple[Array, Array]:
        # About one of the means: where all agree, the origin is theirs to the last bit.
        means = parameters.means
        origin = means[0] + _average(means - means[0], weights)
        return origin, self.typical_scale(weights, parameters)

    def typical_scale(self, weights: Array, parameters: GaussianParameters) -> Array:
        n_features = parameters.means.shape[1]
        diagonal = np.atleast_2d(self.precision_diagonal(parameters.factors, n_features))
        share = weights if len(diagonal) > 1 else np.ones(1)
        result = np.empty(n_features)
        result[:] = 1.0 / np.sqrt(_average(diagonal, share))
        return result

    def scorer(self, parameters: GaussianParameters, log_weights: Array) -> Scorer:
        """Make the packed form, or the centred one where the packed one would lose digits."""
        return self._scorer(parameters, log_weights + self.log_height(parameters), log_weights)

    def distance_scorer(self, parameters: GaussianParameters) -> MomentScorer:
        """Make the scorer of minus half the squared Mahalanobis distances."""
        nothing = np.zeros(len(parameters.means))
        return self._scorer(parameters, nothing, nothing)

    def log_height(self, parameters: GaussianParameters) -> Array:
        """Log density at the mean, in nats: (K,), or () for a shared covariance."""
        n_features = parameters.means.shape[1]
        return self.log_det_factors(parameters.factors, n_features) - 0.5 * n_features * LOG_2PI

    def _scorer(
        self, parameters: GaussianParameters, constants: Array, nothing_seen: Array
    ) -> MomentScorer:
        """Make a scorer by what rows at the means score, and rows with nothing seen, (K,)."""
        narrow = _LATEST.of(self.cancellation, parameters) > MOST_CANCELLATION
        make = self.centred_scorer if narrow else self.packed_scorer
        complete = make(parameters, constants)
        if self.gap_start is None:
            return complete
        return gap_scorer(complete, self.gap_model(parameters), constants, nothing_seen)

    def with_gaps(self, start: Callable[[], GaussianParameters]) -> Self:
        """Return the family for tables with missing cells.

        Parameters
        ----------
        start : callable
            Returns the parameters of one component, by which rows are completed where parameters
            are not known yet. It is called where that is so.
        """
        return replace(self, gap_start=start)

    @property
    def has_gaps(self) -> bool:
        """Whether cells may be missing."""
        return self.gap_start is not None

    @property
    def maker(self) -> None:
        """Rows are the lines that tiles are loaded with."""
        return

    def for_rows(self, X: NDArray[np.floating], *, gappy: bool, more: bool = False) -> Self:
        return self.with_gaps(partial(self.without_rows, 1, X.shape[1])) if gappy else self

    def standardise(
        self, parameters: GaussianParameters, origin: Array, scale: Array
    ) -> GaussianParameters:
        moved = parameters._replace(means=parameters.means - origin)
        return self.rescale(moved, 1.0 / scale)

    def restore(
        self, parameters: GaussianParameters, origin: Array, scale: Array
    ) -> GaussianParameters:
        scaled = self.rescale(parameters, scale)
        return scaled._replace(means=scaled.means + origin)

    def gap_model(self, parameters: GaussianParameters) -> DenseGaps | DiagonalGaps:
        """Make what meets rows with missing cells."""
        centres = np.ascontiguousarray(parameters.means)
        precisions = self.precisions(parameters.factors)
        if self.has_matrices:
            matrices = precisions if precisions.ndim == 3 else precisions[None]
            return DenseGaps(centres, np.ascontiguousarray(matrices))
        if precisions.ndim == 1:
            precisions = precisions[:, None]
        return DiagonalGaps(
            centres, np.ascontiguousarray(np.broadcast_to(precisions, centres.shape))
        )

    def fill(self, rows: Array) -> Array:
        """Put conditional means under `gap_start` into missing cells (NaN) of rows (n, D)."""
        if self.gap_start is None:
            return rows
        means, covariances, _ = self.gap_start()
        return fill_gaps(rows, means[0], self.dense(covariances, *means.shape)[0])

    def summer(self, n_components: int, n_features: int) -> MomentScorer:
        """Make a scorer that is good for summing statistics about the origin only."""
        unit, constants = self.without_rows(n_components, n_features), np.zeros(n_components)
        complete = self.packed_scorer(unit, constants)
        if self.gap_start is None:
            return complete
        copies = self.take(self.gap_start(), np.zeros(n_components, np.intp))
        return gap_scorer(complete, self.gap_model(copies), constants, constants)

    def better_summer(
        self,
        stats: GaussianStatistics,
        scorer: Scorer,
        parameters: GaussianParameters | None,
    ) -> Scorer | None:
        """Make a scorer about the new means, where components are so narrow that it is needed."""
        moments = cast(MomentScorer, scorer)
        if parameters is not None:
            moved, points = parameters, moments.summed_about
            if points.ndim:
                moved = parameters._replace(means=parameters.means - points)
            if _LATEST.of(self.cancellation, moved) <= MOST_CANCELLATION:
                return None
        unit = self.identity(*stats.mean.shape)
        about = GaussianParameters(stats.mean, unit, unit)
        summer = self.centred_scorer(about, np.zeros(len(stats.mean)))
        return moments.with_summer(summer)

    def without_rows(self, n_components: int, n_features: int) -> GaussianParameters:
        unit = self.identity(n_components, n_features)
        return GaussianParameters(np.zeros((n_components, n_features)), unit, unit)
