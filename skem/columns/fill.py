"""Tables of any library with some of their cells filled, columns taken or added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.columns.encode import ColumnInfo, cells_of, nearest_whole
from skem.columns.read import library_of

__all__ = ["add_columns", "fill_cells", "fill_zeros", "put_columns", "take_columns"]

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_NUMBERS = ColumnInfo("", "", "", None)


def fill_cells(X: Any, infos: Sequence[ColumnInfo], values: Array, gaps: Mask) -> Any:
    """Return a table with some of its cells filled.

    All other cells are as they are, and so are dtypes: what is put into a column of whole numbers
    is the nearest that its dtype has.

    Parameters
    ----------
    X : frame or array-like of shape (n_rows, n_columns)
    infos : sequence of ColumnInfo
        What is known of its columns.
    values : ndarray of shape (n_rows, n_columns)
        Numbers, and codes of categories.
    gaps : ndarray of shape (n_rows, n_columns)
        Which of them are to be put into the table.

    Returns
    -------
    filled : frame of the same library, or ndarray
        Of an array of numbers one of floats, of the dtype of X if it has such.
    """
    made = {
        j: (gaps[:, j], cells_of(values[gaps[:, j], j], info))
        for j, info in enumerate(infos)
        if gaps[:, j].any()
    }
    return _FILLERS[library_of(X)](X, made)


def fill_zeros(X: Any, gaps: Mask) -> Any:
    """Return a table with zeros in some cells of columns that can hold them."""
    return fill_cells(X, [_NUMBERS] * gaps.shape[1], np.zeros(gaps.shape), gaps)


def _fill_pandas(X: Any, made: dict[int, tuple[Mask, Any]]) -> Any:
    pandas = import_module("pandas")
    result = X.copy(deep=False)
    for j, (gap, cells) in made.items():
        series = X.iloc[:, j].copy()
        dtype = series.dtype
        if str(dtype) == "category":
            new = [value for value in dict.fromkeys(cells) if value not in dtype.categories]
            series = series.cat.add_categories(new) if new else series
            own = pandas.Categorical(cells, dtype=series.dtype)
        else:
            own = pandas.array(_fitting(cells, dtype), dtype=dtype)
        series.iloc[np.flatnonzero(gap)] = own
        result.isetitem(j, series)
    return result


def _fitting(cells: Any, dtype: Any) -> Any:
    """Return numbers as a pandas or NumPy dtype can hold them."""
    plain = getattr(dtype, "numpy_dtype", dtype)
    whole = getattr(plain, "kind", "O") in "iu" and cells.dtype.kind == "f"
    return nearest_whole(cells, np.iinfo(plain)) if whole else cells


def _spread(gap: Mask, cells: Any) -> list[Any]:
    """Return cells as a list with an item for each row, None where nothing is put."""
    result: list[Any] = [None] * len(gap)
    for row, cell in zip(np.flatnonzero(gap).tolist(), cells.tolist(), strict=True):
        result[row] = cell
    return result


def _fill_polars(X: Any, made: dict[int, tuple[Mask, Any]]) -> Any:
    polars = import_module("polars")
    columns = []
    for j, (gap, cells) in made.items():
        series = X.to_series(j)
        dtype = series.dtype
        if dtype.is_integer() and cells.dtype.kind == "f":
            cells = nearest_whole(cells, np.iinfo(str(dtype).lower()))
        put = polars.Series(series.name, _spread(gap, cells)).cast(dtype)
        columns.append(series.zip_with(polars.Series(~gap), put))
    return X.with_columns(columns)


def _fill_arrow(X: Any, made: dict[int, tuple[Mask, Any]]) -> Any:
    arrow = import_module("pyarrow")
    for j, (gap, cells) in made.items():
        field = X.schema.field(j)
        if arrow.types.is_integer(field.type) and cells.dtype.kind == "f":
            cells = nearest_whole(cells, np.iinfo(field.type.to_pandas_dtype()))
        if arrow.types.is_dictionary(field.type):
            X = X.set_column(j, field, _with_codes(X.column(j), gap, cells.tolist()))
            continue
        put = _spread(gap, cells)
        old = X.column(j).to_pylist()
        whole = [new if there else cell for there, new, cell in zip(gap, put, old, strict=True)]
        X = X.set_column(j, field, arrow.array(whole, field.type))
    return X


def _with_codes(column: Any, gap: Mask, cells: list[Any]) -> Any:
    """Return a column of codes with some cells filled; values that it has not come last."""
    arrow = import_module("pyarrow")
    kind = column.type
    whole = column.unify_dictionaries().combine_chunks()
    known = whole.dictionary.to_pylist()
    known += [value for value in dict.fromkeys(cells) if value not in known]
    codes = whole.indices.to_pylist()
    for row, cell in zip(np.flatnonzero(gap).tolist(), cells, strict=True):
        codes[row] = known.index(cell)
    return arrow.DictionaryArray.from_arrays(
        arrow.array(codes, kind.index_type),
        arrow.array(known, kind.value_type),
        ordered=kind.ordered,
    )


def _fill_array(X: Any, made: dict[int, tuple[Mask, Any]]) -> Any:
    rows = _as_array(X)
    if rows.dtype.kind != "O":
        kept = rows.dtype if rows.dtype.kind == "f" else np.dtype(np.float64)
        rows = rows.astype(kept)
    else:
        rows = rows.copy()
    for j, (gap, cells) in made.items():
        rows[gap, j] = cells
    return rows


def _as_array(X: Any) -> NDArray[Any]:
    """Return rows as an array: of numbers where all are, else of objects."""
    array = np.asarray(X)
    return array if array.dtype.kind in "fiu" else np.array(X, dtype=object)


_FILLERS: dict[str, Callable[..., Any]] = {
    "pandas": _fill_pandas,
    "polars": _fill_polars,
    "pyarrow": _fill_arrow,
    "numpy": _fill_array,
}


# --- columns --------------------------------------------------------------------------------


def take_columns(X: Any, kept: Mask) -> Any:
    """Return the columns of a table for which ``kept`` is true."""
    places = np.flatnonzero(kept).tolist()
    library = library_of(X)
    if library == "pandas":
        return X.iloc[:, places]
    if library == "polars":
        return X.select([X.columns[j] for j in places])
    if library == "pyarrow":
        return X.select(places)
    return _as_array(X)[:, places]


def put_columns(X: Any, kept: Mask, columns: Any) -> Any:
    """Return a table with the columns of another one in the places where ``kept`` is true."""
    places = np.flatnonzero(kept).tolist()
    library = library_of(X)
    if library == "pandas":
        result = X.copy(deep=False)
        for own, j in enumerate(places):
            result.isetitem(j, columns.iloc[:, own])
        return result
    if library == "polars":
        return X.with_columns(columns.get_columns())
    if library == "pyarrow":
        for own, j in enumerate(places):
            X = X.set_column(j, columns.schema.field(own), columns.column(own))
        return X
    rows = _as_array(X).copy()
    rows[:, kept] = columns
    return rows


def add_columns(X: Any, columns: dict[str, NDArray[Any]]) -> Any:
    """Return a table with more columns, the last ones; those of arrays lose their names."""
    library = library_of(X)
    if library == "pandas":
        pandas = import_module("pandas")
        return pandas.concat([X, pandas.DataFrame(columns, index=X.index)], axis=1)
    if library == "polars":
        return X.with_columns(**columns)
    if library == "pyarrow":
        for name, values in columns.items():
            X = X.append_column(name, [values])
        return X
    return np.column_stack([X, *(values.astype(X.dtype) for values in columns.values())])
