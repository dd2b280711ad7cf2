"""scikit-learn's callbacks on `fit`; they came with scikit-learn 1.9."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from mixture.tables import assert_same_bits, blobs, every_estimator, every_type, fit
from skem import VAE, EMGaussianMixture, GaussianMixtureIC

callback = pytest.importorskip("sklearn.callback")


def _scores(log, name="score"):
    return [row[name] for row in log.data if name in row]


def _default_score(estimator, X, y):
    return {"score": estimator.score(X), "components": estimator.weights_.size}


@every_type
def test_scores_of_every_iteration(covariance_type):
    X, _ = blobs(apart=1.5)
    monitor = callback.ScoringMonitor(scoring=_default_score)
    mixture = EMGaussianMixture(3, covariance_type=covariance_type, random_state=0, tol=1e-5)
    mixture.set_callbacks(monitor).fit(X)
    log = monitor.get_logs()
    by_depth = [
        [row["score"] for row in log.data if len(row["task_id_path"]) == depth] for depth in (1, 2)
    ]
    np.testing.assert_allclose(by_depth[1], mixture.lower_bounds_, rtol=1e-10)
    assert by_depth[0] == [pytest.approx(mixture.lower_bound_, rel=1e-10)]
    assert {row["task_name"] for row in log.data} == {"fit", "em iteration"}
    assert set(_scores(log, "components")) == {3}


# `scoring=None` fails in scikit-learn 1.9.1 for every estimator: its scorer returns no dict.
@every_estimator
def test_scorers_by_name(estimator):
    X, labels = blobs(apart=5.0)
    monitor = callback.ScoringMonitor(scoring=["adjusted_rand_score", "v_measure_score"])
    mixture = estimator(3, random_state=0).set_callbacks(monitor)
    mixture.fit(X, labels)
    for name in ("adjusted_rand_score", "v_measure_score"):
        values = _scores(monitor.get_logs(), name)
        assert len(values) == mixture.n_iter_ + 1
        assert (np.array(values) > 0.9).all()


@every_estimator
def test_scores_need_no_y(estimator):
    X, _ = blobs()
    monitor = callback.ScoringMonitor(scoring=_default_score)
    mixture = estimator(3, random_state=0).set_callbacks(monitor).fit(X)
    values = _scores(monitor.get_logs())
    assert values[-1] == pytest.approx(mixture.score(X), rel=1e-12)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scores_of_restarts(n_jobs):
    X, _ = blobs(apart=1.5)
    monitor = callback.ScoringMonitor(scoring=_default_score)
    parameters = {"random_state": 0, "n_init": 4, "init_params": "random", "n_jobs": n_jobs}
    mixture = EMGaussianMixture(3, **parameters).set_callbacks(monitor).fit(X)
    log = monitor.get_logs()
    restarts = [row["score"] for row in log.data if len(row["task_id_path"]) == 2]
    assert len(restarts) == 4
    assert max(restarts) == pytest.approx(mixture.lower_bound_, rel=1e-10)
    iterations = {}
    for row in log.data:
        if len(row["task_id_path"]) == 3:
            iterations.setdefault(row["task_id_path"][1], []).append(row["score"])
    assert sorted(iterations) == [0, 1, 2, 3]
    best = iterations[int(np.argmax(restarts))]
    np.testing.assert_allclose(best, mixture.lower_bounds_, rtol=1e-10)
    assert_same_bits(mixture, fit(X, 3, **parameters))


def test_weights_reach_the_scorer():
    X, _ = blobs(apart=1.5)
    weight = np.random.default_rng(0).uniform(0.1, 3, size=len(X))

    def score(estimator, X, y, sample_weight=None):
        return {"score": estimator.score(X, sample_weight=sample_weight)}

    monitor = callback.ScoringMonitor(scoring=score)
    mixture = EMGaussianMixture(3, random_state=0).set_callbacks(monitor)
    mixture.fit(X, sample_weight=weight)
    values = _scores(monitor.get_logs())
    np.testing.assert_allclose(values[1:], mixture.lower_bounds_, rtol=1e-10)


@pytest.mark.parametrize("n_jobs", [1, 2])
@every_estimator
def test_inside_a_grid_search(estimator, n_jobs):
    X, _ = blobs(n=90)
    monitor = callback.ScoringMonitor(scoring=_default_score)
    mixture = estimator(random_state=0, n_init=2).set_callbacks(monitor)
    grid = {"n_components": [1, 2]}
    search = GridSearchCV(mixture, grid, cv=KFold(2), n_jobs=n_jobs).fit(X)
    plain = GridSearchCV(estimator(random_state=0, n_init=2), grid, cv=KFold(2)).fit(X)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    logged = _scores(monitor.get_logs())
    assert len(logged) >= 5 * 2  # five fits of two restarts each
    assert np.isfinite(logged).all()


@every_estimator
def test_a_copy_is_watched_as_well(estimator):
    X, _ = blobs()
    monitor = callback.ScoringMonitor(scoring=_default_score)
    mixture = clone(estimator(3, random_state=0).set_callbacks(monitor)).fit(X)
    assert len(_scores(monitor.get_logs())) == mixture.n_iter_ + 1


@every_estimator
def test_callbacks_that_were_taken_away_are_not_called(estimator):
    X, _ = blobs()
    monitor = callback.ScoringMonitor(scoring=_default_score)
    mixture = estimator(3, random_state=0).set_callbacks(monitor).fit(X)
    n_calls = len(_scores(monitor.get_logs()))
    mixture.set_callbacks().fit(X)
    assert len(_scores(monitor.get_logs())) == n_calls


@every_estimator
def test_a_callback_changes_nothing(estimator):
    X, _ = blobs(apart=1.5)
    monitor = callback.ScoringMonitor(scoring=_default_score)
    watched = estimator(3, random_state=0).set_callbacks(monitor).fit(X)
    assert_same_bits(watched, fit(X, 3, estimator=estimator, random_state=0), X)
    np.testing.assert_array_equal(
        watched.sample(5)[0], fit(X, 3, estimator=estimator, random_state=0).sample(5)[0]
    )


class _Fails:
    """A callback that interrupts a fit, and notes what it is told."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def on_fit_task_begin(self, estimator, context, **data):
        raise KeyboardInterrupt

    def on_fit_task_end(self, estimator, context, **data):
        return False

    def teardown(self, estimator, context):
        self.told.append("teardown")


