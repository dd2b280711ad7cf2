"""The searched start as the estimators use it: where it is better, and what it leaves alone."""

import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from mixture.tables import (
    PARAMETERS,
    assert_close,
    assert_same_bits,
    blobs,
    every_estimator,
    every_type,
    fit,
    given_start,
    many_rows,
)
from skem import EMGaussianMixture


def overlapping(seed, n=700):
    """Return rows of a mixture on which a fit is neither trivial nor hopeless, and its K."""
    rng = np.random.default_rng(seed)
    k, d = int(rng.integers(3, 9)), int(rng.integers(2, 6))
    means = rng.uniform(0.8, 3.0) * rng.normal(size=(k, d))
    factors = rng.normal(size=(k, d, d + 3)) / np.sqrt(d + 3)
    labels = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 3.0)))
    return means[labels] + np.einsum("nij,nj->ni", factors[labels], rng.normal(size=(n, d + 3))), k


@many_rows
@pytest.mark.parametrize("assignment", ["soft", "hard"])
def test_the_search_is_often_better_than_k_means(assignment):
    gains, matters = [], 5e-3  # nats per row: what the benchmark counts as a miss
    for seed in range(15):
        X, k = overlapping(seed)
        common = {"random_state": seed, "assignment": assignment, "tol": 1e-5, "max_iter": 1000}
        searched, plain = (fit(X, k, init_params=m, **common) for m in ("auto", "kmeans"))
        gains.append(searched.lower_bound_ - plain.lower_bound_)
    if assignment == "soft":
        assert min(gains) > -matters
    assert np.mean(gains) > 0.02
    assert np.sum(np.array(gains) > matters) >= 5


@every_type
def test_a_part_that_is_given_is_not_searched_for(covariance_type):
    X, _ = blobs(apart=1.0)
    start = given_start(covariance_type)
    common = {"covariance_type": covariance_type, "random_state": 0}
    for name, value in start.items():
        plain = fit(X, init_params="kmeans", **common, **{name: value})
        assert_same_bits(fit(X, **common, **{name: value}), plain)
    # All parts: nothing is left to a start method.
    assert_same_bits(fit(X, **common, **start), fit(X, init_params="random", **common, **start))


@every_type
@every_estimator
def test_a_batch_and_a_warm_start_are_not_searched(monkeypatch, estimator, covariance_type):
    X, _ = blobs(apart=1.0)
    common = {"covariance_type": covariance_type, "random_state": 0}
    batch, plain = (
        estimator(3, init_params=method, **common).partial_fit(X) for method in ("auto", "kmeans")
    )
    assert_same_bits(batch, plain)
    mixture = fit(X, estimator=estimator, warm_start=True, max_iter=2, **common)
    monkeypatch.setattr("skem.inference.search._search", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(X)
    with pytest.raises(TypeError):
        fit(X, estimator=estimator, **common)


@every_estimator
def test_the_search_knows_no_rows_without_weight(estimator):
    X, _ = blobs(n=200, apart=1.5, k=4)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 2.0, 200) * (rng.uniform(size=200) < 0.7)
    X[weights == 0] *= 1e6
    kept = weights > 0
    common = {"estimator": estimator, "random_state": 0}
    whole = fit(X, 4, sample_weight=weights, **common)
    assert_close(whole, fit(X[kept], 4, sample_weight=weights[kept], **common), rtol=1e-8)


@every_type
@every_estimator
def test_whole_weights_are_repeated_rows(estimator, covariance_type):
    # Clusters so far apart that whatever k-means draws, the search ends with them.
    X, _ = blobs(n=160, apart=12.0, k=4, seed=4)
    weights = np.random.default_rng(0).integers(1, 4, size=160)
    common = {
        "estimator": estimator,
        "covariance_type": covariance_type,
        "random_state": 0,
        "tol": 1e-10,
        "max_iter": 1000,
    }
    weighted = fit(X, 4, sample_weight=weights, **common)
    repeated = fit(np.repeat(X, weights, axis=0), 4, **common)
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-7)
    assert adjusted_rand_score(weighted.predict(X), repeated.predict(X)) == 1.0
    # A common factor is only a unit.
    tripled = fit(X, 4, sample_weight=np.full(160, 3.0), **common)
    if estimator is EMGaussianMixture:
        assert_close(tripled, fit(X, 4, **common), rtol=1e-9)


