"""What a user gives mixtures of blocks besides rows: parameters to start from, and priors."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mixture.test_blocks import BLOCKS, COLUMNS, mixed
from skem import EMGaussianMixture, EMMixture, bootstrap_likelihood_ratio

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def fit(X, n_components=2, columns=COLUMNS, **given):
    return EMMixture(n_components, columns=columns, random_state=0, **given).fit(X)


# --- starts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("structure", ["full", "tied", "spherical", "VEI"])
def test_a_fit_from_all_parameters_goes_on_there(structure, missing):
    X = mixed(missing=missing)
    columns = [(structure if kind == "full" else kind, which) for kind, which in COLUMNS]
    before = fit(X, columns=columns, max_iter=4, tol=0, init_params="kmeans")
    start = {"weights_init": before.weights_, "parameters_init": before.parameters_}
    stays = fit(X, columns=columns, max_iter=0, **start)
    np.testing.assert_allclose(stays.score_samples(X), before.score_samples(X), rtol=1e-9)
    goes_on = fit(X, columns=columns, max_iter=3, tol=0, **start)
    whole = fit(X, columns=columns, max_iter=7, tol=0, init_params="kmeans")
    assert goes_on.lower_bound_ == pytest.approx(whole.lower_bound_, rel=1e-9)
    assert clone(goes_on).fit(X).lower_bound_ == goes_on.lower_bound_


def test_parts_of_a_start():
    X = mixed()
    entries = [None] * len(BLOCKS)
    poisson = list(BLOCKS).index("poisson")
    entries[poisson] = {"rates": [[1.0, 20.0], [5.0, 100.0]]}
    start = fit(X, max_iter=0, weights_init=[0.3, 0.7], parameters_init=entries)
    np.testing.assert_array_equal(start.weights_, [0.3, 0.7])
    np.testing.assert_array_equal(start.parameters_[poisson]["rates"], entries[poisson]["rates"])
    kmeans = fit(X, max_iter=0, init_params="kmeans")
    assert start.parameters_[0]["means"].tolist() != [[0.0] * 3] * 2
    # The other parts are k-means', in the order that it has them.
    other = {tuple(row) for row in start.parameters_[0]["means"].round(9)}
    assert other == {tuple(row) for row in kmeans.parameters_[0]["means"].round(9)}
    # Components keep the order of what was given.
    fitted = fit(X, parameters_init=[None] * poisson + [entries[poisson], None, None, None])
    rates = fitted.parameters_[poisson]["rates"][:, 0]
    assert rates[0] < rates[1]


def test_categories_of_a_frame():
    X = pd.DataFrame({"pet": ["cat", "cat", "dog", "dog"] * 20, "kg": [4.0, 5.0, 20.0, 30.0] * 20})
    mixture = fit(X, columns="auto")
    start = {"weights_init": mixture.weights_, "parameters_init": mixture.parameters_}
    again = fit(X, columns="auto", max_iter=0, **start)
    np.testing.assert_allclose(again.score_samples(X), mixture.score_samples(X))
    assert again.parameters_[1]["categories"] == [["cat", "dog"]]


def entry(mixture, kind):
    return mixture.parameters_[list(BLOCKS).index(kind)]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("full", {"means": np.zeros((2, 2))}, r"'means' should have the shape of \(2, 3\)"),
        ("full", {"covariances": np.zeros((2, 3, 3))}, "'covariances' should be symmetric"),
        ("full", {"kind": "tied"}, "its 'kind' is tied, but the fit has full"),
        ("poisson", {"columns": ["a", "b"]}, r"its 'columns' is \['a', 'b'\], but the fit has"),
        ("categorical", {"categories": [[0, 1], [2]]}, "its 'categories' is"),
        ("categorical", {"probabilities": [np.ones((2, 3)), np.ones((2, 4))]}, "sum to one"),
        ("bernoulli", {"probabilities": [[1.5], [0.5]]}, "should be from 0 to 1"),
        ("poisson", {"rates": [[-1.0, 2.0], [1.0, 1.0]]}, "rates should not be negative"),
        ("exponential", {"rates": [[0.0], [1.0]]}, "no exponential density has the parameters"),
        ("exponential", {"rates": None}, "lacks rates"),
        ("geometric", None, "should be a dict or None, but is 3"),
    ],
)
def test_bad_entries_are_named(kind, change, message):
    X = mixed(100)
    entries = copy.deepcopy(fit(X, max_iter=1).parameters_)
    place = list(BLOCKS).index(kind)
    if change is None:
        entries[place] = 3
    elif change.get("rates", 0) is None:
        entries[place].pop("rates")
    else:
        entries[place] |= change
    columns = rf"bad entry for the '{kind}' column\(s\) \[{BLOCKS[kind][0]}.*"
    with pytest.raises(ValueError, match=columns + message):
        fit(X, parameters_init=entries)


def test_starts_that_are_none():
    X = mixed(100)
    with pytest.raises(ValueError, match=r"an entry .* for each of the 8 blocks"):
        fit(X, parameters_init=[None])
    with pytest.raises(ValueError, match="'parameters_init' parameter of EMMixture must be"):
        fit(X, parameters_init={})
    with pytest.raises(ValueError, match="'weights_init' should be normalized"):
        fit(X, weights_init=[0.5, 0.6])


# --- priors ---------------------------------------------------------------------------------

PRIORS = [
    {"mean_precision_prior": 2.0},
    {"degrees_of_freedom_prior": 6.0},
    {"mean_precision_prior": 0.5, "degrees_of_freedom_prior": 4.0},
]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("covariance_type", ["full", "diag", "tied", "EEI"])
def test_one_block_has_the_gaussian_mixture_s_priors(covariance_type, prior, missing):
    X = mixed(missing=missing)[:, :3]
    one = EMGaussianMixture(2, covariance_type=covariance_type, random_state=0, **prior).fit(X)
    other = fit(X, columns=[(covariance_type, slice(None))], **prior)
    assert other.lower_bounds_ == one.lower_bounds_
    np.testing.assert_array_equal(other.parameters_[0]["means"], one.means_)
    np.testing.assert_array_equal(other.parameters_[0]["covariances"], one.covariances_)


@pytest.mark.parametrize("prior", PRIORS)
def test_the_end_is_a_mode(prior):
    """Means and variances of diagonal blocks beside others are those of the joint mode."""
    X = mixed(400)
    mixture = fit(X, tol=1e-12, max_iter=2000, reg_covar=0.0, resolution=None, **prior)
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    cells, resp = X[:, [3, 4]], mixture.predict_proba(X)
    n, m0, s0 = resp.sum(axis=0)[:, None], cells.mean(axis=0), cells.var(axis=0)
    kappa = prior.get("mean_precision_prior", 0.0)
    means = (resp.T @ cells + kappa * m0) / (n + kappa)
    np.testing.assert_allclose(entry(mixture, "diag")["means"], means, rtol=1e-6)
    scatter = resp.T @ cells**2 - 2 * means * (resp.T @ cells) + n * means**2
    scatter += kappa * (means - m0) ** 2
    # An inverse-gamma prior of shape nu / 2 and scale s0 / 2, and the variance of a normal one.
    nu = prior.get("degrees_of_freedom_prior")
    given = float("mean_precision_prior" in prior)
    flat, proper = scatter / (n + given), (scatter + s0) / (n + (nu or 0.0) + 2.0 + given)
    variances = flat if nu is None else proper
    np.testing.assert_allclose(entry(mixture, "diag")["covariances"], variances, rtol=1e-6)


def test_priors_and_batches():
    X = mixed(600)
    mixture = EMMixture(2, columns=COLUMNS, random_state=0, **PRIORS[2])
    for batch in np.split(X, 3):
        mixture.partial_fit(batch)
    assert mixture.score(X) > fit(X, 1).score(X)
    with pytest.raises(ValueError, match="'degrees_of_freedom_prior' should be greater"):
        fit(X, degrees_of_freedom_prior=1.5)
    columns = [("VEV", [0, 1, 2]), *COLUMNS[1:]]
    with pytest.raises(ValueError, match="with a conjugate prior of its covariances"):
        fit(X, columns=columns, degrees_of_freedom_prior=5.0)


def test_a_bootstrap_of_more_components_refuses_given_parameters():
    X = mixed(100)
    start = fit(X, max_iter=1)
    given = EMMixture(2, columns=COLUMNS, parameters_init=start.parameters_)
    with pytest.raises(ValueError, match="estimator has parameters_init for 2 components"):
        bootstrap_likelihood_ratio(X, given, n_bootstrap=2)
