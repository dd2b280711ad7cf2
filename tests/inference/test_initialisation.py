"""Where a fit starts: each method against what it should have looked at."""

import numpy as np
import pytest
from oracles import cases, exact, gaussian
from sklearn.cluster import KMeans, kmeans_plusplus

from skem.engine import Threads
from skem.families import CategoricalWeights, SingularCovarianceError
from skem.inference import START_METHODS, PointRule, Start, find_start

families = pytest.mark.parametrize("kind", gaussian.KINDS)
methods = pytest.mark.parametrize("method", START_METHODS)
K, D, N = 3, 2, 60
REG = 1e-2


def table(weighted=False, scale=(1.0, 1.0)):
    rng = np.random.default_rng(0)
    X = cases.blobs(N, D, rng, spread=4.0) * np.asarray(scale)
    weights = None
    if weighted:
        weights = rng.uniform(0.1, 3.0, N) * (rng.uniform(size=N) < 0.5)
    return cases.make_table(X, weights, X.mean(axis=0), X.std(axis=0))


def start_of(method, rows, seed=0):
    rng = np.random.RandomState(seed)
    return Start(method, K, rng, rows, rows.origin, rows.scale)


def find(kind, method, rows, seed=0, cut=None, reg_covar=REG, n_threads=1):
    family = cases.make_family(kind, reg_covar)
    rule = PointRule(CategoricalWeights(), family, family.flat_prior(D))
    with Threads(n_threads) as threads:
        passes = cases.make_passes(rows, family, K, threads, cut)
        return find_start(passes, rule, start_of(method, rows, seed))


def expected(kind, rows, resp):
    """Maximum likelihood for responsibilities, in the table's units, plus reg_covar."""
    Z = (rows.X - rows.origin) / rows.scale
    weights = np.ones(N) if rows.weights is None else rows.weights
    stats = gaussian.statistics(kind, Z, weights[:, None] * resp)
    weights, means, covariances = gaussian.maximum_likelihood(kind, *stats, D)
    return weights, means, covariances + REG * cases.make_family(kind).identity(K, D)


def assert_start(theta, wanted, rtol=1e-9):
    got = theta.weights, theta.components.means, theta.components.covariances
    for part, reference in zip(got, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=rtol, atol=1e-10)


def standardised(rows):
    return (rows.X - rows.origin) / rows.scale


@pytest.mark.core
@families
@pytest.mark.parametrize("weighted", [False, True])
def test_given_responsibilities(kind, weighted):
    rows = table(weighted)
    resp = np.random.default_rng(1).dirichlet(np.ones(K), N)
    assert_start(find(kind, resp, rows), expected(kind, rows, resp))


@pytest.mark.core
@families
@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans(kind, weighted):
    rows = table(weighted)
    used = np.arange(N) if rows.weights is None else np.flatnonzero(rows.weights)
    model = KMeans(K, n_init=1, random_state=np.random.RandomState(3))
    sample_weight = None if rows.weights is None else rows.weights[used]
    labels = model.fit(standardised(rows)[used], sample_weight=sample_weight).labels_
    resp = np.zeros((N, K))
    resp[used, labels] = 1.0
    assert_start(find(kind, "kmeans", rows, seed=3), expected(kind, rows, resp))


@families
@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans_plus_plus(kind, weighted):
    rows = table(weighted)
    used = np.arange(N) if rows.weights is None else np.flatnonzero(rows.weights)
    sample_weight = None if rows.weights is None else rows.weights[used]
    _, chosen = kmeans_plusplus(
        standardised(rows)[used],
        K,
        sample_weight=sample_weight,
        random_state=np.random.RandomState(3),
    )
    resp = np.zeros((N, K))
    resp[used[chosen], np.arange(K)] = 1.0
    assert_start(find(kind, "k-means++", rows, seed=3), expected(kind, rows, resp))


@pytest.mark.core
@families
@pytest.mark.parametrize("weighted", [False, True])
def test_random_from_data(kind, weighted):
    rows = table(weighted)
    Z = standardised(rows)
    for seed in range(5):
        theta = find(kind, "random_from_data", rows, seed)
        apart = np.abs(Z[:, None] - theta.components.means).max(axis=2)
        chosen = apart.argmin(axis=0)
        np.testing.assert_allclose(apart.min(axis=0), 0.0, atol=1e-12)
        assert len(set(chosen)) == K
        if weighted:
            assert (rows.weights[chosen] > 0).all()
        resp = np.zeros((N, K))
        resp[chosen, np.arange(K)] = 1.0
        assert_start(theta, expected(kind, rows, resp))


