"""How a table is cut for a visit, and the arrays that one thread works in."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, gcd, prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tile", "TilePlan"]

# Measured on a Zen 4 core with 1 MiB of L2 cache (OpenBLAS 0.3.30). Up to 10^6 multiplications
# OpenBLAS takes a path without packing, which is worth a third of the time of so flat a
# product; 40 000 products fill 320 KB.
_SMALL_PRODUCT = 960_000
_PRODUCTS = 40_000
# Features and projections of as many rows at most stay in the innermost caches: with more, two
# threads wait for memory. A power of two, so that halving it gives what divides a block.
_PROJECTED_ROWS = 256
# Scores of a block, and responsibilities as many again: 160 KB each.
_BLOCK_SCORES = 20_000
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


@dataclass(frozen=True)
class TilePlan:
    """The cut of ``n_rows`` rows into tiles and groups of tiles.

    It depends on the shapes alone, never on the number of threads or `block_size`: the tree of
    additions, and so every bit of a sum, is the same for all of them.

    Parameters
    ----------
    n_rows, n_features, n_components : int
    n_pairs : int
        Number of products that a component's score is linear in.
    block_size : int, default=None
        Rows that a thread takes at a time, rounded up to whole groups. None: one group.
    """

    n_rows: int
    n_features: int
    n_components: int
    n_pairs: int
    block_size: int | None = None
    tile_rows: int = field(init=False)
    group_rows: int = field(init=False)
    chunks: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        n_pairs = max(self.n_pairs, 1)
        budget = max(min(_PRODUCTS, _SMALL_PRODUCT // self.n_components), 64)
        # All pairs in one chunk, if that leaves rows enough: their products then serve twice.
        rows = budget // n_pairs // 64 * 64
        if rows == 0:
            rows = 256 if budget >= 256 * 64 else 128
        rows = min(rows, max(64, _BLOCK_SCORES // self.n_components // 64 * 64))
        rows -= rows % _PROJECTED_ROWS if rows > _PROJECTED_ROWS else 0
        rows = min(rows, ceil(self.n_rows / 64) * 64)
        most = min(
            _MOST_ROWS,
            ceil(self.n_rows / rows) * rows,
            _TILE_VALUES // (self.n_features + 2),
            _TILE_SCORES // self.n_components,
        )
        tile_rows = max(1, most // rows) * rows
        n_tiles = ceil(self.n_rows / tile_rows)
        tiles_in_group = min(_MOST_TILES, max(1, n_tiles // _GROUPS))
        # Chunks of equal size: a small remainder would be a slow product.
        n_chunks = ceil(n_pairs / max(1, budget // rows))
        object.__setattr__(self, "tile_rows", tile_rows)
        object.__setattr__(self, "group_rows", tile_rows * tiles_in_group)
        object.__setattr__(self, "chunks", (rows, ceil(n_pairs / n_chunks)))

    @property
    def n_groups(self) -> int:
        """Number of groups of tiles."""
        return ceil(self.n_rows / self.group_rows)

    @property
    def groups_at_once(self) -> int:
        """Number of groups that a thread takes at a time."""
        return 1 if self.block_size is None else ceil(self.block_size / self.group_rows)

    def tiles(self, group: int) -> list[tuple[int, int]]:
        """List the first and last row (exclusive) of each tile of a group."""
        start = group * self.group_rows
        stop = min(start + self.group_rows, self.n_rows)
        return [(a, min(a + self.tile_rows, stop)) for a in range(start, stop, self.tile_rows)]


def _aligned(*shape: int) -> NDArray[np.float64]:
    """Make an array that begins with a cache line: vectors that straddle two are slow."""
    size = prod(shape)
    memory = np.empty(size + 8)
    skip = -memory.ctypes.data % 64 // 8
    return memory[skip : skip + size].reshape(shape)


def _projected_rows(rows: int, n_features: int) -> int:
    """Say how many of a block's rows to project at a time; a divisor of their number."""
    most = _PROJECTED_ROWS
    while most > 64 and most * n_features**2 > _SMALL_PRODUCT:
        most //= 2
    return rows if rows <= most else gcd(rows, most)


class Tile:
    """The rows at hand, feature by feature, and the arrays that a visit fills.

    Kernels work on whole blocks of rows, so a tile has places for some more than it holds. There
    values and weights are zero.

    Attributes
    ----------
    n_rows : int
        How many of the places below are in use.
    values : ndarray of shape (n_features + 2, >= n_places)
        Standardised features, a line of ones, squared norms.
    weights, ones : ndarray of shape (n_places,)
    scores : ndarray of shape (n_components, >= n_places)
        Log joint densities; after normalising, responsibilities up to `factor`.
    resp : ndarray of shape (n_places, n_components)
        Weighted responsibilities.
    log_normaliser, factor : ndarray of shape (n_places,)
    products : ndarray of shape (chunk, block_rows)
        Scratch, as is what follows: the products of a chunk of pairs for a block of rows.
    block, block_part : ndarray of shape (n_components, block_rows)
    sums_part : ndarray of shape (chunk, n_components)
    lines : ndarray of shape (n_features + 1, projected_rows)
        Features and ones for a block of rows that are projected or centred.
    projected : ndarray of shape (n_features, projected_rows)
    projected_block : ndarray of shape (n_components, projected_rows)
    first_part : ndarray of shape (n_features + 1, n_components)
    second_part : ndarray of shape (n_features, n_features)
    power, power_bits : ndarray of shape (n_places,)
        One line of memory, as float64 and as int64.
    share : ndarray of shape (projected_rows,)
    """

    def __init__(self, plan: TilePlan) -> None:
        n_features, n_components = plan.n_features, plan.n_components
        rows, chunk = plan.chunks
        projected_rows = _projected_rows(rows, n_features)
        places = ceil(plan.tile_rows / rows) * rows
        self.n_rows = 0
        # Lines a power of two apart would share cache sets: eight places more prevent it.
        self.values = _aligned(n_features + 2, places + 8)
        self.weights = _aligned(places)
        self.ones = np.ones(places)
        self.scores = _aligned(n_components, places + 8)
        self.resp = _aligned(places, n_components)
        self.resp.fill(0.0)  # finite in the places that hold no row, too
        self.log_normaliser = _aligned(places)
        self.factor = _aligned(places)
        self.products = _aligned(chunk, rows)
        self.block = _aligned(n_components, rows)
        self.block_part = _aligned(n_components, rows)
        self.sums_part = _aligned(chunk, n_components)
        self.lines = _aligned(n_features + 1, projected_rows)
        self.projected = _aligned(n_features, projected_rows)
        self.projected_block = _aligned(n_components, projected_rows)
        self.first_part = _aligned(n_features + 1, n_components)
        self.second_part = _aligned(n_features, n_features)
        self.power = _aligned(places)
        self.power_bits = self.power.view(np.int64)
        self.share = _aligned(projected_rows)

    def hold(self, n_rows: int) -> tuple[int, int]:
        """Set the number of rows; return it, and the places that are to be filled up to."""
        self.n_rows = n_rows
        block_rows = self.products.shape[1]
        return n_rows, ceil(n_rows / block_rows) * block_rows
