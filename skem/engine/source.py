"""Where rows come from: a source says which tiles there are, and loads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine.moments import is_plain, plain
from skem.engine.tiles import KeptTiles, Tile, TilePlan

__all__ = ["Population", "Source", "Table", "load_rows"]

Array: TypeAlias = NDArray[np.float64]

# Of fewer rows, numpy's calls take longer than to put them in order.
_MANY_ROWS = 1024


class Population(Protocol):
    """What is known of rows with weights, wherever they lie."""

    @property
    def n_rows(self) -> int:
        """Number of rows, those of weight zero included."""

    @property
    def n_features(self) -> int:
        """Number of columns."""

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""

    @property
    def n_positive(self) -> int:
        """Number of rows of positive weight."""

    @property
    def distinct(self) -> Population:
        """What sums over all rows are the same over: these rows, or distinct ones with weights."""


class Source(Population, Protocol):
    """Rows with weights, standardised as they are read."""

    def n_groups(self, plan: TilePlan) -> int:
        """Count the groups of tiles."""

    def tiles(self, plan: TilePlan, group: int) -> list[tuple[int, int]]:
        """List the first and last row (exclusive) of each tile of a group."""

    def load(self, start: int, stop: int, tile: Tile) -> None:
        """Fill a tile with the rows of positive weight among ``start <= row < stop``."""

    def places(self, start: int, stop: int) -> slice | NDArray[np.intp]:
        """Say which rows of the user's table those from ``start`` to ``stop`` are."""

    def kept(self, start: int, stop: int) -> slice | NDArray[np.bool_]:
        """Say which of the rows from ``start`` to ``stop`` `load` keeps, as an index to them."""


