"""The imputer in scikit-learn's form: what it fills, drops and adds, and what it chooses."""

import pickle
import warnings

import numpy as np
import pytest
from mixture.tables import COMPILED, blobs
from oracles import gaps
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skem import (
    EMGaussianMixture,
    GaussianMixtureIC,
    MixtureImputer,
    VariationalGaussianMixture,
)
from skem.impute import _choice

core = pytest.mark.core
GIVEN = EMGaussianMixture(2, init_params="kmeans", random_state=0)


def table(n=80, d=3, share=0.25, seed=0):
    return gaps.punch(blobs(n, d, 2, seed=seed)[0], share, seed)


@core
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@parametrize_with_checks(
    [
        # Trees, of which the default's choice grows many, are slow without the compiler.
        *([MixtureImputer()] if COMPILED else []),
        MixtureImputer(EMGaussianMixture(), method="draw", random_state=0),
        MixtureImputer(EMGaussianMixture(), add_indicator=True),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@core
@pytest.mark.parametrize(
    "estimator",
    [
        GIVEN,
        VariationalGaussianMixture(2, init_params="kmeans", random_state=0),
        GaussianMixtureIC((1, 2), covariance_type="VVI"),
    ],
)
@pytest.mark.parametrize("method", ["mean", "mode", "draw"])
def test_it_fills_as_its_mixture_does(estimator, method):
    X = table()
    imputer = MixtureImputer(estimator, method=method, random_state=3).fit(X)
    fitted = clone(estimator).fit(X)
    np.testing.assert_array_equal(imputer.transform(X), fitted.impute(X, method, random_state=3))
    assert not hasattr(estimator, "n_features_in_")
    assert get_tags(imputer).input_tags.allow_nan


@core
def test_sample_weight_is_the_mixture_s():
    X, weight = table(), np.random.default_rng(0).integers(0, 3, 80)
    imputer = MixtureImputer(GIVEN).fit(X, sample_weight=weight)
    expected = clone(GIVEN).fit(X, sample_weight=weight)
    np.testing.assert_array_equal(imputer.transform(X), expected.impute(X))


@core
def test_new_rows_may_have_other_cells_missing():
    X = table()
    X[:, 0] = blobs(80, 3, 2)[0][:, 0]
    imputer = MixtureImputer(GIVEN, add_indicator=True).fit(X)
    new = np.array([[np.nan, 1.0, 2.0], [np.nan] * 3, [1.0, 2.0, 3.0]])
    filled = imputer.transform(new)
    assert filled.shape == (3, 5)  # the indicator knows the columns that had holes in fit
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[2, :3], new[2])
    mixture = imputer.estimator_
    np.testing.assert_allclose(filled[1, :3], mixture.weights_ @ mixture.means_, rtol=1e-9)


@core
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicator", [False, True])
def test_columns_without_values_go_as_simple_imputer_s_do(keep, indicator):
    pd = pytest.importorskip("pandas")
    X = table()
    X[:, 1] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    imputer = MixtureImputer(GIVEN, keep_empty_features=keep, add_indicator=indicator)
    simple = SimpleImputer(keep_empty_features=keep, add_indicator=indicator)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        imputer.fit(frame)
        simple.fit(frame)
        expected = simple.transform(frame)
    ours = [str(one.message) for one in said if "['b'] of X have no value" in str(one.message)]
    assert len(ours) == (not keep)
    filled = imputer.transform(frame)
    assert filled.shape == expected.shape
    assert list(imputer.get_feature_names_out()) == list(simple.get_feature_names_out())
    holes = np.isnan(X) if keep else np.isnan(X[:, [0, 2]])
    width = holes.shape[1]
    np.testing.assert_array_equal(filled[:, :width][~holes], expected[:, :width][~holes])
    np.testing.assert_array_equal(filled[:, width:], expected[:, width:])
    if keep:
        np.testing.assert_array_equal(filled[:, 1], 0.0)
        new = np.array([[1.0, 5.0, 2.0]])
        assert imputer.transform(pd.DataFrame(new, columns=["a", "b", "c"]))[0, 1] == 5.0


@core
def test_frames_and_names():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table(), columns=["a", "b", "c"], index=np.arange(80) + 7)
    imputer = MixtureImputer(GIVEN, add_indicator=True).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    names = ["a", "b", "c", *(f"missingindicator_{name}" for name in "abc")]
    assert list(filled.columns) == names
    assert (filled.index == frame.index).all()
    assert list(MixtureImputer(GIVEN).fit(table()).get_feature_names_out()) == ["x0", "x1", "x2"]
    with pytest.raises(ValueError, match="feature"):
        imputer.get_feature_names_out(["q", "r", "s"])
    nullable = frame.convert_dtypes().astype("Float64")
    np.testing.assert_array_equal(
        MixtureImputer(GIVEN).fit_transform(nullable), MixtureImputer(GIVEN).fit_transform(frame)
    )


