"""Passes over rows that lie in partitions, made where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine.blocks import BlockTable, GappyBlockTable, LinesOfBlocks, make_block_table
from skem.engine.gaps import GappyTable, has_gaps, make_table
from skem.engine.partitions import Partitions
from skem.engine.source import Array, Source, Table
from skem.engine.tasks import Task
from skem.engine.threads import Threads
from skem.engine.tiles import TilePlan

__all__ = ["AnyTable", "PartitionEngine", "PartitionedTable", "make_engine"]

Indices: TypeAlias = NDArray[np.intp]


def _weights(X: NDArray[np.floating], weights: Array) -> Array:
    return weights


def _pairs_seen(X: NDArray[np.floating], weights: Array | None) -> NDArray[np.bool_]:
    unit = np.ones(X.shape[1])
    return GappyTable(X, weights, 0.0 * unit, unit).pairs_seen()


def _sum_line(
    X: NDArray[np.floating], weights: Array | None, maker: LinesOfBlocks, number: int
) -> float:
    line = np.asarray(maker.lines(X).lines[:, number], dtype=np.float64)
    return float(line.sum() if weights is None else weights @ line)


def _fold(
    X: NDArray[np.floating],
    weights: Array | None,
    origin: Array,
    scale: Array,
    plan: TilePlan,
    maker: LinesOfBlocks | None,
    task: Task[Any, Any],
    gappy: bool,
) -> Any:
    """Make a pass over one partition, by one thread."""
    table = make_block_table(X, weights, origin, scale, maker, gappy=gappy)
    with Threads(1) as alone:
        return alone.fold(task, table, plan.with_rows(table.n_rows))


@dataclass(frozen=True)
class PartitionedTable:
    """Partitions in the units of a fit; see `Table`, of which it has all that a fit asks.

    Parameters
    ----------
    X : Partitions
    origin, scale : ndarray of shape (n_columns,)
    maker : LinesOfBlocks, default=None
        What makes lines of rows, where these lie; None: the rows are the lines.
    """

    X: Partitions
    origin: Array
    scale: Array
    maker: LinesOfBlocks | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows, those of weight zero included."""
        return len(self.X)

    @property
    def n_features(self) -> int:
        """Number of lines: of columns, if the rows are the lines."""
        return self.X.n_features if self.maker is None else self._samples.shape[1]

    @property
    def width(self) -> int:
        """Number of values that tell a row from others."""
        if self.maker is None:
            return self.X.n_features
        assert self.X.samples is not None
        return self.maker.features(self.X.samples[:0], self.origin, self.scale).shape[1]

    @cached_property
    def _samples(self) -> NDArray[np.floating]:
        """Lines with a missing cell wherever any has one."""
        assert self.maker is not None
        assert self.X.samples is not None
        return self.maker.lines(self.X.samples).lines

    @cached_property
    def has_gaps(self) -> bool:
        """Whether any cell of what tiles are loaded with is NaN."""
        return self.X.has_gaps if self.maker is None else has_gaps(self._samples)

    @property
    def distinct(self) -> PartitionedTable:
        """What sums over all rows are the same over: these rows."""
        return self

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return self.X.weight

    @property
    def n_positive(self) -> int:
        """Number of rows of positive weight."""
        return sum(one.n_positive for one in self.X.surveys)

    @property
    def is_weighted(self) -> bool:
        """Whether rows have weights."""
        return self.X.is_weighted

    @property
    def least_weight(self) -> float:
        """The smallest positive weight."""
        return min(one.least_weight for one in self.X.surveys)

    @property
    def all_weights(self) -> Array | None:
        """The weights of all rows, in memory; None: every row counts once."""
        if not self.is_weighted:
            return None
        numbers = range(len(self.X.surveys))
        return np.concatenate(list(self.X.run(_weights, numbers, ())))

    @property
    def seen_share(self) -> Array:
        """Share of the total weight that rows have in which each column is seen, (D,)."""
        if not self.X.has_gaps:
            return np.ones(self.X.n_features)
        seen: Array = np.sum([part.weight for part in self.X.columns], axis=0)
        return seen / self.total_weight

    def pairs_seen(self) -> NDArray[np.bool_]:
        """Say for which pairs of columns there are rows that have both, (D, D)."""
        if not self.X.has_gaps:
            return np.ones((self.X.n_features, self.X.n_features), dtype=bool)
        return np.any(list(self.X.ask(_pairs_seen)), axis=0)

    def sum_line(self, number: int) -> float:
        """Sum one of the lines that are made of the rows, with the rows' weights."""
        return sum(self.X.ask(_sum_line, self.maker, number))

    def positive(self, places: Indices) -> Indices:
        """Return the numbers of rows, by their places in order among those of positive weight."""
        return self.X.positive(places)

    def positive_rows(self) -> Table:
        """Return the rows of positive weight, in memory."""
        return self.take(self.positive(np.arange(self.n_positive)))

    def take(self, rows: Indices) -> Table:
        """Return some of the rows as a table in memory."""
        own = (*self.X.take(rows), self.origin, self.scale)
        if self.maker is not None:
            return (GappyBlockTable if self.has_gaps else BlockTable)(*own, maker=self.maker)
        table: Table = make_table(*own)
        return table


AnyTable: TypeAlias = Table | PartitionedTable


@make_table.register
def _(
    X: Partitions, weights: None, origin: Array, scale: Array, *, gappy: bool | None = None
) -> PartitionedTable:
    return PartitionedTable(X, origin, scale)


@make_block_table.register
def _(
    X: Partitions,
    weights: None,
    origin: Array,
    scale: Array,
    maker: LinesOfBlocks | None,
    *,
    gappy: bool,
) -> PartitionedTable:
    return PartitionedTable(X, origin, scale, maker)


class PartitionEngine:
    """An `Engine` for rows in partitions, and for the rows in memory that a start looks at.

    Partitions are folded where they lie, each by itself, and their totals added in the order of
    the partitions. For tasks whose totals are results, that is, sums.

    Parameters
    ----------
    threads : Threads
        For rows in memory.
    """

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    def __enter__(self) -> PartitionEngine:
        self.threads.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.threads.__exit__(kind, error, trace)

    def fold(self, task: Any, source: Source | PartitionedTable, plan: TilePlan) -> Any:
        """Return what a task makes of all rows; see `Engine`."""
        if not isinstance(source, PartitionedTable):
            return self.threads.fold(task, source, plan)
        rows = source.X
        # All are asked: shares that are drawn go on from one partition to the next.
        parts = [task.part(*ends) for ends in rows.ranges]
        gaps = [one.has_gaps for one in rows.surveys]
        args: tuple[Any, ...] = (source.origin, source.scale, plan, source.maker)
        if all(part is task for part in parts):
            args = (*args, task)
            own: list[tuple[Any, ...]] = [(gaps[number],) for number in rows.in_use]
        else:
            own = [(parts[number], gaps[number]) for number in rows.in_use]
        total = None
        for result in rows.run(_fold, rows.in_use, args, own):
            total = result if total is None else task.add(total, result)
        return total


def make_engine(table: AnyTable, n_threads: int) -> Threads | PartitionEngine:
    """Make the engine that suits where rows lie; to be entered by the caller."""
    threads = Threads(n_threads)
    return PartitionEngine(threads) if isinstance(table, PartitionedTable) else threads
