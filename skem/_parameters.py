"""Checks of parameters and inputs, with messages that give both what was given and what may be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skem._collections import check_in_memory
from skem._tables import column_names, has_dates, refuse_dates, without_mask

__all__ = [
    "Allowed",
    "array",
    "boolean",
    "check_parameters",
    "check_rows",
    "check_sample_weight",
    "check_shape",
    "float_dtypes",
    "infinity",
    "integer",
    "integers",
    "jobs",
    "none",
    "one_of",
    "random_state",
    "real",
    "some",
]

Array: TypeAlias = NDArray[np.float64]


class Allowed(NamedTuple):
    """A test of a value, and in words what passes it."""

    test: Callable[[Any], bool]
    words: str


def _is_number(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool | np.bool_)


def integer(least: int) -> Allowed:
    """Allow integers from ``least`` on."""
    return Allowed(
        lambda value: _is_number(value, Integral) and value >= least,
        f"an int in the range [{least}, inf)",
    )


def integers(least: int) -> Allowed:
    """Allow sequences of integers from ``least`` on, empty ones too."""
    one = integer(least)
    return Allowed(
        lambda value: (
            isinstance(value, list | tuple | np.ndarray)
            and np.ndim(value) == 1
            and all(one.test(item) for item in value)
        ),
        f"a sequence of ints in the range [{least}, inf)",
    )


def some(one: Allowed, what: str) -> Allowed:
    """Allow non-empty sequences of values that pass ``one``; ``what`` names them."""
    return Allowed(
        lambda value: (
            isinstance(value, list | tuple | range | np.ndarray)
            and np.ndim(value) == 1
            and len(value) > 0
            and all(one.test(item) for item in value)
        ),
        f"a non-empty sequence of {what}",
    )


def real(least: float, most: float = np.inf, *, open_left: bool = False) -> Allowed:
    """Allow finite real numbers from ``least`` to ``most``."""
    left, right = "(" if open_left else "[", ")" if most == np.inf else "]"

    def test(value: Any) -> bool:
        if not _is_number(value, Real) or not np.isfinite(value):
            return False
        return bool((value > least if open_left else value >= least) and value <= most)

    return Allowed(test, f"a float in the range {left}{least}, {most}{right}")


def one_of(choices: Collection[str]) -> Allowed:
    """Allow the names in a dictionary, those that are registered later included."""
    words = "a str among {" + ", ".join(map(repr, sorted(choices))) + "}"
    return Allowed(lambda value: isinstance(value, str) and value in choices, words)


def _is_array(value: object) -> bool:
    return hasattr(value, "__array__") or isinstance(value, list | tuple)


none = Allowed(lambda value: value is None, "None")
infinity = Allowed(lambda value: _is_number(value, Real) and value == np.inf, "inf")
boolean = Allowed(lambda value: isinstance(value, bool | np.bool_), "a bool")
array = Allowed(_is_array, "an array-like")
jobs = Allowed(lambda value: _is_number(value, Integral) and value != 0, "an int other than 0")
random_state = Allowed(
    lambda value: (
        isinstance(value, np.random.RandomState)
        or (_is_number(value, Integral) and 0 <= value < 2**32)
    ),
    "an int in the range [0, 2**32 - 1], an instance of 'numpy.random.RandomState'",
)


def check_parameters(
    owner: str, values: Mapping[str, Any], allowed: Mapping[str, tuple[Allowed, ...]]
) -> None:
    """Raise ValueError for the first parameter with a value that none of its tests passes."""
    for name, choices in allowed.items():
        value = values[name]
        for choice in choices:
            if choice.test(value):
                break
        else:
            words = [choice.words for choice in choices]
            listed = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
            raise ValueError(
                f"The {name!r} parameter of {owner} must be {listed}. Got {value!r} instead."
            )


def check_shape(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return a parameter as a finite float64 array of a shape."""
    result = np.array(without_mask(value), dtype=np.float64)
    if result.shape != shape:
        raise ValueError(
            f"The parameter {name!r} should have the shape of {shape}, but got {result.shape}"
        )
    if not np.isfinite(result).all():
        raise ValueError(f"The parameter {name!r} must be finite, but has NaN or infinite values")
    return result


def float_dtypes(X: object) -> list[type[np.floating]]:
    """Dtypes in which rows are kept; others become the first of them.

    scikit-learn reads the dtypes of pandas frames but not those of polars frames.
    """
    dtypes = getattr(X, "dtypes", None)
    if isinstance(dtypes, list) and dtypes and all(str(dtype) == "Float32" for dtype in dtypes):
        return [np.float32]
    return [np.float64, np.float32]


