"""Dask collections given to mixtures: what is fitted, and answers that are computed when needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skem._parameters import float_dtypes
from skem.engine.dask import empty_rows, lazy_rows, make_runner, survey_partitions, whole_rows
from skem.engine.partitions import Partitions, survey

__all__ = ["answer_lazily", "impute_lazily", "read_collection", "sum_partitions"]

Floats: TypeAlias = NDArray[np.floating]


def read_collection(estimator: Any, X: Any, sample_weight: Any, *, reset: bool) -> Partitions:
    """Check a collection, and its weights, for a fit; every partition is looked at once."""
    rows = whole_rows(X)
    dtype = _check_columns(estimator, rows, reset=reset)
    partitions = survey_partitions(make_runner(rows, sample_weight, dtype))
    return partitions.showing(X, sample_weight)


def _check_columns(estimator: Any, X: Any, *, reset: bool) -> np.dtype[Any]:
    """Check names and numbers of columns as scikit-learn does; return the dtype of the rows."""
    empty = empty_rows(X)
    checked: Floats = validate_data(
        estimator,
        empty,
        reset=reset,
        dtype=float_dtypes(empty),
        ensure_all_finite="allow-nan",
        ensure_min_samples=0,
    )
    return checked.dtype


def _bare(estimator: Any) -> Any:
    """Copy what answers depend on, as it is now, for arrays and one thread.

    Callbacks stay behind, which may not pickle, and so do responsibilities to start from.
    """
    parameters = estimator.get_params(deep=False) | {"init_params": "kmeans", "n_jobs": 1}
    result = type(estimator)(**parameters)
    for name, value in vars(estimator).items():
        if name == "_record" or (name.endswith("_") and name != "feature_names_in_"):
            setattr(result, name, value)
    return result


@dataclass(frozen=True)
class _Method:
    """Asks a method of a fitted estimator for the rows of a partition."""

    estimator: Any
    name: str
    dtype: np.dtype[Any]
    width: int
    out: np.dtype[Any]
    given: dict[str, Any]
    seed: int | None = None

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, part: Any, number: int) -> NDArray[Any]:
        rows = check_array(
            part, dtype=self.dtype, ensure_all_finite="allow-nan", ensure_min_samples=0
        )
        if not len(rows):
            return np.empty((0, self.width) if self.width else 0, self.out)
        given = self.given
        if self.seed is not None:
            given = given | {"random_state": np.random.RandomState([self.seed, number])}
        answers: NDArray[Any] = getattr(self.estimator, self.name)(rows, **given)
        return answers


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
    dtype = _check_columns(estimator, rows, reset=False)
    columns: list[str] | str = list(estimator.get_feature_names_out())
    if name != "predict_proba":
        columns = "component" if name == "predict" else "log_density"
    out = np.dtype(np.int64) if name == "predict" else dtype
    width = len(columns) if isinstance(columns, list) else 0
    return lazy_rows(rows, _Method(_bare(estimator), name, dtype, width, out, {}), columns, out)


def impute_lazily(
    estimator: Any, X: Any, method: str, n_draws: int, parameters: str, random_state: Any
) -> Any:
    """Return a collection with its missing cells filled; see `BaseMixture.impute`."""
    check_is_fitted(estimator)
    rows = whole_rows(X)
    dtype = _check_columns(estimator, rows, reset=False)
    n_features = estimator.means_.shape[1]
    one = _bare(estimator)
    # What is wrong with the arguments is to be said now, not when rows are asked for.
    one.impute(
        np.full((1, n_features), np.nan),
        method,
        n_draws=n_draws,
        parameters="fixed",
        random_state=0,
    )
    if n_draws > 1 or parameters != "fixed":
        raise TypeError(
            f"n_draws={n_draws} and parameters={parameters!r} need the rows in memory, but X is a "
            "dask collection: for these n_draws=1 and parameters='fixed' are possible. Call impute "
            "once for each table, or X.compute() if there is room for it"
        )
    seed = None
    if method == "draw":
        rng = check_random_state(random_state) if random_state is not None else None
        seed = int((rng or estimator._record.sampler).randint(2**31 - 1))
    frame = empty_rows(rows)
    columns = list(getattr(frame, "columns", range(n_features)))
    ask = _Method(one, "impute", dtype, n_features, dtype, {"method": method}, seed)
    return lazy_rows(rows, ask, columns, dtype)


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
    dtype = _check_columns(estimator, rows, reset=False)
    runner = make_runner(rows, sample_weight, dtype)
    sums = [
        part
        for part in runner(_sums, range(len(runner.parts)), (_bare(estimator), name))
        if part is not None
    ]
    if not sums:
        raise ValueError("X has no rows of positive weight")
    result: NDArray[np.float64] = sum(sums)
    return result


def _sums(
    X: Floats, weights: NDArray[np.float64] | None, estimator: Any, name: str
) -> NDArray[np.float64] | None:
    if not survey(X, weights).n_positive:
        return None
    return np.asarray(getattr(estimator, name)(X, weights), dtype=np.float64)
