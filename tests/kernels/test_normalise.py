"""The vectorised exponential, log normalisers, responsibilities and labels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import exact
from oracles.callees import from_python
from scipy.special import logsumexp, softmax

from skem import kernels

CUT = -708.0

exp_difference = from_python(kernels.normalise.exp_difference)


def exp_of(x, shift=None):
    """The kernel's exp(x - shift)."""
    x = np.array(x, dtype=np.float64)
    shift = np.zeros_like(x) if shift is None else np.array(shift, dtype=np.float64)
    power = np.full(len(x), np.nan)
    exp_difference(x, shift, len(x), power, power.view(np.int64))
    return x


def assert_within(values, arguments, most=2):
    worst = max(exact.ulps(v, exact.exp(x)) for v, x in zip(values, arguments, strict=True))
    assert worst <= most, f"{float(worst):.2f} units of the last place"


@pytest.mark.core
def test_exp_over_its_range():
    x = np.linspace(CUT + 1e-9, 0.0, 4001)
    result = exp_of(x)
    reference = np.array([math.exp(value) for value in x])
    assert (np.abs(result - reference) <= 2 * np.spacing(reference)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(CUT, 0.0, exclude_min=True), min_size=1, max_size=20))
def test_exp_against_forty_digits(x):
    assert_within(exp_of(x), x)


def test_exp_around_multiples_of_half_log_two():
    # Here the argument's reduction changes to the next power of two.
    x = -np.log(2) * np.arange(1, 2043) / 2
    x = np.concatenate([np.nextafter(x, -np.inf), x, np.nextafter(x, 0.0)])
    x = x[x > CUT][::3]
    assert_within(exp_of(x), x)


@pytest.mark.core
def test_exp_cut():
    x = [
        np.nextafter(CUT, 0),
        np.nextafter(CUT, -np.inf),
        -709.0,
        -744.4,
        -745.2,
        -1e4,
        -1e300,
        -np.inf,
    ]
    result = exp_of(x)
    assert_within(result[:1], x[:1])
    np.testing.assert_array_equal(result[1:], 0.0)


@pytest.mark.parametrize("x", [0.0, -0.0, -5e-324, -1e-17, -1e-16])
def test_exp_next_to_zero(x):
    assert_within(exp_of([x]), [x], most=1)
    assert exp_of([0.0])[0] == 1.0


def test_exp_of_a_difference_touches_only_n():
    x, shift = np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 0.0])
    power = np.empty(3)
    exp_difference(x, shift, 2, power, power.view(np.int64))
    np.testing.assert_allclose(x, [1.0, math.exp(-3.0), 3.0], rtol=4e-16)


def normalise(scores, weights, hard=False):
    """Run `log_normalise` on scores (n, K); return what it writes."""
    n_rows, n_components = scores.shape
    lines = np.full((n_components, n_rows + 8), np.nan)
    lines[:, :n_rows] = scores.T
    power = np.empty(n_rows)
    log_normaliser, factor = np.full(n_rows, np.nan), np.full(n_rows, np.nan)
    total = kernels.normalise.log_normalise(
        lines, n_rows, weights, power, power.view(np.int64), log_normaliser, factor, hard
    )
    resp = np.full((n_rows + 2, n_components), np.nan)
    kernels.normalise.responsibilities(lines, n_rows, factor, resp)
    assert np.isnan(resp[n_rows:]).all()
    return total, log_normaliser, resp[:n_rows]