def check_rows(
    X: ArrayLike,
    estimator: object = None,
    *,
    reset: bool = True,
    allow_nan: bool = True,
    takes_text: str = "",
) -> NDArray[np.floating]:
    """Return rows as an array of float64 or float32.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Pandas' NA may stand among Python objects, where scikit-learn fails. Masked cells are
        missing.
    estimator : estimator, default=None
        One that is to remember the columns, or has done so.
    reset : bool, default=True
        Whether it is to remember them.
    allow_nan : bool, default=True
        Whether cells may be missing: NaN in what is returned.
    takes_text : str, default=""
        What takes columns of text in its place, for the error.

    Raises
    ------
    ValueError
        If a column holds text or dates, which is named, and for what scikit-learn refuses.
    TypeError
        For objects that are no numbers, and for collections of Dask.
    """
    if estimator is not None and _is_sound(X):
        # scikit-learn's other checks would return them as they are, and take half the time of
        # scoring a hundred rows.
        assert isinstance(X, np.ndarray)
        known = vars(estimator)
        same = reset or known.get("n_features_in_") == X.shape[1]
        if same and "feature_names_in_" not in known:
            known["n_features_in_"] = X.shape[1]
        else:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    who = "This" if estimator is None else type(estimator).__name__
    check_in_memory(X, who, "Give it a sample of the rows")
    refuse_dates(X)
    X = without_mask(X)
    read = check_array if estimator is None else partial(validate_data, estimator, reset=reset)
    finite = "allow-nan" if allow_nan else True

    def checked(rows: ArrayLike) -> NDArray[np.floating]:
        try:
            result: NDArray[np.floating] = read(
                rows, dtype=float_dtypes(rows), ensure_all_finite=finite
            )
        except ValueError as error:
            _refuse_text(rows, error, takes_text)
            raise
        return result

    try:
        return checked(X)
    except TypeError as error:
        if "NAType" not in str(error):
            raise
    return checked(_nan_for_na(X))


def _is_sound(X: object) -> bool:
    """Say whether something is a table of finite float64 or float32; False may be wrong."""
    if type(X) is not np.ndarray or X.dtype not in (np.float64, np.float32) or X.ndim != 2:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum of finite cells need not be, but that of others never is.
        return X.size > 0 and bool(np.isfinite(X.sum()))


def _nan_for_na(X: Any) -> Any:
    """Put NaN where pandas' NA stands among Python objects."""
    if hasattr(X, "notna"):
        return X.where(X.notna(), np.nan)
    cells = np.array(X, dtype=object)
    missing = [type(cell).__name__ == "NAType" for cell in cells.flat]
    cells[np.reshape(missing, cells.shape)] = np.nan
    return cells


def _refuse_text(X: Any, error: ValueError, takes_text: str) -> None:
    """Raise ValueError for the first cell of text, if it is text that an error is about."""
    if not str(error).startswith(("could not convert string", "Cannot cast")):
        return
    cells = np.asarray(X, dtype=object)
    for j, column in enumerate(cells.T):
        for i, cell in enumerate(column):
            if isinstance(cell, str) and not _is_written_number(cell):
                name = column_names(X, len(cells.T))[j]
                instead = f"; {takes_text} takes it as it is" if takes_text else ""
                raise ValueError(
                    f"Column {name!r} of X holds text: {cell!r} in row {i}. Drop the column, or "
                    f"code it by numbers{instead}"
                ) from error


def _is_written_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_sample_weight(sample_weight: ArrayLike | None, n_rows: int) -> Array | None:
    """Return weights as a float64 array of shape (n_rows,), or None.

    Raises
    ------
    ValueError
        If they are negative, not finite, all zero, dates, or not one for each row.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    if has_dates(sample_weight):
        raise ValueError("sample_weight must be numbers, but has dates")
    weights: Array = check_array(
        without_mask(sample_weight), ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must be 1D, but got an array of {weights.ndim} dimensions")
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have one value for each of the {n_rows} rows of X, but got "
            f"{len(weights)} values"
        )
    if weights.min() < 0:
        row = int(np.argmin(weights))
        raise ValueError(f"sample_weight must not be negative, but is {weights[row]} in row {row}")
    if not 0 < weights.sum() < np.inf:
        raise ValueError(
            "sample_weight must have a positive, finite sum: the weights must not all be zero. "
            f"Got a sum of {weights.sum()}"
        )
    return np.ascontiguousarray(weights)
