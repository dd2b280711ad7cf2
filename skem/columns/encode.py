"""Rows as arrays of numbers: values of real columns and counts, codes of categories."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.columns.choose import BlockPlan
from skem.columns.read import RawColumn, library_of

__all__ = ["ColumnInfo", "Encoding", "cells_of", "coded_columns", "make_encoding", "nearest_whole"]

Array: TypeAlias = NDArray[np.float64]

# Kinds whose values are codes of categories.
_CODED = ("categorical", "bernoulli")
_SHOWN = 10
# From here on not every whole number is a float.
_LARGE = 2.0**53


class ColumnInfo(NamedTuple):
    """What is known of a column.

    Attributes
    ----------
    name : str or int
    kind : str
        What it was taken for.
    dtype : str
    categories : tuple or None
        In the order of their codes; None: the column holds numbers.
    declared : tuple or None
        All that the dtype declares.
    ordered : bool
    """

    name: Any
    kind: str
    dtype: str
    categories: tuple[Any, ...] | None
    declared: tuple[Any, ...] | None = None
    ordered: bool = False


class Encoding(NamedTuple):
    """How rows become arrays of numbers, and back; plain data.

    Attributes
    ----------
    library : str
        Of the table that was fitted.
    columns : tuple of ColumnInfo
    """

    library: str
    columns: tuple[ColumnInfo, ...]

    @property
    def kinds(self) -> dict[Any, str]:
        """What each column was taken for, by its name or position."""
        return {column.name: column.kind for column in self.columns}

    def encode(self, raw: Sequence[RawColumn], handle_unknown: str = "error") -> Array:
        """Return rows as numbers, (n_rows, n_columns); NaN where a cell is missing.

        Parameters
        ----------
        raw : sequence of RawColumn
            As many columns as were fitted, in the same order.
        handle_unknown : {'error', 'missing'}
            What becomes of a category that was not fitted.

        Raises
        ------
        ValueError
            For infinite values, text in a column of numbers, and unknown categories.
        """
        values = np.empty((raw[0].n_rows, len(raw)))
        for j, (info, column) in enumerate(zip(self.columns, raw, strict=True)):
            if info.categories is None:
                values[:, j] = _numbers(column, info)
            else:
                values[:, j] = _codes(column, info, handle_unknown)
        return values

    def decode(self, values: Array, *, as_frame: bool) -> Any:
        """Return complete rows of numbers as what was fitted: a frame, or an array.

        A frame has the dtypes and categories of what was fitted; where these are whole numbers,
        the nearest ones that the dtype has. An array is one of floats, if all categories are
        numbers, or of truth values, if all are; else one of objects.
        """
        if as_frame:
            columns = {
                info.name: cells_of(values[:, j], info) for j, info in enumerate(self.columns)
            }
            library = "pandas" if self.library == "numpy" else self.library
            return _FRAMES[library](columns, self.columns)
        result: NDArray[Any] = np.empty(values.shape, dtype=self._cell_dtype)
        for j, info in enumerate(self.columns):
            result[:, j] = cells_of(values[:, j], info)
        return result

    @property
    def _cell_dtype(self) -> type:
        if all(info.dtype == "bool" for info in self.columns):
            return bool
        known = [value for info in self.columns for value in info.categories or ()]
        return float if all(_is_number(value) for value in known) else object


def coded_columns(blocks: Sequence[BlockPlan]) -> set[int]:
    """Return the positions of columns whose values are codes of categories."""
    return {
        position
        for block in blocks
        if isinstance(block.kind, str) and block.kind in _CODED
        for position in block.columns.tolist()
    }


def make_encoding(X: Any, raw: Sequence[RawColumn], blocks: Sequence[BlockPlan]) -> Encoding:
    """Say how the columns of blocks are encoded.

    Raises
    ------
    ValueError
        If a column's values can't be of its kind.
    """
    infos: dict[int, ColumnInfo] = {}
    for block in blocks:
        name = block.kind if isinstance(block.kind, str) else type(block.kind).__name__
        for position in block.columns.tolist():
            column = raw[position]
            found = None
            if name in _CODED:
                found = _find_categories(column, name)
            infos[position] = ColumnInfo(
                column.name, name, column.dtype, found, column.categories, column.ordered
            )
    return Encoding(library_of(X), tuple(infos[j] for j in range(len(raw))))


def _find_categories(column: RawColumn, kind: str) -> tuple[Any, ...]:
    """Return the categories of a column, declared or found, in the order of their codes."""
    if column.categories is not None:
        found = column.categories
    else:
        distinct = column.distinct()
        if column.numbers is not None:
            _refuse_unfit(column)
        elif distinct and all(isinstance(value, bool | np.bool_) for value in distinct):
            distinct = [False, True]
        found = tuple(sorted(distinct, key=lambda value: (_rank(value), value)))
    if not column.distinct():
        raise ValueError(
            f"Column {column.name!r} of X has no value at all: all its cells are missing. Drop it"
        )
    if kind == "bernoulli":
        if set(found) <= {0, 1}:
            return tuple(type(found[0])(value) for value in (0, 1))
        if len(found) != 2:
            raise ValueError(
                f"Column {column.name!r} has {len(found)} different values, but bernoulli columns "
                f"have two: {_list(found)}. Declare it 'categorical'"
            )
    return found


def _rank(value: Any) -> str:
    """Return what sorts values of one type together."""
    return "" if isinstance(value, int | float | np.number) else type(value).__name__


def _list(values: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, values[:_SHOWN]))
    return shown + (", ..." if len(values) > _SHOWN else "")


def _refuse_unfit(column: RawColumn) -> None:
    """Raise ValueError for numbers that can't be categories."""
    assert column.numbers is not None
    numbers = column.numbers
    large = np.flatnonzero(np.abs(numbers) >= _LARGE)
    if len(large):
        raise ValueError(
            f"Column {column.name!r} has about {numbers[large[0]]:g} in row "
            f"{column.row(int(large[0]))}, but numbers of 2**53 or more are not told from their "
            "neighbours: make such categories text"
        )
    odd = np.flatnonzero(~np.isnan(numbers) & (numbers != np.floor(numbers)))
    if len(odd):
        raise ValueError(
            f"Column {column.name!r} has {numbers[odd[0]]:g} in row {column.row(int(odd[0]))}, but "
            "numbers that are "
            "categories are whole: declare another kind, or make the values text"
        )


