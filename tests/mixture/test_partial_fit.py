"""Stepwise EM: the steps are Cappé & Moulines's, and lead to what a fit finds."""

import warnings

import numpy as np
import pytest
from oracles import gaussian
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    TYPES,
    assert_close,
    blobs,
    dense_covariances,
    every_type,
    fit,
    one_hot,
    soft_start,
)
from skem import EMGaussianMixture

K, D = 3, 3

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Oracle:
    """Stepwise EM on raw moments per unit of weight, in explicit loops."""

    def __init__(self, covariance_type, decay, offset):
        self.covariance_type, self.decay, self.offset = covariance_type, decay, offset
        self.moments = None
        self.step = 0

    def summarise(self, X, resp, weight):
        total = weight.sum()
        zero = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))
        for row, r, w in zip(X, resp, weight, strict=True):
            for k in range(K):
                zero[0][k] += w * r[k] / total
                zero[1][k] += w * r[k] * row / total
                zero[2][k] += w * r[k] * np.outer(row, row) / total
        return zero

    def maximise(self, moments):
        weights = moments[0] / moments[0].sum()
        means = moments[1] / moments[0][:, None]
        scatter = moments[2] - np.einsum("k,ki,kj->kij", moments[0], means, means)
        full = scatter / moments[0][:, None, None]
        variances = np.diagonal(full, axis1=1, axis2=2)
        self.weights, self.means = weights, means
        self.covariances = {
            "full": full,
            "tied": np.tile(scatter.sum(axis=0) / moments[0].sum(), (K, 1, 1)),
            "diag": variances[:, :, None] * np.eye(D),
            "spherical": variances.mean(axis=1)[:, None, None] * np.eye(D),
        }[self.covariance_type]

    def posterior(self, X):
        return softmax(gaussian.log_joint("full", X, self.weights, self.means, self.covariances), 1)

    def partial_fit(self, X, weight):
        self.step += 1
        new = self.summarise(X, self.posterior(X), weight)
        if self.moments is not None:
            rate = (self.offset + self.step) ** -self.decay
            new = [(1 - rate) * a + rate * b for a, b in zip(self.moments, new, strict=True)]
        self.moments = new
        self.maximise(new)


