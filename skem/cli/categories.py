"""Columns of text that are categories: which of a table's are, their cells, and cells put back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.cells import is_boolean, text_cells
from skem.cli.columns import Features, Reader, Request
from skem.cli.kinds import choose_kinds, note_left_out

__all__ = ["Categories", "put_text", "read_kinds"]


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


def read_kinds(reader: Reader, request: Request) -> tuple[Features, Categories]:
    """Choose the columns of numbers and of categories, and read them; note what is left out.

    Parameters
    ----------
    reader : Reader
        Of the table.
    request : Request
        What the user says about columns. Columns that are named are used whatever they hold: as
        numbers, unless most of their cells are words. Of others `choose_kinds` says what they are.

    Returns
    -------
    features : Features
        The columns of numbers and truth values.
    categories : Categories
        Those of text.

    Raises
    ------
    CommandError
        As `Reader.read` and `choose_kinds` do.
    """
    table = reader.table
    if request.columns is None:
        kinds = choose_kinds(reader, request, ())
        used = {*kinds.numbers, *kinds.categories}
        names = [name for name in table.names if name in used]
        texts = [name for name in kinds.categories if not is_boolean(reader.column(name))]
        note_left_out(reader, kinds)
    else:
        exclude = [table.find(name) for name in request.exclude]
        names = reader.named(request.columns, exclude, None)
        texts = [name for name in names if _is_of_words(reader, name)]
    numbers = [name for name in names if name not in texts]
    if numbers:
        features = reader.read(replace(request, columns=numbers))
    else:
        every = np.ones(table.n_rows, dtype=bool)
        features = Features((), np.empty((table.n_rows, 0)), None, every)
    cells = {name: text_cells(reader.column(name)) or [] for name in texts}
    return features, Categories(cells)


def _is_of_words(reader: Reader, name: str) -> bool:
    """Whether a column is one of text in which most cells are no numbers."""
    found = reader.numbers(name)
    return reader.is_text(name) and 2 * int(found.bad.sum()) > int((~found.missing).sum())


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
