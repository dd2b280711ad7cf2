"""Accelerated loops: the bound never falls, the end is plain EM's, and it comes sooner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian

from skem.families import (
    GAUSSIAN_FAMILIES,
    CategoricalWeights,
    GaussianStatistics,
    SingularCovarianceError,
    StickBreakingWeights,
)
from skem.inference import ACCELERATIONS, GivenShares, Passes, PointRule, VariationalRule, batch_em
from skem.inference.acceleration import Accelerator

K, D = 3, 2
families = pytest.mark.parametrize("kind", gaussian.KINDS)
methods = pytest.mark.parametrize("method", sorted(ACCELERATIONS))
# Parameters from statistics: maximum likelihood, MAP, and two kinds of posteriors.
RULES = ("ml", "map", "dirichlet", "process")


def make_rule(kind, which, rng, reg_covar=0.0):
    family = GAUSSIAN_FAMILIES[kind](reg_covar)
    if which == "ml":
        return PointRule(CategoricalWeights(), family, family.flat_prior(D))
    prior = cases.random_prior(kind, "both", D, rng)
    if which == "map":
        return PointRule(CategoricalWeights(1.5), family, prior)
    weights = CategoricalWeights(0.3) if which == "dirichlet" else StickBreakingWeights(0.5)
    return VariationalRule(weights, family, prior)


def setting(kind, which="ml", seed=0, n_rows=200, weighted=False, reg_covar=0.0, spread=1.2):
    """A passes, a rule and a start, of clusters that overlap."""
    rng = np.random.default_rng(seed)
    X = cases.blobs(n_rows, D, rng, spread=spread)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    weights = rng.uniform(0.2, 3.0, n_rows) if weighted else None
    rule = make_rule(kind, which, rng, reg_covar)
    passes = cases.make_passes(cases.make_table(X, weights), rule.family, K)
    resp = rng.dirichlet(np.full(K, 0.3), size=n_rows)
    with passes.engine:
        summer = rule.family.summer(K, D)
        stats = passes.summarise(rule.family, summer, GivenShares(resp))
        theta = rule.arrange(rule.update(stats, rule.without_rows(K, D)))
    return passes, rule, theta


def run(passes, rule, theta, acceleration, max_iter=3000, tol=1e-8, after_iteration=None):
    with passes.engine:
        return batch_em(
            passes,
            rule,
            theta,
            max_iter=max_iter,
            tol=tol,
            after_iteration=after_iteration or (lambda *state: False),
            acceleration=acceleration,
        )


def bound_at(passes, rule, theta):
    with passes.engine:
        local = passes.expect(rule.family, rule.scorer(theta))
    return (local.log_normaliser + rule.regulariser(theta)) / passes.source.total_weight


@pytest.fixture
def made(monkeypatch):
    """A list that grows by one with each E-step over the rows."""
    calls = []
    for name in ("expect", "log_normaliser"):
        method = getattr(Passes, name)

        def counted(*args, method=method, **options):
            calls.append(1)
            return method(*args, **options)

        monkeypatch.setattr(Passes, name, counted)
    return calls


def count(made, fit):
    before = len(made)
    result = fit()
    return len(made) - before, result


def random_statistics(kind, which, seed):
    """A rule, and statistics after a few steps of it."""
    passes, rule, theta = setting(kind, which, seed, reg_covar=1e-6)
    theta = run(passes, rule, theta, None, max_iter=3, tol=0.0).theta
    with passes.engine:
        stats = passes.expect(rule.family, rule.scorer(theta)).statistics
    return passes, rule, stats


@pytest.mark.core
@families
@pytest.mark.parametrize("which", RULES)
def test_coordinates_are_a_bijection(kind, which):
    passes, rule, stats = random_statistics(kind, which, 0)
    coordinates = rule.family.coordinates(rule.prior, passes.source.total_weight, stats)
    origin = coordinates.encode(stats)
    rng = np.random.default_rng(1)
    for size in (0.0, 1e-3, 0.3):
        vector = origin + size * rng.standard_normal(len(origin)) / len(origin)
        decoded = coordinates.decode(vector)
        assert decoded.weight.sum() == pytest.approx(passes.source.total_weight)
        again = coordinates.decode(coordinates.encode(decoded))
        for part, expected in zip(again, decoded, strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-9, atol=1e-9)
        if not size:
            for part, expected in zip(decoded, stats, strict=True):
                np.testing.assert_allclose(part, expected, rtol=1e-9, atol=1e-9)


def complete_divergence(rule, stats, other):
    """KL between the joint distributions of a row and its component, by NumPy alone."""
    theta, changed = (rule.update(s, rule.without_rows(K, D)) for s in (stats, other))
    total = float((theta.weights * np.log(theta.weights / changed.weights)).sum())
    dense = [rule.family.dense(t.components.covariances, K, D) for t in (theta, changed)]
    for k, weight in enumerate(theta.weights):
        inverse = np.linalg.inv(dense[1][k])
        apart = changed.components.means[k] - theta.components.means[k]
        ratio = np.linalg.slogdet(dense[1][k])[1] - np.linalg.slogdet(dense[0][k])[1]
        trace = np.trace(inverse @ dense[0][k])
        total += weight * 0.5 * (ratio - D + trace + apart @ inverse @ apart)
    return total


@families
def test_half_the_squared_distance_is_the_divergence(kind):
    passes, rule, stats = random_statistics(kind, "ml", 0)
    coordinates = rule.family.coordinates(rule.prior, passes.source.total_weight, stats)
    origin = coordinates.encode(stats)
    rng = np.random.default_rng(2)
    for _ in range(5):
        decoded = coordinates.decode(origin + 1e-4 * rng.standard_normal(len(origin)))
        distance = coordinates.encode(decoded) - origin
        expected = complete_divergence(rule, stats, decoded)
        np.testing.assert_allclose(0.5 * distance @ distance, expected, rtol=2e-3)


def test_coordinates_that_no_rows_could_have():
    passes, rule, stats = random_statistics("full", "ml", 0)
    coordinates = rule.family.coordinates(rule.prior, passes.source.total_weight, stats)
    vector = coordinates.encode(stats)
    first = K + K * D
    for value in (-1e3, 1e6, np.nan):  # narrower than reg_covar; overflow; no number
        changed = vector.copy()
        changed[first] = value
        assert coordinates.decode(changed) is None
    assert coordinates.decode(np.zeros_like(vector)) is None


@pytest.mark.core
@families
@methods
@pytest.mark.parametrize("which", RULES)
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_never_fall(kind, method, which, weighted):
    passes, rule, theta = setting(kind, which, weighted=weighted, reg_covar=1e-6)
    result = run(passes, rule, theta, method, max_iter=150, tol=1e-9)
    assert (np.diff(result.bounds) >= 0).all()
    assert result.n_iter == len(result.bounds)
    assert result.bound == result.bounds[-1]
    np.testing.assert_allclose(result.bound, bound_at(passes, rule, result.theta), rtol=1e-10)


@methods
@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(sorted(GAUSSIAN_FAMILIES)),
    seed=st.integers(0, 10**6),
    reg_covar=st.sampled_from([1e-6, 1e-2, 0.3]),
)
def test_bounds_never_fall_at_random(method, kind, seed, reg_covar):
    passes, rule, theta = setting(kind, "ml", seed, n_rows=40, weighted=True, reg_covar=reg_covar)
    result = run(passes, rule, theta, method, max_iter=60, tol=1e-9)
    assert (np.diff(result.bounds) >= 0).all()
    np.testing.assert_allclose(result.bound, bound_at(passes, rule, result.theta), rtol=1e-10)


@families
@pytest.mark.parametrize("which", RULES)
def test_the_end_is_that_of_plain_iterations(kind, which):
    # From where only one maximum is near.
    passes, rule, theta = setting(kind, which, reg_covar=1e-6, spread=2.5)
    near = run(passes, rule, theta, None, tol=1e-4).theta
    plain = run(passes, rule, near, None, max_iter=20_000, tol=1e-14)
    for method in sorted(ACCELERATIONS):
        fast = run(passes, rule, near, method, tol=1e-10)
        assert fast.converged
        np.testing.assert_allclose(fast.bound, plain.bound, rtol=0, atol=1e-8)
        np.testing.assert_allclose(
            fast.theta.components.means, plain.theta.components.means, rtol=0, atol=1e-3
        )


@pytest.mark.core
@methods
@pytest.mark.parametrize("which", ["ml", "map", "dirichlet"])
def test_far_fewer_passes_on_a_slow_case(made, method, which):
    passes, rule, theta = setting("full", which, seed=3, reg_covar=1e-6, spread=0.7)
    slow, plain = count(made, lambda: run(passes, rule, theta, None))
    quick, fast = count(made, lambda: run(passes, rule, theta, method))
    assert slow > 150
    assert quick == fast.n_iter + 1
    assert quick < slow / 3
    assert fast.bound >= plain.bound - 1e-8


class Wild:
    """Guesses that are never any good."""

    empty = False

    def __init__(self, shift):
        self.shift, self.judged = shift, []

    def propose(self, x, image):
        return image + self.shift

    def record(self, accepted):
        self.judged.append(accepted)

    def forget(self):
        pass


@methods
def test_the_first_iterations_are_plain(method):
    passes, rule, theta = setting("full")
    plain = run(passes, rule, theta, None, max_iter=1, tol=0.0)
    fast = run(passes, rule, theta, method, max_iter=1, tol=0.0)
    assert fast.bounds == plain.bounds


@pytest.mark.core
@families
@pytest.mark.parametrize("which", RULES)
def test_what_lowers_the_bound_is_undone(monkeypatch, kind, which):
    wild = Wild(0.7)
    monkeypatch.setitem(ACCELERATIONS, "wild", lambda: wild)
    passes, rule, theta = setting(kind, which, reg_covar=1e-6, spread=2.5)
    plain = run(passes, rule, theta, None, max_iter=12, tol=0.0)
    seen = []
    fast = run(
        passes,
        rule,
        theta,
        "wild",
        max_iter=16,
        tol=0.0,
        after_iteration=lambda *state: seen.append(state),
    )
    assert wild.judged
    assert not any(wild.judged)
    # A plain iteration, then one that is undone and one that is plain in turn.
    rises = [
        bound
        for bound, before in zip(fast.bounds[1:], fast.bounds, strict=False)
        if bound != before
    ]
    np.testing.assert_allclose([fast.bounds[0], *rises], plain.bounds[: len(rises) + 1], rtol=1e-12)
    assert [state[0] for state in seen] == list(range(1, 17))
    assert [state[2] for state in seen] == fast.bounds
    assert all(state[3] >= 0 for state in seen)


@pytest.mark.parametrize("shift", [np.nan, 1e300, -1e300])
def test_guesses_that_are_nothing_cost_no_pass(monkeypatch, made, shift):
    wild = Wild(shift)
    monkeypatch.setitem(ACCELERATIONS, "wild", lambda: wild)
    passes, rule, theta = setting("full", reg_covar=1e-6)
    slow, plain = count(made, lambda: run(passes, rule, theta, None, max_iter=20, tol=0.0))
    quick, fast = count(made, lambda: run(passes, rule, theta, "wild", max_iter=20, tol=0.0))
    assert quick == slow
    assert fast.bounds == plain.bounds


def test_a_run_without_good_guesses_converges_all_the_same(monkeypatch):
    monkeypatch.setitem(ACCELERATIONS, "wild", lambda: Wild(0.7))
    passes, rule, theta = setting("full", reg_covar=1e-6, spread=2.5)
    plain = run(passes, rule, theta, None, tol=1e-6)
    fast = run(passes, rule, theta, "wild", tol=1e-6)
    assert fast.converged
    assert fast.n_iter <= 2 * plain.n_iter + 10
    np.testing.assert_allclose(fast.bound, plain.bound, atol=1e-5)


def test_a_rule_that_finds_a_singular_covariance_in_a_guess(monkeypatch):
    passes, rule, theta = setting("full", reg_covar=1e-6)
    with passes.engine:
        stats = passes.expect(rule.family, rule.scorer(theta)).statistics
    accelerator = Accelerator(rule, passes.source.total_weight, 1e-3, "anderson")
    assert accelerator.guess(theta, stats) is None
    accelerator.record_plain(1.0, True)

    def singular(*args):
        raise SingularCovarianceError(0)

    monkeypatch.setattr(PointRule, "update", singular)
    for _ in range(3):
        assert accelerator.guess(theta, stats) is None
        accelerator.record_plain(1.0, True)


@methods
def test_singular_scatters_leave_iterations_plain(method):
    # Statistics of a component on one line have no coordinates.
    _, rule, theta = setting("full")
    stats = GaussianStatistics(np.full(K, 1.0), np.zeros((K, D)), np.ones((K, D, D)))
    accelerator = Accelerator(rule, 3.0, 1e-3, method)
    for _ in range(3):
        assert accelerator.guess(theta, stats) is None
        accelerator.record_plain(1.0, True)


@families
@methods
@pytest.mark.parametrize("factor", [1e-100, 1e-6, 1e100])
def test_the_unit_of_the_weights_does_not_matter(kind, method, factor):
    passes, rule, theta = setting(kind, weighted=True)
    result = run(passes, rule, theta, method, max_iter=25)
    passes = cases.with_weights_times(passes, factor)
    scaled = run(passes, rule, theta, method, max_iter=25)
    assert scaled.n_iter == result.n_iter
    np.testing.assert_allclose(scaled.bounds, result.bounds, rtol=1e-9)


@methods
@pytest.mark.parametrize("which", ["ml", "dirichlet"])
def test_a_component_without_rows(method, which):
    passes, rule, theta = setting("full", which, reg_covar=1e-6)
    if which == "ml":
        far = theta.components.means.copy()
        far[2] = 1e3
        theta = theta._replace(components=theta.components._replace(means=far))
    result = run(passes, rule, theta, method, max_iter=60)
    assert np.isfinite(result.bounds).all()
    assert (np.diff(result.bounds) >= 0).all()
    if which == "ml":
        assert result.theta.weights[2] == 0.0
        np.testing.assert_array_equal(result.theta.components.means[2], far[2])


@methods
def test_one_component_is_at_its_end_at_once(method):
    passes, rule, _ = setting("full")
    passes = cases.make_passes(passes.source, rule.family, 1)
    theta = cases.random_theta("full", 1, D, np.random.default_rng(0))
    result = run(passes, rule, theta, method, tol=1e-12)
    assert result.converged
    assert result.n_iter < 10


@methods
def test_another_order_of_the_components_is_a_new_beginning(method):
    _, rule, theta = setting("full", "dirichlet", reg_covar=1e-6)
    rng = np.random.default_rng(0)
    scatter = np.tile(np.eye(D), (K, 1, 1))

    def statistics(*weight):
        weight = np.array(weight)
        return GaussianStatistics(
            weight, rng.standard_normal((K, D)), weight[:, None, None] * scatter
        )

    accelerator = Accelerator(rule, 60.0, 1e-3, method)
    remembered = []
    for weight in ((30.0, 20.0, 10.0), (29.0, 20.0, 11.0), (20.0, 29.0, 11.0), (28.0, 21.0, 11.0)):
        guess = accelerator.guess(theta, statistics(*weight))
        remembered.append(accelerator.coordinates is not None)
        assert guess is None or (np.diff(accelerator.tried.weight) <= 0).all()
        accelerator.record_plain(1.0, True)
    # None before the first iteration, none after the components changed places.
    assert remembered[:3] == [False, True, False]
    assert (np.diff(accelerator.source.weight) <= 0).all()
