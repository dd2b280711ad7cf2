"""Answers for Dask collections are lazy, and those for the table in memory."""

import numpy as np
import pytest

from skem import EMGaussianMixture, GaussianMixtureIC, VariationalGaussianMixture
from tests.partitions import tables

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

X, GAPS, W = tables.table(), tables.with_gaps(), tables.weights()
NAMES = ["length", "width", "weight"]
METHODS = ["predict", "predict_proba", "transform", "score_samples", "impute"]


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module", params=[EMGaussianMixture, VariationalGaussianMixture])
def mixture(request):
    return request.param(tables.K, random_state=0, max_iter=20).fit(GAPS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", METHODS)
def test_arrays(mixture, method, dtype):
    rows = tables.cut(GAPS.astype(dtype))
    expected = getattr(mixture, method)(GAPS.astype(dtype))
    answers = getattr(mixture, method)(rows)
    assert isinstance(answers, da.Array)
    assert answers.chunks[0] == rows.chunks[0]
    assert answers.dtype == expected.dtype
    assert answers.shape == expected.shape
    got = answers.compute()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=10 * np.finfo(dtype).eps, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_frames_keep_index_and_names(method):
    frame = pd.DataFrame(GAPS, columns=NAMES, index=np.arange(tables.N) * 2)
    ddf = dd.from_pandas(frame, npartitions=4)
    ddf = ddf.map_partitions(lambda part: part[(part.index < 350) | (part.index > 700)])
    mixture = EMGaussianMixture(2, random_state=0).fit(ddf)
    some = ddf.compute()
    expected = getattr(mixture, method)(some)
    answers = getattr(mixture, method)(ddf)
    got = answers.compute()
    assert answers.npartitions == ddf.npartitions
    assert got.index.equals(some.index)
    if method in ("predict", "score_samples"):
        assert answers.name == got.name == {"predict": "component"}.get(method, "log_density")
        assert answers.dtype == got.dtype == expected.dtype
    else:
        names = NAMES if method == "impute" else list(mixture.get_feature_names_out())
        assert list(answers.columns) == list(got.columns) == names
        assert (got.dtypes == answers.dtypes).all()
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_nothing_is_computed_before_it_is_asked_for():
    def refuse(block):
        raise AssertionError("was computed")

    mixture = EMGaussianMixture(2, random_state=0).fit(X)
    rows = da.from_array(X, chunks=(100, 3)).map_blocks(refuse, dtype=float, meta=X[:0])
    for method in METHODS:
        getattr(mixture, method)(rows)


def test_answers_are_those_of_the_mixture_as_it_was():
    rows = tables.cut(X)
    mixture = EMGaussianMixture(2, random_state=0).fit(X)
    expected, lazy = mixture.predict(X), mixture.predict(rows)
    again = mixture.set_params(n_components=5).fit(X).predict(rows)
    np.testing.assert_array_equal(lazy.compute(), expected)
    # Computed together, they are told apart.
    both = dask.compute(lazy, again)
    assert both[0].max() == 1
    assert both[1].max() == 4


def test_sums_are_those_of_memory(mixture):
    rows, w = tables.cut(GAPS), tables.cut(W)
    for method in ("score", "bic", "aic", "icl"):
        ask = getattr(mixture, method)
        assert ask(rows) == pytest.approx(ask(GAPS), rel=1e-12)
        assert ask(rows, sample_weight=w) == pytest.approx(ask(GAPS, sample_weight=W), rel=1e-12)
    with pytest.raises(ValueError, match="no rows of positive weight"):
        mixture.score(rows, sample_weight=0 * w)


def test_draws_differ_between_partitions_and_are_repeated_by_a_seed():
    gap = np.full((40, 3), np.nan)
    mixture = EMGaussianMixture(2, random_state=0).fit(X)
    rows = da.from_array(gap, chunks=(20, 3))
    drawn = mixture.impute(rows, "draw", random_state=1).compute()
    np.testing.assert_array_equal(drawn, mixture.impute(rows, "draw", random_state=1).compute())
    assert len(np.unique(drawn[:, 0])) == 40
    assert not np.array_equal(drawn, mixture.impute(rows, "draw").compute())


def test_noise_is_found_in_collections():
    rows = np.concatenate([X, 100.0 * np.random.default_rng(4).standard_normal((40, 3))])
    mixture = EMGaussianMixture(2, noise=True, random_state=0).fit(rows)
    parts = da.from_array(rows, chunks=(100, 3))
    labels = mixture.predict(parts).compute()
    assert labels.min() == -1
    np.testing.assert_array_equal(labels, mixture.predict(rows))
    resp = mixture.predict_proba(parts)
    assert resp.shape == (len(rows), 3)
    np.testing.assert_allclose(resp.compute(), mixture.predict_proba(rows), atol=1e-12)


def test_what_is_wrong_is_said_at_once():
    mixture = EMGaussianMixture(2, random_state=0).fit(pd.DataFrame(X, columns=NAMES))
    ddf = dd.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=2)
    with pytest.raises(ValueError, match="feature names"):
        mixture.predict(ddf.rename(columns={"width": "wide"}))
    with pytest.raises(ValueError, match="'method' parameter"):
        mixture.impute(ddf, "median")
    with pytest.raises(TypeError, match="n_draws=3"):
        mixture.impute(ddf, "draw", n_draws=3)
    with pytest.raises(ValueError, match="not fitted"):
        EMGaussianMixture().predict(ddf)


def test_fit_predict_and_fit_transform_are_lazy():
    rows = tables.cut(X)
    labels = EMGaussianMixture(2, random_state=0).fit_predict(rows)
    resp = EMGaussianMixture(2, random_state=0).fit_transform(rows)
    assert isinstance(labels, da.Array)
    assert isinstance(resp, da.Array)
    np.testing.assert_array_equal(labels.compute(), resp.compute().argmax(axis=1))


def test_a_chosen_fit_answers_lazily():
    frame = pd.DataFrame(X, columns=NAMES)
    choice = GaussianMixtureIC([1, 2], random_state=0).fit(frame)
    ddf = dd.from_pandas(frame, npartitions=2)
    labels = choice.predict(ddf)
    assert isinstance(labels, dd.Series)
    np.testing.assert_array_equal(labels.compute(), choice.predict(frame))
    assert choice.score(ddf) == pytest.approx(choice.score(frame), rel=1e-12)
