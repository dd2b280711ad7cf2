"""Fits to Dask collections are those to the table in memory."""

from types import SimpleNamespace

import numpy as np
import pytest

import skem
from skem import EMGaussianMixture, EMStudentMixture, VariationalGaussianMixture
from skem.inference import grow_tree
from tests.partitions import tables

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

X, GAPS, W = tables.table(), tables.with_gaps(), tables.weights()
NAMES = ["length", "width", "weight"]


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def assert_same(given, expected):
    """To a relative 1e-10, whatever the order of additions."""
    assert given.n_iter_ == expected.n_iter_
    for name in ("weights_", "means_", "covariances_", "lower_bounds_"):
        actual, wanted = np.asarray(getattr(given, name)), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(actual, wanted, rtol=1e-10, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [X, GAPS], ids=["complete", "gaps"])
@pytest.mark.parametrize(
    "init", ["auto", "kmeans", "k-means++", "random", "random_from_data", "hierarchical"]
)
def test_every_start_is_that_of_memory(init, rows, weighted):
    mixture = EMGaussianMixture(tables.K, init_params=init, random_state=0, max_iter=10)
    w = W if weighted else None
    given = EMGaussianMixture(**mixture.get_params()).fit(
        tables.cut(rows), sample_weight=None if w is None else tables.cut(w)
    )
    expected = mixture.fit(rows, sample_weight=w)
    assert_same(given, expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"acceleration": "squarem"},
        {"assignment": "hard"},
        {"covariance_type": "tied"},
        {"covariance_type": "diag", "degrees_of_freedom_prior": 6.0},
        {"n_init": 2, "init_params": "random"},
        {"init_params": np.eye(tables.K)[np.arange(tables.N) % tables.K]},
        {"means_init": X[:3], "weights_init": [0.2, 0.3, 0.5], "precisions_init": [np.eye(3)] * 3},
    ],
    ids=["accelerated", "hard", "tied", "MAP", "restarts", "responsibilities", "given"],
)
def test_every_kind_of_fit_is_that_of_memory(parameters):
    mixture = EMGaussianMixture(tables.K, random_state=0, max_iter=20, **parameters)
    expected = mixture.fit(GAPS)
    assert_same(EMGaussianMixture(**mixture.get_params()).fit(tables.cut(GAPS)), expected)


@pytest.mark.parametrize("rows", [X, GAPS], ids=["complete", "gaps"])
def test_posteriors_are_those_of_memory(rows):
    mixture = VariationalGaussianMixture(5, random_state=0, max_iter=30)
    expected = mixture.fit(rows, sample_weight=W)
    given = VariationalGaussianMixture(**mixture.get_params())
    given.fit(tables.cut(rows), sample_weight=tables.cut(W))
    assert_same(given, expected)
    assert given.effective_n_components_ == expected.effective_n_components_
    np.testing.assert_allclose(given.elbo_terms(), expected.elbo_terms(), rtol=1e-9)


@pytest.mark.parametrize("rows", [X, GAPS], ids=["complete", "gaps"])
def test_student_components_are_those_of_memory(rows):
    mixture = EMStudentMixture(tables.K, random_state=0, max_iter=20, tol=1e-2)
    expected = mixture.fit(rows, sample_weight=W)
    given = EMStudentMixture(**mixture.get_params())
    given.fit(tables.cut(rows), sample_weight=tables.cut(W))
    assert given.n_iter_ == expected.n_iter_
    for name in ("weights_", "means_", "scale_matrices_", "df_", "lower_bounds_"):
        np.testing.assert_allclose(getattr(given, name), getattr(expected, name), rtol=1e-8)
    np.testing.assert_array_equal(given.predict(tables.cut(rows)).compute(), expected.predict(rows))
    assert given.score(tables.cut(rows)) == pytest.approx(expected.score(rows), rel=1e-10)
    with pytest.raises(TypeError, match="in memory"):
        given.scales(tables.cut(rows))


def test_columns_far_from_zero_lose_no_digits():
    far = X + np.array([1e6, -1e6, 0.0])
    expected = EMGaussianMixture(2, init_params="random", random_state=0, max_iter=5).fit(far)
    given = EMGaussianMixture(2, init_params="random", random_state=0, max_iter=5)
    assert_same(given.fit(tables.cut(far)), expected)


