"""The evidence lower bound: all of it, against loops and against evidence in closed form."""

import numpy as np
import pytest
from oracles import elbo
from scipy import stats
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from mixture.tables import (
    WEIGHT_PRIORS,
    blobs,
    component_prior,
    core,
    every_conjugate_type,
    every_type,
    every_weight_prior,
    one_hot,
    soft_start,
    variational,
)
from skem import VariationalGaussianMixture

weighted = pytest.mark.parametrize("with_weights", [False, True], ids=["rows", "weights"])
given_prior = pytest.mark.parametrize("given", [False, True], ids=["default", "given"])


def some_weights(n, with_weights, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 2.5, size=n) if with_weights else None


def ones_if_none(weight, n):
    return np.ones(n) if weight is None else weight


@core
@every_conjugate_type
@every_weight_prior
@weighted
@given_prior
def test_bound_and_its_parts_are_those_of_loops(covariance_type, weight_prior, with_weights, given):
    X, _ = blobs(n=40, d=2, apart=1.5, seed=1)
    weight = some_weights(40, with_weights)
    prior = component_prior(covariance_type, 2) if given else {}
    for gamma, max_iter in ((None, 0), (0.03, 1), (4.0, 30)):
        mixture = variational(
            X,
            4,
            covariance_type=covariance_type,
            weight_prior=weight_prior,
            weight_concentration_prior=gamma,
            init_params=soft_start(40, 4),
            sample_weight=weight,
            max_iter=max_iter,
            tol=0.0,
            **prior,
        )
        expected = elbo.elbo_terms(
            elbo.prior_of(mixture), elbo.posterior_of(mixture), X, ones_if_none(weight, 40)
        )
        np.testing.assert_allclose(mixture.elbo_terms(), expected, rtol=1e-9, atol=1e-9)
        assert mixture.lower_bound_ == pytest.approx(sum(expected), rel=1e-10)
        assert sum(mixture.elbo_terms()) == pytest.approx(mixture.lower_bound_, rel=1e-12)
        if max_iter:
            assert mixture.lower_bounds_[-1] == mixture.lower_bound_
        assert mixture.weight_concentration_prior_ == (gamma or 1 / 4)


def test_parts_have_names():
    X, _ = blobs(n=40)
    terms = variational(X, random_state=0).elbo_terms()
    assert terms._fields == (
        "expected_log_likelihood",
        "negative_kl_weights",
        "negative_kl_components",
        "entropy",
    )
    assert max(terms[1:3]) < 0 < terms.entropy


@core
@every_conjugate_type
@every_weight_prior
@weighted
@given_prior
def test_one_component_has_the_log_evidence(covariance_type, weight_prior, with_weights, given):
    for n, d in ((1, 1), (2, 3), (25, 1), (25, 3)):
        X = blobs(n=n, d=d, seed=n)[0] + 10
        weight = some_weights(n, with_weights)
        # A single row has no covariance: a prior must be given.
        prior = component_prior(covariance_type, d) if given or n < 3 else {}
        mixture = variational(
            X,
            1,
            covariance_type=covariance_type,
            weight_prior=weight_prior,
            sample_weight=weight,
            **prior,
        )
        used = elbo.prior_of(mixture)
        for name, value in prior.items():
            np.testing.assert_allclose(getattr(mixture, f"{name}_"), value, rtol=1e-9)
        evidence = elbo.log_evidence_given(
            used, X, ones_if_none(weight, n), np.zeros(n, dtype=int), 1
        )
        assert mixture.lower_bound_ == pytest.approx(evidence, rel=1e-8)


@every_conjugate_type
def test_evidence_is_the_product_of_predictive_densities(covariance_type):
    # The chain rule, for the oracle: each row's Student's t given the rows before.
    X, _ = blobs(n=9, d=3, seed=2)
    mixture = variational(
        X, 1, covariance_type=covariance_type, **component_prior(covariance_type, 3)
    )
    prior, total = elbo.prior_of(mixture), 0.0
    for n in range(9):
        before = elbo.update(prior, X[:n], np.ones((n, 1)))
        total += float(elbo.log_predictive(prior, before, X[n : n + 1])[0])
    assert elbo.log_evidence(prior, X, 1) == pytest.approx(total, rel=1e-11)


