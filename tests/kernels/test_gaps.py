"""Scores and sums of rows with gaps against loops, row by row, by formulas for covariances."""

import numpy as np
import pytest
from oracles import gaps as oracle
from oracles.rooms import gap_batch

from skem import kernels
from skem.engine.tiles import Gaps
from skem.kernels.arguments import GapModel, GapSpace, TileLines
from skem.kernels.steps import HARDEN, LEVEL, NORMALISE, SCORE, SUM

N_FEATURES, N_COMPONENTS, N_PLACES = 5, 3, 40
LOG_2PI = np.log(2 * np.pi)
KINDS = ["full", "tied", "diag"]
kinds = pytest.mark.parametrize("kind", KINDS)
# Rows worked on at a time: segments are cut by blocks.
blocks = pytest.mark.parametrize("rows", [1, 4, 7, 64])
# Rows of each segment, and which columns it lacks.
SEGMENTS = {
    "one row": [(1, [0])],
    "one segment": [(9, [1, 3])],
    "many": [(3, []), (1, [0, 4]), (5, [1, 2, 3, 4]), (2, [2]), (11, [0, 1, 3])],
    "nothing seen": [(4, [2]), (6, range(N_FEATURES)), (1, [0])],
    "nothing missing": [(6, [])],
    "all missing": [(8, range(N_FEATURES))],
}
segments = pytest.mark.parametrize("case", SEGMENTS)


def make_gaps(case):
    lengths, columns = zip(*SEGMENTS[case], strict=True)
    missing = np.zeros((len(lengths), N_FEATURES), dtype=bool)
    for line, gap in zip(missing, columns, strict=True):
        line[list(gap)] = True
    return Gaps(np.r_[0, np.cumsum(lengths)].astype(np.int64), missing)


def make_tile(rng):
    """What the places without a row hold, and cells that are missing, must not count."""
    return TileLines(
        rng.standard_normal((N_FEATURES + 2, N_PLACES)),
        rng.uniform(0.5, 2.0, N_PLACES),
        (power := np.empty(N_PLACES)),
        power.view(np.int64),
        np.full((N_COMPONENTS, N_PLACES), np.nan),
        np.full(N_PLACES, np.nan),
        np.full(N_PLACES, np.nan),
        rng.uniform(size=(N_PLACES, N_COMPONENTS)),
    )


def make_space(rows, lanes=4):
    """Room that holds NaN."""
    k, d = N_COMPONENTS, N_FEATURES
    shapes = [(k, d, d), (d, d), (k, rows), (k, rows), (rows,), (d * rows,), *2 * [(k, d * rows)]]
    return GapSpace(
        np.zeros(d, np.int64),
        gap_batch(k, d, lanes),
        *(np.full(shape, np.nan) for shape in [*shapes, (k, d)]),
    )


def make_model(kind, rng):
    """The kernel, its model, and means and covariances for the loops."""
    k, d = N_COMPONENTS, N_FEATURES
    means = rng.standard_normal((k, d))
    A = rng.standard_normal((k, d, 2 * d))
    covariances = A @ A.transpose(0, 2, 1) / d
    if kind == "tied":
        covariances[:] = covariances[0]
    if kind == "diag":
        covariances *= np.eye(d)
    precisions = np.linalg.inv(covariances)
    constants = rng.standard_normal(k)
    levels = np.repeat(constants[:, None], d + 1, axis=1)
    levels[:, 1:] -= 0.5 * np.linalg.slogdet(2 * np.pi * covariances)[1][:, None]
    if kind == "tied":
        precisions = precisions[:1]
    if kind == "diag":
        precisions = np.ascontiguousarray(np.diagonal(precisions, axis1=1, axis2=2))
        kernel = kernels.diagonal_gaps.gap_diagonal_steps
    else:
        kernel = kernels.gaps.gap_steps
    return kernel, GapModel(means, precisions, levels, means), (constants, means, covariances)


def started(kind, rng):
    """Sums that hold something already."""
    k, d = N_COMPONENTS, N_FEATURES
    second = (k, d) if kind == "diag" else (k, d, d)
    return [rng.standard_normal(shape) for shape in (k, (k, d), second)]


def rows_of(tile, gaps):
    """The rows, NaN where cells are missing."""
    holes = np.repeat(gaps.missing, np.diff(gaps.first), axis=0)
    return np.where(holes, np.nan, tile.values[:N_FEATURES, : len(holes)].T)


def expected_sums(X, resp, means, covariances, about=None):
    about = means if about is None else about
    weight = np.zeros(N_COMPONENTS)
    first = np.zeros_like(means)
    second = np.zeros_like(covariances)
    for k in range(N_COMPONENTS):
        for row, share in zip(X, resp[:, k], strict=True):
            whole, spread = oracle.complete(row, means[k], covariances[k])
            apart = whole - about[k]
            weight[k] += share
            first[k] += share * apart
            second[k] += share * (np.outer(apart, apart) + spread)
    return weight, first, second


