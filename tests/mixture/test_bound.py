"""The bound: what it is, that it never falls, and that it is highest where a fit ends."""

import warnings

import numpy as np
import pytest
from oracles import cases, gaussian
from scipy import stats
from scipy.linalg import expm
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    blobs,
    dense_covariances,
    every_conjugate_type,
    every_type,
    fit,
    log_joint,
    soft_start,
)
from skem import EMGaussianMixture

D = 3
PRIORS = {
    "none": {},
    "weights": {"weight_concentration_prior": 3.0},
    "means": {"mean_prior": [0.5, -1.0, 2.0], "mean_precision_prior": 4.0},
    "covariances": {"covariance_prior": 1.5, "degrees_of_freedom_prior": 7.0},
    "all": {
        "weight_concentration_prior": 2.0,
        "mean_prior": [0.5, -1.0, 2.0],
        "mean_precision_prior": 0.5,
        "covariance_prior": 0.8,
        "degrees_of_freedom_prior": 9.0,
    },
}
every_prior = pytest.mark.parametrize("name", PRIORS)


def prior_of(name, covariance_type):
    """Return prior parameters, the covariance's in the shape of one covariance."""
    prior = dict(PRIORS[name])
    if "covariance_prior" in prior:
        size = prior["covariance_prior"]
        matrix = size * (np.eye(D) + 0.2 * np.ones((D, D)))
        prior["covariance_prior"] = {
            "full": matrix,
            "tied": matrix,
            "diag": size * np.array([1.0, 2.0, 0.5]),
            "spherical": np.asarray(size),
            "EEI": size * np.array([1.0, 2.0, 0.5]),
            "EII": np.asarray(size),
        }[covariance_type]
    return prior


def log_prior(weights, means, covariances, covariance_type, prior):
    """Log prior density by scipy.stats; `covariances` have the estimator's shape."""
    total = 0.0
    if "weight_concentration_prior" in prior:
        alpha = np.full(len(weights), prior["weight_concentration_prior"])
        total += stats.dirichlet(alpha).logpdf(weights)
    if "mean_prior" in prior:
        total += gaussian.mean_prior_log_density(
            covariance_type, means, covariances, prior["mean_prior"], prior["mean_precision_prior"]
        )
    if "covariance_prior" in prior:
        nu, psi = prior["degrees_of_freedom_prior"], prior["covariance_prior"]
        if covariance_type != "tied":
            psi = psi.reshape(1, 1) if covariance_type == "EII" else psi[None]
        total += gaussian.covariance_prior_log_density(covariance_type, covariances, psi, nu)
    return total


def log_likelihood(X, mixture, sample_weight):
    """Weighted sum of log densities by scipy.stats."""
    return sample_weight @ logsumexp(log_joint(mixture, X), axis=1)


def objective(X, mixture, prior, sample_weight):
    covariance_type = mixture.covariance_type
    likelihood = log_likelihood(X, mixture, sample_weight)
    penalty = log_prior(
        mixture.weights_, mixture.means_, mixture.covariances_, covariance_type, prior
    )
    return (likelihood + penalty) / sample_weight.sum()


@pytest.mark.core
@every_type
def test_bound_is_the_score_at_the_returned_parameters(covariance_type):
    X, _ = blobs()
    weight = np.random.default_rng(0).uniform(0.1, 2, size=len(X))
    for max_iter in (0, 1, 5, 100):
        mixture = fit(X, covariance_type=covariance_type, random_state=0, max_iter=max_iter)
        assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-12)
        mixture = fit(
            X,
            covariance_type=covariance_type,
            random_state=0,
            max_iter=max_iter,
            sample_weight=weight,
        )
        score = mixture.score(X, sample_weight=weight)
        assert mixture.lower_bound_ == pytest.approx(score, rel=1e-12)


@every_conjugate_type
@every_prior
def test_bound_is_likelihood_and_prior_of_scipy(covariance_type, name):
    X, _ = blobs(n=90, d=D, apart=1.5)
    weight = np.random.default_rng(1).uniform(0.1, 2, size=len(X))
    prior = prior_of(name, covariance_type)
    mixture = fit(
        X,
        covariance_type=covariance_type,
        random_state=0,
        sample_weight=weight,
        max_iter=4,
        **prior,
    )
    assert mixture.lower_bound_ == pytest.approx(objective(X, mixture, prior, weight), rel=1e-10)
    likelihood = log_likelihood(X, mixture, weight)
    assert mixture.score(X, sample_weight=weight) == pytest.approx(
        likelihood / weight.sum(), rel=1e-10
    )


