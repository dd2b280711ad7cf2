"""Covariances with parts in common are where an optimiser ends; coordinates are NumPy's."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skem import kernels
from skem.kernels.arguments import CoordinateFrame


def scatters(k, d, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((k, 4 * d, d)) * rng.uniform(0.3, 3.0, (k, 1, d))
    return np.einsum("kni,knj->kij", rows, rows), rng.uniform(5.0, 20.0, k)


def loss(covariances, scatter, count):
    inside = np.trace(np.linalg.solve(covariances, scatter), axis1=1, axis2=2)
    return float((count * np.linalg.slogdet(covariances)[1] + inside).sum())


def diagonal(variances):
    return variances[:, :, None] * np.eye(variances.shape[1])


@pytest.mark.core
@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 4)])
def test_own_volumes_of_one_shape(k, d):
    scatter, count = scatters(k, d)
    spectra = np.diagonal(scatter, axis1=1, axis2=2).copy()
    found = np.empty((k, d))
    kernels.shapes.own_volume(spectra, count, 200, found)

    def value(x):
        return loss(diagonal(np.exp(x[:k, None] + x[k:])), scatter, count)

    wanted = minimize(value, np.zeros(k + d)).fun
    assert loss(diagonal(found), scatter, count) <= wanted + 1e-9 * abs(wanted)
    ratios = found / found[:, :1]
    np.testing.assert_allclose(ratios, np.tile(ratios[:1], (k, 1)), rtol=1e-13)


@pytest.mark.core
@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 3)])
def test_own_volumes_of_one_matrix(k, d):
    scatter, count = scatters(k, d)
    volumes, matrix = np.empty(k), np.empty((d, d))
    kernels.matrices.common_matrix(scatter, count, 200, volumes, matrix)
    assert np.linalg.det(matrix) == pytest.approx(1.0, rel=1e-12)
    lower = np.tril_indices(d)

    def covariances(x):
        root = np.zeros((d, d))
        root[lower] = x[k:]
        return np.exp(x[:k, None, None]) * (root @ root.T + 1e-12 * np.eye(d))

    start = np.concatenate([np.zeros(k), np.eye(d)[lower]])
    wanted = minimize(lambda x: loss(covariances(x), scatter, count), start).fun
    assert loss(volumes[:, None, None] * matrix, scatter, count) <= wanted + 1e-8 * abs(wanted)


def test_one_matrix_of_rows_without_spread_in_a_direction():
    scatter, count = np.tile(np.diag([2.0, 0.0]), (2, 1, 1)), np.array([3.0, 5.0])
    volumes, matrix = np.empty(2), np.empty((2, 2))
    kernels.matrices.common_matrix(scatter, count, 50, volumes, matrix)
    assert np.isfinite(volumes).all()
    assert matrix[0, 0] > 1e5 * matrix[1, 1] > 0.0


@pytest.mark.core
def test_coordinates_are_those_of_numpy_and_lead_back():
    k, d, total, added, ridge = 3, 3, 20.0, 1.5, 0.1
    (reference, counts), (scatter, _) = scatters(k, d), scatters(k, d, 1)
    rng = np.random.default_rng(2)
    weight, mean, origin = rng.uniform(1.0, 2.0, k), *rng.standard_normal((2, k, d))
    roots, shares, sizes = np.zeros((k, d, d)), rng.uniform(0.1, 1.0, k), rng.uniform(0.1, 1.0, k)
    frame = CoordinateFrame(roots, origin, shares, sizes)
    assert kernels.coordinates.refer(reference, counts, added, ridge, roots)
    covariances = reference / (counts + added)[:, None, None] + ridge * np.eye(d)
    np.testing.assert_allclose(roots, np.linalg.cholesky(covariances), rtol=1e-12)
    out, root = np.empty(k + k * d + k * d * (d + 1) // 2), np.empty((d, d))
    assert kernels.coordinates.encode(
        weight, mean, scatter, counts, added, ridge, total, frame, root, out
    )
    covariances = scatter / (counts + added)[:, None, None] + ridge * np.eye(d)
    given = np.linalg.cholesky(covariances)
    np.testing.assert_allclose(out[:k], 2.0 * np.sqrt(weight / total), rtol=1e-13)
    inverses = np.linalg.inv(roots)
    means = shares[:, None] * np.einsum("kij,kj->ki", inverses, mean - origin)
    np.testing.assert_allclose(out[k : k + k * d], means.ravel(), rtol=1e-11)
    factors = inverses @ given
    diagonal = np.arange(d)
    factors[:, diagonal, diagonal] = np.sqrt(2.0) * np.log(factors[:, diagonal, diagonal])
    lower = np.tril_indices(d)
    wanted = sizes[:, None] * factors[:, lower[0], lower[1]]
    np.testing.assert_allclose(out[k + k * d :], wanted.ravel(), rtol=1e-11, atol=1e-13)
    weights, means, again = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
    kernels.coordinates.decode_weights(out, total, weights)
    np.testing.assert_allclose(weights, weight * total / weight.sum(), rtol=1e-13)
    assert kernels.coordinates.decode(out[k:], counts, added, ridge, 0.0, frame, root, means, again)
    np.testing.assert_allclose(means, mean, rtol=1e-11)
    np.testing.assert_allclose(again, scatter, rtol=1e-11)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_what_is_singular_or_no_number_has_no_coordinates(value):
    good, bad = np.tile(np.eye(2), (2, 1, 1)), np.tile(np.diag([1.0, value]), (2, 1, 1))
    ones, origin, root = np.ones(2), np.zeros((2, 2)), np.empty((2, 2))
    frame = CoordinateFrame(np.empty_like(good), origin, ones, ones)
    given = ones, 0.0, 0.0
    assert not kernels.coordinates.refer(bad, *given, frame.roots)
    assert kernels.coordinates.refer(good, *given, frame.roots)
    assert not kernels.coordinates.encode(ones, origin, bad, *given, 2.0, frame, root, np.empty(12))
