"""Dask collections given to mixtures: what is fitted, and answers that are computed when needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skem._parameters import float_dtypes
from skem._tables import refuse_dates
from skem.columns import fill_zeros
from skem.engine.dask import (
    NumberReader,
    empty_rows,
    lazy_rows,
    make_runner,
    survey_partitions,
    whole_rows,
)
from skem.engine.partitions import Partitions, weigh
from skem.mixture._record import sampler_of

__all__ = [
    "TableReader",
    "answer_lazily",
    "check_columns",
    "impute_lazily",
    "read_collection",
    "sum_partitions",
]

Floats: TypeAlias = NDArray[np.floating]


def read_collection(estimator: Any, X: Any, sample_weight: Any, *, reset: bool) -> Partitions:
    """Check a collection, and its weights, for a fit; every partition is looked at once."""
    rows = whole_rows(X)
    dtype = check_columns(estimator, rows, reset=reset)
    runner = make_runner(rows, sample_weight, NumberReader(dtype))
    partitions = survey_partitions(runner, dtype)
    return partitions.showing(X, sample_weight)


def check_columns(estimator: Any, X: Any, *, reset: bool) -> np.dtype[Any]:
    """Check names and numbers of columns as scikit-learn does; return the dtype of the rows."""
    empty = empty_rows(X)
    refuse_dates(empty)
    checked: Floats = validate_data(
        estimator,
        empty,
        reset=reset,
        dtype=float_dtypes(empty),
        ensure_all_finite="allow-nan",
        ensure_min_samples=0,
    )
    return checked.dtype


@dataclass(frozen=True)
class TableReader:
    """Leaves partitions as they are, for estimators that read tables themselves.

    Parameters
    ----------
    dtype : numpy dtype
        That of the numbers that are made of them.
    keeps_names : bool
        Whether they have names of columns.
    """

    dtype: np.dtype[Any]
    keeps_names: bool

    def __call__(self, part: Any) -> Any:
        return part


def _bare(estimator: Any, reader: NumberReader | TableReader) -> Any:
    """Copy what answers depend on, as it is now, for one thread.

    Callbacks stay behind, which may not pickle, and so do responsibilities to start from, and
    functions that select columns.
    """
    parameters = estimator.get_params(deep=False) | {"init_params": "kmeans", "n_jobs": 1}
    if "columns" in parameters:
        parameters["columns"] = "auto"
    result = type(estimator)(**parameters)
    left = () if getattr(reader, "keeps_names", False) else ("feature_names_in_",)
    for name, value in vars(estimator).items():
        if name in ("_record", "_layout") or (name.endswith("_") and name not in left):
            setattr(result, name, value)
    return result


@dataclass(frozen=True)
class _Method:
    """Asks a method of a fitted estimator for the rows of a partition."""

    estimator: Any
    name: str
    read: NumberReader | TableReader
    width: int
    out: np.dtype[Any] | None
    given: dict[str, Any]
    seed: int | None = None

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, part: Any, number: int) -> Any:
        rows = self.read(part)
        if not len(rows):
            if self.out is None:
                return rows
            return np.empty((0, self.width) if self.width else 0, self.out)
        given = self.given
        if self.seed is not None:
            given = given | {"random_state": np.random.RandomState([self.seed, number])}
        return getattr(self.estimator, self.name)(rows, **given)


def answer_lazily(estimator: Any, name: str, X: Any) -> Any:
    """Return what a method answers for the rows of a collection, as a lazy one.

    Parameters
    ----------
    estimator : BaseMixture
        As it is now: what becomes of it later changes no answer.
    name : {'predict', 'predict_proba', 'score_samples'}
    X : dask array or data frame
    """
    check_is_fitted(estimator)
    rows = whole_rows(X)
    reader = estimator._kind.part_reader(estimator, rows)
    columns: list[str] | str = list(estimator.get_feature_names_out())
    if name != "predict_proba":
        columns = "component" if name == "predict" else "log_density"
    out = np.dtype(np.int64) if name == "predict" else reader.dtype
    width = len(columns) if isinstance(columns, list) else 0
    one = _bare(estimator, reader)
    return lazy_rows(rows, _Method(one, name, reader, width, out, {}), columns, out)


def impute_lazily(
    estimator: Any, X: Any, method: str, n_draws: int, parameters: str, random_state: Any
) -> Any:
    """Return a collection with its missing cells filled, by a method that is one of them.

    See `BaseMixture.impute`.
    """
    check_is_fitted(estimator)
    rows = whole_rows(X)
    reader = estimator._kind.part_reader(estimator, rows)
    if n_draws > 1 or parameters != "fixed":
        raise TypeError(
            f"n_draws={n_draws} and parameters={parameters!r} need the rows in memory, but X is a "
            "dask collection: for these n_draws=1 and parameters='fixed' are possible. Call impute "
            "once for each table, or X.compute() if there is room for it"
        )
    seed = None
    if method == "draw":
        rng = check_random_state(random_state) if random_state is not None else None
        seed = int((rng or sampler_of(estimator)).randint(2**31 - 1))
    example = empty_rows(rows)
    n_features = example.shape[1]
    columns = list(getattr(example, "columns", range(n_features)))
    out: np.dtype[Any] | None = reader.dtype
    if isinstance(reader, TableReader):
        nothing = np.zeros(example.shape, dtype=bool)
        out = None if reader.keeps_names else fill_zeros(example, nothing).dtype
    one = _bare(estimator, reader)
    ask = _Method(one, "impute", reader, n_features, out, {"method": method}, seed)
    return lazy_rows(rows, ask, columns, out)


def sum_partitions(estimator: Any, name: str, X: Any, sample_weight: Any) -> NDArray[np.float64]:
    """Sum what a method returns for the partitions of a collection, in their order.

    Parameters
    ----------
    estimator : BaseMixture
    name : str
        Of a method of ``(X, sample_weight)`` that returns sums over rows.
    X : dask array or data frame
    sample_weight : dask array or series, or None
    """
    check_is_fitted(estimator)
    rows = whole_rows(X)
    reader = estimator._kind.part_reader(estimator, rows)
    runner = make_runner(rows, sample_weight, reader)
    sums = [
        part
        for part in runner(_sums, range(len(runner.parts)), (_bare(estimator, reader), name))
        if part is not None
    ]
    if not sums:
        raise ValueError("X has no rows of positive weight")
    result: NDArray[np.float64] = sum(sums)
    return result


def _sums(
    X: Any, weights: NDArray[np.float64] | None, estimator: Any, name: str
) -> NDArray[np.float64] | None:
    if not weigh(len(X), weights).n_positive:
        return None
    return np.asarray(getattr(estimator, name)(X, weights), dtype=np.float64)
