"""Posterior hyperparameters against the textbook, priors against scipy.stats."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian

families = pytest.mark.parametrize("kind", gaussian.CONJUGATE)
priors = pytest.mark.parametrize("which", cases.PRIORS)
K, D = 3, 2


def case(kind, which, seed=0):
    rng = np.random.default_rng(seed)
    X, resp = cases.blobs(30, D, rng), cases.random_resp(30, K, rng)
    family = cases.make_family(kind)
    stats = cases.statistics_of(family, family.summer(K, D), X, resp)
    return family, cases.random_prior(kind, which, D, rng), stats, X, resp


@pytest.mark.core
@families
def test_posterior_is_bishop_10_60_to_10_63(kind):
    family, prior, stats, X, resp = case(kind, "both")
    got = family.posterior(prior, stats)
    kappa, nu = prior.mean_precision, prior.degrees_of_freedom
    scatters = np.zeros((K, D, D))
    for k in range(K):
        N = resp[:, k].sum()
        mean = resp[:, k] @ X / N
        S = sum(r * np.outer(x - mean, x - mean) for r, x in zip(resp[:, k], X, strict=True)) / N
        apart = mean - prior.mean
        np.testing.assert_allclose(got.mean_precision[k], kappa + N, rtol=1e-14)
        wanted_mean = (kappa * prior.mean + N * mean) / (kappa + N)
        np.testing.assert_allclose(got.mean[k], wanted_mean, rtol=1e-12)
        scatters[k] = N * S + kappa * N / (kappa + N) * np.outer(apart, apart)
        if kind not in gaussian.SHARED:
            scale = prior.covariance[0] + gaussian.from_matrix(kind, scatters[k])
            np.testing.assert_allclose(got.scatter[k], scale, rtol=1e-12)
            seen = D * N if kind == "spherical" else N
            np.testing.assert_allclose(got.degrees_of_freedom[k], nu + seen, rtol=1e-13)
    if kind == "tied":
        np.testing.assert_allclose(got.scatter, prior.covariance + scatters.sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(got.degrees_of_freedom, nu + resp.sum(), rtol=1e-13)
    elif kind in gaussian.SHARED:
        squares = np.diag(scatters.sum(axis=0))
        seen = {"EEI": squares, "EII": squares.sum()}[kind]
        wanted = np.tile(prior.covariance[0] + seen, (K, 1))
        np.testing.assert_allclose(got.scatter, wanted, rtol=1e-12)
        seen = {"EEI": resp.sum(), "EII": D * resp.sum()}[kind]
        np.testing.assert_allclose(got.degrees_of_freedom, np.full(K, nu + seen), rtol=1e-13)


@families
def test_posterior_of_no_rows_is_the_prior(kind):
    family, prior, _, _, _ = case(kind, "both")
    scorer = family.summer(K, D)
    got = family.posterior(prior, family.statistics(scorer, scorer.zeros()))
    np.testing.assert_allclose(got.mean, np.tile(prior.mean, (K, 1)), rtol=1e-15)
    np.testing.assert_array_equal(got.mean_precision, prior.mean_precision)
    np.testing.assert_array_equal(got.degrees_of_freedom, prior.degrees_of_freedom)
    shape = family.identity(K, D).shape
    np.testing.assert_array_equal(got.scatter, np.broadcast_to(prior.covariance, shape))


@pytest.mark.parametrize("kind", ["full", "diag", "spherical", "EEI", "EII"])
def test_posterior_in_two_steps(kind):
    # Rows seen in two parts: the posterior after the first is the prior of the second.
    family, prior, _, X, resp = case(kind, "both")
    resp = resp[:, :1]
    summer = family.summer(1, D)
    first, second = (
        cases.statistics_of(family, summer, X[s], resp[s]) for s in (slice(12), slice(12, 30))
    )
    after = family.posterior(prior, first)
    again = prior._replace(
        mean=after.mean[0],
        mean_precision=after.mean_precision[0],
        covariance=after.scatter,
        degrees_of_freedom=after.degrees_of_freedom[0],
    )
    in_two, at_once = (
        family.posterior(again, second),
        family.posterior(prior, family.add(first, second)),
    )
    for a, b in zip(in_two, at_once, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.core
@families
@priors
@settings(max_examples=10, deadline=None)
@given(n_components=st.integers(1, 4), n_features=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_log_prior_against_scipy(kind, which, n_components, n_features, seed):
    rng = np.random.default_rng(seed)
    family, prior = cases.make_family(kind), cases.random_prior(kind, which, n_features, rng)
    parameters = cases.random_parameters(kind, n_components, n_features, rng)
    wanted = gaussian.log_prior(kind, parameters.means, parameters.covariances, prior)
    np.testing.assert_allclose(family.log_prior(parameters, prior), wanted, rtol=1e-11, atol=1e-11)


@families
def test_a_flat_prior_counts_as_zero(kind):
    family, rng = cases.make_family(kind), np.random.default_rng(0)
    prior = family.flat_prior(D)
    assert prior.mean_precision == 0.0
    assert prior.degrees_of_freedom is None
    parameters = cases.random_parameters(kind, K, D, rng)
    assert family.log_prior(parameters, prior) == 0.0
    assert family.log_prior_jacobian(prior, rng.standard_normal(D), K) == 0.0


def scaled_prior(kind, prior, scale):
    """The prior of features multiplied by ``scale``."""
    covariance = prior.covariance
    if kind in ("full", "tied"):
        covariance = covariance * np.outer(scale, scale)
    else:
        covariance = covariance * (scale[0] ** 2 if kind in gaussian.ROUND else scale**2)
    return prior._replace(mean=prior.mean * scale, covariance=covariance)


@pytest.mark.core
@families
@priors
@settings(max_examples=10, deadline=None)
@given(n_components=st.integers(1, 4), n_features=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_log_prior_jacobian_by_a_change_of_units(kind, which, n_components, n_features, seed):
    rng = np.random.default_rng(seed)
    family, prior = cases.make_family(kind), cases.random_prior(kind, which, n_features, rng)
    parameters = cases.random_parameters(kind, n_components, n_features, rng)
    log_scale = rng.normal(0.0, 3.0, n_features)
    if kind in gaussian.ROUND:
        log_scale[:] = log_scale[0]
    scale = np.exp(log_scale)
    there = family.log_prior(family.rescale(parameters, scale), scaled_prior(kind, prior, scale))
    here = family.log_prior(parameters, prior)
    jacobian = family.log_prior_jacobian(prior, log_scale, n_components)
    np.testing.assert_allclose(there, here - jacobian, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["diag", "spherical", "EEI", "EII"])
def test_inverse_gamma_integrates_to_one(kind):
    # One variance of one component, on a fine grid of its logarithm.
    family, prior = (
        cases.make_family(kind),
        cases.random_prior(kind, "cov", 1, np.random.default_rng(0)),
    )
    grid = np.linspace(-12, 25, 4000)
    density = []
    for variance in np.exp(grid):
        covariances = np.full(family.identity(1, 1).shape, variance)
        parameters = cases.random_parameters(kind, 1, 1, np.random.default_rng(0))
        parameters = parameters._replace(
            covariances=covariances, factors=family.factorise(covariances)
        )
        density.append(np.exp(family.log_prior(parameters, prior)) * variance)
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-5)
