"""Files: tables as text or Parquet, and writing a file whole or not at all."""

import csv
import gzip
import io
import os
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from skem.cli.cells import as_text, typed
from skem.cli.messages import CommandError, joined, one_line, quoted
from skem.cli.text import Dialect, read_text

__all__ = [
    "ADDED",
    "STREAM",
    "Table",
    "check_source",
    "check_target",
    "read_table",
    "replacing",
    "write_table",
]

ADDED = ("cluster", "probability", "log_density")
STREAM = "-"
TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SUFFIXES = (*TEXT, ".parquet")
GZIP, PARQUET, ZIP, UTF_16 = b"\x1f\x8b", b"PAR1", b"PK\x03\x04", (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Table:
    """A table and the file that it came from.

    Attributes
    ----------
    name : str
        The file as the user named it, or "standard input".
    columns : pyarrow.Table
        Its columns as they stand in the file: cells of text for a text file.
    dialect : Dialect
        How text is read and written.
    lines : ndarray of shape (n_rows,) or None
        The line of each row of a text file; None for Parquet.
    index : tuple of str
        Columns that hold the row labels of a pandas frame.
    """

    name: str
    columns: pa.Table
    dialect: Dialect
    lines: np.ndarray | None = None
    index: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns.column_names)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return int(self.columns.num_rows)

    def where(self, column: str, row: int) -> str:
        """Name a cell for an error message; `row` counts from 0, the message from 1."""
        line = "" if self.lines is None else f" (line {self.lines[row]})"
        return f"{self.name}: column {column!r}, row {row + 1}{line}"

    def find(self, name: str) -> str:
        """Return a column's name as it stands in the table, or say which columns there are.

        White space around a name in the table does not matter where only one column fits.
        """
        same = [column for column in self.names if column == name]
        same = same or [column for column in self.names if column.strip() == name.strip()]
        if len(same) == 1:
            return same[0]
        if same:
            raise CommandError(
                f"{self.name}: {len(same)} columns are named {name!r}, but for white space around"
            )
        raise CommandError(
            f"{self.name}: no column {name!r}; it has {joined(map(quoted, self.names))}"
        )


def read_table(path: str, dialect: Dialect, added: Sequence[str] = ADDED) -> Table:
    """Read a text or Parquet file, which may be compressed by gzip.

    Parameters
    ----------
    path : str
        A regular file whose name ends in ``.csv``, ``.tsv`` (both maybe with ``.gz``) or
        ``.parquet``; or ``-`` for standard input. What is in it decides how it is read.
    dialect : Dialect
        How text is written.
    added : sequence of str
        Names of the columns that the command will add.

    Returns
    -------
    Table
        The table; it has at least one row.

    Raises
    ------
    CommandError
        If the file is missing, unreadable, malformed or empty, if two columns share a name, or
        if one already has a name that the command would add.
    """
    name = "standard input" if path == STREAM else path
    if path != STREAM:
        check_source(Path(path))
    try:
        with _opened(path) as stream:
            table = _read(stream, name, dialect)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # Arrow's errors among them
        raise CommandError(f"{name}: cannot be read: {one_line(error)}") from error
    _check_names(name, table.names, added)
    if table.n_rows == 0:
        raise CommandError(f"{name}: the table has no rows")
    return table


@contextmanager
def _opened(path: str) -> Iterator[io.BufferedReader]:
    """Open a file or standard input, decompressed; the latter stays open."""
    with ExitStack() as stack:
        stream: Any = sys.stdin.buffer
        if path != STREAM:
            stream = stack.enter_context(Path(path).open("rb"))
        if not hasattr(stream, "peek"):
            stream = io.BufferedReader(stream)
        if stream.peek(2)[:2] == GZIP:
            stream = io.BufferedReader(stack.enter_context(gzip.open(stream)))
        yield stream


def _read(stream: io.BufferedReader, name: str, dialect: Dialect) -> Table:
    start = stream.peek(4)[:4]
    if start == PARQUET:
        source = stream if stream.seekable() else pa.BufferReader(stream.read())
        columns = parquet.ParquetFile(source).read()
        return Table(name, columns, dialect, index=_pandas_index(columns))
    if _suffix(Path(name)) == ".parquet":
        raise CommandError(f"{name}: cannot be read: this is no Parquet file")
    if start == ZIP:
        raise CommandError(f"{name}: is a zip archive or a spreadsheet; save the table as CSV")
    if start[:2] in UTF_16 and "16" not in dialect.encoding:
        raise CommandError(f"{name}: looks like UTF-16: give --encoding utf-16")
    columns, lines = read_text(stream, name, dialect)
    return Table(name, columns, dialect, lines)


def _pandas_index(columns: pa.Table) -> tuple[str, ...]:
    """Name the columns that pandas wrote for a frame's index."""
    written = (columns.schema.pandas_metadata or {}).get("index_columns", [])
    return tuple(name for name in written if isinstance(name, str))


