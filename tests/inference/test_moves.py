"""Moves against an oracle that tries them all, and what they promise against what is kept."""

import warnings

import numpy as np
import pytest
from oracles import cases, gaussian
from oracles.moves import all_moves, free_energy
from scipy.stats import ortho_group
from sklearn.metrics import adjusted_rand_score

from skem.families import CategoricalWeights, StickBreakingWeights
from skem.families.parsimonious import PARSIMONIOUS
from skem.inference import PointRule, Start, VariationalRule, batch_em, find_start
from skem.inference.moves import Scene, promising_moves

EVERYTHING = 1e6  # nats: no move is hopeless
D = 2
ALL_KINDS = (*gaussian.KINDS, *PARSIMONIOUS)
hard_and_soft = pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
# Five clusters; of some pairs of them the one that lies between two is a neighbour of both.
CENTRES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [8.0, 8.0], [16.0, 4.0]])


def clusters(n_rows, rng, spread=1.0, k=5):
    labels = rng.integers(k, size=n_rows)
    return CENTRES[labels] + spread * rng.standard_normal((n_rows, D)), labels


def flat_rule(kind, hard=False, reg_covar=0.0, n_features=D):
    family = cases.make_family(kind, reg_covar)
    return PointRule(CategoricalWeights(), family, family.flat_prior(n_features), hard=hard)


def map_rule(kind, hard):
    family = cases.make_family(kind, 1e-6)
    which = "both" if family.conjugate else "mean"
    prior = cases.random_prior(kind, which, D, np.random.default_rng(5))
    return PointRule(CategoricalWeights(1.5), family, prior, hard=hard)


def variational_rule(kind, hard, weights):
    family = cases.make_family(kind)
    prior = cases.random_prior(kind, "both", D, np.random.default_rng(5))
    return VariationalRule(weights, family, prior, hard=hard)


def set_scene(X, weights, rule, resp, n_iter=0, least=1.0, standard=None):
    """Run a few iterations from given responsibilities."""
    k = resp.shape[1]
    origin, scale = standard or (X.mean(axis=0), np.full(D, X.std()))
    table = cases.make_table(X, weights, origin, scale)
    passes = cases.make_passes(table, rule.family, k)
    rows = (X - table.origin) / table.scale
    weights = np.ones(len(X)) if weights is None else weights
    scene = Scene(passes, passes.with_components(2 * k), rows, weights, rule, least)
    start = Start(resp, k, np.random.RandomState(0), table, table.origin, table.scale)
    return scene, go_on(scene, find_start(passes, rule, start), n_iter)


def first_moves(*arguments):
    """Moves with components that are cut in the way that is tried first."""
    return next(promising_moves(*arguments), [])


def every_move(*arguments):
    """Moves with components that are cut in any way; there are several."""
    ways = list(promising_moves(*arguments))
    assert len(ways) == 2
    return [move for moves in ways for move in moves]


def go_on(scene, theta, n_iter):
    return batch_em(
        scene.passes,
        scene.rule,
        theta,
        max_iter=n_iter,
        tol=0.0,
        after_iteration=lambda *_: False,
        keep_statistics=True,
    )


def soft_labels(labels, k, rng):
    """Responsibilities near given labels."""
    return 0.9 * np.eye(k)[labels] + 0.1 * rng.dirichlet(np.ones(k), size=len(labels))


def mislabel(X, labels, permutation):
    """Give component 0 the clusters 0 and 1, and halves of cluster 4 to 4 and 1."""
    found = labels.copy()
    found[labels == 1] = 0
    found[(labels == 4) & (X[:, 0] > CENTRES[4, 0])] = 1
    return permutation[found]


