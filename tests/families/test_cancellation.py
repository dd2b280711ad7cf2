"""Narrow clusters far from the origin keep their digits, in densities and in statistics."""

import numpy as np
import pytest
from oracles import cases, exact, gaussian

from skem.families import GaussianParameters
from skem.inference import MixtureParameters

families = pytest.mark.parametrize("kind", gaussian.KINDS)
# Distance from the origin over width: on both sides of where the packed form is given up, and
# as far as float64 rows have eight digits left.
RATIOS = [1.0, 30.0, 300.0, 900.0, 1100.0, 3e3, 1e4, 1e6, 1e7]
ratios = pytest.mark.parametrize("ratio", RATIOS)
K, D = 2, 3


def narrow(kind, ratio, seed=0, n_rows=40):
    """Rows and parameters of two clusters at distance 1, of width ``1 / ratio``."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((K, D))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    covariances = cases.random_covariances(kind, K, D, rng, width=1 / ratio)
    matrices = gaussian.matrices(kind, covariances, K, D)
    labels = np.repeat([0, 1], n_rows // 2)
    noise = rng.standard_normal((n_rows, D))
    roots = np.linalg.cholesky(matrices)
    X = means[labels] + np.einsum("nij,nj->ni", roots[labels], noise)
    family = cases.make_family(kind)
    parameters = GaussianParameters(means, covariances, family.factorise(covariances))
    return family, parameters, matrices, X, labels


def near(matrices, X, means):
    """Which rows are within ten widths of which component: where a density matters."""
    inverses = np.linalg.inv(matrices)
    apart = X[:, None] - means
    return np.einsum("nki,kij,nkj->nk", apart, inverses, apart) < 100


@pytest.mark.core
@families
@ratios
def test_densities(kind, ratio):
    family, parameters, matrices, X, _ = narrow(kind, ratio)
    scorer = family.scorer(parameters, np.zeros(K))
    got = cases.scores_of(scorer, X, K, family.n_products(D))
    wanted = np.column_stack(
        [exact.log_density(X, parameters.means[k], matrices[k]) for k in range(K)]
    )
    here = near(matrices, X, parameters.means)
    assert here.sum() >= len(X)
    # 1e-8 in log density is 1e-8 of the density.
    np.testing.assert_allclose(got[here], wanted[here].astype(float), rtol=0, atol=1e-8)
    np.testing.assert_allclose(got[~here], wanted[~here].astype(float), rtol=1e-8)


def reduced(kind, scatter):
    if kind == "tied":
        return scatter.sum(axis=0).astype(float)
    return np.array([gaussian.from_matrix(kind, one.astype(float)) for one in scatter])


def assert_scatter(kind, got, wanted):
    """Within 1e-8 of each covariance's own size."""
    wanted = reduced(kind, wanted)
    if kind == "tied":
        got, wanted = got[None], wanted[None]
    for one, reference in zip(got, wanted, strict=True):
        size = np.abs(reference).max()
        np.testing.assert_allclose(one, reference, rtol=1e-8, atol=1e-8 * size)


@pytest.mark.core
@families
@ratios
def test_statistics(kind, ratio):
    family, parameters, _, X, labels = narrow(kind, ratio, seed=1)
    resp = 0.9 * np.eye(K)[labels]
    scorer = family.scorer(parameters, np.zeros(K))
    got = cases.statistics_of(family, scorer, X, resp)
    weight, mean, scatter = exact.statistics(X, resp)
    np.testing.assert_allclose(got.weight, weight.astype(float), rtol=1e-13)
    np.testing.assert_allclose(got.mean, mean.astype(float), rtol=0, atol=1e-8 / ratio)
    assert_scatter(kind, got.scatter, scatter)


@families
@ratios
def test_one_step_of_em(kind, ratio):
    # Weights, means and covariances of a whole iteration, rows standardised on the way.
    family, parameters, _, X, labels = narrow(kind, ratio, seed=2)
    origin, scale = X.mean(axis=0), np.full(D, X.std())
    components = family.rescale(parameters._replace(means=parameters.means - origin), 1.0 / scale)
    theta = MixtureParameters(np.full(K, 0.5), components)
    table = cases.make_table(X, None, origin, scale)
    passes = cases.make_passes(table, family, K, cut=(16, 1, (8, 3)))
    with passes.engine:
        stats = passes.expect(family, family.scorer(components, np.log(theta.weights))).statistics
    if ratio >= 300:  # each row is wholly its own cluster's
        Z = (X.astype(np.longdouble) - origin) / scale
        weight, mean, scatter = exact.statistics(Z, np.eye(K)[labels])
        np.testing.assert_allclose(stats.weight, weight.astype(float), rtol=1e-12)
        np.testing.assert_allclose(stats.mean, mean.astype(float), rtol=0, atol=1e-8 / ratio)
        assert_scatter(kind, stats.scatter, scatter)
    else:
        weighted, _, _ = gaussian.e_step(
            kind, X, np.ones(len(X)), theta.weights, parameters.means, parameters.covariances
        )
        wanted = gaussian.statistics(kind, (X - origin) / scale, weighted)
        for part, reference in zip(stats, wanted, strict=True):
            np.testing.assert_allclose(part, reference, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", ["full", "tied"])
@pytest.mark.parametrize("thinness", [1e-2, 1e-4, 1e-6])
def test_a_thin_cluster_at_the_origin(kind, thinness):
    # Wide along one direction, narrow across it: there too products would cancel.
    rng = np.random.default_rng(0)
    direction = np.array([0.6, 0.8])
    across = np.array([-0.8, 0.6])
    matrix = np.outer(direction, direction) + thinness**2 * np.outer(across, across)
    covariances = matrix[None] if kind == "full" else matrix
    family = cases.make_family(kind)
    parameters = GaussianParameters(np.zeros((1, 2)), covariances, family.factorise(covariances))
    X = rng.standard_normal((30, 1)) * direction + thinness * rng.standard_normal((30, 1)) * across
    scorer = family.scorer(parameters, np.zeros(1))
    got = cases.scores_of(scorer, X, 1, family.n_products(2))[:, 0]
    # The rows and the factor of so thin a matrix carry an error of their own.
    own = 1e-15 / thinness**2
    wanted = exact.log_density(X, parameters.means[0], matrix).astype(float)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=max(1e-8, 50 * own))


@pytest.mark.core
@families
def test_wide_clusters_are_packed(kind):
    family, parameters, *_ = narrow(kind, 1.0)
    packed = family.packed_scorer(parameters, np.zeros(K))
    assert type(family.scorer(parameters, np.zeros(K))) is type(packed)


@pytest.mark.core
@families
def test_cancellation_bounds_distance_over_width(kind):
    # Never below (|mean|^2 + trace) / least eigenvalue: what the packed form loses.
    for ratio in RATIOS:
        family, parameters, matrices, *_ = narrow(kind, ratio, seed=3)
        got = family.cancellation(parameters)
        worst = 0.0
        for mean, matrix in zip(parameters.means, matrices, strict=True):
            if family.has_matrices:
                worst = max(worst, mean @ mean / np.linalg.eigvalsh(matrix)[-1])
            else:
                worst = max(worst, np.max(mean**2 / np.diag(matrix)))
        assert got >= worst
        assert got <= 1e3 * max(worst, 10.0)
