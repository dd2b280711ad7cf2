"""What GaussianMixtureIC tells on the way: printed lines, callbacks, warnings; and its folds."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedKFold

from mixture.tables import blobs
from skem import EMGaussianMixture, GaussianMixtureIC

FEW = {"n_components": (1, 2), "covariance_type": ["VVI", "EEE"], "random_state": 0}
CELLS = ["VVI with 1", "VVI with 2", "EEE with 1", "EEE with 2"]
X, LABELS = blobs(n=80, d=2)


def test_a_line_for_each_fit(capsys):
    GaussianMixtureIC(**FEW, verbose=1, n_jobs=1).fit(X)
    expected = [f"[{number}/4] {cell}: done" for number, cell in enumerate(CELLS, 1)]
    assert capsys.readouterr().out.splitlines() == expected


def test_more_lines_have_times_and_folds_and_failures(capsys):
    with pytest.warns(match="fits failed"):
        GaussianMixtureIC(
            (1, 6), covariance_type="EII", criterion="cv", cv=2, verbose=2, n_jobs=1
        ).fit(X[:8])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("[1/6] EII with 1: done, 0.")
    assert lines[2].startswith("[3/6] EII with 1, fold 0: done, ")
    assert lines[5].startswith("[6/6] EII with 6, fold 1: failed: Expected n_samples >= n_comp")


def test_nothing_is_printed_otherwise(capsys):
    GaussianMixtureIC(**FEW).fit(X)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_see_every_fit(n_jobs, refit, monkeypatch):
    callback = pytest.importorskip("sklearn.callback")
    monkeypatch.setattr("skem.mixture._grid._WORTH_A_THREAD", 0.0)
    monitor = callback.ScoringMonitor(
        scoring=lambda choice, X, y: {"score": choice.score(X), "k": len(choice.predict_proba(X).T)}
    )
    choice = GaussianMixtureIC(**FEW, refit=refit, n_jobs=n_jobs).set_callbacks(monitor).fit(X)
    rows = monitor.get_logs().data
    fits = [row for row in rows if len(row["task_id_path"]) == 2]
    logs = choice.results_["log_likelihood"] / len(X)
    np.testing.assert_allclose(sorted(row["score"] for row in fits), sorted(logs), rtol=1e-9)
    assert sorted(row["k"] for row in fits) == [1, 1, 2, 2]
    (whole,) = (row for row in rows if len(row["task_id_path"]) == 1)
    assert whole["score"] == pytest.approx(logs[choice.best_index_], rel=1e-9)
    assert hasattr(choice, "best_estimator_") == refit


def test_callbacks_see_folds_and_no_failed_fit():
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring=lambda choice, X, y: {"score": choice.score(X)})
    choice = GaussianMixtureIC((1, 6), covariance_type="EII", criterion="cv", cv=2)
    with pytest.warns(match="fits failed"):
        choice.set_callbacks(monitor).fit(X[:8])
    rows = monitor.get_logs().data
    # Two fits to all rows, two to folds; those of six components to four rows failed.
    assert len([row for row in rows if len(row["task_id_path"]) == 2]) == 4


def with_equal_rows():
    rows, _ = blobs(n=60, d=2)
    return np.vstack([rows, np.tile(rows[:1], (20, 1))])


SET_ASIDE = {"init_params": "kmeans", "n_init": 5, "random_state": 0}


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic"])
def test_fits_that_are_set_aside_are_counted_and_named(criterion):
    choice = GaussianMixtureIC(
        (1, 2), covariance_type=["EII", "full"], criterion=criterion, **SET_ASIDE
    )
    with pytest.warns(ConvergenceWarning) as caught:
        choice.fit(with_equal_rows())
    assert choice.results_["collapsed"].tolist() == [False, False, False, True]
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith("1 of 4 fits rank after all others.")
    assert f"full with 2: {criterion.upper()} says more of reg_covar" in message
    assert caught[0].filename == __file__


def test_fits_of_few_rows_are_named_with_that_cause():
    choice = GaussianMixtureIC((1, 2, 3, 4), covariance_type="EII", random_state=0)
    with pytest.warns(ConvergenceWarning) as caught:
        choice.fit(X[:12])
    messages = [str(warning.message) for warning in caught]
    expected = "2 of 4 fits rank after all others. Covariance types and numbers of components: "
    expected += "EII with 3, EII with 4: there are fewer than 5 rows for each component."
    assert any(message.startswith(expected) for message in messages), messages


@pytest.mark.parametrize(
    "parameters",
    [{"n_components": 4}, {"n_components": (1, 2), "criterion": "cv", "cv": 3}],
)
def test_where_none_is_set_aside_none_is_named(parameters):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        choice = GaussianMixtureIC(**parameters, covariance_type="full", **SET_ASIDE)
        choice.fit(with_equal_rows())
    assert choice.results_["collapsed"].any()
    assert not [warning for warning in caught if "rank after" in str(warning.message)]


PEOPLE = np.arange(80) % 7


class Recorder:
    """A splitter that remembers what it is given."""

    def split(self, X, y=None, groups=None):
        self.given = (X, y, groups)
        return LeaveOneGroupOut().split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        return LeaveOneGroupOut().get_n_splits(X, y, groups)


def test_groups_reach_the_splitter():
    recorder = Recorder()
    choice = GaussianMixtureIC(1, covariance_type="EII", criterion="cv", cv=recorder)
    choice.fit(X, LABELS, groups=PEOPLE)
    np.testing.assert_array_equal(recorder.given[1], LABELS)
    np.testing.assert_array_equal(recorder.given[2], PEOPLE)
    for person in range(7):
        held_out = np.equal(PEOPLE, person)
        alone = EMGaussianMixture(covariance_type="EII").fit(X[~held_out]).score(X[held_out])
        score = choice.results_[f"split{person}_test_score"][0]
        assert score == pytest.approx(alone, rel=1e-9)


def test_a_number_of_folds_keeps_groups_together():
    parameters = {**FEW, "criterion": "cv"}
    number = GaussianMixtureIC(**parameters, cv=3).fit(X, groups=PEOPLE)
    folds = GroupKFold(3, shuffle=True, random_state=0)
    splitter = GaussianMixtureIC(**parameters, cv=folds).fit(X, groups=PEOPLE)
    without = GaussianMixtureIC(**parameters, cv=3).fit(X)
    for name in ("mean_test_score", "split2_test_score"):
        np.testing.assert_array_equal(number.results_[name], splitter.results_[name])
        assert (number.results_[name] != without.results_[name]).all()


def test_classes_reach_the_splitter():
    choice = GaussianMixtureIC(**FEW, criterion="cv", cv=StratifiedKFold(2)).fit(X, LABELS)
    assert np.isfinite(choice.results_["mean_test_score"]).all()


def test_groups_without_folds_are_refused():
    with pytest.raises(ValueError, match=r"groups are for the folds of criterion='cv'.*'bic'"):
        GaussianMixtureIC(**FEW).fit(X, groups=PEOPLE)


def test_groups_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        choice = GaussianMixtureIC(**FEW).set_fit_request(groups=True)
        assert choice.get_metadata_routing().fit.requests["groups"] is True
