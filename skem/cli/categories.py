"""Columns of text that are categories: which of a table's are, their cells, and cells put back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.cells import text_cells
from skem.cli.columns import Features, Reader, Request

__all__ = ["Categories", "put_text", "read_kinds"]

# A column of more different texts is one of names, unless the user says otherwise.
_MOST = 100


@dataclass(frozen=True)
class Categories:
    """Columns of text that are used.

    Attributes
    ----------
    cells : dict
        The texts of each, None where one is missing, by the column's name.
    """

    cells: dict[str, list[str | None]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.cells)

    def missing(self, n_rows: int) -> np.ndarray:
        """Which cells are missing, (n_rows, n_columns)."""
        masks = [[cell is None for cell in cells] for cells in self.cells.values()]
        return np.array(masks, dtype=bool).reshape(len(masks), n_rows).T


def read_kinds(reader: Reader, request: Request) -> tuple[Request, Features, Categories]:
    """Choose the columns of numbers and of categories, and read them.

    Parameters
    ----------
    reader : Reader
        Of the table.
    request : Request
        What the user says about columns. Of those that are not named, columns of text are
        categories if they have at least two different texts, not more than 100, and each of them
        in two rows on average; columns in which most cells are numbers never are.

    Returns
    -------
    request : Request
        The same for the columns of numbers alone.
    features : Features
        These columns.
    categories : Categories
        The others.

    Raises
    ------
    CommandError
        As `Reader.read` does; if there are no columns of either sort.
    """
    table = reader.table
    exclude = {table.find(name) for name in request.exclude}
    if request.columns is None:
        left_out = {"", *exclude, *table.index}
        offered = [name for name in table.names if name not in left_out]
    else:
        offered = [name for name in map(table.find, request.columns) if name not in exclude]
    cells = {}
    for name in offered:
        found = _read(reader, name, named=request.columns is not None)
        if found is not None:
            cells[name] = found
    columns = None
    if request.columns is not None:
        columns = [name for name in request.columns if table.find(name) not in cells]
    rest = replace(request, columns=columns, exclude=[*request.exclude, *cells])
    no_numbers = not columns if columns is not None else not reader.has_numeric(rest)
    if cells and no_numbers:
        nothing = np.empty((table.n_rows, 0))
        features = Features((), nothing, None, np.ones(table.n_rows, dtype=bool))
    else:
        features = reader.read(rest)
    return rest, features, Categories(cells)


def _read(reader: Reader, name: str, *, named: bool) -> list[str | None] | None:
    """Return the cells of a column of categories, None for another one."""
    column = reader.table.columns.column(reader.table.names.index(name))
    cells = text_cells(column)
    if cells is None:
        return None
    numbers = reader.numbers(name)
    n_seen = int((~numbers.missing).sum())
    if 2 * int(numbers.bad.sum()) <= n_seen:
        return None
    n_texts = len({cell for cell in cells if cell is not None})
    if not named and not 2 <= n_texts <= min(_MOST, n_seen // 2):
        return None
    return cells


def put_text(column: pa.ChunkedArray, gap: np.ndarray, texts: Sequence[str]) -> pa.ChunkedArray:
    """Put texts into the empty cells of a column of text, which keeps its type and other cells."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        plain = put_text(pc.cast(column, kind.value_type), gap, texts)
        return pc.cast(plain.dictionary_encode(), kind)
    cells: list[str | None] = [None] * len(column)
    for place, text in zip(np.flatnonzero(gap).tolist(), texts, strict=True):
        cells[place] = text
    return pc.if_else(pa.array(gap), pa.array(cells, kind), column)
