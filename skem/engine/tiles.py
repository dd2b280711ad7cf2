"""How rows are cut into tiles, and the arrays that one thread works in."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from math import ceil, gcd, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skem.kernels.arguments import TileLines

__all__ = [
    "Gaps",
    "KeptRows",
    "KeptTiles",
    "Tile",
    "TilePlan",
    "Workplace",
    "aligned",
    "aligned_arrays",
    "plan_tiles",
]

# Products of pairs that are formed at a time: 320 KB, which stay in an L2 cache of 512 KB or more.
_PRODUCTS = 40_000
# Up to 10^6 multiplications OpenBLAS takes a path without packing on processors with AVX-512
# (measured on a Zen 4 core, OpenBLAS 0.3.30).
_SMALL_PRODUCT = 960_000
# Features and projections of as many rows at most stay in the innermost caches: with more, two
# threads wait for memory. A power of two, so that halving it gives what divides a block.
_PROJECTED_ROWS = 256
# Scores of a block, and responsibilities as many again: 160 KB each.
_BLOCK_SCORES = 20_000
# More rows make nothing faster, and scores of few components stay in the innermost cache.
_MOST_BLOCK_ROWS = 512
# Features of a tile: 720 KB. Kernels go through it a block at a time, so it need not stay in the
# innermost caches; in smaller tiles threads spend a tenth of their time in Python, waiting for
# each other. The scores of a whole tile are seldom asked for: their number limits memory alone.
_TILE_VALUES = 90_000
_TILE_SCORES = 140_000
_MOST_ROWS = 8192
# Groups of tiles are what threads take and what is summed in order: enough of them to share
# the work evenly, not so many tiles in one that results pile up.
_GROUPS = 48
_MOST_TILES = 8
# What a tile takes besides its rows, in blocks.
_TILE_COST = 0.05
# Numbers in what a thread works in, up to which it is kept for later.
_SMALL_WORKPLACE = 16_384
# Numbers in the tiles of a table that are kept from pass to pass: 32 MiB.
_MOST_KEPT = 4 * 2**20
# Numbers in a cache line.
_LINE = 8


@dataclass(frozen=True)
class TilePlan:
    """The cut of ``n_rows`` rows into tiles and groups of tiles; see `plan_tiles`.

    Parameters
    ----------
    n_rows, n_features, n_components : int
    n_pairs : int
        Number of products that a component's score is linear in.
    tile_rows : int
        Rows of a tile.
    group_rows : int
        Rows of a group of tiles.
    chunks : tuple of (int, int)
        Rows of a block, and pairs whose products are formed at a time.
    block_size : int, default=None
        Rows that a thread takes at a time, rounded up to whole groups. None: one group.
    """

    n_rows: int
    n_features: int
    n_components: int
    n_pairs: int
    tile_rows: int
    group_rows: int
    chunks: tuple[int, int]
    block_size: int | None = None

    def with_components(self, n_components: int) -> TilePlan:
        """Plan the same rows for another number of components."""
        return plan_tiles(self.n_rows, self.n_features, n_components, self.n_pairs, self.block_size)

    def with_rows(self, n_rows: int) -> TilePlan:
        """Plan another number of rows for as many components."""
        return plan_tiles(n_rows, self.n_features, self.n_components, self.n_pairs, self.block_size)

    @property
    def n_places(self) -> int:
        """Number of places in a tile: its rows, rounded up to whole blocks."""
        return ceil(self.tile_rows / self.chunks[0]) * self.chunks[0]

    @cached_property
    def is_small(self) -> bool:
        """Whether what one thread works in is so small that it may be kept."""
        values = self.n_features + 2 * self.n_components
        return self.n_places * values + self.chunks[0] * self.chunks[1] <= _SMALL_WORKPLACE

    @property
    def projected_rows(self) -> int:
        """Number of a block's rows to project at a time; a divisor of their number."""
        rows, most = self.chunks[0], _PROJECTED_ROWS
        while most > 64 and most * self.n_features**2 > _SMALL_PRODUCT:
            most //= 2
        return rows if rows <= most else gcd(rows, most)

    @property
    def groups_at_once(self) -> int:
        """Number of groups that a thread takes at a time."""
        return 1 if self.block_size is None else ceil(self.block_size / self.group_rows)


