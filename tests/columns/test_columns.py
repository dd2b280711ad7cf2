"""Tables of every library as blocks of columns, and back."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import make_column_selector

from skem import EMMixture
from skem.columns.read import read_columns

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n=120, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, n)
    frame = pd.DataFrame(
        {
            "height": rng.normal(170 + 10 * z, 5),
            "colour": pd.Categorical(
                rng.choice(["red", "blue"], n), categories=["red", "blue", "green"], ordered=True
            ),
            "smokes": rng.random(n) < 0.2 + 0.6 * z,
            "town": np.where(z == 0, "Oslo", rng.choice(["Bergen", "Oslo"], n)),
            "visits": rng.poisson(1 + 4 * z),
        }
    )
    frame["town"] = frame["town"].astype(object)
    frame.loc[3, ["height", "colour", "town"]] = None
    return frame


COLUMNS = [("full", ["height"]), ("categorical", ["colour", "town", "smokes"]), ("poisson", [4])]


def fit(X, columns="auto", **given):
    return EMMixture(2, columns=columns, random_state=0, **given).fit(X)


def test_auto_says_what_it_took_for_what():
    mixture = fit(table())
    assert mixture.kinds_ == {
        "height": "full",
        "colour": "categorical",
        "smokes": "categorical",
        "town": "categorical",
        "visits": "full",
    }
    assert "2 full columns, 3 categorical columns" in repr(mixture.summary())
    assert "'visits' has" in repr(mixture.summary())
    assert "as 'categorical'" in repr(mixture.summary())


def test_all_libraries_give_the_same_fit():
    frame = table()
    expected = fit(frame).score(frame)
    plain = frame.astype({"colour": object, "smokes": object})
    plain = plain.where(plain.notna(), None)
    others = [
        pl.from_pandas(frame),
        pa.Table.from_pandas(frame),
        plain.to_numpy(dtype=object),
        plain.to_numpy(dtype=object).tolist(),
        frame.convert_dtypes(),
    ]
    for X in others:
        mixture = fit(X)
        # Categories that no row has are known of pandas' and polars' dtypes alone.
        assert mixture.score(X) == pytest.approx(expected, abs=1e-5), type(X)


def test_samples_have_the_dtypes_of_the_table():
    frame = table()
    rows, labels = fit(frame, COLUMNS).sample(50, random_state=0)
    assert (rows.dtypes == frame.dtypes).all()
    assert list(rows["colour"].cat.categories) == ["red", "blue", "green"]
    assert set(rows["town"]) <= {"Oslo", "Bergen"}
    assert labels.shape == (50,)
    drawn, _ = fit(pl.from_pandas(frame), COLUMNS).sample(5)
    assert isinstance(drawn, pl.DataFrame)
    assert drawn.schema["visits"] == pl.Int64
    assert drawn.schema["smokes"] == pl.Boolean
    cells, _ = fit(
        frame.to_numpy(dtype=object), [("full", [0]), ("categorical", [1, 2, 3, 4])]
    ).sample(5)
    assert cells.dtype == object
    numbers, _ = fit(np.random.default_rng(0).normal(size=(30, 2))).sample(5)
    assert numbers.dtype == np.float64


@pytest.mark.parametrize(
    "which",
    [
        ["height", "visits"],
        [0, -1],
        [True, False, False, False, True],
        make_column_selector(dtype_include="number"),
        np.array([0, 4]),
    ],
)
def test_columns_are_selected_as_by_a_column_transformer(which):
    mixture = fit(table(), [("diag", which), ("categorical", slice("colour", "town"))])
    assert mixture.kinds_["height"] == mixture.kinds_["visits"] == "diag"
    assert mixture.kinds_["smokes"] == "categorical"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            [("full", ["height"])],
            r"Column\(s\) \['colour', 'smokes', 'town', 'visits'\] of X are in no",
        ),
        (
            [("full", [0, 4]), ("categorical", [0, 1, 2, 3])],
            "Column 'height' is in two blocks of 'columns', of kinds 'full' and 'categorical'",
        ),
        ([("gauss", [0])], "has the kind 'gauss', but a kind is one of"),
        ([("full", ["weight"])], "names 'weight', but the columns of X are"),
        ([("full", [7])], "has the position 7, but X has 5 columns"),
        ([("full", [True])], "A mask in 'columns' has 1 values, but X has 5 columns"),
        (["full"], "a list of pairs"),
        (
            [("full", [0, 3, 4]), ("categorical", [1, 2])],
            "Column 'town' has 'Oslo' in row 0, but is of",
        ),
        ([("categorical", slice(None))], "numbers that are categories are whole"),
        (
            [("bernoulli", [1]), ("full", [0, 4]), ("categorical", [2, 3])],
            "has 3 different values, but",
        ),
        ([("poisson", [0, 4]), ("categorical", [1, 2, 3])], "Column 'height' has .* but poisson"),
        ("all", "The 'columns' parameter of EMMixture must be"),
    ],
)
def test_errors_name_the_column(columns, message):
    with pytest.raises(ValueError, match=message):
        fit(table(), columns)


def test_numbers_with_text_are_an_error():
    frame = table()
    frame["height"] = frame["height"].astype(object)
    frame.loc[7, "height"] = "n/a"
    with pytest.raises(
        ValueError, match=r"Column 'height' has 'n/a' in row 7, .*most of its values"
    ):
        fit(frame)
    frame["height"] = [f"{x}" for x in range(len(frame))]
    with pytest.raises(ValueError, match="has numbers as text, such as '0' in row 0"):
        fit(frame)
    for day in (pd.Timestamp("2020-01-01"), date(2020, 1, 1)):
        with pytest.raises(ValueError, match="which is neither a number nor a category"):
            fit(frame.assign(height=day))


def test_whole_numbers_with_gaps_are_categories_if_declared():
    X = np.array([[1.0], [2.0], [np.nan], [2.0], [1.0], [3.0]])
    mixture = EMMixture(columns=[("categorical", [0])]).fit(X)
    assert mixture.parameters_[0]["categories"] == [[1, 2, 3]]
    np.testing.assert_allclose(
        mixture.parameters_[0]["probabilities"][0], [[0.4, 0.4, 0.2]], atol=1e-6
    )


def test_unknown_categories():
    frame = table()
    mixture = fit(frame, COLUMNS)
    odd = frame.head(2).copy()
    odd.loc[1, "town"] = "Molde"
    with pytest.raises(
        ValueError, match="Column 'town' has 'Molde' in row 1, which is none of the"
    ):
        mixture.predict(odd)
    missing = odd.copy()
    missing.loc[1, "town"] = None
    mixture.set_params(handle_unknown="missing")
    np.testing.assert_array_equal(mixture.score_samples(odd), mixture.score_samples(missing))
    with pytest.raises(ValueError, match="feature names"):
        mixture.predict(frame.rename(columns={"town": "city"}))


def test_imputed_frames():
    frame = table()
    mixture = fit(frame, COLUMNS)
    holes = frame.astype({"smokes": object, "visits": float})
    holes.loc[:9, "visits"] = None
    holes.loc[:9, "smokes"] = None
    resp = mixture.predict_proba(holes)
    for method in ("mean", "mode", "draw"):
        filled = mixture.impute(holes, method, random_state=0)
        assert not filled.isna().any().any()
        pd.testing.assert_series_equal(filled["height"].drop(3), frame["height"].drop(3))
        assert (filled["town"].drop(3) == frame["town"].drop(3)).all()
    rates = mixture.parameters_[2]["rates"][:, 0]
    filled = mixture.impute(holes)
    np.testing.assert_allclose(filled["visits"][:10], resp[:10] @ rates)
    with pytest.raises(ValueError, match="'method' parameter of impute"):
        mixture.impute(holes, "median")


def test_residuals_of_one_component_are_pearsons():
    from scipy.stats import chi2_contingency, pearsonr

    frame = table(300).drop(index=3)
    one = EMMixture(1, columns=[("diag", ["height", "visits"]), ("categorical", [1, 2, 3])]).fit(
        frame
    )
    residuals = one.bivariate_residuals(frame)
    counts = pd.crosstab(frame["town"], frame["smokes"])
    chi2 = chi2_contingency(counts, correction=False)
    assert residuals.loc["town", "smokes"] == pytest.approx(chi2.statistic / chi2.dof)
    r = pearsonr(frame["height"], frame["visits"]).statistic
    assert residuals.loc["height", "visits"] == pytest.approx(len(frame) * r**2)
    assert residuals.loc["height", "visits"] > 20
    assert np.isnan(np.diag(residuals)).all()
    two = fit(frame, [("diag", ["height", "visits"]), ("categorical", [1, 2, 3])], tol=1e-8)
    assert np.nanmax(two.bivariate_residuals(frame).to_numpy()) < 8
    full = fit(frame)
    assert np.isnan(full.bivariate_residuals(frame).loc["height", "visits"])


def test_profiles():
    frame = table()
    summary = fit(frame, COLUMNS).summary()
    text = repr(summary)
    for part in (
        "height",
        "colour",
        "  red",
        "town",
        "  Oslo",
        "visits (rate)",
        "1 poisson column",
    ):
        assert part in text
    numbers = summary.to_frame()
    assert numbers["town"].sum(axis=1).to_numpy() == pytest.approx([1, 1])
    assert list(numbers["height"].columns) == ["mean", "std"]
    assert "<table>" in summary._repr_html_()


def arrow_columns(cells, kind, cut):
    """The cells as an Arrow column of two chunks, which have dictionaries of their own."""
    chunks = [pa.array(part, pa.string()) for part in (cells[:cut], cells[cut:])]
    if kind == "dictionary":
        chunks = [chunk.dictionary_encode() for chunk in chunks]
    return pa.chunked_array(
        [chunk.cast(pa.large_string()) for chunk in chunks] if kind == "large" else chunks
    )


@pytest.mark.parametrize("kind", ["string", "large", "dictionary"])
@pytest.mark.parametrize(
    "cells", [["b", None, "a", "b", "c", "a"], [None, None, None], ["x", "y"], []]
)
def test_arrow_text_is_read_as_python_objects_are(kind, cells):
    column = arrow_columns(cells, kind, len(cells) // 2)
    frame = pd.DataFrame({"c": pd.array(column, dtype=pd.ArrowDtype(column.type))})
    for table in (frame, pa.table({"c": column})):
        (found,) = read_columns(table)
        assert found.numbers is None
        assert found.values.tolist() == cells
        assert found.distinct() == list(dict.fromkeys(cell for cell in cells if cell is not None))


def test_arrow_dictionaries_of_numbers_are_numbers():
    column = pa.chunked_array([pa.array([3, None, 1, 3]).dictionary_encode()])
    frame = pd.DataFrame({"c": pd.array(column, dtype=pd.ArrowDtype(column.type))})
    np.testing.assert_array_equal(read_columns(frame)[0].numbers, [3.0, np.nan, 1.0, 3.0])


def test_nested_arrow_values_are_refused():
    frame = pd.DataFrame({"c": pd.array([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))})
    with pytest.raises(ValueError, match="'c' has a list in row 0"):
        read_columns(frame)


def test_numbers_that_are_no_floats_are_no_categories():
    codes = 2**60 + np.array([1, 2, 3] * 10)
    spec = [("categorical", [0])]
    for column in (codes, codes.astype(object), pd.array(codes, dtype="Int64")):
        with pytest.raises(ValueError, match=r"2\*\*53 or more.* make such categories text"):
            EMMixture(columns=spec).fit(pd.DataFrame({"code": column}))
    # The largest whole number that floats tell from the next one, and what keeps its digits.
    for column in (np.where(codes % 2, 2**53 - 1, 1), pd.Categorical(codes), codes.astype(str)):
        X = pd.DataFrame({"code": column})
        mixture = EMMixture(columns=spec).fit(X)
        assert set(mixture.sample(100, random_state=0)[0]["code"]) == set(X["code"])
        with pytest.raises(ValueError, match="none of the categories"):
            mixture.predict(pd.DataFrame({"code": [2**60 + 4]}))