@pytest.mark.core
@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 20),
    n_components=st.integers(1, 6),
    spread=st.sampled_from([1e-3, 1.0, 100.0, 1e4]),
    shift=st.sampled_from([0.0, -1e6, 1e6]),
    seed=st.integers(0, 10**6),
)
def test_log_normalise(n_rows, n_components, spread, shift, seed):
    rng = np.random.default_rng(seed)
    scores = shift + spread * rng.standard_normal((n_rows, n_components))
    weights = rng.uniform(0.0, 3.0, n_rows)
    total, log_normaliser, resp = normalise(scores, weights)
    wanted = logsumexp(scores, axis=1)
    np.testing.assert_allclose(log_normaliser, wanted, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(total, weights @ wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(
        resp, weights[:, None] * softmax(scores, axis=1), rtol=1e-12, atol=1e-300
    )


@pytest.mark.core
@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 20),
    n_components=st.integers(1, 6),
    levels=st.sampled_from([2, 3, 10**6]),
    seed=st.integers(0, 10**6),
)
def test_hard_assignments_give_a_row_to_the_first_of_the_best(n_rows, n_components, levels, seed):
    # Of few levels, so that many components are equal; some have no weight.
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=(n_rows, n_components)) - 1e3
    scores[:, 1:][rng.uniform(size=(n_rows, n_components - 1)) < 0.2] = -np.inf
    weights = rng.uniform(0.0, 3.0, n_rows)
    total, log_normaliser, resp = normalise(scores, weights, hard=True)
    wanted = weights[:, None] * np.eye(n_components)[scores.argmax(axis=1)]
    np.testing.assert_array_equal(resp, wanted)
    np.testing.assert_array_equal(log_normaliser, scores.max(axis=1))
    assert total == pytest.approx(weights @ scores.max(axis=1), rel=1e-14)


def test_components_of_no_weight_get_nothing():
    scores = np.array([[-np.inf, 1.0, 2.0], [5.0, -np.inf, -np.inf]])
    total, log_normaliser, resp = normalise(scores, np.array([1.0, 2.0]))
    np.testing.assert_allclose(log_normaliser, [logsumexp([1.0, 2.0]), 5.0], rtol=1e-15)
    np.testing.assert_allclose(total, logsumexp([1.0, 2.0]) + 10, rtol=1e-15)
    assert resp[0, 0] == 0.0
    np.testing.assert_array_equal(resp[1], [2.0, 0.0, 0.0])


def test_rows_where_every_density_underflows():
    scores = np.array([[-1e5, -1e5 - 1.0], [-1e300, -np.inf]])
    _, log_normaliser, resp = normalise(scores, np.ones(2))
    np.testing.assert_allclose(resp[0], softmax([0.0, -1.0]), rtol=1e-14)
    np.testing.assert_allclose(log_normaliser, [-1e5 + np.log1p(np.exp(-1.0)), -1e300])
    np.testing.assert_array_equal(resp[1], [1.0, 0.0])


@pytest.mark.parametrize("n_rows", [1, 7, 8, 9, 16, 17])
def test_responsibilities_are_transposed_and_scaled(n_rows):
    rng = np.random.default_rng(0)
    scores, factor = rng.uniform(size=(3, n_rows + 4)), rng.uniform(size=n_rows)
    resp = np.full((n_rows + 1, 3), -1.0)
    kernels.normalise.responsibilities(scores, n_rows, factor, resp)
    for i in range(n_rows):
        for k in range(3):
            assert resp[i, k] == scores[k, i] * factor[i]
    np.testing.assert_array_equal(resp[n_rows], -1.0)


def best(scores):
    scores = np.array(scores, dtype=np.float64).T.copy()
    labels = np.full(scores.shape[1] + 1, -1, dtype=np.int64)
    kernels.normalise.best_component(scores, scores.shape[1], labels)
    assert labels[-1] == -1
    return labels[:-1]


@pytest.mark.core
def test_best_component():
    scores = np.random.default_rng(0).standard_normal((50, 5))
    np.testing.assert_array_equal(best(scores), scores.argmax(axis=1))


def test_best_component_is_the_first_of_equals():
    inf = np.inf
    rows = [[1, 1, 1], [0, 2, 2], [-inf, -inf, 3], [-inf, -inf, -inf], [3, 1, 3], [-0.0, 0.0, 0.0]]
    np.testing.assert_array_equal(best(rows), [0, 1, 2, 0, 0, 0])