@every_conjugate_type
@weighted
def test_default_priors(covariance_type, with_weights):
    X = 3 + 7 * blobs(n=30, d=2)[0]
    weight = some_weights(30, with_weights)
    w = ones_if_none(weight, 30)
    mixture = variational(X, 2, covariance_type=covariance_type, sample_weight=weight, reg_covar=0)
    centre = w @ X / w.sum()
    matrix = np.zeros((2, 2))
    for row, one in zip(X, w, strict=True):
        matrix += one * np.outer(row - centre, row - centre) / (w.sum() - 1)
    expected = {
        "full": matrix,
        "tied": matrix,
        "diag": np.diag(matrix),
        "spherical": np.trace(matrix) / 2,
        "EEI": np.diag(matrix),
        "EII": np.trace(matrix) / 2,
    }[covariance_type]
    np.testing.assert_allclose(mixture.covariance_prior_, expected, rtol=1e-10)
    np.testing.assert_allclose(mixture.mean_prior_, centre, rtol=1e-10)
    assert mixture.mean_precision_prior_ == 1.0
    assert mixture.degrees_of_freedom_prior_ == 2.0
    assert mixture.weight_concentration_prior_ == 0.5
    # reg_covar is a part of each feature's own variance.
    ridged = variational(X, 2, covariance_type=covariance_type, sample_weight=weight, reg_covar=0.1)
    added = np.asarray(ridged.covariance_prior_) - expected
    spread = (w @ np.square(X - centre)) / w.sum()
    wanted = {"full": np.diag(spread), "tied": np.diag(spread), "diag": spread, "EEI": spread}
    np.testing.assert_allclose(
        added, 0.1 * wanted.get(covariance_type, spread.mean()), rtol=1e-9, atol=1e-9
    )


@core
@every_conjugate_type
@every_weight_prior
@pytest.mark.parametrize("gamma", [0.1, 1.0, 8.0])
def test_two_components_are_below_the_evidence_of_every_assignment(
    covariance_type, weight_prior, gamma
):
    # The sum over 2^n assignments, each in closed form.
    for apart, n, d in ((0.5, 7, 1), (6.0, 7, 2)):
        X, labels = blobs(n=n, d=d, k=2, apart=apart, seed=3)
        mixtures = [
            variational(
                X,
                2,
                covariance_type=covariance_type,
                weight_prior=weight_prior,
                weight_concentration_prior=gamma,
                init_params=start,
                tol=1e-9,
                max_iter=500,
                **component_prior(covariance_type, d),
            )
            for start in (one_hot(labels, 2), *(soft_start(n, 2, seed=seed) for seed in range(3)))
        ]
        evidence = elbo.log_evidence(elbo.prior_of(mixtures[0]), X, 2)
        bounds = [mixture.lower_bound_ for mixture in mixtures]
        assert max(bounds) < evidence
        assert max(bounds) > evidence - 4


@every_type
def test_far_clusters_lose_little_more_than_their_names(covariance_type):
    # q can hold one of K! equal modes. Assignments are certain, so what else is lost is the
    # dependence of a mode's weights, means and precisions alone: none at K = 1.
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(5, 2)), 200 + rng.normal(size=(5, 2))]
    mixture = variational(
        X,
        2,
        covariance_type=covariance_type,
        weight_prior=WEIGHT_PRIORS[1],
        init_params=np.repeat(np.eye(2), 5, axis=0),
        weight_concentration_prior=1.0,
        mean_precision_prior=1e-3,
        mean_prior=[100.0, 100.0],
        covariance_prior=component_prior(covariance_type, 2)["covariance_prior"],
        degrees_of_freedom_prior=5.0,
    )
    evidence = elbo.log_evidence(elbo.prior_of(mixture), X, 2)
    assert mixture.lower_bound_ == pytest.approx(evidence - np.log(2), abs=1e-6)