@pytest.mark.parametrize(
    "estimator", [EMGaussianMixture(2), GaussianMixtureIC([1, 2]), VAE(1, max_epochs=2)]
)
def test_after_an_interrupt_callbacks_are_told_that_the_fit_is_over(estimator):
    failing = _Fails()
    with pytest.raises(KeyboardInterrupt):
        estimator.set_callbacks(failing).fit(blobs()[0])
    assert failing.told == ["setup", "teardown"]
    assert not hasattr(estimator, "n_features_in_")


@every_estimator
def test_after_a_failed_fit_the_next_one_is_watched(estimator):
    X, _ = blobs()
    monitor = callback.ScoringMonitor(scoring=_default_score)
    mixture = estimator(3, random_state=0).set_callbacks(monitor)
    with pytest.raises(ValueError, match="n_samples"):
        mixture.fit(X[:2])
    mixture.fit(X)
    assert _scores(monitor.get_logs())[-1] == pytest.approx(mixture.score(X))


@pytest.mark.parametrize("n_init", [1, 3])
@every_estimator
def test_progress_bar(estimator, n_init, capsys):
    pytest.importorskip("rich")
    X, _ = blobs(apart=1.5)
    mixture = estimator(3, random_state=0, n_init=n_init)
    mixture.set_callbacks(callback.ProgressBar()).fit(X)
    out = capsys.readouterr().out
    assert estimator.__name__ in out
    assert "100%" in out
    assert_same_bits(mixture, fit(X, 3, estimator=estimator, random_state=0, n_init=n_init), X)


@every_estimator
def test_progress_bar_in_a_grid_search(estimator, capsys):
    pytest.importorskip("rich")
    X, _ = blobs(n=90)
    mixture = estimator(random_state=0)
    search = GridSearchCV(mixture, {"n_components": [1, 2]}, cv=KFold(2))
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None))
    search.fit(X)
    assert estimator.__name__ in capsys.readouterr().out