@pytest.mark.core
@hard_and_soft
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", gaussian.CONJUGATE)
def test_gains_and_parameters_are_those_of_the_oracle(kind, weighted, hard):
    rng = np.random.default_rng(3)
    X, labels = clusters(100, rng)
    weights = rng.uniform(0.3, 3.0, len(X)) if weighted else None
    resp = np.eye(5)[mislabel(X, labels, np.arange(5))]
    # Some components have too few rows for two parts of these.
    least = 6.0
    scene, run = set_scene(X, weights, flat_rule(kind, hard), resp, least=least)
    found = first_moves(scene, run, EVERYTHING, 1000)
    assert [gain for gain, _ in found] == sorted((gain for gain, _ in found), reverse=True)
    theta = run.theta.weights, *run.theta.components[:2]
    wanted = all_moves(kind, scene.rows, scene.weights, theta, least, hard)
    assert found
    for gain, theta in found:
        sums = theta.weights[:, None] * theta.components.means  # without rows, means are free
        off = [np.abs(oracle_sums - sums).max() for _, oracle_sums in wanted]
        nearest = int(np.argmin(off))
        assert off[nearest] < 1e-8
        total = scene.weights.sum()
        np.testing.assert_allclose(gain, wanted[nearest][0] / total, rtol=1e-8, atol=1e-10)
    # Of all pairs, not only of neighbours, none would have been better.
    np.testing.assert_allclose(found[0][0], wanted[0][0] / scene.weights.sum(), rtol=1e-8)
    # A shorter list begins alike, and none that loses more than is asked for is in it.
    least_loss = max(-gain for gain, _ in found)
    some = first_moves(scene, run, 0.5 * least_loss, 1000)
    assert all(gain > -0.5 * least_loss for gain, _ in some)
    assert some[0][0] == found[0][0]
    assert len(first_moves(scene, run, EVERYTHING, 2)) == 2


def rules(kind, hard):
    made = [flat_rule(kind, hard, 1e-6), map_rule(kind, hard)]
    if kind in gaussian.CONJUGATE:
        for weights in (StickBreakingWeights(2.0), CategoricalWeights(0.3)):
            made.append(variational_rule(kind, hard, weights))
    return made


@hard_and_soft
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_bound_rises_by_no_less_than_is_promised(kind, hard):
    rng = np.random.default_rng(7)
    X, labels = clusters(120, rng)
    weights = rng.uniform(0.2, 3.0, len(X))
    resp = soft_labels(mislabel(X, labels, np.arange(5)), 5, rng)
    for rule in rules(kind, hard):
        scene, run = set_scene(X, weights, rule, resp)
        found = every_move(scene, run, EVERYTHING, 1000)
        assert found
        for gain, theta in found:
            # reg_covar is no part of the bound.
            assert go_on(scene, theta, 0).bound >= run.bound + gain - 1e-5


@pytest.mark.core
@hard_and_soft
@pytest.mark.parametrize("kind", ["full", "tied"])
def test_moves_lose_no_rows(kind, hard):
    # Whatever the assignments, weights, means and covariances add up to those of all rows.
    rng = np.random.default_rng(4)
    X, labels = clusters(150, rng, spread=2.0)
    weights = rng.uniform(0.2, 3.0, len(X))
    scene, run = set_scene(X, weights, flat_rule(kind, hard), soft_labels(labels, 5, rng))
    mean = np.average(scene.rows, axis=0, weights=weights)
    total = np.cov(scene.rows.T, aweights=weights, bias=True)
    for _, theta in every_move(scene, run, EVERYTHING, 1000):
        pi, (means, covariances, _) = theta.weights, theta.components
        np.testing.assert_allclose(pi.sum(), 1.0, rtol=1e-12)
        np.testing.assert_allclose(pi @ means, mean, atol=1e-12)
        within = covariances if kind == "tied" else np.einsum("k,kij->ij", pi, covariances)
        between = (pi * (means - mean).T) @ (means - mean)
        np.testing.assert_allclose(within + between, total, rtol=1e-10, atol=1e-12)


@hard_and_soft
@pytest.mark.parametrize("spread", [1.0, 1e-7])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_move_mends_a_planted_fault(seed, spread, hard):
    # In every order of the components, and of clusters so narrow that sums about the origin would
    # have no digit of their covariances.
    rng = np.random.default_rng(seed)
    X, labels = clusters(200, rng, spread)
    resp = np.eye(5)[mislabel(X, labels, rng.permutation(5))]
    rule = flat_rule("full", hard)
    scene, run = set_scene(X, None, rule, resp, n_iter=5, least=9.0)
    gain, theta = first_moves(scene, run, 0.02, 8)[0]
    assert gain > 0.1
    run = go_on(scene, theta, 20)
    given = scene.passes.scores(rule.scorer(run.theta)).argmax(axis=0)
    assert adjusted_rand_score(labels, given) > 0.98


@hard_and_soft
@pytest.mark.parametrize("kind", gaussian.CONJUGATE)
def test_components_without_rows_are_used(kind, hard):
    # Clusters share a component, while one or two have no rows: their merge costs nothing.
    rng = np.random.default_rng(0)
    X, labels = clusters(120, rng)
    for empty in ([4], [0, 1], [0, 4]):
        places = np.setdiff1d(np.arange(5), empty)
        taken = np.minimum(labels, len(places) - 1)
        scene, run = set_scene(X, None, flat_rule(kind, hard), np.eye(5)[places[taken]])
        assert (run.theta.weights[empty] == 0).all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = first_moves(scene, run, 0.02, 8)
        for gain, theta in found:
            assert np.isfinite(gain)
            assert all(np.isfinite(part).all() for part in theta.components)
        gain, theta = found[0]
        assert (theta.weights > 0).sum() == len(places) + 1
        assert go_on(scene, theta, 0).bound >= run.bound + gain - 1e-9


