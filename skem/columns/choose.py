"""Which columns are of which kind: what the user says, or what the values say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.columns.read import RawColumn
from skem.families import GAUSSIAN_FAMILIES
from skem.families.kinds import Kind
from skem.families.kinds.registry import KINDS

__all__ = ["GAUSSIAN_KINDS", "KIND_NAMES", "BlockPlan", "choose_blocks", "positions_of"]

Index: TypeAlias = NDArray[np.intp]

GAUSSIAN_KINDS = tuple(GAUSSIAN_FAMILIES)
KIND_NAMES = (*GAUSSIAN_KINDS, *KINDS)
# What an object is asked that stands for a kind.
_ASKED = sorted(name for name in vars(Kind) if not name.startswith("_"))


class BlockPlan(NamedTuple):
    """A kind and its columns.

    Attributes
    ----------
    kind : str or object
        A name, or what the user gave in its place.
    columns : ndarray of shape (d,), intp
        Positions, in the table's order.
    """

    kind: Any
    columns: Index


def choose_blocks(columns: Any, X: Any, raw: Sequence[RawColumn]) -> list[BlockPlan]:
    """Return the blocks that ``columns`` asks for.

    Parameters
    ----------
    columns : 'auto' or list of (kind, columns)
    X : table
        What callables that select columns are given.
    raw : sequence of RawColumn
        All columns of it.

    Raises
    ------
    ValueError
        If a column is in no block or in two, a kind is unknown, a selection can't be read, or
        'auto' can't tell what a column is.
    """
    if isinstance(columns, str) and columns == "auto":
        return _by_values(raw)
    names = [column.name for column in raw]
    blocks: list[BlockPlan] = []
    home: dict[int, Any] = {}
    for item in columns:
        kind, which = _pair(item)
        chosen = positions_of(which, X, names)
        for position in chosen.tolist():
            if position in home:
                raise ValueError(
                    f"Column {names[position]!r} is in two blocks of 'columns', of kinds "
                    f"{_say(home[position])} and {_say(kind)}: each column is in one"
                )
            home[position] = kind
        if len(chosen):
            blocks.append(BlockPlan(kind, np.sort(chosen)))
    missing = [names[j] for j in range(len(names)) if j not in home]
    if missing:
        raise ValueError(
            f"Column(s) {missing} of X are in no block of 'columns': give each a kind, or drop "
            "them from X"
        )
    return blocks


def _say(kind: Any) -> str:
    return repr(kind) if isinstance(kind, str) else type(kind).__name__


def _pair(item: Any) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise ValueError(
            "The parameter 'columns' must be 'auto' or a list of pairs (kind, columns). Got the "
            f"item {item!r}"
        )
    kind, which = item
    if isinstance(kind, str):
        if kind not in KIND_NAMES:
            raise ValueError(
                f"'columns' has the kind {kind!r}, but a kind is one of {', '.join(KIND_NAMES)}, "
                "or an object that is one (see skem.families.kinds.Kind)"
            )
        return kind, which
    if isinstance(kind, type):
        raise ValueError(
            f"'columns' has the class {kind.__name__} for a kind: give an object of it, such as "
            f"{kind.__name__}()"
        )
    lacks = [name for name in _ASKED if not hasattr(kind, name)]
    if lacks:
        raise ValueError(
            f"'columns' has {kind!r} for a kind, which is neither a name nor a kind of columns: it "
            f"has no {', '.join(lacks)} (see skem.families.kinds.Kind)"
        )
    return kind, which


def positions_of(which: Any, X: Any, names: Sequence[Any]) -> Index:
    """Return the positions of selected columns, as `sklearn.compose.ColumnTransformer` reads them.

    Parameters
    ----------
    which : str, int, slice, list of them, mask of bool, or callable
        A callable is given X and returns one of the others.
    X : table
    names : sequence
        Of the columns; integers always are positions.
    """
    if callable(which):
        which = which(X)
    n_columns = len(names)
    if isinstance(which, slice):
        start = None if which.start is None else _position(which.start, names)
        stop = which.stop
        if isinstance(stop, str):  # included, as labels are
            stop = _position(stop, names) + 1
        return np.arange(n_columns)[slice(start, stop, which.step)]
    if isinstance(which, str | int | np.integer):
        which = [which]
    items = np.asarray(which).tolist() if not isinstance(which, list | tuple) else list(which)
    if items and all(isinstance(item, bool | np.bool_) for item in items):
        if len(items) != n_columns:
            raise ValueError(
                f"A mask in 'columns' has {len(items)} values, but X has {n_columns} columns"
            )
        return np.flatnonzero(items)
    return np.array([_position(item, names) for item in items], dtype=np.intp)


def _position(item: Any, names: Sequence[Any]) -> int:
    n_columns = len(names)
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        if not -n_columns <= item < n_columns:
            raise ValueError(f"'columns' has the position {item}, but X has {n_columns} columns")
        return int(item) % n_columns
    if isinstance(item, str) and item in names:
        return list(names).index(item)
    raise ValueError(f"'columns' names {item!r}, but the columns of X are {list(names)}")


# --- what the values say ------------------------------------------------------------------------


def _by_values(raw: Sequence[RawColumn]) -> list[BlockPlan]:
    """Numbers are one Gaussian block, everything else is categorical."""
    numbers = [column.position for column in raw if column.numbers is not None]
    others = []
    for column in raw:
        if column.numbers is None:
            _refuse_mixtures(column)
            others.append(column.position)
    blocks = []
    if numbers:
        blocks.append(BlockPlan("full", np.array(numbers, dtype=np.intp)))
    if others:
        blocks.append(BlockPlan("categorical", np.array(others, dtype=np.intp)))
    return blocks


def _refuse_mixtures(column: RawColumn) -> None:
    """Raise ValueError for a column of text in which most values are numbers."""
    assert column.values is not None
    if column.categories is not None:
        return
    seen = [
        (column.row(place), value) for place, value in enumerate(column.values) if value is not None
    ]
    numeric = [_looks_numeric(value) for _, value in seen]
    counts = [1] * len(seen) if column.counts is None else column.counts.tolist()
    if 2 * sum(np.compress(numeric, counts)) <= sum(counts):
        return
    declare = f"columns=[('categorical', [{column.name!r}]), ...]"
    odd = [cell for cell, is_number in zip(seen, numeric, strict=True) if not is_number]
    if odd:
        row, value = odd[0]
        raise ValueError(
            f"Column {column.name!r} has {value!r} in row {row}, but most of its values are "
            "numbers. If it stands for a missing cell, put NaN there and make the column numeric; "
            f"if the column's values are categories, say so: {declare}"
        )
    raise ValueError(
        f"Column {column.name!r} has numbers as text, such as {seen[0][1]!r} in row {seen[0][0]}: "
        f"make the column numeric, or say that its values are categories: {declare}"
    )


def _looks_numeric(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
