"""Columns: which of a table's columns are used, and their values as numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from skem.cli.files import Table
from skem.cli.messages import CommandError, note, one_line

__all__ = ["features", "note_constant", "note_left_out", "row_weights", "used_columns"]


def used_columns(table: Table, names: Sequence[str] | None, weight: str | None) -> list[str]:
    """Choose the columns that the mixture sees.

    Parameters
    ----------
    table : Table
        The table.
    names : sequence of str or None
        The columns that the user named; None takes the numeric ones.
    weight : str or None
        The column of weights, which is never used as a feature.

    Returns
    -------
    list of str
        Names of the columns, in the user's order or the table's.

    Raises
    ------
    CommandError
        If a named column is unknown, named twice or the weights; if no column is numeric.
    """
    if names is not None:
        for i, name in enumerate(names):
            table.column(name)
            if name == weight:
                raise CommandError(f"{table.path}: column {name!r} holds the weights; not both")
            if name in names[:i]:
                raise CommandError(f"{table.path}: column {name!r} is named twice in --columns")
        return list(names)
    columns = [name for name in table.frame.columns if name != weight]
    chosen = [name for name in columns if name and _is_numeric(table.frame[name])]
    if not chosen:
        hint = "; is its separator a comma?" if len(columns) == 1 else ""
        raise CommandError(f"{table.path}: no numeric column{hint}")
    return chosen


def note_left_out(table: Table, columns: Sequence[str], weight: str | None) -> None:
    """Say which columns are not used, and what stands in those that are nearly numeric.

    Parameters
    ----------
    table : Table
        The table.
    columns : sequence of str
        The columns that are used.
    weight : str or None
        The column of weights.
    """
    remarks = []
    for name in table.frame.columns:
        if name in columns or name == weight:
            continue
        series = table.frame[name]
        remark = repr(name) if name else "the one without a name"
        no_number = np.isnan(_to_numbers(series))
        bad = no_number & series.notna().to_numpy()
        if bad.any() and not no_number.all():
            row = int(bad.argmax())
            remark += f" (row {row + 1} holds {_show(series.iloc[row])})"
        remarks.append(remark)
    if remarks:
        note(f"{table.path}: columns left out, not numeric: {', '.join(remarks)}")


def note_constant(table: Table, columns: Sequence[str], X: np.ndarray) -> None:
    """Say which of the used columns have one value only.

    Parameters
    ----------
    table : Table
        The table.
    columns : sequence of str
        The columns that are used.
    X : ndarray of shape (n_rows, n_columns)
        Their values.
    """
    pairs = zip(columns, X.min(axis=0) == X.max(axis=0), strict=True)
    constant = [repr(name) for name, same in pairs if same]
    if constant:
        names = ", ".join(constant)
        note(f"{table.path}: the same value in every row of {names}; better leave it out")


def _is_numeric(series: pd.Series) -> bool:
    """Whether the column holds numbers: not truth values, and not all missing."""
    return _has_numbers(series) and bool(series.notna().any())


def _has_numbers(series: pd.Series) -> bool:
    return types.is_numeric_dtype(series.dtype) and not types.is_bool_dtype(series.dtype)


def _to_numbers(series: pd.Series) -> np.ndarray:
    """Return the column as float64, NaN where there is no number."""
    if _has_numbers(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if types.is_object_dtype(series.dtype) or types.is_string_dtype(series.dtype):
        values = pd.to_numeric(series.astype(object), errors="coerce")
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.full(len(series), np.nan)


def _numbers(table: Table, name: str) -> np.ndarray:
    """Return a used column as float64, or name its first bad row."""
    series = table.column(name)
    values = _to_numbers(series)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(bad.argmax())
        value = series.iloc[row]
        if np.isinf(values[row]):
            reason = "infinite value"
        elif value is None or (types.is_scalar(value) and pd.isna(value)):
            reason = "missing value"
        else:
            reason = f"{_show(value)} is not a number"
        raise CommandError(f"{table.where(name, row)}: {reason}")
    return values


def _show(value: object) -> str:
    text = one_line(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def features(table: Table, columns: Sequence[str]) -> np.ndarray:
    """Return the used columns as numbers.

    Parameters
    ----------
    table : Table
        The table.
    columns : sequence of str
        Names of the columns.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), float64
        The values, in the table's units.

    Raises
    ------
    CommandError
        Naming the column and the first row whose value is missing, infinite or no number.
    """
    return np.column_stack([_numbers(table, name) for name in columns])


def row_weights(table: Table, column: str | None) -> np.ndarray | None:
    """Return the weights of the rows, or None without a column of weights.

    Parameters
    ----------
    table : Table
        The table.
    column : str or None
        Name of the column of weights.

    Returns
    -------
    ndarray of shape (n_rows,), float64, or None
        The weights, none negative and at least one positive.

    Raises
    ------
    CommandError
        Naming the first row whose weight is negative, missing, infinite or no number.
    """
    if column is None:
        return None
    weights = _numbers(table, column)
    if (weights < 0).any():
        row = int((weights < 0).argmax())
        raise CommandError(f"{table.where(column, row)}: negative weight {weights[row]:g}")
    if not weights.any():
        raise CommandError(f"{table.path}: column {column!r}: every weight is zero")
    return weights
