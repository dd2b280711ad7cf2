"""One kind of columns as a family of components, whose features are the kind's lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skem.families.kinds.contract import LineStatistics
from skem.families.parameters import Array
from skem.scoring import Scorer, Sums

__all__ = ["KindCoordinates", "KindFamily"]


class KindCoordinates(NamedTuple):
    """Statistics of a kind as flat vectors: twice the roots of weights, then the kind's own."""

    kind: Any
    total: float
    n_components: int

    def encode(self, stats: LineStatistics) -> Array:
        """Return the coordinates of statistics."""
        weights = 2.0 * np.sqrt(np.maximum(stats.weight, 0.0))
        own = self.kind.encode(stats)
        return np.concatenate([weights, own.ravel()]) / np.sqrt(self.total)

    def decode(self, vector: Array) -> LineStatistics | None:
        """Return the statistics of given coordinates, or None if no rows could have them."""
        k = self.n_components
        vector = vector * np.sqrt(self.total)
        weight = np.square(0.5 * vector[:k])
        weight *= self.total / weight.sum()
        result: LineStatistics | None = self.kind.decode(vector[k:].reshape(k, -1), weight)
        return result


@dataclass(frozen=True, eq=False)
class KindFamily:
    """A kind's components; see `skem.families.contract` and `skem.families.kinds.contract`.

    Numbers of features are those of the kind, whatever is asked for.

    Parameters
    ----------
    kind : Kind
    """

    kind: Any

    @property
    def floor(self) -> Array | None:
        """What no component is narrower than; None where nothing is held."""
        floor: Array | None = getattr(self.kind, "floor", None)
        return floor

    # --- rows -------------------------------------------------------------------------------

    def n_products(self, n_features: int) -> int:
        return int(self.kind.n_lines) + 1

    def units(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Read values as they are."""
        return np.zeros_like(mean), np.ones_like(deviation)

    def scorer(self, parameters: Any, log_weights: Array) -> Scorer:
        result: Scorer = self.kind.scorer(self.kind.coefficients(parameters), log_weights)
        return result

    def summer(self, n_components: int, n_features: int) -> Scorer:
        return self.scorer(self.kind.without_rows(n_components), np.zeros(n_components))

    def statistics(self, scorer: Scorer, sums: Sums) -> LineStatistics:
        result: LineStatistics = self.kind.statistics(sums[0][:-1], sums[0][-1])
        return result

    def better_summer(self, stats: Any, scorer: Scorer, parameters: Any) -> None:
        """Return None: lines are summed as they are."""
        return

    # --- statistics and parameters ----------------------------------------------------------

    def nothing(self, n_components: int, n_features: int) -> LineStatistics:
        result: LineStatistics = self.kind.nothing(n_components)
        return result

    def add(self, a: LineStatistics, b: LineStatistics) -> LineStatistics:
        result: LineStatistics = self.kind.add(a, b)
        return result

    def scale(self, stats: LineStatistics, factor: float) -> LineStatistics:
        result: LineStatistics = self.kind.scale(stats, factor)
        return result

    def take(self, data: Any, index: NDArray[np.intp]) -> Any:
        return self.kind.take(data, index)

    def merge(self, stats: LineStatistics, a: int, b: int) -> LineStatistics:
        result: LineStatistics = self.kind.merge(stats, a, b)
        return result

    def split_into(
        self, stats: LineStatistics, parts: LineStatistics, split: int, free: int
    ) -> LineStatistics:
        result: LineStatistics = self.kind.split_into(stats, parts, split, free)
        return result

    def with_seen_lines(self, stats: LineStatistics) -> LineStatistics:
        """Return statistics as they are where any cell may be missing."""
        if not self.kind.counts_seen or self.kind.has_seen_lines:
            return stats
        return LineStatistics(stats.weight, np.hstack([stats.sums, self.kind.seen(stats)]))

    def mode(self, stats: LineStatistics, prior: LineStatistics, previous: Any) -> Any:
        return self.kind.mode(stats, prior, previous)

    def log_likelihood(self, stats: LineStatistics, parameters: Any) -> float:
        return float(self.kind.log_likelihood(stats, parameters))

    def log_prior(self, parameters: Any, prior: LineStatistics) -> float:
        return float(self.kind.log_prior(parameters, prior))

    def flat_prior(self, n_features: int) -> LineStatistics:
        """Return no pseudo-rows."""
        return self.nothing(1, n_features)

    def without_rows(self, n_components: int, n_features: int) -> Any:
        return self.kind.without_rows(n_components)

    def parameters_that_overfit(self, n_components: int, n_features: int) -> int:
        return 0

    def rows_needed(self, n_features: int) -> int:
        """One row has parameters."""
        return 1

    def distances(self, stats: LineStatistics, component: int, parameters: Any) -> Array:
        result: Array = self.kind.distances(stats, component, parameters)
        return result

    def coordinates(self, prior: Any, total: float, reference: LineStatistics) -> KindCoordinates:
        return KindCoordinates(self.kind, total, len(reference.weight))

    # --- posteriors -------------------------------------------------------------------------

    def posterior(self, prior: Any, stats: LineStatistics) -> Any:
        return self.kind.posterior(prior, stats)

    def expected_parameters(self, posterior: Any) -> Any:
        return self.kind.expected_parameters(posterior)

    def expected_scorer(self, posterior: Any, parameters: Any, log_weights: Array) -> Scorer:
        linear = self.kind.expected_coefficients(posterior)
        result: Scorer = self.kind.scorer(linear, log_weights)
        return result

    def expected_log_likelihood(
        self, stats: LineStatistics, posterior: Any, parameters: Any
    ) -> float:
        return float(self.kind.expected_log_likelihood(stats, posterior))

    def divergence(self, posterior: Any, parameters: Any, prior: Any) -> float:
        return float(self.kind.divergence(posterior, prior))

    # --- what estimators ask ----------------------------------------------------------------

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return int(self.kind.n_parameters(n_components))

    def sample(
        self, parameters: Any, labels: NDArray[np.int64], rng: np.random.RandomState
    ) -> Array:
        result: Array = self.kind.sample(parameters, labels, rng)
        return result

    @property
    def has_gaps(self) -> bool:
        """Whether something completes rows before there are parameters: nothing has to."""
        return False

    def for_rows(self, X: NDArray[np.floating], *, gappy: bool, more: bool = False) -> Self:
        """Return the family whose kind has lines for missing cells, if there may be any."""
        return replace(self, kind=self.kind.for_values(X, more=more))

    def with_gaps(self, start: Any) -> Self:
        """Return the family: there is no start to change."""
        return self

    def typical_units(self, weights: Array, parameters: Any) -> tuple[Array, Array]:
        return np.zeros(self.kind.n_columns), np.ones(self.kind.n_columns)

    def standardise(self, parameters: Any, origin: Array, scale: Array) -> Any:
        """Return the parameters: values are read as they are."""
        return parameters

    restore = standardise

    def regularised(self) -> Self:
        return self

    def with_floor(self, floor: Array | None) -> Self:
        return replace(self, kind=self.kind.with_floor(floor))

    def find_floor(self, variances: Array, one: Any) -> Array | None:
        floor: Array | None = self.kind.floor_below(variances, one)
        return floor

    def related_columns(self, n_features: int) -> NDArray[np.bool_]:
        return np.zeros((n_features, n_features), dtype=bool)

    def values_by_decree(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.zeros_like(constant)

    def log_prior_jacobian(self, prior: Any, log_scale: Array, n_components: int) -> float:
        return 0.0
