"""The detector in scikit-learn's form, its thresholds, and its robust default."""

import pickle
import warnings

import numpy as np
import pytest
from mixture.tables import COMPILED, blobs
from scipy.stats import chi2, multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skem import (
    VAE,
    EMGaussianMixture,
    EMMixture,
    EMStudentMixture,
    GaussianMixtureIC,
    MixtureOutlierDetector,
    VariationalGaussianMixture,
)

core = pytest.mark.core

COVARIANCE = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])


def normal_rows(n, seed=0):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(3), COVARIANCE, n)


@core
@pytest.mark.filterwarnings("ignore:Column:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*too few for the covariances:UserWarning")
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@parametrize_with_checks(
    [
        # Trees, of which the default's choice grows one, are slow without the compiler.
        *([MixtureOutlierDetector()] if COMPILED else []),
        MixtureOutlierDetector(EMGaussianMixture(), contamination=0.1),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# --- models ---------------------------------------------------------------------------------

MODELS = [
    EMGaussianMixture(2, random_state=0),
    VariationalGaussianMixture(2, random_state=0),
    GaussianMixtureIC((1, 2), random_state=0),
    make_pipeline(StandardScaler(), EMGaussianMixture(2, random_state=0)),
    EMStudentMixture(2, random_state=0),
    EMGaussianMixture(2, noise=True, random_state=0),
    # Scores of many samples are slow without the compiler.
    *([VAE(1, hidden_layer_sizes=(4,), max_epochs=2, random_state=0)] if COMPILED else []),
]


@core
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_are_those_of_a_clone_of_the_model(model):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(blobs(90, 3, 2)[0], columns=["a", "b", "c"])
    expected = clone(model).fit(X).score_samples(X)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*feature names")
        detector = MixtureOutlierDetector(model, random_state=0).fit(X)
        scores = detector.score_samples(X)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    np.testing.assert_array_equal(detector.decision_function(X), scores - detector.offset_)
    np.testing.assert_array_equal(detector.predict(X), np.where(scores < detector.offset_, -1, 1))
    assert not hasattr(model, "n_features_in_")
    assert list(detector.feature_names_in_) == ["a", "b", "c"]
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.predict(X), detector.predict(X))


@core
def test_columns_of_other_kinds():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(normal_rows(150), columns=["a", "b", "c"])
    frame["kind"] = pd.Categorical(rng.choice(["u", "v"], 150))
    frame["count"] = rng.poisson(3, 150)
    model = EMMixture(1, random_state=0)
    detector = MixtureOutlierDetector(model, random_state=0).fit(frame)
    expected = clone(model).fit(frame).score_samples(frame)
    np.testing.assert_allclose(detector.score_samples(frame), expected, rtol=1e-9)
    assert list(detector.explain_density(frame)["expected"].columns) == list(frame.columns)
    # A row without a cell scores as its completions do on average.
    holed = frame.copy()
    holed.loc[:99, "kind"] = np.nan
    holed.loc[50:, "count"] = np.nan
    scores = detector.score_samples(holed)
    fitted = detector.estimator_
    filled = [
        fitted.score_samples(fitted.impute(holed, "draw", random_state=seed)) for seed in range(100)
    ]
    # Means over 50 and 100 draws, of scores whose deviation is below 1.5.
    assert np.abs(scores - np.mean(filled, axis=0)).max() < 1.0
    assert np.mean(scores - np.mean(filled, axis=0)) == pytest.approx(0.0, abs=0.05)


@core
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: make_pipeline(StandardScaler(), m)])
def test_a_frozen_model_is_kept(wrap):
    X = normal_rows(100)
    fitted = wrap(EMGaussianMixture(2, random_state=0)).fit(X)
    expected = fitted.score_samples(X + 5.0)
    weights = np.ones(100)
    detector = MixtureOutlierDetector(FrozenEstimator(fitted), contamination=0.1)
    detector.fit(X + 5.0, sample_weight=weights)
    np.testing.assert_array_equal(detector.score_samples(X + 5.0), expected)