@core
def test_before_any_estimator():
    X, _ = blobs(120, 3, 2)
    y = X @ [1.0, -2.0, 0.5]
    pipe = make_pipeline(MixtureImputer(GIVEN), LinearRegression())
    assert cross_val_score(pipe, gaps.punch(X, 0.1, 0), y, cv=3).mean() > 0.5
    pickled = pickle.loads(pickle.dumps(pipe.fit(X, y)))
    np.testing.assert_array_equal(pickled.predict(X), pipe.predict(X))


@core
def test_draws_are_the_same_for_one_seed():
    X = table()
    fixed = MixtureImputer(GIVEN, method="draw", random_state=0).fit(X)
    np.testing.assert_array_equal(fixed.transform(X), fixed.transform(X))
    free = MixtureImputer(GIVEN, method="draw").fit(X)
    assert (free.transform(X) != free.transform(X))[np.isnan(X)].all()


def test_the_default_chooses_what_imputes_best():
    """Two far clusters with opposite correlations; then a single Gaussian."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    up = np.column_stack([x, x + 0.1 * rng.normal(size=60)])
    down = np.column_stack([x + 10.0, -x + 0.1 * rng.normal(size=60)])
    X = gaps.punch(np.r_[up, down], 0.2, 0)
    imputer = MixtureImputer(random_state=0).fit(X)
    assert (imputer.estimator_.covariance_type, imputer.estimator_.n_components) == ("full", 2)
    again = MixtureImputer(random_state=0).fit(X)
    np.testing.assert_array_equal(again.transform(X), imputer.transform(X))
    one = np.linalg.cholesky([[1.0, 0.8], [0.8, 1.0]]) @ rng.normal(size=(2, 80))
    Y = gaps.punch(one.T, 0.2, 1)
    filled = MixtureImputer(random_state=0).fit_transform(Y)
    reference = EMGaussianMixture(1, tol=1e-6, max_iter=500).fit(Y).impute(Y)
    holes = np.isnan(Y)
    rmse = [np.sqrt(np.mean((each - one.T)[holes] ** 2)) for each in (filled, reference)]
    assert rmse[0] < 1.1 * rmse[1]


@core
def test_the_default_on_small_and_odd_tables():
    for X in (
        [[1.0, np.nan], [2.0, 3.0]],
        [[1.0], [np.nan], [3.0]],
        [[1.0, 2.0]],
        [[np.nan, 2.0], [1.0, np.nan]],
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filled = MixtureImputer(random_state=0).fit_transform(X)
        assert np.isfinite(filled).all()


@core
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": LinearRegression()}, "'estimator' parameter of MixtureImputer"),
        ({"estimator": EMGaussianMixture}, "'estimator' parameter of MixtureImputer"),
        ({"method": "median"}, "'method' parameter of MixtureImputer"),
        ({"add_indicator": "yes"}, "'add_indicator' parameter"),
        ({"keep_empty_features": 1}, "'keep_empty_features' parameter"),
        ({"random_state": -1}, "'random_state' parameter"),
    ],
)
def test_what_may_not_be(options, words):
    with pytest.raises(ValueError, match=words):
        MixtureImputer(**options).fit(table())


@core
def test_no_value_at_all_and_infinite_ones():
    with pytest.raises(ValueError, match="No column of X has any value"):
        MixtureImputer().fit(np.full((5, 2), np.nan))
    X = table()
    imputer = MixtureImputer(GIVEN).fit(X)
    X[0, 0] = np.inf
    for ask in (imputer.fit, imputer.transform):
        with pytest.raises(ValueError, match="infinity"):
            ask(X)


@core
def test_a_choice_on_some_of_many_rows(monkeypatch):
    monkeypatch.setattr(_choice, "_ROWS", 25)
    X = table(d=2)
    X = np.column_stack([X, np.full(80, np.nan)])
    X[3, 2] = 1.0  # not among the rows that are looked at, most likely
    filled = MixtureImputer(random_state=0).fit_transform(X)
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(filled[:, 2], 1.0, atol=1e-6)


@core
def test_components_on_repeated_rows_are_not_chosen():
    """Two points, each many times, and some rows: more components would collapse onto them."""
    rng = np.random.default_rng(0)
    X = np.r_[np.zeros((20, 2)), np.ones((20, 2)), rng.normal(size=(20, 2))]
    X[::7, 0] = np.nan
    mixture = _choice.choose_mixture(X, None, np.random.RandomState(0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixture.fit(X)
    assert not [warning for warning in caught if "collapsed" in str(warning.message)]


@core
def test_fits_that_fail_are_not_chosen(monkeypatch):
    real = _choice.fit_quietly

    def fit(mixture, *arguments):
        if mixture.n_components > 1:
            raise ValueError("not this one")
        return real(mixture, *arguments)

    monkeypatch.setattr(_choice, "fit_quietly", fit)
    mixture = _choice.choose_mixture(table(), None, np.random.RandomState(0))
    assert (mixture.covariance_type, mixture.n_components) == ("full", 1)


def test_warnings_write_columns_without_names_as_numbers():
    X = np.random.default_rng(0).normal(size=(50, 4))
    X[:, 2], X[0, 0] = 1.0, np.nan
    with pytest.warns(ConvergenceWarning, match=r"Column\(s\) \[2\] of X are constant"):
        MixtureImputer(random_state=0).fit(X)
