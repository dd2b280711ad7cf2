"""How rows are visited: tiles, threads, and sums that never depend on either."""

from skem.engine.table import Table, column_moments, is_plain, plain
from skem.engine.threads import Threads, count_threads
from skem.engine.tiles import Tile, TilePlan

__all__ = [
    "Table",
    "Threads",
    "Tile",
    "TilePlan",
    "column_moments",
    "count_threads",
    "is_plain",
    "plain",
]
