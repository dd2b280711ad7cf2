"""Columns: which of a table's columns are used, and their values as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa

from skem.cli.cells import Numbers, has_other_decimal, is_text, numbers
from skem.cli.files import Table
from skem.cli.messages import CommandError, count, joined, note, quoted, shorten

__all__ = ["Features", "Reader", "Request", "Seen", "concerned"]


@dataclass(frozen=True)
class Request:
    """What the user says about columns.

    Attributes
    ----------
    columns : sequence of str or None
        Those to use; None takes all that may describe a row.
    exclude : sequence of str
        Those to leave out.
    weight : str or None
        The one with the rows' weights, which is never a feature.
    drop_missing : bool
        Whether rows with a missing value are left out; missing cells are kept otherwise.
    """

    columns: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    weight: str | None = None
    drop_missing: bool = False


@dataclass(frozen=True)
class Features:
    """What a mixture sees of a table.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    X : ndarray of shape (n_used, n_columns), float64
        Their values in the rows that are used, in the table's units; NaN where one is missing.
    weights : ndarray of shape (n_used,), float64, or None
        The rows' weights.
    used : ndarray of shape (n_rows,), bool
        Which rows of the table these are.
    """

    columns: tuple[str, ...]
    X: np.ndarray
    weights: np.ndarray | None
    used: np.ndarray

    @property
    def missing(self) -> np.ndarray:
        """Which cells of `X` are missing."""
        return np.isnan(self.X)

    @property
    def constant(self) -> list[str]:
        """Columns that have the same value in every row."""
        pairs = zip(self.columns, self.X.T, strict=True)
        return [name for name, x in pairs if np.nanmin(x) == np.nanmax(x)]

    def values(self, name: str) -> np.ndarray:
        """Return the values of a column."""
        values: np.ndarray = self.X[:, self.columns.index(name)]
        return values


class Seen(Protocol):
    """What a mixture sees of a table, as far as remarks on it need to know."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def weights(self) -> np.ndarray | None:
        """The rows' weights."""

    @property
    def missing(self) -> np.ndarray:
        """Which cells are missing, shape (n_used, n_columns)."""