# The same object for the same table: whoever keeps what suits a plan compares them in each pass.
@lru_cache(maxsize=256)
def plan_tiles(
    n_rows: int, n_features: int, n_components: int, n_pairs: int, block_size: int | None = None
) -> TilePlan:
    """Cut rows into tiles and groups of tiles.

    The cut depends on the shapes alone, never on the number of threads or `block_size`: the tree
    of additions, and so every bit of a sum, is the same for all of them.

    Parameters
    ----------
    n_rows, n_features, n_components, n_pairs, block_size
        As for `TilePlan`.
    """
    pairs = max(n_pairs, 1)
    # All pairs in one chunk, if that leaves rows enough: their products then serve twice. In 64
    # rows the loops' beginnings and ends cost more than that saves.
    rows = _PRODUCTS // pairs // 64 * 64
    if rows < 128:
        rows = 256
    rows = min(rows, _MOST_BLOCK_ROWS, max(64, _BLOCK_SCORES // n_components // 64 * 64))
    rows -= rows % _PROJECTED_ROWS if rows > _PROJECTED_ROWS else 0
    rows = min(rows, ceil(n_rows / 64) * 64)
    most = min(
        _MOST_ROWS,
        ceil(n_rows / rows) * rows,
        _TILE_VALUES // (n_features + 2),
        _TILE_SCORES // n_components,
    )
    tile_rows = _even_tile(ceil(n_rows / rows), max(1, most // rows)) * rows
    n_tiles = ceil(n_rows / tile_rows)
    tiles_in_group = min(_MOST_TILES, max(1, n_tiles // _GROUPS))
    # Chunks of equal size: a small remainder would be a slow product.
    n_chunks = ceil(pairs / (_PRODUCTS // rows))
    return TilePlan(
        n_rows,
        n_features,
        n_components,
        n_pairs,
        tile_rows,
        tile_rows * tiles_in_group,
        (rows, ceil(pairs / n_chunks)),
        block_size,
    )


@lru_cache(maxsize=256)
def _even_tile(n_blocks: int, most: int) -> int:
    """Return of how many blocks a tile should be, so that 1, 2 or 4 threads end soon, and together.

    With tiles as large as may be, 7 blocks are left for one of two threads where 118 are cut into
    tiles of 7: a twentieth of the time.
    """
    if n_blocks <= most:
        return most

    def time(size: int) -> float:
        full = (n_blocks - 1) // size  # all tiles but the last
        last = n_blocks - full * size
        total = 0.0
        for n_threads in (1, 2, 4):
            rounds, more = divmod(full, n_threads)
            longest = rounds * (size + _TILE_COST) + (size if more else last) + _TILE_COST
            total += n_threads * longest
        return total

    return min(range(most, most // 2, -1), key=time)


def aligned(*shape: int) -> NDArray[np.float64]:
    """Make an array that begins with a cache line: vectors that straddle two are slow."""
    return aligned_arrays(shape)[0]


def aligned_arrays(*shapes: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Make several such arrays in one piece of memory, which is faster than one by one."""
    sizes = [prod(shape) for shape in shapes]
    # Whole cache lines.
    starts = [0, *accumulate(ceil(size / _LINE) * _LINE for size in sizes)]
    memory = np.empty(starts[-1] + _LINE)
    skip = -memory.__array_interface__["data"][0] % (8 * _LINE) // 8
    return [
        memory[skip + start : skip + start + size].reshape(shape)
        for shape, start, size in zip(shapes, starts, sizes, strict=False)
    ]


class Gaps(NamedTuple):
    """The gaps of a tile's rows, segment by segment.

    Attributes
    ----------
    first : ndarray of shape (n_segments + 1,), int64
        First row of each segment, and the number of rows.
    missing : ndarray of shape (n_segments, n_features), bool
    """

    first: NDArray[np.int64]
    missing: NDArray[np.bool_]


class KeptRows(NamedTuple):
    """Rows of a tile and their weights; see `Tile.values` and `Tile.weights`."""

    n_rows: int
    values: NDArray[np.float64]
    weights: NDArray[np.float64]


class KeptTiles:
    """Tiles that have been read before, so that later passes need not standardise them again.

    A tile is kept when it is read for the second time: a single pass copies nothing. All are of
    one layout, and all of a table's rows take 32 MiB at most, or none are kept.

    Parameters
    ----------
    n_rows, n_features : int
        Of the table.
    """

    def __init__(self, n_rows: int, n_features: int) -> None:
        self._may_keep = n_rows * (n_features + 2) <= _MOST_KEPT
        self._layout: tuple[int, int] | None = None
        # By the first and last row and the layout: None for what has been read once.
        self._tiles: dict[tuple[int, int, tuple[int, int]], KeptRows | None] = {}

    def show(self, start: int, stop: int, tile: Tile) -> bool:
        """Show the rows from ``start`` to ``stop`` in a tile, if they are kept."""
        rows = self._tiles.get((start, stop, tile.layout))
        if rows is not None:
            tile.show(rows)
        return rows is not None

    def note(self, start: int, stop: int, tile: Tile) -> None:
        """Note that a tile has been read, and keep it if it was not for the first time."""
        if not self._may_keep:
            return
        if self._layout != tile.layout:
            self._tiles.clear()
            self._layout = tile.layout
        place = (start, stop, tile.layout)
        self._tiles[place] = tile.copy_rows() if place in self._tiles else None


class Tile:
    """The rows at hand, feature by feature, and what belongs to each row.

    Kernels work on whole blocks of rows, so a tile has places for some more than it holds. There
    values and weights are zero.

    Attributes
    ----------
    n_rows : int
        How many of the places below are in use.
    gaps : Gaps or None
        Where cells of these rows are missing; None: nowhere. What `values` holds there is of no
        meaning.
    values : ndarray of shape (n_features + 2, >= n_places)
        Standardised features, a line of ones, squared norms.
    weights, ones : ndarray of shape (n_places,)
    scores : ndarray of shape (n_components, >= n_places)
        Log joint densities; after normalising, responsibilities up to `factor`.
    resp : ndarray of shape (n_places, n_components)
        Weighted responsibilities.
    log_normaliser, factor : ndarray of shape (n_places,)
    power, power_bits : ndarray of shape (n_places,)
        One line of memory, as float64 and as int64: room for exponentials.
    lines : TileLines
        The same arrays as kernels take them.
    """

    def __init__(self, plan: TilePlan) -> None:
        n_features, n_components, places = plan.n_features, plan.n_components, plan.n_places
        self.n_rows = 0
        self.gaps: Gaps | None = None
        self._block_rows = plan.chunks[0]
        self._parts: dict[int, Tile] = {}
        # Lines a power of two apart would share cache sets: eight places more prevent it.
        self.values, self.scores, self.resp = aligned_arrays(
            (n_features + 2, places + 8), (n_components, places + 8), (places, n_components)
        )
        self.resp.fill(0.0)  # finite in the places that hold no row, too
        self.weights, self.log_normaliser, self.factor, self.power = aligned_arrays(
            *[(places,)] * 4
        )
        self._own = KeptRows(0, self.values, self.weights)
        self._shows_another = False
        self.ones = np.ones(places)
        self.power_bits = self.power.view(np.int64)
        self.lines = TileLines(
            self.values,
            self.weights,
            self.power,
            self.power_bits,
            self.scores,
            self.log_normaliser,
            self.factor,
            self.resp,
        )

    def of_components(self, n_components: int) -> Tile:
        """Return a tile of the same rows for the first components.

        It shares all arrays but its responsibilities, and is the same at each call.
        """
        part = self._parts.get(n_components)
        if part is None:
            part = self._parts[n_components] = copy(self)
            part.scores = self.scores[:n_components]
            part.resp = aligned(len(self.resp), n_components)
            part.resp.fill(0.0)
            part.lines = self.lines._replace(scores=part.scores, resp=part.resp)
        part.n_rows, part.gaps = self.n_rows, self.gaps
        if part.values is not self.values:
            part.values, part.weights = self.values, self.weights
            part.lines = part.lines._replace(values=self.values, weights=self.weights)
        return part

    def hold(self, n_rows: int) -> tuple[int, int]:
        """Set the number of rows, without gaps; return it, and the places to be filled up to."""
        self.n_rows, self.gaps = n_rows, None
        if self._shows_another:
            self._show(self._own)
        return n_rows, ceil(n_rows / self._block_rows) * self._block_rows

    @property
    def layout(self) -> tuple[int, int]:
        """Places and rows of a block: tiles of equal ones can show each other's rows."""
        return self.values.shape[1], self._block_rows

    def copy_rows(self) -> KeptRows:
        """Return a copy of the rows at hand, without their gaps."""
        values, weights = aligned_arrays(self.values.shape, self.weights.shape)
        values[:], weights[:] = self.values, self.weights
        return KeptRows(self.n_rows, values, weights)

    def show(self, rows: KeptRows) -> None:
        """Hold rows that were copied from a tile of the same layout; they are only read."""
        self.n_rows, self.gaps = rows.n_rows, None
        if self.values is not rows.values or self.weights is not rows.weights:
            self._show(rows)

    def _show(self, rows: KeptRows) -> None:
        self._shows_another = rows is not self._own
        self.values, self.weights = rows.values, rows.weights
        self.lines = self.lines._replace(values=self.values, weights=self.weights)

    def share(self, tile: Tile) -> None:
        """Use the rows' weights and responsibilities of another tile, of the same rows."""
        if self.resp is not tile.resp or self.weights is not tile.weights:
            self.weights, self.resp = tile.weights, tile.resp
            self.lines = self.lines._replace(weights=self.weights, resp=self.resp)


class Workplace:
    """The arrays that one thread works in: a tile, and scratch for each kind of scorer.

    Parameters
    ----------
    plan : TilePlan
    """

    def __init__(self, plan: TilePlan) -> None:
        self.plan = plan
        self.tile = Tile(plan)
        self._spaces: dict[Any, Any] = {}

    def space(self, make: Callable[[TilePlan], Any]) -> Any:
        """Return what ``make(plan)`` makes, the same at each call: fresh memory is slow."""
        if make not in self._spaces:
            self._spaces[make] = make(self.plan)
        return self._spaces[make]
