"""Mixed tables: cells of every kind, as a mixture of them reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.cells import FALSE, TRUE, is_boolean, words
from skem.cli.columns import Reader, Request
from skem.cli.kinds import CODED, Kinds
from skem.cli.messages import CommandError, count, shorten
from skem.columns import ColumnInfo
from skem.families.kinds.registry import KINDS

__all__ = ["MixedFeatures", "read_known", "read_mixed"]

# What the cells of a column are: one of these.
NUMBER, TRUTH, WORD = "number", "truth value", "word"
# Kinds of columns that nobody declared; Gaussian ones all take the same values.
NUMBERS, CATEGORIES = "full", "categorical"
_SHOWN = 10


@dataclass(frozen=True)
class MixedFeatures:
    """What a mixture of columns of every kind sees of a table.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    rows : pyarrow.Table
        Their cells in the rows that are used: float64, bool or text; null where missing.
    weights : ndarray of shape (n_used,), float64, or None
        The rows' weights.
    used : ndarray of shape (n_rows,), bool
        Which rows of the table these are.
    """

    columns: tuple[str, ...]
    rows: pa.Table
    weights: np.ndarray | None
    used: np.ndarray

    @property
    def missing(self) -> np.ndarray:
        """Which cells are missing, shape (n_used, n_columns)."""
        return np.column_stack([column.is_null().to_numpy() for column in self.rows.columns])

    @property
    def constant(self) -> list[str]:
        """Columns that have the same value in every row."""
        pairs = zip(self.columns, self.rows.columns, strict=True)
        return [name for name, column in pairs if pc.count_distinct(column).as_py() == 1]

    def values(self, name: str) -> np.ndarray:
        """Return the values of a column of numbers, NaN where one is missing."""
        values: np.ndarray = self.rows[name].to_numpy()
        return values


class Wanted(NamedTuple):
    """A column to be read: its name and kind, and what its cells are."""

    name: str
    kind: str
    what: str


def read_mixed(reader: Reader, request: Request, kinds: Kinds) -> MixedFeatures:
    """Read columns of every kind.

    Parameters
    ----------
    reader : Reader
    request : Request
    kinds : Kinds

    Raises
    ------
    CommandError
        If a column holds what its kind can't have, naming the first such row; and as
        `Reader.read` does for weights and rows.
    """
    kind_of = {name: kind for kind, names in kinds.declared for name in names}
    kind_of |= dict.fromkeys(kinds.numbers, NUMBERS) | dict.fromkeys(kinds.categories, CATEGORIES)
    wanted = [
        Wanted(name, kind_of[name], _what(reader, name) if kind_of[name] in CODED else NUMBER)
        for name in reader.table.names
        if name in kind_of
    ]
    for one in wanted:
        if one.kind == "bernoulli":
            _check_two_values(reader, one)
    weight = None if request.weight is None else reader.table.find(request.weight)
    return _read(reader, wanted, weight, request.drop_missing)


def read_known(
    reader: Reader, columns: Sequence[ColumnInfo], *, drop_missing: bool
) -> MixedFeatures:
    """Read the columns that a model was fitted to.

    Parameters
    ----------
    reader : Reader
    columns : sequence of ColumnInfo
    drop_missing : bool
        Whether rows with missing cells are left out.

    Raises
    ------
    CommandError
        As `read_mixed`, and for a category that is not known, naming value, column and row.
    """
    names = reader.named([info.name for info in columns], [], None)
    wanted = [
        Wanted(name, info.kind, NUMBER if info.categories is None else _what_of(info.categories))
        for name, info in zip(names, columns, strict=True)
    ]
    features = _read(reader, wanted, None, drop_missing)
    places = np.flatnonzero(features.used)
    for name, info in zip(names, columns, strict=True):
        if info.categories is None:
            continue
        cells = features.rows[name].to_pylist()
        known = {None, *info.categories}
        odd = next((row for row, cell in enumerate(cells) if cell not in known), None)
        if odd is not None:
            listed = ", ".join(repr(shorten(value, 40)) for value in info.categories[:_SHOWN])
            listed += ", ..." if len(info.categories) > _SHOWN else ""
            row = int(places[odd])
            raise CommandError(
                f"{reader.table.where(name, row)}: {reader.show(name, row)} is none of the "
                f"categories that the model was fitted to: {listed}; leave the cell empty to have "
                "the row scored by its others"
            )
    return features


def _read(
    reader: Reader, wanted: Sequence[Wanted], weight: str | None, drop_missing: bool
) -> MixedFeatures:
    names = [one.name for one in wanted]
    for one in wanted:
        _check(reader, one)
    used = reader.used_rows(names, weight, drop_missing)
    cells = [_cells(reader, one) for one in wanted]
    rows = pa.table(cells, names=names).filter(pa.array(used))
    return MixedFeatures(tuple(names), rows, reader.weights(weight, used), used)


def _check(reader: Reader, one: Wanted) -> None:
    """Refuse the first cell that is not what its column's are."""
    name, kind, what = one
    if what == TRUTH and not is_boolean(reader.column(name)):
        text = words(reader.column(name))
        true = pc.or_(pc.is_in(text, TRUE), pc.is_in(text, FALSE)).to_numpy().astype(bool)
        odd = ~true & ~reader.numbers(name).missing
        _refuse(reader, name, odd, "neither true nor false")
    if what == NUMBER:
        reader.refuse_bad(name)
        values = reader.numbers(name).values
        if kind in CODED:
            odd = ~np.isnan(values) & (values != np.floor(values))
            _refuse(reader, name, odd, "no whole number, as numbers that are categories are")
        elif kind in KINDS:
            odd, allowed = KINDS[kind](1).fault(values[:, None])
            _refuse(reader, name, odd[:, 0], f"not possible: {kind} columns hold {allowed}")