@every_type
@every_estimator
def test_the_search_in_single_precision(estimator, covariance_type):
    X = blobs(n=200, apart=6.0, k=4, seed=4)[0].astype(np.float32)
    common = {"estimator": estimator, "covariance_type": covariance_type, "random_state": 0}
    single, double = (fit(x, 4, **common) for x in (X, X.astype(np.float64)))
    assert single.means_.dtype == np.float32
    np.testing.assert_array_equal(single.predict(X), double.predict(X))
    assert_close(single, double, rtol=1e-5, atol=1e-5)


@many_rows
@every_estimator
def test_the_search_looks_at_some_of_many_rows(monkeypatch, estimator):
    X, _ = blobs(n=20_000, d=2, k=6, apart=2.5, seed=6)
    common = {"estimator": estimator, "random_state": 0, "tol": 1e-5, "max_iter": 1000}
    some = fit(X, 6, **common)
    monkeypatch.setattr("skem.inference.search._ROWS", len(X))
    whole = fit(X, 6, **common)
    per_row = 1 if estimator is EMGaussianMixture else len(X)
    assert abs(some.lower_bound_ - whole.lower_bound_) / per_row < 2e-3
    for n_jobs, block_size in ((2, None), (3, 5000)):
        monkeypatch.undo()
        assert_same_bits(fit(X, 6, n_jobs=n_jobs, block_size=block_size, **common), some)


@many_rows
def test_the_search_takes_little_memory():
    X = np.random.default_rng(0).normal(size=(100_000, 4))
    fit(X[:500], 10, max_iter=1)
    tracemalloc.start()
    fit(X, 10, max_iter=1, random_state=0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * 2**20  # the 100 000 x 10 numbers would be 8 MB each


DEGENERATE = {
    "one row": (np.ones((1, 2)), 1),
    "as many components as rows": (np.arange(12.0).reshape(6, 2) ** 2, 6),
    "two components of two rows": (np.array([[0.0, 1.0], [3.0, 0.0]]), 2),
    "few distinct rows": (np.repeat([[0.0, 1.0], [3.0, 0.0], [1.0, 7.0]], 10, axis=0), 6),
    "one distinct row": (np.ones((20, 2)), 4),
    "a constant column": (np.c_[blobs(n=60, d=1)[0], np.full(60, 2.0)], 4),
    "whole numbers": (np.random.default_rng(0).integers(0, 3, size=(90, 2)).astype(float), 5),
    "large numbers": (1e150 * blobs(n=60, d=2)[0], 4),
    "small numbers": (1e-150 * blobs(n=60, d=2)[0], 4),
    "a far row": (np.r_[blobs(n=60, d=2)[0], [[1e150, 1e150]]], 4),
    "more columns than rows": (blobs(n=12, d=20)[0], 3),
}


@pytest.mark.parametrize("assignment", ["soft", "hard"])
@every_type
@every_estimator
@pytest.mark.parametrize("case", DEGENERATE)
def test_the_search_on_degenerate_rows(case, estimator, covariance_type, assignment):
    X, k = DEGENERATE[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        mixture = fit(
            X,
            k,
            estimator=estimator,
            covariance_type=covariance_type,
            assignment=assignment,
            random_state=0,
            max_iter=20,
        )
        assert np.isfinite(mixture.lower_bound_)
        for name in PARAMETERS:
            assert np.isfinite(getattr(mixture, name)).all(), name
        resp = mixture.predict_proba(X)
    np.testing.assert_allclose(resp.sum(axis=1), 1.0)


@every_type
def test_the_search_and_a_row_too_far_to_be_squared(covariance_type):
    # Its weight makes up for it.
    X, _ = blobs(n=60, d=2, k=3)
    X = np.r_[X, [[1e200, 1e200]]]
    weights = np.r_[np.ones(60), 1e-300]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        mixture = fit(X, 4, covariance_type=covariance_type, sample_weight=weights, random_state=0)
    assert np.isfinite(mixture.lower_bound_)
