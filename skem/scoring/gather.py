"""Scores that are looked up in tables: a tile's lines are codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine import Tile, TilePlan
from skem.scoring.scorer import Array, Assigning, Sums, normalise, responsibilities

__all__ = ["GatherScorer"]

Index: TypeAlias = NDArray[np.int64]


# Rows whose entries are found at a time: they stay in the innermost cache.
_ROWS = 256


def _entries(plan: TilePlan) -> Index:
    return np.empty((plan.n_features, _ROWS), dtype=np.int64)


@dataclass(frozen=True)
class GatherScorer(Assigning):
    """Scores that are linear in indicators of codes, of which each column has one in a row.

    What `LinearScorer` makes of as many lines as there are codes, at a cost that their number
    has no part in.

    Sums: one array of shape (n_entries + 1, n_components). Its last row is of all rows.

    Parameters
    ----------
    first : ndarray of shape (n_columns,), int64
        The entry of each column's code 0.
    table : ndarray of shape (n_components, n_entries)
        What is added to the score of a row, for each code of each column.
    constants : ndarray of shape (n_components,)
    """

    first: Index
    table: Array
    constants: Array

    space = staticmethod(_entries)

    @property
    def summed_about(self) -> Array:
        """The origin."""
        return np.zeros(())

    def add_constants(self, log_weights: Array) -> GatherScorer:
        return replace(self, constants=self.constants + log_weights)

    def score(self, tile: Tile, space: Index) -> None:
        kernels.gather.gathered_scores(
            tile.values, tile.n_rows, self.first, self.table, self.constants, space, tile.scores
        )

    def normalise(self, tile: Tile, space: Index) -> float:
        return normalise(self, tile, space, hard=self.hard)

    def zeros(self) -> Sums:
        n_components, n_entries = self.table.shape
        return (np.zeros((n_entries + 1, n_components)),)

    def accumulate(self, tile: Tile, space: Index, sums: Sums) -> None:
        kernels.gather.gathered_sums(tile.values, tile.n_rows, self.first, tile.resp, *sums)

    def expect(self, tile: Tile, space: Index, sums: Sums) -> float:
        total = self.normalise(tile, space)
        responsibilities(tile)
        self.accumulate(tile, space, sums)
        return total
