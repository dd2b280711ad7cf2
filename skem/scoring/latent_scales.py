"""Student's t densities whose rows have latent scales: scores, and sums that the scales weigh.

A row of a t distribution is one of a Gaussian whose covariance is divided by a scale u, drawn from
``Gamma(df / 2, df / 2)`` (Peel & McLachlan 2000, "Robust mixture modelling using the t
distribution"). So an E-step finds the scales' posteriors besides the components', and moments are
summed with responsibilities times expected scales.

Sums: an array of shape (3, K), then a Gaussian scorer's. The first has the summed responsibilities
r, ``r E[log u]``, and r times the entropies of the scales' posteriors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from skem import kernels
from skem.engine import Tile, TilePlan, aligned
from skem.scoring.gaps import GapScorer
from skem.scoring.linear_gaps import LinearGapScorer
from skem.scoring.scorer import (
    Array,
    Assigning,
    MomentScorer,
    Sums,
    normalise,
    responsibilities,
)

__all__ = ["GapLatentScaleScorer", "LatentScaleScorer", "UnknownScaleScorer", "gamma_entropy"]


def gamma_entropy(shape: Array, rate: Array) -> Array:
    """Entropy of gamma distributions, in nats (Bishop 2006, B.31)."""
    result: Array = shape - np.log(rate) + gammaln(shape) + (1.0 - shape) * digamma(shape)
    return result


class ScaleRoom(NamedTuple):
    """Scratch of a `LatentScaleScorer`.

    Attributes
    ----------
    distances, moments : Any
        That of its two scorers.
    scales, tails : ndarray of shape (n_components, n_places)
    """

    distances: Any
    moments: Any
    scales: Array
    tails: Array


@dataclass(frozen=True)
class MakeScaleRoom:
    """Makes the scratch; equal where that of both scorers is of one kind."""

    distances: Callable[[TilePlan], Any]
    moments: Callable[[TilePlan], Any]

    def __call__(self, plan: TilePlan) -> ScaleRoom:
        shape = plan.n_components, plan.n_places + 8
        distances = self.distances(plan)
        moments = distances if self.moments == self.distances else self.moments(plan)
        return ScaleRoom(distances, moments, aligned(*shape), aligned(*shape))


class Segments(NamedTuple):
    """The rows of a tile by how many of their cells are seen; see `scale_steps`."""

    first: NDArray[np.int64]
    seen: NDArray[np.int64]
    levels: Array


@dataclass(frozen=True)
class LatentScaleScorer(Assigning):
    """Multivariate Student's t, with what an E-step finds of the rows' latent scales.

    Parameters
    ----------
    distances : Scorer
        Scores minus half the squared Mahalanobis distances.
    moments : Scorer
        Sums the moments: the same, or one about other points.
    constants : ndarray of shape (n_components, n_features + 1)
        Log weights and log densities at the centre by the number of seen cells, in nats.
    freedom : ndarray of shape (n_components,)
        Degrees of freedom.
    """

    distances: MomentScorer
    moments: MomentScorer
    constants: Array
    freedom: Array

    @property
    def space(self) -> Callable[[TilePlan], ScaleRoom]:
        """Scratch of both scorers, and room for the scales."""
        return MakeScaleRoom(self.distances.space, self.moments.space)

    @property
    def summed_about(self) -> Array:
        """Where moments are summed about."""
        return self.moments.summed_about

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        return self.moments.by_points(sums[1:])

    def with_summer(self, summer: MomentScorer) -> LatentScaleScorer:
        return replace(self, moments=self.moments.with_summer(summer))

    def add_constants(self, log_weights: Array) -> LatentScaleScorer:
        return replace(self, constants=self.constants + log_weights[:, None])

    def score(self, tile: Tile, space: ScaleRoom) -> None:
        self._find_scales(tile, space)

    def normalise(self, tile: Tile, space: ScaleRoom) -> float:
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        return (np.zeros((3, len(self.freedom))), *self.moments.zeros())

    def accumulate(self, tile: Tile, space: ScaleRoom, sums: Sums) -> None:
        self._add(tile, space, self._find_scales(tile, space), sums)

    def expect(self, tile: Tile, space: ScaleRoom, sums: Sums) -> float:
        total = self.normalise(tile, space)
        responsibilities(tile)
        self._add(tile, space, self._segments(tile, space), sums)
        return total

    def expected_scales(self, tile: Tile, space: ScaleRoom, out: Array) -> None:
        """Write each row's expected scale, over all components, to ``out`` (n_rows,)."""
        self.normalise(tile, space)
        responsibilities(tile)
        n = tile.n_rows
        np.einsum("nk,kn->n", tile.resp[:n], space.scales[:, :n], out=out)
        out /= tile.weights[:n]

    def _find_scales(self, tile: Tile, space: ScaleRoom) -> Segments:
        """Score a tile, and leave the scales' posteriors in the space."""
        self._write_distances(tile, space)
        segments = self._segments(tile, space)
        kernels.latent_scales.scale_steps(
            *segments, self.freedom, tile.scores, space.scales, space.tails
        )
        return segments

    def _write_distances(self, tile: Tile, space: ScaleRoom) -> None:
        self.distances.score(tile, space.distances)

    def _segments(self, tile: Tile, space: ScaleRoom) -> Segments:
        n_features = self.constants.shape[1] - 1
        return Segments(
            np.array([0, tile.n_rows]), np.array([n_features]), self.constants[:, -1:].copy()
        )

    def _add(self, tile: Tile, space: ScaleRoom, segments: Segments, sums: Sums) -> None:
        """Add a tile's sums, given its responsibilities; these are multiplied by the scales."""
        spread = np.zeros((len(segments.seen), len(self.freedom)))
        kernels.latent_scales.weigh_by_scales(
            segments.first,
            segments.seen,
            *self._tables,
            space.scales,
            space.tails,
            tile.resp,
            sums[0],
            spread,
        )
        self._add_moments(tile, space, spread, sums[1:])

    def _add_moments(self, tile: Tile, space: ScaleRoom, spread: Array, sums: Sums) -> None:
        self.moments.accumulate(tile, space.moments, sums)

    @cached_property
    def _tables(self) -> tuple[Array, Array]:
        """Return expected logs and entropies of scales at the centre, by seen cells: (K, D + 1)."""
        n_features = self.constants.shape[1] - 1
        seen, half = np.arange(n_features + 1), 0.5 * self.freedom[:, None]
        shape = half + 0.5 * seen
        logs = digamma(shape) - np.log(half)
        return logs, gamma_entropy(shape, half) - 0.5 * (n_features - seen) * logs


