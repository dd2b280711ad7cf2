"""Samples drawn from a mixture, and rows represented by their posterior probabilities."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from mixture.tables import blobs, dense_covariances, every_estimator, every_type, fit, log_joint


@pytest.fixture(scope="module")
def mixtures():
    X, _ = blobs(n=200, d=3, k=3, seed=4)
    return {
        name: fit(X, 3, covariance_type=name, random_state=0)
        for name in ("full", "tied", "diag", "spherical")
    }


@every_type
def test_moments(covariance_type, mixtures):
    mixture = mixtures[covariance_type]
    n = 20_000
    rows, labels = mixture.sample(n, random_state=1)
    assert (rows.shape, labels.shape, labels.dtype) == ((n, 3), (n,), np.int64)
    share = np.bincount(labels, minlength=3) / n
    # Five standard errors of each moment.
    np.testing.assert_array_less(abs(share - mixture.weights_), 5 * np.sqrt(mixture.weights_ / n))
    for k, covariance in enumerate(dense_covariances(mixture)):
        own = rows[labels == k]
        variance = np.diag(covariance)
        np.testing.assert_array_less(
            abs(own.mean(axis=0) - mixture.means_[k]), 5 * np.sqrt(variance / len(own))
        )
        error = np.sqrt((np.outer(variance, variance) + covariance**2) / len(own))
        np.testing.assert_array_less(abs(np.cov(own.T) - covariance), 5 * error)


@every_type
def test_a_sample_has_the_expected_score(covariance_type, mixtures):
    mixture = mixtures[covariance_type]
    rows, _ = mixture.sample(10_000, random_state=0)
    more, _ = mixture.sample(10_000, random_state=1)
    error = mixture.score_samples(rows).std() * np.sqrt(2 / 10_000)
    assert abs(mixture.score(rows) - mixture.score(more)) < 5 * error


def test_rows_are_in_random_order(mixtures):
    mixture = mixtures["full"]
    _, labels = mixture.sample(2000, random_state=0)
    changes = np.count_nonzero(np.diff(labels))
    expected = 1999 * (1 - np.square(mixture.weights_).sum())
    assert abs(changes - expected) < 5 * np.sqrt(expected)


@every_type
@every_estimator
def test_successive_calls_differ(estimator, covariance_type):
    X, _ = blobs()
    for seed in (0, None, np.random.RandomState(0)):
        mixture = fit(X, estimator=estimator, covariance_type=covariance_type, random_state=seed)
        draws = [mixture.sample(10)[0] for _ in range(3)]
        assert not np.isin(draws[0], draws[1]).any()
        assert not np.isin(draws[1], draws[2]).any()


@every_type
@every_estimator
def test_the_same_program_draws_the_same_rows(estimator, covariance_type):
    X, _ = blobs()

    def program():
        mixture = fit(
            X,
            estimator=estimator,
            covariance_type=covariance_type,
            random_state=3,
            n_init=2,
            n_jobs=2,
        )
        return [part for _ in range(3) for part in mixture.sample(5)]

    for one, same in zip(program(), program(), strict=True):
        np.testing.assert_array_equal(one, same)


@every_type
def test_the_methods_own_random_state(covariance_type, mixtures):
    mixture = mixtures[covariance_type]
    rows, labels = mixture.sample(10, random_state=7)
    for same in (7, np.random.RandomState(7)):
        again = mixture.sample(10, random_state=same)
        np.testing.assert_array_equal(again[0], rows)
        np.testing.assert_array_equal(again[1], labels)
    generator = np.random.RandomState(7)
    draws = [mixture.sample(10, random_state=generator)[0] for _ in range(2)]
    np.testing.assert_array_equal(draws[0], rows)
    assert not np.isin(draws[1], rows).any()
    # It leaves the estimator's own stream alone.
    one, two = pickle.loads(pickle.dumps(mixture)), pickle.loads(pickle.dumps(mixture))
    one.sample(10, random_state=7)
    np.testing.assert_array_equal(one.sample(4)[0], two.sample(4)[0])


@pytest.mark.core
def test_a_pickle_goes_on_where_the_original_was(mixtures):
    mixture = mixtures["full"]
    mixture.sample(3)
    copy = pickle.loads(pickle.dumps(mixture))
    for _ in range(2):
        np.testing.assert_array_equal(copy.sample(5)[0], mixture.sample(5)[0])


@every_estimator
def test_nobody_elses_numbers_are_drawn(estimator):
    X, _ = blobs()
    generator = np.random.RandomState(0)
    mixture = fit(X, estimator=estimator, random_state=generator)
    np.random.seed(0)  # noqa: NPY002
    states = [generator.get_state()[1].copy(), np.random.get_state()[1].copy()]  # noqa: NPY002
    mixture.sample(100)
    np.testing.assert_array_equal(generator.get_state()[1], states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


@pytest.mark.parametrize("n_samples", [0, -3])
def test_at_least_one_row(n_samples, mixtures):
    with pytest.raises(ValueError, match=f"n_samples.*{n_samples}"):
        mixtures["full"].sample(n_samples)


def test_one_row_is_the_default(mixtures):
    rows, labels = mixtures["diag"].sample()
    assert (rows.shape, labels.shape) == ((1, 3), (1,))


@pytest.mark.parametrize(
    "method",
    ["predict", "predict_proba", "score_samples", "score", "transform", "bic", "aic", "icl"],
)
@every_estimator
def test_nothing_before_a_fit(estimator, method):
    with pytest.raises(NotFittedError):
        getattr(estimator(2), method)(np.zeros((3, 2)))


@pytest.mark.parametrize("method", ["sample", "n_parameters", "get_feature_names_out"])
@every_estimator
def test_nothing_before_a_fit_without_rows(estimator, method):
    with pytest.raises(NotFittedError):
        getattr(estimator(2), method)()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_type
@pytest.mark.parametrize("max_iter", [0, 1, 100])
@every_estimator
def test_fit_predict_and_fit_transform_are_fit_and_then(estimator, covariance_type, max_iter):
    X, _ = blobs(apart=1.0)
    mixture = estimator(
        3, covariance_type=covariance_type, random_state=0, max_iter=max_iter, tol=1e-6
    )
    labels = fit(X, estimator=estimator, **mixture.get_params()).predict(X)
    np.testing.assert_array_equal(clone(mixture).fit_predict(X), labels)
    resp = clone(mixture).fit_transform(X)
    np.testing.assert_array_equal(resp.argmax(axis=1), labels)
    np.testing.assert_array_equal(
        resp, fit(X, estimator=estimator, **mixture.get_params()).predict_proba(X)
    )


@pytest.mark.core
@every_type
def test_transform_is_the_posterior_by_bayes_rule(covariance_type, mixtures):
    mixture = mixtures[covariance_type]
    X, _ = blobs(n=60, seed=9)
    joint = np.exp(log_joint(mixture, X))
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mixture.transform(X), expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(mixture.transform(X), mixture.predict_proba(X))
    np.testing.assert_allclose(mixture.score_samples(X), np.log(joint.sum(axis=1)), rtol=1e-10)
    entropy = -2 * np.log(expected.max(axis=1)).sum()
    assert mixture.icl(X) - mixture.bic(X) == pytest.approx(entropy, rel=1e-9)


@pytest.mark.core
@every_estimator
def test_feature_names_out(estimator):
    X, _ = blobs()
    mixture = fit(X, estimator=estimator, random_state=0)
    names = [f"{estimator.__name__.lower()}{number}" for number in range(3)]
    assert mixture.get_feature_names_out().tolist() == names


@pytest.mark.parametrize("library", ["pandas", "polars"])
@every_estimator
def test_set_output(estimator, library):
    frames = pytest.importorskip(library)
    X, _ = blobs()
    frame = frames.DataFrame({name: X[:, j] for j, name in enumerate("abc")})
    mixture = estimator(3, random_state=0).set_output(transform=library)
    out = mixture.fit_transform(frame)
    assert isinstance(out, frames.DataFrame)
    assert list(out.columns) == mixture.get_feature_names_out().tolist()
    np.testing.assert_array_equal(
        out.to_numpy(), fit(X, estimator=estimator, random_state=0).predict_proba(X)
    )
    # Labels, densities and samples are arrays as ever.
    assert isinstance(mixture.predict(frame), np.ndarray)
    assert isinstance(mixture.predict_proba(frame), np.ndarray)
    if library == "pandas":
        moved = frame.set_axis(range(1000, 1150), axis=0)
        assert mixture.transform(moved).index.tolist() == list(range(1000, 1150))


@every_estimator
def test_names_in_another_order_are_an_error(estimator):
    pandas = pytest.importorskip("pandas")
    X, _ = blobs()
    frame = pandas.DataFrame(X, columns=list("abc"))
    mixture = fit(frame, estimator=estimator, random_state=0)
    with pytest.raises(ValueError, match="feature names"):
        mixture.predict(frame[["b", "a", "c"]])
