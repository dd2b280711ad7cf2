"""Student's t components against SciPy's densities and an EM written as explicit loops."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from oracles import cases, gaps, student
from scipy import stats
from scipy.special import digamma, gammaln, logsumexp, softmax

from skem.engine import Threads, make_table
from skem.families import (
    CategoricalWeights,
    DegreesOfFreedom,
    GaussianParameters,
    StudentFamily,
    StudentParameters,
)
from skem.families.freedom import expected_log_scale
from skem.inference import GivenShares, MixtureParameters, PointRule
from skem.inference.rules import maximise_with_bound
from skem.inference.tasks import Expect, ExpectedScale, LogDensity
from skem.scoring import gamma_entropy

KINDS = ("full", "tied", "diag", "spherical")
K, D, N = 3, 3, 40
FREE = DegreesOfFreedom(None, False, (1e-3, 1e6))
every_kind = pytest.mark.parametrize("kind", KINDS)
with_gaps = pytest.mark.parametrize("share", [0.0, 0.3], ids=["complete", "gaps"])
core = pytest.mark.core


def case(kind, share=0.0, degrees=FREE, seed=0, cut=None):
    """A family, passes over rows as they are, and parameters."""
    rng = np.random.default_rng(seed)
    X = gaps.punch(cases.blobs(N, D, rng), share, seed)
    family = StudentFamily(cases.make_family(kind), degrees)
    gaussian = cases.random_parameters(kind, K, D, rng)
    components = StudentParameters(*gaussian, np.array([1.5, 4.0, 40.0]))
    theta = MixtureParameters(rng.dirichlet(np.full(K, 5.0)), components)
    if share:
        unit = family.without_rows(1, D)
        family = family.with_gaps(lambda: unit)
    table = make_table(X, None, np.zeros(D), np.ones(D))
    return family, cases.make_passes(table, family, K, cut=cut), theta, X


def flat_rule(family):
    return PointRule(CategoricalWeights(), family, family.gaussian.flat_prior(D))


def log_joint(kind, X, theta):
    means, scales, _, freedom = theta.components
    return student.log_joint(kind, X, theta.weights, means, scales, freedom)


@core
@every_kind
@with_gaps
def test_log_density(kind, share):
    family, passes, theta, X = case(kind, share)
    scorer = flat_rule(family).scorer(theta)
    got = passes.engine.fold(LogDensity(scorer), passes.source, passes.plan)
    np.testing.assert_allclose(got, logsumexp(log_joint(kind, X, theta), axis=1), rtol=1e-11)


@core
@every_kind
@with_gaps
def test_em_step(kind, share):
    family, passes, theta, X = case(kind, share, cut=(16, 1, (8, 3)))
    rule = flat_rule(family)
    found, log_normaliser = passes.expect(family, rule.scorer(theta))
    means, scales, _, freedom = theta.components
    assert log_normaliser == pytest.approx(logsumexp(log_joint(kind, X, theta), axis=1).sum())
    got = rule.update(found, theta)
    expected = student.em_step(kind, X, theta.weights, means, scales, freedom)
    pairs = (got.weights, got.components.means, got.components.covariances, got.components.freedom)
    for value, wanted in zip(pairs, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-8, atol=1e-10)


@every_kind
@with_gaps
def test_expected_scales(kind, share):
    family, passes, theta, X = case(kind, share)
    scorer = flat_rule(family).scorer(theta)
    got = passes.engine.fold(ExpectedScale(scorer), passes.source, passes.plan)
    resp = softmax(log_joint(kind, X, theta), axis=1)
    means, scales, _, freedom = theta.components
    u = [
        [
            student.posterior(row, means[j], student.matrix(kind, scales, j, D), freedom[j]).mean()
            for j in range(K)
        ]
        for row in X
    ]
    np.testing.assert_allclose(got, (resp * u).sum(axis=1), rtol=1e-10)


@core
@every_kind
def test_the_bound_by_statistics_is_the_log_likelihood_at_the_same_parameters(kind):
    """At other parameters it is less: it is a bound (Neal & Hinton 1998)."""
    family, passes, theta, X = case(kind)
    rule = flat_rule(family)
    found, _ = passes.expect(family, rule.scorer(theta))
    joint = log_joint(kind, X, theta)
    resp = softmax(joint, axis=1)
    complete = float((resp * joint).sum())
    assert rule.expected_log_likelihood(found, theta) == pytest.approx(complete, rel=1e-10)
    better, bound = maximise_with_bound(rule, found, theta)
    assert bound > complete
    assert bound < float((resp * log_joint(kind, X, better)).sum())


@every_kind
def test_the_bound_with_gaps_rises_by_as_much_as_a_step_gains_at_least(kind):
    family, passes, theta, X = case(kind, 0.3)
    rule = flat_rule(family)
    found, _ = passes.expect(family, rule.scorer(theta))
    now = rule.expected_log_likelihood(found, theta)
    better, bound = maximise_with_bound(rule, found, theta)
    gain = logsumexp(log_joint(kind, X, better), axis=1) - logsumexp(
        log_joint(kind, X, theta), axis=1
    )
    assert 0 < bound - now < gain.sum()


@every_kind
@with_gaps
def test_unknown_scales_have_the_prior_of_the_start(kind, share):
    family, passes, _, X = case(kind, share)
    resp = cases.random_resp(N, K, np.random.default_rng(1))
    order = np.arange(N) if not share else passes.source.index.order
    stats_ = passes.summarise(family, family.summer(K, D), GivenShares(resp))
    prior = stats.gamma(15.0, scale=1 / 15.0)
    np.testing.assert_allclose(stats_.weight, resp.sum(axis=0))
    np.testing.assert_allclose(stats_.log_scale, student.expected_log(prior) * resp.sum(axis=0))
    lost = np.isnan(X[order]).sum(axis=1)
    entropies = prior.entropy() - 0.5 * lost * student.expected_log(prior)
    np.testing.assert_allclose(stats_.entropy, entropies @ resp[order], rtol=1e-10)
    none = family.without_rows(K, D)
    freedom = family.mode(stats_, family.gaussian.flat_prior(D), none).freedom
    np.testing.assert_allclose(freedom, 30.0, rtol=1e-8)


@every_kind
def test_better_sums_are_about_the_new_means(kind):
    """Rows so far from the origin that sums about it would lose digits."""
    rng = np.random.default_rng(2)
    X = cases.blobs(N, D, rng) + 1e5
    family = StudentFamily(cases.make_family(kind), FREE)
    gaussian = cases.random_parameters(kind, K, D, rng)
    gaussian = gaussian._replace(means=gaussian.means + 1e5)
    theta = MixtureParameters(
        np.full(K, 1 / K), StudentParameters(*gaussian, np.array([1.5, 4.0, 40.0]))
    )
    passes = cases.make_passes(cases.make_table(X), family, K)
    rule = flat_rule(family)
    found, _ = passes.expect(family, rule.scorer(theta))
    summer = family.better_summer(found, rule.scorer(theta), None)
    again, _ = passes.expect(family, rule.scorer(theta), summer)
    means, scales, _, freedom = theta.components
    expected = student.em_step(kind, X, theta.weights, means, scales, freedom)
    got = rule.update(again, theta)
    np.testing.assert_allclose(got.components.covariances, expected[2], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(got.components.freedom, expected[3], rtol=1e-6)


@every_kind
def test_tasks_pickle_and_threads_give_the_same_bits(kind):
    family, passes, theta, _ = case(kind, 0.3, cut=(7, 3, (3, 2)))
    scorer = flat_rule(family).scorer(theta)
    task = pickle.loads(pickle.dumps(Expect(scorer, scorer)))
    one = passes.engine.fold(task, passes.source, passes.plan)
    with Threads(3) as threads:
        many = threads.fold(Expect(scorer, scorer), passes.source, passes.plan)
    assert one.log_normaliser == many.log_normaliser
    for a, b in zip(one.sums, many.sums, strict=True):
        np.testing.assert_array_equal(a, b)


def statistics_of(family, passes, theta):
    return passes.expect(family, flat_rule(family).scorer(theta)).statistics


@every_kind
def test_statistics_merge_split_and_add(kind):
    family, passes, theta, _ = case(kind)
    stats_ = statistics_of(family, passes, theta)
    merged = family.merge(stats_, 0, 2)
    weight = stats_.weight
    np.testing.assert_allclose(merged.weight, [weight[0] + weight[2], weight[1], 0.0])
    np.testing.assert_allclose(merged.entropy.sum(), stats_.entropy.sum())
    np.testing.assert_allclose(merged.log_scale.sum(), stats_.log_scale.sum())
    twice = family.add(stats_, family.scale(stats_, 3.0))
    np.testing.assert_allclose(twice.scaled.scatter, 4 * stats_.scaled.scatter)
    np.testing.assert_allclose(twice.entropy, 4 * stats_.entropy)
    order = np.array([2, 0, 1])
    np.testing.assert_array_equal(family.take(stats_, order).log_scale, stats_.log_scale[order])
    np.testing.assert_array_equal(
        family.take(theta.components, order).freedom, theta.components.freedom[order]
    )


@every_kind
def test_coordinates_give_back_what_leads_to_the_same_parameters(kind):
    family, passes, theta, _ = case(kind)
    stats_, prior = statistics_of(family, passes, theta), family.gaussian.flat_prior(D)
    coordinates = family.coordinates(prior, float(N), stats_)
    back = coordinates.decode(coordinates.encode(stats_))
    one, other = (family.mode(values, prior, theta.components) for values in (stats_, back))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("freedom", [0.3, 1.0, 7.0, 200.0])
def test_degrees_of_freedom_are_found_from_scales_of_their_own(freedom):
    degrees = DegreesOfFreedom(None, False, (0.1, 1e4))
    gamma = stats.gamma(0.5 * freedom, scale=2.0 / freedom)
    surprise = np.array([4.0 * (1.0 - student.expected_log(gamma) - 1.0)])
    got = degrees.mode(np.array([4.0]), surprise, np.ones(1))
    np.testing.assert_allclose(got, freedom, rtol=1e-9)


def test_degrees_of_freedom_at_bounds_shared_given_and_without_rows():
    weight, surprise = np.array([2.0, 2.0, 0.0]), np.array([1e-9, 50.0, 0.0])
    previous = np.array([3.0, 4.0, 5.0])
    found = DegreesOfFreedom(None, False, (1.0, 200.0)).mode(weight, surprise, previous)
    np.testing.assert_array_equal(found, [200.0, 1.0, 5.0])
    shared = DegreesOfFreedom(None, True, (0.01, 1e4))
    value = shared.mode(weight, surprise, previous)
    assert np.ptp(value) == 0
    np.testing.assert_allclose(-expected_log_scale(value[:1]), surprise.sum() / 4.0)
    given = DegreesOfFreedom(7.0, False, (1.0, 2.0))
    np.testing.assert_array_equal(given.mode(weight, surprise, previous), 7.0)
    counts = [degrees.n_parameters(3) for degrees in (FREE, shared, given)]
    assert counts == [3, 1, 0]


def information(freedom, d):
    """Fisher's information about degrees of freedom: of a row's scale, and of a row."""
    half, step = 0.5 * freedom, 1e-4 * freedom

    def expected_square(score, distribution):
        x = distribution.ppf((np.arange(200_000) + 0.5) / 200_000)
        return np.mean(np.square(score(x)))

    scale = stats.gamma(half, scale=1.0 / half)
    known = expected_square(
        lambda u: 0.5 * (np.log(u) - u - digamma(half) + np.log(half) + 1), scale
    )

    def log_density(distance, f):
        height = gammaln(0.5 * (f + d)) - gammaln(0.5 * f) - 0.5 * d * np.log(f)
        return height - 0.5 * (f + d) * np.log1p(distance / f)

    def score(ratio):
        ends = [log_density(d * ratio, freedom + s) for s in (step, -step)]
        return (ends[0] - ends[1]) / (2 * step)

    # The squared distance over the number of features has an F distribution.
    return known, expected_square(score, stats.f(d, freedom))


@pytest.mark.parametrize(("freedom", "d"), [(1.5, 1), (4.0, 2), (12.0, 5)])
def test_steps_are_hastened_by_the_information_that_is_missing(freedom, d):
    known, of_rows = information(freedom, d)
    before, weight = np.array([freedom]), np.array([2.0])
    expected = -expected_log_scale(before)
    surprise = weight * (expected + 1e-3)
    moved = FREE.hasten(before, weight, surprise, np.array([0.1]), d)
    np.testing.assert_allclose(moved - expected, 1e-4 * known / of_rows, rtol=0.02)


def test_hastened_steps_come_to_rest_are_limited_shared_or_not_made():
    before, weight = np.array([3.0, 50.0]), np.array([2.0, 1.0])
    rate, expected = np.array([0.2, 0.2]), -expected_log_scale(before)
    np.testing.assert_allclose(FREE.hasten(before, weight, weight * expected, rate, 2), expected)
    far = FREE.hasten(before, weight, np.array([500.0, 0.0]), rate, 2)
    np.testing.assert_allclose(far, expected * [2.0, 0.5])
    shared = DegreesOfFreedom(None, True, (0.01, 1e4))
    same = shared.hasten(np.full(2, 3.0), weight, np.array([0.9, 1.1]), rate, 2)
    assert same[0] == same[1]
    family, passes, theta, _ = case("full")
    given = replace(family, degrees=DegreesOfFreedom(5.0, False, (1.0, 9.0)))
    new = passes.expect(family, flat_rule(family).scorer(theta)).statistics
    assert given.hasten(new, new, new, 0.1) is new


def test_expected_log_scale_and_entropy():
    for freedom in (0.5, 3.0, 1999.0, 2001.0, 1e5):
        gamma = stats.gamma(0.5 * freedom, scale=2.0 / freedom)
        expected = student.expected_log(gamma)
        got = float(expected_log_scale(np.asarray(freedom)))
        np.testing.assert_allclose(got, expected, rtol=1e-7)
        entropy = gamma_entropy(np.asarray(0.5 * freedom), np.asarray(0.5 * freedom))
        np.testing.assert_allclose(entropy, gamma.entropy(), rtol=1e-7)


@core
@every_kind
def test_priors_hold_means_and_scale_matrices(kind):
    """The M-step is at a maximum of bound plus log prior, by finite differences."""
    family, passes, theta, _ = case(kind)
    stats_ = statistics_of(family, passes, theta)
    prior = cases.random_prior(kind, "both", D, np.random.default_rng(3))
    best = family.mode(stats_, prior, theta.components)

    def value(components):
        return family.log_likelihood(stats_, components) + family.log_prior(components, prior)

    def with_gaussian(means, covariances):
        factors = family.gaussian.factorise(covariances)
        return StudentParameters(*GaussianParameters(means, covariances, factors), best.freedom)

    top = value(best)
    rng = np.random.default_rng(4)
    for _ in range(5):
        moved = best.means + 1e-3 * rng.standard_normal(best.means.shape)
        assert value(with_gaussian(moved, best.covariances)) < top
        for factor in (0.999, 1.001):
            assert value(with_gaussian(best.means, factor * best.covariances)) < top
            assert value(best._replace(freedom=factor * best.freedom)) < top


def test_draws_have_the_tails_of_a_t():
    family = StudentFamily(cases.make_family("full"), FREE)
    gaussian = cases.random_parameters("full", 1, D, np.random.default_rng(0))
    components = StudentParameters(*gaussian, np.array([2.5]))
    drawn = family.sample(components, np.zeros(2000, np.int64), np.random.RandomState(0))
    scale = np.sqrt(gaussian.covariances[0, 1, 1])
    t = stats.t(2.5, loc=gaussian.means[0, 1], scale=scale)
    assert stats.kstest(drawn[:, 1], t.cdf).pvalue > 0.01
    np.testing.assert_allclose(
        family.column_variances(components)[0], 5.0 * np.diag(gaussian.covariances[0])
    )
