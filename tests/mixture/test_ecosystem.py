"""The estimator inside scikit-learn's tools: pipelines, searches, clones, pickles."""

import pickle
import re
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from mixture.tables import (
    TYPES,
    assert_same_bits,
    blobs,
    every_estimator,
    every_type,
    fit,
    soft_start,
)
from skem import EMGaussianMixture


def bic_scorer(estimator, X, y=None):
    return -estimator.bic(X)


@pytest.mark.core
@every_type
@every_estimator
def test_pipeline(estimator, covariance_type):
    X, _ = blobs(seed=3)
    mixture = estimator(3, covariance_type=covariance_type, random_state=0)
    pipe = Pipeline([("scale", StandardScaler()), ("mixture", mixture)])
    labels = pipe.fit_predict(X)
    Z = StandardScaler().fit_transform(X)
    alone = clone(mixture).fit(Z)
    assert_same_bits(pipe["mixture"], alone)
    np.testing.assert_array_equal(labels, alone.predict(Z))
    np.testing.assert_array_equal(pipe.predict_proba(X), alone.predict_proba(Z))
    np.testing.assert_array_equal(pipe.score_samples(X), alone.score_samples(Z))
    assert pipe.score(X) == alone.score(Z)
    np.testing.assert_array_equal(pipe.transform(X), alone.transform(Z))


@every_estimator
def test_a_step_before_a_classifier(estimator):
    X, labels = blobs(n=200, seed=3, apart=6.0)
    pipe = make_pipeline(estimator(3, random_state=0), LogisticRegression(C=100))
    assert cross_val_score(pipe, X, labels, cv=3).mean() > 0.9
    names = pipe.fit(X, labels)[:-1].get_feature_names_out()
    assert len(names) == 3


@every_estimator
def test_feature_union(estimator):
    X, _ = blobs(seed=3)
    prefix = estimator.__name__.lower()
    union = FeatureUnion([("mixture", estimator(3, random_state=0)), ("pca", PCA(2))])
    out = union.fit_transform(X)
    np.testing.assert_array_equal(
        out[:, :3], fit(X, 3, estimator=estimator, random_state=0).transform(X)
    )
    assert out.shape == (150, 5)
    assert union.get_feature_names_out().tolist()[:2] == [
        f"mixture__{prefix}0",
        f"mixture__{prefix}1",
    ]


@pytest.mark.parametrize("n_jobs", [1, 2])
@every_estimator
def test_grid_search_by_the_default_score(estimator, n_jobs):
    X, _ = blobs(n=120, d=2, k=3, apart=6.0, seed=1)
    grid = {"n_components": [1, 2, 3], "covariance_type": list(TYPES)}
    folds = KFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(estimator(random_state=0), grid, cv=folds, n_jobs=n_jobs).fit(X)
    assert search.best_params_["n_components"] == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scores = [
        fit(X[train], estimator=estimator, random_state=0, **search.best_params_).score(X[test])
        for train, test in folds.split(X)
    ]
    assert search.best_score_ == pytest.approx(np.mean(scores), rel=1e-12)
    best = fit(X, estimator=estimator, random_state=0, **search.best_params_)
    assert_same_bits(search.best_estimator_, best)


@pytest.mark.core
def test_grid_search_by_bic():
    X, _ = blobs(n=150, d=2, k=3, apart=6.0, seed=1)
    grid = {"n_components": [1, 2, 3, 4, 5], "covariance_type": ["full", "spherical"]}
    everything = [(np.arange(len(X)), np.arange(len(X)))]
    search = GridSearchCV(
        EMGaussianMixture(random_state=0), grid, scoring=bic_scorer, cv=everything
    ).fit(X)
    by_hand = {
        (k, name): fit(X, k, covariance_type=name, random_state=0).bic(X)
        for k in grid["n_components"]
        for name in grid["covariance_type"]
    }
    best = min(by_hand, key=by_hand.get)
    assert best[0] == 3
    chosen = search.best_params_
    assert (chosen["n_components"], chosen["covariance_type"]) == best
    assert -search.best_score_ == pytest.approx(by_hand[best], rel=1e-12)


@every_type
@every_estimator
def test_cross_validation(estimator, covariance_type):
    X, _ = blobs(n=120)
    mixture = estimator(2, covariance_type=covariance_type, random_state=0)
    scores = cross_val_score(mixture, X, cv=3)
    expected = [clone(mixture).fit(X[train]).score(X[test]) for train, test in KFold(3).split(X)]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    resp = cross_val_predict(mixture, X, cv=3, method="predict_proba")
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.core
@every_estimator
def test_clone(estimator):
    X, _ = blobs()
    start = soft_start(len(X), 3)
    mixture = estimator(
        3, covariance_type="diag", init_params=start, mean_prior=np.zeros(3), n_jobs=2, tol=1e-5
    ).fit(X)
    copy = clone(mixture)
    assert not hasattr(copy, "weights_")
    for name, value in mixture.get_params().items():
        np.testing.assert_array_equal(copy.get_params()[name], value)
    assert_same_bits(copy.fit(X), mixture, X)


