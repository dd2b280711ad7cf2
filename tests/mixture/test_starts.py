"""Starts: methods, given parameters, restarts, warm starts."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from mixture.tables import (
    PARAMETERS,
    TYPES,
    assert_close,
    assert_same_bits,
    blobs,
    by_weight,
    every_estimator,
    every_type,
    fit,
    given_start,
    one_hot,
    soft_start,
)
from skem import EMGaussianMixture, VariationalGaussianMixture
from skem.inference import grow_tree

METHODS = ("kmeans", "k-means++", "random", "random_from_data")


@every_type
@pytest.mark.parametrize("init_params", ["auto", *METHODS, "hierarchical", "array"])
@every_estimator
def test_every_start_finds_far_clusters(estimator, covariance_type, init_params):
    if (init_params, covariance_type, estimator) == ("random", "tied", VariationalGaussianMixture):
        pytest.skip("all components start at the centre; with one shared precision one takes all")
    X, labels = blobs(n=240, d=2, k=2, apart=12.0, seed=8)
    if init_params == "array":
        init_params = 0.6 * one_hot(labels, 2) + 0.4 * soft_start(len(X), 2)
    mixture = fit(
        X,
        2,
        estimator=estimator,
        covariance_type=covariance_type,
        init_params=init_params,
        random_state=0,
        n_init=5,
        tol=1e-8,
        max_iter=1000,
    )
    assert adjusted_rand_score(labels, mixture.predict(X)) > 0.98


@every_type
@pytest.mark.parametrize("init_params", METHODS)
@every_estimator
def test_a_seed_decides(estimator, covariance_type, init_params):
    X, _ = blobs(apart=1.0, seed=1)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": init_params,
        "max_iter": 3,
    }
    one, same, other = (fit(X, 4, random_state=seed, **common) for seed in (5, 5, 6))
    assert_same_bits(one, same, X)
    assert one.lower_bound_ != other.lower_bound_
    # An instance goes on from fit to fit; no seed is a new one each time.
    generator = np.random.RandomState(5)
    first, second = (fit(X, 4, random_state=generator, **common) for _ in range(2))
    assert_same_bits(first, one)
    assert second.lower_bound_ != first.lower_bound_
    free = [fit(X, 4, **common).lower_bound_ for _ in range(3)]
    assert len(set(free)) > 1


@every_type
@every_estimator
def test_the_array_decides(estimator, covariance_type):
    X, _ = blobs(apart=1.0)
    start = soft_start(len(X), 3)
    common = {"estimator": estimator, "covariance_type": covariance_type, "max_iter": 2}
    one = fit(X, init_params=start, random_state=0, **common)
    for same in (start.tolist(), np.asfortranarray(start)):
        assert_same_bits(fit(X, init_params=same, random_state=1, **common), one)
    other = fit(X, init_params=start[::-1], **common)
    assert other.lower_bound_ != one.lower_bound_


@every_type
@every_estimator
def test_the_random_start_knows_soft_rows(estimator, covariance_type):
    # In scikit-learn's order of draws: row by row, then each row divided by its sum.
    X, _ = blobs(n=80)
    resp = np.random.RandomState(3).uniform(size=(80, 3))
    resp /= resp.sum(axis=1, keepdims=True)
    common = {"estimator": estimator, "covariance_type": covariance_type, "max_iter": 0}
    drawn = fit(X, init_params="random", random_state=3, **common)
    given = fit(X, init_params=resp, **common)
    expected = by_weight(given) if estimator is EMGaussianMixture else given
    assert_close(drawn, expected, rtol=1e-12)


@every_type
def test_given_parameters_are_where_a_fit_starts(covariance_type):
    X, _ = blobs()
    start = given_start(covariance_type)
    mixture = fit(X, covariance_type=covariance_type, max_iter=0, **start)
    np.testing.assert_allclose(mixture.weights_, start["weights_init"], rtol=1e-12)
    np.testing.assert_allclose(mixture.means_, start["means_init"], rtol=1e-11)
    np.testing.assert_allclose(mixture.precisions_, start["precisions_init"], rtol=1e-10)


@every_type
@pytest.mark.parametrize("name", ["weights_init", "means_init", "precisions_init"])
def test_what_is_not_given_follows_from_the_start_method(covariance_type, name):
    X, _ = blobs()
    start = given_start(covariance_type)
    common = {"covariance_type": covariance_type, "max_iter": 0, "random_state": 0}
    free = fit(X, init_params="kmeans", **common)
    # A search, the default, would have nothing to do with the part that is given.
    mixed = fit(X, **common, **{name: start[name]})
    for attribute in ("weights_", "means_", "precisions_"):
        expected, actual = getattr(free, attribute), getattr(mixed, attribute)
        if attribute == name[:-4]:
            expected = start[name]
        else:  # in any order: the free fit's goes by its weights
            expected, actual = np.sort(expected, axis=0), np.sort(actual, axis=0)
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.core
@every_type
def test_given_parameters_are_not_touched(covariance_type):
    X, _ = blobs()
    start = given_start(covariance_type)
    start["init_params"] = soft_start(len(X), 3)
    start["mean_prior"] = np.zeros(3)
    copies = {name: value.copy() for name, value in start.items()}
    for value in start.values():
        value.flags.writeable = False
    mixture = EMGaussianMixture(3, covariance_type=covariance_type, **start)
    before = mixture.get_params()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(X).partial_fit(X)
    after = mixture.get_params()
    assert all(after[name] is before[name] for name in before)
    for name, copy in copies.items():
        assert after[name] is start[name]
        np.testing.assert_array_equal(start[name], copy)
        for attribute in PARAMETERS:
            assert not np.shares_memory(getattr(mixture, attribute), start[name])


@every_type
def test_lists_are_given_parameters_too(covariance_type):
    X, _ = blobs()
    start = given_start(covariance_type)
    lists = {name: value.tolist() for name, value in start.items()}
    common = {"covariance_type": covariance_type}
    assert_same_bits(fit(X, **common, **lists), fit(X, **common, **start))


BAD_STARTS = {
    "weights' shape": ("weights_init", np.full(2, 0.5), r"\(3,\).*\(2,\)"),
    "weights' sum": ("weights_init", np.full(3, 0.5), r"normalized.*1\.5"),
    "negative weights": ("weights_init", [-0.5, 0.5, 1.0], r"\[0, 1\].*-0\.5"),
    "means' shape": ("means_init", np.zeros((3, 2)), r"\(3, 3\).*\(3, 2\)"),
    "means without a number": ("means_init", np.full((3, 3), np.nan), "finite"),
    "precisions' shape": ("precisions_init", np.ones((2, 2, 2)), r"\(.*\(2, 2, 2\)"),
    "array's shape": ("init_params", np.full((10, 3), 1 / 3), r"\(150, 3\).*\(10, 3\)"),
    "array's columns": ("init_params", np.full((150, 2), 0.5), r"\(150, 3\).*\(150, 2\)"),
    "array's sums": ("init_params", np.full((150, 3), 0.5), "sum to one"),
    "negative array": ("init_params", np.tile([1.5, -0.5, 0.0], (150, 1)), "non-negative"),
    "array without a number": ("init_params", np.full((150, 3), np.nan), "finite"),
}


@every_type
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("case", BAD_STARTS)
def test_bad_starts_are_named_with_both_values(covariance_type, method, case):
    name, value, words = BAD_STARTS[case]
    estimator = EMGaussianMixture(3, covariance_type=covariance_type, **{name: value})
    with pytest.raises(ValueError, match=words) as error:
        getattr(estimator, method)(blobs(n=150)[0])
    assert f"'{name}'" in str(error.value)
    assert not hasattr(estimator, "weights_")


@pytest.mark.parametrize(
    ("covariance_type", "value", "words"),
    [
        ("full", np.tile(-np.eye(3), (3, 1, 1)), "positive"),
        ("full", np.tile(np.triu(np.ones((3, 3))), (3, 1, 1)), "symmetric"),
        ("full", np.zeros((3, 3, 3)), "positive"),
        ("tied", -np.eye(3), "positive"),
        ("tied", np.ones((3, 3)), "positive"),
        ("diag", -np.ones((3, 3)), "positive"),
        ("diag", np.zeros((3, 3)), "positive"),
        ("spherical", np.array([1.0, 0.0, 1.0]), "positive"),
    ],
)
def test_precisions_that_are_none(covariance_type, value, words):
    estimator = EMGaussianMixture(3, covariance_type=covariance_type, precisions_init=value)
    with pytest.raises(ValueError, match=f"'precisions_init'.*{words}"):
        estimator.fit(blobs()[0])


@every_type
@pytest.mark.parametrize("init_params", ["random", "random_from_data"])
@every_estimator
def test_more_restarts_are_never_worse(estimator, covariance_type, init_params):
    X, _ = blobs(n=70, apart=1.5, k=4)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": init_params,
        "tol": 1e-4,
    }
    for seed in range(2):
        bounds = [fit(X, 4, n_init=n, random_state=seed, **common).lower_bound_ for n in (1, 2, 4)]
        assert bounds == sorted(bounds)


@every_type
def test_restarts_differ_and_the_best_one_is_kept(covariance_type):
    X, _ = blobs(n=120, apart=1.0, k=4)
    common = {"covariance_type": covariance_type, "init_params": "random", "max_iter": 5}
    one, many = (fit(X, 4, n_init=n, random_state=0, **common) for n in (1, 10))
    assert many.lower_bound_ > one.lower_bound_
    assert many.lower_bound_ == pytest.approx(many.score(X), rel=1e-12)
    assert many.lower_bounds_[-1] == many.lower_bound_
    assert len(many.lower_bounds_) == many.n_iter_


@every_type
@pytest.mark.parametrize("init_params", ["auto", *METHODS])
@every_estimator
def test_restarts_are_the_same_for_every_number_of_threads(estimator, covariance_type, init_params):
    X, _ = blobs(n=60, apart=1.5)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "init_params": init_params,
        "random_state": 0,
        "n_init": 3,
    }
    alone = fit(X, n_jobs=1, **common)
    for n_jobs in (2, 3, -1, None):
        assert_same_bits(fit(X, n_jobs=n_jobs, **common), alone, X)


@pytest.mark.core
@every_type
@every_estimator
def test_a_warm_start_goes_on(estimator, covariance_type):
    X, _ = blobs(apart=1.0)
    start = soft_start(len(X), 3)
    common = {"covariance_type": covariance_type, "init_params": start, "tol": 0.0}
    whole = fit(X, estimator=estimator, max_iter=7, **common)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = estimator(3, warm_start=True, max_iter=3, **common).fit(X)
        first = mixture.lower_bound_
        mixture.set_params(max_iter=4, n_init=10).fit(X)
    assert mixture.n_iter_ == 4
    assert mixture.lower_bounds_[0] > first
    assert_close(mixture, whole, rtol=1e-9)
    np.testing.assert_allclose(mixture.lower_bounds_, whole.lower_bounds_[3:], rtol=1e-12)


@every_type
@every_estimator
def test_a_warm_start_at_the_end_stays_there(estimator, covariance_type):
    X, _ = blobs()
    mixture = estimator(
        3, covariance_type=covariance_type, warm_start=True, random_state=0, tol=1e-10
    )
    mixture.set_params(max_iter=2000).fit(X)
    bound, means = mixture.lower_bound_, mixture.means_
    mixture.fit(X)
    # The variational rule looks at two gains before it says that they have settled.
    assert mixture.n_iter_ <= (2 if estimator is EMGaussianMixture else 3)
    assert mixture.lower_bound_ == pytest.approx(bound, abs=1e-8)
    np.testing.assert_allclose(mixture.means_, means, atol=1e-3)


@every_type
@every_estimator
def test_a_warm_start_on_other_rows(estimator, covariance_type):
    X, labels = blobs(n=300, apart=8.0)
    first, second = slice(0, 150), slice(150, 300)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "tol": 1e-9,
        "max_iter": 1000,
    }
    mixture = fit(X[first], warm_start=True, init_params=one_hot(labels[first], 3), **common)
    mixture.set_params(init_params="kmeans").fit(X[second])
    other = fit(X[second], init_params=one_hot(labels[second], 3), **common)
    assert mixture.score(X[second]) == pytest.approx(other.score(X[second]), abs=1e-5)


@every_estimator
def test_without_warm_start_nothing_is_remembered(estimator):
    X, _ = blobs(apart=1.0)
    mixture = fit(X, estimator=estimator, random_state=0)
    mixture.fit(X[:80]).fit(X)
    assert_same_bits(mixture, fit(X, estimator=estimator, random_state=0))


@every_type
@every_estimator
def test_a_warm_start_of_another_size_is_an_error(estimator, covariance_type):
    X, _ = blobs()
    mixture = fit(
        X, estimator=estimator, covariance_type=covariance_type, warm_start=True, random_state=0
    )
    means = mixture.means_
    with pytest.raises(ValueError, match=r"\(3, 3\).*n_components.*\(4, 3\).*warm_start"):
        mixture.set_params(n_components=4).fit(X)
    assert mixture.means_ is means
    mixture.set_params(n_components=3)
    with pytest.raises(ValueError, match=r"\(3, 3\).*\(3, 2\).*warm_start"):
        mixture.fit(X[:, :2])


@pytest.mark.parametrize("covariance_type", TYPES)
@every_estimator
def test_a_warm_start_of_another_structure_is_an_error(estimator, covariance_type):
    X, _ = blobs()
    mixture = fit(
        X, estimator=estimator, covariance_type=covariance_type, warm_start=True, random_state=0
    )
    for other in TYPES:
        if other != covariance_type:
            with pytest.raises(ValueError, match=f"(?=.*'{covariance_type}')(?=.*'{other}')"):
                mixture.set_params(covariance_type=other).fit(X)


@every_estimator
def test_the_hierarchical_start_leaves_nothing_to_chance(estimator):
    X, _ = blobs(apart=1.0, seed=1)
    common = {"estimator": estimator, "init_params": "hierarchical", "max_iter": 3}
    one = fit(X, 4, random_state=0, **common)
    assert_same_bits(fit(X, 4, random_state=1, **common), one)
    assert_same_bits(fit(X, 4, random_state=1, n_init=3, n_jobs=2, **common), one)


@every_estimator
def test_one_tree_serves_every_number_of_components(estimator):
    X, _ = blobs(apart=1.0, seed=1)
    weights = np.random.default_rng(0).uniform(size=len(X))
    tree = grow_tree(X, weights)
    for k in (1, 2, 5):
        common = {"estimator": estimator, "sample_weight": weights, "max_iter": 3}
        one = fit(X, k, init_params=clone(estimator(init_params=tree)).init_params, **common)
        assert_same_bits(one, fit(X, k, init_params="hierarchical", **common))
    assert "Tree(n_rows=150)" in repr(estimator(init_params=tree))
    with pytest.raises(ValueError, match="grown on 150 rows, but X has 149"):
        fit(X[1:], init_params=tree, estimator=estimator)
