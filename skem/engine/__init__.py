"""How rows are visited: sources, tiles, threads, and sums that never depend on any of these."""

from skem.engine.blocks import Blocks, LinesOfBlocks, make_block_table
from skem.engine.gaps import GappyTable, has_gaps, index_gaps, make_table, sum_seen
from skem.engine.moments import column_moments, is_plain, plain, seen_moments
from skem.engine.partitioned import AnyTable, PartitionedTable, PartitionEngine, make_engine
from skem.engine.partitions import Partitions
from skem.engine.source import Population, Source, Table
from skem.engine.tasks import Engine, Task
from skem.engine.threads import Threads, count_threads
from skem.engine.tiles import Tile, TilePlan, Workplace, aligned, aligned_arrays, plan_tiles

__all__ = [
    "AnyTable",
    "Blocks",
    "Engine",
    "GappyTable",
    "LinesOfBlocks",
    "PartitionEngine",
    "PartitionedTable",
    "Partitions",
    "Population",
    "Source",
    "Table",
    "Task",
    "Threads",
    "Tile",
    "TilePlan",
    "Workplace",
    "aligned",
    "aligned_arrays",
    "column_moments",
    "count_threads",
    "has_gaps",
    "index_gaps",
    "is_plain",
    "make_block_table",
    "make_engine",
    "make_table",
    "plain",
    "plan_tiles",
    "seen_moments",
    "sum_seen",
]
