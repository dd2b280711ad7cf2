"""Missing cells of tables with columns of every kind: what they are filled with, and as what."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from mixture.tables import COMPILED
from oracles.blocks import log_joint
from scipy.special import logsumexp
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from skem import EMMixture, MixtureImputer, VariationalMixture
from skem.columns import read_columns
from skem.impute import _mixed_choice
from skem.mixture._layout import make_layout, read_table

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BLOCKS = [("categorical", [0]), ("bernoulli", [1]), ("poisson", [2]), ("diag", [3])]


def numbers(n=300, seed=0, share=0.25):
    """Rows of three clusters: codes, zeros and ones, counts, measurements; with holes."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, n)
    whole = np.column_stack(
        [
            np.where(rng.random(n) < 0.8, z, rng.integers(0, 3, n)),
            rng.random(n) < np.array([0.1, 0.5, 0.9])[z],
            rng.poisson(np.array([1.0, 4.0, 9.0])[z]),
            rng.normal(3 * z, 1),
        ]
    ).astype(float)
    holed = whole.copy()
    holed[rng.random(whole.shape) < share] = np.nan
    return whole, holed


def frame_of(values):
    nan = np.isnan(values)
    codes = np.where(nan, -1, np.nan_to_num(values)).astype(int)
    names = ["low", "mid", "high"]
    return pd.DataFrame(
        {
            "size": pd.Categorical.from_codes(
                codes[:, 0], categories=[*names, "huge"], ordered=True
            ),
            "ill": pd.array([None if v < 0 else bool(v) for v in codes[:, 1]], "boolean"),
            "visits": pd.array([None if v < 0 else v for v in codes[:, 2]], "Int64"),
            "kg": values[:, 3].astype(np.float32),
            "word": [None if v < 0 else names[v] for v in codes[:, 0]],
            "any": pd.Series([None if v < 0 else names[v] for v in codes[:, 0]], dtype=object),
        },
        index=np.arange(len(values)) + 10,
    )


def fit(X, columns=BLOCKS, n_components=3, **given):
    return EMMixture(n_components, columns=columns, random_state=0, **given).fit(X)


def posterior(mixture, row, column, values):
    """Probabilities of a missing cell's values, by enumeration over values and components."""
    rows = np.tile(row, (len(values), 1))
    rows[:, column] = values
    joint = log_joint(mixture.weights_, mixture.parameters_, [[0], [1], [2], [3]], rows)
    each = logsumexp(joint, axis=1)
    return np.exp(each - logsumexp(each))


@pytest.mark.core
def test_expected_values_by_enumeration():
    _, X = numbers()
    mixture = fit(X)
    filled = mixture.impute(X)
    assert filled.dtype == np.float64
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    for i in np.flatnonzero(np.isnan(X).any(axis=1))[:40]:
        gaps = np.flatnonzero(np.isnan(X[i]))
        for j in gaps:
            if j == 2:
                p = posterior(mixture, X[i], j, np.arange(60.0))
                assert filled[i, j] == pytest.approx(p @ np.arange(60.0), rel=1e-9)
            elif j < 2:
                p = posterior(mixture, X[i], j, np.arange(3.0 - j))
                assert filled[i, j] == p.argmax()


@pytest.mark.core
def test_draws_have_the_posterior_s_frequencies():
    _, X = numbers()
    mixture = fit(X)
    row = np.array([np.nan, 1.0, np.nan, 4.0])
    drawn = mixture.impute(np.tile(row, (20000, 1)), "draw", random_state=0)
    shares = [(drawn[:, 0] == code).mean() for code in range(3)]
    expected = posterior(mixture, row, 0, np.arange(3.0))
    np.testing.assert_allclose(shares, expected, atol=0.015)
    p = posterior(mixture, row, 2, np.arange(60.0))
    assert drawn[:, 2].mean() == pytest.approx(p @ np.arange(60.0), rel=0.02)
    # Both cells come from one component: their joint frequencies are not the product.
    for code in range(3):
        given = np.r_[code, row[1:]].astype(float)
        q = posterior(mixture, given, 2, np.arange(60.0))
        own = drawn[drawn[:, 0] == code, 2]
        tolerance = 6 * own.std() / np.sqrt(len(own)) + 1e-9
        assert own.mean() == pytest.approx(q @ np.arange(60.0), abs=tolerance)


