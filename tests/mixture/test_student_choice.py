"""StudentMixtureIC: Student's t mixtures, chosen by a criterion."""

import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_t

from mixture.tables import assert_same_bits, blobs, many_rows
from skem import EMStudentMixture, GaussianMixtureIC, StudentMixtureIC

FEW = {"covariance_type": ["VVI", "EEE"], "random_state": 0}


def choose(X, *, sample_weight=None, **parameters):
    """Choose, whatever the fits warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StudentMixtureIC(**FEW | parameters).fit(X, sample_weight=sample_weight)


def heavy_tails(n=400, seed=0):
    """Two groups with three degrees of freedom."""
    rng = np.random.default_rng(seed)
    groups = [
        multivariate_t(mean, np.eye(2), df=3).rvs(n // 2, random_state=rng)
        for mean in ([0.0, 0.0], [9.0, 9.0])
    ]
    return np.vstack(groups)


@pytest.mark.core
@many_rows
def test_heavy_tails_are_no_components_of_their_own():
    X = heavy_tails()
    choice = choose(X, n_components=range(1, 6), covariance_type=["EEE", "VVV"])
    assert choice.best_params_ == {"covariance_type": "EEE", "n_components": 2}
    assert (choice.best_estimator_.df_ < 6).all()
    gaussian = GaussianMixtureIC(range(1, 6), covariance_type=["EEE", "VVV"], random_state=0)
    assert gaussian.fit(X).best_params_["n_components"] > 2
    assert choice.best_score_ < gaussian.best_score_


@pytest.mark.parametrize("df", ["component", "shared", 4.0])
def test_columns_are_those_of_single_fits(df):
    X, _ = blobs(n=120, d=2)
    choice = choose(X, n_components=(1, 3), df=df, init_params="kmeans")
    results = choice.results_
    cells = zip(results["covariance_type"], results["n_components"], strict=True)
    for row, (name, k) in enumerate(cells):
        alone = EMStudentMixture(
            k,
            covariance_type=name,
            df=df,
            tol=1e-5,
            max_iter=1000,
            init_params="kmeans",
            random_state=0,
        ).fit(X)
        for criterion in ("bic", "icl", "aic"):
            assert results[criterion][row] == getattr(alone, criterion)(X)
        assert results["n_parameters"][row] == alone.n_parameters()
        if row == choice.best_index_:
            assert_same_bits(choice.best_estimator_, alone, X)
            assert choice.best_estimator_.get_params() == alone.get_params()


def test_all_are_the_fourteen_models_from_one_tree():
    X, _ = blobs(n=90, d=2)
    results = choose(X, n_components=2, covariance_type="all").results_
    assert len(results["bic"]) == 14
    assert not results["error"].any()
    # The best are made again from a search: none ends below a single fit from its tree.
    names = ["covariance_type", "bic"]
    for name, bic in zip(*(results[key] for key in names), strict=True):
        if name in ("EII", "VVV"):
            alone = EMStudentMixture(
                2, covariance_type=name, init_params="hierarchical", tol=1e-5, max_iter=1000
            )
            assert bic <= alone.fit(X).bic(X) + 1e-6


def test_methods_are_those_of_the_best_fit():
    X = heavy_tails(100)
    X[3, 1] = np.nan
    choice = choose(X, n_components=(1, 2), covariance_type="EEE")
    best = choice.best_estimator_
    for method in ("predict", "predict_proba", "score_samples", "scales", "impute"):
        np.testing.assert_array_equal(getattr(choice, method)(X), getattr(best, method)(X))
    np.testing.assert_array_equal(
        choice.sample(5, random_state=0)[0], best.sample(5, random_state=0)[0]
    )
    assert repr(choice.summary()).startswith("StudentMixtureIC: EMStudentMixture: 2 clusters")


def test_weights_noise_and_folds():
    X = heavy_tails(120)
    weight = np.arange(120) % 3
    noisy = choose(X, n_components=2, covariance_type="EEE", noise=True, sample_weight=weight)
    assert 0 <= noisy.best_estimator_.noise_weight_ < 0.2
    assert noisy.results_["n_parameters"][0] == noisy.best_estimator_.n_parameters()
    held_out = choose(X, n_components=(1, 2), covariance_type="EEE", criterion="cv", cv=3)
    assert held_out.best_params_["n_components"] == 2
    assert held_out.best_score_ == held_out.results_["mean_test_score"].max()


BAD_VALUES = {
    "df": ("free", 0.0, None),
    "df_bounds": (3.0, (1.0, 2.0, 3.0)),
    "covariance_type": ("All", ()),
    "noise": (0.0, "yes"),
    "n_components": (0, ()),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, bad in BAD_VALUES.items() for value in bad]
)
def test_a_bad_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"^The '{name}' parameter of StudentMixtureIC must be"):
        StudentMixtureIC(**{name: value}).fit(np.eye(4))


def test_bounds_that_are_none_are_refused_once():
    with pytest.raises(ValueError, match=r"^The parameter 'df_bounds' should be two positive"):
        StudentMixtureIC(df_bounds=(5.0, 2.0)).fit(np.eye(4))