def test_a_sample_is_drawn_by_row_number():
    """Of more rows than a search looks at, the same ones are looked at."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((9000, 1)) + 6.0 * rng.integers(3, size=(9000, 1))
    mixture = EMGaussianMixture(3, random_state=0, max_iter=3)
    expected = mixture.fit(rows)
    given = EMGaussianMixture(**mixture.get_params()).fit(da.from_array(rows, chunks=(4000, 1)))
    assert_same(given, expected)


def test_a_tree_of_all_rows_may_be_given():
    mixture = EMGaussianMixture(3, init_params=grow_tree(X), max_iter=10)
    expected = mixture.fit(X)
    assert_same(EMGaussianMixture(**mixture.get_params()).fit(tables.cut(X)), expected)


def test_recorded_steps_hold_covariances_as_in_memory():
    rows = np.round(X)
    rows[:60, 0] = 2.0
    fits = []
    for table in (rows, tables.cut(rows)):
        mixture = EMGaussianMixture(6, random_state=0, max_iter=10)
        with pytest.warns(match="held at the width"):
            fits.append(mixture.fit(table))
    np.testing.assert_array_equal(fits[1].resolution_, [1.0, 1.0, 1.0])
    assert_same(fits[1], fits[0])


def test_data_frames_keep_names_and_weights_may_be_a_column():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(GAPS, columns=NAMES).assign(count=W)
    ddf = dd.from_pandas(frame, npartitions=3)
    given = EMGaussianMixture(2, random_state=0).fit(ddf[NAMES], sample_weight=ddf["count"])
    expected = EMGaussianMixture(2, random_state=0).fit(frame[NAMES], sample_weight=frame["count"])
    assert_same(given, expected)
    assert list(given.feature_names_in_) == NAMES


def test_parquet_files_are_read_again_in_each_pass(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(X, columns=NAMES)
    for number, (start, stop) in enumerate([(0, 300), (300, 700)]):
        frame[start:stop].to_parquet(tmp_path / f"{number}.parquet")
    ddf = dd.read_parquet(tmp_path)
    given = EMGaussianMixture(2, random_state=0).fit(ddf)
    assert_same(given, EMGaussianMixture(2, random_state=0).fit(frame))
    # Of a single column Dask reads more files at a time.
    given = EMGaussianMixture(2, random_state=0).fit(
        ddf[NAMES[:2]], sample_weight=ddf["weight"] ** 2
    )
    expected = EMGaussianMixture(2, random_state=0)
    assert_same(given, expected.fit(frame[NAMES[:2]], sample_weight=frame["weight"] ** 2))
    assert given.score(ddf[NAMES[:2]], sample_weight=ddf["weight"] ** 2) == pytest.approx(
        given.lower_bound_, rel=1e-10
    )


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize(("rows", "before"), [(X, 1), (GAPS, 3)], ids=["complete", "gaps"])
def test_how_often_rows_are_read(rows, before):
    """Once before the first iteration; with gaps for a sample and for pairs of columns, too.

    Then once in each iteration, and for the bound at the end.
    """
    reads = []

    def read(block, block_id=None):
        reads.append(block_id)
        return block

    collection = tables.cut(rows).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    EMGaussianMixture(
        tables.K,
        means_init=X[:3],
        weights_init=[0.2, 0.3, 0.5],
        precisions_init=[np.eye(3)] * 3,
        resolution=None,
        max_iter=2,
        tol=0.0,
    ).fit(collection)
    whole = [number for number, stop in enumerate(np.diff(tables.CUTS)) if stop]
    assert len([one for one in reads if one[0] in whole]) == len(whole) * (before + 2 + 1)


@pytest.mark.filterwarnings("ignore:EM did not converge")
@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_types_of_arrow_and_of_pandas_are_numbers(tmp_path, backend):
    """Missing cells are missing, whatever stands for them; every bit is that of plain numbers."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(GAPS, columns=NAMES).assign(count=W)
    frame["number"] = pd.array(np.arange(tables.N) % 7, "Int64")
    frame.loc[3, "number"] = pd.NA
    for number, (start, stop) in enumerate([(0, 300), (300, 700)]):
        frame[start:stop].to_parquet(tmp_path / f"{number}.parquet")
    fits = [
        EMGaussianMixture(2, random_state=0, max_iter=5).fit(
            table[[*NAMES, "number"]], sample_weight=table["count"]
        )
        for table in (
            dd.read_parquet(tmp_path),
            dd.read_parquet(tmp_path, dtype_backend=backend),
        )
    ]
    assert tables.parameters(fits[0]) == tables.parameters(fits[1])
    rows = dd.read_parquet(tmp_path, dtype_backend=backend)[[*NAMES, "number"]]
    expected = frame[[*NAMES, "number"]].astype(np.float64)
    np.testing.assert_array_equal(fits[0].predict(rows).compute(), fits[0].predict(expected))
    filled = fits[0].impute(rows).compute().to_numpy()
    np.testing.assert_allclose(filled, fits[0].impute(expected), rtol=1e-12)