class _Moved:
    """Parameters near a mixture's, along a random direction."""

    def __init__(self, mixture, direction, size):
        self.covariance_type = mixture.covariance_type
        rng = np.random.default_rng(direction)
        k, d = mixture.means_.shape
        weights = mixture.weights_ * np.exp(size * rng.normal(size=k))
        self.weights_ = weights / weights.sum()
        self.means_ = mixture.means_ + size * rng.normal(size=(k, d))
        covariances = np.asarray(mixture.covariances_)
        if self.covariance_type in ("full", "tied"):
            factors = np.linalg.cholesky(covariances)
            turn = rng.normal(size=covariances.shape)
            turn = size * (turn + np.swapaxes(turn, -1, -2)) / 2
            exponential = np.array([expm(m) for m in turn.reshape(-1, d, d)]).reshape(turn.shape)
            self.covariances_ = factors @ exponential @ np.swapaxes(factors, -1, -2)
        else:
            turn = cases.alike(self.covariance_type, rng.normal(size=covariances.shape))
            self.covariances_ = covariances * np.exp(size * turn)


@every_conjugate_type
@every_prior
def test_a_fit_ends_at_a_maximum(covariance_type, name):
    X, _ = blobs(n=120, d=D, apart=3.0, seed=2)
    weight = np.random.default_rng(1).uniform(0.5, 1.5, size=len(X))
    prior = prior_of(name, covariance_type)
    mixture = fit(
        X,
        covariance_type=covariance_type,
        random_state=0,
        sample_weight=weight,
        max_iter=5000,
        tol=1e-14,
        reg_covar=0.0,
        **prior,
    )
    assert mixture.converged_
    here = objective(X, mixture, prior, weight)
    for direction in range(12):
        ahead, behind = (
            objective(X, _Moved(mixture, direction, size), prior, weight) for size in (1e-3, -1e-3)
        )
        # Below in both directions, and level here: a difference of second order.
        assert ahead < here
        assert behind < here
        assert abs(ahead - behind) < 0.02 * (2 * here - ahead - behind)


@every_conjugate_type
@every_prior
def test_the_bound_never_falls(covariance_type, name):
    X, _ = blobs(n=100, d=D, apart=1.0, seed=5)
    prior = prior_of(name, covariance_type)
    # By rounding alone; a ridge, which is no part of the bound, may take a little more.
    for reg_covar, rounding in ((0.0, 1e-13), (1e-6, 1e-10)):
        mixture = fit(
            X,
            covariance_type=covariance_type,
            init_params=soft_start(len(X), 3),
            reg_covar=reg_covar,
            max_iter=60,
            tol=0.0,
            **prior,
        )
        bounds = np.array(mixture.lower_bounds_)
        assert len(bounds) == mixture.n_iter_ > 5
        assert bounds[-1] == mixture.lower_bound_
        assert (np.diff(bounds) >= -rounding * np.abs(bounds[1:])).all()
        assert bounds[-1] - bounds[0] > 1e-4


@every_conjugate_type
def test_map_step_of_fraley_and_raftery(covariance_type):
    # From hard responsibilities, one M-step, in closed form and component by component.
    X, labels = blobs(n=80, d=D, seed=4)
    k, kappa, alpha = 3, 0.7, 2.5
    prior = prior_of("covariances", covariance_type)
    nu, psi = prior["degrees_of_freedom_prior"], prior["covariance_prior"]
    m0 = np.array([1.0, 0.0, -2.0])
    mixture = fit(
        X,
        k,
        covariance_type=covariance_type,
        init_params=np.eye(k)[labels],
        max_iter=0,
        reg_covar=0.0,
        weight_concentration_prior=alpha,
        mean_prior=m0,
        mean_precision_prior=kappa,
        **prior,
    )
    n = np.bincount(labels, minlength=k).astype(float)
    np.testing.assert_allclose(mixture.weights_, (n + alpha - 1) / (len(X) + k * (alpha - 1)))
    centres = np.array([X[labels == j].mean(axis=0) for j in range(k)])
    means = (n[:, None] * centres + kappa * m0) / (n + kappa)[:, None]
    np.testing.assert_allclose(mixture.means_, means, rtol=1e-12)
    scatter = np.array([(n[j]) * np.cov(X[labels == j].T, bias=True) for j in range(k)])
    shrink = kappa * n / (kappa + n)
    scatter += np.einsum("k,ki,kj->kij", shrink, centres - m0, centres - m0)
    variances = np.diagonal(scatter, axis1=1, axis2=2)
    expected = {
        "full": (scatter, (n + nu + D + 2)[:, None, None]),
        "tied": (scatter.sum(axis=0), len(X) + nu + D + 1 + k),
        "diag": (variances, (n + nu + 3)[:, None]),
        "spherical": (variances.sum(axis=1), n * D + nu + 2 + D),
        "EEI": (np.tile(variances.sum(axis=0), (k, 1)), len(X) + nu + 2 + k),
        "EII": (np.full((k, D), variances.sum()), D * (len(X) + k) + nu + 2),
    }
    squares, rows = expected[covariance_type]
    np.testing.assert_allclose(mixture.covariances_, (psi + squares) / rows, rtol=1e-11)


