"""Scores that are linear in products of lines, and looked up in tables by codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Tile, TilePlan, aligned_arrays
from skem.kernels.arguments import GatherModel, GatherSpace, LinearModel
from skem.kernels.steps import SCORE, SUM
from skem.scoring.linear import LinearScorer
from skem.scoring.scorer import Array, Assigning, Sums

__all__ = ["GatherScorer"]

Index: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class _MakeSpace:
    """Makes the scratch for a number of lines that hold codes."""

    n_lines: int

    def __call__(self, plan: TilePlan) -> GatherSpace:
        rows, chunk = plan.chunks
        products, block = aligned_arrays((chunk, rows), (plan.n_components + 1, rows))
        return GatherSpace(products, block, np.empty((self.n_lines, rows), dtype=np.uint32))


@dataclass(frozen=True)
class GatherScorer(Assigning):
    """Scores that are linear in products of lines and in indicators of codes.

    Some lines of a tile hold codes, of which a table has an entry each: what `LinearScorer` makes
    of as many lines as there are codes, at a cost that their number has no part in.

    Sums: one array of shape (n_entries + n_pairs, n_components).

    Parameters
    ----------
    linear : LinearScorer
        What is linear in products of lines, and the constants. Its last pair is ones, with
        coefficients of zero: summed, these are the responsibilities.
    lines : ndarray of shape (n_lines,), int64
        The lines that hold codes.
    first : ndarray of shape (n_lines,), int64
        The entry of each line's code 0.
    table : ndarray of shape (n_entries, n_components)
        What is added to the scores of a row, for each code of each line.
    """

    linear: LinearScorer
    lines: Index
    first: Index
    table: Array

    @property
    def space(self) -> Callable[[TilePlan], GatherSpace]:
        return _MakeSpace(len(self.lines))

    @property
    def summed_about(self) -> Array:
        """The origin."""
        return np.zeros(())

    @property
    def constants(self) -> Array:
        """What is added to each component's scores, in nats."""
        return self.linear.model.constants

    def add_constants(self, log_weights: Array) -> GatherScorer:
        return replace(self, linear=self.linear.add_constants(log_weights))

    def score(self, tile: Tile, space: GatherSpace) -> None:
        self._run_kernel(SCORE, tile, space)

    def normalise(self, tile: Tile, space: GatherSpace) -> float:
        return self._run_kernel(SCORE + self._assign, tile, space)

    def zeros(self) -> Sums:
        n_pairs, n_components = self.linear.model.coefficients.shape
        return (np.zeros((len(self.table) + n_pairs, n_components)),)

    def accumulate(self, tile: Tile, space: GatherSpace, sums: Sums) -> None:
        self._run_kernel(SUM, tile, space, sums)

    def expect(self, tile: Tile, space: GatherSpace, sums: Sums) -> float:
        return self._run_kernel(SCORE + self._assign + SUM, tile, space, sums)

    @cached_property
    def _models(self) -> tuple[LinearModel, GatherModel]:
        table = self.table.ravel()
        return self.linear.model, GatherModel(self.lines, self.first, len(self.table), table)

    def _run_kernel(
        self, steps: int, tile: Tile, space: GatherSpace, sums: Sums | None = None
    ) -> float:
        linear, tables = self._models
        # Without the step SUM nothing is added to the last arguments.
        added_to = linear.coefficients if sums is None else sums[0]
        return float(
            kernels.gather.gather_steps(
                steps, tile.lines, tile.n_rows, linear, tables, space, added_to, added_to.ravel()
            )
        )