def test_several_draws_and_their_parameters():
    _, X = numbers()
    mixture = fit(X)
    tables = mixture.impute(X, "draw", n_draws=3, random_state=0)
    assert tables.shape == (3, *X.shape)
    assert (tables[0] != tables[1]).any()
    np.testing.assert_array_equal(tables[:, ~np.isnan(X)], np.tile(X[~np.isnan(X)], (3, 1)))
    frames = fit(frame_of(X), "auto").impute(frame_of(X), "draw", n_draws=2)
    assert [type(one) for one in frames] == [pd.DataFrame] * 2
    with pytest.raises(ValueError, match="these need method='draw'"):
        mixture.impute(X, n_draws=2)
    with pytest.raises(ValueError, match="'parameters' parameter of impute"):
        mixture.impute(X, "draw", parameters="posterior")


def test_draws_from_bootstrapped_parameters():
    """Random weights of n counts give their mean a variance of s^2 / (n + 1) (Rubin 1981)."""
    seen = np.random.default_rng(0).poisson(4.0, 20)
    X = np.r_[seen, np.full(300, np.nan)][:, None]
    X = np.hstack([X, np.zeros_like(X)])
    mixture = EMMixture(1, columns=[("poisson", [0]), ("bernoulli", [1])]).fit(X)
    given = {"n_draws": 300, "random_state": 0}
    fixed = mixture.impute(X, "draw", **given)[:, 20:, 0].mean(axis=1).var()
    refitted = mixture.impute(X, "draw", parameters="bootstrap", **given)
    assert fixed == pytest.approx(seen.mean() / 300, rel=0.3)
    expected = seen.mean() / 300 + seen.var() / 21
    assert refitted[:, 20:, 0].mean(axis=1).var() == pytest.approx(expected, rel=0.3)


def test_draws_from_the_posterior():
    """With one component, shares of ones in a large gap have the posterior's distribution."""
    X = np.array([[1.0, 0.2]] * 6 + [[0.0, 0.4]] * 3 + [[1.0, -0.5]])
    columns = [("bernoulli", [0]), ("diag", [1])]
    mixture = VariationalMixture(1, columns=columns).fit(X)
    holes = np.column_stack([np.full(1000, np.nan), np.zeros(1000)])
    tables = mixture.impute(holes, "draw", n_draws=300, parameters="posterior", random_state=0)
    shares = tables[:, :, 0].mean(axis=1)
    a, b = 7.5, 3.5
    variance = a * b / ((a + b) ** 2 * (a + b + 1))
    assert shares.mean() == pytest.approx(a / (a + b), abs=4 * np.sqrt(variance / 300))
    assert shares.var() == pytest.approx(variance, rel=0.25)


LIBRARIES = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_pandas(frame).with_columns(
        pl.col("size").cast(pl.Enum(["low", "mid", "high", "huge"]))
    ),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@pytest.mark.core
@pytest.mark.parametrize("library", list(LIBRARIES))
@pytest.mark.parametrize("method", ["mean", "draw"])
def test_frames_keep_dtypes_categories_and_cells(library, method):
    frame = LIBRARIES[library](frame_of(numbers()[1]))
    imputer = MixtureImputer(EMMixture(3, random_state=0), method=method, random_state=0)
    filled = imputer.fit_transform(frame)
    assert type(filled) is type(frame)
    schema = {"pandas": "dtypes", "polars": "schema", "pyarrow": "schema"}[library]
    same = getattr(filled, schema) == getattr(frame, schema)
    assert same.all() if library == "pandas" else same
    before = frame if library == "pandas" else frame.to_pandas()
    after = filled if library == "pandas" else filled.to_pandas()
    assert not after.isna().any().any()
    assert (after.index == before.index).all()
    for name in before.columns:
        seen = before[name].notna()
        assert seen.any()
        assert not seen.all()
        assert (before[name][seen] == after[name][seen]).all()


def test_what_is_put_into_whole_numbers():
    _, X = numbers()
    frame = frame_of(X)
    others = ["size", "ill", "word", "any"]
    mixture = fit(frame, [("poisson", ["visits"]), ("categorical", others), ("diag", ["kg"])])
    floats = mixture.impute(frame.assign(visits=frame["visits"].astype("Float64")))
    whole = mixture.impute(frame)
    gap = frame["visits"].isna()
    expected = floats["visits"][gap].to_numpy(dtype=float)
    assert (expected != np.rint(expected)).any()
    np.testing.assert_array_equal(whole["visits"][gap].to_numpy(dtype=float), np.rint(expected))
    # Beyond the range of the dtype, the nearest that it has.
    small = pd.DataFrame({"a": pd.array([1, 2, None], "UInt8"), "b": [0.0, 1.0, -9.0]})
    slope = EMMixture(1, columns=[("full", [0, 1])], reg_covar=1e-9).fit(small)
    assert slope.impute(small)["a"].tolist() == [1, 2, 0]