def test_unknown_chunks_columns_in_several_chunks_and_float32():
    rows = da.from_array(X.astype(np.float32), chunks=(300, 2))
    rows = rows[rows[:, 0] > -100.0]
    assert np.isnan(rows.chunks[0]).all()
    given = EMGaussianMixture(2, random_state=0).fit(rows)
    assert given.means_.dtype == np.float32
    expected = EMGaussianMixture(2, random_state=0).fit(X.astype(np.float32))
    np.testing.assert_allclose(given.means_, expected.means_, rtol=1e-5)


def test_integers_become_float64():
    rows = np.round(10 * X).astype(int)
    given = EMGaussianMixture(2, random_state=0).fit(tables.cut(rows))
    assert given.means_.dtype == np.float64
    assert_same(given, EMGaussianMixture(2, random_state=0).fit(rows))


def test_warm_starts_go_on():
    mixture = EMGaussianMixture(2, init_params="random", random_state=0, max_iter=2, tol=0.0)
    with pytest.warns(match="did not converge"):
        first = mixture.fit(tables.cut(X)).lower_bound_
    mixture.set_params(warm_start=True)
    with pytest.warns(match="did not converge"):
        assert mixture.fit(tables.cut(X)).lower_bound_ > first


def broken(block, block_id=None):
    if block_id[0] == 3:
        raise OSError("no such file")
    return block


HIDDEN_WEIGHTS = np.ma.array(W, mask=np.arange(tables.N) < 2)
INFINITE = np.where(X[650, 1] == X, np.inf, X)


@pytest.mark.parametrize(
    ("rows", "weights", "error", "message"),
    [
        (da.from_array(X, chunks=(300, 3)), W, TypeError, "chunks"),
        (tables.cut(X), da.ones(7), ValueError, "partitions"),
        (tables.cut(X), -tables.cut(W), ValueError, "Partition 0.*must not be negative"),
        (tables.cut(X), 0 * tables.cut(W), ValueError, "must not all be zero"),
        (tables.cut(X), tables.cut(W * np.nan), ValueError, "Partition 0.*must be finite"),
        (tables.cut(X)[:0], None, ValueError, "0 sample"),
        (tables.cut(X)[:1], None, ValueError, "n_samples >= n_components"),
        (tables.cut(X * np.nan), None, ValueError, "no value at all"),
        (tables.cut(INFINITE), None, ValueError, "Partition 4 of X.*infinity.*column 1"),
        (
            tables.cut(X).map_blocks(broken, dtype=float),
            None,
            RuntimeError,
            "Partition 3 of X failed by OSError: no such file",
        ),
        (da.ones((4, 3, 2)), None, ValueError, "2D array"),
        (tables.cut(X).astype("M8[us]"), None, ValueError, "Column 0 of X has the dtype datetime"),
        (
            tables.cut(X.astype("M8[D]").astype(object)),
            None,
            ValueError,
            "Partition 0 .*Column 0 of X has a date in row 0",
        ),
        (tables.cut(X), tables.cut(W).astype("M8[us]"), ValueError, "Partition 0.*but has dates"),
        (tables.cut(X), tables.cut(HIDDEN_WEIGHTS), ValueError, "Partition 0.*must be finite"),
        (dask.delayed(X), None, TypeError, "dask array or a dask data frame"),
    ],
)
def test_what_is_wrong_is_said(rows, weights, error, message):
    with pytest.raises(error, match=message):
        EMGaussianMixture(2, random_state=0).fit(rows, sample_weight=weights)


