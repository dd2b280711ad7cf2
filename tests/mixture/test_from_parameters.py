"""Fitted mixtures from given parameters, and attributes that are set by hand."""

import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from mixture.tables import blobs, dense_covariances, every_estimator, every_type, fit
from skem import EMGaussianMixture, VariationalGaussianMixture
from skem.families import GAUSSIAN_FAMILIES

WEIGHTS = [0.2, 0.5, 0.3]
MEANS = np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 2.0]])
COVARIANCES = {
    "full": [[[1.0, 0.5], [0.5, 2.0]], [[2.0, -0.3], [-0.3, 0.4]], [[0.5, 0.0], [0.0, 0.5]]],
    "tied": [[1.0, 0.5], [0.5, 2.0]],
    "diag": [[1.0, 2.0], [0.5, 0.3], [4.0, 1.0]],
    "spherical": [1.0, 0.5, 2.0],
}


def given(covariance_type, **parameters):
    return EMGaussianMixture.from_parameters(
        WEIGHTS,
        MEANS,
        COVARIANCES[covariance_type],
        covariance_type=covariance_type,
        **parameters,
    )


def log_joint(mixture, X):
    """By scipy, from weights, means and covariances."""
    parts = zip(mixture.weights_, mixture.means_, dense_covariances(mixture), strict=True)
    return np.log([w * multivariate_normal(m, c).pdf(X) for w, m, c in parts]).T


@every_type
def test_scores_are_those_of_the_parameters(covariance_type):
    X = np.random.default_rng(0).normal(scale=3.0, size=(50, 2))
    mixture = given(covariance_type)
    expected = log_joint(mixture, X)
    density = np.logaddexp.reduce(expected, axis=1)
    np.testing.assert_allclose(mixture.score_samples(X), density, rtol=1e-10)
    np.testing.assert_array_equal(mixture.predict(X), expected.argmax(axis=1))
    np.testing.assert_allclose(
        mixture.predict_proba(X), np.exp(expected - density[:, None]), atol=1e-10
    )
    parameters = {"full": 17, "tied": 11, "diag": 14, "spherical": 11}[covariance_type]
    assert mixture.bic(X) == pytest.approx(-2 * density.sum() + parameters * np.log(50))
    assert mixture.aic(X) == pytest.approx(-2 * density.sum() + parameters * 2)


@every_type
def test_samples_are_of_the_parameters(covariance_type):
    mixture = given(covariance_type, random_state=0)
    X, labels = mixture.sample(100_000)
    more, _ = mixture.sample(100_000)
    assert not np.array_equal(X, more)
    np.testing.assert_allclose(np.bincount(labels) / len(X), WEIGHTS, atol=0.01)
    for k, covariance in enumerate(dense_covariances(mixture)):
        np.testing.assert_allclose(X[labels == k].mean(axis=0), MEANS[k], atol=0.05)
        np.testing.assert_allclose(np.cov(X[labels == k].T), covariance, atol=0.1)
    again, _ = given(covariance_type, random_state=0).sample(100_000)
    np.testing.assert_array_equal(again, X)


@pytest.mark.parametrize("covariance_type", GAUSSIAN_FAMILIES)
def test_fitted_parameters_make_the_same_mixture(covariance_type):
    X, _ = blobs(d=3, k=3)
    fitted = fit(X, 3, covariance_type=covariance_type, random_state=0)
    mixture = EMGaussianMixture.from_parameters(
        fitted.weights_, fitted.means_, fitted.covariances_, covariance_type=covariance_type
    )
    np.testing.assert_allclose(mixture.score_samples(X), fitted.score_samples(X), rtol=1e-8)
    np.testing.assert_allclose(mixture.precisions_, fitted.precisions_, rtol=1e-6, atol=1e-9)
    assert mixture.icl(X) == pytest.approx(fitted.icl(X), rel=1e-8)


TWO = [[0.0, 0.0], [3.0, 3.0]]
DIFFERENT = np.array([[[2.0, 0.6], [0.6, 1.0]], [[1.0, 0.2], [0.2, 5.0]]])