@pytest.mark.core
def test_samples_have_dtypes_too():
    frame = frame_of(numbers()[0]).assign(year=np.arange(300) % 7 + 2000)
    rows, _ = fit(frame, "auto").sample(200, random_state=0)
    assert (rows.dtypes == frame.dtypes).all()
    years = rows["year"]
    assert years.between(1985, 2020).all()
    drawn, _ = fit(LIBRARIES["polars"](frame), "auto").sample(20)
    assert drawn.schema == LIBRARIES["polars"](frame).schema
    arrow, _ = fit(LIBRARIES["pyarrow"](frame), "auto").sample(20)
    expected = LIBRARIES["pyarrow"](frame).schema
    assert [str(field.type)[:10] for field in arrow.schema] == [
        str(field.type)[:10] for field in expected
    ]
    X = numbers()[0]
    assert fit(X).sample(5)[0].dtype == np.float64
    assert fit(X[:, :1] > 0, "auto", 1).sample(5)[0].dtype == bool


@pytest.mark.core
def test_arrays_of_objects():
    frame = frame_of(numbers()[1]).drop(columns="size")
    X = frame.astype(object).where(frame.notna(), None).to_numpy()
    before = X.copy()
    filled = MixtureImputer(EMMixture(3, random_state=0)).fit_transform(X)
    assert filled.dtype == object
    assert not pd.isna(filled).any()
    np.testing.assert_array_equal(X, before)
    seen = ~pd.isna(X)
    np.testing.assert_array_equal(filled[seen], X[seen])
    assert set(filled[:, 3]) == {"low", "mid", "high"}


@pytest.mark.core
def test_new_categories_are_filled_only_if_asked_for():
    frame = frame_of(numbers()[1])[["word", "kg"]]
    mixture = EMMixture(3, random_state=0, handle_unknown="missing")
    imputer = MixtureImputer(mixture).fit(frame)
    new = pd.DataFrame({"word": ["none", "low"], "kg": np.float32([6.0, 0.0])})
    assert imputer.transform(new)["word"].tolist() == ["high", "low"]
    known = pd.CategoricalDtype(["none", "low"])
    assert imputer.transform(new.astype({"word": known}))["word"].tolist() == ["high", "low"]
    with pytest.raises(ValueError, match="Column 'word' has 'none' in row 0"):
        MixtureImputer(EMMixture(3, random_state=0)).fit(frame).transform(new)


@pytest.mark.skipif(not COMPILED, reason="takes minutes without the compiler")
def test_the_default_chooses_what_imputes_best():
    whole, X = numbers(400, share=0.2)
    frame = frame_of(X)[["word", "ill", "kg"]]
    imputer = MixtureImputer(random_state=0).fit(frame)
    filled = imputer.transform(frame)
    again = MixtureImputer(random_state=0).fit_transform(frame)
    pd.testing.assert_frame_equal(filled, again)
    assert imputer.estimator_.n_components >= 3
    gap = frame["word"].isna().to_numpy()
    truth = frame_of(whole)["word"][gap]
    simple = SimpleImputer(strategy="most_frequent").fit_transform(frame[["word"]].astype(object))
    hits = (filled["word"][gap] == truth).mean()
    assert hits > (simple[gap, 0] == truth).mean() + 0.2
    gap = frame["kg"].isna().to_numpy()
    error = np.mean((filled["kg"][gap] - whole[gap, 3]) ** 2)
    assert error < 0.8 * whole[:, 3].var()


def test_errors_of_categories_and_numbers_count_alike():
    """One component has an error of about 1 in each column, whatever its kind."""
    _, X = numbers(800, share=0.1)
    frame = frame_of(X)[["word", "kg"]]
    layout, raw = layout_of(EMMixture(), frame)
    values = layout.encoding.encode(raw)
    rng = np.random.RandomState(0)
    folds = _mixed_choice.hide_cells(values, rng)
    scales = _mixed_choice._measure(layout, values)
    number = sum(len(fold.truth) for fold in folds)
    total = _mixed_choice._error(layout, 1, folds, None, scales, 0)
    assert total / number == pytest.approx(1.0, abs=0.02)
    weights = np.full(len(X), 0.5)
    half = _mixed_choice._error(layout, 1, folds, weights, scales, 0)
    assert half == pytest.approx(total / 2)


@pytest.mark.parametrize("kind", ["categorical", "bernoulli"])
def test_errors_of_two_categories_are_briers(kind):
    """Of one component, by the shares of the seen cells alone."""
    yes = pd.array(np.random.default_rng(0).random(50) < 0.3, dtype="boolean")
    yes[::7] = pd.NA
    frame = pd.DataFrame({"yes": yes})
    raw = read_columns(frame)
    layout = make_layout([(kind, ["yes"])], frame, raw)
    values = layout.encoding.encode(raw)
    folds = _mixed_choice.hide_cells(values, np.random.RandomState(0))
    scales = _mixed_choice._measure(layout, values)
    expected = 0.0
    for fold in folds:
        share = np.nanmean(fold.holed)
        expected += 2 * np.square(fold.truth - share).sum()
    share = np.nanmean(values)
    expected /= 1 - share**2 - (1 - share) ** 2
    assert _mixed_choice._error(layout, 1, folds, None, scales, 0) == pytest.approx(expected)


