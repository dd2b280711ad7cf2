"""Means and deviations of columns against exact arithmetic."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import exact

from skem.engine import column_moments
from skem.engine.moments import moments_of_parts, sum_columns, sum_seen_columns


def check(X, weights=None, rtol=1e-12):
    mean, deviation = column_moments(X, weights)
    assert mean.dtype == deviation.dtype == np.float64
    w = np.ones(len(X)) if weights is None else weights
    for j in range(X.shape[1]):
        exact_mean, exact_variance = exact.moments(X[:, j], w)
        # The mean can't be nearer than the last place of the largest entry.
        reach = float(np.spacing(np.abs(X[w > 0, j].astype(np.float64)).max()))
        spread = float(exact_variance) ** 0.5 if exact_variance > 1e-300 else deviation[j]
        assert abs(mean[j] - float(exact_mean)) <= 2 * reach + rtol * spread
        np.testing.assert_allclose(deviation[j], spread, rtol=rtol)


@pytest.mark.core
@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 30),
    shift=st.sampled_from([0.0, 1.0, -1e4, 1e8]),
    scale=st.sampled_from([1e-150, 1e-30, 1.0, 1e30, 1e150]),
    weighted=st.sampled_from([None, 1e-100, 1.0, 1e100]),
    zeros=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_against_exact_arithmetic(n_rows, shift, scale, weighted, zeros, seed):
    rng = np.random.default_rng(seed)
    X = scale * (shift + rng.standard_normal((n_rows, 2)))
    weights = None
    if weighted is not None:
        weights = weighted * rng.uniform(0.1, 2.0, n_rows) * (rng.uniform(size=n_rows) >= zeros)
        weights[rng.integers(n_rows)] = weighted
    mean, deviation = column_moments(X, weights)
    w = np.ones(n_rows) if weights is None else weights
    for j in range(2):
        # As fractions of the scale, so that the reference's floats have no limits either.
        exact_mean, exact_variance = exact.moments(X[:, j] / scale, w / (weighted or 1.0))
        size = abs(shift) + 5.0
        assert abs(mean[j] / scale - float(exact_mean)) <= 4e-16 * size
        np.testing.assert_allclose(
            deviation[j] / scale, float(exact_variance) ** 0.5, rtol=1e-12, atol=4e-16 * size
        )


@pytest.mark.core
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e8, 1e12])
def test_a_shift_costs_no_digits(shift):
    X = shift + np.random.default_rng(0).standard_normal((200, 2))
    check(X)


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e5])
def test_float32(shift):
    X = (shift + np.random.default_rng(0).standard_normal((60, 2))).astype(np.float32)
    check(X)


def test_first_row_far_out():
    X = np.random.default_rng(0).standard_normal((50, 1))
    X[0] = 1e9
    check(X)


@pytest.mark.core
@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-310, 1 / 3])
def test_constant_column(value):
    X = np.column_stack([np.full(30, value), np.arange(30.0)])
    weights = np.random.default_rng(0).uniform(size=30)
    for w in (None, weights):
        mean, deviation = column_moments(X, w)
        assert mean[0] == value
        assert deviation[0] == 0.0
        assert deviation[1] > 8


def test_constant_but_for_rows_without_weight():
    X, weights = np.full((20, 1), 0.1), np.ones(20)
    X[[0, 7]], weights[[0, 7]] = 1e5, 0.0
    mean, deviation = column_moments(X, weights)
    assert (mean[0], deviation[0]) == (0.1, 0.0)


def test_one_row():
    mean, deviation = column_moments(np.array([[1.5, -2.0]]), None)
    np.testing.assert_array_equal(mean, [1.5, -2.0])
    np.testing.assert_array_equal(deviation, 0.0)


def test_integer_weights_are_repeated_rows():
    rng = np.random.default_rng(3)
    X, weights = rng.normal(100.0, 1.0, (20, 2)), rng.integers(0, 4, 20)
    given_weights = column_moments(X, weights.astype(np.float64))
    repeated = column_moments(np.repeat(X, weights, axis=0), None)
    np.testing.assert_allclose(given_weights[0], repeated[0], rtol=1e-14)
    np.testing.assert_allclose(given_weights[1], repeated[1], rtol=1e-13)


@pytest.mark.core
def test_a_deviation_out_of_range_is_infinite():
    X = np.array([[1.7e308, 1.0], [-1.7e308, 2.0], [0.0, 3.0]])
    mean, deviation = column_moments(X, None)
    assert deviation[0] == np.inf
    np.testing.assert_allclose([mean[1], deviation[1]], [2.0, np.sqrt(2 / 3)], rtol=1e-15)


def test_the_least_and_the_largest_numbers():
    X = np.array([[5e-324, 1e300], [0.0, -1e300], [1e-323, 0.0]])
    mean, deviation = column_moments(X, None)
    np.testing.assert_allclose(deviation[1], 1e300 * np.sqrt(2 / 3), rtol=1e-14)
    assert 0 < deviation[0] < 1e-322
    assert mean[1] == pytest.approx(0.0, abs=1e284)


@pytest.mark.parametrize("order", ["C", "F"])
def test_many_rows_in_several_reads(order):
    # More than the engine measures at a time; the reference is numpy's own two-pass formula.
    rng = np.random.default_rng(5)
    X = np.asarray(rng.normal(50.0, 2.0, (20_000, 2)), order=order)
    weights = rng.uniform(size=len(X))
    for w in (None, weights):
        mean = np.average(X, axis=0, weights=w)
        variance = np.average((X - mean) ** 2, axis=0, weights=w)
        got = column_moments(X, w)
        np.testing.assert_allclose(got[0], mean, rtol=1e-13)
        np.testing.assert_allclose(got[1] ** 2, variance, rtol=1e-12)


def test_read_only_and_mapped_rows(tmp_path):
    X = np.random.default_rng(0).standard_normal((50, 3))
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for a, b in zip(column_moments(X, None), column_moments(mapped, None), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.core
@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 39), max_size=4),
    shift=st.sampled_from([0.0, 1.0, -1e4, 1e8, 1e12]),
    scale=st.sampled_from([1e-150, 1.0, 1e150]),
    between=st.sampled_from([0.0, 1.0, 1e3]),
    weighted=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_parts_against_exact_arithmetic(cuts, shift, scale, between, weighted, seed):
    """The parts' means lie apart by ``between``; one of them is constant."""
    rng = np.random.default_rng(seed)
    ends = sorted({0, 40, *cuts})
    X = shift + rng.standard_normal((40, 2))
    for part, (start, stop) in enumerate(pairwise(ends)):
        X[start:stop, 1] += between * part
    X[: ends[1], 0] = X[0, 0]
    X *= scale
    w = rng.uniform(0.1, 2.0, 40) if weighted else np.ones(40)
    parts = [sum_columns(X[a:b], w[a:b] if weighted else None) for a, b in pairwise(ends)]
    mean, deviation, weight = moments_of_parts(parts, gappy=False)
    np.testing.assert_allclose(weight, w.sum(), rtol=1e-14)
    for j in range(2):
        exact_mean, exact_variance = exact.moments(X[:, j] / scale, w)
        size = abs(shift) + 5.0 + 5.0 * between
        assert abs(mean[j] / scale - float(exact_mean)) <= 4e-16 * size
        np.testing.assert_allclose(
            deviation[j] / scale, float(exact_variance) ** 0.5, rtol=1e-12, atol=4e-16 * size
        )


