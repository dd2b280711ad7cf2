"""Full covariance matrices against numpy's linear algebra."""

import numpy as np
import pytest
import scipy.linalg

from skem import kernels

SHAPES = pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 5), (1, 19)])


def stack(k, d, seed=0):
    """Means, positive definite matrices, and their factors by numpy."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((k, 3 * d, d)) * rng.uniform(0.1, 10.0, d)
    covariances = np.einsum("kni,knj->kij", rows, rows) / (3 * d)
    factors = np.stack([np.linalg.inv(np.linalg.cholesky(matrix)).T for matrix in covariances])
    return rng.standard_normal((k, d)), covariances, factors


def factorise(covariances, factors, *floor):
    """What the kernel says, under a floor or none."""
    shape = covariances.shape[1:]
    floors = np.array(floor).reshape(-1, *shape)
    return kernels.covariances.factorise(covariances, floors, factors, np.empty((2, *shape)))


@pytest.mark.core
@SHAPES
def test_factors(k, d):
    _, covariances, wanted = stack(k, d)
    factors = np.full((k, d, d), np.nan)
    before = covariances.copy()
    assert factorise(covariances, factors) == -1
    np.testing.assert_allclose(factors, wanted, rtol=1e-11, atol=1e-13 * np.abs(wanted).max())
    assert (factors[:, *np.tril_indices(d, -1)] == 0.0).all()
    np.testing.assert_array_equal(covariances, before)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 2)),
        np.array([[1.0, 1.0], [1.0, 1.0]]),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.array([[4.0, 2.0], [2.0, 1.0 + 1e-16]]),
        np.full((2, 2), np.nan),
        np.array([[1.0, np.nan], [np.nan, 1.0]]),
    ],
)
def test_first_singular_component(bad):
    covariances = np.stack([np.eye(2), 2.0 * np.eye(2), bad, bad])
    assert factorise(covariances, np.empty((4, 2, 2))) == 2


def test_narrow_is_not_singular():
    covariances = np.stack([np.diag([1e-300, 1e300]), np.array([[1.0, 1.0], [1.0, 1.0 + 1e-12]])])
    factors = np.empty((2, 2, 2))
    assert factorise(covariances, factors) == -1
    np.testing.assert_allclose(np.diagonal(factors[0]), [1e150, 1e-150], rtol=1e-14)


@pytest.mark.core
def test_a_floor():
    covariances = np.stack([np.diag([2.0, 3.0]), np.array([[2.0, 1.0], [1.0, 2.0]])])
    factors = np.empty((2, 2, 2))
    # In the order of matrices: the second has an eigenvalue of 1.
    assert factorise(covariances, factors, 0.99 * np.eye(2)) == -1
    np.testing.assert_allclose(factors @ np.swapaxes(factors, 1, 2), np.linalg.inv(covariances))
    assert factorise(covariances, factors, 1.01 * np.eye(2)) == -2
    assert factorise(covariances, factors, np.diag([2.5, 0.0])) == -2


@pytest.mark.parametrize("share", [1e-9, 0.3, 0.6, 0.99, 1.01, 2.0])
@SHAPES
def test_floors_far_below_and_close(k, d, share):
    # A covariance is above a floor as long as all eigenvalues of their ratio are above 1.
    _, covariances, wanted = stack(k, d)
    _, (floor,), _ = stack(1, d, seed=1)
    least = min(scipy.linalg.eigh(each, floor, eigvals_only=True).min() for each in covariances)
    factors = np.empty((k, d, d))
    status = factorise(covariances, factors, share * least * floor)
    assert status == (-1 if share < 1 else -2)
    if share < 1:
        np.testing.assert_allclose(factors, wanted, rtol=1e-11, atol=1e-13 * np.abs(wanted).max())


@pytest.mark.core
@SHAPES
def test_linear_form(k, d):
    means, _, factors = stack(k, d)
    coefficients, level = np.full(((d + 1) * (d + 2) // 2, k), np.nan), np.arange(k, dtype=float)
    kernels.covariances.linear_form(means, factors, coefficients, level, np.empty(d))
    left, right = np.triu_indices(d + 1)
    for z in np.random.default_rng(1).standard_normal((4, d)):
        lines = np.append(z, 1.0)
        score = (lines[left] * lines[right]) @ coefficients + level
        squares = [
            np.sum(((z - m) @ factor) ** 2) for m, factor in zip(means, factors, strict=True)
        ]
        np.testing.assert_allclose(score, np.arange(k) - 0.5 * np.array(squares), rtol=1e-9)


@SHAPES
def test_log_determinants(k, d):
    _, covariances, factors = stack(k, d)
    result = np.empty(k)
    kernels.covariances.log_determinants(factors, result)
    np.testing.assert_allclose(result, -0.5 * np.linalg.slogdet(covariances)[1], rtol=1e-11)


@SHAPES
def test_cancellation(k, d):
    means, covariances, factors = stack(k, d)
    spread = np.square(means).sum(axis=1) + np.trace(covariances, axis1=1, axis2=2)
    wanted = spread * np.trace(np.linalg.inv(covariances), axis1=1, axis2=2)
    reached = kernels.covariances.cancellation(means, covariances, factors)
    np.testing.assert_allclose(reached, wanted.max(), rtol=1e-11)


@pytest.mark.core
@SHAPES
def test_statistics_from_sums_of_products(k, d):
    rng = np.random.default_rng(2)
    rows, resp = rng.standard_normal((30, d)) + 3.0, rng.uniform(size=(30, k))
    lines = np.hstack([rows, np.ones((30, 1))])
    left, right = np.triu_indices(d + 1)
    packed = np.ascontiguousarray((lines[:, left] * lines[:, right]).T @ resp)
    weight, first, second = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
    kernels.covariances.unpack(packed, weight, first, second)
    shift, scatter = np.empty_like(first), np.empty_like(second)
    kernels.covariances.centre(weight, first, second, shift, scatter)
    for c in range(k):
        np.testing.assert_allclose(weight[c], resp[:, c].sum(), rtol=1e-12)
        np.testing.assert_allclose(shift[c], np.average(rows, axis=0, weights=resp[:, c]))
        wanted = np.atleast_2d(np.cov(rows.T, aweights=resp[:, c], ddof=0)) * weight[c]
        np.testing.assert_allclose(scatter[c], wanted, rtol=1e-9, atol=1e-12)


def test_no_rows_have_no_statistics():
    weight, first, second = np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3, 3))
    shift, scatter = np.full((2, 3), np.nan), np.full((2, 3, 3), np.nan)
    kernels.covariances.centre(weight, first, second, shift, scatter)
    assert (shift == 0.0).all()
    assert (scatter == 0.0).all()
