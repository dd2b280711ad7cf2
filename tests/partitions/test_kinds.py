"""Fits of columns of every kind to Dask collections are those to the table in memory."""

import numpy as np
import pytest

from skem import EMMixture, VariationalMixture
from skem.families.kinds import Gamma, Lognormal, Poisson
from tests.partitions import tables

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

W = tables.weights()
COLUMNS = [
    ("full", ["length", "width"]),
    ("categorical", ["colour", "grade"]),
    ("bernoulli", ["smokes"]),
    ("poisson", ["visits"]),
    ("negative_binomial", ["claims"]),
    ("lognormal", ["income"]),
    ("gamma", ["wait"]),
]
CONJUGATE = [(kind, names) for kind, names in COLUMNS if kind not in ("negative_binomial", "gamma")]


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set({"scheduler": "synchronous", "dataframe.convert-string": False}):
        yield


def make_frame():
    """Three groups of rows; the last of the colours is seen in the last rows only."""
    rng = np.random.default_rng(5)
    n, group = tables.N, rng.integers(3, size=tables.N)
    X = tables.table()
    colours = np.array(["red", "green", "blue"], dtype=object)[(group + (rng.random(n) < 0.2)) % 3]
    colours[-5:] = "azure"
    return pd.DataFrame(
        {
            "length": X[:, 0],
            "width": X[:, 1],
            "colour": colours,
            "grade": rng.integers(1, 4, n),
            "smokes": np.where(rng.random(n) < 0.2 + 0.3 * group, "yes", "no").astype(object),
            "visits": rng.poisson(1.0 + 4.0 * group),
            "claims": rng.negative_binomial(2, 1.0 / (2.0 + group)),
            "income": np.exp(10.0 + group + 0.3 * rng.standard_normal(n)),
            "wait": rng.gamma(2.0, 1.0 + group),
        }
    )


def make_gaps(frame):
    """Put gaps into the rows of the last partition."""
    gaps = frame.copy()
    holes = np.random.default_rng(6).random(frame.shape) < 0.2
    holes[: tables.CUTS[-2]] = False
    for j, name in enumerate(frame.columns):
        gaps[name] = gaps[name].mask(holes[:, j])
    return gaps


FRAME = make_frame()
GAPS = make_gaps(FRAME)
FRAMES = pytest.mark.parametrize("frame", [FRAME, GAPS], ids=["complete", "gaps"])


def cut(table):
    """The same rows in partitions of many rows, one, none, and what is left."""
    pairs = list(zip(tables.CUTS, tables.CUTS[1:], strict=False))
    return dd.from_map(lambda pair: table.iloc[pair[0] : pair[1]], pairs, meta=table.iloc[:0])


def assert_same(given, expected, rtol=1e-10):
    """To a relative 1e-10, whatever the order of additions."""
    assert given.kinds_ == expected.kinds_
    assert given._layout.encoding == expected._layout.encoding
    assert given._layout.notes == expected._layout.notes
    assert given.n_iter_ == expected.n_iter_
    pairs = [*zip(tables.flat(given.parameters_), tables.flat(expected.parameters_), strict=True)]
    pairs += [(given.weights_, expected.weights_), (given.lower_bounds_, expected.lower_bounds_)]
    for actual, wanted in pairs:
        atol = rtol * np.abs(wanted).max()
        np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=atol)


@pytest.mark.filterwarnings("ignore:EM did not converge")
@FRAMES
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["auto", "kmeans", "random", "random_from_data", "hierarchical"])
def test_every_start_is_that_of_memory(init, weighted, frame):
    mixture = EMMixture(3, columns=COLUMNS, init_params=init, random_state=0, max_iter=8)
    w = W if weighted else None
    expected = mixture.fit(frame, sample_weight=w)
    given = EMMixture(**mixture.get_params())
    ddf = cut(frame.assign(times=W))
    weights = ddf["times"] if weighted else None
    assert_same(given.fit(ddf[list(frame)], sample_weight=weights), expected)


