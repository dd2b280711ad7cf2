"""Common axes: one sweep lowers the trace, keeps the axes orthogonal, and in a plane is exact."""

import numpy as np
import pytest

from skem.kernels.rotations import diagonalise, turn_axes


def problem(k, d, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(k, d, d + 2))
    scatter = factors @ np.swapaxes(factors, 1, 2)
    return scatter, rng.uniform(0.2, 5.0, size=(k, d))


def trace(scatter, inverse, axes):
    return sum(
        np.trace(W @ axes @ np.diag(one) @ axes.T) for W, one in zip(scatter, inverse, strict=True)
    )


def turned(scatter, inverse, axes, sweeps=1):
    axes, rotated = axes.copy(), axes.T @ scatter @ axes
    for _ in range(sweeps):
        turn_axes(rotated, inverse, axes)
    return rotated, axes


@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 5), (4, 7)])
def test_a_sweep_turns_axes_and_matrices_alike_and_lowers_the_trace(k, d):
    scatter, inverse = problem(k, d)
    start = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0]
    rotated, axes = turned(scatter, inverse, start)
    np.testing.assert_allclose(axes.T @ axes, np.eye(d), atol=1e-13)
    np.testing.assert_allclose(rotated, axes.T @ scatter @ axes, atol=1e-12)
    before, after = (trace(scatter, inverse, one) for one in (start, axes))
    assert after < before or d == 1


@pytest.mark.parametrize("seed", range(5))
def test_in_a_plane_no_angle_is_better(seed):
    scatter, inverse = problem(3, 2, seed)
    _, axes = turned(scatter, inverse, np.eye(2))
    angles = np.linspace(0, np.pi, 2001)
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    least = min(trace(scatter, inverse, turns[:, :, i]) for i in range(len(angles)))
    assert trace(scatter, inverse, axes) <= least * (1 + 1e-12)


def test_one_matrix_ends_in_its_own_axes():
    # tr(W D inv(V) D') is least where the largest spread meets the smallest inverse.
    scatter, inverse = problem(1, 4)
    _, axes = turned(scatter, inverse, np.eye(4), sweeps=30)
    values = np.linalg.eigvalsh(scatter[0])
    least = np.sort(values) @ np.sort(inverse[0])[::-1]
    assert trace(scatter, inverse, axes) == pytest.approx(least, rel=1e-12)


def test_many_sweeps_end_where_no_small_turn_is_better():
    scatter, inverse = problem(3, 4)
    _, axes = turned(scatter, inverse, np.eye(4), sweeps=200)
    # At a stationary point this matrix is symmetric (Flury & Gautschi 1986, equation 1.6).
    moment = sum(axes.T @ W @ axes @ np.diag(one) for W, one in zip(scatter, inverse, strict=True))
    np.testing.assert_allclose(moment, moment.T, atol=1e-7 * np.abs(moment).max())


def test_nothing_to_turn_is_left_as_it_is():
    scatter = np.stack([np.diag([3.0, 2.0, 1.0])] * 2)
    inverse = np.tile([1.0, 2.0, 3.0], (2, 1))
    rotated, axes = turned(scatter, inverse, np.eye(3))
    np.testing.assert_array_equal(axes, np.eye(3))
    np.testing.assert_array_equal(rotated, scatter)


@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 5), (4, 7)])
def test_eigenvalues_are_lapack_s(k, d):
    matrices, _ = problem(k, d)
    matrices[0] = np.diag(np.arange(d)[::-1])  # nothing to turn, but another order
    spectra, axes = np.empty((k, d)), np.empty((k, d, d))
    diagonalise(matrices, spectra, axes, np.empty((d, d)))
    np.testing.assert_allclose(spectra, np.linalg.eigvalsh(matrices), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        axes @ np.swapaxes(axes, 1, 2), np.tile(np.eye(d), (k, 1, 1)), atol=1e-13
    )
    again = (axes * spectra[:, None]) @ np.swapaxes(axes, 1, 2)
    np.testing.assert_allclose(again, matrices, atol=1e-12 * np.abs(matrices).max())


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e250])
def test_small_eigenvalues_beside_large_ones(scale):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    matrix = (turn * [1e-9, 1e-4, 1.0, 1e3]) @ turn.T
    spectra, axes = np.empty((1, 4)), np.empty((1, 4, 4))
    diagonalise(scale * matrix[None], spectra, axes, np.empty((4, 4)))
    spectra /= scale
    np.testing.assert_allclose(spectra[0], [1e-9, 1e-4, 1.0, 1e3], rtol=1e-9, atol=1e-12)
    again = (axes[0] * spectra[0]) @ axes[0].T
    np.testing.assert_allclose(again, matrix, atol=1e-12)
