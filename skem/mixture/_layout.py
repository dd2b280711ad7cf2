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
from skem.families import GAUSSIAN_FAMILIES, GaussianParameters
from skem.families.kinds import Categorical
from skem.families.kinds.family import KindFamily
from skem.families.kinds.registry import KINDS
from skem.families.product import ProductFamily, make_product
from skem.mixture._reading import check_complete

__all__ = ["BlockReader", "Layout", "PlacedKind", "make_layout", "read_table"]

# Kinds besides Gaussian ones that are held above the steps of their columns.
_WITH_FLOOR = ("gamma", "lognormal")

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
        listed = not hasattr(X, "__array__")
        X = np.array(X, dtype=object) if listed else X
        check_array(X, dtype=None, ensure_all_finite=False)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    raw = read_columns(X)
    if not raw or raw[0].n_rows == 0:
        raise ValueError(
            f"Found array with {raw[0].n_rows if raw else 0} sample(s) and {len(raw)} feature(s), "
            "while a minimum of 1 is required of both."
        )
    return None, raw


def make_layout(columns: Any, X: Any, raw: Sequence[RawColumn]) -> Layout:
    """Say which columns are of which kind, and how they are read."""
    plans = choose_blocks(columns, X, raw)
    encoding = make_encoding(X, raw, plans)
    values = encoding.encode(raw)
    blocks = [_place(plan, encoding, values) for plan in plans]
    base = any(
        block.kind is not None and block.kind.log_base(values[:, block.columns]).any()
        for block in blocks
    )
    automatic = isinstance(columns, str)
    return Layout(encoding, tuple(blocks), base, note_counts(raw) if automatic else ())


def _place(plan: BlockPlan, encoding: Encoding, values: Array) -> PlacedKind:
    """Make a block's kind, fitted to the units of its columns."""
    given, columns = plan
    if isinstance(given, str) and given in GAUSSIAN_KINDS:
        return PlacedKind(given, None, columns)
    infos = [encoding.columns[j] for j in columns]
    own = values[:, columns]
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
    names = [info.name for info in infos]
    kind.check(own, names)
    return PlacedKind(name, kind.fitted_to(own, None, names), columns)


def _check_same(fitted: Layout, layout: Layout) -> None:
    """Check that a fit that goes on has the columns of the one before."""
    pairs = zip(fitted.encoding.columns, layout.encoding.columns, strict=False)
    for old, new in pairs:
        if (old.kind, old.categories) != (new.kind, new.categories):
            raise ValueError(
                f"Column {new.name!r} is of the kind {new.kind!r} with the categories "
                f"{new.categories}, but was fitted as {old.kind!r} with {old.categories}: a fit "
                "that goes on (warm_start=True) can't change that. Fit a new estimator"
            )


class BlockReader:
    """How mixtures of blocks are read; see `skem.mixture._reading.Reader`."""

    by_partitions = False

    def family(self, estimator: Any) -> ProductFamily:
        """Make the family of what was fitted."""
        layout: Layout = estimator._layout
        return layout.family(float(estimator.reg_covar))

    def read_rows(self, estimator: Any, X: Any, *, reset: bool) -> Floats:
        """Return rows as numbers, with codes of categories; NaN where missing."""
        rows, raw = read_table(estimator, X, reset=reset)
        if reset:
            layout = make_layout(estimator.columns, X, raw)
            if estimator.warm_start and hasattr(estimator, "converged_"):
                _check_same(estimator._layout, layout)
            estimator._layout, estimator.kinds_ = layout, layout.encoding.kinds
        layout = estimator._layout
        if rows is not None and layout.is_gaussian:
            return rows
        values = layout.encoding.encode(raw, estimator.handle_unknown)
        layout.check(values)
        return values

    def layout(self, estimator: Any) -> Layout:
        """Return what was fitted."""
        result: Layout = estimator._layout
        return result

    def structure(self, estimator: Any) -> str:
        """Return nothing: what was fitted is kept by itself."""
        return ""

    def shape(self, estimator: Any) -> tuple[int, int]:
        """Return the numbers of components and of columns."""
        check_complete(estimator, ("weights_", "parameters_"))
        return len(estimator.weights_), len(estimator._layout.names)

    def column_names(self, estimator: Any, n_features: int) -> list[Any]:
        """Return the names of the columns, or their positions."""
        layout: Layout = estimator._layout
        return layout.names

    def stepped_columns(self, estimator: Any, n_features: int) -> NDArray[np.bool_]:
        """Say which columns may have been recorded in steps: those with densities."""
        stepped = np.zeros(n_features, dtype=bool)
        for block in estimator._layout.blocks:
            stepped[block.columns] = block.kind is None or block.name in _WITH_FLOOR
        return stepped

    def publish_parameters(
        self, layout: Layout, parameters: tuple[Any, ...]
    ) -> list[dict[str, Any]]:
        """Return parameters, in the user's units, as an entry for each block."""
        names = layout.names
        entries = []
        for block, own in zip(layout.blocks, parameters, strict=True):
            entry: dict[str, Any] = {
                "kind": block.name,
                "columns": [names[j] for j in block.columns],
            }
            if block.kind is None:
                entry |= {"means": own.means, "covariances": own.covariances}
                entry["precisions_cholesky"] = own.factors
            elif block.name == "categorical":
                infos = [layout.encoding.columns[j] for j in block.columns]
                entry["categories"] = [list(info.categories or ()) for info in infos]
                entry["probabilities"] = block.kind.split(own.probabilities)
            else:
                entry |= own._asdict()
            entries.append(entry)
        return entries

    def read_parameters(self, estimator: Any, family: ProductFamily) -> tuple[Any, ...]:
        """Read the published parameters back."""
        check_complete(estimator, ("weights_", "parameters_", "_layout"))
        layout: Layout = estimator._layout
        parameters = []
        for block, placed, entry in zip(
            family.blocks, layout.blocks, estimator.parameters_, strict=True
        ):
            if placed.kind is None:
                fields = ("means", "covariances", "precisions_cholesky")
                own = [np.asarray(entry[name], dtype=np.float64) for name in fields]
                parameters.append(GaussianParameters(*own))
                continue
            like = block.family.without_rows(1, block.n_lines)
            values = {name: entry[name] for name in like._fields}
            if placed.name == "categorical":
                values = {"probabilities": np.hstack(entry["probabilities"])}
            own = [np.asarray(value, dtype=np.float64) for value in values.values()]
            parameters.append(type(like)(*own))
        return tuple(parameters)