@dataclass(frozen=True)
class Reader:
    """Reads columns of a table as numbers.

    Attributes
    ----------
    table : Table
        The table.
    """

    table: Table

    @cached_property
    def _cache(self) -> dict[str, Numbers]:
        return {}

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column as it stands in the table."""
        return self.table.columns.column(self.table.names.index(name))

    def numbers(self, name: str) -> Numbers:
        """Return a column as numbers; what was read once is remembered."""
        if name not in self._cache:
            self._cache[name] = numbers(self.column(name), self.table.dialect.decimal)
        return self._cache[name]

    def is_text(self, name: str) -> bool:
        """Whether a column is of text, maybe as a dictionary."""
        return is_text(self.column(name))

    def has_numbers(self, name: str) -> bool:
        """Whether any cell of a column is a number."""
        return not np.isnan(self.numbers(name).values).all()

    def read(
        self, names: Sequence[str], weight: str | None = None, *, drop_missing: bool = False
    ) -> Features:
        """Check columns of numbers and return their values.

        Parameters
        ----------
        names : sequence of str
            The columns.
        weight : str or None, default=None
            The one with the rows' weights.
        drop_missing : bool, default=False
            Whether rows with a missing value are left out.

        Returns
        -------
        Features
            The values.

        Raises
        ------
        CommandError
            If a column is not there or named twice; if one holds something that is no number or
            infinite, naming the first such row; if a weight is missing and such rows are not to be
            dropped; if a weight is negative or all are zero; if no row is left.
        """
        weight = None if weight is None else self.table.find(weight)
        columns = self.named(names, [], weight)
        for name in columns:
            self.refuse_bad(name)
        rows = self.used_rows(columns, weight, drop_missing)
        X = np.column_stack([self.numbers(name).values for name in columns])
        return Features(tuple(columns), X[rows], self.weights(weight, rows), rows)

    def used_rows(
        self, columns: Sequence[str], weight: str | None, drop_missing: bool
    ) -> np.ndarray:
        """Say which rows are used, and check the column of weights, if there is one.

        Parameters
        ----------
        columns : sequence of str
            Those that are used.
        weight : str or None
        drop_missing : bool

        Returns
        -------
        ndarray of shape (n_rows,), bool
        """
        if weight is not None:
            self.refuse_bad(weight)
        if drop_missing:
            return self.complete_rows([*columns, *([weight] if weight else [])])
        if weight is not None:
            self.refuse_missing(weight)
        return np.ones(self.table.n_rows, dtype=bool)

    def check_seen(self, features: Seen) -> None:
        """Refuse columns without any value in the rows that count.

        Parameters
        ----------
        features : Features
            What was read.

        Raises
        ------
        CommandError
            Naming them.
        """
        there = ~features.missing
        if features.weights is not None:
            there = there[features.weights > 0]
        seen = np.logical_or.reduce(there, axis=0)
        pairs = zip(features.columns, seen, strict=True)
        empty = joined(quoted(name) for name, has_value in pairs if not has_value)
        if empty:
            where = "" if features.weights is None else " in a row of positive weight"
            raise CommandError(
                f"{self.table.name}: no value{where} in {empty}; leave it out by --exclude"
            )

    def named(self, names: Sequence[str], exclude: Sequence[str], weight: str | None) -> list[str]:
        """Find the columns that the user named; none of them may be left out as well."""
        table = self.table
        columns = [table.find(name) for name in names]
        for i, name in enumerate(columns):
            if name == weight:
                raise CommandError(f"{table.name}: column {name!r} holds the weights; not both")
            if name in columns[:i]:
                raise CommandError(f"{table.name}: column {name!r} is named twice in --columns")
            if name in exclude:
                raise CommandError(f"{table.name}: column {name!r} is in --columns and --exclude")
        return columns

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers or truth values only; text does in text files alone."""
        column = self.column(name)
        if self.table.lines is None and is_text(column):
            return False
        if self.numbers(name).all_numbers:
            return True
        if has_other_decimal(column, self.table.dialect):
            raise CommandError(self._say_other_decimal(name))
        return False

    def _say_other_decimal(self, name: str) -> str:
        other = "," if self.table.dialect.decimal == "." else "."
        row = int(self.numbers(name).bad.argmax())
        return (
            f"{self.table.where(name, row)}: {self.show(name, row)} is not a number; if "
            f"{other!r} stands before its decimals, give --decimal '{other}', else leave the "
            "column out by --exclude"
        )

    def show(self, name: str, row: int) -> str:
        """Write a cell for a message."""
        return repr(shorten(self.column(name)[row].as_py(), 40))

    def refuse_bad(self, name: str) -> None:
        """Refuse a column with something that is no number or infinite, naming the first."""
        found = self.numbers(name)
        bad = found.bad | np.isinf(found.values)
        if not bad.any():
            return
        row = int(bad.argmax())
        if found.bad[row] and has_other_decimal(self.column(name), self.table.dialect):
            raise CommandError(self._say_other_decimal(name))
        reason = f"{self.show(name, row)} is not a number" if found.bad[row] else "infinite value"
        raise CommandError(f"{self.table.where(name, row)}: {reason}")

    def complete_rows(self, columns: Sequence[str]) -> np.ndarray:
        """Say which rows miss no value, and note the others."""
        masks = {name: self.numbers(name).missing for name in columns}
        gaps = {name: int(mask.sum()) for name, mask in masks.items() if mask.any()}
        complete = ~np.logical_or.reduce(list(masks.values()))
        if not gaps:
            return complete
        rows, name = int((~complete).sum()), self.table.name
        told = concerned(rows, self.table.n_rows, gaps, " with missing values")
        if rows == self.table.n_rows:
            raise CommandError(
                f"{name}: {told}: --drop-missing would leave no row; leave columns out by --exclude"
            )
        note(f"{name}: left out {told}")
        return complete

    def refuse_missing(self, weight: str) -> None:
        """Refuse missing weights, naming the first."""
        missing = self.numbers(weight).missing
        if missing.any():
            where = self.table.where(weight, int(missing.argmax()))
            raise CommandError(f"{where}: missing weight; --drop-missing leaves such rows out")

    def weights(self, name: str | None, rows: np.ndarray) -> np.ndarray | None:
        """Return the weights of some rows, if there is a column of them."""
        if name is None:
            return None
        values = self.numbers(name).values
        if (values < 0).any():
            row = int((values < 0).argmax())
            raise CommandError(f"{self.table.where(name, row)}: negative weight {values[row]:g}")
        weights: np.ndarray = values[rows]
        if not weights.any():
            raise CommandError(f"{self.table.name}: column {name!r}: every weight is zero")
        return weights


def concerned(rows: int, n_rows: int, gaps: dict[str, int], which: str = "") -> str:
    """Say in how many rows of a table cells are missing, and how many in each column."""
    columns = joined(f"{quoted(name)} ({gap:,})" for name, gap in gaps.items())
    return f"{rows:,} of {count(n_rows, 'row')}{which}, in {count(len(gaps), 'column')}: {columns}"
