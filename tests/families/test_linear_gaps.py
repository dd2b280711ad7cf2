"""Two ways to read rows with gaps, about the origin and about the components' centres, agree."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import cases, gaps

from skem.engine import Threads, make_table, plan_tiles
from skem.families import DegreesOfFreedom, StudentFamily, StudentParameters
from skem.inference import GivenShares
from skem.inference.tasks import ExpectedScale, LogDensity
from skem.scoring import CentredDiagonalScorer, GapScorer, LinearGapScorer

pytestmark = pytest.mark.core
KINDS = ["diag", "spherical", "EEI", "EII"]
kinds = pytest.mark.parametrize("kind", KINDS)
cuts = pytest.mark.parametrize("cut", [None, (24, 2, (8, 3)), (7, 3, (3, 2))])
K, D, N = 3, 4, 90


def make_case(kind, seed=0):
    """The family, rows of which some have nothing, whose patterns come once and often."""
    rng = np.random.default_rng(seed)
    X = gaps.punch(cases.blobs(N, D, rng), 0.3, seed)
    X[::4, 1:3] = np.nan
    X[5] = np.nan
    weights = rng.uniform(0.1, 3.0, N)
    family = cases.make_family(kind).for_rows(X, gappy=True)
    theta = cases.random_theta(kind, K, D, rng)
    return family, make_table(X, weights, np.zeros(D), np.ones(D)), theta


def about_centres(scorer):
    """The same components as narrow ones are read."""
    assert isinstance(scorer, LinearGapScorer)
    model = scorer.model
    complete = CentredDiagonalScorer(
        model.centres, model.precisions, scorer.constants, hard=scorer.hard
    )
    return GapScorer(complete, model, scorer.constants, scorer.nothing_seen, hard=scorer.hard)


def assert_alike(family, passes, one, other):
    a, b = passes.expect(family, one), passes.expect(family, other)
    np.testing.assert_allclose(a.log_normaliser, b.log_normaliser, rtol=1e-12)
    for left, right in zip(_flat(a.statistics), _flat(b.statistics), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-11)
    densities = [
        passes.engine.fold(LogDensity(each), passes.source, passes.plan) for each in (one, other)
    ]
    np.testing.assert_allclose(*densities, rtol=1e-12)
    # Scores by one way and sums by the other.
    mixed = passes.expect(family, one, other)
    np.testing.assert_allclose(mixed.statistics.weight, a.statistics.weight, rtol=1e-12)


def _flat(statistics):
    for part in statistics:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part


@kinds
@cuts
@pytest.mark.parametrize("hard", [False, True])
def test_point_estimates(kind, cut, hard):
    family, table, theta = make_case(kind)
    scorer = family.scorer(theta.components, np.log(theta.weights))
    if hard:
        scorer = scorer.with_hard_assignments()
    assert_alike(
        family, cases.make_passes(table, family, K, cut=cut), scorer, about_centres(scorer)
    )


@kinds
def test_constants_that_are_added_later(kind):
    family, table, theta = make_case(kind)
    nothing = np.zeros(K)
    scorer = family.scorer(theta.components, nothing).add_constants(np.log(theta.weights))
    wanted = family.scorer(theta.components, np.log(theta.weights))
    assert_alike(family, cases.make_passes(table, family, K), scorer, wanted)


@kinds
def test_expected_densities(kind):
    family, table, theta = make_case(kind)
    prior = cases.random_prior(kind, "both", D, np.random.default_rng(1))
    passes = cases.make_passes(table, family, K)
    log_weights = np.log(theta.weights)
    stats = passes.expect(family, family.scorer(theta.components, log_weights)).statistics
    posterior = family.posterior(prior, stats)
    scorer = family.expected_scorer(posterior, family.expected_parameters(posterior), log_weights)
    assert_alike(family, passes, scorer, about_centres(scorer))


@kinds
@cuts
def test_latent_scales(kind, cut):
    gaussian, table, theta = make_case(kind)
    family = StudentFamily(gaussian, DegreesOfFreedom(None, False, (1e-3, 1e6)))
    components = StudentParameters(*theta.components, np.array([1.5, 4.0, 40.0]))
    scorer = family.scorer(components, np.log(theta.weights))
    centred = about_centres(scorer.distances)
    passes = cases.make_passes(table, family, K, cut=cut)
    for one in (
        replace(scorer, distances=centred, moments=centred),
        replace(scorer, distances=centred),
        replace(scorer, moments=centred),
    ):
        assert_alike(family, passes, scorer, one)
        scales = [
            passes.engine.fold(ExpectedScale(each), table, passes.plan) for each in (scorer, one)
        ]
        np.testing.assert_allclose(*scales, rtol=1e-11)


@kinds
def test_rows_of_given_responsibilities(kind):
    family, table, theta = make_case(kind)
    start = family.take(theta.components, np.array([0]))
    family = family.with_gaps(lambda: start)
    passes = cases.make_passes(table, family, K)
    resp = cases.random_resp(N, K, np.random.default_rng(1))
    summer = family.summer(K, D)
    one, other = (
        passes.summarise(family, each, GivenShares(resp))
        for each in (summer, about_centres(summer))
    )
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-11)


@kinds
def test_same_bits_for_threads(kind):
    family, table, theta = make_case(kind)
    scorer = family.scorer(theta.components, np.log(theta.weights))
    found = []
    for n_threads in (1, 2):
        with Threads(n_threads) as threads:
            passes = cases.make_passes(table, family, K, threads, (7, 3, (3, 2)))
            found.append([part.tobytes() for part in passes.expect(family, scorer).statistics])
    assert found[0] == found[1]


def test_diagonal_components_need_no_room_for_matrices():
    family, _, theta = make_case("diag")
    scorer = about_centres(family.scorer(theta.components, np.log(theta.weights)))
    room = scorer.space(plan_tiles(300, 700, 20, 1400)).gaps
    assert sum(array.nbytes for array in (*room.batch, room.lower)) < 10_000