@pytest.mark.parametrize("covariance_type", ["VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
def test_covariances_need_the_structure(covariance_type):
    with pytest.raises(ValueError, match=f"structure of covariance_type='{covariance_type}'"):
        EMGaussianMixture.from_parameters(
            [0.5, 0.5], TWO, DIFFERENT, covariance_type=covariance_type
        )


@pytest.mark.parametrize("covariance_type", ["EII", "EEI", "VEI", "EVI"])
def test_variances_need_the_structure(covariance_type):
    with pytest.raises(ValueError, match=f"structure of covariance_type='{covariance_type}'"):
        EMGaussianMixture.from_parameters(
            [0.5, 0.5], TWO, [[1.0, 2.0], [3.0, 1.0]], covariance_type=covariance_type
        )


def test_where_reg_covar_rules_the_structure_is_not_asked_for():
    # Two variances of a hundred millionth of the spread between the means: not EVI to the digit.
    thin = [[1.0, 1e-9], [1.0, 3e-9]]
    common = {"covariance_type": "EVI"}
    EMGaussianMixture.from_parameters([0.5, 0.5], TWO, thin, **common)
    with pytest.raises(ValueError, match="structure"):
        EMGaussianMixture.from_parameters([0.5, 0.5], TWO, thin, **common, reg_covar=0.0)


def test_variances_without_precisions_are_refused():
    with pytest.raises(ValueError, match=r"precisions_ would be out of the range of float64"):
        EMGaussianMixture.from_parameters(
            [1.0], [[0.0, 0.0]], [[1.0, 1e-310]], covariance_type="diag"
        )


def test_few_digits_are_enough():
    fitted = fit(blobs(d=2, k=2)[0], 2, covariance_type="VEV", random_state=0)
    written = np.array([[float(f"{x:.5g}") for x in c.ravel()] for c in fitted.covariances_])
    EMGaussianMixture.from_parameters(
        fitted.weights_, fitted.means_, written.reshape(2, 2, 2), covariance_type="VEV"
    )


def test_units_of_columns_do_not_matter():
    scale = np.array([1e-8, 1e8])
    covariances = DIFFERENT * scale[:, None] * scale
    mixture = EMGaussianMixture.from_parameters([0.5, 0.5], TWO * scale, covariances)
    plain = EMGaussianMixture.from_parameters([0.5, 0.5], TWO, DIFFERENT)
    X = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(
        mixture.score_samples(X * scale), plain.score_samples(X) - np.log(scale).sum(), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [0.5, 0.6]}, "'weights' should be normalized"),
        ({"weights": [1.5, -0.5]}, "'weights' should be in the range"),
        ({"weights": [[0.5, 0.5]]}, "'weights' should have the shape of"),
        ({"means": [[0.0, 0.0]]}, "'means' should have the shape of"),
        ({"means": [[0.0, np.nan], [1.0, 1.0]]}, "NaN"),
        ({"covariances": DIFFERENT[0]}, "'covariances' should have the shape of"),
        ({"covariances": -DIFFERENT}, "'covariances' should be symmetric, positive-definite"),
        ({"covariances": np.triu(DIFFERENT)}, "'covariances' should be symmetric"),
        ({"covariances": DIFFERENT * np.inf}, "'covariances' must be finite"),
        ({"covariance_type": "round"}, "'covariance_type' parameter of EMGaussianMixture"),
        ({"tol": -1.0}, "'tol' parameter of EMGaussianMixture"),
    ],
)
def test_bad_parameters(change, message):
    parameters = {"weights": [0.5, 0.5], "means": TWO, "covariances": DIFFERENT}
    with pytest.raises(ValueError, match=message):
        EMGaussianMixture.from_parameters(**(parameters | change))


def test_a_component_without_weight():
    mixture = EMGaussianMixture.from_parameters([1.0, 0.0], TWO, DIFFERENT)
    assert (mixture.predict(np.random.default_rng(0).normal(size=(20, 2))) == 0).all()


def test_names_of_columns_are_kept():
    pandas = pytest.importorskip("pandas")
    means = pandas.DataFrame(TWO, columns=["a", "b"])
    mixture = EMGaussianMixture.from_parameters([0.5, 0.5], means, DIFFERENT, random_state=0)
    assert mixture.feature_names_in_.tolist() == ["a", "b"]
    frame, labels = mixture.sample(5, as_frame=True)
    assert list(frame.columns) == ["a", "b"]
    assert (labels.name, len(labels)) == ("cluster", 5)
    with pytest.raises(ValueError, match="feature names"):
        mixture.predict(frame[["b", "a"]])


def test_it_is_an_estimator_as_others_are():
    mixture = given("full", tol=1e-7)
    assert (mixture.n_components, mixture.tol) == (3, 1e-7)
    copied = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(copied.predict(MEANS), [0, 1, 2])
    with pytest.raises(NotFittedError):
        clone(mixture).predict(MEANS)
    assert "size" not in mixture.summary().table()
    assert mixture.summary().title.endswith("given parameters")


def test_fits_go_on_from_there():
    X, _ = given("full", random_state=0).sample(2000)
    # Components keep their order although their weights do not fall.
    mixture = given("full", warm_start=True).fit(X)
    np.testing.assert_allclose(mixture.means_, MEANS, atol=0.3)
    step = given("full").partial_fit(X)
    np.testing.assert_allclose(step.means_, MEANS, atol=0.3)
    assert step.summary().sizes.sum() == pytest.approx(2000)
    assert len(step.lower_bounds_) == 1


@every_estimator
def test_attributes_by_hand_name_the_way(estimator):
    mixture = estimator(2)
    mixture.weights_, mixture.means_ = np.array([0.5, 0.5]), np.array(TWO)
    mixture.covariances_ = DIFFERENT
    for ask in (mixture.sample, lambda: mixture.predict(TWO), mixture.summary):
        with pytest.raises(NotFittedError, match=r"no precisions_cholesky_.*from_parameters"):
            ask()


def test_posteriors_by_hand_name_the_way():
    mixture = VariationalGaussianMixture(2)
    fitted = EMGaussianMixture.from_parameters([0.5, 0.5], TWO, DIFFERENT)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(mixture, name, getattr(fitted, name))
    with pytest.raises(NotFittedError, match="no weight_concentration_, mean_precision_"):
        mixture.sample()


def test_all_attributes_by_hand_are_enough():
    fitted = given("full")
    mixture = EMGaussianMixture(3, random_state=0)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(mixture, name, getattr(fitted, name))
    for n_features in (1, 3):
        with pytest.raises(ValueError, match=f"X has {n_features} features, .* expecting 2"):
            mixture.predict(np.zeros((4, n_features)))
    X, labels = mixture.sample(1000)
    assert (mixture.predict(X) == labels).mean() > 0.9
    np.testing.assert_array_equal(
        mixture.sample(7, random_state=3)[0], fitted.sample(7, random_state=3)[0]
    )
