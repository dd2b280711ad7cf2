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
from skem.inference import PointRule, batch_em
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
@pytest.mark.parametrize("kind", ["diag", "spherical"])
@pytest.mark.parametrize("width", [0.1, 4e-3, 2e-3, 1e-5])
def test_digits_that_are_lost_far_from_the_origin(kind, width):
    """On both sides of where scores and sums about the origin would lose too many."""
    table, theta, Z = case(kind, width=width)
    means, _, _ = theta.components
    Z = means[np.arange(N) % K] + width * np.where(np.isnan(Z), np.nan, Z)
    table = make_table(Z, None, np.zeros(D), np.ones(D))
    local = expect(kind, table, theta)
    weight, mean, scatter = _oracle_of_seen(kind, theta, Z)
    np.testing.assert_allclose(local.statistics.weight, weight, rtol=1e-9)
    np.testing.assert_allclose(local.statistics.mean, mean, rtol=0, atol=1e-9 * width)
    np.testing.assert_allclose(local.statistics.scatter, scatter, rtol=1e-8)


def _oracle_of_seen(kind, theta, Z):
    """Expected statistics of diagonal components in higher precision, cell by cell."""
    exact = np.longdouble
    means, covariances, _ = (np.asarray(part, exact) for part in theta.components)
    variances = covariances if kind == "diag" else np.repeat(covariances[:, None], D, axis=1)
    missing = np.isnan(Z)
    apart = np.where(missing[:, None], 0, Z.astype(exact)[:, None] - means)
    cells = np.where(missing[:, None], 0, np.log(variances) + apart**2 / variances)
    joint = np.log(np.asarray(theta.weights, exact)) - cells.sum(axis=2) / 2
    seen = np.count_nonzero(~missing, axis=1)
    joint -= seen[:, None] * np.log(2 * np.pi, dtype=exact) / 2
    resp = np.exp(joint - joint.max(axis=1, keepdims=True))
    resp /= resp.sum(axis=1, keepdims=True)
    weight = resp.sum(axis=0)
    shift = np.einsum("nk,nkd->kd", resp, apart) / weight[:, None]
    squares = (apart - shift) ** 2 + np.where(missing[:, None], variances, 0)
    scatter = np.einsum("nk,nkd->kd", resp, squares)
    if kind == "spherical":
        scatter = scatter.sum(axis=1)
    return tuple(part.astype(np.float64) for part in (weight, means + shift, scatter))


@pytest.mark.core
@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_sums_for_components_that_have_become_narrow(kind, width):
    """Scores about the origin are safe, sums are not, nor those about the old means."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    Z = np.where(labels, 1.0, -1.0)[:, None] + width * rng.standard_normal((N, D))
    Z[::3, D - 1] = np.nan
    rule = rule_of(kind)
    start = cases.random_theta(kind, 2, D, rng)
    covariances = 0.04 * rule.family.identity(2, D)
    components = start.components._replace(
        means=np.array([[-1.0], [1.0]]) + np.full((2, D), 0.25),
        covariances=covariances,
        factors=rule.family.factorise(covariances),
    )
    with Threads(1) as threads:
        run = batch_em(
            cases.make_passes(
                make_table(Z, None, np.zeros(D), np.ones(D)), rule.family, 2, threads
            ),
            rule,
            start._replace(weights=np.full(2, 0.5), components=components),
            max_iter=1,
            tol=0.0,
            after_iteration=lambda *state: False,
        )
    # Columns that all rows have: each cluster's own moments.
    seen = Z[:, : D - 1].astype(np.longdouble)
    means = np.array([seen[labels == k].mean(axis=0) for k in (0, 1)])
    apart = seen - means[labels]
    scatter = np.array([apart[labels == k].T @ apart[labels == k] for k in (0, 1)])
    counts = np.bincount(labels)
    wanted = scatter.sum(axis=0) / N if kind == "tied" else scatter / counts[:, None, None]
    got = run.theta.components
    np.testing.assert_allclose(got.means[:, : D - 1], means.astype(float), rtol=0, atol=5e-16)
    if kind == "diag":
        wanted, found = np.diagonal(wanted, axis1=1, axis2=2), got.covariances[:, : D - 1]
    else:
        found = got.covariances[..., : D - 1, : D - 1]
    np.testing.assert_allclose(found, wanted.astype(float), rtol=1e-7, atol=1e-8 * width**2)


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
