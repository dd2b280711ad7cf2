"""What rules say of statistics, against the same sums over rows."""

import numpy as np
import pytest
from oracles import cases, gaussian
from scipy.special import xlogy

from skem.families import CategoricalWeights, StickBreakingWeights
from skem.families.parsimonious import PARSIMONIOUS
from skem.inference import PointRule, VariationalRule
from skem.inference.rules import maximise_with_bound

ALL_KINDS = (*gaussian.KINDS, *PARSIMONIOUS)
N, D, K = 60, 2, 3
WEIGHTS = [StickBreakingWeights(0.7), CategoricalWeights(0.3)]


def given(kind, seed=0):
    """Rows, responsibilities times weights, and the statistics that they stand for."""
    rng = np.random.default_rng(seed)
    X = cases.blobs(N, D, rng)
    resp = cases.random_resp(N, K, rng)
    # The second component has most rows: a rule that orders components has something to do.
    resp[:, 1] *= 3.0
    family = cases.make_family(kind)
    return X, resp, cases.statistics_of(family, family.summer(K, D), X, resp)


def make_rule(kind, which):
    rng = np.random.default_rng(1)
    family = cases.make_family(kind)
    if which == "ml":
        return PointRule(CategoricalWeights(), family, family.flat_prior(D))
    prior = cases.random_prior(kind, "both" if family.conjugate else "mean", D, rng)
    if which == "map":
        return PointRule(CategoricalWeights(1.5), family, prior)
    return VariationalRule(WEIGHTS[which], family, prior)


def rules_of(kind):
    variational = (0, 1) if kind in gaussian.CONJUGATE else ()
    return [make_rule(kind, which) for which in ("ml", "map", *variational)]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_expected_log_likelihood_is_a_sum_over_rows(kind):
    X, resp, stats = given(kind)
    n_pairs = cases.make_family(kind).n_products(D)
    for rule in rules_of(kind):
        # At parameters that do not come from these statistics.
        theta = rule.update(given(kind, seed=3)[2], rule.without_rows(K, D))
        scores = cases.scores_of(rule.scorer(theta), X, K, n_pairs)
        got = rule.expected_log_likelihood(stats, theta)
        np.testing.assert_allclose(got, (resp * scores).sum(), rtol=1e-10)


@pytest.mark.parametrize("kind", gaussian.CONJUGATE)
@pytest.mark.parametrize("which", ["ml", "map"])
def test_of_point_estimates_it_is_that_of_normal_distributions(kind, which):
    X, resp, stats = given(kind)
    rule = make_rule(kind, which)
    theta, bound = maximise_with_bound(rule, stats, rule.without_rows(K, D))
    joint = gaussian.log_joint(kind, X, theta.weights, *theta.components[:2])
    wanted = (resp * joint).sum()
    np.testing.assert_allclose(rule.expected_log_likelihood(stats, theta), wanted, rtol=1e-10)
    np.testing.assert_allclose(bound, wanted + rule.regulariser(theta), rtol=1e-10)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_nothing_is_better_than_the_best(kind):
    X, resp, stats = given(kind)
    total = resp.sum(axis=1)
    entropy = xlogy(total, total).sum() - xlogy(resp, resp).sum()
    n_pairs = cases.make_family(kind).n_products(D)
    for rule in rules_of(kind):
        theta, bound = maximise_with_bound(rule, stats, rule.without_rows(K, D))
        if isinstance(rule, VariationalRule):
            counts = rule.weights.counts(theta.weights)
            assert counts.argmax() == 0  # in the order that the prior likes best
        others = [rule.update(given(kind, seed)[2], theta) for seed in range(2, 6)]
        for other in (*others, rule.update(stats, rule.without_rows(K, D))):
            value = rule.expected_log_likelihood(stats, other) + rule.regulariser(other)
            assert value <= bound + 1e-9 * abs(bound)
        # With the entropy it is no higher than where each row has its best assignment.
        scores = cases.scores_of(rule.scorer(theta), X, K, n_pairs)
        normaliser = np.logaddexp.reduce(scores, axis=1)
        assert bound + entropy <= total @ normaliser + rule.regulariser(theta) + 1e-9
