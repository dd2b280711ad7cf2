"""Rows that lie in partitions, and passes that are made where they lie.

Nothing here knows who holds the partitions: a `Runner` calls functions with the rows of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine.gaps import GappyTable, has_gaps, make_table
from skem.engine.moments import (
    AskParts,
    column_moments,
    moments_of,
    seen_moments,
    seen_moments_of,
)
from skem.engine.resolution import recording_units
from skem.engine.source import Array, Source, Table
from skem.engine.tasks import Task
from skem.engine.threads import Threads
from skem.engine.tiles import TilePlan

__all__ = [
    "AnyTable",
    "PartitionEngine",
    "PartitionedTable",
    "Partitions",
    "Runner",
    "Survey",
    "make_engine",
    "survey",
]

Indices: TypeAlias = NDArray[np.intp]

# In so many rows of a table that was recorded in steps, neighbours are a step apart.
_ROWS_FOR_STEPS = 262_144


class Runner(Protocol):
    """Calls functions with the rows of partitions, where these lie."""

    def __call__(
        self,
        function: Any,
        numbers: Sequence[int],
        args: tuple[Any, ...],
        own: Sequence[tuple[Any, ...]] | None = None,
    ) -> Iterator[Any]:
        """Return ``function(X, weights, *args, *own[i])`` of each partition, in their order.

        Parameters
        ----------
        function : callable
            Of a module, so that it pickles. It gets an array of shape (n, n_features), and one of
            weights or None.
        numbers : sequence of int
            The partitions.
        args : tuple
            The same for all.
        own : sequence of tuple, default=None
            What each gets besides.
        """


class Survey(NamedTuple):
    """What is to be known of a partition before any pass.

    Attributes
    ----------
    n_rows, n_positive : int
        Number of rows, and of those of positive weight.
    weight : float
        Sum of the weights.
    least_weight : float
        The smallest positive one; inf if there is none.
    first : ndarray of shape (n_features,) or None
        The first row of positive weight.
    has_gaps : bool
        Whether any cell is NaN.
    """

    n_rows: int
    n_positive: int
    weight: float
    least_weight: float
    first: Array | None
    has_gaps: bool


def survey(X: NDArray[np.floating], weights: Array | None) -> Survey:
    """Look at a partition for the first time; ValueError for what can't be rows or weights."""
    if np.isinf(X).any():
        column = int(np.isinf(X).any(axis=0).argmax())
        raise ValueError(
            f"Input X contains infinity or a value too large for {X.dtype} in column {column}"
        )
    if weights is None:
        first = X[0].astype(np.float64) if len(X) else None
        return Survey(len(X), len(X), float(len(X)), 1.0, first, bool(np.isnan(X).any()))
    if not np.isfinite(weights).all():
        raise ValueError("sample_weight must be finite, but has NaN or infinite values")
    if (weights < 0).any():
        row = int(np.argmin(weights))
        raise ValueError(f"sample_weight must not be negative, but is {weights[row]} in row {row}")
    there = np.flatnonzero(weights > 0)
    first = X[there[0]].astype(np.float64) if len(there) else None
    least = float(weights[there].min(initial=np.inf))
    gaps = bool(np.isnan(X).any())
    return Survey(len(X), len(there), float(weights.sum()), least, first, gaps)


@dataclass(frozen=True)
class Partitions:
    """Rows, and their weights, in partitions; stands where an array of rows does.

    Parameters
    ----------
    run : Runner
    surveys : tuple of Survey
        Of all partitions.
    dtype : numpy dtype
    n_features : int
    is_weighted : bool
    given : tuple
        The collections of rows and weights as the user gave them, for callbacks.
    """

    run: Runner
    surveys: tuple[Survey, ...]
    dtype: np.dtype[Any]
    n_features: int
    is_weighted: bool
    given: tuple[Any, Any] = (None, None)

    def showing(self, X: Any, sample_weight: Any) -> Partitions:
        """Return the same partitions with what the user gave."""
        return replace(self, given=(X, sample_weight))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return int(self._ends[-1]), self.n_features

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def _ends(self) -> Indices:
        """The number of rows up to the end of each partition, from 0 on."""
        return np.concatenate([[0], np.cumsum([one.n_rows for one in self.surveys])]).astype(
            np.intp
        )

    @cached_property
    def _positive_ends(self) -> Indices:
        counts = [one.n_positive for one in self.surveys]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)

    @cached_property
    def in_use(self) -> list[int]:
        """The partitions that have rows of positive weight."""
        return [number for number, one in enumerate(self.surveys) if one.n_positive]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last row (exclusive) of each partition."""
        return [(int(a), int(b)) for a, b in zip(self._ends, self._ends[1:], strict=False)]

    @property
    def has_gaps(self) -> bool:
        """Whether any cell is NaN."""
        return any(one.has_gaps for one in self.surveys)

    @property
    def ask(self) -> AskParts:
        """Ask something of the partitions in use, in their order."""
        return lambda function, *args: self.run(function, self.in_use, args)

    def positive(self, places: Indices) -> Indices:
        """Return the numbers of rows, by their places in order among those of positive weight."""
        if not self.is_weighted:
            return places
        inside = _split(places, self._positive_ends)
        numbers = [number for number in self.in_use if len(inside[number])]
        found = self.run(_positive, numbers, (), [(inside[number],) for number in numbers])
        return np.concatenate(
            [self._ends[n] + part for n, part in zip(numbers, found, strict=True)]
        )

    def take(self, rows: Indices) -> tuple[NDArray[np.floating], Array | None]:
        """Return rows, and their weights, in memory."""
        order = np.argsort(rows, kind="stable")
        inside = _split(rows[order], self._ends)
        numbers = [number for number, own in enumerate(inside) if len(own)]
        parts = list(self.run(_take, numbers, (), [(inside[number],) for number in numbers]))
        back = np.argsort(order)
        X = np.concatenate([part for part, _ in parts])[back]
        if not self.is_weighted:
            return X, None
        return X, np.concatenate([weights for _, weights in parts])[back]


def _split(rows: Indices, ends: Indices) -> list[Indices]:
    """Split row numbers, in order, by partitions; return those within each."""
    cuts = np.searchsorted(rows, ends)
    return [rows[a:b] - end for a, b, end in zip(cuts, cuts[1:], ends, strict=False)]


def _take(
    X: NDArray[np.floating], weights: Array | None, rows: Indices
) -> tuple[NDArray[np.floating], Array | None]:
    return np.ascontiguousarray(X[rows]), None if weights is None else weights[rows]


def _positive(X: NDArray[np.floating], weights: Array, places: Indices) -> Indices:
    return np.flatnonzero(weights > 0)[places]


def _weights(X: NDArray[np.floating], weights: Array) -> Array:
    return weights


def _seen_weight(X: NDArray[np.floating], weights: Array | None) -> Array:
    """Return the total weight of each column's seen cells."""
    result: Array = (np.ones(len(X)) if weights is None else weights) @ ~np.isnan(X)
    return result


