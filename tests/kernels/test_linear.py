"""Scores and sums that are linear in products of two lines."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skem import kernels

# (rows, pairs) at a time: everything at once, single ones, even and uneven remainders.
CHUNKS = [(64, 64), (1, 1), (7, 4), (10, 5), (64, 3), (3, 64), (19, 10)]
N_ROWS, N_COMPONENTS = 20, 3


def case(n_pairs=10, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((5, N_ROWS + 8))
    left = rng.integers(0, 5, n_pairs)
    right = rng.integers(0, 5, n_pairs)
    return rng, values, left, right


def scratch_for(chunks):
    rows, chunk = chunks
    return np.full(rows * chunk + N_COMPONENTS * max(rows, chunk), np.nan)


def products(values, left, right, n_rows):
    return np.array(
        [
            [values[a, i] * values[b, i] for a, b in zip(left, right, strict=True)]
            for i in range(n_rows)
        ]
    )


@pytest.mark.parametrize(("first", "last", "start", "n_rows"), [(0, 10, 0, 20), (3, 7, 5, 9)])
def test_fill_products(first, last, start, n_rows):
    _, values, left, right = case()
    out = np.empty((last - first, n_rows))
    kernels.linear.fill_products(values, left, right, first, last, start, n_rows, out)
    wanted = products(values, left, right, N_ROWS)[start : start + n_rows, first:last].T
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.core
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("n_pairs", [1, 10, 11])
@pytest.mark.parametrize("n_rows", [1, 19, 20])
def test_linear_scores(chunks, n_pairs, n_rows):
    rng, values, left, right = case(n_pairs)
    coefficients = rng.standard_normal((N_COMPONENTS, n_pairs))
    constants = np.array([0.5, -np.inf, 3.0])
    out = np.full((N_COMPONENTS, N_ROWS + 8), np.nan)
    kernels.linear.linear_scores(
        values, n_rows, left, right, coefficients, constants, chunks, scratch_for(chunks), out
    )
    wanted = constants + products(values, left, right, n_rows) @ coefficients.T
    np.testing.assert_allclose(out[:, :n_rows].T, wanted, rtol=1e-13, atol=1e-13)
    assert np.isnan(out[:, n_rows:]).all()


@pytest.mark.core
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("n_pairs", [1, 10, 11])
@pytest.mark.parametrize("n_rows", [1, 19, 20])
def test_linear_sums_are_added(chunks, n_pairs, n_rows):
    rng, values, left, right = case(n_pairs)
    resp = rng.uniform(size=(N_ROWS, N_COMPONENTS))
    before = rng.standard_normal((n_pairs, N_COMPONENTS))
    sums = before.copy()
    kernels.linear.linear_sums(values, n_rows, left, right, resp, chunks, scratch_for(chunks), sums)
    wanted = before + products(values, left, right, n_rows).T @ resp[:n_rows]
    np.testing.assert_allclose(sums, wanted, rtol=1e-13, atol=1e-13)


def test_no_rows():
    _, values, left, right = case()
    sums = np.ones((10, N_COMPONENTS))
    resp = np.ones((N_ROWS, N_COMPONENTS))
    kernels.linear.linear_sums(values, 0, left, right, resp, (7, 4), scratch_for((7, 4)), sums)
    np.testing.assert_array_equal(sums, 1.0)


@pytest.mark.core
@pytest.mark.parametrize("rows", [3, 8, 64])
def test_expectation_is_score_normalise_and_sum(rows):
    rng = np.random.default_rng(5)
    n_rows, n_lines, n_pairs, n_components = 21, 4, 6, 3
    values = rng.standard_normal((n_lines, n_rows + 8))
    weights = rng.uniform(0.1, 3.0, n_rows)
    left, right = rng.integers(0, n_lines, (2, n_pairs))
    coefficients = rng.standard_normal((n_components, n_pairs))
    constants = rng.standard_normal(n_components)
    size = rows * (n_pairs + 2 * n_components + 2) + n_pairs * n_components
    sums = np.full((n_pairs, n_components), 7.0)
    total = kernels.linear.linear_expectation(
        values,
        n_rows,
        weights,
        left,
        right,
        coefficients,
        constants,
        rows,
        np.empty(rows),
        np.empty(rows, dtype=np.int64),
        np.full(size, np.nan),
        sums,
    )
    wanted, wanted_total = np.full((n_pairs, n_components), 7.0), 0.0
    for i in range(n_rows):
        products = values[left, i] * values[right, i]
        scores = constants + coefficients @ products
        log_normaliser = logsumexp(scores)
        wanted += weights[i] * np.outer(products, np.exp(scores - log_normaliser))
        wanted_total += weights[i] * log_normaliser
    np.testing.assert_allclose(sums, wanted, rtol=1e-12, atol=1e-12)
    assert total == pytest.approx(wanted_total, rel=1e-13)
