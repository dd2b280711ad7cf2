"""Results from the same start are scikit-learn's, and changing the import is enough."""

import inspect

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from mixture.tables import assert_close, blobs, by_weight, every_type, fit, soft_start
from skem import EMGaussianMixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def explicit_start(X, resp, covariance_type, reg_covar):
    """Return scikit-learn's `*_init` for responsibilities, summed row by row."""
    n, d = X.shape
    weight = resp.sum(axis=0)
    means = np.array([np.average(X, axis=0, weights=r) for r in resp.T])
    scatters = []
    for r, mean in zip(resp.T, means, strict=True):
        scatters.append(sum(w * np.outer(x - mean, x - mean) for w, x in zip(r, X, strict=True)))
    scatters = np.array(scatters)
    ridge = reg_covar * np.eye(d)
    full = scatters / weight[:, None, None] + ridge
    variances = np.diagonal(full, axis1=1, axis2=2)
    precisions = {
        "full": np.linalg.inv(full),
        "tied": np.linalg.inv(scatters.sum(axis=0) / n + ridge),
        "diag": 1 / variances,
        "spherical": 1 / variances.mean(axis=1),
    }[covariance_type]
    return {"weights_init": weight / n, "means_init": means, "precisions_init": precisions}


def reference(X, resp, covariance_type, reg_covar, **parameters):
    start = explicit_start(X, resp, covariance_type, reg_covar)
    return GaussianMixture(
        resp.shape[1],
        covariance_type=covariance_type,
        reg_covar=reg_covar,
        **start,
        **parameters,
    ).fit(X)


def assert_same_answers(ours, theirs, X, tolerance=1e-10):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    for method in ("score_samples", "predict_proba", "score", "bic", "aic"):
        np.testing.assert_allclose(
            getattr(ours, method)(X),
            getattr(theirs, method)(X),
            rtol=tolerance,
            atol=tolerance,
            err_msg=method,
        )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


TABLES = {
    "iris": (load_iris().data, 3),
    "wine": (load_wine().data[:, :6], 2),
    "blobs": (3 + blobs(n=200, d=5, k=4, seed=7)[0], 4),
    "one column": (blobs(n=120, d=1, k=2, seed=3)[0], 2),
}


@every_type
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("iterations", [{"max_iter": 1}, {"max_iter": 7, "tol": 0.0}, {}])
def test_standardised_rows_from_the_same_responsibilities(name, covariance_type, iterations):
    X, k = TABLES[name]
    X = StandardScaler().fit_transform(X)
    resp = soft_start(len(X), k)
    theirs = reference(X, resp, covariance_type, 1e-6, **iterations)
    ours = fit(X, k, covariance_type=covariance_type, init_params=resp, **iterations)
    assert_same_answers(ours, theirs, X)


@every_type
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("iterations", [{"max_iter": 1}, {"max_iter": 7, "tol": 0.0}, {}])
def test_raw_rows_without_a_ridge_from_the_same_responsibilities(name, covariance_type, iterations):
    X, k = TABLES[name]
    resp = soft_start(len(X), k)
    theirs = reference(X, resp, covariance_type, 0.0, **iterations)
    ours = fit(X, k, covariance_type=covariance_type, init_params=resp, reg_covar=0.0, **iterations)
    assert_same_answers(ours, theirs, X)


@every_type
@pytest.mark.parametrize("reg_covar", [0.0, pytest.param(1e-6, marks=pytest.mark.core), 0.1])
def test_the_given_parameters_lead_to_the_same_answers(covariance_type, reg_covar):
    X = StandardScaler().fit_transform(load_iris().data)
    start = explicit_start(X, soft_start(150, 3, seed=4), covariance_type, 1e-6)
    common = {"covariance_type": covariance_type, "reg_covar": reg_covar, "tol": 0}
    stepping = GaussianMixture(3, max_iter=1, warm_start=True, **start, **common)
    scores = [stepping.fit(X).score(X) for _ in range(20)]
    # A ridge is no part of the likelihood: where it makes scikit-learn's fall, ours ends.
    falls = np.flatnonzero(np.diff(scores) < -1e-9)
    n_iter = falls[0] + 1 if len(falls) else 20
    assert n_iter > 3
    theirs = GaussianMixture(3, max_iter=n_iter, **start, **common).fit(X)
    common["resolution"] = None
    ours = fit(X, 3, max_iter=n_iter, **start, **common)
    assert_same_answers(ours, theirs, X)
    longer = fit(X, 3, max_iter=20, **start, **common)
    if len(falls):
        assert (longer.converged_, longer.n_iter_) == (True, n_iter + 1)
        assert_close(longer, ours, rtol=0, atol=0)