def _row_labels(columns: pa.Table) -> pa.Table:
    """Return a frame's index as a column where pandas wrote it as a range, unless that counts."""
    written = (columns.schema.pandas_metadata or {}).get("index_columns", [])
    labels = {}
    for index in written:
        if isinstance(index, dict) and (index["name"], index["start"], index["step"]) != (
            None,
            0,
            1,
        ):
            labels[index["name"] or ""] = np.arange(index["start"], index["stop"], index["step"])
    return pa.table(labels)


def _check_names(name: str, columns: Sequence[str], added: Sequence[str]) -> None:
    twice = next((column for column, n in Counter(columns).items() if n > 1 and column), None)
    if twice is not None:
        raise CommandError(f"{name}: two columns are named {quoted(twice)}")
    taken = next((column for column in added if column in columns), None)
    if taken is not None:
        raise CommandError(
            f"{name}: already has a column {taken!r}, which the command would add; rename it"
        )


def _suffix(path: Path) -> str:
    """Return the ending that decides about a file's form, in lower case."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    return "".join(endings) if endings[-1:] == [".gz"] else "".join(endings[-1:])


def check_suffix(path: Path, suffixes: Sequence[str], hint: str = "") -> None:
    """Refuse a file name that does not end in one of `suffixes`."""
    if _suffix(path) not in suffixes:
        *others, last = suffixes
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise CommandError(f"{path}: the name must end in {allowed}{hint}")


def check_source(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Make sure that a path names a regular file with one of the allowed endings.

    Parameters
    ----------
    path : Path
        The file to read.
    suffixes : sequence of str
        The allowed endings of its name; by default those of tables.

    Raises
    ------
    CommandError
        If it does not.
    """
    hint = "; any other can be given as standard input, by '-'" if suffixes is SUFFIXES else ""
    check_suffix(path, suffixes, hint)
    if not path.is_file():
        raise CommandError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")


def check_target(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Make sure, before any work, that a file can be written.

    Parameters
    ----------
    path : Path
        The file to write.
    suffixes : sequence of str
        The allowed endings of its name; by default those of tables.

    Raises
    ------
    CommandError
        If the ending is another one, if the path is something other than a regular file, or if
        its directory is missing or cannot be written to.
    """
    hint = "; '-' writes CSV to standard output" if suffixes is SUFFIXES else ""
    check_suffix(path, suffixes, hint)
    if path.exists() and not path.is_file():
        raise CommandError(f"{path}: cannot be written: not a regular file")
    with replacing(path) as temporary:
        temporary.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under another name in the same directory, then rename it.

    Parameters
    ----------
    path : Path
        The file to create or replace; a symbolic link is followed.

    Yields
    ------
    Path
        An empty file beside it. It replaces `path` when the block ends, unless the block
        removed it, and is removed when the block raises.

    Raises
    ------
    CommandError
        If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield temporary
        if temporary.exists():
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
    except (OSError, TypeError, ValueError) as error:  # Arrow's errors among them
        raise CommandError(f"{path}: cannot be written: {one_line(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table: Table, added: pa.Table, path: str) -> None:
    """Write the table with the added columns at its end.

    The original columns keep their order and values: they are the columns that were read. From
    text to text they keep their text as well, so an identifier such as ``007`` stays what it was.

    Parameters
    ----------
    table : Table
        The table.
    added : pyarrow.Table
        The new columns, of as many rows.
    path : str
        A file that `check_target` has accepted, or ``-`` for text on standard output.
    """
    if path == STREAM:
        _write_text(table, added, sys.stdout.buffer, table.dialect.sep)
        sys.stdout.buffer.flush()
        return
    suffix = _suffix(Path(path))
    with replacing(Path(path)) as temporary:
        if suffix == ".parquet":
            columns = table.columns if table.lines is None else typed(table.columns, table.dialect)
            for name in added.column_names:
                columns = columns.append_column(name, added[name])
            parquet.write_table(columns, temporary)
            return
        opened: Any = gzip.open if suffix.endswith(".gz") else open
        with opened(temporary, "wb") as stream:
            tabs = suffix.startswith(".tsv")
            _write_text(table, added, stream, "\t" if tabs else table.dialect.sep)


def _write_text(table: Table, added: pa.Table, stream: IO[bytes], sep: str) -> None:
    """Write text in the encoding and with the decimal mark that were read."""
    encoding = table.dialect.encoding
    text = io.TextIOWrapper(stream, encoding=encoding, newline="", write_through=False)
    writer = csv.writer(text, delimiter=sep, lineterminator="\n")
    labels = _row_labels(table.columns)
    writer.writerow([*labels.column_names, *table.names, *added.column_names])
    parts = [*labels.columns, *table.columns.columns, *added.columns]
    for start in range(0, table.n_rows, 65_536):
        cells = [as_text(part.slice(start, 65_536), table.dialect.decimal) for part in parts]
        writer.writerows(zip(*cells, strict=True))
    text.flush()
    text.detach()
