"""Text tables: from bytes in some encoding to columns of text, with the line of each row."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from skem.cli.messages import CommandError, count, note, one_line, shorten
from skem.cli.plain import read_plain

__all__ = ["Dialect", "TextTable", "read_text"]

BATCH = 65_536  # rows that wait as Python strings before they become Arrow arrays
LONGEST_CELL = 2**31 - 1
SEPARATORS = {";": "';'", "\t": "tab", ",": "','", "|": "'|'", " ": "space"}
SAMPLE = 60  # characters of a line that a message shows at most


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    sep : str
        The character between fields; a space stands for any number of them.
    decimal : str
        The character before the decimals of a number.
    encoding : str
        Name of the encoding, as Python knows it. A byte order mark of UTF-8 is skipped.
    header : bool
        Whether the first line has the names of the columns.
    comment : str or None
        Lines that begin with this text are skipped; None skips those that begin with ``#``
        before the header; nothing is skipped if it is empty.
    """

    sep: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    header: bool = True
    comment: str | None = None


class TextTable(NamedTuple):
    """What was read.

    Attributes
    ----------
    columns : pyarrow.Table
        Columns of type large_string, each cell as it stands in the file.
    lines : ndarray of shape (n_rows,), int64
        The line on which each row starts, from 1.
    """

    columns: pa.Table
    lines: np.ndarray


def read_text(stream: BinaryIO, name: str, dialect: Dialect) -> TextTable:
    """Read a text table.

    Parameters
    ----------
    stream : binary file
        Its bytes.
    name : str
        What messages call it.
    dialect : Dialect
        How it is written.

    Returns
    -------
    TextTable
        The table, maybe without rows. Columns without a header are called column1, column2, ...

    Raises
    ------
    CommandError
        Naming the line, and where possible the option that helps, if the text cannot be decoded,
        quotes are not closed, a row has another number of fields than the header, or the columns
        look separated by another character.
    """
    data = stream.read()
    utf_8 = codecs.lookup(dialect.encoding).name == "utf-8"
    encoding = "utf-8-sig" if utf_8 else dialect.encoding
    if not utf_8 and _is_utf_8(data):
        note(f"{name}: may be utf-8, which needs no --encoding, rather than {dialect.encoding}")
    decoded = io.TextIOWrapper(
        io.BytesIO(data), encoding=encoding, errors="surrogateescape", newline=""
    )
    lines = _Lines(decoded, name, dialect)
    records = _records(lines, name, dialect.sep)
    first, second = next(records, None), next(records, None)
    if first is None:
        raise CommandError(f"{name}: the file is empty")
    if len(first.fields) == 1:
        _check_separator(lines.head, name, dialect)
    names = first.fields
    if lines.comments:
        note(f"{name}: skipped {lines.comments} line(s) at the top that begin with '#'")
    if not dialect.header:
        names = [f"column{i + 1}" for i in range(len(names))]
    if utf_8 and second is not None and not dialect.comment and dialect.sep != " ":
        start = second.line if dialect.header else first.line
        columns = read_plain(_from_line(data, start), dialect.sep, len(names))
        if columns is not None:
            numbers = np.arange(start, start + columns.num_rows)
            return TextTable(columns.rename_columns(names), numbers)
    rows = [] if dialect.header else [first]
    rows += [] if second is None else [second]
    return _collect(chain(rows, records), names, name, dialect)


def _from_line(data: bytes, number: int) -> bytes:
    """Return a text from a line on, without a byte order mark."""
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    for _ in range(number - 1):
        start = data.find(b"\n", start) + 1
        if start == 0:
            return b""
    return data[start:]


class _Record(NamedTuple):
    """A row as it was read: the line on which it starts, and its fields."""

    line: int
    fields: list[str]


class _Lines:
    """The lines of a text, without comments; it knows where the current record starts.

    Attributes
    ----------
    number : int
        Number of the line that was read last.
    start : int
        Number of the line on which the current record starts.
    fresh : bool
        Whether the next line starts a record; whoever reads records sets it.
    comments : int
        How many lines were skipped that nobody asked to skip.
    head : list of str
        The first two lines of records.
    """

    def __init__(self, lines: io.TextIOWrapper, name: str, dialect: Dialect) -> None:
        self._lines, self._name, self._dialect = lines, name, dialect
        self.number = self.start = self.comments = 0
        self.fresh = True
        self.head: list[str] = []

    def __iter__(self) -> Iterator[str]:
        comment = self._dialect.comment
        for line in self._lines:
            self.number += 1
            if not line.isascii() or "\0" in line:
                self._check(line)
            if self.fresh:
                if comment is None and not self.head and line.startswith("#"):
                    self.comments += 1
                    continue
                if comment and line.startswith(comment):
                    continue
                self.start, self.fresh = self.number, False
                if len(self.head) < 2 and line.strip():
                    self.head.append(line)
            yield line

    def _check(self, line: str) -> None:
        """Refuse a line with bytes that could not be decoded, or that are no text."""
        where, encoding = f"{self._name}: line {self.number}", self._dialect.encoding
        bad = next((c for c in line if "\udc80" <= c <= "\udcff"), None)
        if bad is not None:
            raise CommandError(
                f"{where} is not {encoding} (byte 0x{ord(bad) - 0xDC00:02x}): name the file's "
                "encoding with --encoding; cp1252, latin-1 and utf-16 are common"
            )
        if "\0" in line:
            raise CommandError(
                f"{where} has a zero byte: this is no text, or of another --encoding, such as "
                "utf-16-le"
            )


