"""Scores and sums about each component's own centre."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skem import kernels
from skem.kernels.arguments import CentredModel, CentredSpace, TileLines
from skem.kernels.steps import NORMALISE, SCORE, SUM

N_ROWS, N_COMPONENTS, N_FEATURES, N_PLACES = 17, 3, 3, 48
# Rows worked on at a time.
blocks = pytest.mark.parametrize("rows", [1, 4, 17, 32])
forms = pytest.mark.parametrize("diagonal", [False, True], ids=["full", "diagonal"])
CONSTANTS = np.array([0.5, -np.inf, 3.0])


def case(n_rows=N_ROWS):
    """A tile whose places without a row are zero, and its rows."""
    rng = np.random.default_rng(4)
    values = np.zeros((N_FEATURES + 2, N_PLACES))
    values[:, :n_rows] = rng.standard_normal((N_FEATURES + 2, n_rows))
    return rng, values, values[:N_FEATURES, :n_rows].T


def parameters(rng, diagonal):
    shape = (N_COMPONENTS, N_FEATURES)
    factors = rng.standard_normal((*shape, N_FEATURES))
    return CentredModel(
        rng.standard_normal(shape),
        rng.uniform(0.1, 4.0, shape) if diagonal else factors,
        CONSTANTS,
    )


def started(rng, diagonal):
    """Sums that hold something already."""
    shape = (N_COMPONENTS, N_FEATURES)
    second = shape if diagonal else (*shape, N_FEATURES)
    return [rng.standard_normal(size) for size in (N_COMPONENTS, shape, second)]


def blank(*shape):
    return np.full(shape, np.nan)


def take(steps, values, n_rows, rows, model, sums, **given):
    """Run the kernel with scratch that holds NaN; return its total and all that it may write."""
    power, block = blank(rows), blank(N_COMPONENTS, rows)
    made = {
        "scores": blank(N_COMPONENTS, N_PLACES + 8),
        "log_normaliser": blank(N_PLACES),
        "factor": blank(N_PLACES),
        "resp": np.zeros((N_PLACES, N_COMPONENTS)),
    } | given
    weights = made.pop("weights", np.zeros(N_PLACES))
    tile = TileLines(values, weights, power, power.view(np.int64), *made.values())
    if model.factors.ndim == 2:
        run, space = kernels.centred.centred_diagonal_steps, block
    else:
        square = blank(N_FEATURES, N_FEATURES)
        lines = blank(N_FEATURES, rows), blank(N_FEATURES, rows)
        run, space = kernels.centred.centred_steps, CentredSpace(*lines, square, block)
    return run(steps, tile, n_rows, model, space, *sums), made


def scores_of(Z, model):
    deviations = Z[:, None] - model.centres
    if model.factors.ndim == 2:
        squares = (model.factors * deviations**2).sum(axis=2)
    else:
        squares = np.square(np.einsum("kij,nkj->nki", model.factors, deviations)).sum(axis=2)
    return model.constants - 0.5 * squares


def add_rows(sums, Z, centres, resp):
    """Add rows to sums, one after the other."""
    for row, shares in zip(Z, resp, strict=True):
        for k, share in enumerate(shares):
            deviation = row - centres[k]
            sums[0][k] += share
            sums[1][k] += share * deviation
            full = np.outer(deviation, deviation)
            sums[2][k] += share * (np.diag(full) if sums[2].ndim == 2 else full)


def test_centred_lines():
    _, values, Z = case(N_PLACES)
    centre, out = np.array([1.0, -2.0, 0.5]), np.empty((N_FEATURES, N_ROWS))
    kernels.centred.centred_lines(values, 5, centre, out)
    np.testing.assert_array_equal(out.T, Z[5 : 5 + N_ROWS] - centre)


@pytest.mark.core
@blocks
@forms
@pytest.mark.parametrize("n_rows", [0, 1, 16, 17])
def test_scores(n_rows, diagonal, rows):
    rng, values, Z = case(n_rows)
    model, sums = parameters(rng, diagonal), started(rng, diagonal)
    before = [part.copy() for part in sums]
    total, made = take(SCORE, values, n_rows, rows, model, sums)
    got = made["scores"]
    np.testing.assert_allclose(got[:, :n_rows].T, scores_of(Z, model), rtol=1e-12)
    assert np.isnan(got[:, -(-n_rows // rows) * rows :]).all()
    assert total == 0.0
    for part, reference in zip(sums, before, strict=True):
        np.testing.assert_array_equal(part, reference)


@pytest.mark.core
@blocks
@forms
@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_sums_are_added(n_rows, diagonal, rows):
    rng, values, Z = case(n_rows)
    model, sums = parameters(rng, diagonal), started(rng, diagonal)
    resp = rng.uniform(size=(N_PLACES, N_COMPONENTS))  # what other places hold must not count
    wanted = [part.copy() for part in sums]
    add_rows(wanted, Z, model.centres, resp[:n_rows])
    take(SUM, values, n_rows, rows, model, sums, resp=resp)
    for part, reference in zip(sums, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-12, atol=1e-12)


@pytest.mark.core
@blocks
@forms
@pytest.mark.parametrize("steps", [SCORE + NORMALISE, SCORE + NORMALISE + SUM])
def test_expectation(steps, diagonal, rows):
    rng, values, Z = case()
    model, sums = parameters(rng, diagonal), started(rng, diagonal)
    weights = np.zeros(N_PLACES)
    weights[:N_ROWS] = rng.uniform(0.1, 3.0, N_ROWS)
    wanted = [part.copy() for part in sums]
    total, made = take(steps, values, N_ROWS, rows, model, sums, weights=weights)
    scores = scores_of(Z, model)
    log_normaliser = logsumexp(scores, axis=1)
    resp = weights[:N_ROWS, None] * np.exp(scores - log_normaliser[:, None])
    assert total == pytest.approx(weights[:N_ROWS] @ log_normaliser, rel=1e-12)
    if steps & SUM:
        add_rows(wanted, Z, model.centres, resp)
    else:
        got = made["scores"][:, :N_ROWS].T * made["factor"][:N_ROWS, None]
        np.testing.assert_allclose(got, resp, rtol=1e-11, atol=1e-300)
    for part, reference in zip(sums, wanted, strict=True):
        np.testing.assert_allclose(part, reference, rtol=1e-11, atol=1e-12)
