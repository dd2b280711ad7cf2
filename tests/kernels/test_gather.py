"""Scores and sums by products of lines and by tables."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skem import kernels
from skem.kernels.arguments import GatherModel, GatherSpace, LinearModel, TileLines
from skem.kernels.steps import HARDEN, NORMALISE, SCORE, SUM

N_ROWS, N_PLACES, K, SIZES = 21, 24, 3, (4, 2, 7, 3, 5)


@pytest.fixture
def case():
    """Lines ``[codes.., x, y, 1, -]``; scores linear in ``x^2``, ``x``, ``y``, 1 and looked up."""
    rng = np.random.default_rng(0)
    n = len(SIZES)
    values = np.zeros((n + 4, N_PLACES + 8))
    values[:n, :N_ROWS] = [rng.integers(size, size=N_ROWS) for size in SIZES]
    values[n : n + 2, :N_ROWS] = rng.standard_normal((2, N_ROWS))
    values[n + 2, :N_ROWS] = 1.0
    left = np.array([n, n, n + 1, n + 2])
    right = np.array([n, n + 2, n + 2, n + 2])
    coefficients = np.vstack([rng.standard_normal((3, K)), np.zeros(K)])
    return rng, values, LinearModel(left, right, coefficients, np.array([0.5, -1.0, 2.0]))


def wanted(values, linear, lines, table):
    """Scores, and the products and indicators (rows, entries + pairs), in loops."""
    left, right, coefficients, constants = linear
    features = np.zeros((N_ROWS, len(table) + len(left)))
    first = np.cumsum([0, *(SIZES[j] for j in lines)])
    for i in range(N_ROWS):
        for j, start in zip(lines, first, strict=False):
            features[i, start + int(values[j, i])] = 1.0
        for p, (a, b) in enumerate(zip(left, right, strict=True)):
            features[i, len(table) + p] = values[a, i] * values[b, i]
    return constants + features @ np.vstack([table, coefficients]), features


def take(steps, values, linear, lines, table, resp, rows, chunk, weights):
    power = np.full(rows, np.nan)
    scores = np.full((K, N_PLACES + 8), np.nan)
    log_normaliser, factor = np.full((2, N_PLACES), np.nan)
    tile = TileLines(
        values, weights, power, power.view(np.int64), scores, log_normaliser, factor, resp
    )
    first = np.cumsum([0, *(SIZES[j] for j in lines)])[:-1].astype(np.int64)
    tables = GatherModel(np.array(lines, np.int64), first, len(table), table.ravel())
    space = GatherSpace(
        np.full((chunk, rows), np.nan),
        np.full((K + 1, rows), np.nan),
        np.empty((len(lines), rows), np.uint32),
    )
    sums = np.ones((len(table) + len(linear.left), K))
    total = kernels.gather.gather_steps(
        steps, tile, N_ROWS, linear, tables, space, sums, sums.ravel()
    )
    return total, scores[:, :N_ROWS].T, log_normaliser[:N_ROWS], sums


@pytest.mark.core
@pytest.mark.parametrize("n_lines", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("rows", "chunk"), [(24, 4), (8, 1), (4, 3)])
def test_steps(case, n_lines, rows, chunk):
    rng, values, linear = case
    lines = list(range(len(SIZES)))[-n_lines:]
    table = rng.standard_normal((sum(SIZES[j] for j in lines), K))
    scores, features = wanted(values, linear, lines, table)
    log_normaliser = logsumexp(scores, axis=1)
    # What the places without a row hold must not count.
    resp = rng.uniform(size=(N_PLACES, K))
    weights = np.append(rng.uniform(0.5, 2.0, N_ROWS), np.zeros(N_PLACES - N_ROWS))
    given = (values, linear, lines, table, resp, rows, chunk, weights)
    _, found, _, _ = take(SCORE, *given)
    np.testing.assert_allclose(found, scores, rtol=1e-12, atol=1e-12)
    _, _, _, sums = take(SUM, *given)
    np.testing.assert_allclose(sums, 1.0 + features.T @ resp[:N_ROWS], rtol=1e-12)
    total, _, logs, sums = take(SCORE + NORMALISE + SUM, *given)
    shares = weights[:N_ROWS, None] * np.exp(scores - log_normaliser[:, None])
    np.testing.assert_allclose(logs, log_normaliser, rtol=1e-12)
    assert total == pytest.approx(weights[:N_ROWS] @ log_normaliser, rel=1e-12)
    np.testing.assert_allclose(sums, 1.0 + features.T @ shares, rtol=1e-12)
    total, _, _, sums = take(SCORE + NORMALISE + HARDEN + SUM, *given)
    hard = weights[:N_ROWS, None] * (scores == scores.max(axis=1, keepdims=True))
    assert total == pytest.approx(weights[:N_ROWS] @ scores.max(axis=1), rel=1e-12)
    np.testing.assert_allclose(sums, 1.0 + features.T @ hard, rtol=1e-12)
