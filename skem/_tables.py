"""What tables may hold beside numbers: dates, masked cells, text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import Any

import numpy as np

__all__ = [
    "column_names",
    "has_dates",
    "is_date",
    "is_temporal",
    "refuse_dates",
    "without_mask",
]

# What the names of dtypes of NumPy, pandas, Arrow and polars begin with.
_TEMPORAL = ("date", "time", "duration", "period")
_DATES = (date, time, timedelta, np.datetime64, np.timedelta64)


def column_names(X: Any, n_columns: int) -> Sequence[Any]:
    """Return the names of a table's columns, or their numbers."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    return range(n_columns) if names is None else list(names)


def is_temporal(dtype: object) -> bool:
    """Say whether a dtype of any library is one of dates, times or differences of them."""
    return str(dtype).lower().startswith(_TEMPORAL)


def is_date(kind: type) -> bool:
    """Say whether objects of a type are dates, times or differences of them; NaT is one."""
    return issubclass(kind, _DATES) or kind.__name__ == "Period"


def has_dates(values: Any) -> bool:
    """Say whether there are dates in an array-like, as its dtype or among its objects."""
    array = np.asarray(values)
    if array.dtype != object:
        return is_temporal(array.dtype)
    return any(map(is_date, set(map(type, array.flat))))


def refuse_dates(X: Any) -> None:
    """Raise ValueError where a column of a table, or of lists, has dates.

    NumPy would take them for numbers in units that nobody chose, and a missing one for the least
    of all.
    """
    if isinstance(X, list | tuple):
        try:
            X = np.asarray(X)
        except ValueError:  # rows of different lengths
            return
    if getattr(X, "ndim", 2) != 2:
        return  # others say what is wrong with it
    dtypes = getattr(X, "dtypes", getattr(getattr(X, "schema", None), "types", None))
    if dtypes is None:
        dtypes = [getattr(X, "dtype", None)]
    for j, dtype in enumerate(dtypes):
        if is_temporal(dtype):
            raise ValueError(
                f"Column {column_names(X, len(dtypes))[j]!r} of X has the dtype {dtype}: dates are "
                "no numbers. Make it a number, such as days since one of them, or drop it"
            )
    of_objects = [j for j, dtype in enumerate(dtypes) if str(dtype) == "object"]
    if of_objects and hasattr(X, "iloc"):
        _refuse_objects(X.iloc[:, of_objects])
    elif of_objects:
        _refuse_objects(X)


def _refuse_objects(X: Any) -> None:
    """Raise ValueError for the first cell that is a date; all columns are of objects."""
    cells = np.asarray(X, dtype=object)
    if not has_dates(cells):
        return
    for j, column in enumerate(cells.T):
        for i, cell in enumerate(column):
            if is_date(type(cell)):
                raise ValueError(
                    f"Column {column_names(X, len(cells.T))[j]!r} of X has a {type(cell).__name__} "
                    f"in row {i}: dates are no numbers. Make the column one of numbers, such as "
                    "days since one of them, or drop it"
                )


def without_mask(X: Any) -> Any:
    """Return a masked array as a plain one, with NaN in masked cells; anything else as it is.

    Dates stay as they are, for others to refuse: as objects some would be whole numbers.
    """
    if not isinstance(X, np.ma.MaskedArray) or is_temporal(X.dtype) or not X.mask.any():
        return X
    numbers = {"f": X.dtype, "i": np.float64, "u": np.float64}
    plain = X.data.astype(numbers.get(X.dtype.kind, object))
    plain[X.mask] = np.nan
    return plain
