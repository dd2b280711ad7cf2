"""Kinds: which columns are measurements, categories or counts, and which are left out."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.cells import is_boolean, words
from skem.cli.columns import Reader, Request
from skem.cli.messages import CommandError, count, joined, note, quoted
from skem.cli.noting import is_id_name

__all__ = ["CODED", "Kinds", "choose_kinds", "note_left_out"]

# Kinds whose columns hold categories.
CODED = ("categorical", "bernoulli")

# A column of text with more different values than a few names or numbers its rows if there are
# fewer rows than these for each of them, on average.
_FEW_VALUES, _ROWS_OF_A_VALUE = 20, 5
_EMPTY, _AS_TEXT = "no value", "numbers written as text"
_NO_NUMBERS = "categories, and only numbers are used here"
# Numbers as people write them: 5 %, $1,200.50, 1 000, and a minus that is no hyphen.
_SPACE, _CURRENCY = r"[ \x{a0}\x{202f}]", "$€£¥"
_WRITTEN = (
    rf"^[-+\x{{2212}}]?{_SPACE}?[{_CURRENCY}]?{_SPACE}?[-+\x{{2212}}]?"
    rf"\d+([,.'\x{{2019}} \x{{a0}}\x{{202f}}]\d{{3}})*([.,]\d+)?"
    rf"{_SPACE}?[%‰{_CURRENCY}]?$"
)


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

    @property
    def coded(self) -> tuple[str, ...]:
        """Columns of categories, by default or as the user declared."""
        declared = (names for kind, names in self.declared if kind in CODED)
        return (*self.categories, *chain.from_iterable(declared))


def choose_kinds(
    reader: Reader,
    request: Request,
    declared: Sequence[tuple[str, Sequence[str]]] = (),
    *,
    numbers_only: bool = False,
) -> Kinds:
    """Say which columns are of which kind: as the user declared, or as their values say.

    Numbers are measurements; text and truth values are categories. Left out are columns of text
    whose values name the rows or are all the same, that are nearly numbers, and all that is
    neither text nor numbers. Numbers that are written as text where types are stored, as in
    Parquet, are measurements if the user names their column.

    Parameters
    ----------
    reader : Reader
    request : Request
    declared : sequence of (kind, columns), default=()
    numbers_only : bool, default=False
        Whether categories are left out as well.

    Raises
    ------
    CommandError
        If a column is declared twice or is left out as well, a named column can't be used, or
        there is none to use.
    """
    table = reader.table
    weight = None if request.weight is None else table.find(request.weight)
    exclude = [table.find(name) for name in request.exclude]
    restricted = request.columns is not None
    named = [] if request.columns is None else reader.named(request.columns, exclude, weight)
    kinds = _resolve(reader, declared, [*exclude, weight], restricted, named)
    apart = set() if restricted else {"", weight, *exclude, *table.index}
    apart |= {name for _, names in kinds for name in names}
    numbers: list[str] = []
    categories: list[str] = []
    left_out: list[tuple[str, str]] = []
    for name in named if restricted else table.names:
        if name in apart:
            continue
        why = _say_unusable(reader, name)
        is_number = not why and _is_measured(reader, name)
        if numbers_only and not why and not is_number:
            why = _NO_NUMBERS
        if is_number or (restricted and why in (_EMPTY, _AS_TEXT)):
            numbers.append(name)  # empty ones are refused where values are looked at
        elif not why:
            categories.append(name)
        elif restricted:
            _refuse(reader, name, why, numbers_only)
        else:
            left_out.append((name, why))
    if not numbers and not categories and not kinds:
        listed = joined(f"{quoted(name)} ({why})" for name, why in left_out)
        listed = listed or joined(map(quoted, table.names))
        what = "of numbers " if numbers_only else ""
        raise CommandError(f"{table.name}: no column {what}to use: {listed}")
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
        return _AS_TEXT
    values = pc.unique(words(column).filter(pa.array(~found.missing)))
    if len(values) == 1:
        return f"no other value than {values[0].as_py()!r}"
    if pc.all(pc.match_substring_regex(values, _WRITTEN)).as_py():
        return f"numbers with signs or separators, such as {values[0].as_py()!r}"
    if is_id_name(name):
        return "named as ids are"
    if len(values) > max(min(_FEW_VALUES, seen // 2), seen // _ROWS_OF_A_VALUE):
        return (
            f"names rather than categories: {count(len(values), 'value')} in {count(seen, 'row')}"
        )
    return ""


def _refuse(reader: Reader, name: str, why: str, numbers_only: bool) -> NoReturn:
    """Refuse a column that the user named."""
    if why != _NO_NUMBERS and reader.has_numbers(name):
        reader.refuse_bad(name)
    hint = "" if numbers_only else f"; --kind categorical={name} takes its values as categories"
    raise CommandError(f"{reader.table.name}: column {name!r}: {why}{hint}")
