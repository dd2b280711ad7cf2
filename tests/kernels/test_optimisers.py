"""Steps of optimisers against their papers' formulas, in plain loops."""

import numpy as np
import pytest

from skem.vae._optimisers import Adam, Momentum


def _gradients(n_steps=5, n=7):
    return np.random.default_rng(0).normal(size=(n_steps, n))


def test_adam():
    parameters, moments = np.ones(7), np.zeros((2, 7))
    expected, m, v = np.ones(7), np.zeros(7), np.zeros(7)
    for t, gradient in enumerate(_gradients(), start=1):
        Adam(0.1).update(parameters, gradient, moments, t)
        for i, g in enumerate(gradient):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            unbiased = v[i] / (1 - 0.999**t)
            expected[i] -= 0.1 * m[i] / (1 - 0.9**t) / (np.sqrt(unbiased) + 1e-8)
    np.testing.assert_allclose(parameters, expected, rtol=1e-12)


def test_momentum_looks_ahead():
    # Nesterov's form: the gradient at the point where the velocity leads to.
    curvature, rate = np.linspace(0.1, 2, 7), 0.05
    ahead, moments = np.ones(7), np.zeros((1, 7))
    point, velocity = np.ones(7), np.zeros(7)
    for t in range(1, 9):
        Momentum(rate).update(ahead, curvature * ahead, moments, t)
        velocity = 0.9 * velocity - rate * curvature * (point + 0.9 * velocity)
        point = point + velocity
        np.testing.assert_allclose(ahead, point + 0.9 * velocity, rtol=1e-12)


@pytest.mark.parametrize("optimiser", [Adam(0.01), Momentum(0.01)])
def test_slices_take_the_same_step_as_the_whole(optimiser):
    gradients = _gradients().astype(np.float32)
    whole, parts = np.ones(7, np.float32), np.ones(7, np.float32)
    memory = np.zeros((2, optimiser.n_moments, 7), np.float32)
    for t, gradient in enumerate(gradients, start=1):
        optimiser.update(whole, gradient, memory[0], t)
        for here in (slice(0, 3), slice(3, 7)):
            optimiser.update(parts[here], gradient[here], memory[1][:, here], t)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, parts)
