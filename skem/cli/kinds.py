"""Kinds: which columns are measurements, categories or counts, and which are left out."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.cells import is_boolean, words
from skem.cli.columns import Reader, Request
from skem.cli.messages import CommandError, count, joined, note, quoted
from skem.cli.noting import is_id_name

__all__ = ["Kinds", "choose_kinds", "note_left_out"]

# A column of text with more different values than a few names or numbers its rows if there are
# fewer rows than these for each of them, on average.
_FEW_VALUES, _ROWS_OF_A_VALUE = 20, 5
_EMPTY = "no value"


class Kinds(NamedTuple):
    """What the columns of a table are taken for.

    Attributes
    ----------
    numbers : tuple of str
        Measurements.
    categories : tuple of str
    declared : tuple of (str, tuple of str)
        Kinds that the user gave, and their columns.
    left_out : tuple of (str, str)
        Columns that are not used, and why.
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    declared: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def are_numbers(self) -> bool:
        """Whether all columns are measurements, by default."""
        return not self.categories and not self.declared


def choose_kinds(
    reader: Reader, request: Request, declared: Sequence[tuple[str, Sequence[str]]]
) -> Kinds:
    """Say which columns are of which kind: as the user declared, or as their values say.

    Numbers are measurements; text and truth values are categories. Left out are columns of text
    whose values name the rows or are all the same, that are nearly numbers, and all that is
    neither text nor numbers.

    Parameters
    ----------
    reader : Reader
    request : Request
    declared : sequence of (kind, columns)

    Raises
    ------
    CommandError
        If a column is declared twice or is left out as well, a named column can't be used, or
        there is none to use.
    """
    table = reader.table
    weight = None if request.weight is None else table.find(request.weight)
    exclude = [table.find(name) for name in request.exclude]
    named = [] if request.columns is None else reader.named(request.columns, exclude, weight)
    kinds = _resolve(reader, declared, [*exclude, weight], request.columns is not None, named)
    apart = {"", weight, *exclude, *table.index} if request.columns is None else set()
    taken = {name for _, names in kinds for name in names}
    numbers: list[str] = []
    categories: list[str] = []
    left_out: list[tuple[str, str]] = []
    for name in table.names if request.columns is None else named:
        if name in taken or name in apart:
            continue
        why = _say_unusable(reader, name)
        if not why:
            (numbers if _is_measured(reader, name) else categories).append(name)
        elif request.columns is None:
            left_out.append((name, why))
        elif why == _EMPTY:
            numbers.append(name)  # which is refused where values are looked at
        elif reader.has_numbers(name):
            reader.refuse_bad(name)
            numbers.append(name)  # written as text
        else:
            raise CommandError(f"{table.name}: column {name!r}: {why}{_hint(name)}")
    if not numbers and not categories and not kinds:
        listed = joined(f"{quoted(name)} ({why})" for name, why in left_out)
        listed = listed or joined(map(quoted, table.names))
        raise CommandError(f"{table.name}: no column to use: {listed}")
    return Kinds(tuple(numbers), tuple(categories), kinds, tuple(left_out))


def note_left_out(reader: Reader, kinds: Kinds) -> None:
    """Note which columns are not used, and why."""
    table = reader.table
    nameless = table.names.count("")
    remarks = [f"{nameless} without a name" if nameless > 1 else "the one without a name"]
    remarks *= nameless > 0
    remarks += [f"{quoted(name)} (row labels)" for name in table.index if name]
    remarks += [f"{quoted(name)} ({why})" for name, why in kinds.left_out]
    if remarks:
        note(f"{table.name}: columns left out: {joined(remarks)}")


def _resolve(
    reader: Reader,
    declared: Sequence[tuple[str, Sequence[str]]],
    apart: Sequence[str | None],
    restricted: bool,
    named: Sequence[str],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Find the columns that kinds were declared for, each kind once."""
    table = reader.table
    found: dict[str, list[str]] = {}
    home: dict[str, str] = {}
    for kind, names in declared:
        for name in map(table.find, names):
            if name in home:
                raise CommandError(
                    f"{table.name}: column {name!r} is in --kind {home[name]} and --kind {kind}"
                )
            if name in apart:
                raise CommandError(
                    f"{table.name}: column {name!r} is in --kind {kind} and to be left out"
                )
            if restricted and name not in named:
                raise CommandError(
                    f"{table.name}: column {name!r} is in --kind {kind}, but not in --columns"
                )
            home[name] = kind
            found.setdefault(kind, []).append(name)
    return tuple((kind, tuple(names)) for kind, names in found.items())


def _is_measured(reader: Reader, name: str) -> bool:
    return reader.is_numeric(name) and not is_boolean(reader.column(name))


def _say_unusable(reader: Reader, name: str) -> str:
    """Say why a column is neither of numbers nor of categories; nothing if it is."""
    column = reader.column(name)
    if is_boolean(column) or reader.is_numeric(name):
        return ""
    found = reader.numbers(name)
    seen = int((~found.missing).sum())
    if not seen:
        return _EMPTY
    if not reader.is_text(name):
        return f"neither text nor numbers, but {column.type}"
    if 2 * int(found.bad.sum()) < seen and found.bad.any():
        row = int(found.bad.argmax())
        return f"row {row + 1} holds {reader.show(name, row)}"
    if not found.bad.any():
        return "numbers written as text"
    values = pc.unique(words(column).filter(pa.array(~found.missing)))
    if len(values) == 1:
        return f"no other value than {values[0].as_py()!r}"
    if is_id_name(name):
        return "named as ids are"
    if len(values) > max(min(_FEW_VALUES, seen // 2), seen // _ROWS_OF_A_VALUE):
        return (
            f"names rather than categories: {count(len(values), 'value')} in {count(seen, 'row')}"
        )
    return ""


def _hint(name: str) -> str:
    return f"; --kind categorical={name} takes its values as categories"
