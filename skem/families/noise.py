"""Components of any family, and noise: one more component, of constant density (Banfield & Raftery
1993, "Model-based Gaussian and non-Gaussian clustering"; Fraley & Raftery 2002).

The noise is the last component wherever components are counted, in weights and statistics too;
parameters and posteriors are those of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skem.families.contract import hasty
from skem.families.parameters import Array
from skem.scoring import NoiseScorer, Scorer, Scores, Sums

__all__ = ["NoisyFamily", "NoisyStatistics"]


class NoisyStatistics(NamedTuple):
    """Expected sufficient statistics.

    Attributes
    ----------
    weight : ndarray of shape (K + 1,)
        Summed responsibilities, the noise's last.
    others : Statistics
        Those of the other components.
    log_density : float
        The noise's responsibilities times its log densities, in nats.
    """

    weight: Array
    others: Any
    log_density: float


@dataclass(frozen=True)
class NoisyFamily:
    """Components and noise; what is not defined here is asked of the other components' family.

    Parameters
    ----------
    others : Family
        That of the other components.
    log_widths : ndarray of shape (D,)
        Logarithms of the widths of the noise's box, in the units of the rows.
    """

    others: Any
    log_widths: Array

    def __getattr__(self, name: str) -> Any:
        if name == "others" or name.startswith("__"):  # not there yet, while it is unpickled
            raise AttributeError(name)
        return getattr(self.others, name)

    def in_units(self, scale: Array) -> Self:
        """Return the family for rows divided by ``scale`` (D,)."""
        return replace(self, log_widths=self.log_widths - np.log(scale))

    def for_rows(self, *args: Any, **options: Any) -> Self:
        return replace(self, others=self.others.for_rows(*args, **options))

    def with_gaps(self, start: Any) -> Self:
        return replace(self, others=self.others.with_gaps(start))

    def with_floor(self, floor: Array | None) -> Self:
        return replace(self, others=self.others.with_floor(floor))

    def parameters_that_overfit(self, n_components: int, n_features: int) -> int:
        return 0

    # --- rows -------------------------------------------------------------------------------

    def add_noise(self, scores: Scores, log_weight: float) -> NoiseScorer:
        """Return what scores the other components as ``scores`` do, and the noise."""
        components: Any = scores
        return NoiseScorer(components, float(log_weight), self.log_widths)

    def scorer(self, parameters: Any, log_weights: Array) -> Scorer:
        return self.add_noise(self.others.scorer(parameters, log_weights[:-1]), log_weights[-1])

    def expected_scorer(self, posterior: Any, parameters: Any, log_weights: Array) -> Scorer:
        others = self.others.expected_scorer(posterior, parameters, log_weights[:-1])
        return self.add_noise(others, log_weights[-1])

    def summer(self, n_components: int, n_features: int) -> Scorer:
        return self.add_noise(self.others.summer(n_components - 1, n_features), 0.0)

    def better_summer(
        self, stats: NoisyStatistics, scorer: NoiseScorer, parameters: Any
    ) -> Scorer | None:
        others = self.others.better_summer(stats.others, scorer.components, parameters)
        return None if others is None else replace(scorer, components=others)

    def without_rows(self, n_components: int, n_features: int) -> Any:
        return self.others.without_rows(n_components - 1, n_features)

    # --- statistics -------------------------------------------------------------------------

    def nothing(self, n_components: int, n_features: int) -> NoisyStatistics:
        others = self.others.nothing(n_components - 1, n_features)
        return NoisyStatistics(np.zeros(n_components), others, 0.0)

    def statistics(self, scorer: NoiseScorer, sums: Sums) -> NoisyStatistics:
        noise, log_density = sums[0]
        others = self.others.statistics(scorer.components, sums[1:])
        return NoisyStatistics(np.append(others.weight, noise), others, float(log_density))

    def add(self, a: NoisyStatistics, b: NoisyStatistics) -> NoisyStatistics:
        others = self.others.add(a.others, b.others)
        return NoisyStatistics(a.weight + b.weight, others, a.log_density + b.log_density)

    def hasten(
        self, old: NoisyStatistics, new: NoisyStatistics, blended: NoisyStatistics, rate: float
    ) -> NoisyStatistics:
        """Hasten those of the other components, if they are to be."""
        slow = hasty(self.others)
        if slow is None:
            return blended
        others = slow.hasten(old.others, new.others, blended.others, rate)
        return blended._replace(others=others)

    def scale(self, stats: NoisyStatistics, factor: float) -> NoisyStatistics:
        others = self.others.scale(stats.others, factor)
        return NoisyStatistics(factor * stats.weight, others, factor * stats.log_density)

    def take(self, data: Any, index: NDArray[np.intp]) -> Any:
        """Return some of the components; the index ends with the noise."""
        if not isinstance(data, NoisyStatistics):
            return self.others.take(data, index[:-1])
        others = self.others.take(data.others, index[:-1])
        return data._replace(weight=data.weight[index], others=others)

    def expected(self, weights: Array, parameters: Any) -> NoisyStatistics:
        others = self.others.expected(weights[:-1], parameters)
        density = -float(weights[-1] * self.log_widths.sum())
        return NoisyStatistics(weights, others, density)

    def _with(self, stats: NoisyStatistics, others: Any) -> NoisyStatistics:
        """Return statistics with others of the other components."""
        weight = np.append(others.weight, stats.weight[-1])
        return stats._replace(weight=weight, others=others)

    def merge(self, stats: NoisyStatistics, a: int, b: int) -> NoisyStatistics:
        return self._with(stats, self.others.merge(stats.others, a, b))

    def split_into(
        self, stats: NoisyStatistics, parts: Any, split: int, free: int
    ) -> NoisyStatistics:
        """Statistics when a component's parts, without noise, take its place and a free one."""
        return self._with(stats, self.others.split_into(stats.others, parts, split, free))

    def distances(self, stats: NoisyStatistics, component: int, parameters: Any) -> Array:
        result: Array = self.others.distances(stats.others, component, parameters)
        return result

    # --- estimates --------------------------------------------------------------------------

    def mode(self, stats: NoisyStatistics, prior: Any, previous: Any) -> Any:
        return self.others.mode(stats.others, prior, previous)

    def posterior(self, prior: Any, stats: NoisyStatistics) -> Any:
        return self.others.posterior(prior, stats.others)

    def log_likelihood(self, stats: NoisyStatistics, parameters: Any) -> float:
        others: float = self.others.log_likelihood(stats.others, parameters)
        return others + stats.log_density

    def expected_log_likelihood(
        self, stats: NoisyStatistics, posterior: Any, parameters: Any
    ) -> float:
        others: float = self.others.expected_log_likelihood(stats.others, posterior, parameters)
        return others + stats.log_density

    def coordinates(self, prior: Any, total: float, reference: NoisyStatistics) -> NoisyCoordinates:
        others = self.others.coordinates(prior, total, reference.others)
        return NoisyCoordinates(self, others, total, len(reference.weight) - 1)

    # --- what estimators ask ----------------------------------------------------------------

    @property
    def n_noise(self) -> int:
        """Number of components that are noise."""
        return 1


class NoisyCoordinates:
    """Statistics as flat vectors: the noise's share, then the other components' coordinates.

    These begin with the components' shares, as twice their root.

    Parameters
    ----------
    family : NoisyFamily
    others : Coordinates
    total : float
        Total weight of the rows.
    n_components : int
        Of the others.
    """

    def __init__(self, family: NoisyFamily, others: Any, total: float, n_components: int) -> None:
        self.family, self.others = family, others
        self.total, self.n_components = total, n_components

    def encode(self, stats: NoisyStatistics) -> Array:
        share = 2.0 * np.sqrt(max(stats.weight[-1], 0.0) / self.total)
        return np.append(share, self.others.encode(stats.others))

    def decode(self, vector: Array) -> NoisyStatistics | None:
        others = self.others.decode(vector[1:])
        if others is None:
            return None
        squares = np.square(vector[: self.n_components + 1])
        noise = float(squares[0] / squares.sum())
        if not np.isfinite(noise):
            return None
        others = self.family.others.scale(others, 1.0 - noise)
        weight = np.append(others.weight, noise * self.total)
        return NoisyStatistics(weight, others, -weight[-1] * float(self.family.log_widths.sum()))
