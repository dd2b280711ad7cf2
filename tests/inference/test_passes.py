"""Passes against an E-step written as explicit loops, however rows are cut and shared out."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian
from scipy.special import softmax

from skem.engine import Threads, Workplace
from skem.families import CategoricalWeights
from skem.inference import (
    Assign,
    ComputeResponsibilities,
    GivenShares,
    LogDensity,
    PointRule,
)
from skem.inference.shares import RandomShares, WholeRows
from skem.inference.tasks import ComputeScores, Expect, LogNormaliser, Summarise

families = pytest.mark.parametrize("kind", gaussian.KINDS)
# (rows of a tile, tiles of a group, (rows, pairs) at a time); None: the engine's own.
CUTS = [None, (100, 1, (100, 100)), (16, 1, (8, 3)), (7, 3, (3, 2)), (1, 1, (1, 1))]
K, D, N = 3, 2, 45


def case(kind, seed=0, weighted="weights", n_rows=N):
    """A table standardised on the fly, parameters in its units, and the same without it."""
    rng = np.random.default_rng(seed)
    X = cases.blobs(n_rows, D, rng)
    weights = None
    if weighted == "weights":
        weights = rng.uniform(0.1, 3.0, n_rows)
    elif weighted == "zeros":
        weights = rng.uniform(0.1, 3.0, n_rows) * (rng.uniform(size=n_rows) < 0.3)
        weights[n_rows // 2] = 1.0
    origin = rng.standard_normal(D)
    scale = np.full(D, 1.7) if kind == "spherical" else rng.uniform(0.5, 2.0, D)
    theta = cases.random_theta(kind, K, D, rng)
    return cases.make_table(X, weights, origin, scale), theta


def flat_rule(family):
    return PointRule(CategoricalWeights(), family, family.flat_prior(D))


def expect(kind, table, theta, n_threads=1, cut=None, block_size=None, **options):
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta)
    with Threads(n_threads) as threads:
        passes = cases.make_passes(table, family, K, threads, cut, block_size)
        return passes.expect(family, scorer, **options)


def oracle(kind, table, theta):
    Z = (table.X - table.origin) / table.scale
    weights = np.ones(len(Z)) if table.weights is None else table.weights
    means, covariances, _ = theta.components
    resp, normaliser, total = gaussian.e_step(kind, Z, weights, theta.weights, means, covariances)
    return gaussian.statistics(kind, Z, resp), total, resp, normaliser


@pytest.mark.core
@families
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("weighted", ["none", "weights", "zeros"])
def test_expect(kind, cut, weighted):
    table, theta = case(kind, weighted=weighted)
    local = expect(kind, table, theta, cut=cut)
    wanted, total, _, _ = oracle(kind, table, theta)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
    for part, reference in zip(local.statistics, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-10, atol=1e-11)


@families
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), tile=st.integers(1, 50), tiles=st.integers(1, 4))
def test_expect_at_random(kind, seed, tile, tiles):
    table, theta = case(kind, seed, n_rows=25)
    local = expect(kind, table, theta, cut=(tile, tiles, (max(1, tile // 2), 2)))
    wanted, total, _, _ = oracle(kind, table, theta)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-11)
    for part, reference in zip(local.statistics, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-9, atol=1e-10)


@pytest.mark.core
@families
@pytest.mark.parametrize("n_threads", [1, 3])
def test_one_workplace_serves_all_passes(kind, n_threads):
    # A thread's arrays are used again: what one pass leaves there must not show in the next.
    table, theta = case(kind, weighted="zeros")
    other = cases.random_theta(kind, K, D, np.random.default_rng(8))
    family = cases.make_family(kind)
    first, second = (flat_rule(family).scorer(one) for one in (theta, other))
    wanted = bits(expect(kind, table, theta, cut=(7, 2, (3, 2))))
    with Threads(n_threads) as threads:
        passes = cases.make_passes(table, family, K, threads, (7, 2, (3, 2)))
        for _ in range(3):
            assert bits(passes.expect(family, first)) == wanted
            passes.log_normaliser(second)
            passes.expect(family, second)


def bits(local):
    return [part.tobytes() for part in local.statistics] + [local.log_normaliser.hex()]


@pytest.mark.core
@families
@pytest.mark.parametrize("cut", [(7, 2, (3, 2)), (5, 1, (5, 9))])
def test_same_bits_for_threads_and_blocks(kind, cut):
    table, theta = case(kind, weighted="zeros")
    one = bits(expect(kind, table, theta, cut=cut))
    for n_threads in (1, 2, 3, 4):
        for block_size in (None, 1, 20, 1000):
            assert bits(expect(kind, table, theta, n_threads, cut, block_size)) == one


@pytest.mark.core
@families
@pytest.mark.parametrize("layout", ["F", "read-only", "memmap"])
def test_same_bits_for_layouts(kind, layout, tmp_path):
    table, theta = case(kind)
    X = table.X
    if layout == "F":
        other = np.asfortranarray(X)
    elif layout == "read-only":
        other = X.copy()
        other.flags.writeable = False
    else:
        np.save(tmp_path / "x.npy", X)
        other = np.load(tmp_path / "x.npy", mmap_mode="r")
    again = cases.make_table(other, table.weights, table.origin, table.scale)
    assert bits(expect(kind, again, theta)) == bits(expect(kind, table, theta))


@families
def test_float32_rows_are_summed_in_float64(kind):
    table, theta = case(kind)
    single = table.X.astype(np.float32)
    narrow = cases.make_table(single, table.weights, table.origin, table.scale)
    wide = cases.make_table(single.astype(np.float64), table.weights, table.origin, table.scale)
    a, b = expect(kind, narrow, theta), expect(kind, wide, theta)
    for left, right in zip(a.statistics, b.statistics, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-13, atol=1e-13)
    assert a.statistics.scatter.dtype == np.float64


@pytest.mark.core
@families
def test_bound_only(kind):
    table, theta = case(kind)
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta)
    with Threads(1) as threads:
        passes = cases.make_passes(table, family, K, threads, (7, 2, (3, 2)))
        wanted = passes.expect(family, scorer).log_normaliser
        assert passes.log_normaliser(scorer) == wanted


@families
@pytest.mark.parametrize("n_threads", [1, 3])
def test_scored_by_one_and_summed_by_another(kind, n_threads):
    table, theta = case(kind)
    family = cases.make_family(kind)
    elsewhere = cases.random_parameters(kind, K, D, np.random.default_rng(9))
    wanted, total, _, _ = oracle(kind, table, theta)
    for make in (family.packed_scorer, family.centred_scorer):
        summer = make(elsewhere, np.zeros(K))
        local = expect(kind, table, theta, n_threads, (7, 2, (3, 2)), summer=summer)
        np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
        for part, reference in zip(local.statistics, wanted, strict=True):
            np.testing.assert_allclose(part, reference, rtol=1e-10, atol=1e-11)


@families
def test_integer_weights_are_repeated_rows(kind):
    table, theta = case(kind)
    counts = np.random.default_rng(0).integers(0, 4, N)
    weighted = cases.make_table(table.X, counts.astype(float), table.origin, table.scale)
    repeated = cases.make_table(np.repeat(table.X, counts, axis=0), None, table.origin, table.scale)
    a, b = expect(kind, weighted, theta), expect(kind, repeated, theta)
    np.testing.assert_allclose(a.log_normaliser, b.log_normaliser, rtol=1e-12)
    for left, right in zip(a.statistics, b.statistics, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-12)


@families
def test_a_component_of_no_weight_gets_no_rows(kind):
    table, theta = case(kind)
    theta = theta._replace(weights=np.array([0.5, 0.0, 0.5]))
    local = expect(kind, table, theta)
    assert local.statistics.weight[1] == 0.0
    assert all(np.isfinite(part).all() for part in local.statistics)
    wanted, total, _, _ = oracle(kind, table, theta)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
    np.testing.assert_allclose(local.statistics.weight, wanted[0], rtol=1e-11)


@families
def test_rows_far_out_leave_finite_sums(kind):
    table, theta = case(kind, weighted="none")
    table.X[[3, 7]] = [[1e250, -1e250], [1e308, 0.0]]
    with np.errstate(over="ignore"):  # numpy warns of it with the JIT off
        local = expect(kind, table, theta)
    assert np.isfinite(local.log_normaliser)
    assert all(np.isfinite(part).all() for part in local.statistics)


def evaluate(kind, table, tasks, n_threads, cut):
    """Run tasks one after the other."""
    with Threads(n_threads) as threads:
        passes = cases.make_passes(table, cases.make_family(kind), K, threads, cut)
        return [threads.fold(task, table, passes.plan) for task in tasks]


@pytest.mark.core
@families
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_evaluate(kind, cut, n_threads):
    table, theta = case(kind, weighted="none")
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta)
    tasks = LogDensity(scorer), ComputeResponsibilities(scorer), Assign(scorer)
    log_density, resp, labels = evaluate(kind, table, tasks, n_threads, cut)
    _, _, wanted, normaliser = oracle(kind, table, theta)
    np.testing.assert_allclose(log_density, normaliser, rtol=1e-11)
    np.testing.assert_allclose(resp, wanted, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(labels, wanted.argmax(axis=1))


@families
def test_evaluate_fills_what_is_asked_for_in_its_dtype(kind):
    table, theta = case(kind, weighted="none")
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta)
    tasks = LogDensity(scorer, np.float32), ComputeResponsibilities(scorer, np.float32)
    one, both = evaluate(kind, table, tasks, 2, (7, 1, (3, 2)))
    assert one.dtype == both.dtype == np.float32
    _, _, wanted, normaliser = oracle(kind, table, theta)
    np.testing.assert_allclose(one, normaliser, rtol=1e-6)
    np.testing.assert_allclose(both, wanted, rtol=1e-5, atol=1e-7)


class Recorded:
    """Given responsibilities, and which rows they were asked for."""

    def __init__(self, resp):
        self.resp, self.asked = resp, []

    def rows(self, index):
        self.asked.append((index.start, index.stop))
        return self.resp[index]


@families
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("weighted", ["none", "weights", "zeros"])
def test_summarise(kind, cut, weighted):
    table, _ = case(kind, weighted=weighted)
    family = cases.make_family(kind)
    given_resp = softmax(np.random.default_rng(1).standard_normal((N, K)), axis=1)
    shares = Recorded(given_resp)
    passes = cases.make_passes(table, family, K, cut=cut)
    got = passes.summarise(family, family.summer(K, D), shares)
    assert [start for start, _ in shares.asked] == [0] + [stop for _, stop in shares.asked[:-1]]
    assert shares.asked[-1][1] == N
    Z = (table.X - table.origin) / table.scale
    weights = np.ones(N) if table.weights is None else table.weights
    wanted = gaussian.statistics(kind, Z, weights[:, None] * given_resp)
    for part, reference in zip(got, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-10, atol=1e-11)


def hard_oracle(kind, table, theta):
    """Statistics and classification log-likelihood of rows given to their best component."""
    Z = (table.X - table.origin) / table.scale
    weights = np.ones(len(Z)) if table.weights is None else table.weights
    means, covariances, _ = theta.components
    joint = gaussian.log_joint(kind, Z, theta.weights, means, covariances)
    resp = weights[:, None] * np.eye(K)[joint.argmax(axis=1)]
    return gaussian.statistics(kind, Z, resp), float(weights @ joint.max(axis=1))


def compare(stats, wanted):
    """Compare statistics; of no rows there is no mean."""
    np.testing.assert_allclose(stats.weight, wanted[0], rtol=1e-12)
    some = wanted[0] > 0
    np.testing.assert_allclose(stats.mean[some], wanted[1][some], rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(stats.scatter, wanted[2], rtol=1e-10, atol=1e-11)


@pytest.mark.core
@families
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("weighted", ["none", "weights", "zeros"])
@pytest.mark.parametrize("form", ["packed_scorer", "centred_scorer"])
def test_hard_assignments(kind, cut, weighted, form):
    table, theta = case(kind, weighted=weighted)
    family = cases.make_family(kind)
    height = family.log_det_factors(theta.components.factors, D) - 0.5 * D * np.log(2 * np.pi)
    soft = getattr(family, form)(theta.components, np.log(theta.weights) + height)
    scorer = soft.with_hard_assignments()
    passes = cases.make_passes(table, family, K, cut=cut)
    local = passes.expect(family, scorer)
    wanted, total = hard_oracle(kind, table, theta)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
    compare(local.statistics, wanted)
    assert passes.log_normaliser(scorer) == local.log_normaliser


@families
def test_hard_assignments_summed_by_another(kind):
    table, theta = case(kind)
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta).with_hard_assignments()
    elsewhere = cases.random_parameters(kind, K, D, np.random.default_rng(9))
    wanted, total = hard_oracle(kind, table, theta)
    passes = cases.make_passes(table, family, K, cut=(7, 2, (3, 2)))
    for make in (family.packed_scorer, family.centred_scorer):
        local = passes.expect(family, scorer, summer=make(elsewhere, np.zeros(K)))
        np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
        compare(local.statistics, wanted)


def test_hardened_scorers_take_constants_and_score_as_soft_ones():
    table, theta = case("full", weighted="none")
    family = cases.make_family("full")
    soft, more = flat_rule(family).scorer(theta), np.array([0.5, -2.0, 7.0])
    n_pairs = family.n_products(D)
    np.testing.assert_array_equal(
        cases.scores_of(soft.with_hard_assignments().add_constants(more), table.X, K, n_pairs),
        cases.scores_of(soft.add_constants(more), table.X, K, n_pairs),
    )


@families
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("hard", [False, True])
def test_scores(kind, cut, hard):
    table, theta = case(kind, weighted="weights")
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta)
    Z = (table.X - table.origin) / table.scale
    wanted = gaussian.log_joint(kind, Z, theta.weights, *theta.components[:2])
    with Threads(2) as threads:
        passes = cases.make_passes(table, family, K, threads, cut)
        got = passes.scores(scorer.with_hard_assignments() if hard else scorer)
    np.testing.assert_allclose(got, wanted.T, rtol=1e-10, atol=1e-11)


@families
def test_passes_for_another_number_of_components(kind):
    table, _ = case(kind)
    _, theta = case(kind, seed=1)
    family = cases.make_family(kind)
    other = cases.make_passes(table, family, 17).with_components(K)
    local = other.expect(family, flat_rule(family).scorer(theta))
    wanted, total, _, _ = oracle(kind, table, theta)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
    compare(local.statistics, wanted)


@families
def test_passes_over_another_table(kind):
    table, theta = case(kind)
    more, _ = case(kind, seed=3, n_rows=200)
    family = cases.make_family(kind)
    passes = cases.make_passes(table, family, K)
    assert passes.over(table) is passes
    local = passes.over(more).expect(family, flat_rule(family).scorer(theta))
    wanted, total, _, _ = oracle(kind, more, theta)
    np.testing.assert_allclose(local.log_normaliser, total, rtol=1e-12)
    compare(local.statistics, wanted)


def tasks_of(kind, theta):
    """One of each kind of task."""
    family = cases.make_family(kind)
    scorer = flat_rule(family).scorer(theta)
    centred = family.centred_scorer(theta.components, np.zeros(K))
    summer = family.summer(K, D)
    resp = np.random.default_rng(3).dirichlet(np.ones(K), size=N)
    chosen = np.flatnonzero(resp[:, 0] < 0.5)
    return [
        Expect(scorer, scorer),
        Expect(centred, summer),
        LogNormaliser(scorer),
        Summarise(summer, GivenShares(resp)),
        Summarise(summer, WholeRows(chosen, resp[chosen].argmax(axis=1), K)),
        Summarise(summer, RandomShares(np.random.RandomState(4), K, len(resp))),
        LogDensity(scorer),
        Assign(scorer),
        ComputeResponsibilities(scorer, np.float32),
        ComputeScores(centred),
    ]


def as_bytes(total):
    """The bits of whatever a task returns."""
    if isinstance(total, tuple):
        return b"".join(map(as_bytes, total))
    return np.asarray(total).tobytes()


def run_elsewhere(task, table, plan):
    """Visit each group of a pickled task with a workplace of its own; in another process."""
    task, table, plan = pickle.loads(pickle.dumps((task, table, plan)))
    return [task.visit(table, g, Workplace(plan)) for g in range(table.n_groups(plan))]


@pytest.mark.core
@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_tasks_travel(kind):
    # Pickled, run in another process, and added up here: the same bits.
    table, theta = case(kind, weighted="weights")
    rows_only = cases.make_table(table.X, None, table.origin, table.scale)
    plan = cases.make_passes(table, cases.make_family(kind), K, cut=(7, 2, (3, 2))).plan
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, Threads(2) as threads:
        given = [
            (task, rows_only if hasattr(task, "dtype") else table) for task in tasks_of(kind, theta)
        ]
        far = [pool.submit(run_elsewhere, task, source, plan) for task, source in given]
        for (task, source), future in zip(given, far, strict=True):
            here = as_bytes(threads.fold(task, source, plan))
            total = task.begin(source, plan)
            for result in future.result():
                total = result if total is None else task.add(total, result)
            assert as_bytes(total) == here


def test_random_shares_are_those_of_the_rows_in_whatever_order():
    whole = RandomShares(np.random.RandomState(0), K, 50).rows(slice(0, 50))
    shares = RandomShares(np.random.RandomState(0), K, 50)
    for start, stop in [(30, 50), (0, 10), (10, 30), (5, 6), (49, 50)]:
        np.testing.assert_array_equal(shares.rows(slice(start, stop)), whole[start:stop])
    np.testing.assert_allclose(whole.sum(axis=1), 1.0)


def test_random_shares_of_a_table_with_an_order_of_its_own():
    order = np.random.default_rng(0).permutation(60)[:50]  # ten rows have no weight
    whole = RandomShares(np.random.RandomState(0), K, 60).rows(slice(0, 60))
    shares = RandomShares(np.random.RandomState(0), K, 60).part(5, 60)
    for start, stop in [(0, 10), (10, 50), (0, 10), (30, 31)]:
        inside = order[start:stop][order[start:stop] >= 5]
        np.testing.assert_array_equal(shares.rows(inside - 5), whole[inside])