@every_type
def test_bounds_are_scikit_learns_one_step_later(covariance_type):
    X = StandardScaler().fit_transform(load_wine().data[:, :5])
    resp = soft_start(len(X), 3, seed=1)
    theirs = reference(X, resp, covariance_type, 1e-6)
    ours = fit(X, 3, covariance_type=covariance_type, init_params=resp)
    if not hasattr(theirs, "lower_bounds_"):
        pytest.skip("this scikit-learn keeps no lower_bounds_")
    np.testing.assert_allclose(ours.lower_bounds_[:-1], theirs.lower_bounds_[1:], rtol=1e-10)
    assert ours.lower_bound_ == pytest.approx(theirs.score(X), rel=1e-12)


@every_type
@pytest.mark.parametrize("init_params", ["kmeans", "random"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_start_method_and_seed(covariance_type, init_params, seed):
    X = StandardScaler().fit_transform(blobs(n=180, d=4, k=3, seed=seed)[0])
    common = {
        "covariance_type": covariance_type,
        "init_params": init_params,
        "random_state": seed,
    }
    theirs = by_weight(GaussianMixture(3, **common).fit(X))
    assert_same_answers(fit(X, 3, **common), theirs, X, 1e-6)


# The tied start of scikit-learn divides the scatter of all rows by the few that were chosen.
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
@pytest.mark.parametrize("init_params", ["k-means++", "random_from_data"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_chosen_rows(covariance_type, init_params, seed):
    X = StandardScaler().fit_transform(blobs(n=180, d=4, k=3, seed=seed)[0])
    common = {
        "covariance_type": covariance_type,
        "init_params": init_params,
        "random_state": seed,
        "max_iter": 40,
        "tol": 1e-9,
    }
    # Its variances of single rows are differences: a start of 1e-6 with ten digits.
    theirs = by_weight(GaussianMixture(3, **common).fit(X))
    assert_same_answers(fit(X, 3, **common), theirs, X, 1e-6)


@pytest.mark.core
def test_parameters_order_and_defaults_are_scikit_learns():
    theirs = inspect.signature(GaussianMixture).parameters
    ours = inspect.signature(EMGaussianMixture).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        # The one default that is another: a start that is searched for.
        default = "auto" if name == "init_params" else parameter.default
        assert ours[name].default == default, name
        assert ours[name].kind == parameter.kind, name
    extra = list(ours.values())[len(theirs) :]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in extra)


def test_only_the_number_of_components_is_positional():
    with pytest.raises(TypeError):
        EMGaussianMixture(2, "full")


@pytest.mark.core
def test_methods_and_attributes_are_scikit_learns():
    X, _ = blobs(60)
    theirs, ours = GaussianMixture(2).fit(X), EMGaussianMixture(2).fit(X)
    methods = {n for n in dir(theirs) if not n.startswith("_") and callable(getattr(theirs, n))}
    assert methods <= set(dir(ours))
    attributes = {name for name in vars(theirs) if name.endswith("_")}
    assert attributes <= set(vars(ours))
    for name in attributes:
        assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name)) or name in {
            "lower_bounds_"
        }
        assert np.asarray(getattr(ours, name)).dtype.kind == (
            np.asarray(getattr(theirs, name)).dtype.kind
        )


@every_type
def test_shapes_are_scikit_learns(covariance_type):
    X, _ = blobs(80, d=4)
    common = {"covariance_type": covariance_type, "random_state": 0}
    theirs, ours = GaussianMixture(3, **common).fit(X), fit(X, 3, **common)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(ours, name).shape == getattr(theirs, name).shape
    for method in ("predict", "predict_proba", "score_samples"):
        got, wanted = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    assert [part.shape for part in ours.sample(7)] == [part.shape for part in theirs.sample(7)]


@every_type
@pytest.mark.parametrize("k", [1, 3])
def test_number_of_parameters_gives_scikit_learns_criteria(covariance_type, k):
    X, _ = blobs(80, d=4)
    mixture = fit(X, k, covariance_type=covariance_type, random_state=0)
    log_likelihood = mixture.score_samples(X).sum()
    d = 4
    expected = {
        "full": k * d * (d + 1) // 2,
        "tied": d * (d + 1) // 2,
        "diag": k * d,
        "spherical": k,
    }[covariance_type]
    n_parameters = k - 1 + k * d + expected
    assert mixture.n_parameters() == n_parameters
    assert mixture.aic(X) == pytest.approx(2 * n_parameters - 2 * log_likelihood, rel=1e-12)
    assert mixture.bic(X) == pytest.approx(
        np.log(80) * n_parameters - 2 * log_likelihood, rel=1e-12
    )
