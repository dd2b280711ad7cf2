"""Tables of blocks of columns: what tiles are loaded with is made from the rows, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, singledispatch
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from skem.engine.gaps import GappyTable, has_gaps, index_gaps, make_table
from skem.engine.source import Array, Table

__all__ = ["BlockTable", "Blocks", "GappyBlockTable", "LinesOfBlocks", "make_block_table"]


# Rows that tell whether it is worth while to look for equal ones, and the share of distinct ones
# up to which it is.
_SOME_ROWS = 4096
_MOST_DISTINCT = 0.5


class Blocks(NamedTuple):
    """Lines of all blocks, side by side.

    Attributes
    ----------
    lines : ndarray of shape (n_rows, n_lines)
        Only lines of real columns have missing cells (NaN).
    column : ndarray of shape (n_lines,), intp
        The column whose origin and scale a line is read with; -1: it is read as it is.
    """

    lines: NDArray[np.floating]
    column: NDArray[np.intp]


class LinesOfBlocks(Protocol):
    """What makes lines and features of rows; plain data that pickles."""

    def lines(self, X: NDArray[np.floating]) -> Blocks:
        """Return the lines of rows (n_rows, n_columns)."""

    def features(self, X: NDArray[np.floating], origin: Array, scale: Array) -> Array:
        """Return what tells rows apart, (n_rows, n_features); NaN where cells are missing."""


@dataclass(frozen=True, kw_only=True)
class _OfBlocks(Table):
    """A table whose tiles hold lines that are made of its rows.

    Parameters
    ----------
    maker : LinesOfBlocks
    """

    maker: LinesOfBlocks

    @cached_property
    def _blocks(self) -> Blocks:
        return self.maker.lines(self.X)

    @property
    def lines(self) -> NDArray[np.floating]:
        return self._blocks.lines

    @property
    def n_features(self) -> int:
        """Number of lines."""
        return int(self.lines.shape[1])

    @cached_property
    def _line_units(self) -> tuple[Array, Array]:
        column = self._blocks.column
        read = column >= 0
        origin = np.where(read, self.origin[column], 0.0)
        return origin, 1.0 / np.where(read, self.scale[column], 1.0)

    @cached_property
    def width(self) -> int:
        """Number of features."""
        return self.maker.features(self.X[:0], self.origin, self.scale).shape[1]

    @property
    def features(self) -> Array:
        return self.maker.features(self.X, self.origin, self.scale)

    @cached_property
    def seen_share(self) -> Array:
        """Share of the total weight that rows have in which each column is seen, (n_columns,)."""
        weights = np.ones(len(self.X)) if self.weights is None else self.weights
        share: Array = weights @ ~np.isnan(self.X) / weights.sum()
        return share

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the rows as a table of their own."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, X=np.ascontiguousarray(self.X[rows]), weights=weights)


@dataclass(frozen=True, kw_only=True)
class BlockTable(_OfBlocks):
    """A table of blocks without missing cells in lines."""

    @cached_property
    def distinct(self) -> BlockTable:
        """The rows with distinct lines and the weights of all that have them, if that is shorter.

        Answers to a few questions have few patterns, however many people were asked.
        """
        lines = self.lines
        some = lines[:: max(1, len(lines) // _SOME_ROWS)]
        if len(np.unique(_keys(some))) > _MOST_DISTINCT * len(some):
            return self
        _, first, which = np.unique(_keys(lines), return_index=True, return_inverse=True)
        order = np.argsort(first)
        same = np.array_equal(lines, lines[first[which]])  # else two lines have one key by chance
        if not same or len(first) > _MOST_DISTINCT * len(lines):
            return self
        weights = np.bincount(which, self.weights).astype(np.float64)[order]
        return replace(self, X=np.ascontiguousarray(self.X[first[order]]), weights=weights)


def _keys(lines: NDArray[np.floating]) -> Array:
    """Return a number for each row that is the same for equal ones, to the last bit."""
    factors: Array = np.random.RandomState(0).uniform(1.0, 2.0, (lines.shape[1],))
    keys = np.zeros(len(lines))
    for j, factor in enumerate(factors):
        keys += factor * lines[:, j]
    return keys


@dataclass(frozen=True, kw_only=True)
class GappyBlockTable(_OfBlocks, GappyTable):
    """A table of blocks with missing cells in lines; places are those of the index."""

    @property
    def column_gaps(self) -> NDArray[np.bool_]:
        """Distinct patterns of missing cells, (n_patterns, n_columns)."""
        return index_gaps(self.X, self.weights).missing


@singledispatch
def make_block_table(
    X: Any,
    weights: Array | None,
    origin: Array,
    scale: Array,
    maker: LinesOfBlocks | None,
    *,
    gappy: bool,
) -> Any:
    """Make a table of blocks; one with gaps if any line has some. Without a maker, of the rows.

    Those may be whatever `make_table` takes. ``gappy`` says whether any cell of them is missing.
    """
    if maker is None:
        return make_table(X, weights, origin, scale, gappy=gappy)
    table = BlockTable(X, weights, origin, scale, maker=maker)
    if gappy and has_gaps(table.lines):
        return GappyBlockTable(X, weights, origin, scale, maker=maker)
    return table