@every_conjugate_type
@every_weight_prior
def test_the_bound_never_falls(covariance_type, weight_prior):
    for seed in range(6):
        X, _ = blobs(n=70, d=1 + seed % 3, k=3, apart=0.7 * seed, seed=seed)
        weight = some_weights(70, seed % 2, seed=seed)
        prior = component_prior(covariance_type, 1 + seed % 3, seed=seed) if seed % 3 else {}
        mixture = variational(
            X,
            5,
            covariance_type=covariance_type,
            weight_prior=weight_prior,
            weight_concentration_prior=[1e-3, 0.4, 30.0][seed % 3],
            init_params=soft_start(70, 5, seed=seed),
            sample_weight=weight,
            tol=0.0,
            max_iter=80,
            **prior,
        )
        bounds = np.array(mixture.lower_bounds_)
        assert len(bounds) == 80
        assert (np.diff(bounds) >= 0).all()
        assert bounds[-1] - bounds[0] > 0.1
        # Also where it is computed by another hand: a hidden fall would show at the end.
        terms = elbo.elbo_terms(
            elbo.prior_of(mixture), elbo.posterior_of(mixture), X, ones_if_none(weight, 70)
        )
        assert sum(terms) == pytest.approx(bounds[-1], rel=1e-9)


@every_type
@every_weight_prior
def test_posterior_is_where_the_bound_is_highest(covariance_type, weight_prior):
    X, _ = blobs(n=30, d=2, apart=2.0, seed=5)
    mixture = variational(
        X,
        3,
        covariance_type=covariance_type,
        weight_prior=weight_prior,
        random_state=0,
        tol=1e-13,
        max_iter=3000,
    )
    prior, best = elbo.prior_of(mixture), elbo.posterior_of(mixture)
    here = sum(elbo.elbo_terms(prior, best, X, np.ones(30)))
    rng = np.random.default_rng(0)

    def moved(direction, size):
        rng = np.random.default_rng(direction)
        weights = np.array(best.weights) * np.exp(size * rng.normal(size=np.shape(best.weights)))
        nu = best.nu * np.exp(size * (rng.normal(size=3) if covariance_type != "tied" else 1.0))
        shape = () if covariance_type == "tied" else 3
        stretch = np.exp(size * np.broadcast_to(rng.normal(size=shape), 3))
        return elbo.Posterior(
            weights,
            best.mean + size * rng.normal(size=(3, 2)),
            best.beta * np.exp(size * rng.normal(size=3)),
            best.psi * stretch[:, None, None],
            nu,
        )

    for direction in rng.integers(1000, size=6):
        ahead, behind = (
            sum(elbo.elbo_terms(prior, moved(direction, size), X, np.ones(30)))
            for size in (1e-3, -1e-3)
        )
        assert max(ahead, behind) < here
        assert abs(ahead - behind) < 0.02 * (2 * here - ahead - behind)


@every_conjugate_type
@every_weight_prior
def test_an_unused_component_costs_only_what_the_weights_say(covariance_type, weight_prior):
    # Bounds compare numbers of components: a component with its prior has no divergence.
    X, _ = blobs(n=60, d=2, k=1)
    common = {
        "covariance_type": covariance_type,
        "weight_prior": weight_prior,
        "weight_concentration_prior": 1e-9,
        **component_prior(covariance_type, 2),
    }
    one = variational(X, 1, **common)
    start = np.tile([1.0, 0.0, 0.0], (60, 1))
    three = variational(X, 3, init_params=start, **common)
    np.testing.assert_allclose(three.expected_counts_, [60, 0, 0], atol=1e-6)
    assert three.elbo_terms().negative_kl_components == pytest.approx(
        one.elbo_terms().negative_kl_components, rel=1e-10
    )
    # To a Dirichlet one of three names was chosen; a first stick takes all.
    names = {"dirichlet_process": 0.0, "dirichlet_distribution": np.log(3)}[weight_prior]
    assert three.lower_bound_ == pytest.approx(one.lower_bound_ - names, rel=1e-9)


