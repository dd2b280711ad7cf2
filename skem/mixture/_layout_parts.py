"""Dask collections of columns of every kind: what is known of their columns, and how they are read.

All partitions are looked at twice. First for the values by which columns are told apart and
categories are numbered, then, as numbers, for what kinds take from a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from skem._collections import check_in_memory
from skem.columns import (
    ColumnTally,
    RawColumn,
    choose_blocks,
    coded_columns,
    is_numeric,
    read_columns,
    tally_columns,
    unite_columns,
)
from skem.engine import Partitions
from skem.engine.dask import (
    DaskRunner,
    NumberReader,
    empty_rows,
    make_partitions,
    make_runner,
    survey_partitions,
    whole_rows,
)
from skem.engine.partitions import Survey, survey_columns
from skem.families.kinds.registry import KINDS
from skem.mixture._layout import Layout, PlacedKind, draft_layout
from skem.mixture._lazy import TableReader, check_columns

__all__ = ["read_blocks", "read_parts"]

Array: TypeAlias = NDArray[np.float64]


def read_blocks(estimator: Any, X: Any, sample_weight: Any) -> tuple[Partitions, Layout]:
    """Check a collection, and its weights, for a fit, and say what its columns are."""
    rows = whole_rows(X)
    example = _example(rows)
    numbers = check_columns(estimator, rows, reset=True) if is_numeric(example) else None
    if numbers is None:
        validate_data(estimator, example, reset=True, skip_check_array=True)
    runner = make_runner(rows, sample_weight, _as_it_is)
    draft = _draft(estimator.columns, X, example, runner)
    if numbers is not None and draft.is_gaussian:
        reader = NumberReader(numbers)
        partitions = survey_partitions(replace(runner, read=reader), numbers)
        if len(draft.blocks) > 1:
            looks = list(partitions.run(_look, range(len(runner.parts)), (draft,)))
            partitions = replace(partitions, samples=_samples(draft, looks).astype(numbers))
        return partitions.showing(X, sample_weight), draft
    runner = replace(runner, read=BlockPartReader(draft))
    looks = list(runner(_look, range(len(runner.parts)), (draft,)))
    layout = _complete(draft, looks)
    partitions = make_partitions(runner, [look.survey for look in looks], np.dtype(np.float64))
    samples = _samples(layout, looks)
    return replace(partitions, samples=samples).showing(X, sample_weight), layout


def read_parts(estimator: Any, X: Any) -> TableReader:
    """Check the columns of a collection; return what partitions are read by for answers."""
    example = _example(X)
    dtype = np.dtype(np.float64)
    if is_numeric(example):
        numbers = check_columns(estimator, X, reset=False)
        dtype = numbers if estimator._layout.is_gaussian else dtype
    else:
        validate_data(estimator, example, reset=False, skip_check_array=True)
    return TableReader(dtype, keeps_names=hasattr(example, "columns"))


def _example(X: Any) -> Any:
    """Return a frame without rows, or an array of one row, whose columns are a collection's."""
    example = empty_rows(X)
    return np.zeros((1, X.shape[1]), X.dtype) if isinstance(example, np.ndarray) else example


def _as_it_is(part: Any) -> Any:
    return part


@dataclass(frozen=True)
class BlockPartReader:
    """Reads partitions as numbers, with codes of categories; NaN where cells are missing."""

    layout: Layout

    def __call__(self, part: Any) -> Array:
        values = self.layout.encoding.encode(read_columns(part))
        self.layout.check(values)
        return values


# --- which columns are of which kind --------------------------------------------------------


def _tally(part: Any, weights: Any, coded: Any) -> tuple[int, list[ColumnTally]]:
    return len(part), tally_columns(read_columns(part), coded)