def _pairs_seen(X: NDArray[np.floating], weights: Array | None) -> NDArray[np.bool_]:
    unit = np.ones(X.shape[1])
    return GappyTable(X, weights, 0.0 * unit, unit).pairs_seen()


def _fold(
    X: NDArray[np.floating],
    weights: Array | None,
    origin: Array,
    scale: Array,
    plan: TilePlan,
    task: Task[Any, Any],
    gappy: bool,
) -> Any:
    """Make a pass over one partition, by one thread."""
    table = make_table(X, weights, origin, scale, gappy=gappy)
    with Threads(1) as alone:
        return alone.fold(task, table, plan.with_rows(table.n_rows))


@dataclass(frozen=True)
class PartitionedTable:
    """Partitions in the units of a fit; see `Table`, of which it has all that a fit asks.

    Parameters
    ----------
    X : Partitions
    origin, scale : ndarray of shape (n_features,)
    """

    X: Partitions
    origin: Array
    scale: Array

    @property
    def n_rows(self) -> int:
        """Number of rows, those of weight zero included."""
        return len(self.X)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.X.n_features

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return _total_weight(self.X)

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

    @cached_property
    def seen_share(self) -> Array:
        """Share of the total weight that rows have in which each column is seen, (D,)."""
        if not self.X.has_gaps:
            return np.ones(self.n_features)
        result: Array = sum(self.X.ask(_seen_weight)) / self.total_weight
        return result

    def pairs_seen(self) -> NDArray[np.bool_]:
        """Say for which pairs of columns there are rows that have both, (D, D)."""
        if not self.X.has_gaps:
            return np.ones((self.n_features, self.n_features), dtype=bool)
        return np.any(list(self.X.ask(_pairs_seen)), axis=0)

    def positive(self, places: Indices) -> Indices:
        """Return the numbers of rows, by their places in order among those of positive weight."""
        return self.X.positive(places)

    def positive_rows(self) -> Table:
        """Return the rows of positive weight, in memory."""
        return self.take(self.positive(np.arange(self.n_positive)))

    def take(self, rows: Indices) -> Table:
        """Return some of the rows as a table in memory."""
        table: Table = make_table(*self.X.take(rows), self.origin, self.scale)
        return table


def _total_weight(X: Partitions) -> float:
    return float(sum(one.weight for one in X.surveys))


AnyTable: TypeAlias = Table | PartitionedTable

# What is asked of an array before there is a table, may be asked of partitions as well. They hold
# their weights, so none are given.


@has_gaps.register
def _(X: Partitions) -> bool:
    return X.has_gaps


@make_table.register
def _(
    X: Partitions, weights: None, origin: Array, scale: Array, *, gappy: bool | None = None
) -> PartitionedTable:
    return PartitionedTable(X, origin, scale)


@column_moments.register
def _(X: Partitions, weights: None) -> tuple[Array, Array]:
    first = X.surveys[X.in_use[0]].first
    assert first is not None
    return moments_of(X.ask, _total_weight(X), first)


@seen_moments.register
def _(X: Partitions, weights: None) -> tuple[Array, Array, Array]:
    return seen_moments_of(X.ask)


@recording_units.register
def _(X: Partitions, weights: None, deviation: Array) -> Array:
    """Look at rows from all over the table: no more than show the steps of a column."""
    rows = np.arange(0, len(X), -(-len(X) // _ROWS_FOR_STEPS))
    sample, sample_weights = X.take(rows)
    units: Array = recording_units(sample, sample_weights, deviation)
    return units


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
        args: tuple[Any, ...] = (source.origin, source.scale, plan)
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
