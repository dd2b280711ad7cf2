"""Rows are checked as scikit-learn checks them, whichever way they take."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skem._parameters import check_rows

ROWS = np.arange(6.0).reshape(3, 2)
LARGE = np.full((3, 2), 1e308)
TABLES = {
    "float64": ROWS,
    "float32": ROWS.astype(np.float32),
    "integers": ROWS.astype(int),
    "big endian": ROWS.astype(">f8"),
    "lists": ROWS.tolist(),
    "by columns": np.asfortranarray(ROWS),
    "every second": np.repeat(ROWS, 2, axis=0)[::2],
    "no finite sum": LARGE,
    "sum of opposites": np.vstack([LARGE, -LARGE]),
    "missing": np.where(ROWS == 2.0, np.nan, ROWS),
    "infinite": np.where(ROWS == 2.0, np.inf, ROWS),
    "both infinities": np.where(ROWS == 2.0, np.inf, np.where(ROWS == 3.0, -np.inf, ROWS)),
    "no rows": ROWS[:0],
    "no columns": ROWS[:, :0],
    "one dimension": ROWS[0],
    "three dimensions": ROWS[None],
    "too wide": np.hstack([ROWS, ROWS]),
    "complex": ROWS + 1j,
    "frame": pd.DataFrame(ROWS, columns=["a", "b"]),
    "masked": np.ma.array(ROWS, mask=ROWS == 2.0),
}


class Estimator(BaseEstimator):
    """One that remembers columns."""


def outcome(check, X, names):
    """What becomes of rows: an array or an error, warnings, and what the estimator knows then."""
    estimator = Estimator()
    validate_data(estimator, pd.DataFrame(ROWS, columns=["a", "b"]) if names else ROWS)
    results = []
    for reset in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = check(X, estimator, reset)
            except (ValueError, TypeError) as error:
                result = type(error), str(error)
        results.append((result, [str(warning.message) for warning in caught]))
        known = {name: np.asarray(value).tolist() for name, value in vars(estimator).items()}
        results.append(known)
    return results


def as_sklearn(X, estimator, reset):
    dtype = [np.float64, np.float32]
    return validate_data(estimator, X, reset=reset, dtype=dtype, ensure_all_finite="allow-nan")


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("table", list(TABLES))
def test_as_scikit_learn_does(table, names):
    X = TABLES[table]
    reached = outcome(lambda X, one, reset: check_rows(X, one, reset=reset), X, names)
    for ours, wanted in zip(reached, outcome(as_sklearn, X, names), strict=True):
        if isinstance(ours, dict):
            assert ours == wanted
            continue
        assert ours[1] == wanted[1]
        if isinstance(wanted[0], tuple):
            assert ours[0] == wanted[0]
        else:
            assert ours[0].dtype == wanted[0].dtype
            np.testing.assert_array_equal(ours[0], wanted[0])


def test_rows_are_not_copied():
    assert check_rows(ROWS, Estimator()) is ROWS