def _draft(columns: Any, X: Any, example: Any, runner: DaskRunner) -> Layout:
    """Look at all partitions for the first time."""
    names = list(example.columns) if hasattr(example, "columns") else range(example.shape[1])
    plans = coded = None
    if not isinstance(columns, str):
        only_names = [RawColumn(name, j, np.zeros(0), None, "") for j, name in enumerate(names)]
        plans = choose_blocks(columns, example, only_names)
        coded = coded_columns(plans)
        for plan in plans:
            if not isinstance(plan.kind, str) and type(plan.kind) not in KINDS.values():
                name = type(plan.kind).__name__
                check_in_memory(X, f"The kind {name} of 'columns'", "Give it a sample of the rows")
    tallies = list(runner(_tally, range(len(runner.parts)), (coded,)))
    lengths = [length for length, _ in tallies]
    if not sum(lengths):
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0, {len(names)})) while a minimum of 1 is "
            "required"
        )
    first_rows = np.concatenate([[0], np.cumsum(lengths)]).tolist()[:-1]
    raw = unite_columns([own for _, own in tallies], first_rows)
    return draft_layout(columns, example, raw, plans)


# --- what kinds take from a table -----------------------------------------------------------


class _Look(NamedTuple):
    """What is to be known of a partition, as numbers, before any pass.

    Attributes
    ----------
    survey : Survey
    gaps : ndarray of shape (n_columns,), bool
        Which columns have missing cells.
    some : ndarray of shape (n_columns,)
        A seen cell of each column; NaN where there is none.
    condensed : list of list of (ndarray, ndarray)
        A few values, and weights, of each column of each block that is not Gaussian.
    has_base : bool
    """

    survey: Survey
    gaps: NDArray[np.bool_]
    some: Array
    condensed: list[list[tuple[Array, Array]]]
    has_base: bool


def _look(values: Array, weights: Array | None, draft: Layout) -> _Look:
    seen = ~np.isnan(values)
    some = np.full(values.shape[1], np.nan)
    if len(values):
        some = values[seen.argmax(axis=0), np.arange(values.shape[1])].astype(np.float64)
    condensed = [
        [] if block.kind is None else block.kind.condense(values[:, block.columns])
        for block in draft.blocks
    ]
    survey = survey_columns(values, weights)
    gaps: NDArray[np.bool_] = np.any(~seen, axis=0)
    return _Look(survey, gaps, some, condensed, draft.has_base(values))


def _complete(draft: Layout, looks: Sequence[_Look]) -> Layout:
    """Fit the kinds to what was seen of all partitions."""
    gaps = np.any([look.gaps for look in looks], axis=0)
    blocks = []
    for number, block in enumerate(draft.blocks):
        if block.kind is not None:
            parts = [look.condensed[number] for look in looks]
            names = [draft.names[j] for j in block.columns]
            kind = _fitted(block, parts, names).with_gaps(bool(gaps[block.columns].any()))
            block = block._replace(kind=kind)
        blocks.append(block)
    base = any(look.has_base for look in looks)
    return draft._replace(blocks=tuple(blocks), base=base)


def _fitted(block: PlacedKind, parts: Sequence[list[tuple[Array, Array]]], names: list[Any]) -> Any:
    """Fit a kind to few values of its columns, with weights: each row has one of them."""
    rows, weights = [], []
    for j in range(len(names)):
        values = np.concatenate([part[j][0] for part in parts])
        own = np.full((len(values), len(names)), np.nan)
        own[:, j] = values
        rows.append(own)
        weights.append(np.concatenate([part[j][1] for part in parts]))
    return block.kind.fitted_to(np.concatenate(rows), np.concatenate(weights), names)


def _samples(layout: Layout, looks: Sequence[_Look]) -> Array:
    """Return rows with all that families look for in rows; see `Partitions`."""
    all_some = np.array([look.some for look in looks])
    first = all_some[(~np.isnan(all_some)).argmax(axis=0), np.arange(all_some.shape[1])]
    columns = [np.array([value]) for value in first]
    for block in layout.blocks:
        supports = getattr(block.kind, "support", ())
        for position, support in zip(block.columns.tolist(), supports, strict=False):
            columns[position] = support
    length = max(len(values) for values in columns)
    rows = np.column_stack([np.resize(values, length) for values in columns])
    gaps = np.any([look.gaps for look in looks], axis=0)
    return np.vstack([rows, np.where(gaps, np.nan, first)])
