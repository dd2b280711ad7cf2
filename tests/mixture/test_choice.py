"""GaussianMixtureIC: every fit of the grid, the choice among them, and what fails."""

import pickle
import threading
import warnings
from itertools import product

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mixture.tables import assert_same_bits, blobs, many_rows
from skem import EMGaussianMixture, GaussianMixtureIC
from skem.datasets import load_faithful
from skem.families import GAUSSIAN_FAMILIES
from skem.mixture._fitting import fit_quietly

FOURTEEN = [
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE"),
    *("VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"),
]
# Beside the tests of all fourteen, two models are enough.
FEW = {"n_components": (1, 2, 3), "covariance_type": ["VVI", "EEE"], "random_state": 0}


def choose(X, *, sample_weight=None, **parameters):
    """Choose, whatever the fits warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixtureIC(**parameters).fit(X, sample_weight=sample_weight)


@pytest.fixture(scope="module")
def iris():
    return choose(load_iris().data, random_state=0)


@pytest.mark.core
@many_rows
def test_the_best_of_iris_is_mclusts(iris):
    # mclust 6.0.0: VEV, 2, BIC -561.7285 in its sign; to a tighter tolerance it is higher.
    assert iris.best_params_ == {"covariance_type": "VEV", "n_components": 2}
    assert iris.best_score_ <= 561.7285


@many_rows
def test_the_best_of_old_faithful_is_mclusts():
    choice = choose(load_faithful().data, random_state=0)
    assert choice.best_params_ == {"covariance_type": "EEE", "n_components": 3}
    assert choice.best_score_ <= 2314.316


@many_rows
def test_all_are_the_fourteen_models_of_mclust_by_one_to_nine(iris):
    results = iris.results_
    cells = list(zip(results["covariance_type"], results["n_components"], strict=True))
    assert cells == list(product(FOURTEEN, range(1, 10)))
    assert {len(column) for column in results.values()} == {126}


def test_columns_are_those_of_single_fits():
    X, _ = blobs(d=2)
    choice = choose(X, **FEW, init_params="kmeans")
    results = choice.results_
    for row, (name, k) in enumerate(product(FEW["covariance_type"], FEW["n_components"])):
        alone = EMGaussianMixture(
            k,
            covariance_type=name,
            tol=choice.tol,
            max_iter=choice.max_iter,
            acceleration=choice.acceleration,
            init_params="kmeans",
            random_state=0,
        ).fit(X)
        for criterion in ("bic", "icl", "aic"):
            assert results[criterion][row] == getattr(alone, criterion)(X)
        assert results["log_likelihood"][row] == pytest.approx(
            alone.score_samples(X).sum(), rel=1e-12
        )
        assert results["n_parameters"][row] == alone.n_parameters()
        assert results["n_iter"][row] == alone.n_iter_
        assert results["converged"][row] == alone.converged_
        if row == choice.best_index_:
            assert_same_bits(choice.best_estimator_, alone, X)
            mine, theirs = choice.best_estimator_.get_params(), alone.get_params()
            assert mine == theirs


def test_one_component_has_the_closed_form():
    X, _ = blobs(n=60, d=2)
    choice = GaussianMixtureIC(1, covariance_type="full", reg_covar=0.0).fit(X)
    log_likelihood = multivariate_normal(X.mean(axis=0), np.cov(X.T, ddof=0)).logpdf(X).sum()
    assert choice.best_score_ == pytest.approx(-2 * log_likelihood + 5 * np.log(60), rel=1e-10)
    assert choice.best_score_ == choice.results_["bic"][0] == choice.results_["icl"][0]


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic"])
def test_the_best_has_the_lowest_criterion(criterion):
    X, _ = blobs(d=2, apart=2.0, seed=4)
    choice = choose(X, **FEW, criterion=criterion)
    column = choice.results_[criterion]
    assert choice.best_index_ == np.argmin(column)
    assert choice.best_score_ == column.min()
    np.testing.assert_array_equal(np.argsort(column), np.argsort(choice.results_["rank"]))
    assert sorted(choice.results_["rank"]) == list(range(1, 7))
    fitted = choice.best_estimator_
    assert getattr(fitted, criterion)(X) == choice.best_score_
    assert fitted.n_components == choice.best_params_["n_components"]


def test_cross_validation_is_grid_searchs():
    X, _ = blobs(n=90, d=2, apart=3.0)
    choice = choose(X, **FEW, criterion="cv", cv=3, init_params="kmeans")
    shared = {name: getattr(choice, name) for name in ("tol", "max_iter", "acceleration")}
    single = EMGaussianMixture(**shared, init_params="kmeans", random_state=0)
    grid = {name: FEW[name] for name in ("covariance_type", "n_components")}
    folds = KFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(single, grid, cv=folds).fit(X)
    for name in ("mean_test_score", "std_test_score", "split2_test_score"):
        np.testing.assert_allclose(choice.results_[name], search.cv_results_[name], rtol=1e-12)
    assert choice.best_params_ == search.best_params_
    assert choice.best_score_ == choice.results_["mean_test_score"].max()
    assert choice.results_["rank"][choice.best_index_] == 1
    assert_same_bits(choice.best_estimator_, search.best_estimator_)


def test_a_held_out_score_is_per_row_and_weighted():
    X = np.arange(12.0).reshape(6, 2) ** 1.5
    weight = np.array([1.0, 2.0, 3.0, 1.0, 1.0, 4.0])
    splits = [([1, 2, 3, 4, 5], [0]), ([0, 1, 2], [3, 4, 5])]
    choice = choose(
        X,
        n_components=1,
        covariance_type="diag",
        criterion="cv",
        cv=iter(splits),
        sample_weight=weight,
    )
    held_out = 0.0
    for train, test in splits:
        alone = EMGaussianMixture(covariance_type="diag").fit(X[train], sample_weight=weight[train])
        held_out += weight[test] @ alone.score_samples(X[test])
    assert choice.best_score_ == pytest.approx(held_out / 7.0, rel=1e-9)


def test_any_splitter_is_taken():
    X = np.random.default_rng(0).normal(size=(8, 2))
    choice = choose(X, n_components=1, covariance_type="tied", criterion="cv", cv=LeaveOneOut())
    alone = [
        EMGaussianMixture(covariance_type="tied").fit(np.delete(X, i, axis=0)).score(X[[i]])
        for i in range(8)
    ]
    assert choice.best_score_ == pytest.approx(np.mean(alone), rel=1e-9)
    assert choice.results_["split7_test_score"][0] == pytest.approx(alone[7], rel=1e-9)


def _without_times(choice):
    return {name: column for name, column in choice.results_.items() if name != "fit_time"}


@pytest.mark.parametrize("criterion", ["bic", "cv"])
@pytest.mark.parametrize("worth_a_thread", [0.0, np.inf])
def test_threads_change_no_bit(criterion, worth_a_thread, monkeypatch):
    monkeypatch.setattr("skem.mixture._grid._WORTH_A_THREAD", worth_a_thread)
    X, _ = blobs(n=80, d=2)
    one, *others = [
        choose(X, **FEW, criterion=criterion, n_jobs=n_jobs) for n_jobs in (1, 2, 5, None)
    ]
    for other in others:
        for name, column in _without_times(one).items():
            np.testing.assert_array_equal(_without_times(other)[name], column, err_msg=name)
        assert_same_bits(other.best_estimator_, one.best_estimator_, X)


@pytest.mark.parametrize(("worth_a_thread", "expected"), [(0.0, 2), (np.inf, 1)])
def test_fits_share_threads_where_that_is_worth_it(worth_a_thread, expected, monkeypatch):
    meeting, used = threading.Barrier(expected), set()

    def fit(mixture, kind, X, weights, shown):
        if len(used) < 2:
            used.add(threading.get_ident())
            meeting.wait(timeout=60)  # would never end if there were fewer threads
        return fit_quietly(mixture, kind, X, weights, shown)

    monkeypatch.setattr("skem.mixture._grid._WORTH_A_THREAD", worth_a_thread)
    monkeypatch.setattr("skem.mixture._grid.fit_quietly", fit)
    choose(blobs(n=80, d=2)[0], **FEW, n_jobs=2)
    assert len(used) == expected


def test_a_random_state_is_drawn_from_once():
    X, _ = blobs(n=80, d=2)
    parameters = FEW | {"random_state": None, "init_params": "random"}
    state = np.random.RandomState(5)
    first, second = (choose(X, **parameters | {"random_state": state}) for _ in range(2))
    again = choose(X, **parameters | {"random_state": np.random.RandomState(5)})
    np.testing.assert_array_equal(first.results_["bic"], again.results_["bic"])
    assert (first.results_["bic"] != second.results_["bic"]).any()


def test_integer_weights_are_repeated_rows():
    X, _ = blobs(n=60, d=2, apart=6.0)
    weight = np.arange(60) % 3
    parameters = FEW | {"init_params": "kmeans", "tol": 1e-9}
    weighted = choose(X, **parameters, sample_weight=weight)
    repeated = choose(np.repeat(X, weight, axis=0), **parameters)
    assert weighted.best_params_ == repeated.best_params_
    for name in ("bic", "icl", "aic", "log_likelihood"):
        np.testing.assert_allclose(
            weighted.results_[name][[0, 3]], repeated.results_[name][[0, 3]], rtol=1e-9
        )


def test_fits_that_fail_are_named_and_the_others_go_on():
    X = np.repeat(np.eye(3), 2, axis=0)
    with pytest.warns(FitFailedWarning, match=r"^3 of 4 fits failed") as caught:
        choice = GaussianMixtureIC(
            (1, 7), covariance_type=["spherical", "full"], reg_covar=0.0, random_state=0
        ).fit(X)
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert "spherical with 7, full with 7: Expected n_samples >= n_components" in message
    assert "full with 1: The covariance of component 0 is singular" in message
    results = choice.results_
    assert choice.best_params_ == {"covariance_type": "spherical", "n_components": 1}
    assert np.isfinite(results["bic"]).tolist() == [True, False, False, False]
    assert [error == "" for error in results["error"]] == [True, False, False, False]
    assert results["rank"][0] == 1
    assert results["n_parameters"].tolist() == [4, 34, 9, 69]
    assert not results["converged"][1:].any()


def test_if_every_fit_fails_that_is_an_error():
    with pytest.raises(ValueError, match=r"2 of 2 fits failed.*n_components = 5, n_samples = 3"):
        GaussianMixtureIC((4, 5), covariance_type="full").fit(np.eye(3))


def test_a_fold_that_fails_fails_the_cell():
    X, _ = blobs(n=8, d=2)
    choice = choose(X, n_components=(1, 5), covariance_type="EII", criterion="cv", cv=2)
    assert choice.results_["error"][0] == ""
    assert choice.results_["error"][1].startswith("in fold 0: Expected n_samples >= n_components")
    assert np.isnan(choice.results_["mean_test_score"][1])
    assert np.isfinite(choice.results_["bic"]).all()
    assert choice.best_params_["n_components"] == 1


def test_a_collapsed_fit_is_chosen_only_if_there_is_no_other():
    X, _ = blobs(n=60, d=2)
    X = np.vstack([X, np.tile(X[:1], (20, 1))])  # twenty equal rows: BIC has no limit
    parameters = {"covariance_type": "full", "init_params": "kmeans", "random_state": 0}
    choice = choose(X, n_components=(1, 2, 4), **parameters, n_init=5)
    results = choice.results_
    assert results["collapsed"].tolist() == [False, True, True]
    assert (results["bic"][1:] < results["bic"][0]).all()
    assert choice.best_params_["n_components"] == 1
    assert results["rank"].tolist() == [1, *(2 + np.argsort(results["bic"][1:]))]
    assert "collapsed" in results["warnings"][2]
    with pytest.warns(ConvergenceWarning, match=r"^The best fit: Component\(s\) .* collapsed"):
        alone = GaussianMixtureIC(4, **parameters, n_init=5).fit(X)
    assert alone.best_index_ == 0


def test_the_best_fits_warnings_are_shown_and_others_kept():
    X, _ = blobs(n=80, d=2, apart=1.0)
    with pytest.warns(ConvergenceWarning, match=r"^The best fit: EM did not converge") as caught:
        choice = GaussianMixtureIC((2, 3), covariance_type="full", max_iter=1).fit(X)
    assert [warning.filename for warning in caught] == [__file__]
    assert not choice.results_["converged"].any()
    assert all("did not converge" in text for text in choice.results_["warnings"])


def test_of_one_feature_all_are_mclusts_e_and_v():
    x = load_faithful().data[:, :1]
    choice = choose(x, n_components=(1, 2, 3), random_state=0)
    assert choice.results_["covariance_type"].tolist() == ["EII"] * 3 + ["VII"] * 3
    # What is asked for by name is fitted; these are V again, by their count too.
    twins = choose(x, n_components=(1, 2, 3), covariance_type=["VII", "VVV", "VEE"], random_state=0)
    bic = twins.results_["bic"].reshape(3, 3)
    np.testing.assert_allclose(bic, np.tile(bic[0], (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(bic[0], choice.results_["bic"][3:], rtol=1e-12)


def test_methods_are_those_of_the_best_fit():
    X, _ = blobs(d=2)
    choice = choose(X, **FEW)
    best = choice.best_estimator_
    for method in ("predict", "predict_proba", "score_samples", "transform"):
        np.testing.assert_array_equal(getattr(choice, method)(X), getattr(best, method)(X))
    weight = np.arange(len(X))
    assert choice.score(X) == best.score(X)
    assert choice.score(X, sample_weight=weight) == best.score(X, sample_weight=weight)
    for drawn, expected in zip(
        choice.sample(9, random_state=3), best.sample(9, random_state=3), strict=True
    ):
        np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(clone(choice).fit_predict(X), best.predict(X))
    np.testing.assert_array_equal(
        clone(choice).fit_transform(X, sample_weight=weight),
        clone(choice).fit(X, sample_weight=weight).transform(X),
    )


def test_frames_keep_their_names():
    pandas = pytest.importorskip("pandas")
    X = load_faithful(as_frame=True).data
    choice = choose(X, **FEW).set_output(transform="pandas")
    assert choice.feature_names_in_.tolist() == list(X.columns)
    assert choice.best_estimator_.feature_names_in_.tolist() == list(X.columns)
    k = choice.best_params_["n_components"]
    names = [f"gaussianmixtureic{j}" for j in range(k)]
    assert choice.get_feature_names_out().tolist() == names
    assert choice.transform(X).columns.tolist() == names
    frame = pandas.DataFrame(choice.results_)
    assert len(frame) == 6
    assert frame.sort_values("rank").index[0] == choice.best_index_
    with pytest.raises(ValueError, match="feature names should match"):
        choice.predict(X.rename(columns={"waiting": "w"}))


def test_without_refit_there_are_results_alone():
    X, _ = blobs(d=2)
    choice = choose(X, **FEW, refit=False)
    assert choice.best_params_ == choose(X, **FEW).best_params_
    assert not hasattr(choice, "best_estimator_")
    with pytest.raises(AttributeError, match="refit=False"):
        choice.predict(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError, match="GaussianMixtureIC"):
        getattr(GaussianMixtureIC(), method)(np.eye(2))
    with pytest.raises(NotFittedError):
        GaussianMixtureIC().sample()


def test_in_a_pipeline_with_weights_by_routing():
    X, _ = blobs(d=2)
    weight = np.random.default_rng(0).integers(1, 4, size=len(X)).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            GaussianMixtureIC(**FEW).set_fit_request(sample_weight=True),
        )
        labels = pipe.fit(X, sample_weight=weight).predict(X)
    Z = StandardScaler().fit_transform(X)
    alone = choose(Z, **FEW, sample_weight=weight)
    np.testing.assert_array_equal(labels, alone.predict(Z))
    assert_same_bits(pipe[-1].best_estimator_, alone.best_estimator_)


def test_pickles_are_small_and_the_same():
    X, _ = blobs(n=3000, d=2)
    choice = choose(X, **FEW, init_params="kmeans")
    data = pickle.dumps(choice)
    assert len(data) < 30_000
    np.testing.assert_array_equal(pickle.loads(data).predict(X), choice.predict(X))


def test_float32_is_kept():
    X = blobs(d=2)[0].astype(np.float32)
    choice = choose(X, **FEW)
    assert choice.best_estimator_.means_.dtype == np.float32
    assert choice.transform(X).dtype == np.float32


@pytest.mark.parametrize("covariance_type", sorted(GAUSSIAN_FAMILIES))
def test_every_type_may_be_tried(covariance_type):
    X, _ = blobs(n=80, d=2)
    choice = choose(X, n_components=(1, 2), covariance_type=covariance_type, random_state=0)
    assert set(choice.results_["covariance_type"]) == {covariance_type}
    assert choice.results_["error"].tolist() == ["", ""]


BAD_VALUES = {
    "n_components": (0, (), (1, 0), "2", 1.5, (2.0,), None),
    "covariance_type": ("All", "banded", (), ["full", "all"], None),
    "criterion": ("BIC", None, "loo"),
    "cv": (1, 0, "kfold", 2.5),
    "refit": ("yes", None),
    "tol": (-1.0, None),
    "reg_covar": (-1.0, None),
    "max_iter": (-1, None),
    "n_init": (0, None),
    "acceleration": ("fast", 1),
    "init_params": ("k-means", None),
    "random_state": (-1, "seed"),
    "n_jobs": (0, 1.5),
    "verbose": (-1, "loud"),
    "resolution": ("none", 1.5),
    "noise": (0.0, -1.0, "yes", None),
}


def test_every_parameter_has_bad_values_here():
    assert set(BAD_VALUES) == set(GaussianMixtureIC().get_params())


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, bad in BAD_VALUES.items() for value in bad]
)
def test_a_bad_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"^The '{name}' parameter of GaussianMixtureIC must be"):
        GaussianMixtureIC(**{name: value}).fit(np.eye(4))


@many_rows
def test_the_best_fits_of_several_types_are_made_again():
    # From the tree VVV with 4 components ends 114 lower than from another type's fit.
    X = load_breast_cancer().data[:, :10]
    again = choose(X, n_components=4, random_state=0).results_["bic"]
    alone = [
        choose(X, n_components=4, covariance_type=model).results_["bic"][0] for model in FOURTEEN
    ]
    assert again[-1] < alone[-1] - 50
    assert (again <= np.array(alone) + 1e-6).all()


def test_cells_start_from_those_beside_them():
    # mclust 6.0.0: VVV with 5 components is the best of its 126 fits, by a BIC of 8549.295 (with
    # the other sign). Neither the tree nor the search of a single cell leads there.
    X = load_breast_cancer().data[:, :10]
    choice = GaussianMixtureIC(range(3, 6), covariance_type=["EVV", "VVV"], random_state=0).fit(X)
    assert choice.best_params_ == {"covariance_type": "VVV", "n_components": 5}
    assert choice.best_score_ <= -8549.2
    assert choice.best_score_ == choice.results_["bic"][choice.best_index_]
    assert_allclose(choice.best_score_, choice.best_estimator_.bic(X), rtol=1e-12)
    assert choice.best_estimator_.init_params == "hierarchical"
    assert (np.diff(choice.best_estimator_.weights_) <= 0.0).all()
