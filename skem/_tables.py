"""What tables may hold beside numbers: dates, masked cells, text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["column_names", "is_temporal", "refuse_dates", "without_mask"]

# What the names of dtypes of NumPy, pandas, Arrow and polars begin with.
_TEMPORAL = ("date", "time", "duration", "period")


def column_names(X: Any, n_columns: int) -> Sequence[Any]:
    """Return the names of a table's columns, or their numbers."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    return range(n_columns) if names is None else list(names)


def is_temporal(dtype: object) -> bool:
    """Say whether a dtype of any library is one of dates, times or differences of them."""
    return str(dtype).lower().startswith(_TEMPORAL)


def refuse_dates(X: Any) -> None:
    """Raise ValueError where a column of a table has dates.

    NumPy would take them for numbers in units that nobody chose, and a missing one for the least
    of all.
    """
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


def without_mask(X: Any) -> Any:
    """Return a masked array as a plain one, with NaN in masked cells; anything else as it is."""
    if not isinstance(X, np.ma.MaskedArray) or not X.mask.any():
        return X
    numbers = {"f": X.dtype, "i": np.float64, "u": np.float64}
    plain = X.data.astype(numbers.get(X.dtype.kind, object))
    plain[X.mask] = np.nan
    return plain