@pytest.mark.parametrize(
    "mixture",
    [
        EMGaussianMixture(2, random_state=0, max_iter=5),
        skem.EMMixture(2, random_state=0, max_iter=5),
        skem.EMMixture(2, columns=[("gamma", [0]), ("diag", [1, 2])], random_state=0, max_iter=5),
    ],
)
@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_masked_cells_are_missing(mixture):
    missing = GAPS**2  # gamma's are positive
    hidden = np.isnan(missing)
    masked = tables.cut(np.ma.array(np.where(hidden, 1e6, missing), mask=hidden))
    expected = mixture.fit(tables.cut(missing)).score_samples(missing)
    mixture.fit(masked)
    np.testing.assert_array_equal(mixture.score_samples(missing), expected)
    np.testing.assert_allclose(mixture.score_samples(masked).compute(), expected)
    filled = np.asarray(mixture.impute(masked).compute())
    np.testing.assert_allclose(filled, mixture.impute(missing))


def test_steps_need_batches_in_memory():
    with pytest.raises(TypeError, match="partial_fit needs its rows in memory"):
        EMGaussianMixture(2).partial_fit(tables.cut(X))


def test_what_needs_memory_says_so():
    rows, fitted = tables.cut(X), EMGaussianMixture(2, random_state=0).fit(X)
    blocks = skem.EMMixture(2, random_state=0).fit(X)
    detector = skem.MixtureOutlierDetector(random_state=0).fit(X)
    model = SimpleNamespace(expect=lambda X, theta: None, maximise=lambda statistics, theta: None)
    for ask in (
        lambda: skem.GaussianMixtureIC().fit(rows),
        lambda: skem.StudentMixtureIC().fit(rows),
        lambda: skem.MixtureIC().fit(rows),
        lambda: skem.bootstrap_likelihood_ratio(rows, skem.EMMixture(1)),
        lambda: skem.MixtureImputer().fit(rows),
        lambda: skem.bootstrap_standard_errors(rows, fitted),
        lambda: blocks.explain_density(rows),
        lambda: blocks.bivariate_residuals(rows),
        lambda: EMGaussianMixture(2, noise=True).fit(rows),
        lambda: skem.VariationalGaussianMixture(2, noise=True).fit(rows),
        lambda: fitted.explain_density(rows),
        lambda: skem.MixtureOutlierDetector().fit(rows),
        lambda: skem.MixtureOutlierDetector(fitted).fit(rows),
        lambda: detector.predict(rows),
        lambda: grow_tree(rows),
        lambda: skem.em.fit(model, rows),
        lambda: skem.VAE().fit(rows),
    ):
        with pytest.raises(TypeError, match=r"in memory.*dask.*compute\(\)"):
            ask()


def test_callbacks_see_the_collection():
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(
        scoring=lambda mixture, rows, y: {"score": mixture.score(rows)}
    )
    mixture = EMGaussianMixture(2, init_params="random", random_state=0)
    mixture.set_callbacks(monitor).fit(tables.cut(X))
    scores = [row["score"] for row in monitor.get_logs().data]
    assert len(scores) == mixture.n_iter_ + 1
    assert scores[-1] == pytest.approx(mixture.score(X), rel=1e-12)


@pytest.mark.filterwarnings("ignore:EM did not converge")
def test_what_all_partitions_share_may_be_large(monkeypatch):
    def fit():
        mixture = EMGaussianMixture(tables.K, random_state=0, max_iter=5)
        return tables.parameters(mixture.fit(tables.cut(X)))

    expected = fit()
    monkeypatch.setattr("skem.engine.dask._MOST_IN_A_JOB", 0)
    assert fit() == expected