@every_conjugate_type
@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("mean_prior", {"mean_precision_prior": 1.0}),
        ("mean_precision_prior", {"mean_prior": "mean"}),
        ("covariance_prior", {"degrees_of_freedom_prior": float(D)}),
        ("degrees_of_freedom_prior", {"covariance_prior": "covariance"}),
    ],
)
def test_the_other_half_of_a_prior(covariance_type, given, completed):
    X, _ = blobs(n=70, d=D)
    weight = np.random.default_rng(1).uniform(0.5, 1.5, size=len(X))
    mean = np.average(X, axis=0, weights=weight)
    matrix = np.cov(X.T, aweights=weight, ddof=0)
    covariance = {
        "full": matrix,
        "tied": matrix,
        "diag": np.diag(matrix),
        "spherical": np.trace(matrix) / D,
        "EEI": np.diag(matrix),
        "EII": np.trace(matrix) / D,
    }[covariance_type]
    known = {"mean": mean, "covariance": covariance}
    half = {given: prior_of("all", covariance_type)[given]}
    rest = {key: known.get(value, value) for key, value in completed.items()}
    common = {
        "covariance_type": covariance_type,
        "random_state": 0,
        "reg_covar": 0.0,
        "sample_weight": weight,
    }
    short, long = fit(X, **common, **half), fit(X, **common, **half, **rest)
    np.testing.assert_allclose(short.means_, long.means_, rtol=1e-10)
    np.testing.assert_allclose(short.covariances_, long.covariances_, rtol=1e-10)
    assert short.lower_bound_ == pytest.approx(long.lower_bound_, rel=1e-10)
    assert abs(short.lower_bound_ - fit(X, **common).lower_bound_) > 1e-4


@every_type
def test_a_prior_carries_components_with_too_few_rows(covariance_type):
    # k = n and reg_covar = 0: without a prior each covariance would be singular.
    X, _ = blobs(n=6, d=D, k=2)
    mixture = fit(
        X,
        6,
        covariance_type=covariance_type,
        reg_covar=0.0,
        random_state=0,
        degrees_of_freedom_prior=5.0,
    )
    assert np.isfinite(mixture.lower_bound_)
    np.testing.assert_array_less(1e-3, np.linalg.eigvalsh(dense_covariances(mixture)))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mean_prior": [1.0, 2.0]}, r"'mean_prior'.*\(3,\).*\(2,\)"),
        ({"mean_prior": [1.0, np.nan, 0.0]}, r"'mean_prior'.*finite"),
        ({"covariance_prior": np.eye(2)}, r"'covariance_prior'.*\(3, 3\).*\(2, 2\)"),
        ({"covariance_prior": -np.eye(3)}, r"'covariance_prior'.*positive"),
        ({"covariance_prior": np.triu(np.ones((3, 3)))}, r"'covariance_prior'.*symmetric"),
        ({"degrees_of_freedom_prior": 2.0}, r"'degrees_of_freedom_prior'.*2.*2\.0"),
    ],
)
def test_bad_priors_are_named_with_both_values(parameters, words):
    with pytest.raises(ValueError, match=words):
        EMGaussianMixture(2, **parameters).fit(blobs(d=3)[0])


@every_type
def test_converged_or_a_warning(covariance_type):
    X, _ = blobs(apart=1.0)
    start = soft_start(len(X), 3)
    mixture = EMGaussianMixture(
        3, covariance_type=covariance_type, init_params=start, max_iter=2, tol=1e-6
    )
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        mixture.fit(X)
    assert not mixture.converged_
    assert mixture.n_iter_ == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture.set_params(max_iter=2000).fit(X)
    assert mixture.converged_
    assert 2 < mixture.n_iter_ < 2000
    # The last gain that was looked at is below tol, the ones before it are not.
    gains = np.diff(mixture.lower_bounds_)
    assert gains[-2] < mixture.tol
    assert (gains[:-2] >= mixture.tol).all()


@every_type
def test_no_iteration_returns_the_start(covariance_type):
    X, labels = blobs()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture = EMGaussianMixture(
            3, covariance_type=covariance_type, init_params=np.eye(3)[labels], max_iter=0
        ).fit(X)
    assert (mixture.converged_, mixture.n_iter_, list(mixture.lower_bounds_)) == (False, 0, [])
    assert mixture.lower_bound_ == pytest.approx(mixture.score(X), rel=1e-12)
    centres = [X[labels == k].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(mixture.means_, centres, rtol=1e-12)
    np.testing.assert_allclose(mixture.weights_, np.bincount(labels) / len(X), rtol=1e-12)