def assert_like(mixture, oracle):
    np.testing.assert_allclose(mixture.weights_, oracle.weights, rtol=1e-8)
    np.testing.assert_allclose(mixture.means_, oracle.means, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(dense_covariances(mixture), oracle.covariances, rtol=1e-7, atol=1e-8)


def batches(n=60, count=5):
    for seed in range(count):
        X, _ = blobs(n=(count * n), d=D, k=K, seed=1, apart=2.0)
        weight = np.random.default_rng(seed).uniform(0.2, 2, size=n)
        yield X[seed * n : (seed + 1) * n], weight


@every_type
@pytest.mark.parametrize(
    ("decay", "offset"), [pytest.param(0.7, 10.0, marks=pytest.mark.core), (1.0, 0.0), (0.6, 2.5)]
)
def test_steps_are_those_of_an_explicit_loop(covariance_type, decay, offset):
    oracle = Oracle(covariance_type, decay, offset)
    start = soft_start(60, K)
    mixture = EMGaussianMixture(
        K,
        covariance_type=covariance_type,
        init_params=start,
        reg_covar=0.0,
        learning_decay=decay,
        learning_offset=offset,
    )
    for number, (X, weight) in enumerate(batches(), start=1):
        if number == 1:
            oracle.maximise(oracle.summarise(X, start, weight))
        oracle.partial_fit(X, weight)
        mixture.partial_fit(X, sample_weight=weight)
        assert_like(mixture, oracle)
        assert mixture.n_iter_ == number
        score = mixture.score(X, sample_weight=weight)
        assert mixture.lower_bound_ == pytest.approx(score, rel=1e-10)


@every_type
def test_steps_after_a_fit_go_on_from_it(covariance_type):
    (X, weight), (more, _), *_ = batches()
    mixture = fit(
        X,
        K,
        covariance_type=covariance_type,
        init_params=soft_start(60, K),
        sample_weight=weight,
        reg_covar=0.0,
        max_iter=4,
    )
    # What rows of the fitted mixture are expected to give, and then one step.
    oracle = Oracle(covariance_type, 0.7, 10.0)
    oracle.weights, oracle.means = mixture.weights_, mixture.means_
    oracle.covariances = dense_covariances(mixture)
    second = oracle.covariances + np.einsum("ki,kj->kij", oracle.means, oracle.means)
    share = oracle.weights
    oracle.moments = share, share[:, None] * oracle.means, share[:, None, None] * second
    for rows in (more, X):
        oracle.partial_fit(rows, np.ones(60))
        mixture.partial_fit(rows)
        assert_like(mixture, oracle)


@every_type
def test_steps_reach_what_a_fit_finds(covariance_type):
    X, labels = blobs(n=4000, d=2, k=K, seed=2, apart=5.0)
    truth = fit(X, K, covariance_type=covariance_type, init_params=one_hot(labels, K), tol=1e-8)
    mixture = EMGaussianMixture(
        K, covariance_type=covariance_type, init_params=one_hot(labels[:50], K)
    )
    for start in range(0, 4000, 50):
        mixture.partial_fit(X[start : start + 50])
    assert_sound_step(mixture, X)
    assert mixture.n_iter_ == 80
    first = EMGaussianMixture(
        K, covariance_type=covariance_type, init_params=one_hot(labels[:50], K)
    ).partial_fit(X[:50])
    lost, at_first = truth.score(X) - mixture.score(X), truth.score(X) - first.score(X)
    assert -1e-6 < lost < 0.02
    assert lost < at_first / 3
    np.testing.assert_allclose(mixture.weights_, truth.weights_, atol=0.06)
    np.testing.assert_allclose(mixture.means_, truth.means_, atol=0.3)


def assert_sound_step(mixture, X):
    assert np.isfinite(mixture.score_samples(X)).all()
    np.testing.assert_allclose(mixture.weights_.sum(), 1.0, rtol=1e-12)
    np.testing.assert_array_less(0, np.linalg.eigvalsh(dense_covariances(mixture)))
    assert len(mixture.lower_bounds_) == mixture.n_iter_


@every_type
def test_the_first_call_is_one_iteration(covariance_type):
    X, _ = blobs()
    start = soft_start(len(X), K)
    common = {"covariance_type": covariance_type, "init_params": start}
    step = EMGaussianMixture(K, **common).partial_fit(X)
    assert_close(step, fit(X, K, max_iter=1, **common))
    assert (step.n_iter_, step.n_features_in_) == (1, 3)
    for method in ("kmeans", "k-means++", "random", "random_from_data"):
        one, same = (
            EMGaussianMixture(
                K, covariance_type=covariance_type, init_params=method, random_state=0
            )
            for _ in range(2)
        )
        assert_sound_step(one.partial_fit(X), X)
        assert_close(one, same.partial_fit(X), rtol=0, atol=0)


@every_type
def test_given_parameters_are_where_steps_start(covariance_type):
    X, labels = blobs()
    first = fit(X, K, covariance_type=covariance_type, init_params=one_hot(labels, K), max_iter=0)
    given = {
        "weights_init": first.weights_,
        "means_init": first.means_,
        "precisions_init": first.precisions_,
    }
    step = EMGaussianMixture(K, covariance_type=covariance_type, **given).partial_fit(X)
    assert_close(step, fit(X, K, covariance_type=covariance_type, max_iter=1, **given), rtol=1e-9)


@every_type
def test_the_same_rows_again_and_again_converge_to_the_fit(covariance_type):
    X, labels = blobs(n=100, apart=5.0)
    start = one_hot(labels, K)
    common = {"covariance_type": covariance_type, "init_params": start, "reg_covar": 0.0}
    mixture = EMGaussianMixture(K, learning_decay=0.51, learning_offset=0.0, **common)
    for _ in range(300):
        mixture.partial_fit(X)
    # A stationary point: a batch iteration from there stays.
    moved = fit(
        X,
        K,
        covariance_type=covariance_type,
        reg_covar=0.0,
        weights_init=mixture.weights_,
        means_init=mixture.means_,
        precisions_init=mixture.precisions_,
        max_iter=1,
    )
    assert moved.score(X) - mixture.score(X) < 1e-6


@every_type
def test_a_batch_may_be_a_single_row(covariance_type):
    X, _ = blobs(n=200)
    mixture = EMGaussianMixture(K, covariance_type=covariance_type, random_state=0)
    mixture.partial_fit(X[:100])
    for row in X[100:120]:
        mixture.partial_fit(row[None])
        assert_sound_step(mixture, X)
    assert mixture.score(X) > fit(X, 1, covariance_type=covariance_type).score(X)


@every_type
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_single_row_after_a_fit_keeps_the_units_of_the_ridge(covariance_type, unit):
    X, _ = blobs(n=200)
    mixture = fit(X[:199] * unit, K, covariance_type=covariance_type, random_state=0)
    before = dense_covariances(mixture).copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one row is no table of constant columns
        mixture.partial_fit(X[199:] * unit)
    variances, earlier = (
        np.diagonal(c, axis1=1, axis2=2) for c in (dense_covariances(mixture), before)
    )
    # One row moves a component by at most its rate; a ridge of 1e-6 in absolute units does more.
    np.testing.assert_array_less(variances, 6 * earlier)
    np.testing.assert_array_less(earlier / 6, variances)


@every_type
def test_steps_in_other_units(covariance_type):
    X, _ = blobs(n=160)
    factor, shift = 2.0**40, 3.0
    common = {"covariance_type": covariance_type, "init_params": soft_start(80, K)}
    one, other = EMGaussianMixture(K, **common), EMGaussianMixture(K, **common)
    for rows in (X[:80], X[80:], X[:10]):
        one.partial_fit(rows)
        other.partial_fit((rows + shift) * factor)
    np.testing.assert_allclose(other.means_ / factor - shift, one.means_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        other.predict_proba((X + shift) * factor), one.predict_proba(X), atol=1e-9
    )


@pytest.mark.core
def test_another_number_of_features():
    X, _ = blobs()
    mixture = EMGaussianMixture(2, random_state=0).partial_fit(X)
    means = mixture.means_
    with pytest.raises(ValueError, match=r"X has 2 features, .* expecting 3 features"):
        mixture.partial_fit(X[:, :2])
    assert mixture.means_ is means
    fitted = fit(X, 2, random_state=0)
    with pytest.raises(ValueError, match=r"X has 1 features, .* expecting 3 features"):
        fitted.partial_fit(X[:, :1])


def test_too_few_rows_in_the_first_batch():
    X, _ = blobs()
    with pytest.raises(ValueError, match="n_components = 4, n_samples = 3"):
        EMGaussianMixture(4).partial_fit(X[:3])
    weight = np.r_[np.ones(3), np.zeros(147)]
    with pytest.raises(ValueError, match="n_components = 4, n_samples = 3"):
        EMGaussianMixture(4).partial_fit(X, sample_weight=weight)


@every_type
def test_changed_parameters_between_steps_are_errors(covariance_type):
    X, _ = blobs()
    mixture = EMGaussianMixture(K, covariance_type=covariance_type, random_state=0).partial_fit(X)
    with pytest.raises(ValueError, match="n_components"):
        mixture.set_params(n_components=5).partial_fit(X)
    mixture.set_params(n_components=K)
    for other in TYPES:
        if other != covariance_type:
            with pytest.raises(ValueError, match=f"(?=.*'{covariance_type}')(?=.*'{other}')"):
                mixture.set_params(covariance_type=other).partial_fit(X)


@every_type
def test_a_fit_forgets_the_steps(covariance_type):
    X, _ = blobs()
    mixture = EMGaussianMixture(K, covariance_type=covariance_type, random_state=0)
    mixture.partial_fit(X[:80]).partial_fit(X[80:]).fit(X)
    assert_close(mixture, fit(X, K, covariance_type=covariance_type, random_state=0), rtol=0)
    assert len(mixture.lower_bounds_) == mixture.n_iter_


@every_type
def test_steps_under_a_prior(covariance_type):
    X, _ = blobs(n=300)
    prior = {"mean_prior": np.full(3, 2.0), "mean_precision_prior": 5.0, "random_state": 0}
    mixture = EMGaussianMixture(1, covariance_type=covariance_type, **prior)
    for start in range(0, 300, 100):
        mixture.partial_fit(X[start : start + 100])
    assert_sound_step(mixture, X)
    # One component, whose mean is drawn to the prior as by all the rows that were seen.
    plain = EMGaussianMixture(1, covariance_type=covariance_type, random_state=0)
    for start in range(0, 300, 100):
        plain.partial_fit(X[start : start + 100])
    np.testing.assert_allclose(mixture.means_, (300 * plain.means_ + 5 * 2.0) / 305, rtol=1e-9)


def test_an_emptied_component_is_named():
    X, _ = blobs(n=60, k=2)
    mixture = EMGaussianMixture(
        2, weights_init=[0.5, 0.5], means_init=[[0.0, 0, 0], [1e5] * 3], precisions_init=np.ones(2),
        covariance_type="spherical",
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match=r"\[1\] emptied"):
        mixture.partial_fit(X)
    assert mixture.weights_[1] == 0
    assert_sound_step(mixture, X)
