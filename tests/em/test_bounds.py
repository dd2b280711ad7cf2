"""Priors, lower bounds, steps that merely improve, and bounds that fall."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, logit, logsumexp
from scipy.stats import beta, norm
from sklearn.exceptions import ConvergenceWarning

from em.models import Coins, toss
from skem.em import fit

START = np.array([0.6, 0.5])


class PriorCoins(Coins):
    """Beta(3, 2) priors on both coins."""

    def maximise(self, counts, theta):
        return (counts[:, 0] + 2) / (counts.sum(axis=1) + 3)

    def log_prior(self, theta):
        return beta.logpdf(theta, 3, 2).sum()


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
def test_map_is_the_highest_posterior_density(acceleration):
    X, weight = toss(8), np.linspace(0.5, 1.5, 8)
    result = fit(
        PriorCoins(),
        X,
        START,
        sample_weight=weight,
        tol=1e-13,
        max_iter=2000,
        acceleration=acceleration,
    )

    def minus_log_posterior(z):
        p = expit(z)
        joint = X @ np.log([p, 1 - p]) + np.log(0.5)
        return -weight @ logsumexp(joint, axis=1) - beta.logpdf(p, 3, 2).sum()

    oracle = minimize(minus_log_posterior, logit(START), tol=1e-10)
    np.testing.assert_allclose(result.bound, -oracle.fun, rtol=1e-9)
    np.testing.assert_allclose(result.theta, expit(oracle.x), atol=1e-5)


class Shares:
    """Variational: a Dirichlet posterior of the shares of two known densities.

    Theta is its parameters; the prior's are 1. The bound is one of the log evidence.
    """

    centres = np.array([-1.0, 1.5])

    def expect(self, X, theta, weight):
        log_shares = digamma(theta) - digamma(theta.sum())
        joint = norm.logpdf(X[:, None], self.centres) + log_shares
        total = logsumexp(joint, axis=1)
        return np.exp(joint - total[:, None]).T @ weight, weight @ total

    def maximise(self, counts, theta):
        return 1 + counts

    def log_prior(self, theta):
        log_shares = digamma(theta) - digamma(theta.sum())
        log_norm = gammaln(theta.sum()) - gammaln(theta).sum()
        return -(log_norm + (theta - 1) @ log_shares)  # the prior's own is gammaln(2) = 0


def test_a_lower_bound_rises_to_the_evidence_and_stays_below():
    X = np.random.default_rng(0).normal(Shares.centres[[0, 0, 1, 0, 1, 0]], 1)
    result = fit(Shares(), X, np.ones(2), tol=1e-12)
    assert result.converged
    assert (np.diff(result.bounds) >= 0).all()
    densities = norm.pdf(X[:, None], Shares.centres)
    evidence, _ = quad(lambda p: np.prod(densities @ [p, 1 - p]), 0, 1)
    assert np.log(evidence) - 0.3 < result.bound <= np.log(evidence)


class Cautious(Coins):
    """Goes a tenth of the way to the maximum."""

    def __init__(self, share=0.1):
        self.share = share

    def maximise(self, counts, theta):
        return theta + self.share * (super().maximise(counts, theta) - theta)


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
def test_steps_that_merely_improve_end_at_the_same_place(acceleration):
    X = toss(40)
    result = fit(Cautious(), X, START, tol=1e-11, max_iter=5000, acceleration=acceleration)
    whole = fit(Coins(), X, START, tol=1e-11, max_iter=5000)
    assert result.converged
    assert (np.diff(result.bounds) >= 0).all()
    np.testing.assert_allclose(result.bound, whole.bound, rtol=1e-7)


def test_a_bound_that_falls_is_told_and_the_iteration_taken_back():
    class TooFar(Cautious):
        def maximise(self, counts, theta):
            n_steps.append(1)
            return super().maximise(counts, theta) if len(n_steps) < 3 else np.array([0.99, 0.01])

    n_steps, news = [], []
    message = (
        r"The bound fell from -\d+\.\d+ by \d+\.?\d* in iteration 3 of start 0, "
        r"which was taken back and ended the run.*look at TooFar: expect must.*maximise must.*"
        r"log_prior.*gradient step"
    )
    with pytest.warns(ConvergenceWarning, match=message) as log:
        result = fit(TooFar(), toss(40), START, tol=1e-9, callbacks=news.append)
    assert len(log) == 1
    assert log[0].filename == __file__
    assert not result.converged
    assert result.n_iter == 3
    assert result.bounds[2] == result.bounds[1]
    assert [item.n_iter for item in news] == [1, 2]
    np.testing.assert_array_equal(result.theta, news[-1].theta)


def test_a_forgotten_prior_is_found():
    class Forgotten(PriorCoins):
        log_prior = None

    with pytest.warns(ConvergenceWarning, match="in iteration [0-9]+ of start 0"):
        result = fit(Forgotten(), toss(8), START, tol=1e-12)
    assert not result.converged


def test_a_fall_in_another_start_is_told_too():
    class Bad(Coins):
        def start(self, X, rng):
            starts.append(1)
            return np.array([0.75, 0.45]) if len(starts) == 1 else np.array([0.2, 0.1])

        def maximise(self, counts, theta):
            return super().maximise(counts, theta) if theta[1] > 0.3 else theta / 2

    starts = []
    with pytest.warns(ConvergenceWarning, match="in iteration 1 of start 1"):
        result = fit(Bad(), toss(40), n_init=2, n_jobs=1, random_state=0)
    assert result.converged
    assert result.theta[1] > 0.3


def test_rounding_is_no_fall():
    class Noisy(Coins):
        def expect(self, X, theta, weight):
            n_calls.append(1)
            counts, bound = super().expect(X, theta, weight)
            return counts, bound * (1 + 1e-12 * len(n_calls))  # ever lower, as bounds are negative

    n_calls = []
    result = fit(Noisy(), toss(40), START, tol=0.0, max_iter=500)
    assert result.converged
    assert (np.diff(result.bounds) >= 0).all()


def test_a_bound_near_zero_may_round_by_its_terms():
    class Shifted(Coins):
        """A constant makes the bound zero at the end."""

        def expect(self, X, theta, weight):
            counts, bound = super().expect(X, theta, weight)
            return counts, bound + shift

    shift = 0.0
    shift = -fit(Shifted(), toss(40), START, tol=0.0, max_iter=1000).bound
    result = fit(Shifted(), toss(40), START, tol=0.0, max_iter=1000)
    assert result.converged
    assert abs(result.bound) < 1e-9
