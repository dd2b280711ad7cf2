"""Rows that lie in partitions.

Nothing here knows who holds them: a `Runner` calls functions with the rows of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine.gaps import has_gaps
from skem.engine.moments import (
    ColumnSums,
    column_moments,
    moments_of_parts,
    seen_moments,
    sum_columns,
    sum_seen_columns,
)
from skem.engine.resolution import Recording, recording_units
from skem.engine.source import Array

__all__ = ["Partitions", "Runner", "Survey", "survey", "survey_columns", "weigh"]

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
    has_gaps : bool
        Whether any cell is NaN.
    columns : ColumnSums or None
        Sums by which columns are measured; None where nobody asked, or no row has a weight.
    """

    n_rows: int
    n_positive: int
    weight: float
    least_weight: float
    has_gaps: bool
    columns: ColumnSums | None = None


def survey(X: NDArray[np.floating], weights: Array | None) -> Survey:
    """Look at a partition for the first time; ValueError for what can't be rows or weights."""
    if np.isinf(X).any():
        column = int(np.isinf(X).any(axis=0).argmax())
        raise ValueError(
            f"Input X contains infinity or a value too large for {X.dtype} in column {column}"
        )
    return weigh(len(X), weights)._replace(has_gaps=bool(np.isnan(X).any()))


def weigh(n_rows: int, weights: Array | None) -> Survey:
    """Look at the weights of a partition alone; ValueError for what can't be weights."""
    if weights is None:
        return Survey(n_rows, n_rows, float(n_rows), 1.0, False)
    if not np.isfinite(weights).all():
        raise ValueError("sample_weight must be finite, but has NaN or infinite values")
    if (weights < 0).any():
        row = int(np.argmin(weights))
        raise ValueError(f"sample_weight must not be negative, but is {weights[row]} in row {row}")
    there = np.flatnonzero(weights > 0)
    least = float(weights[there].min(initial=np.inf))
    return Survey(n_rows, len(there), float(weights.sum()), least, False)


def survey_columns(X: NDArray[np.floating], weights: Array | None) -> Survey:
    """Look at a partition for the first time, and measure its columns while it is there."""
    found = survey(X, weights)
    if not found.n_positive:
        return found
    add_up = sum_seen_columns if found.has_gaps else sum_columns
    return found._replace(columns=add_up(X, weights))


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
    samples : ndarray of shape (n, n_features) or None
        A few rows that have a missing cell in each column that has some, and all values of the
        columns in which families look for these. None: families only ask whether cells are missing.
    """

    run: Runner
    surveys: tuple[Survey, ...]
    dtype: np.dtype[Any]
    n_features: int
    is_weighted: bool
    given: tuple[Any, Any] = (None, None)
    samples: NDArray[np.floating] | None = None

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
    def weight(self) -> float:
        """Sum of the weights."""
        return float(sum(one.weight for one in self.surveys))

    @property
    def has_gaps(self) -> bool:
        """Whether any cell is NaN."""
        return any(one.has_gaps for one in self.surveys)

    @property
    def columns(self) -> list[ColumnSums]:
        """By which the columns are measured: the sums of the partitions in use."""
        return [one.columns for one in self.surveys if one.columns is not None]

    @property
    def ask(self) -> Callable[..., Iterable[Any]]:
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


# What is asked of an array before there is a table, may be asked of partitions as well. They hold
# their weights, so none are given.


@has_gaps.register
def _(X: Partitions) -> bool:
    return X.has_gaps


@column_moments.register
def _(X: Partitions, weights: None) -> tuple[Array, Array]:
    return moments_of_parts(X.columns, gappy=False)[:2]


@seen_moments.register
def _(X: Partitions, weights: None) -> tuple[Array, Array, Array]:
    return moments_of_parts(X.columns, gappy=True)


@recording_units.register
def _(X: Partitions, weights: None, deviation: Array) -> Recording:
    """Look at rows from all over the table: no more than show the steps of a column."""
    rows = np.arange(0, len(X), -(-len(X) // _ROWS_FOR_STEPS))
    sample, sample_weights = X.take(rows)
    found: Recording = recording_units(sample, sample_weights, deviation)
    return found
