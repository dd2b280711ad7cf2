"""Variational mixtures of tables with missing cells (NaN): bound, evidence, densities, in loops."""

import numpy as np
import pytest
from oracles import elbo, gaps
from scipy import integrate

from mixture.tables import (
    COMPILED,
    WEIGHT_PRIORS,
    blobs,
    component_prior,
    core,
    every_conjugate_type,
    soft_start,
    variational,
)

every_weight_prior = pytest.mark.parametrize("weight_prior", WEIGHT_PRIORS)


def table(n=30, d=3, k=2, seed=0, share=0.3):
    return gaps.punch(blobs(n, d, k, seed=seed)[0], share, seed)


@core
@every_conjugate_type
@every_weight_prior
def test_bound_and_assignments(covariance_type, weight_prior):
    X = table()
    weight = np.random.default_rng(0).uniform(0.1, 3.0, len(X))
    mixture = variational(
        X,
        2,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        init_params=soft_start(len(X), 2),
        max_iter=4,
        sample_weight=weight,
        **component_prior(covariance_type, 3),
    )
    prior, posterior = elbo.prior_of(mixture), elbo.posterior_of(mixture)
    expected = gaps.bound(prior, posterior, X, weight)
    np.testing.assert_allclose(mixture.lower_bound_, expected, rtol=1e-9)
    np.testing.assert_allclose(sum(mixture.elbo_terms()), expected, rtol=1e-9)
    rho = gaps.log_rho(prior, posterior, X)
    resp = np.exp(rho - np.logaddexp.reduce(rho, axis=1)[:, None])
    np.testing.assert_allclose(mixture.predict_proba(X), resp, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(mixture.expected_counts_, weight @ resp, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(
        mixture.score_samples(X), gaps.log_predictive(prior, posterior, X), rtol=1e-9, atol=1e-9
    )


@every_conjugate_type
@pytest.mark.parametrize("assignment", ["soft", "hard"])
def test_the_bound_never_falls(covariance_type, assignment):
    accelerations = (None, "squarem", "anderson") if assignment == "soft" else (None,)
    for seed, acceleration in enumerate(accelerations if COMPILED else accelerations[:1]):
        X = table(n=80, seed=seed, share=0.15 + 0.15 * seed)
        mixture = variational(
            X,
            4,
            covariance_type=covariance_type,
            init_params=soft_start(80, 4, seed),
            acceleration=acceleration,
            assignment=assignment,
            max_iter=60,
            tol=1e-8,
        )
        assert (np.diff(mixture.lower_bounds_) >= 0).all()
        assert np.isfinite(mixture.lower_bound_)


@core
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
@pytest.mark.parametrize("holes", [[(2, 1)], [(2, 1), (4, 0)], [(2, 0), (2, 1)]])
def test_one_component_s_bound_is_below_the_evidence_of_the_seen_cells(covariance_type, holes):
    """The evidence of completed tables is known; the missing cells are integrated over."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(7, 2)) @ [[1.0, 0.6], [0.0, 0.8]]
    gappy = X.copy()
    for hole in holes:
        gappy[hole] = np.nan
    given = component_prior(covariance_type, 2)
    mixture = variational(
        gappy, 1, covariance_type=covariance_type, tol=1e-12, max_iter=2000, **given
    )
    prior, ones = elbo.prior_of(mixture), np.ones(7)

    def evidence(*values):
        whole = gappy.copy()
        for hole, value in zip(holes, values, strict=True):
            whole[hole] = value
        return np.exp(elbo.log_evidence_given(prior, whole, ones, np.zeros(7, int), 1) - offset)

    offset = elbo.log_evidence_given(prior, np.nan_to_num(gappy), ones, np.zeros(7, int), 1)
    if len(holes) == 1:
        total = integrate.quad(evidence, -np.inf, np.inf, epsabs=0, epsrel=1e-9)[0]
    else:
        # Tails of a t distribution: sinh spreads the points.
        nodes, shares = np.polynomial.legendre.leggauss(60)
        at, by = np.sinh(6.0 * nodes), 6.0 * shares * np.cosh(6.0 * nodes)
        total = sum(a * b * evidence(x, y) for x, a in zip(at, by, strict=True)
                    for y, b in zip(at, by, strict=True))  # fmt: skip
    exact = np.log(total) + offset
    # q takes cells and parameters to be independent, which costs a little.
    assert exact - 0.5 * len(holes) < mixture.lower_bound_ < exact + 1e-9


@core
def test_pruning_and_steps():
    X = gaps.punch(blobs(200, 2, 2, apart=8.0, seed=3)[0], 0.2, 0)
    mixture = variational(X, 5, random_state=0)
    pruned = mixture.prune()
    assert pruned.n_components == mixture.effective_n_components_ == 2
    np.testing.assert_allclose(pruned.score_samples(X), mixture.score_samples(X), atol=0.2)
    before = mixture.lower_bound_
    mixture.partial_fit(X, total_weight=200.0)
    assert abs(mixture.lower_bound_ - before) < 0.05 * abs(before)


@core
@every_conjugate_type
def test_no_small_change_of_the_posterior_raises_the_bound(covariance_type):
    """The bound's slopes, by differences of the bound in loops, where the fit ends.

    Fits undo iterations that lower the bound, so a bound that never falls proves less than this.
    """
    X = table(n=40)
    mixture = variational(
        X,
        2,
        covariance_type=covariance_type,
        init_params=soft_start(40, 2),
        tol=1e-13,
        max_iter=5000,
        acceleration="squarem",
        **component_prior(covariance_type, 3),
    )
    prior, best = elbo.prior_of(mixture), elbo.posterior_of(mixture)
    rng = np.random.default_rng(0)
    shared = covariance_type in ("tied", "EEI", "EII")

    def slope(change):
        step = 1e-5
        up, down = (gaps.bound(prior, change(h), X, np.ones(40)) for h in (step, -step))
        return (up - down) / (2.0 * step)

    for _ in range(3):
        towards = rng.normal(size=best.mean.shape)
        log_beta, log_psi, log_nu = rng.normal(size=(3, 2))
        if shared:
            log_psi[1], log_nu[1] = log_psi[0], log_nu[0]
        slopes = [
            slope(lambda h, a=towards: best._replace(mean=best.mean + h * a)),
            slope(lambda h, a=log_beta: best._replace(beta=best.beta * np.exp(h * a))),
            slope(lambda h, a=log_psi: best._replace(psi=best.psi * np.exp(h * a)[:, None, None])),
            slope(lambda h, a=log_nu: best._replace(nu=best.nu * np.exp(h * a))),
        ]
        np.testing.assert_allclose(slopes, 0, atol=5e-4)