@pytest.mark.core
@families
@pytest.mark.parametrize("weighted", [False, True])
def test_random(kind, weighted):
    rows = table(weighted)
    resp = np.random.RandomState(4).uniform(size=(N, K))
    resp /= resp.sum(axis=1, keepdims=True)
    theta = find(kind, "random", rows, seed=4)
    assert_start(theta, expected(kind, rows, resp))
    # The stream is drawn tile by tile: how rows are cut must not show.
    assert_start(find(kind, "random", rows, seed=4, cut=(7, 2, (3, 2))), expected(kind, rows, resp))


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_random_where_sums_are_made_twice(kind):
    # Columns so alike that packed sums cancel: the second pass must draw the same numbers.
    rng = np.random.default_rng(6)
    X = np.repeat(rng.standard_normal((N, 1)), 2, axis=1)
    X[:, 1] += 1e-6 * rng.standard_normal(N)
    rows = cases.make_table(X)
    theta = find(kind, "random", rows, seed=4, reg_covar=0.0)
    resp = np.random.RandomState(4).uniform(size=(N, K))
    weight, mean, scatter = exact.statistics(X, resp / resp.sum(axis=1, keepdims=True))
    scatter = scatter.sum(axis=0) if kind == "tied" else scatter
    wanted = gaussian.maximum_likelihood(kind, weight, mean, scatter, D)[2]
    across = np.array([1.0, -1.0])
    np.testing.assert_allclose(
        across @ theta.components.covariances @ across,
        (across @ wanted @ across).astype(float),
        rtol=1e-3,
    )


@families
@pytest.mark.parametrize("method", sorted(set(START_METHODS) - {"hierarchical"}))
def test_a_seed_decides_and_the_generator_moves_on(kind, method):
    rows = table()
    first, again, other = (
        find(kind, method, rows, seed, n_threads=t) for seed, t in ((1, 1), (1, 3), (2, 1))
    )
    for a, b in zip(first.components, again.components, strict=True):
        np.testing.assert_array_equal(a, b)
    # Where a search may end at the tree that is the same for every seed.
    if method not in ("kmeans", "auto"):
        assert not np.array_equal(first.components.means, other.components.means)
    family = cases.make_family(kind, REG)
    rule = PointRule(CategoricalWeights(), family, family.flat_prior(D))
    start = start_of(method, rows)
    before = start.rng.get_state()[1:3]
    with Threads(1) as threads:
        find_start(cases.make_passes(rows, family, K, threads), rule, start)
    after = start.rng.get_state()[1:3]
    assert not (np.array_equal(before[0], after[0]) and before[1] == after[1])


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
@methods
def test_the_unit_of_a_feature_does_not_matter(kind, method):
    plain, scaled = table(), table(scale=(1000.0, 1e-3))
    a, b = find(kind, method, plain), find(kind, method, scaled)
    np.testing.assert_allclose(a.components.means, b.components.means, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        a.components.covariances, b.components.covariances, rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("kind", ["full", "diag"])
@methods
@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_the_unit_of_the_weights_does_not_matter(kind, method, factor):
    rows = table(weighted=True)
    scaled = cases.make_table(rows.X, factor * rows.weights, rows.origin, rows.scale)
    assert_start(
        find(kind, method, scaled),
        (lambda t: (t.weights, *t.components[:2]))(find(kind, method, rows)),
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_large_tables_are_sampled_for_distances(monkeypatch, weighted):
    monkeypatch.setattr("skem.inference.initialisation._SAMPLE_VALUES", 40)
    monkeypatch.setattr("skem.inference.initialisation._SAMPLE_ROWS_PER_COMPONENT", 4)
    rows = table(weighted)
    family = cases.make_family("full", REG)
    seen = []
    fit = KMeans.fit

    def spy(self, X, y=None, sample_weight=None):
        seen.append((X, sample_weight))
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(KMeans, "fit", spy)
    theta = find("full", "kmeans", rows)
    ((X, sample_weight),) = seen
    assert len(X) == 20
    chosen = np.abs(standardised(rows)[:, None] - X).max(axis=2).argmin(axis=0)
    np.testing.assert_allclose(standardised(rows)[chosen], X, atol=1e-12)
    assert (np.diff(chosen) > 0).all()  # different rows, in the table's order
    if weighted:
        assert (rows.weights[chosen] > 0).all()
        np.testing.assert_allclose(
            sample_weight / sample_weight[0], rows.weights[chosen] / rows.weights[chosen[0]]
        )
    weights = np.ones(20) if rows.weights is None else rows.weights[chosen]
    assert theta.weights.sum() == pytest.approx(1.0)
    mean = theta.weights @ theta.components.means
    np.testing.assert_allclose(mean, np.average(X, axis=0, weights=weights), atol=1e-10)
    assert theta.components.covariances.shape == family.identity(K, D).shape


def test_fewer_distinct_rows_than_components():
    X = np.repeat([[0.0, 1.0], [2.0, 5.0]], 10, axis=0)
    rows = cases.make_table(X, None, X.mean(axis=0), X.std(axis=0))
    theta = find("full", "kmeans", rows)
    assert np.isfinite(theta.components.means).all()
    assert sorted(theta.weights) == pytest.approx([0.0, 0.5, 0.5])


@pytest.mark.core
@families
def test_single_rows_without_reg_covar_are_singular(kind):
    with pytest.raises(SingularCovarianceError):
        find(kind, "random_from_data", table(), reg_covar=0.0)


@families
def test_a_component_that_never_had_a_row(kind):
    # It takes the parameters of all rows: mean zero and unit covariance, in the table's units.
    resp = np.random.default_rng(1).dirichlet(np.ones(K), N)
    resp[:, 1] = 0.0
    theta = find(kind, resp, table())
    assert theta.weights[1] == 0.0
    np.testing.assert_array_equal(theta.components.means[1], 0.0)
    if kind != "tied":
        one = cases.make_family(kind).identity(K, D)[1]
        np.testing.assert_array_equal(theta.components.covariances[1], one)