@pytest.mark.filterwarnings("ignore:variational Bayes did not converge")
@FRAMES
def test_posteriors_are_those_of_memory(frame):
    names = [name for _, own in CONJUGATE for name in own]
    mixture = VariationalMixture(4, columns=CONJUGATE, random_state=0, max_iter=20)
    expected = mixture.fit(frame[names], sample_weight=W)
    given = VariationalMixture(**mixture.get_params())
    ddf = cut(frame.assign(times=W))
    given.fit(ddf[names], sample_weight=ddf["times"])
    assert_same(given, expected)
    for actual, wanted in zip(
        tables.flat(given.posterior_), tables.flat(expected.posterior_), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())
    assert given.score(ddf[names]) == pytest.approx(expected.score(frame[names]), rel=1e-10)
    densities = given.score_samples(ddf[names]).compute()
    np.testing.assert_allclose(densities, expected.score_samples(frame[names]), rtol=1e-9)


@FRAMES
def test_answers_are_those_of_memory(frame):
    mixture = EMMixture(3, columns=COLUMNS, random_state=0).fit(frame)
    ddf = cut(frame.assign(times=W))
    rows, w = ddf[list(frame)], ddf["times"]
    for method in ("predict", "predict_proba", "transform", "score_samples"):
        expected = getattr(mixture, method)(frame)
        answers = getattr(mixture, method)(rows)
        assert answers.npartitions == rows.npartitions
        got = answers.compute()
        assert got.index.equals(frame.index)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    for method in ("score", "bic", "aic", "icl", "relative_entropy"):
        ask = getattr(mixture, method)
        assert ask(rows) == pytest.approx(ask(frame), rel=1e-11)
        assert ask(rows, sample_weight=w) == pytest.approx(ask(frame, sample_weight=W), rel=1e-11)


def same_as_memory(rows, table, columns="auto", **given):
    """Fit to a collection and to the same table in memory; return both."""
    mixture = EMMixture(2, columns=columns, random_state=0, max_iter=5, tol=1e-2, **given)
    expected = EMMixture(**mixture.get_params()).fit(table)
    mixture.fit(rows)
    assert_same(mixture, expected)
    return mixture, expected


SMALL = {"max_iter": 5, "tol": 1e-2}


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_what_columns_are_is_found_as_in_memory():
    """Notes, and categories that only some partitions have."""
    names = ["length", "colour", "grade", "visits"]
    given, _ = same_as_memory(cut(FRAME[names]), FRAME[names])
    assert given.kinds_["colour"] == "categorical"
    assert given.parameters_[1]["categories"] == [["azure", "blue", "green", "red"]]
    notes = " ".join(given._layout.notes)
    assert "'grade' has 3 different whole numbers" in notes
    assert "length" not in notes


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_texts_may_be_arrows():
    names = ["length", "colour", "smokes"]
    with dask.config.set({"dataframe.convert-string": True}):
        ddf = dd.from_pandas(GAPS[names], npartitions=3)
        table = ddf.compute()
    assert str(table["colour"].dtype) != "object"
    same_as_memory(ddf, table)


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_partitions_may_declare_other_categories():
    """They are united in the order of the partitions, as Dask does; codes follow."""
    names = ["length", "colour"]

    def declare(part):
        return part.assign(colour=part["colour"].astype("category"))

    ddf = cut(FRAME[names])
    ddf = ddf.map_partitions(declare, meta=declare(FRAME[names].iloc[:5]).iloc[:0])
    table = ddf.compute()
    table["colour"] = pd.Categorical(table["colour"], ["blue", "green", "red", "azure"])
    same_as_memory(ddf, table)


