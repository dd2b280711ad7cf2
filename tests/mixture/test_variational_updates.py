"""The updates: Bishop's, from the same start as slow loops and as scikit-learn."""

import warnings

import numpy as np
import pytest
from oracles import elbo
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

from mixture.tables import (
    blobs,
    component_prior,
    core,
    every_conjugate_type,
    every_weight_prior,
    soft_start,
    variational,
)


@core
@every_conjugate_type
@every_weight_prior
@pytest.mark.parametrize("gamma", [0.5, 6.0])
def test_updates_are_those_of_loops(covariance_type, weight_prior, gamma):
    X, _ = blobs(n=30, d=2, apart=1.5, seed=2)
    weight = np.random.default_rng(0).uniform(0.2, 2, size=30)
    start = soft_start(30, 3, seed=1)
    for n_iter, given in ((0, True), (1, True), (2, False), (7, True)):
        mixture = variational(
            X,
            3,
            covariance_type=covariance_type,
            weight_prior=weight_prior,
            weight_concentration_prior=gamma,
            init_params=start,
            sample_weight=weight,
            max_iter=n_iter,
            tol=0.0,
            **(component_prior(covariance_type, 2) if given else {}),
        )
        expected = elbo.coordinate_ascent(elbo.prior_of(mixture), X, weight, start, n_iter)
        elbo.assert_posterior(mixture, expected)


@core
@pytest.mark.parametrize("n_iter", [1, 5, 40])
def test_full_covariances_and_a_dirichlet_as_in_scikit_learn(n_iter):
    # The case that scikit-learn gets right; there the ridge is no part of the prior.
    X, _ = blobs(n=150, d=3, apart=2.0, seed=4)
    prior = component_prior("full", 3) | {"weight_concentration_prior": 0.3}
    common = {"init_params": "random", "random_state": 5, "max_iter": n_iter, "tol": 0.0}
    common |= prior | {"reg_covar": 0.0}
    mixture = variational(X, 4, weight_prior="dirichlet_distribution", **common)
    other = BayesianGaussianMixture(
        n_components=4, weight_concentration_prior_type="dirichlet_distribution", **common
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.fit(X)
    order = np.argsort(-other.weights_)
    for name in (
        "weights_",
        "means_",
        "covariances_",
        "precisions_",
        "precisions_cholesky_",
        "weight_concentration_",
        "mean_precision_",
        "degrees_of_freedom_",
    ):
        np.testing.assert_allclose(
            getattr(mixture, name), getattr(other, name)[order], rtol=1e-8, atol=1e-9, err_msg=name
        )
    np.testing.assert_allclose(
        mixture.predict_proba(X), other.predict_proba(X)[:, order], atol=1e-9
    )
    for name in ("mean_prior_", "covariance_prior_", "degrees_of_freedom_prior_"):
        np.testing.assert_allclose(getattr(mixture, name), getattr(other, name), rtol=1e-12)


@every_conjugate_type
def test_a_shared_precision_sees_every_row(covariance_type):
    X, _ = blobs(n=50, d=3)
    mixture = variational(X, 3, covariance_type=covariance_type, random_state=0)
    counts = mixture.expected_counts_
    assert counts.sum() == pytest.approx(50, rel=1e-12)
    expected = {
        "full": 3 + counts,
        "tied": 3 + 50.0,
        "diag": 3 + counts,
        "spherical": 3 + 3 * counts,
        "EEI": np.full(3, 3 + 50.0),
        "EII": np.full(3, 3 + 150.0),
    }[covariance_type]
    # The counts are those of the next visit.
    np.testing.assert_allclose(mixture.degrees_of_freedom_, expected, atol=0.5)
    assert np.shape(mixture.degrees_of_freedom_) == (() if covariance_type == "tied" else (3,))


@every_conjugate_type
@every_weight_prior
def test_one_update_is_exact_for_one_component(covariance_type, weight_prior):
    X, _ = blobs(n=20, d=2)
    prior = component_prior(covariance_type, 2)
    mixture = variational(
        X, 1, covariance_type=covariance_type, weight_prior=weight_prior, max_iter=1, **prior
    )
    more = variational(X, 1, covariance_type=covariance_type, weight_prior=weight_prior, **prior)
    assert more.converged_
    assert more.n_iter_ <= 3
    elbo.assert_posterior(mixture, elbo.posterior_of(more), rtol=1e-12)
    np.testing.assert_array_equal(mixture.weights_, [1.0])
