"""Columns of a table in partitions: what each partition says of them, and all together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.columns.notes import MOST_VALUES
from skem.columns.read import RawColumn

__all__ = ["ColumnTally", "tally_columns", "unite_columns"]

Objects: TypeAlias = NDArray[np.object_]


class ColumnTally(NamedTuple):
    """The distinct values of a column of a partition.

    Attributes
    ----------
    column : RawColumn
        Distinct cells, without missing ones, in the order of their first rows.
    is_empty : bool
        Whether no cell has a value.
    is_cut : bool
        Whether there are values besides, which a column of measurements has no use for.
    """

    column: RawColumn
    is_empty: bool
    is_cut: bool = False


def tally_columns(raw: Sequence[RawColumn], coded: Collection[int] | None) -> list[ColumnTally]:
    """Return what is to be known of the columns of a partition.

    Parameters
    ----------
    raw : sequence of RawColumn
    coded : collection of int, or None
        Positions of the columns whose values are categories: of columns of numbers besides them
        no values are returned. None: it isn't known yet, and few whole numbers are returned.
    """
    return [_tally(column, coded) for column in raw]


def _tally(column: RawColumn, coded: Collection[int] | None) -> ColumnTally:
    if column.numbers is None:
        return _tally_objects(column)
    numbers = column.numbers
    seen = np.flatnonzero(~np.isnan(numbers))
    n_seen = len(seen)
    # Objects may be text in another partition.
    may_be_cut = coded is None and column.dtype != "object"
    if coded is not None:
        seen = seen if column.position in coded else seen[:0]
    else:
        # A number that is not whole says all: the column is one of measurements.
        odd = seen[numbers[seen] != np.floor(numbers[seen])]
        seen = odd[:1] if len(odd) and may_be_cut else seen
    values, first, counts = np.unique(numbers[seen], return_index=True, return_counts=True)
    order = np.argsort(first)
    if may_be_cut:
        order = order[: MOST_VALUES + 1]
    rows = seen[first[order]].astype(np.intp)
    return ColumnTally(
        column._replace(numbers=values[order], counts=counts[order].astype(np.int64), rows=rows),
        not n_seen,
        may_be_cut and int(counts[order].sum()) < n_seen,
    )


def _tally_objects(column: RawColumn) -> ColumnTally:
    assert column.values is not None
    first: dict[Any, int] = {}
    counts: dict[Any, int] = {}
    for row, value in enumerate(column.values.tolist()):
        if value is None:
            continue
        first.setdefault(value, row)
        counts[value] = counts.get(value, 0) + 1
    return ColumnTally(
        column._replace(
            values=_objects(list(first)),
            counts=np.array(list(counts.values()), dtype=np.int64),
            rows=np.array(list(first.values()), dtype=np.intp),
        ),
        not first,
    )


def _objects(cells: list[Any]) -> Objects:
    result = np.empty(len(cells), dtype=object)
    result[:] = cells
    return result


def unite_columns(
    parts: Sequence[Sequence[ColumnTally]], first_rows: Sequence[int]
) -> list[RawColumn]:
    """Return the columns of a table by their distinct values, in the order of the rows.

    Parameters
    ----------
    parts : sequence of sequence of ColumnTally
        Of each partition.
    first_rows : sequence of int
        The number of each partition's first row.

    Raises
    ------
    ValueError
        If partitions declare other orders of categories.
    """
    return [_unite(tallies, first_rows) for tallies in zip(*parts, strict=True)]


def _unite(tallies: Sequence[ColumnTally], first_rows: Sequence[int]) -> RawColumn:
    # A partition without any value can't tell of what type the values are.
    pairs = [
        (tally.column, first)
        for tally, first in zip(tallies, first_rows, strict=True)
        if not tally.is_empty
    ]
    like = (pairs[0] if pairs else (tallies[0].column, 0))[0]
    are_numbers = like.numbers is not None
    if pairs:
        are_numbers = all(column.numbers is not None for column, _ in pairs)
    if not are_numbers and any(tally.is_cut for tally in tallies):
        raise ValueError(
            f"Column {like.name!r} of X has numbers in some partitions and text in others: give "
            "all of them one dtype, or say in 'columns' what the column is"
        )
    first: dict[Any, int] = {}
    counts: dict[Any, int] = {}
    for column, offset in pairs:
        assert column.counts is not None
        assert column.rows is not None
        values: Any = column.numbers if are_numbers else column.cells()
        each = zip(values.tolist(), column.counts.tolist(), column.rows.tolist(), strict=True)
        for value, count, row in each:
            first.setdefault(value, row + offset)
            counts[value] = counts.get(value, 0) + count
    declared, ordered = _declared([tally.column for tally in tallies])
    cells = list(first)
    return RawColumn(
        like.name,
        like.position,
        np.array(cells, dtype=np.float64) if are_numbers else None,
        None if are_numbers else _objects(cells),
        _common_dtype([like, *(tally.column for tally in tallies)], are_numbers),
        declared,
        ordered,
        np.array(list(counts.values()), dtype=np.int64),
        np.array(list(first.values()), dtype=np.intp),
    )


def _common_dtype(columns: Sequence[RawColumn], are_numbers: bool) -> str:
    """Return what all partitions with values can be read as: whole numbers and others are floats.

    The first is one of them.
    """
    labels = {column.dtype for column in columns if (column.numbers is not None) == are_numbers}
    if len(labels) < 2:
        return columns[0].dtype
    try:
        return str(np.result_type(*map(np.dtype, sorted(labels))))
    except TypeError:  # dtypes that NumPy does not know
        return "float64" if are_numbers else "object"


def _declared(columns: Sequence[RawColumn]) -> tuple[tuple[Any, ...] | None, bool]:
    """Return the categories that partitions declare: one after the other, as Dask unites them."""
    given = [column for column in columns if column.categories is not None]
    if not given:
        return None, False
    ordered = any(column.ordered for column in given)
    found: dict[Any, None] = {}
    for column in given:
        assert column.categories is not None
        if ordered and (column.categories, column.ordered) != (given[0].categories, True):
            raise ValueError(
                f"Column {column.name!r} of X has ordered categories, but not the same ones in "
                f"all partitions: {given[0].categories} and {column.categories}. Give all of them "
                "one dtype, by X.astype, or make the values text"
            )
        found |= dict.fromkeys(column.categories)
    return tuple(found), ordered
