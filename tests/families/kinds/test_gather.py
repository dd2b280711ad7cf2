"""Scores that are looked up: the same as by a matrix product, for any number of categories."""

import numpy as np
import pytest
from oracles.one_kind import fit, log_density

from skem.engine import Table, Threads, plan_tiles
from skem.families.kinds import Categorical, CategoricalParameters
from skem.inference.tasks import Assign, ComputeResponsibilities, Expect, LogNormaliser

N_ROWS, LEVELS = 900, (1000, 2, 1, 30)


@pytest.fixture(scope="module")
def setting():
    rng = np.random.default_rng(0)
    values = np.stack([rng.integers(n, size=N_ROWS) for n in LEVELS], axis=1).astype(float)
    values[rng.random(values.shape) < 0.1] = np.nan
    p = np.hstack([rng.dirichlet(np.ones(n), 4) for n in LEVELS])
    weights = rng.uniform(0.2, 2.0, N_ROWS)
    weights[::50] = 0.0
    return Categorical(n_categories=LEVELS), values, CategoricalParameters(p), weights


def fold(task, kind, values, weights, n_threads=1):
    lines = kind.lines(values)
    table = Table(lines, weights, np.zeros(kind.n_lines), np.ones(kind.n_lines))
    plan = plan_tiles(*lines.shape, 4, kind.n_lines + 1)
    with Threads(n_threads) as threads:
        return threads.fold(task, table, plan)


def by_numpy(kind, values, parameters, log_weights):
    """Scores and responsibilities, with an indicator for each category."""
    joint = np.tile(log_weights, (N_ROWS, 1))
    for column, p in zip(values.T, kind.split(parameters.probabilities), strict=True):
        for i, code in enumerate(column):
            if not np.isnan(code):
                joint[i] += np.log(p[:, int(code)])
    return joint, np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))


@pytest.mark.core
def test_scores_and_sums(setting):
    kind, values, parameters, weights = setting
    log_weights = np.log([0.1, 0.2, 0.3, 0.4])
    scorer = kind.scorer(kind.coefficients(parameters), np.zeros(4)).add_constants(log_weights)
    joint, resp = by_numpy(kind, values, parameters, log_weights)
    np.testing.assert_allclose(log_density(kind, values, parameters), joint - log_weights)
    sums, total = fold(Expect(scorer, scorer), kind, values, weights)
    assert total == pytest.approx(weights @ np.logaddexp.reduce(joint, axis=1), rel=1e-12)
    found = kind.statistics(sums[0][:-1], sums[0][-1])
    resp *= weights[:, None]
    np.testing.assert_allclose(found.weight, resp.sum(axis=0), rtol=1e-12)
    for column, sums_of_codes in zip(values.T, kind.split(found.sums), strict=True):
        for code in range(sums_of_codes.shape[1]):
            expected = resp[column == code].sum(axis=0)
            np.testing.assert_allclose(sums_of_codes[:, code], expected, rtol=1e-11)


def test_other_passes_and_hard_assignments(setting):
    kind, values, parameters, weights = setting
    none = np.zeros(4)
    scorer = kind.scorer(kind.coefficients(parameters), none)
    joint, resp = by_numpy(kind, values, parameters, none)
    best = joint.argmax(axis=1)
    np.testing.assert_array_equal(fold(Assign(scorer), kind, values, None), best)
    found = fold(ComputeResponsibilities(scorer), kind, values, None)
    np.testing.assert_allclose(found, resp, rtol=1e-9)
    hard = scorer.with_hard_assignments()
    total = fold(LogNormaliser(hard), kind, values, weights)
    assert total == pytest.approx(weights @ joint.max(axis=1), rel=1e-12)
    sums, _ = fold(Expect(hard, hard), kind, values, weights)
    expected = [weights[best == k].sum() for k in range(4)]
    np.testing.assert_allclose(sums[0][-1], expected, rtol=1e-12)


def test_threads_leave_every_bit(setting):
    kind, values, parameters, weights = setting
    scorer = kind.scorer(kind.coefficients(parameters), np.zeros(4))
    values, weights = np.tile(values, (40, 1)), np.tile(weights, 40)
    (one, total), (two, again) = (
        fold(Expect(scorer, scorer), kind, values, weights, n_threads) for n_threads in (1, 2)
    )
    np.testing.assert_array_equal(one[0], two[0])
    assert total == again


def test_codes_that_there_are_not_are_refused(setting):
    kind = setting[0]
    for code in (-1.0, 1000.0, np.inf):
        with pytest.raises(ValueError, match="codes that the columns have not"):
            kind.lines(np.array([[code, 0.0, 0.0, 0.0]]))


def test_a_thousand_categories_are_fitted(setting):
    kind, values, _, _ = setting
    run = fit(kind, values, 3, pseudo_count=1e-6, max_iter=30).run
    assert (np.diff(run.bounds) >= 0).all()
    for p in kind.split(run.theta.components.probabilities):
        np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
        assert (p > 0).all()