def _refuse(reader: Reader, name: str, odd: np.ndarray, why: str) -> None:
    if odd.any():
        row = int(odd.argmax())
        raise CommandError(f"{reader.table.where(name, row)}: {reader.show(name, row)} is {why}")


def _check_two_values(reader: Reader, one: Wanted) -> None:
    """Refuse a column of more or fewer than two values, unless they are 0 or 1, true or false."""
    found = reader.numbers(one.name)
    values = found.values[~np.isnan(found.values)]
    if one.what == TRUTH or (one.what == NUMBER and np.isin(values, (0.0, 1.0)).all()):
        return
    n_values = len(pc.unique(words(reader.column(one.name)).filter(pa.array(~found.missing))))
    if n_values != 2:
        raise CommandError(
            f"{reader.table.name}: column {one.name!r}: {count(n_values, 'different value')}, but "
            "bernoulli columns have two; --kind categorical takes any number"
        )


def _what(reader: Reader, name: str) -> str:
    """Say what the cells of a column of categories are."""
    if is_boolean(reader.column(name)):
        return TRUTH
    return NUMBER if reader.numbers(name).all_numbers else WORD


def _what_of(categories: tuple[Any, ...]) -> str:
    """Say what the cells of a column were whose categories are known."""
    if all(isinstance(value, bool) for value in categories):
        return TRUTH
    return WORD if any(isinstance(value, str) for value in categories) else NUMBER


def _cells(reader: Reader, one: Wanted) -> pa.Array:
    """Return the cells of a column as what they are, null where missing."""
    found = reader.numbers(one.name)
    missing = pa.array(found.missing)
    if one.what == NUMBER:
        return pa.array(found.values, mask=found.missing)
    text = words(reader.column(one.name)).combine_chunks()
    cells = text if one.what == WORD else pc.is_in(text, TRUE)
    return pc.if_else(missing, pa.scalar(None, cells.type), cells)
