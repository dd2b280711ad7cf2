"""Rows are checked as scikit-learn checks them, whichever way they take."""

import warnings
from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skem import VAE, EMGaussianMixture, EMMixture, MixtureImputer
from skem._parameters import check_rows, check_sample_weight

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


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, object])
def test_masked_cells_are_missing(dtype):
    # scikit-learn reads what lies under the mask.
    masked = np.ma.array(ROWS.astype(dtype), mask=ROWS == 2.0)
    missing = np.where(ROWS == 2.0, np.nan, ROWS)
    np.testing.assert_array_equal(check_rows(masked, Estimator()), missing)
    with pytest.raises(ValueError, match="contains NaN"):
        check_rows(masked, allow_nan=False)
    np.testing.assert_array_equal(masked, np.ma.array(ROWS.astype(dtype), mask=ROWS == 2.0))
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        check_sample_weight(np.ma.array(np.ones(3), mask=[True, False, False]), 3)


@pytest.mark.parametrize("mixture", [EMGaussianMixture(), EMMixture(columns=[("diag", [0, 1])])])
def test_mixtures_of_masked_tables(mixture):
    X = np.random.default_rng(0).normal(size=(50, 2))
    hidden = np.random.default_rng(1).uniform(size=X.shape) < 0.2
    masked = np.ma.array(np.where(hidden, 1e6, X), mask=hidden)
    missing = np.where(hidden, np.nan, X)
    filled = mixture.fit(missing).impute(missing)
    np.testing.assert_array_equal(mixture.fit(masked).impute(masked), filled)
    assert type(mixture.impute(masked)) is np.ndarray
    imputer = MixtureImputer(mixture)
    np.testing.assert_array_equal(imputer.fit_transform(masked), filled)


def test_masked_truth_values_stay_categories():
    X = np.array([[True], [False]] * 10)
    masked = np.ma.array(X, mask=np.arange(20)[:, None] == 3)
    mixture = EMMixture().fit(masked)
    assert mixture.kinds_ == {0: "categorical"} == EMMixture().fit(np.ma.array(X)).kinds_
    assert mixture.parameters_[0]["probabilities"][0][0] == pytest.approx([9 / 19, 10 / 19])


DAYS = np.array(["2026-01-01", "2026-01-02", "NaT"], dtype="M8[us]")
TIMES = {
    "array": DAYS[:, None],
    "differences": (DAYS - DAYS[0])[:, None],
    "pandas": pd.DataFrame({"0": DAYS}),
    "beside numbers": pd.DataFrame({"0": DAYS, "b": 1.0}),
    "zones": pd.DataFrame({"0": pd.Series(DAYS).dt.tz_localize("UTC")}),
    "periods": pd.DataFrame({"0": pd.Series(DAYS).dt.to_period("D")}),
    "pandas, Arrow": pd.DataFrame({"0": pd.Series(DAYS, dtype="timestamp[us][pyarrow]")}),
    "polars": pl.DataFrame({"0": DAYS}),
    "Arrow": pa.table({"0": pa.array(DAYS)}),
    "masked": np.ma.array(DAYS[:, None], mask=[[True], [False], [False]]),
    "masked nanoseconds": np.ma.array(
        DAYS[:, None].astype("M8[ns]"), mask=[[True], [False], [False]]
    ),
    "masked differences": np.ma.array((DAYS - DAYS[0])[:, None], mask=[[True], [False], [False]]),
    "lists": [[day] for day in DAYS],
    "lists of nanoseconds": list(DAYS[:, None].astype("M8[ns]")),
}
NANOSECONDS = DAYS[0].astype("M8[ns]")


@pytest.mark.parametrize("table", list(TIMES))
@pytest.mark.parametrize("estimator", [EMGaussianMixture(), VAE(), EMMixture(), MixtureImputer()])
def test_dates_are_no_numbers(table, estimator):
    with pytest.raises(ValueError, match=r"Column '?0'? (of X )?has the dtype"):
        estimator.fit(TIMES[table])


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 1, 1),
        timedelta(1),
        DAYS[0],
        NANOSECONDS,
        NANOSECONDS - NANOSECONDS,
        pd.Timestamp(DAYS[0]),
        pd.Period("2026-01", "M"),
    ],
    ids=lambda day: type(day).__name__,
)
@pytest.mark.parametrize("estimator", [EMGaussianMixture(), VAE(), EMMixture(), MixtureImputer()])
def test_dates_among_objects_are_no_numbers(estimator, day):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "1": pd.Series([None, day, None], dtype=object)})
    for X in (frame, frame.to_numpy(), frame.to_numpy().tolist()):
        with pytest.raises(ValueError, match=r"Column '?1'? (of X )?has a .* in row 1"):
            estimator.fit(X)


@pytest.mark.parametrize(
    "weights", [DAYS[:2], DAYS[:2] - DAYS[0], list(DAYS[:2]), pd.Series(DAYS[:2], dtype=object)]
)
def test_dates_are_no_weights(weights):
    with pytest.raises(ValueError, match="sample_weight must be numbers, but has dates"):
        check_sample_weight(weights, 2)


def test_missing_times_among_numbers_are_named():
    X = pd.DataFrame({"a": pd.Series([1.0, pd.NaT], dtype=object)})
    with pytest.raises(ValueError, match="Column 'a' of X has a NaTType in row 1"):
        check_rows(X)


@pytest.mark.parametrize("name", ["weights_init", "means_init", "precisions_init"])
def test_masked_parameters_are_not_finite(name):
    value = {"weights_init": [1.0], "means_init": [[0.0]], "precisions_init": [[[1.0]]]}[name]
    masked = np.ma.array(value, mask=np.ones_like(value, dtype=bool))
    with pytest.raises(ValueError, match=f"{name!r} must be finite"):
        EMGaussianMixture(**{name: masked}).fit(ROWS[:, :1])


@pytest.mark.parametrize("table", [pl.DataFrame({"a": ["x"]}), pa.table({"a": ["x"]})])
def test_columns_of_text_are_named(table):
    with pytest.raises(ValueError, match="Column 'a' of X holds text: 'x' in row 0"):
        check_rows(table, Estimator())


def test_weights_of_pandas_are_read_as_they_are():
    # Pandas' nullable arrays have a mask of another kind.
    weights = check_sample_weight(pd.array([1, 2], dtype="Int64"), 2)
    np.testing.assert_array_equal(weights, [1.0, 2.0])
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        check_sample_weight(pd.array([1, None], dtype="Int64"), 2)
