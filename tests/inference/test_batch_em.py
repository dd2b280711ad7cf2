"""The loop: the bound never falls, the stop rule, and what an iteration that falls leads to."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from oracles import cases, gaussian
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skem.families import CategoricalWeights, SingularCovarianceError
from skem.inference import MixtureParameters, PointRule, batch_em

families = pytest.mark.parametrize("kind", gaussian.KINDS)
K, D = 3, 2
# A fall by more than this, relative to the bound, is no rounding.
ROUNDING = 1e-12


def setting(kind, which="ml", seed=0, n_rows=60, weighted=False, reg_covar=0.0):
    """A passes, a rule and a start."""
    rng = np.random.default_rng(seed)
    X = cases.blobs(n_rows, D, rng)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    weights = rng.uniform(0.2, 3.0, n_rows) if weighted else None
    family = cases.make_family(kind, reg_covar)
    concentration = 1.0 if which == "ml" else 1.5
    rule = PointRule(
        CategoricalWeights(concentration), family, cases.random_prior(kind, which, D, rng)
    )
    passes = cases.make_passes(cases.make_table(X, weights), family, K)
    theta = cases.random_theta(kind, K, D, rng, spread=1.0)
    return passes, rule, theta


def bound_at(passes, rule, theta):
    scorer = rule.scorer(theta)
    local = passes.expect(rule.family, scorer)
    return (local.log_normaliser + rule.regulariser(theta)) / passes.source.total_weight, local


def raw_iterates(passes, rule, theta, n_iter):
    """Plain EM without any safeguard: parameters and bounds at the start and after each step."""
    thetas, bounds = [theta], []
    for _ in range(n_iter):
        bound, local = bound_at(passes, rule, thetas[-1])
        bounds.append(bound)
        thetas.append(rule.update(local.statistics, thetas[-1]))
    return thetas, [*bounds, bound_at(passes, rule, thetas[-1])[0]]


def run(passes, rule, theta, max_iter=100, tol=1e-3, after_iteration=None):
    with passes.engine:
        return batch_em(
            passes,
            rule,
            theta,
            max_iter=max_iter,
            tol=tol,
            after_iteration=after_iteration or (lambda *state: False),
        )


def flattened(theta):
    return np.concatenate([theta.weights, *(part.ravel() for part in theta.components)])


@pytest.mark.core
@families
@pytest.mark.parametrize("which", cases.PRIORS)
@pytest.mark.parametrize("weighted", [False, True])
def test_raw_iterates_never_fall(kind, which, weighted):
    for seed in range(3):
        _, bounds = raw_iterates(*setting(kind, which, seed, weighted=weighted), 40)
        falls = -np.diff(bounds)
        assert falls.max() <= ROUNDING * np.abs(bounds).max()
        assert bounds[-1] > bounds[0]


@families
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    which=st.sampled_from(list(cases.PRIORS)),
    factor=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_raw_iterates_never_fall_at_random(kind, seed, which, factor):
    passes, rule, theta = setting(kind, which, seed, n_rows=40, weighted=True)
    if which == "ml":
        passes = cases.with_weights_times(passes, factor)
    try:
        _, bounds = raw_iterates(passes, rule, theta, 15)
    except SingularCovarianceError:
        reject()  # without reg_covar the likelihood has no maximum: some runs find that out
    assert (-np.diff(bounds)).max() <= ROUNDING * np.abs(bounds).max()


@families
def test_raw_iterates_near_the_optimum(kind):
    # Where gains are of the size of rounding: 150 more iterations from a converged fit.
    passes, rule, theta = setting(kind)
    theta = run(passes, rule, theta, max_iter=200, tol=1e-9).theta
    _, bounds = raw_iterates(passes, rule, theta, 60)
    assert (-np.diff(bounds)).max() <= ROUNDING * np.abs(bounds).max()


@pytest.mark.core
@families
@pytest.mark.parametrize("which", ["ml", "both"])
def test_bound_is_the_mean_log_density_plus_log_prior(kind, which):
    passes, rule, theta = setting(kind, which, weighted=True)
    result = run(passes, rule, theta, max_iter=5)
    weights, components = result.theta
    table = passes.source
    _, _, total = gaussian.e_step(
        kind, table.X, table.weights, weights, components.means, components.covariances
    )
    total += gaussian.log_prior(kind, components.means, components.covariances, rule.prior)
    if which != "ml":
        concentration = np.full(K, rule.weights.concentration)
        total += stats.dirichlet(concentration).logpdf(weights)
    np.testing.assert_allclose(result.bound, total / table.weights.sum(), rtol=1e-11)
    assert result.bounds[-1] == result.bound


@families
@pytest.mark.parametrize("factor", [1e-100, 1e-6, 1e100])
def test_the_unit_of_the_weights_does_not_matter(kind, factor):
    passes, rule, theta = setting(kind, weighted=True)
    plain = run(passes, rule, theta)
    passes = cases.with_weights_times(passes, factor)
    scaled = run(passes, rule, theta)
    assert (scaled.n_iter, scaled.converged) == (plain.n_iter, plain.converged)
    np.testing.assert_allclose(scaled.bounds, plain.bounds, rtol=1e-11)
    np.testing.assert_allclose(flattened(scaled.theta), flattened(plain.theta), rtol=1e-8)


def predicted_stop(bounds, max_iter, tol):
    """Number of iterations, and whether that is convergence, by the documented rule."""
    gain = np.inf
    for n_iter in range(1, max_iter + 1):
        if abs(gain) < tol:
            return n_iter, True
        gain = bounds[n_iter] - bounds[n_iter - 1]
    return max_iter, False


@pytest.mark.core
@families
@pytest.mark.parametrize("tol", [0.0, 1e-5, 1e-3, 0.1, 100.0])
@pytest.mark.parametrize("max_iter", [1, 2, 12, 40])
def test_stop_rule(kind, tol, max_iter):
    passes, rule, theta = setting(kind, seed=1)
    thetas, bounds = raw_iterates(passes, rule, theta, max_iter)
    n_iter, converged = predicted_stop(bounds, max_iter, tol)
    result = run(passes, rule, theta, max_iter=max_iter, tol=tol)
    assert (result.n_iter, result.converged) == (n_iter, converged)
    assert result.bounds == bounds[1 : n_iter + 1]
    np.testing.assert_array_equal(flattened(result.theta), flattened(thetas[n_iter]))


def test_a_gain_of_exactly_tol_is_no_convergence():
    # One component is at its maximum after one step: later gains are exactly zero.
    passes, rule, _ = setting("diag")
    theta = cases.random_theta("diag", 1, D, np.random.default_rng(0))
    passes = cases.make_passes(passes.source, rule.family, 1)
    result = run(passes, rule, theta, max_iter=6, tol=0.0)
    assert result.bounds == [result.bound] * 6
    assert not result.converged
    assert run(passes, rule, theta, max_iter=6, tol=1e-12).n_iter == 3


@pytest.mark.core
@families
@pytest.mark.parametrize("max_iter", [1, 7, 60])
def test_iterations_are_those_of_scikit_learn(kind, max_iter):
    passes, rule, theta = setting(kind, seed=2)
    result = run(passes, rule, theta, max_iter=max_iter)
    reference = GaussianMixture(
        K,
        covariance_type=kind,
        reg_covar=0.0,
        max_iter=max_iter,
        weights_init=theta.weights,
        means_init=theta.components.means,
        precisions_init=rule.family.precisions(theta.components.factors),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reference.fit(passes.source.X)
    assert (result.n_iter, result.converged) == (reference.n_iter_, reference.converged_)
    np.testing.assert_allclose(result.theta.weights, reference.weights_, rtol=1e-10)
    np.testing.assert_allclose(result.theta.components.means, reference.means_, atol=1e-10)
    np.testing.assert_allclose(
        result.theta.components.covariances, reference.covariances_, atol=1e-10
    )


@families
def test_no_iteration_at_all(kind):
    passes, rule, theta = setting(kind)
    result = run(passes, rule, theta, max_iter=0)
    assert result.theta is theta
    assert (result.bounds, result.converged, result.n_iter) == ([], False, 0)
    assert result.bound == bound_at(passes, rule, theta)[0]


def test_after_iteration_sees_and_stops():
    seen = []

    def after_iteration(*state):
        seen.append(state)
        return len(seen) == 4

    passes, rule, theta = setting("full")
    result = run(passes, rule, theta, tol=0.0, after_iteration=after_iteration)
    assert (result.n_iter, result.converged) == (4, False)
    assert [state[0] for state in seen] == [1, 2, 3, 4]
    assert [state[2] for state in seen] == result.bounds
    assert seen[-1][1] is result.theta
    start = bound_at(passes, rule, theta)[0]
    np.testing.assert_allclose(
        [state[3] for state in seen], np.diff([start, *result.bounds]), rtol=0, atol=1e-15
    )


@dataclass(frozen=True)
class Spoiled(PointRule):
    """A rule whose ``when``-th update is a bad one."""

    when: int = 1
    factor: float = 3.0
    calls: list = field(default_factory=list)

    def update(self, statistics, previous):
        self.calls.append(1)
        good = super().update(statistics, previous)
        if len(self.calls) != self.when:
            return good
        means = good.components.means * self.factor + 1.0
        return MixtureParameters(good.weights, good.components._replace(means=means))


@pytest.mark.core
@families
@pytest.mark.parametrize("when", [2, 5])
def test_an_iteration_that_falls_is_undone(kind, when):
    passes, rule, theta = setting(kind, seed=1)
    thetas, bounds = raw_iterates(passes, rule, theta, when)
    spoiled = Spoiled(rule.weights, rule.family, rule.prior, when)
    result = run(passes, spoiled, theta, tol=1e-12)
    assert result.converged
    np.testing.assert_array_equal(flattened(result.theta), flattened(thetas[when - 1]))
    assert result.bound == bounds[when - 1]
    assert result.n_iter == len(result.bounds) == when
    assert result.bounds[-1] == result.bound
    assert (np.diff([bounds[0], *result.bounds]) >= 0).all()


def test_the_first_iteration_is_taken_whatever_it_costs():
    # A start may lie beyond what reg_covar allows.
    passes, rule, theta = setting("full", seed=1)
    spoiled = Spoiled(rule.weights, rule.family, rule.prior, 1, factor=5.0)
    start = bound_at(passes, rule, theta)[0]
    result = run(passes, spoiled, theta, tol=1e-3)
    assert result.bounds[0] < start
    assert result.n_iter > 2
    assert (np.diff(result.bounds) >= 0).all()


@dataclass(frozen=True)
class NotANumber(PointRule):
    """A rule whose log prior is not a number at the ``when``-th parameters."""

    when: int = 3
    calls: list = field(default_factory=list)

    def regulariser(self, theta):
        self.calls.append(1)
        return np.nan if len(self.calls) == self.when else super().regulariser(theta)


def test_an_iteration_to_no_number_is_undone():
    passes, rule, theta = setting("full", seed=1)
    thetas, bounds = raw_iterates(passes, rule, theta, 1)
    result = run(passes, NotANumber(rule.weights, rule.family, rule.prior), theta, tol=1e-12)
    assert result.bound == bounds[1]
    assert result.n_iter == 2
    np.testing.assert_array_equal(flattened(result.theta), flattened(thetas[1]))


@pytest.mark.core
@families
@pytest.mark.parametrize("reg_covar", [1e-6, 1e-2, 0.3])
def test_bounds_never_fall_under_reg_covar(kind, reg_covar):
    for seed in range(3):
        passes, rule, theta = setting(kind, seed=seed, reg_covar=reg_covar)
        result = run(passes, rule, theta, max_iter=300, tol=0.0)
        assert (-np.diff(result.bounds)).max(initial=0.0) <= ROUNDING * np.abs(result.bounds).max()
        assert result.bound == result.bounds[-1]
        # Falls of less than 1e-10 of the bound are reported as none.
        np.testing.assert_allclose(
            result.bound, bound_at(passes, rule, result.theta)[0], rtol=1e-10
        )