@core
def test_weights_reach_the_model_and_the_percentile():
    X, weights = normal_rows(60), np.random.default_rng(0).integers(0, 3, 60)
    model = make_pipeline(StandardScaler(), EMGaussianMixture())
    weighted = MixtureOutlierDetector(model, contamination=0.1).fit(X, sample_weight=weights)
    expected = clone(model).fit(X, emgaussianmixture__sample_weight=weights)
    np.testing.assert_array_equal(weighted.score_samples(X), expected.score_samples(X))
    repeated = MixtureOutlierDetector(FrozenEstimator(expected), contamination=0.1)
    repeated.fit(np.repeat(X, weights, axis=0))
    assert weighted.offset_ == repeated.offset_


@core
def test_what_cannot_be_done_says_so():
    X = normal_rows(30)
    with pytest.raises(ValueError, match=r"GaussianMixture\(\) takes none: leave it out"):
        MixtureOutlierDetector(GaussianMixture(), contamination=0.1).fit(X, sample_weight=X[:, 0])
    with pytest.raises(ValueError, match=r"GaussianMixture\(\) has no sample.*as a float"):
        MixtureOutlierDetector(GaussianMixture()).fit(X)
    with pytest.raises(ValueError, match=r"an estimator that has `score_samples`.*Got Standard"):
        MixtureOutlierDetector(StandardScaler()).fit(X)
    piped = MixtureOutlierDetector(make_pipeline(StandardScaler(), EMGaussianMixture()))
    with pytest.raises(AttributeError, match="explain_density"):
        _ = piped.fit(X).explain_density
    # Other libraries' densities are welcome.
    MixtureOutlierDetector(KernelDensity(), random_state=0).fit(X)


# --- thresholds -----------------------------------------------------------------------------


@core
def test_auto_is_the_density_that_one_percent_of_the_models_rows_fall_short_of():
    one = EMGaussianMixture.from_parameters([1.0], [[1.0, 2.0, 3.0]], [COVARIANCE])
    detector = MixtureOutlierDetector(FrozenEstimator(one), random_state=0).fit(normal_rows(5))
    height = multivariate_normal(np.zeros(3), COVARIANCE).logpdf(np.zeros(3))
    share = chi2.sf(2 * (height - detector.offset_), 3)
    # Four standard errors of a share of 1 % among 10 000 rows.
    assert share == pytest.approx(0.01, abs=0.004)


@core
@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("n", [99, 100])
def test_a_float_is_the_share_of_training_rows(contamination, n):
    X = normal_rows(n)
    detector = MixtureOutlierDetector(EMGaussianMixture(), contamination=contamination)
    labels = detector.fit_predict(X)
    assert np.sum(labels == -1) == int(contamination * n)
    worst = np.argsort(detector.score_samples(X))[: int(contamination * n)]
    assert (labels[worst] == -1).all()


@core
@pytest.mark.parametrize("contamination", [0, 0.0, -0.1, 0.51, np.nan, "often", None, True])
def test_other_contaminations_are_refused(contamination):
    with pytest.raises(ValueError, match=r"'contamination' parameter.*Got"):
        MixtureOutlierDetector(contamination=contamination).fit(normal_rows(10))


@core
def test_missing_cells_change_no_threshold():
    """Rows with gaps are flagged about as often as others, whatever the units."""
    X = normal_rows(2000) * [1e3, 1.0, 1e-3]
    holed = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
    mixture = EMGaussianMixture().fit(X)
    detector = MixtureOutlierDetector(FrozenEstimator(mixture), contamination=0.05).fit(X)
    flagged = detector.predict(holed) == -1
    for gaps in (0, 1):
        share = flagged[np.isnan(holed).sum(axis=1) == gaps].mean()
        assert 0.015 < share < 0.09
    assert get_tags(MixtureOutlierDetector()).input_tags.allow_nan
    assert not get_tags(MixtureOutlierDetector(VAE())).input_tags.allow_nan


# --- the default ----------------------------------------------------------------------------


@core
def test_the_default_finds_a_normal_distribution_and_flags_one_percent_of_it():
    detector = MixtureOutlierDetector(random_state=0).fit(normal_rows(2000))
    new = normal_rows(20_000, seed=1)
    assert 0.005 < np.mean(detector.predict(new) == -1) < 0.02
    truth = multivariate_normal(np.zeros(3), COVARIANCE).logpdf(new)
    assert np.corrcoef(truth, detector.score_samples(new))[0, 1] > 0.97


