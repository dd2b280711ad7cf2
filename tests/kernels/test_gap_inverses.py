"""Inverses of many gaps side by side, against NumPy's of one at a time."""

import numpy as np
import pytest
from oracles.callees import from_python
from oracles.rooms import gap_batch

from skem.kernels import gap_inverses

list_gap = from_python(gap_inverses.list_gap)
next_batch = from_python(gap_inverses.next_batch)
invert_gaps = from_python(gap_inverses.invert_gaps)
add_covariances = from_python(gap_inverses.add_covariances)
add_lower = from_python(gap_inverses.add_lower)

N_FEATURES, N_LANES = 9, 5


def make_missing(rng, counts):
    missing = np.zeros((len(counts), N_FEATURES), bool)
    for line, q in zip(missing, counts, strict=True):
        line[rng.permutation(N_FEATURES)[:q]] = True
    return missing


def make_precisions(rng, n_matrices):
    A = rng.standard_normal((n_matrices, N_FEATURES, 20))
    return A @ A.transpose(0, 2, 1)


def invert(precisions, missing, batch):
    n_gaps, q = next_batch(missing, 0, len(missing), batch)
    invert_gaps(precisions, q, n_gaps, batch)
    return n_gaps, q


@pytest.mark.core
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("q", [0, 1, 2, 7, 9])
@pytest.mark.parametrize("n_gaps", [1, 3, N_LANES])
def test_the_inverses_of_gaps(q, scale, n_gaps):
    rng = np.random.default_rng(q)
    precisions = scale * make_precisions(rng, 2)
    missing = make_missing(rng, n_gaps * [q])
    batch = gap_batch(2, N_FEATURES, N_LANES)
    assert invert(precisions, missing, batch) == (n_gaps, q)
    rows, columns = np.tril_indices(q)
    for k, precision in enumerate(precisions):
        for i, gap in enumerate(missing):
            block = precision[np.ix_(gap, gap)]
            log_det = np.linalg.slogdet(block)[1]
            np.testing.assert_allclose(batch.log_dets[k, i], log_det, rtol=1e-13, atol=1e-13)
            inverse = batch.inverses[k, : len(rows), i]
            expected = np.linalg.inv(block)[rows, columns]
            np.testing.assert_allclose(inverse, expected, rtol=1e-11, atol=1e-13 / scale)
    assert np.isnan(batch.inverses[:, len(rows) :]).all()
    assert np.isnan(batch.inverses[:, :, n_gaps:]).all()


@pytest.mark.core
def test_a_block_that_rounding_made_indefinite_has_a_finite_inverse():
    # Three columns that are one but for rounding: the last pivots are rounding.
    precisions = np.full((1, 9, 9), 1e16)
    precisions[0, :3, :3] += np.diag([1.0, -1.0, -2.0])
    batch = gap_batch(1, 9, 2)
    missing = np.zeros((1, 9), bool)
    missing[0, :3] = True
    invert(precisions, missing, batch)
    assert np.isfinite(batch.log_dets[0, 0])
    assert np.isfinite(batch.inverses[0, :6, 0]).all()


@pytest.mark.core
def test_a_batch_has_gaps_of_equally_many_cells():
    rng = np.random.default_rng(0)
    counts = [2, 2, 3, *8 * [4], 4, 0]
    missing = make_missing(rng, counts)
    batch = gap_batch(1, N_FEATURES, N_LANES)
    found, s = [], 0
    while s < len(missing):
        n_gaps, q = next_batch(missing, s, len(missing), batch)
        found.append((n_gaps, q))
        for i in range(n_gaps):
            gap = np.flatnonzero(missing[s + i])
            np.testing.assert_array_equal(batch.columns[:q, i], gap)
            cells = [u * N_FEATURES + v for u in gap for v in gap if v <= u]
            np.testing.assert_array_equal(batch.cells[: len(cells), i], cells)
        s += n_gaps
    assert found == [(2, 2), (1, 3), (5, 4), (4, 4), (1, 0)]
    # No further than asked for.
    assert next_batch(missing, 3, 6, batch) == (3, 4)


@pytest.mark.core
@pytest.mark.parametrize("shared", [False, True])
def test_covariances_are_added_where_cells_are_missing(shared):
    rng = np.random.default_rng(1)
    missing = make_missing(rng, 4 * [3])
    precisions = make_precisions(rng, 1 if shared else 2)
    batch = gap_batch(2, N_FEATURES, N_LANES)
    n_gaps, q = invert(precisions, missing, batch)
    first = np.array([1, 4, 5, 7, 9])
    batch.begins[:4], batch.ends[:4] = first[:-1], first[1:]
    resp = rng.uniform(size=(9, 2))
    lower = np.zeros((2, N_FEATURES, N_FEATURES))
    add_covariances(q, n_gaps, batch, shared, resp, lower)
    second = np.ones_like(lower)
    add_lower(lower, second)
    expected = np.ones_like(lower)
    for i, gap in enumerate(missing):
        for k, total in enumerate(resp[first[i] : first[i + 1]].sum(axis=0)):
            block = precisions[0 if shared else k][np.ix_(gap, gap)]
            expected[0 if shared else k][np.ix_(gap, gap)] += total * np.linalg.inv(block)
    np.testing.assert_allclose(second, expected, rtol=1e-11)


def test_the_numbers_of_missing_columns():
    gap = np.full(4, -1)
    assert list_gap(np.array([False, True, False, True]), gap) == 2
    np.testing.assert_array_equal(gap[:2], [1, 3])
    assert list_gap(np.zeros(4, bool), gap) == 0
