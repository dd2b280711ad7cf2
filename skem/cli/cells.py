"""Cells: what stands in a column as numbers, and its values as text or as Arrow types."""

import re
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.text import Dialect

__all__ = [
    "FALSE",
    "TRUE",
    "Numbers",
    "as_text",
    "fill",
    "has_other_decimal",
    "is_boolean",
    "numbers",
    "text_cells",
    "typed",
    "words",
]

# What stands for a missing value in text, besides an empty cell.
_WORDS = ("NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "none", "<NA>")
MISSING = pa.array(["", *_WORDS, "#N/A", "#NA", "1.#IND", "1.#QNAN"], pa.large_string())
TRUE = pa.array(["true", "True", "TRUE"], pa.large_string())
FALSE = pa.array(["false", "False", "FALSE"], pa.large_string())
_NO_TEXT = pa.scalar(None, pa.large_string())
_INFINITE = r"^[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?$"
_WHOLE = r"^(0|-?[1-9][0-9]*)$"
_DIGITS = r"^[+-]?[0-9]+$"
_NO_FLOAT = r"^[+-]?(0[0-9]|[0-9]{17})"  # leading zeros, or more digits than float64 has


class Numbers(NamedTuple):
    """A column as numbers.

    Attributes
    ----------
    values : ndarray of shape (n_rows,), float64
        The numbers; truth values are 0 and 1; NaN where there is none.
    missing : ndarray of shape (n_rows,), bool
        Where nothing stands.
    bad : ndarray of shape (n_rows,), bool
        Where something stands that is no number.
    """

    values: np.ndarray
    missing: np.ndarray
    bad: np.ndarray

    @property
    def all_numbers(self) -> bool:
        """Whether there are numbers and nothing else."""
        return not self.bad.any() and not self.missing.all()


def numbers(column: pa.ChunkedArray, decimal: str) -> Numbers:
    """Return a column as numbers.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Any column. Text is a number if it looks like one, a truth value if all of the column's
        cells that are not missing are spelled true or false.
    decimal : str
        The decimal mark of numbers in text.

    Returns
    -------
    Numbers
        The values, and where there are none.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
        kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return _of_text(pc.cast(column, pa.large_string()), decimal)
    missing = _mask(pc.is_null(column, nan_is_null=pa.types.is_floating(kind)))
    if pa.types.is_boolean(kind):
        column = pc.cast(column, pa.uint8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return Numbers(np.full(len(column), np.nan), missing, ~missing)
    return Numbers(_floats(column), missing, np.zeros(len(column), dtype=bool))


def _of_text(column: pa.ChunkedArray, decimal: str) -> Numbers:
    if decimal == ".":
        values = _plain_floats(column)
        if values is not None:
            nowhere = np.zeros(len(column), dtype=bool)
            return Numbers(values, nowhere, nowhere)
    text = pc.utf8_trim_whitespace(column)
    missing = _mask(pc.or_kleene(pc.is_null(text), pc.is_in(text, MISSING)))
    number = _looks_like_number(text, decimal)
    good = _mask(number)
    if not good.any():
        true, false = _mask(pc.is_in(text, TRUE)), _mask(pc.is_in(text, FALSE))
        if (true | false).any() and (true | false | missing).all():
            return Numbers(np.where(missing, np.nan, true), missing, np.zeros_like(missing))
    text = pc.if_else(number, text, _NO_TEXT)
    if decimal != ".":
        text = pc.replace_substring(text, decimal, ".")
    return Numbers(_floats(text), missing, ~good & ~missing)


def _plain_floats(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return a column of finite numbers without white space, the usual case, at once."""
    try:
        values = _floats(column)
    except pa.ArrowInvalid:
        return None
    return values if np.isfinite(values).all() else None


def _looks_like_number(text: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    mark = re.escape(decimal)
    pattern = rf"^[+-]?([0-9]+{mark}?[0-9]*|{mark}[0-9]+)([eE][+-]?[0-9]+)?$"
    return pc.match_substring_regex(text, f"{pattern}|{_INFINITE}")


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return np.asarray(values, dtype=np.float64)


def _mask(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column, False).to_numpy(), dtype=bool)


def is_boolean(column: pa.ChunkedArray) -> bool:
    """Whether a column holds truth values, maybe as text, and nothing else."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return True
    if not (pa.types.is_large_string(kind) or pa.types.is_string(kind)):
        return False
    text = words(column)
    there = text.filter(pc.invert(pc.is_in(text, MISSING)))
    return len(there) > 0 and _all(pc.or_(pc.is_in(there, TRUE), pc.is_in(there, FALSE)))


def words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the cells of any column as text without white space around; empty where null."""
    return pc.utf8_trim_whitespace(
        pa.chunked_array([pa.array(as_text(column, "."), pa.large_string())])
    )


def text_cells(column: pa.ChunkedArray) -> list[str | None] | None:
    """Return the cells of a column of text, None where one is missing; None for other columns."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
        kind = column.type
    if not (pa.types.is_large_string(kind) or pa.types.is_string(kind)):
        return None
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.large_string()))
    cells: list[str | None] = pc.if_else(pc.is_in(text, MISSING), _NO_TEXT, text).to_pylist()
    return cells


def has_other_decimal(column: pa.ChunkedArray, dialect: Dialect) -> bool:
    """Whether a column of text would be all numbers if comma and point changed places."""
    if not pa.types.is_large_string(column.type):
        return False
    other = "," if dialect.decimal == "." else "."
    return _of_text(column, other).all_numbers


def typed(columns: pa.Table, dialect: Dialect) -> pa.Table:
    """Give columns of text the types of their values, where no value changes by it.

    Parameters
    ----------
    columns : pyarrow.Table
        Columns of text.
    dialect : Dialect
        How numbers are written.

    Returns
    -------
    pyarrow.Table
        Truth values as bool, whole numbers as int64, other numbers as float64, missing ones as
        null. Everything else stays text, an empty cell as null: words, and numbers with leading
        zeros or beyond int64, which are identifiers.
    """
    return pa.table(
        [_typed(column, dialect.decimal) for column in columns.columns],
        names=columns.column_names,
    )


def _typed(column: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    found = numbers(column, decimal)
    text = pc.utf8_trim_whitespace(column)
    present = pa.array(~found.missing)
    if found.all_numbers:
        kept = pc.if_else(present, text, _NO_TEXT)
        if not _mask(_looks_like_number(text, decimal)).any():
            return pa.chunked_array([pa.array(found.values == 1.0, mask=found.missing)])
        if _all(pc.match_substring_regex(kept, _WHOLE)):
            try:
                return pc.cast(kept, pa.int64())
            except pa.ArrowInvalid:
                pass
        elif _all(pc.invert(pc.match_substring_regex(kept, _NO_FLOAT))):
            return pa.chunked_array([pa.array(found.values, mask=found.missing)])
    return pc.if_else(pc.equal(column, ""), _NO_TEXT, column)


def fill(
    column: pa.ChunkedArray, gap: np.ndarray, values: np.ndarray, decimal: str
) -> pa.ChunkedArray:
    """Put numbers into the empty cells of a column, which keeps its type and all other cells.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        One that `numbers` finds numbers in, and nothing else.
    gap : ndarray of shape (n_rows,), bool
        Where they are to be put.
    values : ndarray of shape (n_gap,), float64
    decimal : str
        The decimal mark of numbers in text.

    Returns
    -------
    pyarrow.ChunkedArray
        Among whole numbers the nearest that the type has, among truth values the nearer one.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return fill(pc.cast(column, kind.value_type), gap, values, decimal).dictionary_encode()
    cells: list[Any] = [None] * len(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = _as_written(pc.cast(column, pa.large_string()), values, decimal)
    else:
        texts = _as_typed(kind, values)
    for place, cell in zip(np.flatnonzero(gap).tolist(), texts, strict=True):
        cells[place] = cell
    return pc.if_else(pa.array(gap), pa.array(cells, kind), column)


def _as_written(column: pa.ChunkedArray, values: np.ndarray, decimal: str) -> list[str]:
    """Write numbers as the cells of a column of text are written."""
    there = pc.invert(pa.array(numbers(column, decimal).missing))
    seen = pc.utf8_trim_whitespace(column).filter(there)
    if not _mask(_looks_like_number(seen, decimal)).any():
        words = {text.lower(): text for text in pc.unique(seen).to_pylist()}
        return [words.get(text, text) for text in np.where(values >= 0.5, "true", "false").tolist()]
    if _all(pc.match_substring_regex(seen, _DIGITS)):
        return [str(round(value)) for value in values.tolist()]
    return [repr(value).replace(".", decimal) for value in values.tolist()]


def _as_typed(kind: pa.DataType, values: np.ndarray) -> list[Any]:
    """Make cells of a type of numbers."""
    if pa.types.is_boolean(kind):
        return (values >= 0.5).tolist()
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        return [min(max(round(value), limits.min), limits.max) for value in values.tolist()]
    if pa.types.is_decimal(kind):
        step = Decimal(1).scaleb(-kind.scale)
        return [Decimal(value).quantize(step) for value in values.tolist()]
    return list(values.astype(kind.to_pandas_dtype()))


def _all(column: pa.ChunkedArray) -> bool:
    return pc.all(column).as_py() is not False


def as_text(column: pa.ChunkedArray, decimal: str) -> list[str]:
    """Write the values of a column as text.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Any column.
    decimal : str
        The decimal mark of numbers that are not text yet.

    Returns
    -------
    list of str
        The shortest text that gives a number back; an empty text for a missing value.
    """
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        try:
            column = pc.cast(column, pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # nested values, or bytes
            return ["" if value is None else str(value) for value in column.to_pylist()]
        if decimal != "." and (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            column = pc.replace_substring(column, ".", decimal)
    return pc.fill_null(column, "").to_pylist()
