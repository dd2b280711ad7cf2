"""Files: tables in CSV and Parquet, and writing a file whole or not at all."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from skem.cli.messages import CommandError, one_line, require

__all__ = [
    "ADDED",
    "Table",
    "check_source",
    "check_target",
    "read_table",
    "replacing",
    "write_table",
]

ADDED = ("cluster", "probability", "log_density")
SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Table:
    """A table and the file that it came from.

    Attributes
    ----------
    path : Path
        The file, as the user named it.
    frame : pandas.DataFrame
        Its rows, with string column names.
    """

    path: Path
    frame: pd.DataFrame

    def where(self, column: str, row: int) -> str:
        """Name a cell for an error message; `row` counts from 0, the message from 1."""
        place = f"{self.path}: column {column!r}, row {row + 1}"
        if self.path.suffix.lower() == ".csv":
            place += f" (line {line_of_row(self.path, row)})"
        return place

    def column(self, name: str) -> pd.Series:
        """Return a column, or say which columns there are."""
        if name not in self.frame.columns:
            names = ", ".join(repr(c) for c in self.frame.columns[:12])
            more = ", ..." if self.frame.shape[1] > 12 else ""
            raise CommandError(f"{self.path}: no column {name!r}; it has {names}{more}")
        return self.frame[name]


def read_table(path: Path) -> Table:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        A regular file whose name ends in ``.csv`` (UTF-8, commas, one header line) or
        ``.parquet``.

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
    check_source(path)
    try:
        frame = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except (OSError, ValueError, csv.Error) as error:  # pandas' and Arrow's errors among them
        raise CommandError(f"{path}: cannot be read: {one_line(error)}") from error
    _check_names(path, list(frame.columns))
    if len(frame) == 0:
        raise CommandError(f"{path}: the table has no rows")
    return Table(path, frame)


def _read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV file with the header's names exactly as they stand in it."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        records = (fields for fields in csv.reader(lines) if not _is_blank(fields))
        names, first = next(records, None), next(records, [])
    if names is None:
        raise CommandError(f"{path}: the file is empty")
    _check_names(path, names)
    if len(first) > len(names):  # pandas would take the surplus as an index
        raise CommandError(
            f"{path}: row 1 has {len(first)} fields, more than the header's {len(names)}"
        )
    return pd.read_csv(
        path,
        names=names,
        header=0,
        encoding="utf-8-sig",
        low_memory=False,
        **options,
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    require("pyarrow")
    frame = pd.read_parquet(path)
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return frame


def _is_blank(fields: Sequence[str]) -> bool:
    """Whether pandas skips this line of a CSV file."""
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise CommandError(f"{path}: two columns are named {twice!r}")
    taken = next((name for name in ADDED if name in names), None)
    if taken is not None:
        raise CommandError(
            f"{path}: already has a column {taken!r}, which the command would add; rename it"
        )


def line_of_row(path: Path, row: int) -> int:
    """Find the line of a CSV file on which a row starts (rows from 0, lines from 1)."""
    start, here = 1, -1  # the header is row -1
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines)
        for fields in reader:
            if not _is_blank(fields):
                if here == row:
                    break
                here += 1
            start = reader.line_num + 1
    return start


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Refuse a file name that does not end in one of `suffixes`."""
    if path.suffix.lower() not in suffixes:
        raise CommandError(f"{path}: the name must end in {' or '.join(suffixes)}")


def check_source(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Make sure that a path names a regular file with one of the allowed endings.

    Parameters
    ----------
    path : Path
        The file to read.
    suffixes : sequence of str, default=(".csv", ".parquet")
        The allowed endings of its name.

    Raises
    ------
    CommandError
        If it does not.
    """
    check_suffix(path, suffixes)
    if not path.is_file():
        raise CommandError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")


def check_target(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Make sure, before any work, that a file can be written.

    Parameters
    ----------
    path : Path
        The file to write.
    suffixes : sequence of str, default=(".csv", ".parquet")
        The allowed endings of its name.

    Raises
    ------
    CommandError
        If the ending is another one, if the path is something other than a regular file, or if
        its directory is missing or cannot be written to.
    """
    check_suffix(path, suffixes)
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


def write_table(table: Table, added: dict[str, Any], path: Path) -> None:
    """Write the table with the added columns at its end.

    The original columns keep their order and values. From CSV to CSV they keep their text as
    well, so that an identifier such as ``007`` stays what it was.

    Parameters
    ----------
    table : Table
        The table.
    added : dict of str to ndarray of shape (n_rows,)
        The new columns.
    path : Path
        A file that `check_target` has accepted.
    """
    frame = table.frame
    to_csv = path.suffix.lower() == ".csv"
    if to_csv and table.path.suffix.lower() == ".csv":
        frame = _read_csv(table.path, dtype=str, na_filter=False)
        if len(frame) != len(table.frame):
            raise CommandError(f"{table.path}: the file has changed since it was read")
    frame = frame.assign(**added)
    with replacing(path) as temporary:
        if to_csv:
            counted = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
            frame.to_csv(temporary, index=not counted)
        else:
            frame.to_parquet(temporary)
