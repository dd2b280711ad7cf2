"""Rows scored by parameters that were estimated without them."""

import numpy as np
import pytest
from oracles import cases, gaussian
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal

from skem.families import CategoricalWeights
from skem.inference import PointRule, Start, find_start
from skem.inference.leaving_out import describes_better, score_left_out


def problem(X, weights=None, kind="full", reg_covar=1e-3):
    family = cases.make_family(kind, reg_covar)
    rule = PointRule(CategoricalWeights(), family, family.flat_prior(X.shape[1]))
    table = cases.make_table(X, weights, X.mean(axis=0), X.std(axis=0))
    return cases.make_passes(table, family, 2), rule


def start_from(passes, resp):
    table = passes.source
    rng = np.random.RandomState(0)
    return Start(resp, 2, rng, table, table.origin, table.scale)


@pytest.mark.core
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_parameters_without_the_rows(weighted):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(25, 3)), 1.5 + rng.normal(size=(20, 3))])
    weights = rng.uniform(0.5, 2.0, 45) if weighted else np.ones(45)
    passes, rule = problem(X, weights if weighted else None)
    start = start_from(passes, np.eye(2)[np.arange(45) // 25])
    theta = find_start(passes, rule, start)
    (found,) = score_left_out(passes, rule, [theta], start)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    parts = zip(theta.weights, *theta.components[:2], strict=True)
    joint = [np.log(w) + multivariate_normal(m, S).logpdf(Z) for w, m, S in parts]
    resp = softmax(joint, axis=0).T * weights[:, None]
    folds = np.random.RandomState(0).permutation(45) % 5
    expected = np.empty(45)
    for fold in range(5):
        out, kept = folds == fold, folds != fold
        count = resp[kept].sum(axis=0)
        means = resp[kept].T @ Z[kept] / count[:, None]
        scores = []
        for k in range(2):
            apart = Z[kept] - means[k]
            S = (resp[kept, k] * apart.T) @ apart / count[k] + 1e-3 * np.eye(3)
            density = multivariate_normal(means[k], S).logpdf(Z[out])
            scores.append(np.log(count[k] / count.sum()) + density)
        expected[out] = logsumexp(scores, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", gaussian.KINDS)
def test_a_row_left_out_is_less_likely(kind):
    X = np.random.default_rng(1).normal(size=(30, 3))
    passes, rule = problem(X, kind=kind)
    start = start_from(passes, np.random.default_rng(2).dirichlet(np.ones(2), size=30))
    theta = find_start(passes, rule, start)
    inside = logsumexp(passes.scores(rule.scorer(theta)), axis=0)
    assert score_left_out(passes, rule, [theta], start).sum() < inside.sum()


@pytest.mark.core
def test_one_and_a_half_standard_errors():
    # Of 100 differences with a standard deviation of 1 the sum has a standard error of 10.
    apart = np.tile([1.0, -1.0], 50)
    ones, nothing = np.ones(100), np.zeros(100)
    assert not describes_better(apart + 0.14, nothing, ones)
    assert describes_better(apart + 0.16, nothing, ones)
    assert not describes_better(nothing, nothing, ones)
    assert not describes_better(nothing, apart + 0.16, ones)
    # Only ratios of weights matter, and a row with a weight counts so often.
    assert describes_better(apart + 0.16, nothing, 1e-6 * ones)
    assert not describes_better(apart + 0.16, nothing, np.tile([1.0, 2.0], 50))
