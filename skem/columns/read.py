"""Columns of pandas, polars and Arrow tables and of arrays, as numbers or as objects."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skem._tables import is_date, is_temporal, without_mask

__all__ = ["RawColumn", "has_categories", "is_missing", "is_numeric", "library_of", "read_columns"]

Array: TypeAlias = NDArray[np.float64]

# The kinds of NumPy dtypes that are numbers.
_NUMBERS = "iuf"
# Objects that are neither numbers nor categories.
_NO_CATEGORIES = (list, dict, set, np.ndarray)


class RawColumn(NamedTuple):
    """A column as it was given.

    Attributes
    ----------
    name : str or int
        Its name, or its position.
    position : int
    numbers : ndarray of shape (n_rows,) or None
        float64, NaN where missing. None: the column is no column of numbers.
    values : ndarray of shape (n_rows,) or None
        Objects, None where missing, of a column that is none of numbers.
    dtype : str
        As its library calls it.
    categories : tuple or None
        Those that the dtype declares, in their order.
    ordered : bool
        Whether the dtype says that they have an order.
    counts : ndarray of shape (n_rows,) or None
        How many rows of a table each cell stands for. None: one.
    rows : ndarray of shape (n_rows,) or None
        The row of the table that each cell is of, the first of them. None: the cell's place.
    """

    name: Any
    position: int
    numbers: Array | None
    values: NDArray[np.object_] | None
    dtype: str
    categories: tuple[Any, ...] | None = None
    ordered: bool = False
    counts: NDArray[np.int64] | None = None
    rows: NDArray[np.intp] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.numbers if self.values is None else self.values)  # type: ignore[arg-type]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which cells are missing, (n_rows,)."""
        if self.numbers is not None:
            return np.isnan(self.numbers)
        assert self.values is not None
        return np.array([value is None for value in self.values], dtype=bool)

    def row(self, place: int) -> int:
        """Return the row of the table that the cell at some place is of."""
        return place if self.rows is None else int(self.rows[place])

    def cell(self, row: int) -> Any:
        """Return one cell as an object."""
        if self.values is not None:
            return self.values[row]
        assert self.numbers is not None
        return _whole(float(self.numbers[row]))

    def distinct(self) -> list[Any]:
        """Return the distinct values, without missing cells; whole numbers as integers."""
        if self.values is not None:
            return [value for value in dict.fromkeys(self.values) if value is not None]
        assert self.numbers is not None
        return [_whole(x) for x in np.unique(self.numbers).tolist() if not math.isnan(x)]

    def cells(self) -> NDArray[np.object_]:
        """Return the cells as objects, None where missing; whole numbers as integers."""
        if self.values is not None:
            return self.values
        assert self.numbers is not None
        cells = [None if math.isnan(x) else _whole(x) for x in self.numbers.tolist()]
        return _objects(cells)


def _whole(value: float) -> float | int:
    return int(value) if math.isfinite(value) and value == int(value) else value


def _objects(cells: list[Any]) -> NDArray[np.object_]:
    result = np.empty(len(cells), dtype=object)
    result[:] = cells
    return result


def is_missing(value: Any) -> bool:
    """Say whether an object stands for a missing cell: None, NaN, pandas' NA and NaT."""
    if isinstance(value, str):  # most are, and this is the fastest answer
        return False
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def library_of(X: Any) -> str:
    """Return what library a table is of: 'pandas', 'polars', 'pyarrow' or 'numpy'."""
    root = type(X).__module__.partition(".")[0]
    known = root in ("pandas", "polars", "pyarrow") and hasattr(X, "shape")
    return root if known else "numpy"


def is_numeric(X: Any) -> bool:
    """Say whether all columns of a table are numbers, which scikit-learn's checks can read.

    Of what is no table at all, too, so that they can say so.
    """
    library = library_of(X)
    if library == "pandas":
        return hasattr(X, "dtypes") and all(map(_is_number_dtype, np.atleast_1d(X.dtypes)))
    if library == "polars":
        return hasattr(X, "dtypes") and all(dtype.is_numeric() for dtype in X.dtypes)
    if library == "pyarrow":
        return False
    if issparse(X):
        return True
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        return True
    return array.dtype.kind in _NUMBERS + "c" or array.ndim != 2 or 0 in array.shape


def has_categories(X: Any) -> bool:
    """Say whether some column of a table has text, truth values or categories.

    Arrays of truth values are numbers. Of what is no table at all False, so that scikit-learn's
    checks can say so.
    """
    if is_numeric(X) or (library_of(X) == "numpy" and np.asarray(X).dtype.kind == "b"):
        return False
    return any(column.numbers is None and column.distinct() for column in read_columns(X))


