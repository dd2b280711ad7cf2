"""Polynomials against the library's functions."""

import numpy as np
import pytest
from oracles.callees import from_python

from skem.kernels import elementary
from skem.kernels.jit import each, kernel

FUNCTIONS = {
    "exponential": (np.linspace(-700, 700, 4001), np.exp, 1e-10),
    "logistic": (np.linspace(-40, 700, 4001), lambda x: 1 / (1 + np.exp(-x)), 1e-10),
    "sine": (np.linspace(-np.pi / 4, np.pi / 4, 1000), np.sin, 1e-14),
    "cosine": (np.linspace(-np.pi / 4, np.pi / 4, 1001), np.cos, 1e-14),
    "log_ratio": (np.linspace(0, 1 / 3, 1001), lambda q: np.log((1 + q) / (1 - q)), 1e-13),
}

add_logarithms = from_python(elementary.add_logarithms)


@kernel
def _apply_exponential(x, out):
    for i in each(x.size):
        out[i] = elementary.exponential(x[i])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    x, expected, rtol = FUNCTIONS[name]
    actual = [getattr(elementary, name)(value) for value in x]
    np.testing.assert_allclose(actual, expected(x), rtol=rtol, atol=3e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_visits_all_and_float32_loses_nothing(dtype):
    x = np.linspace(-80, 80, 333).astype(dtype)
    out = np.empty_like(x)
    _apply_exponential(x, out)
    rtol = max(np.finfo(dtype).eps, 1e-12)
    np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=rtol)


def test_exponential_of_single_precision():
    x = np.linspace(-87, 0, 100_001).astype(np.float32)
    out = x.copy()
    elementary.exponential_single(out, np.empty(x.size, np.int32))
    np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=2e-7)
    nothing = np.array([np.nan, 0.0], np.float32)
    with np.errstate(invalid="ignore"):
        elementary.exponential_single(nothing, np.empty(2, np.int32))
    np.testing.assert_array_equal(nothing, [np.nan, 1.0])


def test_exponential_has_ends():
    ends = [elementary.exponential(x) for x in (-1e300, -np.inf, 1e300, np.inf)]
    np.testing.assert_allclose(ends, np.exp([-700, -700, 700, 700]), rtol=2e-10)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1001])
def test_fold_adds_all(n):
    terms = np.random.default_rng(n).normal(size=n + 3)
    expected = terms[:n].sum()
    assert elementary.fold(terms, n) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 64, 511, 513, 3000])
def test_log_product(n):
    factors = np.random.default_rng(n).uniform(1, 2, size=n + 3)
    factors[: n // 2] = 2.0
    expected = np.log(factors[:n]).sum()
    assert elementary.log_product(factors, n) == pytest.approx(expected, rel=1e-12)


def test_logarithms_are_added():
    rng = np.random.default_rng(0)
    near_one = 1 + 2.0**-52 * np.arange(-40, 40)
    x = np.concatenate([near_one, rng.uniform(0.4, 2.1, 2000), np.exp(rng.uniform(-600, 600, 500))])
    power, out = np.empty(len(x) + 3), np.full(len(x) + 3, 2.0)
    out[: len(x)] = 0.0
    add_logarithms(x, len(x), power, power.view(np.int64), out)
    np.testing.assert_allclose(out[:-3], np.log(x), rtol=1e-15, atol=0)
    np.testing.assert_array_equal(out[-3:], 2.0)
    before = out[: len(x)].copy()
    add_logarithms(x, len(x), power, power.view(np.int64), out)
    np.testing.assert_allclose(out[:-3], 2 * before, rtol=1e-15, atol=0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_what_has_no_logarithm_is_nan(value):
    power, out = np.empty(1), np.zeros(1)
    add_logarithms(np.array([value]), 1, power, power.view(np.int64), out)
    assert np.isnan(out[0])