def check_sums(kind, before, after, expected):
    weight, first, second = (b - a for a, b in zip(before, after, strict=True))
    np.testing.assert_allclose(weight, expected[0], rtol=1e-12)
    np.testing.assert_allclose(first, expected[1], rtol=1e-10, atol=1e-12)
    wanted = expected[2]
    if kind == "tied":  # only their sum has a meaning
        second, wanted = second.sum(axis=0), wanted.sum(axis=0)
    if kind == "diag":
        wanted = np.diagonal(wanted, axis1=1, axis2=2)
    np.testing.assert_allclose(second, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.core
@kinds
@blocks
@segments
def test_scores(kind, rows, case):
    rng = np.random.default_rng(1)
    gaps, tile, space = make_gaps(case), make_tile(rng), make_space(rows)
    kernel, model, (constants, means, covariances) = make_model(kind, rng)
    n = int(gaps.first[-1])
    heights = np.full((N_COMPONENTS, len(gaps.missing)), np.nan)
    sums = started(kind, rng)
    before = [part.copy() for part in sums]
    assert kernel(SCORE + LEVEL, tile, n, gaps, model, space, heights, *sums) == 0.0
    X = rows_of(tile, gaps)
    wanted = oracle.log_densities("full", X, means, covariances) + constants
    np.testing.assert_allclose(tile.scores[:, :n].T, wanted, rtol=1e-11, atol=1e-11)
    empty = np.isnan(X).all(axis=1)
    np.testing.assert_array_equal(tile.scores[:, :n].T[empty], np.tile(constants, (empty.sum(), 1)))
    assert np.isnan(tile.scores[:, n:]).all()
    for part, same in zip(sums, before, strict=True):
        np.testing.assert_array_equal(part, same)
    # Distances alone, and what heights add.
    kernel(SCORE, tile, n, gaps, model, space, heights, *sums)
    for s, gap in enumerate(gaps.missing):
        for k in range(N_COMPONENTS):
            block = np.linalg.inv(covariances[k])[np.ix_(gap, gap)]
            height = 0.5 * (gap.sum() * LOG_2PI - np.linalg.slogdet(block)[1])
            np.testing.assert_allclose(heights[k, s], height, rtol=1e-11, atol=1e-12)
    for i, row in enumerate(X):
        seen = ~np.isnan(row)
        for k in range(N_COMPONENTS):
            apart = (row - means[k])[seen]
            distance = apart @ np.linalg.solve(covariances[k][np.ix_(seen, seen)], apart)
            np.testing.assert_allclose(tile.scores[k, i], -0.5 * distance, rtol=1e-10, atol=1e-12)


@pytest.mark.core
@kinds
@blocks
@segments
def test_sums_of_given_responsibilities(kind, rows, case):
    rng = np.random.default_rng(2)
    gaps, tile, space = make_gaps(case), make_tile(rng), make_space(rows)
    kernel, model, (_, means, covariances) = make_model(kind, rng)
    n = int(gaps.first[-1])
    heights = np.empty((N_COMPONENTS, len(gaps.missing)))
    sums = started(kind, rng)
    before = [part.copy() for part in sums]
    resp = tile.resp.copy()
    assert kernel(SUM, tile, n, gaps, model, space, heights, *sums) == 0.0
    expected = expected_sums(rows_of(tile, gaps), resp[:n], means, covariances)
    check_sums(kind, before, sums, expected)
    np.testing.assert_array_equal(tile.resp, resp)


@pytest.mark.core
@kinds
@blocks
@segments
def test_sums_about_other_points(kind, rows, case):
    rng = np.random.default_rng(4)
    gaps, tile, space = make_gaps(case), make_tile(rng), make_space(rows)
    kernel, model, (_, means, covariances) = make_model(kind, rng)
    about = means + rng.standard_normal(means.shape)
    n = int(gaps.first[-1])
    heights = np.empty((N_COMPONENTS, len(gaps.missing)))
    sums = started(kind, rng)
    before = [part.copy() for part in sums]
    kernel(SUM, tile, n, gaps, model._replace(about=about), space, heights, *sums)
    expected = expected_sums(rows_of(tile, gaps), tile.resp[:n], means, covariances, about)
    check_sums(kind, before, sums, expected)


@pytest.mark.core
@kinds
@blocks
@pytest.mark.parametrize("hard", [False, True])
def test_a_whole_step(kind, rows, hard):
    rng = np.random.default_rng(3)
    gaps, tile, space = make_gaps("many"), make_tile(rng), make_space(rows)
    kernel, model, (constants, means, covariances) = make_model(kind, rng)
    n = int(gaps.first[-1])
    heights = np.empty((N_COMPONENTS, len(gaps.missing)))
    sums = started(kind, rng)
    before = [part.copy() for part in sums]
    steps = SCORE + LEVEL + NORMALISE + hard * HARDEN
    total = kernel(steps + SUM, tile, n, gaps, model, space, heights, *sums)
    X, weights = rows_of(tile, gaps), tile.weights[:n]
    scores = oracle.log_densities("full", X, means, covariances) + constants
    normaliser = scores.max(axis=1) if hard else np.logaddexp.reduce(scores, axis=1)
    resp = np.exp(scores - normaliser[:, None])
    if hard:
        resp = np.eye(N_COMPONENTS)[scores.argmax(axis=1)]
    np.testing.assert_allclose(total, weights @ normaliser, rtol=1e-12)
    np.testing.assert_allclose(tile.log_normaliser[:n], normaliser, rtol=1e-11)
    np.testing.assert_allclose(tile.resp[:n], resp * weights[:, None], rtol=1e-9, atol=1e-12)
    check_sums(kind, before, sums, expected_sums(X, tile.resp[:n], means, covariances))
    # Without sums, scores become responsibilities up to a factor.
    again = kernel(steps, tile, n, gaps, model, space, heights, *sums)
    np.testing.assert_allclose(again, total, rtol=1e-13)
    got = tile.scores[:, :n] * tile.factor[:n]
    np.testing.assert_allclose(got.T, resp * weights[:, None], rtol=1e-9, atol=1e-12)