def _records(lines: _Lines, name: str, sep: str) -> Iterator[_Record]:
    """Split lines into fields; blank lines are skipped, and errors say where they are."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(iter(lines), delimiter=sep, strict=True, skipinitialspace=sep == " ")
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise CommandError(f"{name}: line {lines.start}: {_explain(error, lines)}") from error
        if fields is None:
            return
        lines.fresh = True
        if sep == " " and len(fields) > 1 and fields[-1] == "":
            fields.pop()
        # A line of white space is blank; a line with an empty cell in quotes is not.
        if fields and not (len(fields) == 1 and fields[0].isspace()):
            yield _Record(lines.start, fields)


def _explain(error: csv.Error, lines: _Lines) -> str:
    if lines.number > lines.start or "unexpected end" in str(error):
        return "a quote is opened here and not closed before other text follows or the file ends"
    if "expected after" in str(error):
        return "text follows a closing quote; a quote within quotes is doubled"
    return one_line(error)


def _collect(
    records: Iterable[_Record], names: Sequence[str], name: str, dialect: Dialect
) -> TextTable:
    """Gather rows into columns; each must have as many fields as there are names."""
    schema = pa.schema([(column, pa.large_string()) for column in names])
    batches: list[pa.RecordBatch] = []
    waiting: list[list[str]] = []
    starts: list[int] = []
    for record in records:
        if len(record.fields) != len(names):
            raise CommandError(f"{name}: {_ragged(record, len(names), len(starts), dialect)}")
        waiting.append(record.fields)
        starts.append(record.line)
        if len(waiting) == BATCH:
            batches.append(_batch(waiting, schema))
            waiting = []
    if waiting:
        batches.append(_batch(waiting, schema))
    columns = pa.Table.from_batches(batches, schema=schema)
    return TextTable(columns, np.array(starts, dtype=np.int64))


def _batch(rows: list[list[str]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(column, pa.large_string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _ragged(record: _Record, width: int, row: int, dialect: Dialect) -> str:
    fields = record.fields
    others = [sep for sep in SEPARATORS if sep not in (dialect.sep, " ") and sep in fields[0]]
    hint = ""
    if fields[0].startswith(("#", "%", "//")):
        mark = "//" if fields[0].startswith("//") else fields[0][0]
        hint = f"; --comment '{mark}' skips lines that begin so"
    elif row == 0 and len(fields) == width + 1:
        hint = "; a column of row names needs a name in the header, which may be empty"
    elif len(fields) == 2 * width and dialect.sep == "," and all(map(_is_whole, fields)):
        hint = "; a decimal comma needs another separator, or quotes, and --decimal ','"
    elif len(fields) == 1 and others:
        hint = (
            f"; if {SEPARATORS[others[0]]} stands between them, give --sep {SEPARATORS[others[0]]}"
        )
    return (
        f"row {row + 1} (line {record.line}) has {count(len(fields), 'field')}, "
        f"{'more' if len(fields) > width else 'fewer'} than the header's {width}{hint}"
    )


def _check_separator(head: Sequence[str], name: str, dialect: Dialect) -> None:
    """Refuse a table of one column whose first lines another separator splits alike."""
    for sep, shown in SEPARATORS.items():
        split = [_split(line, sep) for line in head]
        if sep == dialect.sep or len(split[0]) < 2 or len({len(fields) for fields in split}) > 1:
            continue
        option = f"--sep {shown}"
        if sep != "," and dialect.decimal != "," and any(map(_has_decimal_comma, split[-1])):
            option += " --decimal ','"
        raise CommandError(
            f"{name}: the header {shorten(head[0], SAMPLE)!r} is one column; give {option} if its "
            "columns are separated so"
        )


def _split(line: str, sep: str) -> list[str]:
    try:
        fields = next(csv.reader([line.strip("\r\n")], delimiter=sep, skipinitialspace=sep == " "))
    except (csv.Error, StopIteration):
        return []
    return fields[:-1] if sep == " " and fields and fields[-1] == "" else fields


def _has_decimal_comma(field: str) -> bool:
    whole, comma, decimals = field.strip().partition(",")
    return bool(comma) and _is_whole(whole) and decimals.isdigit()


def _is_whole(field: str) -> bool:
    return field.strip().lstrip("+-").isdigit()


def _is_utf_8(data: bytes) -> bool:
    """Whether bytes are text in UTF-8 that another encoding would read as something else."""
    if data.isascii() or b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