@every_type
@pytest.mark.parametrize("how", ["pickle", "joblib", "joblib mapped"])
@every_estimator
def test_saved_and_loaded(estimator, covariance_type, how, tmp_path):
    X, _ = blobs()
    mixture = fit(X, estimator=estimator, covariance_type=covariance_type, random_state=0)
    if how == "pickle":
        copy = pickle.loads(pickle.dumps(mixture))
    else:
        joblib.dump(mixture, tmp_path / "mixture")
        copy = joblib.load(tmp_path / "mixture", mmap_mode="r" if "mapped" in how else None)
    assert_same_bits(copy, mixture, X)
    np.testing.assert_array_equal(copy.sample(5)[0], mixture.sample(5)[0])
    # Loaded in the middle of steps, it goes on with them.
    mixture.partial_fit(X[:40])
    copy = pickle.loads(pickle.dumps(mixture))
    assert_same_bits(copy.partial_fit(X[40:80]), mixture.partial_fit(X[40:80]))


@every_estimator
def test_a_pickle_is_small(estimator):
    X, _ = blobs(n=3000, k=3)
    assert len(pickle.dumps(fit(X, 3, estimator=estimator, random_state=0))) < 20_000


@every_estimator
def test_threads_of_joblib(estimator):
    X, _ = blobs()
    jobs = [
        joblib.delayed(fit)(X, 3, estimator=estimator, random_state=seed, n_jobs=2)
        for seed in range(6)
    ]
    together = joblib.Parallel(n_jobs=3, backend="threading")(jobs)
    for seed, mixture in enumerate(together):
        assert_same_bits(mixture, fit(X, 3, estimator=estimator, random_state=seed), X)


@every_estimator
def test_repr_names_what_was_changed(estimator):
    assert repr(estimator(2, n_jobs=3)) == f"{estimator.__name__}(n_components=2, n_jobs=3)"


@every_estimator
def test_tags(estimator):
    tags = get_tags(estimator())
    assert tags.estimator_type == "density_estimator"
    assert tags.requires_fit
    assert not tags.input_tags.sparse
    assert tags.input_tags.allow_nan


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@every_estimator
def test_infinite_values_are_refused(estimator, bad):
    X, _ = blobs()
    mixture = fit(X, estimator=estimator, random_state=0)
    X[3, 1] = bad
    for method in (estimator().fit, mixture.predict, mixture.partial_fit):
        with pytest.raises(ValueError, match=r"contains infinity"):
            method(X)


@pytest.mark.parametrize(("verbose", "words"), [(1, "Iteration 2"), (2, "ll change")])
@every_estimator
def test_verbose_output(estimator, verbose, words, capsys):
    X, _ = blobs(apart=1.0)
    fit(
        X,
        estimator=estimator,
        verbose=verbose,
        verbose_interval=2,
        n_init=2,
        init_params="kmeans",
        random_state=0,
        n_jobs=1,
        tol=1e-6,
    )
    out = capsys.readouterr().out
    assert out.count("Initialization 0") == out.count("Initialization 1") == 1
    assert out.count("Initialization converged") == 2
    assert words in out
    numbers = [int(number) for number in re.findall(r"Iteration (\d+)", out)]
    assert numbers[:2] == [2, 4]
    assert not any(number % 2 for number in numbers)
    assert ("lower bound" in out) == (verbose > 1)
    fit(X, estimator=estimator, random_state=0, max_iter=1, verbose=verbose)
    assert "did not converge" in capsys.readouterr().out


@pytest.mark.core
@every_estimator
def test_quiet_by_default(estimator, capfd):
    X, _ = blobs()
    fit(X, estimator=estimator, n_init=2, random_state=0)
    assert capfd.readouterr() == ("", "")


def test_agrees_with_k_means_on_far_clusters():
    X, labels = blobs(n=200, d=2, apart=15.0, seed=5)
    mixture = fit(X, 3, random_state=0, n_init=3)
    means = KMeans(3, n_init=3, random_state=0).fit(X)
    assert adjusted_rand_score(mixture.predict(X), means.labels_) > 0.95
    assert adjusted_rand_score(mixture.predict(X), labels) > 0.95


@pytest.mark.core
@every_estimator
def test_warnings_point_at_the_callers_line(estimator):
    X, _ = blobs(apart=1.0)
    mixture = estimator(3, max_iter=1, random_state=0)
    for call in (mixture.fit, mixture.fit_predict):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call(X)
        assert [warning.category for warning in caught] == [ConvergenceWarning]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture.fit(X)
    assert caught[0].filename == __file__
