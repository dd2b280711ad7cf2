"""Sample weights: an integer weight is a repeated row, a weight of zero is no row."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mixture.tables import (
    PARAMETERS,
    assert_close,
    assert_sound,
    blobs,
    every_estimator,
    every_type,
    fit,
    meant_overflows,
    soft_start,
)
from skem import EMGaussianMixture

K = 3


def _counts(n, seed=0):
    return np.random.default_rng(seed).integers(0, 4, size=n)


def _criteria(mixture, X, sample_weight=None):
    return [
        getattr(mixture, name)(X, sample_weight=sample_weight)
        for name in ("score", "bic", "aic", "icl")
    ]


@every_type
@pytest.mark.parametrize(
    "priors",
    [
        pytest.param({}, marks=pytest.mark.core),
        {"weight_concentration_prior": 2.0, "degrees_of_freedom_prior": 8.0},
    ],
)
def test_integer_weights_are_repeated_rows(covariance_type, priors):
    X, _ = blobs(n=100, apart=2.0)
    count = _counts(100)
    start = soft_start(100, K)
    weighted = fit(
        X,
        K,
        covariance_type=covariance_type,
        init_params=start,
        sample_weight=count,
        max_iter=20,
        tol=0,
        **priors,
    )
    long = np.repeat(X, count, axis=0)
    repeated = fit(
        long,
        K,
        covariance_type=covariance_type,
        init_params=np.repeat(start, count, axis=0),
        max_iter=20,
        tol=0,
        **priors,
    )
    assert weighted.n_iter_ == repeated.n_iter_
    assert_close(weighted, repeated, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(_criteria(weighted, X, count), _criteria(repeated, long), rtol=1e-10)


@every_type
def test_integer_weights_are_repeated_rows_in_partial_fit(covariance_type):
    X, _ = blobs(n=120)
    count, start = _counts(120), soft_start(120, K)
    common = {"covariance_type": covariance_type}
    weighted = EMGaussianMixture(K, init_params=start, **common)
    repeated = EMGaussianMixture(K, init_params=np.repeat(start, count, axis=0), **common)
    weighted.partial_fit(X, sample_weight=count)
    repeated.partial_fit(np.repeat(X, count, axis=0))
    assert_close(weighted, repeated)
    more, _ = blobs(n=50, seed=3)
    count = _counts(50, seed=1)
    weighted.partial_fit(more, sample_weight=count)
    repeated.partial_fit(np.repeat(more, count, axis=0))
    assert_close(weighted, repeated)
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-12)


@every_type
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++"])
def test_rows_of_no_weight_are_not_there(covariance_type, init_params):
    X, _ = blobs(n=90)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=90) * (_counts(90) > 1)
    kept = weight > 0
    common = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 0}
    weighted = fit(X, K, sample_weight=weight, **common)
    dropped = fit(X[kept], K, sample_weight=weight[kept], **common)
    assert_close(weighted, dropped, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        _criteria(weighted, X, weight), _criteria(dropped, X[kept], weight[kept]), rtol=1e-12
    )


@meant_overflows
@every_type
@pytest.mark.parametrize(
    "init_params", ["kmeans", "k-means++", "hierarchical", "random", "random_from_data"]
)
def test_wild_values_in_rows_of_no_weight_do_nothing(covariance_type, init_params):
    X, _ = blobs(n=200)
    weight = np.zeros(200)
    weight[::7] = 1.0
    common = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 0}
    tame = fit(X, K, sample_weight=weight, **common)
    wild = X.copy()
    wild[weight == 0] = np.random.default_rng(0).choice([1e300, -1e300, 1e-300, 0.0], (171, 3))
    mixture = fit(wild, K, sample_weight=weight, **common)
    assert_close(mixture, tame, rtol=1e-12, atol=1e-14)
    assert_sound(mixture, wild)
    assert mixture.score(wild, sample_weight=weight) == pytest.approx(mixture.lower_bound_)


@every_type
@pytest.mark.parametrize("factor", [2.0, 1e-3, 1e100, 1e-100])
def test_only_the_proportions_of_weights_count(covariance_type, factor):
    X, _ = blobs(n=100)
    weight = np.random.default_rng(0).uniform(0.1, 2, size=100)
    common = {"covariance_type": covariance_type, "random_state": 0}
    one = fit(X, K, sample_weight=weight, **common)
    other = fit(X, K, sample_weight=factor * weight, **common)
    assert_close(other, one)
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-12)
    scores = [m.score(X, sample_weight=w) for m, w in ((one, weight), (other, factor * weight))]
    assert scores[1] == pytest.approx(scores[0], rel=1e-12)


@every_estimator
def test_equal_weights_are_no_weights(estimator):
    X, _ = blobs()
    assert_close(
        fit(X, K, estimator=estimator, random_state=0, sample_weight=np.ones(len(X))),
        fit(X, K, estimator=estimator, random_state=0),
    )


@every_estimator
def test_a_number_is_a_weight_for_every_row(estimator):
    X, _ = blobs()
    common = {"estimator": estimator, "random_state": 0}
    twice = np.full(len(X), 2.0)
    assert_close(fit(X, K, sample_weight=2.0, **common), fit(X, K, sample_weight=twice, **common))


def test_a_prior_counts_against_the_sum_of_weights():
    X, _ = blobs(n=100)
    prior = {"mean_prior": np.full(3, 50.0), "mean_precision_prior": 10.0, "random_state": 0}
    light, heavy = (
        fit(X, 1, sample_weight=np.full(100, weight), **prior) for weight in (0.01, 100.0)
    )
    near = X.mean(axis=0)
    np.testing.assert_allclose(light.means_[0], (near + 10 * np.full(3, 50.0)) / 11, rtol=1e-10)
    np.testing.assert_allclose(
        heavy.means_[0], (1e4 * near + 10 * np.full(3, 50.0)) / (1e4 + 10), rtol=1e-10
    )


BAD_WEIGHTS = {
    "negative": (np.r_[-0.5, np.ones(59)], r"negative.*-0\.5.*row 0"),
    "not a number": (np.r_[np.ones(59), np.nan], "NaN"),
    "infinite": (np.r_[np.ones(59), np.inf], "infinity"),
    "too few": (np.ones(59), r"60.*59"),
    "too many": (np.ones(61), r"60.*61"),
    "a column": (np.ones((60, 1)), r"1D.*2"),
    "zero": (np.zeros(60), "zero"),
    "words": (["heavy"] * 60, "could not convert string to float"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score", "bic", "aic", "icl"])
@every_estimator
def test_bad_weights(estimator, method, name):
    X, _ = blobs(n=60)
    weights, words = BAD_WEIGHTS[name]
    mixture = estimator(2)
    if method not in ("fit", "partial_fit"):
        mixture.fit(X)
    with pytest.raises(ValueError, match=words) as error:
        getattr(mixture, method)(X, sample_weight=weights)
    if name != "words":  # numpy's own message
        assert "sample_weight" in str(error.value)


@every_estimator
def test_components_need_rows_of_positive_weight(estimator):
    X, _ = blobs(n=60)
    weight = np.zeros(60)
    weight[[3, 20]] = 1.0
    with pytest.raises(ValueError, match=r"n_components = 3, n_samples = 2"):
        estimator(3).fit(X, sample_weight=weight)
    assert_sound(fit(X, 2, estimator=estimator, sample_weight=weight, random_state=0), X)


@every_estimator
def test_weights_are_not_changed(estimator):
    X, _ = blobs(n=60)
    weight = np.random.default_rng(0).uniform(size=60)
    given = weight.copy()
    given.flags.writeable = False
    fit(X, K, estimator=estimator, random_state=0, sample_weight=given).icl(X, sample_weight=given)
    np.testing.assert_array_equal(given, weight)


@every_estimator
def test_weights_of_other_kinds(estimator):
    X, _ = blobs(n=60)
    count = _counts(60)
    expected = fit(
        X, K, estimator=estimator, random_state=0, sample_weight=count.astype(np.float64)
    )
    for kind in (list, np.float32, np.int8, np.asfortranarray):
        mixture = fit(X, K, estimator=estimator, random_state=0, sample_weight=kind(count))
        for name in PARAMETERS:
            np.testing.assert_array_equal(getattr(mixture, name), getattr(expected, name))
    strided = fit(X, K, estimator=estimator, random_state=0, sample_weight=np.repeat(count, 2)[::2])
    np.testing.assert_array_equal(strided.means_, expected.means_)


@every_estimator
def test_fit_predict_and_fit_transform_use_weights(estimator):
    X, _ = blobs(n=80, apart=1.0)
    weight = _counts(80)
    mixture = fit(X, K, estimator=estimator, random_state=0, sample_weight=weight)
    labels = clone(mixture).fit_predict(X, sample_weight=weight)
    np.testing.assert_array_equal(labels, mixture.predict(X))
    resp = clone(mixture).fit_transform(X, sample_weight=weight)
    np.testing.assert_array_equal(resp, mixture.transform(X))
    assert np.abs(resp - fit(X, K, estimator=estimator, random_state=0).transform(X)).max() > 0.01


@every_estimator
def test_metadata_routing_in_a_search(estimator):
    X, _ = blobs(n=90)
    weight = _counts(90).astype(float) + 0.5
    folds = KFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        mixture = (
            estimator(random_state=0)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True)
        )
        scale = StandardScaler().set_fit_request(sample_weight=True)
        search = GridSearchCV(
            Pipeline([("scale", scale), ("mixture", mixture)]),
            {"mixture__n_components": [1, 3]},
            cv=folds,
        ).fit(X, sample_weight=weight)
    for k, mean in zip([1, 3], search.cv_results_["mean_test_score"], strict=True):
        scores = []
        for train, test in folds.split(X):
            scaler = StandardScaler().fit(X[train], sample_weight=weight[train])
            model = estimator(k, random_state=0)
            model.fit(scaler.transform(X[train]), sample_weight=weight[train])
            scores.append(model.score(scaler.transform(X[test]), sample_weight=weight[test]))
        assert mean == pytest.approx(np.mean(scores), rel=1e-12)
    assert search.best_params_ == {"mixture__n_components": 3}


def test_metadata_routing_through_a_transformer():
    X, labels = blobs(n=90)
    weight = _counts(90).astype(float) + 0.5
    with sklearn.config_context(enable_metadata_routing=True):
        mixture = EMGaussianMixture(K, random_state=0).set_fit_request(sample_weight=True)
        last = LogisticRegression().set_fit_request(sample_weight=False)
        pipe = Pipeline([("mixture", mixture), ("last", last)]).fit(X, labels, sample_weight=weight)
        asked = EMGaussianMixture().set_partial_fit_request(sample_weight=True)
        assert asked.get_metadata_routing().partial_fit.requests == {"sample_weight": True}
    expected = fit(X, K, random_state=0, sample_weight=weight)
    np.testing.assert_array_equal(pipe["mixture"].means_, expected.means_)


def test_weights_that_nobody_asked_for_are_an_error():
    X, _ = blobs(n=60)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = Pipeline([("mixture", EMGaussianMixture(K))])
        with pytest.raises(ValueError, match="sample_weight"):
            pipe.fit(X, sample_weight=np.ones(60))
