"""Mixtures of blocks of columns: how their rows are read, and what their components are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skem._collections import check_in_memory
from skem._parameters import float_dtypes
from skem._tables import refuse_dates, without_mask
from skem.columns import (
    GAUSSIAN_KINDS,
    BlockPlan,
    Encoding,
    RawColumn,
    choose_blocks,
    is_numeric,
    make_encoding,
    note_counts,
    read_columns,
)
from skem.families import GAUSSIAN_FAMILIES
from skem.families.kinds import Categorical
from skem.families.kinds.family import KindFamily
from skem.families.kinds.registry import KINDS
from skem.families.product import ProductFamily, make_product

__all__ = [
    "Layout",
    "PlacedKind",
    "check_same",
    "draft_layout",
    "make_layout",
    "read_table",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class PlacedKind(NamedTuple):
    """A block of columns as it was fitted.

    Attributes
    ----------
    name : str
        Of its kind.
    kind : Kind or None
        None for Gaussian blocks.
    columns : ndarray of shape (d,), intp
    """

    name: str
    kind: Any
    columns: NDArray[np.intp]


class Layout(NamedTuple):
    """The columns of a table that was fitted.

    Attributes
    ----------
    encoding : Encoding
    blocks : tuple of PlacedKind
    base : bool
        Whether log densities have a part that all components share.
    notes : tuple of str
        What a user may want to declare otherwise.
    """

    encoding: Encoding
    blocks: tuple[PlacedKind, ...]
    base: bool
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[Any]:
        """Names of the columns, or their positions."""
        return [column.name for column in self.encoding.columns]

    def selected(self, columns: NDArray[np.intp]) -> list[Any]:
        """Return what selects columns: their names if all of them are text, else positions."""
        names = [self.names[j] for j in columns.tolist()]
        return names if all(isinstance(name, str) for name in names) else columns.tolist()

    @property
    def is_gaussian(self) -> bool:
        """Whether all blocks are."""
        return all(block.kind is None for block in self.blocks)

    def check(self, values: Array) -> None:
        """Raise ValueError for a value that its column's kind can't have."""
        names = self.names
        for block in self.blocks:
            if block.kind is not None:
                own = [names[j] for j in block.columns]
                block.kind.check(values[:, block.columns], own)

    def has_base(self, values: Array) -> bool:
        """Say whether log densities of rows have a part that all components share."""
        return any(
            block.kind is not None and block.kind.log_base(values[:, block.columns]).any()
            for block in self.blocks
        )

    def family(self, reg_covar: float) -> ProductFamily:
        """Make the components' family."""
        pairs = [
            (
                GAUSSIAN_FAMILIES[block.name](reg_covar)
                if block.kind is None
                else KindFamily(block.kind),
                block.columns,
            )
            for block in self.blocks
        ]
        return make_product(pairs, base=self.base)


def read_table(estimator: Any, X: Any, *, reset: bool) -> tuple[Floats | None, list[RawColumn]]:
    """Check that X is a table; return its rows, if all are numbers, and its columns."""
    check_in_memory(X, type(estimator).__name__, "Give it a sample of the rows")
    X = without_mask(X)
    if is_numeric(X):
        rows: Floats = validate_data(
            estimator, X, reset=reset, dtype=float_dtypes(X), ensure_all_finite="allow-nan"
        )
        names = getattr(estimator, "feature_names_in_", None)
        if hasattr(X, "dtypes") and not isinstance(X, np.ndarray):
            return rows, read_columns(X)
        raw = read_columns(rows)
        if names is not None:
            raw = [column._replace(name=name) for column, name in zip(raw, names, strict=True)]
        return rows, raw
    if not hasattr(X, "columns") and not hasattr(X, "column_names"):
        if not hasattr(X, "__array__"):
            refuse_dates(X)
            X = np.array(X, dtype=object)
        check_array(X, dtype=None, ensure_all_finite=False)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    raw = read_columns(X)
    if not raw or raw[0].n_rows == 0:
        raise ValueError(
            f"Found array with {raw[0].n_rows if raw else 0} sample(s) and {len(raw)} feature(s), "
            "while a minimum of 1 is required of both."
        )
    return None, raw


def draft_layout(columns: Any, X: Any, raw: Sequence[RawColumn], plans: Any = None) -> Layout:
    """Say which columns are of which kind, by kinds that have not seen the rows."""
    plans = choose_blocks(columns, X, raw) if plans is None else plans
    encoding = make_encoding(X, raw, plans)
    blocks = [_place(plan, encoding) for plan in plans]
    automatic = isinstance(columns, str)
    return Layout(encoding, tuple(blocks), False, note_counts(raw) if automatic else ())


def make_layout(columns: Any, X: Any, raw: Sequence[RawColumn]) -> Layout:
    """Say which columns are of which kind, and how they are read."""
    draft = draft_layout(columns, X, raw)
    values = draft.encoding.encode(raw)
    draft.check(values)
    blocks = []
    for block in draft.blocks:
        kind, names = block.kind, [draft.names[j] for j in block.columns]
        if kind is not None:
            kind = kind.fitted_to(values[:, block.columns], None, names)
        blocks.append(block._replace(kind=kind))
    result = draft._replace(blocks=tuple(blocks))
    return result._replace(base=result.has_base(values))


def _place(plan: BlockPlan, encoding: Encoding) -> PlacedKind:
    """Make a block's kind."""
    given, columns = plan
    if isinstance(given, str) and given in GAUSSIAN_KINDS:
        return PlacedKind(given, None, columns)
    infos = [encoding.columns[j] for j in columns]
    name = given if isinstance(given, str) else type(given).__name__
    kind: Any
    if not isinstance(given, str):
        kind = given if given.n_columns else replace(given, n_columns=len(columns))
        if kind.n_columns != len(columns):
            raise ValueError(
                f"The kind {name} in 'columns' is for {kind.n_columns} column(s), but is given "
                f"{len(columns)}: {[info.name for info in infos]}"
            )
    elif given == "categorical":
        kind = Categorical(n_categories=tuple(len(info.categories or ()) for info in infos))
    else:
        kind = KINDS[given](len(columns))
    return PlacedKind(name, kind, columns)


def check_same(fitted: Layout, layout: Layout) -> None:
    """Check that a fit that goes on has the columns of the one before."""
    pairs = zip(fitted.encoding.columns, layout.encoding.columns, strict=False)
    for old, new in pairs:
        if (old.kind, old.categories) != (new.kind, new.categories):
            raise ValueError(
                f"Column {new.name!r} is of the kind {new.kind!r} with the categories "
                f"{new.categories}, but was fitted as {old.kind!r} with {old.categories}: a fit "
                "that goes on (warm_start=True) can't change that. Fit a new estimator"
            )