def _numbers(column: RawColumn, info: ColumnInfo) -> Array:
    """Return the values of a column of numbers."""
    numbers = column.numbers
    if numbers is None:
        assert column.values is not None
        cells = enumerate(column.values)
        odd = [(row, value) for row, value in cells if value is not None]
        if odd and all(isinstance(value, bool | np.bool_) for _, value in odd):
            return np.array([np.nan if v is None else float(v) for v in column.values])
        if odd:
            row, value = next(
                ((row, value) for row, value in odd if not isinstance(value, int | float)), odd[0]
            )
            raise ValueError(
                f"Column {column.name!r} has {value!r} in row {row}, but is of the kind "
                f"{info.kind!r}, whose values are numbers"
            )
        return np.full(len(column.values), np.nan)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('float64'): column "
            f"{column.name!r} has {numbers[infinite[0]]} in row {infinite[0]}"
        )
    return numbers


def _codes(column: RawColumn, info: ColumnInfo, handle_unknown: str) -> Array:
    """Return the codes of a column of categories."""
    assert info.categories is not None
    codes = _look_up(column, info.categories)
    unknown = np.flatnonzero(codes == -1.0)
    if len(unknown):
        if handle_unknown == "error":
            row = int(unknown[0])
            raise ValueError(
                f"Column {column.name!r} has {column.cell(row)!r} in row {row}, which is none of "
                f"the categories that were fitted: {_list(info.categories)}. "
                "handle_unknown='missing' takes such cells for missing ones"
            )
        codes[unknown] = np.nan
    return codes