@every_type
@every_weight_prior
def test_convergence_is_measured_per_row(covariance_type, weight_prior):
    X, _ = blobs(n=150, d=2, apart=2.0, seed=4)
    weight = np.full(150, 4.0)
    common = {"covariance_type": covariance_type, "weight_prior": weight_prior}
    mixture = variational(
        X, 4, sample_weight=weight, random_state=0, tol=1e-4, max_iter=5000, **common
    )
    assert mixture.converged_
    gains = np.diff(mixture.lower_bounds_) / weight.sum()
    # The last iteration is the one after those that had settled.
    np.testing.assert_array_less(gains[-3:-1], 1e-4)
    with pytest.warns(ConvergenceWarning, match=r"Variational inference .* max_iter=2 .*tol=0\.0"):
        VariationalGaussianMixture(4, random_state=0, tol=1e-4, max_iter=2).fit(X)
    tight = variational(
        X, 4, sample_weight=weight, random_state=0, tol=1e-12, max_iter=9000, **common
    )
    assert tight.lower_bound_ >= mixture.lower_bound_ - 1e-6
    assert tight.n_iter_ > mixture.n_iter_


@every_type
def test_no_iteration_returns_the_start(covariance_type):
    X, labels = blobs(n=60, d=2)
    mixture = variational(
        X, 3, covariance_type=covariance_type, init_params=one_hot(labels, 3), max_iter=0
    )
    assert (mixture.converged_, mixture.n_iter_, mixture.lower_bounds_) == (False, 0, [])
    start = elbo.update(elbo.prior_of(mixture), X, one_hot(labels, 3))
    elbo.assert_posterior(mixture, start)


def monte_carlo_bound(prior, posterior, X, rng, draws):
    """E_q of ln p(X, parameters) - ln q(parameters), assignments summed out: not below the bound.

    For one-dimensional rows and the Dirichlet.
    """
    k = len(posterior.nu)
    pi = rng.dirichlet(posterior.weights, size=draws)
    p = stats.dirichlet(np.full(k, prior.gamma)).logpdf(pi.T)
    q = stats.dirichlet(posterior.weights).logpdf(pi.T)
    joint = []
    for j in range(k):
        law = stats.gamma(posterior.nu[j] / 2, scale=2 / posterior.psi[j, 0, 0])
        precision = law.rvs(size=draws, random_state=rng)
        spread = 1 / np.sqrt(posterior.beta[j] * precision)
        mean = rng.normal(posterior.mean[j, 0], spread)
        q += law.logpdf(precision) + stats.norm(posterior.mean[j, 0], spread).logpdf(mean)
        p += stats.gamma(prior.nu / 2, scale=2 / prior.psi[0, 0]).logpdf(precision)
        p += stats.norm(prior.mean[0], 1 / np.sqrt(prior.beta * precision)).logpdf(mean)
        density = stats.norm(mean[:, None], 1 / np.sqrt(precision[:, None])).logpdf(X[:, 0])
        joint.append(np.log(pi[:, j, None]) + density)
    values = p + logsumexp(joint, axis=0).sum(axis=1) - q
    return values.mean(), values.std() / np.sqrt(draws)


def test_bound_against_monte_carlo():
    # With far clusters, summing the assignments out wins next to nothing over q(Z), and given
    # them q is exact, so that all draws give nearly the same number.
    rng = np.random.default_rng(1)
    X = np.r_[rng.normal(size=(30, 1)), 60 + 2 * rng.normal(size=(20, 1))]
    mixture = variational(
        X,
        2,
        weight_prior="dirichlet_distribution",
        random_state=0,
        weight_concentration_prior=2.0,
        covariance_prior=[[1.0]],
    )
    value, error = monte_carlo_bound(
        elbo.prior_of(mixture), elbo.posterior_of(mixture), X, rng, 20_000
    )
    assert error < 1e-4
    assert mixture.lower_bound_ <= value
    assert mixture.lower_bound_ == pytest.approx(value, abs=1e-4)
