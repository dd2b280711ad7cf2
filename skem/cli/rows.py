"""Rows of a table, as a person reads them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from skem.cli.cells import as_text
from skem.cli.files import Table
from skem.cli.messages import count, shorten, terminal_width

__all__ = ["WIDEST", "filled_rows", "first_rows", "least_probable", "odd_rows"]

ROWS_SHOWN = 10
WIDEST = 24  # characters of a name or a cell in a table


def first_rows(table: Table, added: pa.Table) -> str:
    """Show the first rows of the table with the added columns.

    Parameters
    ----------
    table : Table
        The table.
    added : pyarrow.Table
        The added columns.

    Returns
    -------
    str
        A heading and up to ten rows.
    """
    shown = np.arange(min(ROWS_SHOWN, table.n_rows))
    total = count(table.n_rows, "row")
    heading = f"First {len(shown)} of {total} (-o FILE writes the whole table):"
    return "\n".join([heading, "", *_rows(table, added, shown)])


def least_probable(table: Table, added: pa.Table, number: int) -> str:
    """Show the rows of the lowest density, the lowest first.

    Parameters
    ----------
    table : Table
        The table.
    added : pyarrow.Table
        The added columns.
    number : int
        How many rows to show at most.

    Returns
    -------
    str
        A heading and the rows, with their numbers from 1.
    """
    density = added["log_density"].to_numpy(zero_copy_only=False).astype(np.float64)
    order = np.argsort(density, kind="stable")  # rows that were not scored are NaN, at the end
    shown = order[: min(number, int(np.isfinite(density).sum()))]
    heading = f"The least probable of {count(table.n_rows, 'row')}:"
    return "\n".join([heading, "", *_rows(table, added, shown, [_numbers(shown)])])


def filled_rows(table: Table, rows: np.ndarray) -> str:
    """Show the first of the rows that were filled.

    Parameters
    ----------
    table : Table
        The filled table.
    rows : ndarray of shape (n_filled,), int
        Which ones, from 0.

    Returns
    -------
    str
        A heading and up to ten rows, with their numbers from 1.
    """
    shown = rows[:ROWS_SHOWN]
    total = count(len(rows), "filled row")
    heading = f"First {len(shown)} of {total} (-o FILE writes the whole table):"
    return "\n".join([heading, "", *_rows(table, pa.table({}), shown, [_numbers(shown)])])


def odd_rows(table: Table, added: pa.Table, rows: np.ndarray, *, shorten: bool) -> str:
    """Show rows from the oddest on.

    Parameters
    ----------
    table : Table
        The table.
    added : pyarrow.Table
        The added columns; those of the rank and the flag are left out.
    rows : ndarray of shape (n_shown,), int
        Which ones, from 0, in their order.
    shorten : bool
        Whether to show ten at most.

    Returns
    -------
    str
        A heading and the rows, with their numbers from 1.
    """
    shown = rows[:ROWS_SHOWN] if shorten else rows
    heading = f"The oddest {count(len(shown), 'row')} of {count(table.n_rows, 'row')}:"
    if len(shown) < len(rows):
        heading = f"{heading[:-1]} (-o FILE writes the whole table):"
    added = added.drop_columns(["outlier", "outlier_rank"])
    return "\n".join([heading, "", *_rows(table, added, shown, [_numbers(shown)])])


def _numbers(rows: np.ndarray) -> list[str]:
    """Write the rows' numbers from 1 as lines of equal width, a heading first."""
    labels = ["row", *(f"{row + 1:,}" for row in rows)]
    width = max(map(len, labels))
    return [f"{text:>{width}}" for text in labels]


def _rows(
    table: Table, added: pa.Table, rows: np.ndarray, first: Sequence[list[str]] = ()
) -> list[str]:
    """Write some rows, as many columns as fit; those in `first` and the added ones always."""
    last = [_lines(added[name], name, rows, ".") for name in added.column_names]
    room = terminal_width() - sum(len(lines[0]) + 2 for lines in [*first, *last]) - len("  ...")
    shown = list(first)
    for name, column in zip(table.names, table.columns.columns, strict=True):
        lines = _lines(column, name, rows, table.dialect.decimal)
        room -= len(lines[0]) + 2
        if room < 0:
            shown.append(["..."] * len(lines))
            break
        shown.append(lines)
    return ["  " + "  ".join(row) for row in zip(*shown, *last, strict=True)]


def _lines(column: pa.ChunkedArray, name: str, rows: np.ndarray, decimal: str) -> list[str]:
    """Write some cells of a column, its name first, as lines of equal width."""
    cells = column.take(pa.array(rows))
    if pa.types.is_floating(column.type):
        texts = ["" if value is None else f"{value:.6g}" for value in cells.to_pylist()]
    else:
        texts = as_text(cells, decimal)
    texts = [shorten(text, WIDEST) for text in [name, *texts]]
    width = max(len(text) for text in texts)
    return [f"{text:>{width}}" for text in texts]