def _look_up(column: RawColumn, categories: Sequence[Any]) -> Array:
    """Return the cells' places among categories, (n_rows,): -1 for others, NaN where missing."""
    if column.numbers is not None and all(isinstance(v, int | float) for v in categories):
        order = np.argsort(categories)
        values = np.array(categories, dtype=np.float64)[order]
        places = np.minimum(np.searchsorted(values, column.numbers), len(values) - 1)
        found = (values[places] == column.numbers) & (np.abs(column.numbers) < _LARGE)
        codes = np.where(found, order[places], -1.0)
        return np.where(np.isnan(column.numbers), np.nan, codes)
    known = {value: float(code) for code, value in enumerate(categories)}
    cells = column.cells().tolist()
    return np.array([np.nan if v is None else known.get(v, -1.0) for v in cells])


# --- and back -----------------------------------------------------------------------------------


def cells_of(values: Array, info: ColumnInfo) -> NDArray[Any]:
    """Return a column's values, or its categories, as objects, for codes."""
    if info.categories is None:
        return values
    known = np.empty(len(info.categories), dtype=object)
    known[:] = info.categories
    result: NDArray[Any] = known[values.astype(np.intp)]
    return result


def nearest_whole(values: Array, limits: Any) -> NDArray[np.integer]:
    """Return the nearest whole numbers within the limits of a dtype (`numpy.iinfo`)."""
    top = float(limits.max)
    # The largest integers of 64 bits are no floats, and would be rounded up.
    top = top if top <= limits.max else float(np.nextafter(top, 0.0))
    result: NDArray[np.integer] = np.clip(np.rint(values), limits.min, top).astype(limits.dtype)
    return result


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _as_pandas(columns: dict[Any, Any], infos: Sequence[ColumnInfo]) -> Any:
    pandas = import_module("pandas")
    made = {}
    for info in infos:
        cells = columns[info.name]
        if info.dtype == "category":
            made[info.name] = pandas.Categorical(
                cells, categories=list(info.declared or ()), ordered=info.ordered
            )
            continue
        dtype = pandas.api.types.pandas_dtype(info.dtype)
        plain = getattr(dtype, "numpy_dtype", dtype)
        if info.categories is None and getattr(plain, "kind", "O") in "iu":
            cells = nearest_whole(cells, np.iinfo(plain))
        made[info.name] = pandas.Series(cells).astype(dtype)
    return pandas.DataFrame(made)


def _as_polars(columns: dict[Any, Any], infos: Sequence[ColumnInfo]) -> Any:
    polars = import_module("polars")
    made = {}
    for info in infos:
        cells = columns[info.name]
        if info.categories is None and info.dtype.startswith(("Int", "UInt")):
            cells = nearest_whole(cells, np.iinfo(info.dtype.lower()))
        series = polars.Series(str(info.name), cells.tolist())
        if info.declared is not None and info.dtype.startswith("Enum"):
            series = series.cast(polars.Enum(list(info.declared)))
        elif info.dtype.startswith("Categorical"):
            series = series.cast(polars.Categorical)
        elif not info.dtype.startswith(("Object", "Null")):
            series = series.cast(getattr(polars, info.dtype.partition("(")[0]))
        made[info.name] = series
    return polars.DataFrame(made)


def _as_arrow(columns: dict[Any, Any], infos: Sequence[ColumnInfo]) -> Any:
    arrow = import_module("pyarrow")
    made = {}
    for info in infos:
        cells = columns[info.name]
        if info.categories is None and info.dtype.startswith(("int", "uint")):
            cells = nearest_whole(cells, np.iinfo(info.dtype))
        array = arrow.array(cells.tolist())
        if info.dtype.startswith("dictionary"):
            made[str(info.name)] = array.dictionary_encode()
        else:
            made[str(info.name)] = array.cast(arrow.type_for_alias(info.dtype))
    return arrow.table(made)


_FRAMES = {"pandas": _as_pandas, "polars": _as_polars, "pyarrow": _as_arrow}
