"""Scores and sums of tables with missing cells: complete rows as ever, the others exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from skem import kernels
from skem.engine import Tile, TilePlan, aligned
from skem.kernels.arguments import GapBatch, GapModel, GapSpace
from skem.kernels.steps import LEVEL, SCORE, SUM
from skem.scoring.scorer import Array, Assigning, MomentScorer, Sums

__all__ = ["DenseGaps", "DiagonalGaps", "GapScorer", "MakeRoom", "Room", "ScorerWithGaps"]

Complete = TypeVar("Complete", bound=MomentScorer)
Model = TypeVar("Model")

# Rows of a block, of which all components' completions are held at a time: 320 KB where possible.
_VALUES = 40_960
_LEAST_ROWS, _MOST_ROWS = 32, 256
# Gaps that are inverted at a time: 1 MB for all components where possible.
_INVERSES = 131_072
_LEAST_LANES, _MOST_LANES = 8, 56


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


@dataclass(frozen=True)
class _Precisions:
    """Components with precisions; a subclass says which kernels read them.

    Moments are summed about the centres, or about other points, (n_components, n_features).
    """

    centres: Array
    precisions: Array
    about: Array | None = field(default=None, kw_only=True)

    @property
    def summed_about(self) -> Array:
        """The points that moments are summed about."""
        return self.centres if self.about is None else self.about

    @property
    def n_matrices(self) -> int:
        """Number of matrices of precisions."""
        return 0

    @property
    def _steps(self) -> Callable[..., float]:
        raise NotImplementedError

    @property
    def _add_covariances(self) -> Callable[..., None]:
        raise NotImplementedError

    def zeros(self) -> Sums:
        """Return the sums of no rows: weight, first and second moments."""
        n_components = len(self.centres)
        second = (n_components, *self.precisions.shape[1:])
        return np.zeros(n_components), np.zeros_like(self.centres), np.zeros(second)

    def distances(self, tile: Tile, room: Room) -> None:
        """Fill ``tile.scores`` with minus half the squared distances of the seen cells.

        And ``room.heights`` with what a segment's log densities have more at their centre than
        those of whole rows, in nats.
        """
        self.take_steps(SCORE, tile, room, self._no_levels, self._nothing)

    def accumulate(self, tile: Tile, room: Room, sums: Sums) -> None:
        """Add a tile's expected sums, given its responsibilities."""
        self.take_steps(SUM, tile, room, self._no_levels, sums)

    def add_covariances(self, tile: Tile, room: Room, shares: Array, sums: Sums) -> None:
        """Add the conditional covariances of a tile's missing cells to the second moments.

        ``shares`` (n_segments, n_components) says how often.
        """
        assert tile.gaps is not None
        self._add_covariances(tile.gaps.missing, self.precisions, shares, room.gaps, sums[-1])

    def take_steps(self, steps: int, tile: Tile, room: Room, levels: Array, sums: Sums) -> float:
        """Take steps with a tile; see `skem.kernels.gaps.gap_steps`.

        Parameters
        ----------
        steps : int
        tile : Tile
            With gaps.
        room : Room
        levels : ndarray of shape (n_components, n_features + 1)
            See `skem.kernels.arguments.GapModel`.
        sums : tuple of ndarray
            As `zeros` makes them.

        Returns
        -------
        total : float
            The tile's sum of weighted log normalisers, in nats.
        """
        model = GapModel(self.centres, self.precisions, levels, self.summed_about)
        return self._steps(
            steps, tile.lines, tile.n_rows, tile.gaps, model, room.gaps, room.heights, *sums
        )

    @cached_property
    def _no_levels(self) -> Array:
        n_components, n_features = self.centres.shape
        return np.zeros((n_components, n_features + 1))

    @cached_property
    def _nothing(self) -> Sums:
        """Stands for sums where none are made."""
        return self.zeros()


class DenseGaps(_Precisions):
    """Components with precision matrices.

    Parameters
    ----------
    centres : ndarray of shape (n_components, n_features)
    precisions : ndarray of shape (n_components, n_features, n_features)
        Or one for all components, (1, n_features, n_features).
    """

    @property
    def n_matrices(self) -> int:
        return len(self.precisions)

    @property
    def _steps(self) -> Callable[..., float]:
        return kernels.gaps.gap_steps

    @property
    def _add_covariances(self) -> Callable[..., None]:
        return kernels.latent_scales.add_gap_covariances


class DiagonalGaps(_Precisions):
    """Components with a precision for each feature.

    Parameters
    ----------
    centres, precisions : ndarray of shape (n_components, n_features)
    """

    @property
    def _steps(self) -> Callable[..., float]:
        return kernels.diagonal_gaps.gap_diagonal_steps

    @property
    def _add_covariances(self) -> Callable[..., None]:
        return kernels.latent_scales.add_gap_variances