def test_parts_of_a_constant_column():
    parts = [sum_columns(np.full((n, 1), 1 / 3), None) for n in (1, 7, 20)]
    mean, deviation, _ = moments_of_parts(parts, gappy=False)
    assert (mean[0], deviation[0]) == (1 / 3, 0.0)


def test_parts_with_and_without_gaps():
    """A column is missing from the whole of the first part, and another from all of them."""
    rng = np.random.default_rng(0)
    X = 1e6 + rng.standard_normal((60, 3))
    X[:20, 0], X[:, 1], X[25, 2] = np.nan, np.nan, np.nan
    weights = rng.uniform(size=60)
    X[40:, 1] = np.nan
    complete = 1e6 + rng.standard_normal((15, 3))
    parts = [
        sum_seen_columns(X[:20], weights[:20]),
        sum_seen_columns(X[20:], weights[20:]),
    ]
    for more, rows in ((None, X), (complete, np.concatenate([X, complete]))):
        w = weights if more is None else np.concatenate([weights, np.ones(15)])
        summed = parts if more is None else [*parts, sum_columns(more, None)]
        mean, deviation, seen = moments_of_parts(summed, gappy=True)
        for j in range(3):
            there = ~np.isnan(rows[:, j])
            assert seen[j] == pytest.approx(w[there].sum(), rel=1e-14)
            if not there.any():
                assert np.isnan(mean[j])
                continue
            exact_mean, exact_variance = exact.moments(rows[there, j], w[there])
            assert mean[j] == pytest.approx(float(exact_mean), abs=3e-10)
            assert deviation[j] == pytest.approx(float(exact_variance) ** 0.5, rel=1e-12)