@hard_and_soft
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_component_is_cut_across_the_axis_of_its_own_rows(kind, across, hard):
    # Two components have two clusters each. One is long in the first feature, the other one in
    # the second, which a covariance that is round, or shared, can't say.
    rng = np.random.default_rng(across)
    centres = np.array([[0.0, 0.0], [9.0, 0.0], [50.0, 0.0], [50.0, 9.0], [0.0, 50.0]])
    labels = rng.integers(5, size=300)
    X = centres[labels] + rng.standard_normal((300, D))
    found = np.array([0, 0, 1, 1, 2])[labels]
    found[(labels == 4) & (X[:, 1] > 50.0)] = 3
    if across:
        X, centres = X[:, ::-1].copy(), centres[:, ::-1]
    scene, run = set_scene(X, None, flat_rule(kind, hard, 1e-6), np.eye(4)[found], least=9.0)
    moves = first_moves(scene, run, 0.02, 8)
    table = scene.passes.source
    for pair in (centres[:2], centres[2:4]):
        apart = [
            np.abs(t.components.means * table.scale + table.origin - pair[:, None]).max(axis=2)
            for _, t in moves
        ]
        # Some move leads to a mean near each of the two.
        assert min(one.min(axis=1).max() for one in apart) < 0.5


@hard_and_soft
def test_no_move_where_parts_are_too_small(hard):
    rng = np.random.default_rng(0)
    X, labels = clusters(100, rng)
    resp = np.eye(5)[mislabel(X, labels, np.arange(5))]
    scene, run = set_scene(X, None, flat_rule("full", hard), resp)
    assert first_moves(scene, run, 0.02, 8)
    assert first_moves(scene._replace(least=51.0), run, 0.02, 8) == []


def test_no_move_where_parts_have_no_covariance():
    # Whole numbers, so that sums are exact: the halves of each component lie on lines.
    X = np.repeat([[0.0, 0.0], [64.0, 0.0], [0.0, 64.0]], 3, axis=0)
    X += np.tile([[-1.0, 0.0], [1.0, 0.0], [0.0, 3.0]], (3, 1))
    resp = np.eye(3)[np.repeat(np.arange(3), 3)]
    standard = np.zeros(D), np.ones(D)
    scene, run = set_scene(X, None, flat_rule("full", True), resp, least=0.0, standard=standard)
    assert first_moves(scene, run, EVERYTHING, 8) == []


@hard_and_soft
def test_clusters_side_by_side_are_told_apart(hard):
    """They differ along a short axis, as the sexes of crabs do; the longest one is their size."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=400)
    X = rng.standard_normal((400, 4)) * [20.0, 5.0, 1.0, 2.0]
    X[:, 2] += 10.0 * (labels == 1)
    X = X @ ortho_group.rvs(4, random_state=1)
    X[:, 0] += 200.0 * (labels == 2) - 200.0 * (labels == 3)
    # The first two clusters share a component, and the last one has two.
    found = np.array([0, 0, 1, 2])[labels]
    found[(labels == 3) & (X[:, 0] > np.median(X[labels == 3, 0]))] = 3
    rule, standard = flat_rule("full", hard, n_features=4), (X.mean(axis=0), np.full(4, X.std()))
    scene, run = set_scene(X, None, rule, np.eye(4)[found], least=12.0, standard=standard)
    right = []
    for moves in promising_moves(scene, run, EVERYTHING, 8):
        end = go_on(scene, moves[0][1], 3)
        given = scene.passes.scores(rule.scorer(end.theta)).argmax(axis=0)
        right.append(adjusted_rand_score(labels, given) > 0.98)
    assert right == [False, True]


def test_the_oracle_knows_one_normal_distribution():
    # One component: the bound is the log likelihood of a normal distribution.
    X = np.random.default_rng(0).standard_normal((20, D))
    bound = free_energy("full", X, np.ones(20), np.ones((20, 1)))
    log_det = np.linalg.slogdet(np.cov(X.T, bias=True))[1]
    assert bound == pytest.approx(-10 * (D * np.log(2 * np.pi) + log_det + D))