def test_ordered_categories_have_one_order():
    def declare(part):
        found = part["colour"].astype("category").cat.as_ordered()
        return part.assign(colour=found)

    ddf = cut(FRAME[["length", "colour"]]).map_partitions(
        declare, meta=declare(FRAME[["length", "colour"]].iloc[:5]).iloc[:0]
    )
    with pytest.raises(ValueError, match="'colour' of X has ordered categories, but not the same"):
        EMMixture(2).fit(ddf)


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_numbers_in_some_partitions_and_text_in_others():
    answers = np.array([1, 2, 3, 2] * (tables.N // 4), dtype=object)
    answers[tables.CUTS[-2] :: 3] = "none"
    answers[tables.CUTS[-2] + 1 :: 3] = "many"
    table = pd.DataFrame({"length": FRAME["length"], "answers": answers})
    columns = [("diag", ["length"]), ("categorical", ["answers"])]
    # There are no clusters here, and where a search ends then depends on rounding.
    given, _ = same_as_memory(cut(table), table, columns, init_params="kmeans")
    assert given.parameters_[1]["categories"] == [[1, 2, 3, "many", "none"]]


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_objects_are_numbers_in_some_partitions_only():
    """Also fractions, and more of them than a note would need."""
    answers = np.array([f"a{number % 4}" for number in range(tables.N)], dtype=object)
    answers[: tables.CUTS[1]] = [number % 30 + 0.5 for number in range(tables.CUTS[1])]
    table = pd.DataFrame({"length": FRAME["length"], "answers": answers})
    given, _ = same_as_memory(cut(table), table)
    assert len(given.parameters_[1]["categories"][0]) == 30 + 4


def test_numbers_and_text_of_two_dtypes_are_refused():
    table = FRAME[["length", "colour"]]

    def measure(part):
        return part if len(part) > 250 else part.assign(colour=0.5 + np.arange(len(part)))

    ddf = cut(table).map_partitions(measure, meta=table.iloc[:0], enforce_metadata=False)
    with pytest.raises(ValueError, match="'colour' of X has numbers in some partitions and text"):
        EMMixture(2).fit(ddf)


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("dtype", [int, "Int64"])
def test_whole_numbers_in_some_partitions_and_gaps_in_others(dtype):
    """Together they are floats, and what is drawn is not rounded."""
    table = FRAME[["length", "visits"]].astype({"visits": float})
    table.loc[tables.CUTS[-2] :: 3, "visits"] = np.nan
    columns = [("diag", ["visits", "length"])]

    def narrow(part):
        return part if part["visits"].isna().any() else part.astype({"visits": dtype})

    ddf = cut(table).map_partitions(narrow, meta=table.iloc[:0], enforce_metadata=False)
    given, expected = same_as_memory(ddf, table, columns)
    drawn = given.sample(5, random_state=0)[0]
    pd.testing.assert_frame_equal(drawn, expected.sample(5, random_state=0)[0], rtol=1e-8)


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, object, bool])
def test_arrays(dtype):
    rows = np.column_stack([FRAME["grade"] - 1.0, FRAME["smokes"] == "yes"]).astype(dtype)
    columns = [("categorical", [0]), ("bernoulli", [1])]
    if dtype is bool:
        columns = [("bernoulli", [0, 1])]
    given, expected = same_as_memory(tables.cut(rows), rows, columns)
    answers = given.predict_proba(tables.cut(rows))
    assert answers.dtype == answers.compute().dtype == expected.predict_proba(rows).dtype
    np.testing.assert_allclose(answers.compute(), expected.predict_proba(rows), atol=1e-9)
    assert given.score(tables.cut(rows)) == pytest.approx(expected.score(rows), rel=1e-10)


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("columns", ["auto", [("diag", [0]), ("full", [1, 2])]])
def test_measurements_alone_keep_their_dtype(columns):
    rows = tables.with_gaps().astype(np.float32)
    given = EMMixture(2, columns=columns, random_state=0, max_iter=5).fit(tables.cut(rows))
    expected = EMMixture(2, columns=columns, random_state=0, max_iter=5).fit(rows)
    assert given.weights_.dtype == np.float32
    np.testing.assert_allclose(given.weights_, expected.weights_, rtol=1e-5)
    same_as_memory(tables.cut(tables.with_gaps()), tables.with_gaps(), columns)
    assert given.predict_proba(tables.cut(rows)).dtype == np.float32
    assert given.predict_proba(tables.cut(rows)).compute().dtype == np.float32


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize(
    "given",
    [
        {"acceleration": "squarem"},
        {"assignment": "hard"},
        {"degrees_of_freedom_prior": 6.0},
        {"n_init": 2, "init_params": "random"},
        {"weights_init": [0.4, 0.6]},
    ],
    ids=["accelerated", "hard", "MAP", "restarts", "given"],
)
def test_every_kind_of_fit_is_that_of_memory(given):
    same_as_memory(cut(GAPS), GAPS, COLUMNS, **given)


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_columns_may_be_chosen_by_a_function():
    from sklearn.compose import make_column_selector

    table = GAPS[["length", "wait", "colour", "smokes"]]
    columns = [
        ("diag", make_column_selector(dtype_include=float)),
        ("categorical", make_column_selector(dtype_exclude=float)),
    ]
    given, _ = same_as_memory(cut(table), table, columns)
    given.set_params(columns=[("diag", lambda X: ["length", "wait"]), columns[1]])
    given.fit(cut(table)).predict(cut(table)).compute()


