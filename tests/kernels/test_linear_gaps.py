"""Scores and sums of rows with gaps, linear in lines, against SciPy's densities row by row."""

import numpy as np
import pytest
from scipy.stats import norm

from skem import kernels
from skem.engine.tiles import Gaps
from skem.kernels.arguments import (
    LinearGapSpace,
    LinearLevels,
    LinearModel,
    LinearSpace,
    TileLines,
)
from skem.kernels.steps import HARDEN, NORMALISE, SCORE, SUM

D, N_PLACES = 5, 48
LOG_2PI = np.log(2 * np.pi)
# Rows of each segment, and which columns it lacks.
SEGMENTS = {
    "one row": [(1, [0])],
    "one segment": [(9, [1, 3])],
    "many": [(3, []), (1, [0, 4]), (1, [2, 3]), (5, [1, 2, 3, 4]), (2, [2]), (17, [0, 1, 3])],
    "as long as blocks": [(4, [0]), (4, [1]), (8, [2])],
    "nothing seen": [(4, [2]), (6, range(D)), (1, [0])],
    "all missing": [(8, range(D))],
    "each its own": [(1, [i % D]) for i in range(19)],
}
segments = pytest.mark.parametrize("case", SEGMENTS)
# Rows worked on at a time (segments are cut by blocks), and pairs; numbers of components.
spaces = pytest.mark.parametrize(("rows", "chunk"), [(1, 11), (4, 3), (16, 1), (48, 11)])
numbers = pytest.mark.parametrize("k", [1, 3, 4])
layouts = pytest.mark.parametrize("layout", ["squares", "norms"])

ONES, NORM = D, D + 1
PAIRS = {
    "squares": (
        np.r_[np.arange(D), np.arange(D), ONES],
        np.r_[np.arange(D), np.full(D + 1, ONES)],
    ),
    "norms": (np.r_[np.arange(D), ONES, NORM], np.full(D + 2, ONES)),
}


class Case:
    """Rows with gaps, components, and what the kernel takes."""

    def __init__(self, case, rows, chunk, k, layout):
        rng = np.random.default_rng(1)
        lengths, columns = zip(*SEGMENTS[case], strict=True)
        missing = np.zeros((len(lengths), D), dtype=bool)
        for line, gap in zip(missing, columns, strict=True):
            line[list(gap)] = True
        self.gaps = Gaps(np.r_[0, np.cumsum(lengths)].astype(np.int64), missing)
        self.n = n = sum(lengths)
        self.X = rng.standard_normal((n, D))
        self.X[np.repeat(missing, lengths, axis=0)] = np.nan
        self.means = rng.standard_normal((k, D))
        precisions = rng.uniform(0.5, 2.0, (k, D))
        if layout == "norms":
            precisions[:] = precisions[:, :1]
        self.deviations = 1 / np.sqrt(precisions)
        self.constants = rng.standard_normal(k)
        values = np.zeros((D + 2, N_PLACES))
        values[:D, :n] = np.where(np.isnan(self.X), 0.0, self.X).T
        values[ONES, :n] = 1.0
        values[NORM] = np.square(values[:D]).sum(axis=0)
        weights = np.zeros(N_PLACES)
        weights[:n] = rng.uniform(0.5, 2.0, n)
        power, resp = np.empty(N_PLACES), rng.uniform(size=(N_PLACES, k))
        empty = np.full(N_PLACES, np.nan)
        scores = np.full((k, N_PLACES), np.nan)
        self.tile = TileLines(
            values, weights, power, power.view(np.int64), scores, empty, empty.copy(), resp
        )
        slopes = precisions * self.means
        blocks = {"squares": [-0.5 * precisions, slopes, np.zeros((k, 1))]}
        blocks["norms"] = [slopes, np.zeros((k, 1)), -0.5 * precisions[:, :1]]
        left, right = (index.astype(np.int64) for index in PAIRS[layout])
        coefficients = np.ascontiguousarray(np.hstack(blocks[layout]).T)
        self.model = LinearModel(left, right, coefficients, np.full(k, np.nan))
        cells = 0.5 * (np.log(precisions) - LOG_2PI - slopes * self.means)
        self.levels = LinearLevels(self.constants, np.ascontiguousarray(cells.T))
        self.space = LinearSpace(np.full((chunk, rows), np.nan), np.full((k + 1, rows), np.nan))
        self.room = LinearGapSpace(
            np.full(rows + 1, -1), np.full(D * rows, np.nan), np.full((k + 1) * rows, np.nan)
        )
        self.sums = rng.standard_normal((len(left), k)), rng.standard_normal((D, k))
        self.before = tuple(part.copy() for part in self.sums)

    def run(self, steps):
        return kernels.linear_gaps.linear_gap_steps(
            steps, self.tile, self.n, self.gaps, self.model, self.levels, self.space, self.room,
            *self.sums,
        )  # fmt: skip

    def scores(self):
        cells = norm.logpdf(self.X[:, None], self.means, self.deviations)
        return self.constants + np.nansum(cells, axis=2)

    def check_sums(self, resp):
        values, (left, right) = self.tile.values[:, : self.n], self.model[:2]
        packed, lost = (b - a for a, b in zip(self.before, self.sums, strict=True))
        np.testing.assert_allclose(packed, (values[left] * values[right]) @ resp, atol=1e-12)
        np.testing.assert_allclose(lost, np.isnan(self.X).T @ resp, atol=1e-12)


@pytest.mark.core
@segments
@spaces
@numbers
@layouts
def test_scores(case, rows, chunk, k, layout):
    one = Case(case, rows, chunk, k, layout)
    assert one.run(SCORE) == 0.0
    got = one.tile.scores[:, : one.n].T
    np.testing.assert_allclose(got, one.scores(), rtol=1e-12, atol=1e-12)
    empty = np.isnan(one.X).all(axis=1)
    np.testing.assert_array_equal(got[empty], np.tile(one.constants, (empty.sum(), 1)))
    for part, same in zip(one.sums, one.before, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.core
@segments
@spaces
@numbers
@layouts
def test_sums_of_given_responsibilities(case, rows, chunk, k, layout):
    one = Case(case, rows, chunk, k, layout)
    resp = one.tile.resp.copy()
    assert one.run(SUM) == 0.0
    one.check_sums(resp[: one.n])
    np.testing.assert_array_equal(one.tile.resp, resp)


@pytest.mark.core
@segments
@spaces
@pytest.mark.parametrize("hard", [False, True])
def test_a_whole_step(case, rows, chunk, hard):
    one = Case(case, rows, chunk, 3, "squares")
    steps = SCORE + NORMALISE + hard * HARDEN
    total = one.run(steps + SUM)
    scores, weights = one.scores(), one.tile.weights[: one.n]
    normaliser = scores.max(axis=1) if hard else np.logaddexp.reduce(scores, axis=1)
    resp = np.eye(3)[scores.argmax(axis=1)] if hard else np.exp(scores - normaliser[:, None])
    np.testing.assert_allclose(total, weights @ normaliser, rtol=1e-12)
    np.testing.assert_allclose(one.tile.log_normaliser[: one.n], normaliser, rtol=1e-11)
    one.check_sums(weights[:, None] * resp)
    # Without sums, scores become responsibilities up to a factor.
    np.testing.assert_allclose(one.run(steps), total, rtol=1e-13)
    got = (one.tile.scores * one.tile.factor)[:, : one.n]
    np.testing.assert_allclose(got.T, resp * weights[:, None], rtol=1e-9, atol=1e-12)