@dataclass(frozen=True)
class GapLatentScaleScorer(LatentScaleScorer):
    """The same for tables with missing cells: by the marginal densities of the seen cells.

    A marginal of a multivariate t has the same degrees of freedom, and the seen block of the scale
    matrix (Kotz & Nadarajah 2004, section 1.10). Given the scale, the missing cells are Gaussian.

    Parameters
    ----------
    distances, moments : GapScorer or LinearGapScorer
    constants, freedom
        As for `LatentScaleScorer`.
    """

    distances: GapScorer | LinearGapScorer
    moments: GapScorer | LinearGapScorer

    def with_summer(self, summer: MomentScorer) -> GapLatentScaleScorer:
        return replace(self, moments=self.moments.with_summer(summer))

    def _write_distances(self, tile: Tile, space: ScaleRoom) -> None:
        self.distances.distances(tile, space.distances)

    def _segments(self, tile: Tile, space: ScaleRoom) -> Segments:
        if tile.gaps is None:
            return super()._segments(tile, space)
        first, missing = tile.gaps
        lost = np.count_nonzero(missing, axis=1)
        seen = missing.shape[1] - lost
        # Without the 2 pi of a Gaussian's missing cells.
        heights = self.distances.heights(tile, space.distances) - 0.5 * lost * np.log(2.0 * np.pi)
        levels = np.ascontiguousarray(self.constants[:, seen] + heights * (seen > 0))
        return Segments(first, seen.astype(np.int64), levels)

    def _add_moments(self, tile: Tile, space: ScaleRoom, spread: Array, sums: Sums) -> None:
        self.moments.accumulate(tile, space.moments, sums)
        if tile.gaps is not None:
            # Summed with r E[u]; but of u times a covariance that is divided by u, r is left.
            self.moments.add_covariances(tile, space.moments, spread, sums)


@dataclass(frozen=True)
class UnknownScaleScorer:
    """Sums rows of which no scales are known yet: each has the prior of some degrees of freedom.

    Parameters
    ----------
    moments : Scorer
    n_components : int
    expected_log, entropy : float
        Of that prior; its mean is 1.
    """

    moments: MomentScorer
    n_components: int
    expected_log: float
    entropy: float

    @property
    def space(self) -> Callable[[TilePlan], Any]:
        """That of the moments."""
        return self.moments.space

    @property
    def summed_about(self) -> Array:
        """Where moments are summed about."""
        return self.moments.summed_about

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        return self.moments.by_points(sums[1:])

    def with_summer(self, summer: MomentScorer) -> UnknownScaleScorer:
        return replace(self, moments=self.moments.with_summer(summer))

    def with_hard_assignments(self) -> UnknownScaleScorer:
        return replace(self, moments=self.moments.with_hard_assignments())

    def add_constants(self, log_weights: Array) -> UnknownScaleScorer:
        return replace(self, moments=self.moments.add_constants(log_weights))

    def score(self, tile: Tile, space: Any) -> None:
        self.moments.score(tile, space)

    def normalise(self, tile: Tile, space: Any) -> float:
        return self.moments.normalise(tile, space)

    def zeros(self) -> Sums:
        return (np.zeros((3, self.n_components)), *self.moments.zeros())

    def accumulate(self, tile: Tile, space: Any, sums: Sums) -> None:
        resp = tile.resp[: tile.n_rows]
        sums[0][:] += np.outer([1.0, self.expected_log, self.entropy], resp.sum(axis=0))
        if tile.gaps is not None:
            first, missing = tile.gaps
            lost = np.repeat(np.count_nonzero(missing, axis=1), np.diff(first))
            sums[0][2] -= 0.5 * self.expected_log * (lost @ resp)
        self.moments.accumulate(tile, space, sums[1:])

    def expect(self, tile: Tile, space: Any, sums: Sums) -> float:
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total
