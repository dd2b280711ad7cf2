"""Tables with missing cells: rows in the order of their gaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.engine.moments import plain
from skem.engine.source import Array, Table, load_rows
from skem.engine.tiles import Gaps, Tile

__all__ = ["GapIndex", "GappyTable", "has_gaps", "index_gaps", "make_table", "sum_seen"]

# Rows looked at a time.
_ROWS = 16_384


class GapIndex(NamedTuple):
    """The rows of a table in the order of their gaps: complete ones first, then pattern by pattern.

    Patterns with fewer missing cells come first, and of those the ones that fewer rows have:
    kernels work on neighbours of equal size side by side.

    Attributes
    ----------
    order : ndarray of shape (n_kept,), intp
        Rows of positive weight.
    first : ndarray of shape (n_patterns + 1,), int64
        The place in `order` where each pattern begins, and the number of rows.
    missing : ndarray of shape (n_patterns, n_features), bool
        Each pattern's gap. That of complete rows is the first, if there are any.
    """

    order: NDArray[np.intp]
    first: NDArray[np.int64]
    missing: NDArray[np.bool_]


@singledispatch
def has_gaps(X: Any) -> bool:
    """Say whether any cell is NaN."""
    blocks = range(0, len(X), _ROWS)
    return any(bool(np.isnan(X[start : start + _ROWS]).any()) for start in blocks)


def sum_seen(X: NDArray[np.floating], values: Array) -> Array:
    """Sum ``values`` (n_features,) over the columns that each row has, (n_rows,)."""
    blocks = range(0, len(X), _ROWS)
    return np.concatenate([~np.isnan(X[start : start + _ROWS]) @ values for start in blocks])


def index_gaps(X: NDArray[np.floating], weights: Array | None) -> GapIndex:
    """Sort rows of positive weight by their gaps; stable, so equal gaps keep the rows' order."""
    packed = np.concatenate(
        [
            np.packbits(np.isnan(X[start : start + _ROWS]), axis=1)
            for start in range(0, len(X), _ROWS)
        ]
    )
    rows = np.arange(len(X)) if weights is None else np.flatnonzero(weights > 0)
    keys = np.ascontiguousarray(packed[rows]).view(f"V{packed.shape[1]}").ravel()
    patterns, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    bits = patterns.view(np.uint8).reshape(len(patterns), -1)
    missing = np.unpackbits(bits, axis=1, count=X.shape[1]).astype(bool)
    by_size = np.lexsort((counts, np.count_nonzero(missing, axis=1)))
    order = rows[np.argsort(np.argsort(by_size)[inverse], kind="stable")]
    return GapIndex(order, np.r_[0, np.cumsum(counts[by_size])].astype(np.int64), missing[by_size])


@dataclass(frozen=True)
class GappyTable(Table):
    """A table with missing cells (NaN); its places are those of the index, not rows of ``X``."""

    @cached_property
    def index(self) -> GapIndex:
        """The order of the rows."""
        return index_gaps(self.lines, self.weights)

    @property
    def has_gaps(self) -> bool:
        """Whether any cell is NaN: some is."""
        return True

    @property
    def n_rows(self) -> int:
        """Number of places: rows of positive weight."""
        return len(self.index.order)

    @cached_property
    def seen_share(self) -> Array:
        """Share of the total weight that rows have in which each column is seen, (D,)."""
        order, first, missing = self.index
        weights = np.ones(len(order)) if self.weights is None else self.weights[order]
        by_pattern = np.add.reduceat(weights, first[:-1])
        result: Array = by_pattern @ ~missing / by_pattern.sum()
        return result

    def pairs_seen(self) -> NDArray[np.bool_]:
        """Say for which pairs of columns there are rows that have both, (D, D)."""
        seen = (~self.column_gaps).astype(np.float64)
        result: NDArray[np.bool_] = seen.T @ seen > 0
        return result

    def places(self, start: int, stop: int) -> NDArray[np.intp]:
        """Return the rows of ``X`` that are at some places."""
        return self.index.order[start:stop]

    def kept(self, start: int, stop: int) -> slice:
        """Keep all: the index has no rows of weight zero."""
        return slice(None)

    def load(self, start: int, stop: int, tile: Tile) -> None:
        """Fill a tile with the rows at some places, and say where their gaps are."""
        if not self._kept.show(start, stop, tile):
            index = self.places(start, stop)
            # The faster one would first copy a whole table of another order, for each tile.
            if self.lines.flags.c_contiguous:
                rows = np.take(self.lines, index, axis=0)
            else:
                rows = plain(self.lines[index])
            weights = tile.ones[: len(rows)] if self.weights is None else self.weights[index]
            load_rows(rows, weights, *self._line_units, tile)
            self._kept.note(start, stop, tile)
        first, missing = self.index.first, self.index.missing
        begin = int(first.searchsorted(start, side="right")) - 1
        end = int(first.searchsorted(stop, side="left"))
        if end > self._n_complete:
            edges = first[begin : end + 1] - start
            edges[0], edges[-1] = 0, stop - start
            tile.gaps = Gaps(edges, missing[begin:end])

    @cached_property
    def _n_complete(self) -> int:
        """Number of patterns in which nothing is missing: 0 or 1."""
        return int(not self.index.missing[0].any())

    @property
    def column_gaps(self) -> NDArray[np.bool_]:
        """Distinct patterns of missing cells, (n_patterns, n_columns)."""
        return self.index.missing

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return some of the rows as a table of their own."""
        weights = None if self.weights is None else self.weights[rows]
        table: Table = make_table(self.X[rows], weights, self.origin, self.scale)
        return table


@singledispatch
def make_table(
    X: Any,
    weights: Array | None,
    origin: Array,
    scale: Array,
    *,
    gappy: bool | None = None,
) -> Any:
    """Make a table; one with gaps if any cell is NaN, which is looked for if not said."""
    if gappy is None:
        gappy = has_gaps(X)
    table: Table = (GappyTable if gappy else Table)(X, weights, origin, scale)
    return table
