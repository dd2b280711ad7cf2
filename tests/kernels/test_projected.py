"""Scores and sums of components that share a covariance."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skem import kernels
from skem.kernels.arguments import ProjectedModel, ProjectedSpace, TileLines
from skem.kernels.steps import NORMALISE, SCORE, SUM

N_ROWS, N_COMPONENTS, N_FEATURES, N_PLACES = 20, 3, 19, 72
ROWS = [1, 6, 7, 20, 64]


def case(n_rows=N_ROWS):
    """A tile whose places without a row are zero, and its rows."""
    rng = np.random.default_rng(3)
    values = np.zeros((N_FEATURES + 2, N_PLACES + 8))
    values[:, :n_rows] = rng.standard_normal((N_FEATURES + 2, n_rows))
    values[N_FEATURES, :n_rows] = 1.0
    return rng, values, values[:N_FEATURES, :n_rows].T


def blank(*shape):
    return np.full(shape, np.nan)


def take(steps, values, n_rows, rows, **given):
    """Run the kernel with scratch that holds NaN; return its total and all that it may write."""
    power = blank(rows)
    made = {
        "weights": np.zeros(N_PLACES),
        "projection": blank(N_FEATURES, N_FEATURES),
        "centres": blank(N_COMPONENTS, N_FEATURES),
        "constants": blank(N_COMPONENTS),
        "scores": blank(N_COMPONENTS, N_PLACES + 8),
        "log_normaliser": blank(N_PLACES),
        "factor": blank(N_PLACES),
        "resp": np.zeros((N_PLACES, N_COMPONENTS)),
        "first": np.zeros((N_FEATURES + 1, N_COMPONENTS)),
        "second": np.zeros((N_FEATURES, N_FEATURES)),
    } | given
    lines = ("scores", "log_normaliser", "factor", "resp")
    tile = TileLines(
        values, made["weights"], power, power.view(np.int64), *(made[name] for name in lines)
    )
    model = ProjectedModel(
        made["projection"], np.ascontiguousarray(made["centres"].T), made["constants"]
    )
    space = ProjectedSpace(blank(N_FEATURES + 1, rows), blank(N_COMPONENTS + 1, rows), blank(rows))
    total = kernels.projected.projected_steps(
        steps, tile, n_rows, model, space, made["first"], made["second"]
    )
    return total, made


def parameters(rng):
    return {
        "projection": np.triu(rng.standard_normal((N_FEATURES, N_FEATURES))),
        "centres": rng.standard_normal((N_COMPONENTS, N_FEATURES)),
        "constants": np.array([0.5, -np.inf, 3.0]),
    }


def scores_of(Z, projection, centres, constants):
    projected = Z @ projection
    return constants + projected @ centres.T - 0.5 * np.sum(projected**2, axis=1, keepdims=True)


@pytest.mark.core
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("n_rows", [1, 19, 20])
def test_scores(rows, n_rows):
    rng, values, Z = case(n_rows)
    given = parameters(rng)
    total, made = take(SCORE, values, n_rows, rows, **given)
    got = made["scores"]
    np.testing.assert_allclose(got[:, :n_rows].T, scores_of(Z, **given), rtol=1e-12, atol=1e-12)
    assert total == 0.0
    places = -(-n_rows // rows) * rows
    assert np.isnan(got[:, places:]).all()


@pytest.mark.core
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("n_rows", [0, 1, 19, 20])
def test_sums_are_added(rows, n_rows):
    rng, values, Z = case(n_rows)
    resp = rng.uniform(size=(N_PLACES, N_COMPONENTS))
    first = rng.standard_normal((N_FEATURES + 1, N_COMPONENTS))
    second = np.cov(rng.standard_normal((N_FEATURES, 50)))
    wanted_first, wanted_second = first.copy(), second.copy()
    take(SUM, values, n_rows, rows, resp=resp, first=first, second=second)
    for i in range(n_rows):
        wanted_first += np.outer([*Z[i], 1.0], resp[i])
        wanted_second += resp[i].sum() * np.outer(Z[i], Z[i])
    np.testing.assert_allclose(first, wanted_first, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(second, wanted_second, rtol=1e-12, atol=1e-12)


@pytest.mark.core
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("steps", [SCORE + NORMALISE, SCORE + NORMALISE + SUM])
def test_expectation(rows, steps):
    rng, values, Z = case()
    weights = np.zeros(N_PLACES)
    weights[:N_ROWS] = rng.uniform(0.1, 3.0, N_ROWS)
    given = parameters(rng)
    total, made = take(steps, values, N_ROWS, rows, weights=weights, **given)
    scores = scores_of(Z, **given)
    log_normaliser = logsumexp(scores, axis=1)
    resp = weights[:N_ROWS, None] * np.exp(scores - log_normaliser[:, None])
    assert total == pytest.approx(weights[:N_ROWS] @ log_normaliser, rel=1e-12)
    if steps & SUM:
        wanted = np.hstack([Z, np.ones((N_ROWS, 1))]).T @ resp
        np.testing.assert_allclose(made["first"], wanted, rtol=1e-12, atol=1e-12)
        wanted = (resp.sum(axis=1) * Z.T) @ Z
        np.testing.assert_allclose(made["second"], wanted, rtol=1e-12, atol=1e-12)
    else:
        got = made["scores"][:, :N_ROWS].T * made["factor"][:N_ROWS, None]
        np.testing.assert_allclose(got, resp, rtol=1e-11, atol=1e-300)
        np.testing.assert_array_equal(made["first"], 0.0)
