"""How a table is cut for a visit, and the arrays that one thread works in."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tile", "TilePlan"]

# Measured on a Zen 4 core with 1 MiB of L2 cache (OpenBLAS 0.3.30). Up to 10^6 multiplications
# OpenBLAS takes a path without packing, which is worth a third of the time of so flat a
# product; 40 000 products fill 320 KB.
_SMALL_PRODUCT = 960_000
_PRODUCTS = 40_000
# Features and projections of as many rows stay in the innermost caches: with more, two threads
# wait for memory.
_PROJECTED_ROWS = 256
# Scores and responsibilities of a tile together: about 1 MB.
_TILE_VALUES = 60_000
_MOST_ROWS = 8192
# Groups of tiles are what threads take and what is summed in order: enough of them to share
# the work evenly, not so many tiles in one that results pile up.
_GROUPS = 24
_MOST_TILES = 16


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
        most = _TILE_VALUES // (self.n_components + self.n_features)
        most = min(_MOST_ROWS, max(128, most // 64 * 64))
        rows = 256 if budget >= 256 * 64 else 128
        rows = min(max(rows, budget // n_pairs // 64 * 64), most)
        tile_rows = most // rows * rows
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


class Tile:
    """The rows at hand, feature by feature, and the arrays that a visit fills.

    Attributes
    ----------
    n_rows : int
        How many of the places below are in use.
    values : ndarray of shape (n_features + 2, >= tile_rows)
        Standardised features, a line of ones, squared norms.
    weights, ones : ndarray of shape (tile_rows,)
    scores : ndarray of shape (n_components, >= tile_rows)
        Log joint densities; after normalising, responsibilities up to `factor`.
    resp : ndarray of shape (tile_rows, n_components)
        Weighted responsibilities.
    log_normaliser, factor : ndarray of shape (tile_rows,)
    chunks : tuple of two ints
        Rows and pairs for which products are formed at a time.
    projected_rows : int
        Rows that are projected at a time.
    scratch, mantissa, exponent : ndarray
    """

    def __init__(self, plan: TilePlan) -> None:
        rows, n_features, n_components = plan.tile_rows, plan.n_features, plan.n_components
        # Lines a power of two apart would share cache sets: eight places more prevent it.
        self.n_rows = 0
        self.values = _aligned(n_features + 2, rows + 8)
        self.weights = _aligned(rows)
        self.ones = np.ones(rows)
        self.scores = _aligned(n_components, rows + 8)
        self.resp = _aligned(rows, n_components)
        self.log_normaliser = _aligned(rows)
        self.factor = _aligned(rows)
        self.mantissa = _aligned(rows)
        self.exponent = np.empty(rows, dtype=np.int64)
        self.chunks = plan.chunks
        self.projected_rows = min(rows, _PROJECTED_ROWS)
        product_rows, chunk = plan.chunks
        linear = (product_rows * chunk) + n_components * max(product_rows, chunk)
        fused = product_rows * (chunk + 2 * n_components + 2) + chunk * n_components
        centred = 2 * n_features * rows + n_features**2
        self.scratch = _aligned(max(linear, fused, centred + n_components * self.projected_rows))