def make_batch(n_matrices: int, n_features: int) -> GapBatch:
    """Make room for gaps that are inverted side by side, of so many matrices."""
    k, d = n_matrices, n_features if n_matrices else 0
    pairs = d * (d + 1) // 2
    lanes = min(max(_INVERSES // max(k * pairs, 1) // 8 * 8, _LEAST_LANES), _MOST_LANES)
    return GapBatch(
        np.empty((d, lanes), np.int64),
        np.empty((pairs, lanes), np.int64),
        np.empty(lanes, np.int64),
        np.empty(lanes, np.int64),
        np.empty(lanes, np.int64),
        aligned(k, pairs, lanes),
        aligned(d, lanes),
        aligned(d, lanes),
        aligned(d, lanes),
        aligned(lanes),
        aligned(lanes),
        aligned(k, lanes),
    )


@dataclass(frozen=True)
class MakeRoom:
    """Makes the scratch; equal where the complete scorers' scratch is of one kind.

    ``n_matrices`` is the number of precisions that are matrices.
    """

    complete: Callable[[TilePlan], Any]
    n_matrices: int

    def __call__(self, plan: TilePlan) -> Room:
        k, d = plan.n_components, plan.n_features
        rows = min(max(_VALUES // (k * d) // 16 * 16, _LEAST_ROWS), _MOST_ROWS, plan.n_places)
        gaps = GapSpace(
            np.empty(d, np.int64),
            make_batch(self.n_matrices, d),
            aligned(self.n_matrices, d, d),
            aligned(d, d),
            aligned(k, rows),
            aligned(k, rows),
            aligned(rows),
            aligned(d * rows),
            aligned(k, d * rows),
            aligned(k, d * rows),
            aligned(k, d),
        )
        return Room(self.complete(plan), gaps, aligned(k, plan.n_places))


@dataclass(frozen=True)
class ScorerWithGaps(Assigning, Generic[Complete, Model]):
    """What scorers of tables with missing cells have in common.

    Parameters
    ----------
    complete : MomentScorer
        Scores complete tiles.
    model : DenseGaps or DiagonalGaps
        The same components, for tiles with gaps.
    constants : ndarray of shape (n_components,)
        What a complete row at the means scores, in nats.
    nothing_seen : ndarray of shape (n_components,)
        What a row with nothing seen scores: the log weights, exactly; of expected densities what
        is left of them.
    """

    complete: Complete
    model: Model
    constants: Array
    nothing_seen: Array

    def with_hard_assignments(self) -> Self:
        return replace(self, hard=True, complete=self.complete.with_hard_assignments())

    def add_constants(self, log_weights: Array) -> Self:
        return replace(
            self,
            complete=self.complete.add_constants(log_weights),
            constants=self.constants + log_weights,
            nothing_seen=self.nothing_seen + log_weights,
        )


@dataclass(frozen=True)
class GapScorer(ScorerWithGaps[MomentScorer, DenseGaps | DiagonalGaps]):
    """Scores complete tiles by one scorer, and tiles with gaps by the marginal densities.

    Sums: those of the first, and moments of the rows in tiles with gaps.

    Parameters
    ----------
    complete, model, constants, nothing_seen
        As for `ScorerWithGaps`.
    """

    @property
    def space(self) -> Callable[[TilePlan], Room]:
        """Scratch of both kinds of tiles."""
        return MakeRoom(self.complete.space, self.model.n_matrices)

    @property
    def summed_about(self) -> Array:
        """Where complete rows are summed about."""
        return self.complete.summed_about

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        return (*self.complete.by_points(sums[:-3]), (self.model.summed_about, sums[-3:]))

    def with_summer(self, summer: MomentScorer) -> GapScorer:
        """Return the same scorer with other sums, of rows with gaps about the same points.

        Gaps are filled as before: by the components that rows were scored by.
        """
        about = np.ascontiguousarray(summer.summed_about)
        return replace(self, complete=summer, model=replace(self.model, about=about))

    @cached_property
    def _levels(self) -> Array:
        n_features = self.model.centres.shape[1]
        return np.column_stack([self.nothing_seen, *[self.constants] * n_features])

    def _take_steps(self, steps: int, tile: Tile, space: Room, sums: Sums) -> float:
        return self.model.take_steps(steps, tile, space, self._levels, sums)

    def score(self, tile: Tile, space: Room) -> None:
        if tile.gaps is None:
            self.complete.score(tile, space.complete)
        else:
            self._take_steps(SCORE + LEVEL, tile, space, self.model.zeros())

    def normalise(self, tile: Tile, space: Room) -> float:
        if tile.gaps is None:
            return self.complete.normalise(tile, space.complete)
        steps = SCORE + LEVEL + self._assign
        return self._take_steps(steps, tile, space, self.model.zeros())

    def distances(self, tile: Tile, space: Room) -> None:
        """Fill ``tile.scores`` with minus half the squared distances of the seen cells."""
        if tile.gaps is None:
            self.complete.score(tile, space.complete)
        else:
            self.model.distances(tile, space)

    def heights(self, tile: Tile, space: Room) -> Array:
        """Return what log densities have more at the centre than whole rows', by segment (K, n).

        Of the tile whose distances were filled last.
        """
        assert tile.gaps is not None
        return space.heights[:, : len(tile.gaps.missing)]

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
        return self._take_steps(SCORE + LEVEL + self._assign + SUM, tile, space, sums[-3:])

    def add_covariances(self, tile: Tile, space: Room, shares: Array, sums: Sums) -> None:
        """Add the conditional covariances of a tile's missing cells to sums.

        ``shares`` (n_segments, n_components) says how often.
        """
        self.model.add_covariances(tile, space, shares, sums[-3:])
