"""E-steps over tables with missing cells against loops over rows, however rows are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaps, gaussian
from scipy.special import logsumexp

from skem.engine import GappyTable, Table, Threads
from skem.engine.gaps import make_table
from skem.families import CategoricalWeights
from skem.inference import PointRule
from skem.inference.tasks import Assign, ComputeResponsibilities, LogDensity

families = pytest.mark.parametrize("kind", gaussian.KINDS)
CUTS = [None, (100, 1, (100, 100)), (16, 1, (8, 3)), (7, 3, (3, 2)), (1, 1, (1, 1))]
K, D, N = 3, 4, 45


def case(kind, seed=0, share=0.3, weighted=True, width=1.0):
    """A table with holes, parameters in its units, and its standardised rows."""
    rng = np.random.default_rng(seed)
    X = gaps.punch(cases.blobs(N, D, rng), share, seed)
    X[5] = np.nan
    weights = rng.uniform(0.1, 3.0, N) * (rng.uniform(size=N) < 0.7) if weighted else None
    origin = rng.standard_normal(D)
    scale = np.full(D, 1.7) if kind == "spherical" else rng.uniform(0.5, 2.0, D)
    theta = cases.random_theta(kind, K, D, rng, width=width)
    return make_table(X, weights, origin, scale), theta, (X - origin) / scale


def rule_of(kind):
    family = cases.make_family(kind)
    unit = family.without_rows(1, D)
    family = family.with_gaps(lambda: unit)
    return PointRule(CategoricalWeights(), family, family.flat_prior(D))


def expect(kind, table, theta, n_threads=1, cut=None, block_size=None):
    rule = rule_of(kind)
    with Threads(n_threads) as threads:
        passes = cases.make_passes(table, rule.family, K, threads, cut, block_size)
        return passes.expect(rule.family, rule.scorer(theta))


def oracle(kind, table, theta, Z):
    weights = np.ones(N) if table.weights is None else table.weights
    means, covariances, _ = theta.components
    joint = gaps.log_joint(kind, Z, theta.weights, means, covariances)
    normaliser = logsumexp(joint, axis=1)
    resp = weights[:, None] * np.exp(joint - normaliser[:, None])
    stats = gaps.statistics(kind, Z, resp, means, covariances)
    return stats, float(weights @ normaliser), normaliser, joint


@pytest.mark.core
@families
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_expected_statistics(kind, cut, weighted):
    table, theta, Z = case(kind, weighted=weighted)
    assert isinstance(table, GappyTable)
    local = expect(kind, table, theta, cut=cut)
    wanted, total, _, _ = oracle(kind, table, theta, Z)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-11)
    for part, reference in zip(local.statistics, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-9, atol=1e-10)


@families
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.02, 0.2, 0.5, 0.9]),
    tile=st.integers(1, 50),
    tiles=st.integers(1, 4),
)
def test_expected_statistics_at_random(kind, seed, share, tile, tiles):
    table, theta, Z = case(kind, seed, share)
    local = expect(kind, table, theta, cut=(tile, tiles, (max(1, tile // 2), 2)))
    wanted, total, _, _ = oracle(kind, table, theta, Z)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-10)
    for part, reference in zip(local.statistics, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-8, atol=1e-9)


@pytest.mark.core
@families
def test_components_so_narrow_that_rows_are_scored_about_their_means(kind):
    table, theta, Z = case(kind, width=1e-4)
    means, _, _ = theta.components
    Z = means[np.arange(N) % K] + 1e-4 * np.where(np.isnan(Z), np.nan, Z)
    table = make_table(Z, None, np.zeros(D), np.ones(D))
    local = expect(kind, table, theta)
    wanted, total, _, _ = oracle(kind, table, theta, Z)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-9)
    np.testing.assert_allclose(local.statistics.weight, wanted[0], rtol=1e-8)
    np.testing.assert_allclose(local.statistics.mean, wanted[1], rtol=1e-9)
    np.testing.assert_allclose(local.statistics.scatter, wanted[2], rtol=1e-3, atol=1e-13)


@pytest.mark.core
@families
@pytest.mark.parametrize("cut", CUTS[1:])
def test_answers_are_at_the_rows_places(kind, cut):
    table, theta, Z = case(kind, weighted=False)
    _, _, normaliser, joint = oracle(kind, table, theta, Z)
    rule = rule_of(kind)
    with Threads(2) as threads:
        passes = cases.make_passes(table, rule.family, K, threads, cut)
        scorer = rule.scorer(theta)
        density, labels, resp = (
            threads.fold(task, table, passes.plan)
            for task in (LogDensity(scorer), Assign(scorer), ComputeResponsibilities(scorer))
        )
    np.testing.assert_allclose(density, normaliser, rtol=1e-10, atol=1e-12)
    some = ~np.isnan(Z).all(axis=1)
    np.testing.assert_array_equal(labels[some], joint.argmax(axis=1)[some])
    np.testing.assert_allclose(resp, np.exp(joint - normaliser[:, None]), rtol=1e-8, atol=1e-14)


@pytest.mark.core
@families
def test_same_bits_for_threads_and_blocks(kind):
    table, theta, _ = case(kind)

    def bits(*options):
        local = expect(kind, table, theta, *options)
        return [part.tobytes() for part in local.statistics] + [local.log_normaliser.hex()]

    one = bits(1, (7, 2, (3, 2)))
    for n_threads in (1, 2, 4):
        for block_size in (None, 1, 20, 1000):
            assert bits(n_threads, (7, 2, (3, 2)), block_size) == one


@pytest.mark.core
@families
def test_nothing_missing_gives_the_bits_of_a_plain_table(kind):
    rng = np.random.default_rng(0)
    X = cases.blobs(N, D, rng)
    theta = cases.random_theta(kind, K, D, rng)
    plain = make_table(X, None, np.zeros(D), np.ones(D))
    assert type(plain) is Table
    gappy = GappyTable(X, None, np.zeros(D), np.ones(D))
    for one, other in zip(
        expect(kind, plain, theta).statistics, expect(kind, gappy, theta).statistics, strict=True
    ):
        assert one.tobytes() == other.tobytes()