def layout_of(mixture, frame):
    _, raw = read_table(mixture, frame, reset=True)
    return make_layout("auto", frame, raw), raw


def test_fits_that_fail_or_collapse_are_not_chosen(monkeypatch):
    frame = frame_of(numbers(80)[1])[["word", "kg"]]
    real = _mixed_choice.fit_quietly

    class Collapsed:
        def remarks(self):
            return ["A component collapsed"]

    def failing(mixture, *arguments):
        if mixture.n_components > 2:
            raise ValueError("not this one")
        ended = real(mixture, *arguments)
        return Collapsed() if mixture.n_components == 2 else ended

    monkeypatch.setattr(_mixed_choice, "fit_quietly", failing)
    assert MixtureImputer(random_state=0).fit(frame).estimator_.n_components == 1


@pytest.mark.core
def test_small_and_odd_tables():
    for columns in (
        {"a": ["x", None]},
        {"a": ["x", "x", None], "b": [1.0, None, 3.0]},
        {"a": [True, None, False]},
        {"a": ["x", "y", "y", None], "b": [None] * 4},
    ):
        frame = pd.DataFrame(columns)
        dropped = len(frame) == 4
        with pytest.warns(UserWarning, match="no value") if dropped else nullcontext():
            filled = MixtureImputer(random_state=0).fit_transform(frame)
        assert not filled.isna().any().any()


@pytest.mark.core
@pytest.mark.parametrize("library", list(LIBRARIES))
@pytest.mark.parametrize("keep", [False, True])
def test_columns_without_values_and_indicators(library, keep):
    frame = frame_of(numbers(60)[1])[["word", "kg"]]
    frame.insert(1, "empty", np.nan)
    X = LIBRARIES["pandas" if library == "polars" else library](frame)
    X = pl.from_pandas(frame) if library == "polars" else X
    imputer = MixtureImputer(
        EMMixture(2, random_state=0), keep_empty_features=keep, add_indicator=True
    )
    if keep:
        filled = imputer.fit_transform(X)
    else:
        with pytest.warns(UserWarning, match=r"\['empty'\] of X have no value at all"):
            filled = imputer.fit_transform(X)
    names = list(getattr(filled, "column_names", getattr(filled, "columns", None)))
    assert names == list(imputer.get_feature_names_out())
    filled = filled if library == "pandas" else filled.to_pandas()
    assert not filled.isna().any().any()
    told = filled["missingindicator_word"].to_numpy(dtype=bool)
    np.testing.assert_array_equal(told, frame["word"].isna())
    if keep:
        assert (filled["empty"] == 0.0).all()


@pytest.mark.core
def test_columns_without_values_that_can_not_be_kept():
    frame = frame_of(numbers(60)[1])[["word", "kg"]]
    frame["empty"] = pd.Categorical([None] * 60, categories=["a"])
    keeping = MixtureImputer(EMMixture(2), keep_empty_features=True)
    with pytest.raises(ValueError, match="column 'empty' of dtype category can't hold"):
        keeping.fit(frame)
    columns = [("categorical", ["word", "empty"]), ("diag", ["kg"])]
    with pytest.raises(ValueError, match="drop them from X and from 'columns'"):
        MixtureImputer(EMMixture(2, columns=columns)).fit(frame)
    with pytest.raises(ValueError, match="No column of X has any value"):
        MixtureImputer(EMMixture(2)).fit(frame[["empty"]])


@pytest.mark.core
def test_in_a_pipeline():
    whole, X = numbers()
    frame, y = frame_of(X)[["word", "kg", "visits"]], whole[:, 1]
    imputer = MixtureImputer(EMMixture(3, random_state=0, handle_unknown="missing"))
    encoder = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_include=[object, "string", "category"])),
        remainder="passthrough",
    )
    pipe = make_pipeline(imputer, encoder, LogisticRegression(max_iter=1000))
    assert pipe.fit(frame, y).score(frame, y) > 0.65
    renamed = imputer.set_output(transform="pandas").fit_transform(frame)
    assert (renamed.dtypes == frame.dtypes).all()
    assert (renamed.index == frame.index).all()


@pytest.mark.core
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@parametrize_with_checks(
    [MixtureImputer(EMMixture()), MixtureImputer(EMMixture(), add_indicator=True)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
