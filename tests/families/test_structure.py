"""What a structure says of its covariances: factors, units, counts, lengths, samples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cases, gaussian
from scipy.spatial.distance import mahalanobis

from skem.families import GAUSSIAN_FAMILIES, GaussianParameters

families = pytest.mark.parametrize("kind", gaussian.CONJUGATE)
shapes = given(
    n_components=st.integers(1, 4), n_features=st.integers(1, 4), seed=st.integers(0, 10**6)
)
few = settings(max_examples=10, deadline=None)


def case(kind, n_components=3, n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    parameters = cases.random_parameters(kind, n_components, n_features, rng)
    matrices = gaussian.matrices(kind, parameters.covariances, n_components, n_features)
    return rng, cases.make_family(kind), parameters, matrices


@pytest.mark.core
@families
@few
@shapes
def test_factors(kind, n_components, n_features, seed):
    _, family, parameters, matrices = case(kind, n_components, n_features, seed)
    factors = parameters.factors
    assert factors.shape == parameters.covariances.shape
    precisions = gaussian.matrices(kind, family.precisions(factors), n_components, n_features)
    diagonal = np.broadcast_to(
        family.precision_diagonal(factors, n_features), parameters.means.shape
    )
    log_det = np.broadcast_to(family.log_det_factors(factors, n_features), n_components)
    for k, matrix in enumerate(matrices):
        inverse = np.linalg.inv(matrix)
        np.testing.assert_allclose(precisions[k], inverse, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(diagonal[k], np.diag(inverse), rtol=1e-9)
        np.testing.assert_allclose(log_det[k], -0.5 * np.linalg.slogdet(matrix)[1], atol=1e-10)
    if family.has_matrices:
        np.testing.assert_array_equal(factors, np.triu(factors))


@families
@few
@shapes
def test_mahalanobis(kind, n_components, n_features, seed):
    rng, family, parameters, matrices = case(kind, n_components, n_features, seed)
    deviations = rng.standard_normal((n_components, n_features))
    got = family.mahalanobis(deviations, parameters.factors)
    wanted = [
        mahalanobis(d, np.zeros(n_features), np.linalg.inv(matrix)) ** 2
        for d, matrix in zip(deviations, matrices, strict=True)
    ]
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


@families
@few
@shapes
def test_scatter_of(kind, n_components, n_features, seed):
    rng, family, _, _ = case(kind, n_components, n_features, seed)
    deviations, weight = (
        rng.standard_normal((n_components, n_features)),
        rng.uniform(size=n_components),
    )
    squares = [w * np.outer(d, d) for w, d in zip(weight, deviations, strict=True)]
    got = family.scatter_of(deviations, weight)
    assert got.shape == family.identity(n_components, n_features).shape
    if kind == "tied":
        wanted = sum(squares)
    else:
        wanted = np.array([gaussian.from_matrix(kind, one) for one in squares])
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)


@families
def test_identity_and_dense(kind):
    _, family, parameters, matrices = case(kind)
    units = family.dense(family.identity(3, 2), 3, 2)
    np.testing.assert_array_equal(units, np.tile(np.eye(2), (3, 1, 1)))
    np.testing.assert_array_equal(family.dense(parameters.covariances, 3, 2), matrices)


@pytest.mark.core
@families
@few
@shapes
def test_rescale(kind, n_components, n_features, seed):
    rng, family, parameters, matrices = case(kind, n_components, n_features, seed)
    scale = np.exp(rng.normal(0.0, 5.0, n_features))
    if kind in gaussian.ROUND:
        scale[:] = scale[0]
    scaled = family.rescale(parameters, scale)
    np.testing.assert_allclose(scaled.means, parameters.means * scale, rtol=1e-15)
    wanted = matrices * np.outer(scale, scale)
    got = gaussian.matrices(kind, scaled.covariances, n_components, n_features)
    np.testing.assert_allclose(got, wanted, rtol=1e-14)
    np.testing.assert_allclose(
        scaled.factors, family.factorise(scaled.covariances), rtol=1e-9, atol=1e-300
    )
    again = family.rescale(scaled, 1.0 / scale)
    for part, before in zip(again, parameters, strict=True):
        np.testing.assert_allclose(part, before, rtol=1e-14)


@families
@few
@shapes
def test_from_precisions(kind, n_components, n_features, seed):
    _, family, parameters, _ = case(kind, n_components, n_features, seed)
    got = family.from_precisions(family.precisions(parameters.factors))
    assert got.means.shape == (0, 0)
    np.testing.assert_allclose(got.covariances, parameters.covariances, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got.factors, parameters.factors, rtol=1e-9, atol=1e-9)
    if family.has_matrices:
        np.testing.assert_array_equal(got.covariances, np.swapaxes(got.covariances, -1, -2))


@families
def test_typical_scale(kind):
    rng, family, parameters, matrices = case(kind)
    weights = rng.dirichlet(np.ones(3))
    inverses = np.array([np.diag(np.linalg.inv(matrix)) for matrix in matrices])
    wanted = 1 / np.sqrt(weights @ inverses)
    got = family.typical_scale(weights, parameters)
    assert got.shape == (2,)
    np.testing.assert_allclose(got, wanted, rtol=1e-10)


@pytest.mark.core
@families
@pytest.mark.parametrize(("n_components", "n_features"), [(1, 1), (1, 4), (3, 1), (4, 3)])
def test_n_parameters_by_counting(kind, n_components, n_features):
    # Count the different numbers that means and covariances hold.
    rng = np.random.default_rng(0)
    parameters = cases.random_parameters(kind, n_components, n_features, rng)
    different = set(parameters.means.ravel()) | {
        float(f"{value:.12g}") for value in parameters.covariances.ravel()
    }
    family = cases.make_family(kind)
    assert family.n_parameters(n_components, n_features) == len(different)


@families
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_pairs_are_lines_of_a_tile(kind, n_features):
    left, right = cases.make_family(kind).pairs(n_features)
    assert left.dtype == right.dtype == np.int64
    assert left.shape == right.shape
    pairs = {tuple(sorted(pair)) for pair in zip(left, right, strict=True)}
    assert len(pairs) == len(left)
    assert all(0 <= a <= b < n_features + 2 for a, b in pairs)
    if kind == "full":
        assert pairs == set(itertools.combinations_with_replacement(range(n_features + 1), 2))


def test_names_of_the_families():
    four = ("VVV", "EEE", "VVI", "VII")
    ten = ("EII", "EEI", "VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")
    assert tuple(GAUSSIAN_FAMILIES) == (*gaussian.KINDS, *four, *ten)


@pytest.mark.core
@families
def test_moments_of_a_sample(kind):
    n_components, n_features, n = 3, 2, 4000
    _, family, parameters, matrices = case(kind, n_components, n_features)
    labels = np.repeat(np.arange(n_components), n)
    rows = family.sample(parameters, labels, np.random.RandomState(0))
    assert rows.shape == (n * n_components, n_features)
    for k, matrix in enumerate(matrices):
        mine = rows[labels == k]
        # Five standard errors.
        error = 5 * np.sqrt(np.diag(matrix) / n)
        assert (np.abs(mine.mean(axis=0) - parameters.means[k]) < error).all()
        spread = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
        assert (np.abs(np.cov(mine.T) - matrix) < 5 * spread * np.sqrt(2 / n)).all()
        whitened = (mine - parameters.means[k]) @ np.linalg.cholesky(np.linalg.inv(matrix))
        np.testing.assert_allclose(np.cov(whitened.T), np.eye(2), atol=5 * np.sqrt(2 / n))


@families
def test_a_sample_follows_its_labels(kind):
    _, family, parameters, _ = case(kind)
    far = GaussianParameters(1000.0 * np.arange(3)[:, None] + np.zeros((3, 2)), *parameters[1:])
    labels = np.array([2, 0, 1, 1, 0, 2, 2])
    rows = family.sample(far, labels, np.random.RandomState(0))
    np.testing.assert_array_equal(np.round(rows / 1000), np.repeat(labels[:, None], 2, axis=1))
    again = family.sample(far, labels, np.random.RandomState(0))
    np.testing.assert_array_equal(rows, again)
    assert family.sample(far, labels[:0], np.random.RandomState(0)).shape == (0, 2)
