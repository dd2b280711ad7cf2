"""Scores and sums of tables with missing cells: complete rows as ever, the others exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from skem import kernels
from skem.engine import Tile, TilePlan, aligned
from skem.kernels.arguments import GapSpace
from skem.scoring.scorer import (
    Array,
    Assigning,
    MomentScorer,
    Sums,
    normalise,
    responsibilities,
)

__all__ = ["DenseGaps", "DiagonalGaps", "GapModel", "GapScorer", "MakeRoom", "Room"]


class Room(NamedTuple):
    """Scratch of a `GapScorer`.

    Attributes
    ----------
    complete : Any
        That of the scorer of complete rows.
    gaps : GapSpace
    heights : ndarray of shape (n_components, n_places)
    """

    complete: Any
    gaps: GapSpace
    heights: Array


class GapModel(Protocol):
    """Gaussian components as rows with gaps meet them."""

    @property
    def centres(self) -> Array:
        """Means, (K, D)."""

    def distances(self, tile: Tile, room: Room) -> None:
        """Fill ``tile.scores`` with minus half the squared distances of the seen cells.

        And ``room.heights`` with what a segment's log densities have less at their centre than
        those of whole rows, in nats.
        """

    def zeros(self) -> Sums:
        """Return the sums of no rows: weight, first and second moments about the centres."""

    def accumulate(self, tile: Tile, room: Room, sums: Sums) -> None:
        """Add a tile's expected sums, given its responsibilities."""

    def add_covariances(self, tile: Tile, room: Room, shares: Array, sums: Sums) -> None:
        """Add the conditional covariances of a tile's missing cells to the second moments.

        ``shares`` (n_segments, n_components) says how often.
        """


@dataclass(frozen=True)
class _Precisions:
    """Components with precisions; a subclass says which kernels read them."""

    centres: Array
    precisions: Array

    @property
    def _kernels(self) -> tuple[Callable[..., None], ...]:
        """What writes distances, what adds up sums, and what adds covariances of missing cells."""
        raise NotImplementedError

    def distances(self, tile: Tile, room: Room) -> None:
        assert tile.gaps is not None
        self._kernels[0](
            tile.values,
            *tile.gaps,
            self.centres,
            self.precisions,
            room.gaps,
            tile.scores,
            room.heights,
        )

    def zeros(self) -> Sums:
        return (
            np.zeros(len(self.centres)),
            np.zeros_like(self.centres),
            np.zeros_like(self.precisions),
        )

    def accumulate(self, tile: Tile, room: Room, sums: Sums) -> None:
        assert tile.gaps is not None
        self._kernels[1](
            tile.values,
            *tile.gaps,
            self.centres,
            self.precisions,
            tile.resp,
            room.gaps,
            *sums,
        )

    def add_covariances(self, tile: Tile, room: Room, shares: Array, sums: Sums) -> None:
        assert tile.gaps is not None
        self._kernels[2](tile.gaps.missing, self.precisions, shares, room.gaps, sums[-1])


class DenseGaps(_Precisions):
    """Components with precision matrices.

    Parameters
    ----------
    centres : ndarray of shape (n_components, n_features)
    precisions : ndarray of shape (n_components, n_features, n_features)
    """

    @property
    def _kernels(self) -> tuple[Callable[..., None], ...]:
        covariances = kernels.latent_scales.add_gap_covariances
        return kernels.gaps.gap_distances, kernels.gaps.gap_sums, covariances


class DiagonalGaps(_Precisions):
    """Components with a precision for each feature.

    Parameters
    ----------
    centres, precisions : ndarray of shape (n_components, n_features)
    """

    @property
    def _kernels(self) -> tuple[Callable[..., None], ...]:
        distances, sums = kernels.gaps.gap_diagonal_distances, kernels.gaps.gap_diagonal_sums
        return distances, sums, kernels.latent_scales.add_gap_variances


@dataclass(frozen=True)
class MakeRoom:
    """Makes the scratch; equal where the complete scorers' scratch is of one kind."""

    complete: Callable[[TilePlan], Any]

    def __call__(self, plan: TilePlan) -> Room:
        d, rows = plan.n_features, plan.projected_rows
        gaps = GapSpace(
            np.empty(d, np.int64),
            np.empty(d, np.int64),
            aligned(d, d),
            aligned(d, d),
            aligned(d * rows),
            aligned(d * rows),
            aligned(d * d),
            aligned(d, d),
        )
        return Room(self.complete(plan), gaps, aligned(plan.n_components, plan.n_places))


@dataclass(frozen=True)
class GapScorer(Assigning):
    """Scores complete tiles by one scorer, and tiles with gaps by the marginal densities.

    Sums: those of the first, and moments about the centres of the rows in tiles with gaps.

    Parameters
    ----------
    complete : Scorer
    model : GapModel
        The same components.
    constants : ndarray of shape (n_components,)
        Log weights and log densities of a whole row at the means, in nats.
    """

    complete: MomentScorer
    model: GapModel
    constants: Array

    @property
    def space(self) -> Callable[[TilePlan], Room]:
        """Scratch of both kinds of tiles."""
        return MakeRoom(self.complete.space)

    @property
    def summed_about(self) -> Array:
        """Where complete rows are summed about."""
        return self.complete.summed_about

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        return (*self.complete.by_points(sums[:-3]), (self.model.centres, sums[-3:]))

    def with_summer(self, summer: MomentScorer) -> GapScorer:
        """Return the same scorer with other sums of complete rows.

        Gaps are filled as before: by the components that rows were scored by.
        """
        return replace(self, complete=summer)

    def with_hard_assignments(self) -> GapScorer:
        return replace(self, hard=True, complete=self.complete.with_hard_assignments())

    def add_constants(self, log_weights: Array) -> GapScorer:
        complete = self.complete.add_constants(log_weights)
        return replace(self, complete=complete, constants=self.constants + log_weights)

    def score(self, tile: Tile, space: Room) -> None:
        if tile.gaps is None:
            self.complete.score(tile, space.complete)
            return
        self.model.distances(tile, space)
        kernels.gaps.add_heights(tile.gaps.first, self.constants, space.heights, tile.scores)

    def normalise(self, tile: Tile, space: Room) -> float:
        if tile.gaps is None:
            return self.complete.normalise(tile, space.complete)
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        return (*self.complete.zeros(), *self.model.zeros())

    def accumulate(self, tile: Tile, space: Room, sums: Sums) -> None:
        if tile.gaps is None:
            self.complete.accumulate(tile, space.complete, sums[:-3])
        else:
            self.model.accumulate(tile, space, sums[-3:])

    def expect(self, tile: Tile, space: Room, sums: Sums) -> float:
        if tile.gaps is None:
            return self.complete.expect(tile, space.complete, sums[:-3])
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total