@core
@pytest.mark.parametrize("columns", [[0], [0, 1, 2]])
@pytest.mark.parametrize("far", [30.0, 1e6])
def test_a_fifth_of_the_rows_far_away_are_all_found(columns, far):
    X = normal_rows(300)
    X[240:, columns] += far
    labels = MixtureOutlierDetector(random_state=0).fit_predict(X)
    assert (labels[240:] == -1).all()
    assert np.mean(labels[:240] == -1) < 0.03


@pytest.mark.skipif(not COMPILED, reason="grows trees")
def test_the_default_is_not_upside_down():
    """Where mixtures of three components give outliers a component of their own."""
    rng = np.random.default_rng(0)
    X, target = load_breast_cancer(return_X_y=True)
    benign, malignant = X[target == 1], X[target == 0]
    rows = np.vstack([benign, rng.permutation(malignant)[:19]])
    odd = np.r_[np.zeros(len(benign)), np.ones(19)]
    detector = MixtureOutlierDetector(random_state=0).fit(rows)
    assert roc_auc_score(odd, -detector.score_samples(rows)) > 0.9


@pytest.mark.skipif(not COMPILED, reason="grows trees")
def test_clusters_of_many_rows_have_components():
    X = load_iris().data[:100]
    detector = MixtureOutlierDetector(random_state=0).fit(X)
    assert len(detector.estimator_.weights_) == 2
    between = X.mean(axis=0, keepdims=True)
    assert detector.predict(between) == -1


@core
def test_units_and_the_order_of_rows_do_not_matter():
    X = normal_rows(80)
    scores = MixtureOutlierDetector(random_state=0).fit(X).decision_function(X)
    order = np.random.default_rng(0).permutation(80)
    unit = np.array([1e-9, 1.0, 1e9])
    moved = X[order] * unit + 3 * unit
    other = MixtureOutlierDetector(random_state=0).fit(moved).decision_function(moved)
    # The threshold is made from random samples, which the order of components and units leave.
    np.testing.assert_allclose(other, scores[order], rtol=1e-5, atol=1e-5)


@core
def test_weights_of_the_default_count_rows():
    X, weights = normal_rows(60), np.random.default_rng(0).integers(0, 3, 60)
    weighted = MixtureOutlierDetector(random_state=0).fit(X, sample_weight=weights)
    repeated = MixtureOutlierDetector(random_state=0).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.score_samples(X), repeated.score_samples(X), rtol=1e-8)


@core
def test_bad_tables_of_the_default():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="All rows of X are equal"):
        MixtureOutlierDetector().fit(np.ones((5, 2)))
    frame = pd.DataFrame(normal_rows(20), columns=["a", "b", "c"])
    frame["b"] = 1.0
    with pytest.warns(UserWarning, match=r"Column\(s\) \['b'\] of X are constant") as said:
        MixtureOutlierDetector().fit(frame)
    assert said[0].filename == __file__
    frame["b"] = "u"
    says = r"Column 'b' of X holds text: 'u' in row 0. .*estimator=EMMixture\(\.\.\.\) takes it"
    with pytest.raises(ValueError, match=says):
        MixtureOutlierDetector().fit(frame)
    with pytest.raises(ValueError, match="n_samples = 1"):
        MixtureOutlierDetector().fit(normal_rows(1))
    frame["b"] = np.nan
    with pytest.raises(ValueError, match=r"Column\(s\) \['b'\] of X have no value"):
        MixtureOutlierDetector().fit(frame)
    with pytest.warns(UserWarning, match="3 rows of X are too few for the covariances of 3"):
        MixtureOutlierDetector().fit(normal_rows(3))


@core
def test_it_explains_by_its_mixture():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(normal_rows(50), columns=["a", "b", "c"])
    detector = MixtureOutlierDetector(random_state=0).fit(frame)
    expected = detector.estimator_.explain_density(frame)
    pd.testing.assert_frame_equal(detector.explain_density(frame), expected)
    assert list(expected["alone"].columns) == ["a", "b", "c"]
