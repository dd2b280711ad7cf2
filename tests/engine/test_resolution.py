"""The steps in which columns were recorded."""

import numpy as np
import pytest

from skem.engine.resolution import recording_units

RNG = np.random.default_rng(0)


def units(*columns, weights=None, dtype=np.float64):
    X = np.column_stack(columns).astype(dtype)
    w = np.ones(len(X)) if weights is None else weights
    mean = w @ X.astype(np.float64) / w.sum()
    return recording_units(X, weights, np.sqrt(w @ np.square(X - mean) / w.sum())).units


@pytest.mark.core
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [60, 3000])
def test_steps_of_recorded_columns(dtype, n):
    rng = np.random.default_rng(n)
    found = units(
        rng.integers(0, 2, n),
        2007.0 + rng.integers(0, 3, n),
        np.round(3.0 * rng.standard_normal(n), 1),
        25.0 * rng.poisson(9.0, n),
        rng.poisson(1.0, n),
        np.full(n, 7.0),
        dtype=dtype,
    )
    np.testing.assert_allclose(found, [1.0, 1.0, 0.1, 25.0, 1.0, 0.0], rtol=2e-5)


@pytest.mark.core
def test_columns_without_a_step():
    # One in the middle of a sorted table of many rows, too, and one of many fine steps.
    n = 40_000
    columns = [RNG.standard_normal(n), np.sort(RNG.standard_exponential(n)), RNG.integers(0, n, n)]
    assert (units(*columns) == 0).all()


def test_few_rows():
    # Of continuous values nothing speaks for a step, nor do rows that come twice, or weights.
    X = np.random.default_rng(3).standard_normal((12, 2))
    for rows, weights in ((X, None), (np.repeat(X, 3, axis=0), None), (X, np.arange(1.0, 13.0))):
        np.testing.assert_array_equal(units(*rows.T, weights=weights), 0.0)
    # A value that comes twice does, and so does a lattice.
    X[3, 0] = X[7, 0]
    found = units(*X.T)
    assert found[0] == np.diff(np.unique(X[:, 0])).min()
    assert found[1] == 0
    lattice = 0.3 * np.array([0.0, 1.0, 2.0, 5.0, 6.0, 9.0])
    np.testing.assert_allclose(units(lattice), 0.3)


def test_a_step_of_many_rows_is_found_wherever_they_are():
    # The odd numbers come last of all.
    n = 50_000
    column = 2.0 * RNG.integers(0, 8, n)
    column[-n // 5 :] += 1.0
    assert units(np.sort(column)) == 1.0
    assert units(column) == 1.0


@pytest.mark.core
def test_strays_make_no_step():
    column = RNG.integers(0, 9, 500).astype(float)
    column[:7] = column.mean()
    assert units(column) == 1.0
    assert units(column, np.arange(500.0))[0] == 1.0
    column[:200] = 3.4
    np.testing.assert_allclose(units(column), 0.4)


def test_accidents_of_floating_point_make_no_step():
    tenths = RNG.integers(0, 40, 1000)
    column = np.where(RNG.uniform(size=1000) < 0.5, tenths * 0.1, tenths / 10)
    assert len(np.unique(column)) > 41
    np.testing.assert_allclose(units(column), 0.1, rtol=1e-12)
    shifted = 1e5 + column.astype(np.float32)
    np.testing.assert_allclose(units(shifted, dtype=np.float32), 0.1, rtol=0.1)


@pytest.mark.core
def test_weights():
    column = RNG.integers(0, 6, 400).astype(float)
    halves = np.concatenate([column, column[:100] + 0.5])
    weights = np.repeat([1.0, 0.0], [400, 100])
    assert units(halves, weights=weights) == units(column)
    assert units(halves) == 0.5
    # A weight of 2 is the row twice.
    other = RNG.standard_normal(400)
    lump = np.where(RNG.uniform(size=400) < 0.3, 0.0, RNG.standard_exponential(400))
    counts = RNG.integers(1, 4, 400)
    np.testing.assert_allclose(
        units(lump, other, weights=1e-3 * counts),
        units(np.repeat(lump, counts), np.repeat(other, counts)),
        rtol=1e-12,
    )
    assert units(lump, other)[0] > 0
    # One heavy row is no value that stands out.
    np.testing.assert_array_equal(
        units(other[:90], other[100:190], weights=np.append(np.ones(89), 50.0)), 0.0
    )


@pytest.mark.core
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_one_value_that_stands_out(scale):
    # By the step found, a normal density as wide as the others gives the value its share.
    n, share = 100_000, 0.3
    rng = np.random.default_rng(1)
    zero = rng.uniform(size=n) < share
    found = units(scale * np.where(zero, 0.0, 4.0 * rng.standard_normal(n)))[0] / scale
    density = 1.0 / np.sqrt(2.0 * np.pi * 16.0)
    assert (1.0 - share) * density * found == pytest.approx(share, rel=0.02)


def test_values_that_do_not_stand_out():
    # The most frequent of many, and too few of them.
    counts = RNG.negative_binomial(1, 0.1, 2000)
    assert units(counts) == 1.0
    rare = np.where(RNG.uniform(size=2000) < 0.02, 0.0, RNG.standard_normal(2000))
    assert units(rare) == 0.0


def test_a_memory_map(tmp_path):
    table = RNG.standard_normal((30_000, 3))
    table[:, :2] = np.round(table[:, :2] * [1, 10]) / [1, 10]
    rows = np.memmap(tmp_path / "table", mode="w+", dtype=np.float64, shape=table.shape)
    rows[:] = table
    np.testing.assert_array_equal(
        recording_units(rows, None, table.std(axis=0)).units,
        recording_units(table, None, table.std(axis=0)).units,
    )