def test_warm_starts_go_on_with_the_same_columns():
    table = FRAME[["visits", "colour"]]
    columns = [("poisson", ["visits"]), ("categorical", ["colour"])]
    mixture = EMMixture(2, columns=columns, random_state=0, max_iter=2, tol=0.0, warm_start=True)
    with pytest.warns(match="did not converge"):
        first = mixture.fit(cut(table)).lower_bound_
    with pytest.warns(match="did not converge"):
        assert mixture.fit(cut(table)).lower_bound_ > first
    with pytest.raises(ValueError, match="Column 'colour' is of the kind 'categorical' with"):
        mixture.fit(cut(table.replace({"colour": {"azure": "black"}})))


def test_unknown_categories_are_errors_or_missing_as_in_memory():
    table = FRAME[["length", "colour"]]
    known = table[table["colour"] != "azure"]
    mixture = EMMixture(2, random_state=0).fit(known)
    message = r"Column 'colour' has 'azure' in row \d+, which is none of the categories"
    with pytest.raises(ValueError, match=message):
        mixture.predict(cut(table)).compute()
    with pytest.raises(ValueError, match="Partition 4 of X: " + message):
        mixture.score(cut(table))
    mixture.set_params(handle_unknown="missing")
    expected = mixture.predict_proba(table)
    np.testing.assert_allclose(mixture.predict_proba(cut(table)).compute(), expected, atol=1e-12)
    assert mixture.bic(cut(table)) == pytest.approx(mixture.bic(table), rel=1e-12)


def put(name, row, value):
    table = FRAME[["length", "grade", "visits", "income", "colour"]].astype({name: object})
    table.loc[row, name] = value
    return table


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (put("visits", 603, -1), {"visits": "poisson"}, "Partition 4 of X: Column 'visits' has -1"),
        (put("income", 9, 0.0), {"income": "lognormal"}, "Partition 0 of X: Column 'income' has 0"),
        (put("grade", 603, 1.5), {"grade": "categorical"}, "'grade' has 1.5 in row 603, but"),
        (put("grade", 603, "?"), {"grade": "poisson"}, r"Column 'grade' has '\?' in row 103"),
        (put("length", 9, np.inf), {}, "Partition 0 of X: Input X contains infinity.*'length'"),
        (put("grade", 603, "?"), "auto", r"Column 'grade' has '\?' in row 603, but most of its"),
        (put("grade", 603, 4), {"colour": "bernoulli"}, "'colour' has 4 different values"),
        (FRAME[["length"]].assign(none=None), "auto", "Column 'none' of X has no value at all"),
        (FRAME[["length", "colour"]].iloc[:0], "auto", "0 sample"),
    ],
)
def test_what_is_wrong_is_said_with_its_column_and_value(table, columns, message):
    if columns != "auto":
        kinds = dict.fromkeys(table, "diag") | {"colour": "categorical"} | columns
        columns = [(kind, [name]) for name, kind in kinds.items()]
    rows = cut(table) if len(table) else dd.from_pandas(table, npartitions=1)
    with pytest.raises(ValueError, match=message):
        EMMixture(2, columns=columns, random_state=0).fit(rows)


