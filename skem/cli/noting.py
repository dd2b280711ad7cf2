"""Notes on the columns that are used: what is missing, constant, or looks like ids."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skem.cli.cells import numbers
from skem.cli.columns import Reader, Seen, concerned
from skem.cli.messages import count, joined, note, quoted, shorten
from skem.columns import likelier_kinds

__all__ = ["is_id_name", "note_counts", "note_gaps", "note_header", "note_ids", "note_same"]

# A name says that a column identifies rows: "id", "customer_id", "rowId", "index", "row", "no.".
_ID_NAME = re.compile(r"(?i:^(id|index|idx|key|row|rownames|row_?(id|nr|no|number)|nr|no\.?)$)|"
                      r"(?i:[ _.-](id|key|nr|no))$|[a-z]I[dD]$")  # fmt: skip
_ENOUGH_FOR_AN_ID = 10  # rows; fewer may be in order by chance


def note_gaps(reader: Reader, features: Seen, fate: str = "") -> None:
    """Note how many cells are missing where they are modelled.

    Parameters
    ----------
    features : Features
        What was read.
    fate : str, default=""
        What becomes of rows without any value.
    """
    missing = features.missing
    if not missing.any():
        return
    rows = missing.any(axis=1)
    counts = zip(features.columns, missing.sum(axis=0), strict=True)
    gaps = {name: int(number) for name, number in counts if number}
    text = (
        f"{reader.table.name}: {count(int(missing.sum()), 'missing cell')} in "
        f"{concerned(int(rows.sum()), reader.table.n_rows, gaps)}; they are modelled "
        "(--drop-missing leaves such rows out)"
    )
    empty = int(missing.all(axis=1).sum())
    if empty:
        text += f"; without any value: {count(empty, 'row')}{fate}"
    note(text)


def note_same(reader: Reader, names: Sequence[str]) -> None:
    """Note columns that have the same value in every row."""
    same = joined(map(quoted, names))
    if same:
        text = f"the same value in every row of {same}; better leave it out"
        note(f"{reader.table.name}: {text}")


def note_ids(reader: Reader, measured: Mapping[str, np.ndarray]) -> None:
    """Note columns of measurements that look like ids."""
    ids = joined(quoted(name) for name, x in measured.items() if _is_id(reader, name, x))
    if ids:
        note(
            f"{reader.table.name}: {ids} may number or name the rows rather than describe them; if "
            "so, leave it out by --exclude"
        )


def note_counts(reader: Reader, measured: Mapping[str, np.ndarray]) -> None:
    """Note columns of measurements that have few whole numbers: counts or categories, perhaps."""
    found = {}
    for name, x in measured.items():
        likelier = likelier_kinds(x)
        if likelier:
            found[name] = max(likelier.others, key=lambda kind: likelier.others[kind])
    if found:
        name, kind = next(iter(found.items()))
        note(
            f"{reader.table.name}: whole numbers of few values, taken as measurements: "
            f"{joined(map(quoted, found))}; if they are counts or categories, say so by --kind, as "
            f"in --kind {kind}={name}"
        )


def note_header(reader: Reader) -> None:
    """Note a header that looks like a row."""
    table = reader.table
    if table.lines is not None and table.dialect.header and _all_numbers(table.names):
        shown = shorten(", ".join(table.names), 40)
        note(
            f"{table.name}: the header's names are numbers ({shown}); if they are the first row, "
            "give --no-header"
        )


def _is_id(reader: Reader, name: str, x: np.ndarray) -> bool:
    """Whether a column is named as ids are, counts up or down, or has leading zeros."""
    if is_id_name(name):
        return True
    x = x[~np.isnan(x)]
    if len(x) < _ENOUGH_FOR_AN_ID:
        return False
    steps = np.diff(x)
    if (steps > 0).all() or (steps < 0).all():
        return bool((x == np.floor(x)).all())
    column = reader.column(name)
    if not reader.is_text(name):
        return False
    zeros = pc.sum(pc.match_substring_regex(column, r"^\s*0[0-9]"))
    return bool(zeros.as_py())


def is_id_name(name: str) -> bool:
    """Whether a column is named as ids are."""
    return _ID_NAME.search(name) is not None


def _all_numbers(names: Sequence[str]) -> bool:
    column = pa.chunked_array([pa.array([name for name in names if name], pa.large_string())])
    return len(column) > 0 and numbers(column, ".").all_numbers