def _is_number_dtype(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in _NUMBERS


def read_columns(X: Any) -> list[RawColumn]:
    """Return the columns of a table.

    Raises
    ------
    ValueError
        If values are neither numbers nor categories: dates, complex numbers, nested values.
    """
    return _READERS[library_of(X)](X)


def _from_pandas(X: Any) -> list[RawColumn]:
    columns = []
    for position, name in enumerate(X.columns):
        series = X.iloc[:, position]
        dtype = series.dtype
        label = str(dtype)
        if label == "category":
            declared = tuple(dtype.categories.tolist())
            values = _objects([*declared, None])[series.cat.codes.to_numpy()]  # -1 where missing
            columns.append(
                RawColumn(name, position, None, values, label, declared, bool(dtype.ordered))
            )
        elif _is_number_dtype(dtype):
            numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append(RawColumn(name, position, numbers, None, label))
        else:
            _refuse_dates(name, label)
            if hasattr(dtype, "pyarrow_dtype") or getattr(dtype, "storage", None) == "pyarrow":
                columns.append(_from_chunks(name, position, _chunked(series), label))
            else:
                columns.append(_from_objects(name, position, series.tolist(), label))
    return columns


def _chunked(series: Any) -> Any:
    import pyarrow as pa

    chunks = pa.array(series, from_pandas=True)
    return pa.chunked_array([chunks]) if isinstance(chunks, pa.Array) else chunks


def _from_chunks(name: Any, position: int, chunked: Any, label: str) -> RawColumn:
    """Return a column of Arrow's cells: each value becomes an object once, where that is faster."""
    import pyarrow as pa

    types = pa.types
    kind = chunked.type
    if not (types.is_dictionary(kind) or types.is_string(kind) or types.is_large_string(kind)):
        return _from_objects(name, position, chunked.to_pylist(), label)
    encoded = chunked.dictionary_encode().unify_dictionaries().combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found = _from_objects(name, position, [*encoded.dictionary.to_pylist(), None], label)
    if found.numbers is not None:
        return found._replace(numbers=found.numbers[codes])
    assert found.values is not None
    return found._replace(values=found.values[codes])


def _from_polars(X: Any) -> list[RawColumn]:
    columns = []
    for position, name in enumerate(X.columns):
        series = X.get_column(name)
        dtype = series.dtype
        label = str(dtype)
        if dtype.is_numeric():
            cells = series.to_list()
            numbers = np.array([np.nan if v is None else v for v in cells], dtype=np.float64)
            columns.append(RawColumn(name, position, numbers, None, label))
            continue
        _refuse_dates(name, label)
        found = _from_objects(name, position, series.to_list(), label)
        if label.startswith("Enum"):
            found = found._replace(categories=tuple(dtype.categories.to_list()))
        columns.append(found)
    return columns


def _from_arrow(X: Any) -> list[RawColumn]:
    columns = []
    for position, name in enumerate(X.column_names):
        chunked = X.column(position)
        label = str(chunked.type)
        if label.startswith(("int", "uint", "float", "double", "halffloat")):
            cells = chunked.to_pylist()
            numbers = np.array([np.nan if v is None else v for v in cells], dtype=np.float64)
            columns.append(RawColumn(name, position, numbers, None, label))
            continue
        _refuse_dates(name, label)
        columns.append(_from_chunks(name, position, chunked, label))
    return columns


def _from_array(X: Any) -> list[RawColumn]:
    array = np.asarray(without_mask(X))
    if array.dtype.kind in "US" and not hasattr(X, "__array__"):
        array = np.array(X, dtype=object)  # a list of numbers and text: as they are
    columns = []
    for position in range(array.shape[1]):
        column = array[:, position]
        label = "object" if array.dtype.kind in "OUS" else str(array.dtype)
        if array.dtype.kind in _NUMBERS:
            columns.append(RawColumn(position, position, column.astype(np.float64), None, label))
            continue
        _refuse_dates(position, label)
        columns.append(_from_objects(position, position, column.tolist(), label))
    return columns


_READERS = {
    "pandas": _from_pandas,
    "polars": _from_polars,
    "pyarrow": _from_arrow,
    "numpy": _from_array,
}


def _refuse_dates(name: Any, label: str) -> None:
    if is_temporal(label) or label.startswith("complex"):
        raise ValueError(
            f"Column {name!r} has the dtype {label}, which is neither a number nor a category: "
            "convert it, or drop it"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_ | np.timedelta64)


def _from_objects(name: Any, position: int, cells: list[Any], label: str) -> RawColumn:
    """Return a column of Python objects: of numbers if all cells are, else of objects."""
    cells = [None if is_missing(value) else value for value in cells]
    if any(value is not None for value in cells) and all(
        value is None or _is_number(value) for value in cells
    ):
        numbers = np.array([np.nan if v is None else float(v) for v in cells])
        return RawColumn(name, position, numbers, None, label)
    refused = {
        kind for kind in set(map(type, cells)) if issubclass(kind, _NO_CATEGORIES) or is_date(kind)
    }
    for row, value in enumerate(cells):
        if type(value) in refused:
            raise ValueError(
                f"Column {name!r} has a {type(value).__name__} in row {row}, which is neither a "
                "number nor a category"
            )
    return RawColumn(name, position, None, _objects(cells), label)