def test_what_a_kind_of_the_users_takes_from_a_table_is_not_known():
    class Visits(Poisson):
        pass

    for kind, allowed in ((Poisson(), True), (Visits(), False)):
        mixture = EMMixture(2, columns=[(kind, ["visits"])], random_state=0, **SMALL)
        if allowed:
            mixture.fit(cut(FRAME[["visits"]]))
            continue
        with pytest.raises(TypeError, match="kind Visits of 'columns' needs its rows in memory"):
            mixture.fit(cut(FRAME[["visits"]]))


def test_kinds_without_conjugate_priors_are_refused():
    mixture = VariationalMixture(2, columns=[("negative_binomial", ["claims"])])
    with pytest.raises(ValueError, match="negative_binomial"):
        mixture.fit(cut(FRAME[["claims"]]))


def test_few_values_stand_for_a_column():
    """What kinds take from a table they take from what its parts are condensed to."""
    rng = np.random.default_rng(7)
    values = np.exp(rng.standard_normal((200, 2)) + 5.0)
    for kind in (Lognormal(2), Gamma(2), Poisson(2)):
        columns = zip(*(kind.condense(part) for part in (values[:50], values[50:])), strict=True)
        for j, parts in enumerate(columns):
            few, times = (np.concatenate(own) for own in zip(*parts, strict=True))
            one = type(kind)(1)
            expected = one.fitted_to(values[:, [j]], None)
            given = one.fitted_to(few[:, None], times)
            np.testing.assert_allclose(given.units, expected.units, rtol=1e-13)
            if isinstance(kind, Lognormal):
                np.testing.assert_allclose(given.widths, expected.widths, rtol=1e-13)


@pytest.mark.parametrize("method", ["mean", "mode"])
def test_gaps_are_filled_as_in_memory(method):
    table = GAPS.assign(visits=GAPS["visits"].astype("Int64"))
    table["colour"] = table["colour"].astype("category")
    mixture = EMMixture(2, columns=COLUMNS, random_state=0, **SMALL).fit(table)
    answers = mixture.impute(cut(table), method)
    expected = mixture.impute(table, method)
    assert (answers.dtypes == expected.dtypes).all()
    assert not expected.isna().any().any()
    pd.testing.assert_frame_equal(answers.compute(), expected, rtol=1e-10)
    assert len(answers.get_partition(2).compute()) == 0


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("dtype", [float, object])
def test_gaps_of_arrays_are_filled_as_in_memory(dtype):
    rows = GAPS[["length", "grade"]].to_numpy().astype(dtype)
    columns = [("diag", [0]), ("categorical", [1])]
    mixture = EMMixture(2, columns=columns, random_state=0, max_iter=5).fit(rows)
    answers, expected = mixture.impute(tables.cut(rows)), mixture.impute(rows)
    assert answers.dtype == answers.compute().dtype == expected.dtype
    np.testing.assert_allclose(answers.compute().astype(float), expected.astype(float), rtol=1e-10)


def test_draws_are_repeated_by_a_seed_and_what_needs_memory_is_refused():
    mixture = EMMixture(2, columns=COLUMNS, random_state=0, **SMALL).fit(GAPS)
    rows = cut(GAPS)
    drawn = [mixture.impute(rows, "draw", random_state=seed).compute() for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(drawn[0], drawn[1])
    assert not drawn[0].equals(drawn[2])
    seen = GAPS.notna().to_numpy()
    assert (drawn[0].to_numpy()[seen] == GAPS.to_numpy()[seen]).all()
    with pytest.raises(ValueError, match="'method' parameter"):
        mixture.impute(rows, "median")
    with pytest.raises(TypeError, match="n_draws=3"):
        mixture.impute(rows, "draw", n_draws=3)
