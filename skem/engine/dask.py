"""Dask's arrays and data frames as partitions. Dask is imported when one comes, not before."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from skem._collections import is_collection
from skem._tables import has_dates, refuse_dates, without_mask
from skem.engine.dask_jobs import compute_jobs
from skem.engine.partitions import Partitions, Survey, survey_columns

__all__ = [
    "DaskRunner",
    "NumberReader",
    "empty_rows",
    "lazy_rows",
    "make_partitions",
    "make_runner",
    "survey_partitions",
    "whole_rows",
]


# The column of the weights, beside those of a data frame.
_WEIGHT = "skem's weights"

# Bytes, the same for all jobs of a pass, up to which each job brings its own. More of them are one
# node of the graph, which has to be sent to a worker, and from there to others, before any job.
_MOST_IN_A_JOB = 65_536


def _is_frame(X: Any) -> bool:
    # Of the type: a Delayed seems to have every attribute.
    return hasattr(type(X), "map_partitions") and hasattr(type(X), "columns")


def whole_rows(X: Any) -> Any:
    """Return a collection of rows with whole rows in each partition.

    Raises
    ------
    TypeError
        If it is neither a dask array nor a dask data frame.
    ValueError
        If it has no two dimensions, or an unknown number of columns.
    """
    if _is_frame(X):
        return X
    if not hasattr(type(X), "map_blocks"):
        raise TypeError(
            "X should be an array-like, a dask array or a dask data frame, but got a "
            f"{type(X).__module__}.{type(X).__name__}"
        )
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: X should be a dask array of shape "
            "(n_samples, n_features)"
        )
    if np.isnan(X.shape[1]):
        raise ValueError(
            "X is a dask array with an unknown number of columns: give its chunks along axis 1, "
            "for example by X.map_blocks(..., chunks=...)"
        )
    return X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})


def empty_rows(X: Any) -> Any:
    """Return a table like a collection, with its columns, dtypes and names, but no rows."""
    return X._meta if _is_frame(X) else np.empty((0, X.shape[1]), X.dtype)


@dataclass(frozen=True)
class NumberReader:
    """Reads partitions of numbers.

    Parameters
    ----------
    dtype : numpy dtype
        That of the rows, whatever the partitions'.
    """

    dtype: np.dtype[Any]

    def __call__(self, part: Any) -> NDArray[np.floating]:
        """Return the rows of a partition."""
        refuse_dates(part)
        rows: NDArray[np.floating] = check_array(
            without_mask(part),
            dtype=self.dtype,
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name="X",
        )
        return rows


@dataclass(frozen=True)
class DaskRunner:
    """Calls functions with the rows of a collection's partitions; see `Runner`.

    Parameters
    ----------
    parts : list of tuple of (Delayed, Delayed or str or None)
        Rows, and their weights: partitions of them, or the name of a column among the rows.
    read : callable
        ``read(part)`` returns what functions are called with: the rows of a partition as they are
        fitted. It pickles.
    n_features : int
    """

    parts: list[tuple[Any, Any]]
    read: Callable[[Any], Any]
    n_features: int
    # To let go of them is a message as well: it is to go after the next pass's jobs, not before.
    _last_futures: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def __call__(
        self,
        function: Callable[..., Any],
        numbers: Sequence[int],
        args: tuple[Any, ...],
        own: Sequence[tuple[Any, ...]] | None = None,
    ) -> Iterator[Any]:
        """Return ``function(X, weights, *args, *own[i])`` of each partition, in their order.

        Raises
        ------
        ValueError, RuntimeError
            If a call fails, with the number of the partition: ValueError where it raised one.
        """
        from dask.delayed import delayed

        # Bytes, because Dask would look into tuples for collections.
        shared: Any = pickle.dumps((function, args, self.read, self.n_features))
        if len(shared) > _MOST_IN_A_JOB:
            shared = delayed(shared)
        call = delayed(_call, pure=False)
        # Dask would draw a random name for each job, and for what it makes of its arguments.
        name = f"skem-{function.__name__.strip('_')}-{uuid4().hex}"
        jobs = [
            call(
                shared,
                pickle.dumps(() if own is None else own[i]),
                *self.parts[number],
                dask_key_name=f"{name}-{number}",
            )
            for i, number in enumerate(numbers)
        ]
        return map(pickle.loads, compute_jobs(jobs, list(numbers), self._last_futures))


def _call(shared: bytes, own: bytes, X: Any, weights: Any) -> bytes:
    """Call a function with the rows of a partition; runs where these are.

    The answer is pickled: it is the caller's own then, and may be changed.
    """
    function, args, read, n_features = pickle.loads(shared)
    if isinstance(weights, str):
        X, weights = X.drop(columns=weights), X[weights]
    if X.shape[1] != n_features:
        raise ValueError(f"it has {X.shape[1]} columns, but the collection has {n_features}")
    rows = read(X)
    if weights is not None:
        if has_dates(weights):
            raise ValueError("sample_weight must be numbers, but has dates")
        weights = np.ascontiguousarray(without_mask(weights), dtype=np.float64)
        if weights.shape != (len(rows),):
            raise ValueError(
                f"sample_weight must have one value for each of its {len(rows)} rows, but has the "
                f"shape {weights.shape}"
            )
    return pickle.dumps(function(rows, weights, *args, *pickle.loads(own)))


def make_runner(X: Any, sample_weight: Any, read: Callable[[Any], Any]) -> DaskRunner:
    """Make what calls functions with the partitions of a collection of whole rows.

    Parameters
    ----------
    X : dask array or data frame
    sample_weight : dask array or series, or None
    read : callable
        Reads a partition, see `DaskRunner`.

    Raises
    ------
    TypeError, ValueError
        If the weights are no collection, or not of the same partitions.
    """
    if sample_weight is not None and (
        not is_collection(sample_weight) or getattr(sample_weight, "ndim", 0) != 1
    ):
        raise TypeError(
            "Where X is a dask collection, sample_weight should be a dask array or series of one "
            "dimension with the partitions of X, such as da.from_array(w, chunks=X.chunks[0]), "
            f"but got a {type(sample_weight).__name__}"
        )
    n_features = len(X.columns) if _is_frame(X) else X.shape[1]
    if _is_frame(X):
        return DaskRunner(_parts_of_frame(X, sample_weight), read, n_features)
    rows = list(np.ravel(X.to_delayed()))
    weights = [None] * len(rows) if sample_weight is None else _weights_of(X, sample_weight)
    if len(weights) != len(rows):
        raise ValueError(
            f"sample_weight should have the partitions of X, but has {len(weights)} of them "
            f"and X has {len(rows)}"
        )
    return DaskRunner(list(zip(rows, weights, strict=True)), read, n_features)


def _parts_of_frame(X: Any, sample_weight: Any) -> list[tuple[Any, Any]]:
    """Return the partitions of a data frame, with their weights as one more column.

    Dask may read several files as one partition, fewer of them the more columns are asked for: read
    apart, rows and weights would have other partitions.
    """
    if sample_weight is None:
        return [(part, None) for part in X.to_delayed()]
    try:
        together = X.assign(**{_WEIGHT: sample_weight})
    except ValueError as error:
        raise ValueError(f"sample_weight should have the partitions of X: {error}") from error
    return [(part, _WEIGHT) for part in together.to_delayed()]


def _weights_of(X: Any, sample_weight: Any) -> list[Any]:
    """Return the partitions of weights, with the chunks of X where both are known."""
    if hasattr(sample_weight, "rechunk"):
        known = not np.isnan([*X.chunks[0], *sample_weight.chunks[0]]).any()
        if known and sum(X.chunks[0]) == sum(sample_weight.chunks[0]):
            sample_weight = sample_weight.rechunk((X.chunks[0],))
    return list(np.ravel(sample_weight.to_delayed()))


def survey_partitions(runner: DaskRunner, dtype: np.dtype[Any]) -> Partitions:
    """Look at all partitions of numbers once; see `make_partitions`."""
    surveys = tuple(runner(survey_columns, range(len(runner.parts)), ()))
    return make_partitions(runner, surveys, dtype)


def make_partitions(
    runner: DaskRunner, surveys: Sequence[Survey], dtype: np.dtype[Any]
) -> Partitions:
    """Return what stands for the rows of partitions that were looked at.

    Raises
    ------
    ValueError
        If there are no rows, or none of positive weight.
    """
    weighted = any(weights is not None for _, weights in runner.parts)
    rows = Partitions(runner, tuple(surveys), dtype, runner.n_features, weighted)
    if not len(rows):
        raise ValueError(
            f"Found array with 0 sample(s) (shape={rows.shape}) while a minimum of 1 is required"
        )
    if not rows.in_use:
        raise ValueError(
            "sample_weight must have a positive, finite sum: the weights must not all be zero"
        )
    return rows


def lazy_rows(
    X: Any,
    answer: Callable[..., Any],
    columns: list[str] | str,
    dtype: np.dtype[Any] | None,
) -> Any:
    """Return the answers for a collection's rows, when they are asked for.

    Parameters
    ----------
    X : dask array or data frame
        Of whole rows.
    answer : callable
        ``answer(rows, number)`` returns an array for the rows of a partition.
    columns : list of str or str
        Names of the answers' columns; of a single one, for answers of one dimension.
    dtype : numpy dtype or None
        None: answers are data frames whose columns have the dtypes of those of X.

    Returns
    -------
    answers : dask array, data frame or series
        Of the same partitions; of a data frame with the same index.
    """
    several = isinstance(columns, list)
    if _is_frame(X):
        import pandas as pd

        frame = pd.DataFrame if several else pd.Series
        name = {"columns": columns} if several else {"name": columns}
        empty = np.empty((0, len(columns)) if several else 0, dtype)
        meta = X._meta if dtype is None else frame(empty, index=X._meta.index, **name)
        return X.map_partitions(_FrameAnswer(answer, frame, name), meta=meta)
    shape: dict[str, Any] = {"chunks": (X.chunks[0],), "drop_axis": 1}
    if several:
        shape = {"chunks": (X.chunks[0], (len(columns),))}
    meta_array: NDArray[Any] = np.empty((0, 0) if several else 0, dtype)
    return X.map_blocks(_ArrayAnswer(answer), dtype=dtype, meta=meta_array, **shape)


@dataclass(frozen=True)
class _FrameAnswer:
    """Puts the answers for a partition into a frame with its index."""

    answer: Callable[..., Any]
    frame: Any
    name: dict[str, Any]

    @property
    def __name__(self) -> str:
        """What Dask shows of it."""
        return f"skem-{self.answer.__name__}"

    def __call__(self, part: Any, partition_info: Any = None) -> Any:
        number = 0 if partition_info is None else partition_info["number"]
        return self.frame(self.answer(part, number), index=part.index, **self.name)


@dataclass(frozen=True)
class _ArrayAnswer:
    """Answers for a block."""

    answer: Callable[..., Any]

    @property
    def __name__(self) -> str:
        """What Dask shows of it."""
        return f"skem-{self.answer.__name__}"

    def __call__(self, part: Any, block_id: tuple[int, ...] = (0,)) -> Any:
        return self.answer(part, block_id[0])
