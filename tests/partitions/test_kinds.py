"""Fits of columns of every kind to Dask collections are those to the table in memory."""

import numpy as np
import pytest

from skem import EMMixture, VariationalMixture
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


def flat(entries):
    """All numbers of `parameters_` or the like."""
    return [
        np.asarray(part, dtype=np.float64)
        for entry in entries
        for name, value in entry.items()
        if name not in ("kind", "columns", "categories")
        for part in (value if isinstance(value, list) else [value])
    ]


def assert_same(given, expected, rtol=1e-10):
    """To a relative 1e-10, whatever the order of additions."""
    assert given.kinds_ == expected.kinds_
    assert given._layout.encoding.columns == expected._layout.encoding.columns
    assert given._layout.notes == expected._layout.notes
    assert given.n_iter_ == expected.n_iter_
    pairs = [*zip(flat(given.parameters_), flat(expected.parameters_), strict=True)]
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
    for actual, wanted in zip(flat(given.posterior_), flat(expected.posterior_), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())
    assert given.score(ddf[names]) == pytest.approx(expected.score(frame[names]), rel=1e-10)


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
