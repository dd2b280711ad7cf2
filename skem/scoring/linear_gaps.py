"""Scores and sums of tables with missing cells where precisions are diagonal: linear in lines.

A missing cell adds nothing to a row's log density. With precisions p and centres c, it is

    sum over the seen cells of log(p / (2 pi)) / 2 - p c^2 / 2  +  p c z - p z^2 / 2

of which the second part is what products of lines give that hold 0 where a cell is missing, and
the first is the same for all rows with the same gap. A missing cell is expected at c, and its
square at ``c^2 + 1 / p`` (Little & Rubin 2019, section 11.2), so sums of the products and of
the responsibilities that each cell is missing with give the moments of completed rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from skem import kernels
from skem.engine import Tile, TilePlan, aligned_arrays
from skem.kernels.arguments import LinearGapSpace, LinearLevels, LinearSpace
from skem.kernels.steps import SCORE, SUM
from skem.scoring.gaps import DenseGaps, DiagonalGaps, GapScorer, ScorerWithGaps
from skem.scoring.linear import LinearScorer
from skem.scoring.scorer import Array, MomentScorer, OneForm, Sums

__all__ = ["LinearGapScorer", "gap_scorer"]

_LOG_2PI = float(np.log(2 * np.pi))


class LinearGapRoom(NamedTuple):
    """Scratch of a `LinearGapScorer`: that of the scorer of complete rows, and what gaps need."""

    complete: LinearSpace
    gaps: LinearGapSpace


def _room(plan: TilePlan) -> LinearGapRoom:
    rows, d, k = plan.chunks[0], plan.n_features, plan.n_components
    marks, by_segment = aligned_arrays((d * rows,), ((k + 1) * rows,))
    gaps = LinearGapSpace(np.empty(rows + 1, np.int64), marks, by_segment)
    return LinearGapRoom(LinearScorer.space(plan), gaps)


def gap_scorer(
    complete: MomentScorer,
    model: DenseGaps | DiagonalGaps,
    constants: Array,
    nothing_seen: Array,
) -> GapScorer | LinearGapScorer:
    """Make the scorer of tables with missing cells; see `GapScorer` for the arguments.

    Complete rows are scored about the components' centres where packed sums would lose digits;
    rows with gaps are then, too.
    """
    if isinstance(model, DiagonalGaps) and isinstance(complete, LinearScorer):
        return LinearGapScorer(complete, model, constants, nothing_seen)
    return GapScorer(complete, model, constants, nothing_seen)


@dataclass(frozen=True)
class LinearGapScorer(OneForm, ScorerWithGaps[LinearScorer, DiagonalGaps]):
    """Scores tiles with gaps by the linear form of complete ones, and a level for each gap.

    Sums: those of the first, with 0 for missing cells, and the responsibilities of the rows in
    which each cell is missing, (n_features, n_components).

    Parameters
    ----------
    complete, model, constants, nothing_seen
        As for `ScorerWithGaps`.
    """

    space = staticmethod(_room)

    def by_points(self, sums: Sums) -> tuple[tuple[Array, Sums], ...]:
        packed, lost = sums
        centres, variances = self.model.centres.T, 1.0 / self.model.precisions.T
        whole = packed.copy()
        self.add_cells(whole, lost * centres, lost * (np.square(centres) + variances))
        return self.complete.by_points((whole,))

    def add_cells(self, packed: Array, values: Array, squares: Array) -> None:
        """Add sums of cells and of their squares, both (n_features, n_components).

        Parameters
        ----------
        packed : ndarray of shape (n_pairs, n_components)
            Sums of complete rows.
        """
        left, right, ones = self.complete.model.left, self.complete.model.right, len(values)
        of_values = (left < ones) & (right == ones)
        packed[of_values] += values[left[of_values]]
        of_squares = (left < ones) & (right == left)
        packed[of_squares] += squares[left[of_squares]]
        packed[left == ones + 1] += squares.sum(axis=0)

    def with_summer(self, summer: MomentScorer) -> GapScorer:
        """Return a scorer with sums about other points; gaps are filled as before."""
        centred = GapScorer(self.complete, self.model, self.constants, self.nothing_seen)
        return centred.with_summer(summer)

    @cached_property
    def _logs(self) -> Array:
        """Log densities of cells at the centres, (n_components, n_features), in nats."""
        logs: Array = 0.5 * (np.log(self.model.precisions) - _LOG_2PI)
        return logs

    @cached_property
    def levels(self) -> LinearLevels:
        """What rows score besides products of lines."""
        return self._raise(self.nothing_seen, self._logs)

    def _raise(self, none: Array, logs: Array | float) -> LinearLevels:
        slopes = self.model.precisions * self.model.centres
        cells = logs - 0.5 * slopes * self.model.centres
        return LinearLevels(none, np.ascontiguousarray(cells.T))

    def score(self, tile: Tile, space: LinearGapRoom) -> None:
        if tile.gaps is None:
            self.complete.score(tile, space.complete)
        else:
            self._run_kernel(SCORE, tile, space, self.levels)

    def distances(self, tile: Tile, space: LinearGapRoom) -> None:
        """Fill ``tile.scores`` with minus half the squared distances of the seen cells."""
        if tile.gaps is None:
            self.complete.score(tile, space.complete)
        else:
            nothing = np.zeros_like(self.nothing_seen)
            self._run_kernel(SCORE, tile, space, self._raise(nothing, 0.0))

    def heights(self, tile: Tile, space: LinearGapRoom) -> Array:
        """Return what log densities have more at the centre than whole rows', by segment (K, n)."""
        assert tile.gaps is not None
        heights: Array = -self._logs @ tile.gaps.missing.T.astype(np.float64)
        return heights

    def normalise(self, tile: Tile, space: LinearGapRoom) -> float:
        if tile.gaps is None:
            return self.complete.normalise(tile, space.complete)
        return self._run_kernel(SCORE + self._assign, tile, space, self.levels)

    def zeros(self) -> Sums:
        return (*self.complete.zeros(), np.zeros(self.model.centres.shape[::-1]))

    def accumulate(self, tile: Tile, space: LinearGapRoom, sums: Sums) -> None:
        if tile.gaps is None:
            self.complete.accumulate(tile, space.complete, sums[:1])
        else:
            self._run_kernel(SUM, tile, space, self.levels, sums)

    def add_covariances(self, tile: Tile, space: LinearGapRoom, shares: Array, sums: Sums) -> None:
        """Add the conditional variances of missing cells to sums; see `GapScorer`."""
        assert tile.gaps is not None
        lost = tile.gaps.missing.T.astype(np.float64) @ shares
        self.add_cells(sums[0], np.zeros_like(lost), lost / self.model.precisions.T)

    def expect(self, tile: Tile, space: LinearGapRoom, sums: Sums) -> float:
        if tile.gaps is None:
            return self.complete.expect(tile, space.complete, sums[:1])
        return self._run_kernel(SCORE + self._assign + SUM, tile, space, self.levels, sums)

    def _run_kernel(
        self,
        steps: int,
        tile: Tile,
        space: LinearGapRoom,
        levels: LinearLevels,
        sums: Sums | None = None,
    ) -> float:
        model = self.complete.model
        # Without the step SUM nothing is added to the last arguments.
        added_to = (model.coefficients, levels.cells) if sums is None else sums
        return float(
            kernels.linear_gaps.linear_gap_steps(
                steps, tile.lines, tile.n_rows, tile.gaps, model, levels, *space, *added_to
            )
        )