@dataclass(frozen=True)
class Table:
    """Rows with weights, read as ``(x - origin) / scale``; nothing is copied as a whole.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
        Any layout, read-only or not, in memory or mapped.
    weights : ndarray of shape (n_rows,) or None
        None: every row counts once.
    origin, scale : ndarray of shape (n_features,)
    """

    X: NDArray[np.floating]
    weights: Array | None
    origin: Array
    scale: Array

    @property
    def n_rows(self) -> int:
        """Number of rows, those of weight zero included."""
        return len(self.X)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return float(len(self.X)) if self.weights is None else float(self.weights.sum())

    @property
    def n_positive(self) -> int:
        """Number of rows of positive weight."""
        return len(self.X) if self.weights is None else int(np.count_nonzero(self.weights))

    @property
    def is_weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weights is not None

    @property
    def least_weight(self) -> float:
        """The smallest positive weight."""
        return 1.0 if self.weights is None else float(self.weights[self.weights > 0].min())

    @property
    def has_gaps(self) -> bool:
        """Whether any cell of what tiles are loaded with is NaN."""
        return False

    @property
    def distinct(self) -> Table:
        """What sums over all rows are the same over: these rows."""
        return self

    @property
    def all_weights(self) -> Array | None:
        """The weights of all rows; None: every row counts once."""
        return self.weights

    def positive(self, places: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return the numbers of the rows of positive weight; of those at some places among them."""
        if self.weights is None:
            return np.arange(len(self.X)) if places is None else places
        index = np.flatnonzero(self.weights > 0)
        return index if places is None else index[places]

    def positive_rows(self) -> Table:
        """Return the rows of positive weight, in memory; the table itself if it has no others."""
        return self if self.n_positive == len(self.X) else self.take(self.positive())

    def n_groups(self, plan: TilePlan) -> int:
        """Count the groups of tiles."""
        return ceil(self.n_rows / plan.group_rows)

    def tiles(self, plan: TilePlan, group: int) -> list[tuple[int, int]]:
        """List the first and last row (exclusive) of each tile of a group."""
        start = group * plan.group_rows
        stop = min(start + plan.group_rows, self.n_rows)
        return [(a, min(a + plan.tile_rows, stop)) for a in range(start, stop, plan.tile_rows)]

    def load(self, start: int, stop: int, tile: Tile) -> None:
        """Fill a tile with the rows of positive weight among ``start <= row < stop``."""
        if self._kept.show(start, stop, tile):
            return
        rows = self.lines[start:stop]
        if self.weights is None:
            weights = tile.ones[: len(rows)]
        else:
            kept = self.kept(start, stop)
            rows, weights = rows[kept], self.weights[start:stop][kept]
        load_rows(rows, weights, *self._line_units, tile)
        self._kept.note(start, stop, tile)

    @cached_property
    def _kept(self) -> KeptTiles:
        return KeptTiles(*self.lines.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Leave kept tiles behind: whoever gets a copy reads its rows again."""
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    @property
    def lines(self) -> NDArray[np.floating]:
        """What tiles are loaded with, (n_rows, n_features): the rows."""
        return self.X

    @cached_property
    def _line_units(self) -> tuple[Array, Array]:
        """What is taken from the lines, and what they are multiplied by then."""
        return self.origin, 1.0 / self.scale

    @property
    def width(self) -> int:
        """Number of values that tell a row from others."""
        return int(self.X.shape[1])

    @property
    def features(self) -> NDArray[np.floating] | None:
        """What tells rows apart, in units of the table; None: the rows themselves do."""
        return None

    @property
    def seen_share(self) -> Array:
        """Share of the total weight that rows have in which each column is seen, (D,)."""
        return np.ones(self.n_features)

    def pairs_seen(self) -> NDArray[np.bool_]:
        """Say for which pairs of columns there are rows that have both, (D, D)."""
        return np.ones((self.n_features, self.n_features), dtype=bool)

    def places(self, start: int, stop: int) -> slice | NDArray[np.intp]:
        """Say which rows of ``X`` those from ``start`` to ``stop`` are: themselves."""
        return slice(start, stop)

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return some of the rows as a table of their own."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, X=np.ascontiguousarray(self.X[rows]), weights=weights)

    def kept(self, start: int, stop: int) -> slice | NDArray[np.bool_]:
        """Say which of the rows from ``start`` to ``stop`` `load` keeps, as an index to them."""
        if self.weights is None:
            return slice(None)
        positive = self.weights[start:stop] > 0
        return slice(None) if positive.all() else positive


def load_rows(
    rows: NDArray[np.floating], weights: Array, origin: Array, inverse_scale: Array, tile: Tile
) -> None:
    """Fill a tile with rows, standardised; those too far out are drawn back."""
    n_rows, n_places = tile.hold(len(rows))
    if len(rows) >= _MANY_ROWS and rows.strides[0] == rows.itemsize and not is_plain(rows):
        _load_columns(rows, weights, origin, inverse_scale, n_places, tile)
        n_far = 1  # there may be some: the next kernel counts them, and makes the norms
    else:
        n_far = kernels.rows.load_tile(
            plain(rows), weights, origin, inverse_scale, n_places, tile.values, tile.weights
        )
    if n_far:  # or a cell is missing
        n_far = kernels.rows.blank_gaps(tile.values, n_rows)
    if n_far:
        kernels.rows.draw_back(tile.values, n_rows)


def _load_columns(
    rows: NDArray[np.floating],
    weights: Array,
    origin: Array,
    inverse_scale: Array,
    n_places: int,
    tile: Tile,
) -> None:
    """Do what the kernel ``load_tile`` does, without the squared norms; the same to the bit.

    The columns of a data frame lie as those of a tile do. To make rows of them first is seven
    times slower where the C library gives memory back at once, as it does in Dask's workers.
    """
    n_rows, n_features = rows.shape
    features = tile.values[:n_features, :n_rows]
    np.subtract(rows.T, origin[:, None], out=features)
    features *= inverse_scale[:, None]
    tile.values[n_features, :n_rows] = 1.0
    tile.values[:, n_rows:n_places] = 0.0
    tile.weights[:n_rows] = weights
    tile.weights[n_rows:n_places] = 0.0
