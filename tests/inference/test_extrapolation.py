"""Guesses at fixed points, on maps whose fixed points are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skem.inference.extrapolation import ACCELERATIONS, Anderson, Squarem, _damped_solution

FIXED = np.array([0.3, -1.2, 2.0, 0.7])


def linear_map(rates, seed=0):
    """A map towards `FIXED` along orthogonal directions, and its matrix."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((4, 4)))[0]
    matrix = turn @ np.diag(rates) @ turn.T
    return (lambda x: FIXED + matrix @ (x - FIXED)), matrix


def undamped():
    anderson = Anderson()
    anderson.successes = 1e3
    return anderson


@pytest.mark.core
@pytest.mark.parametrize("rate", [0.5, 0.9, 0.999])
def test_squarem_finds_the_end_of_one_direction(rate):
    # Along one direction the ratio of steps tells all.
    squarem = Squarem()
    squarem.longest = 1e9
    image, _ = linear_map(np.full(4, rate))
    x = np.zeros(4)
    assert squarem.propose(x, image(x)) is None
    x = image(x)
    np.testing.assert_allclose(squarem.propose(x, image(x)), FIXED, rtol=0, atol=1e-9)
    assert squarem.empty


def test_squarem_starts_with_two_steps_and_grows_with_success():
    image, _ = linear_map(np.array([0.99, 0.9, 0.5, 0.1]))
    squarem, x = Squarem(), np.zeros(4)
    lengths = []
    for accepted in (True, True, True, False, False):
        assert squarem.propose(x, image(x)) is None
        first, x = x, image(x)
        guess = squarem.propose(x, image(x))
        lengths.append(squarem.length)
        r, v = x - first, image(x) - 2 * x + first
        np.testing.assert_allclose(guess, first + 2 * lengths[-1] * r + lengths[-1] ** 2 * v)
        squarem.record(accepted)
        if len(lengths) == 1:
            np.testing.assert_allclose(guess, image(x))
    assert lengths[0] == 1.0
    assert lengths[1] > 1.0
    assert all(length >= 1.0 for length in lengths)
    assert squarem.longest <= max(lengths)


@pytest.mark.core
def test_anderson_finds_the_fixed_point_once_all_directions_are_seen():
    image, _ = linear_map(np.array([0.99, 0.9, 0.5, 0.1]))
    anderson, x = undamped(), np.zeros(4)
    for _ in range(6):
        guess = anderson.propose(x, image(x))
        x = image(x) if guess is None else guess
    np.testing.assert_allclose(x, FIXED, atol=1e-8)


@given(seed=st.integers(0, 10**6))
def test_anderson_steps_from_the_highest_point_of_the_span(seed):
    # The residual is the gradient of -(x - FIXED)' (I - A) (x - FIXED) / 2.
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.05, 0.98, 4)
    image, matrix = linear_map(rates, seed)
    anderson = undamped()
    points = list(rng.standard_normal((3, 4)))
    for x in points:
        guess = anderson.propose(x, image(x))
    span = np.diff(points, axis=0).T
    curvature = np.eye(4) - matrix
    best = np.linalg.solve(span.T @ curvature @ span, span.T @ curvature @ (FIXED - points[-1]))
    highest = points[-1] + span @ best
    np.testing.assert_allclose(guess, image(highest), atol=1e-6)


@given(
    seed=st.integers(0, 10**6),
    share=st.floats(1e-3, 0.999),
    size=st.integers(1, 10),
)
def test_damping_shortens_the_solution_to_a_share(seed, share, size):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size + 2))
    matrix, right = root @ root.T, rng.standard_normal(size)
    undamped = np.linalg.solve(matrix, right)
    damped = _damped_solution(matrix, right, share)
    wanted = share * undamped @ undamped
    np.testing.assert_allclose(damped @ damped, wanted, rtol=0.05)
    # It is a ridge regression: the rest of the system is a multiple of the solution.
    penalty = (right - matrix @ damped) @ damped / (damped @ damped)
    np.testing.assert_allclose(right - matrix @ damped, penalty * damped, atol=1e-6 * size)
    assert penalty > 0


def test_nothing_to_solve():
    np.testing.assert_array_equal(_damped_solution(np.eye(2), np.zeros(2), 0.5), np.zeros(2))
    np.testing.assert_array_equal(_damped_solution(-np.eye(2), np.ones(2), 0.5), np.zeros(2))


def test_anderson_restarts_and_is_damped_by_failure():
    image, _ = linear_map(np.array([0.99, 0.9, 0.5, 0.1]))
    anderson, x = Anderson(), np.zeros(4)
    for number in range(Anderson.order + 1):
        guess = anderson.propose(x, image(x))
        assert (guess is None) == (number == 0)
        assert anderson.empty == (number == Anderson.order)
        x = image(x)
    before = anderson.successes
    anderson.record(True)
    assert anderson.successes == before + 1
    for _ in range(100):
        anderson.record(False)
    assert anderson.successes == -Anderson.slowness


@pytest.mark.parametrize("name", sorted(ACCELERATIONS))
def test_at_the_fixed_point_a_guess_stays(name):
    extrapolation = ACCELERATIONS[name]()
    for _ in range(5):
        guess = extrapolation.propose(FIXED, FIXED.copy())
        if guess is not None:
            np.testing.assert_allclose(guess, FIXED)


@pytest.mark.parametrize("name", sorted(ACCELERATIONS))
def test_forgetting(name):
    extrapolation = ACCELERATIONS[name]()
    assert extrapolation.propose(FIXED + 1, FIXED + 0.5) is None
    assert not extrapolation.empty
    extrapolation.forget()
    assert extrapolation.empty
    assert extrapolation.propose(FIXED + 1, FIXED + 0.5) is None
