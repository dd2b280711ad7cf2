"""Scores and sums that are linear in products of two lines."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skem import kernels
from skem.kernels.arguments import LinearModel, LinearSpace, TileLines
from skem.kernels.steps import NORMALISE, SCORE, SUM

# (rows, pairs) at a time: everything at once, single ones, even and uneven remainders.
CHUNKS = [(64, 64), (1, 1), (7, 4), (10, 5), (64, 3), (3, 64), (19, 10)]
N_ROWS, N_COMPONENTS, N_PLACES = 20, 3, 72


def case(n_pairs=10, n_rows=N_ROWS, seed=0):
    """A tile of five lines, the fourth of ones, zero where no row is, and pairs of lines."""
    rng = np.random.default_rng(seed)
    values = np.zeros((5, N_PLACES + 8))
    values[:, :n_rows] = rng.standard_normal((5, n_rows))
    values[3, :n_rows] = 1.0
    left = rng.integers(0, 5, n_pairs)
    right = rng.integers(0, 5, n_pairs)
    return rng, values, left, right


def gaussian_pairs(kind):
    """Pairs of the lines ``[z_1, z_2, z_3, 1, |z|^2]`` as families of Gaussians have them."""
    pairs = {
        "full": np.triu_indices(4),
        "diagonal": ([0, 1, 2, 0, 1, 2, 3], [0, 1, 2, 3, 3, 3, 3]),
        "spherical": ([0, 1, 2, 3, 4], [3] * 5),
        "lines alone": ([1, 2], [3] * 2),
        "ones alone": ([3], [3]),
    }[kind]
    return tuple(np.array(side, dtype=np.int64) for side in pairs)


KINDS = ["full", "diagonal", "spherical", "lines alone", "ones alone"]


def products(values, left, right, n_rows):
    return np.array(
        [
            [values[a, i] * values[b, i] for a, b in zip(left, right, strict=True)]
            for i in range(n_rows)
        ]
    ).reshape(n_rows, len(left))


def blank(*shape):
    return np.full(shape, np.nan)


def take(steps, values, n_rows, left, right, chunks, **given):
    """Run the kernel with scratch that holds NaN; return its total and all that it may write."""
    rows, chunk = chunks
    n_pairs = len(left)
    chunk = min(chunk, n_pairs)
    power = blank(rows)
    made = {
        "weights": np.zeros(N_PLACES),
        "coefficients": blank(N_COMPONENTS, n_pairs),
        "constants": blank(N_COMPONENTS),
        "scores": blank(N_COMPONENTS, N_PLACES + 8),
        "log_normaliser": blank(N_PLACES),
        "factor": blank(N_PLACES),
        "resp": np.zeros((N_PLACES, N_COMPONENTS)),
        "sums": np.zeros((n_pairs, N_COMPONENTS)),
    } | given
    lines = ("scores", "log_normaliser", "factor", "resp")
    tile = TileLines(
        values, made["weights"], power, power.view(np.int64), *(made[name] for name in lines)
    )
    model = LinearModel(
        left, right, np.ascontiguousarray(made["coefficients"].T), made["constants"]
    )
    space = LinearSpace(blank(chunk, rows), blank(N_COMPONENTS + 1, rows))
    total = kernels.linear.linear_steps(steps, tile, n_rows, model, space, made["sums"])
    return total, made


@pytest.mark.parametrize(("first", "last", "start", "n_rows"), [(0, 10, 0, 20), (3, 7, 5, 9)])
def test_fill_products(first, last, start, n_rows):
    _, values, left, right = case()
    out = np.empty((last - first, n_rows))
    kernels.linear.fill_products(values, left, right, first, last, start, out)
    wanted = products(values, left, right, N_ROWS)[start : start + n_rows, first:last].T
    np.testing.assert_array_equal(out, wanted)


def test_fill_products_leaves_what_is_no_pair():
    _, values, left, right = case()
    out = blank(6, 9)
    kernels.linear.fill_products(values, left, right, 3, 7, 0, out)
    assert np.isfinite(out[:4]).all()
    assert np.isnan(out[4:]).all()


@pytest.mark.core
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("n_pairs", [1, 10, 11])
@pytest.mark.parametrize("n_rows", [1, 19, 20])
def test_scores(chunks, n_pairs, n_rows):
    rng, values, left, right = case(n_pairs, n_rows)
    coefficients = rng.standard_normal((N_COMPONENTS, n_pairs))
    constants = np.array([0.5, -np.inf, 3.0])
    total, made = take(
        SCORE, values, n_rows, left, right, chunks, coefficients=coefficients, constants=constants
    )
    wanted = constants + products(values, left, right, n_rows) @ coefficients.T
    np.testing.assert_allclose(made["scores"][:, :n_rows].T, wanted, rtol=1e-13, atol=1e-13)
    assert total == 0.0
    places = -(-n_rows // chunks[0]) * chunks[0]
    assert np.isnan(made["scores"][:, places:]).all()


@pytest.mark.core
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("n_pairs", [1, 10, 11])
@pytest.mark.parametrize("n_rows", [0, 1, 19, 20])
def test_sums_are_added(chunks, n_pairs, n_rows):
    rng, values, left, right = case(n_pairs, n_rows)
    # What the places without a row hold must not count.
    resp = rng.uniform(size=(N_PLACES, N_COMPONENTS))
    before = rng.standard_normal((n_pairs, N_COMPONENTS))
    total, made = take(SUM, values, n_rows, left, right, chunks, resp=resp, sums=before.copy())
    wanted = before + products(values, left, right, n_rows).T @ resp[:n_rows]
    np.testing.assert_allclose(made["sums"], wanted, rtol=1e-13, atol=1e-13)
    assert total == 0.0


@pytest.mark.core
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("kind", KINDS)
def test_lines_that_are_not_multiplied(kind, chunks):
    rng, values, _, _ = case(n_rows=19)
    left, right = gaussian_pairs(kind)
    n_pairs = len(left)
    coefficients = rng.standard_normal((N_COMPONENTS, n_pairs))
    constants = rng.standard_normal(N_COMPONENTS)
    weights = np.zeros(N_PLACES)
    weights[:19] = rng.uniform(0.1, 3.0, 19)
    given = {"coefficients": coefficients, "constants": constants, "weights": weights}
    formed = products(values, left, right, 19)
    scores = constants + formed @ coefficients.T
    _, made = take(SCORE, values, 19, left, right, chunks, **given)
    np.testing.assert_allclose(made["scores"][:, :19].T, scores, rtol=1e-13, atol=1e-13)

    log_normaliser = logsumexp(scores, axis=1)
    resp = weights[:19, None] * np.exp(scores - log_normaliser[:, None])
    _, made = take(SCORE + NORMALISE + SUM, values, 19, left, right, chunks, **given)
    np.testing.assert_allclose(made["sums"], formed.T @ resp, rtol=1e-12, atol=1e-12)

    given_resp = rng.uniform(size=(N_PLACES, N_COMPONENTS))  # left over where no row is
    given_resp[:19] = resp
    _, made = take(SUM, values, 19, left, right, chunks, resp=given_resp)
    np.testing.assert_allclose(made["sums"], formed.T @ resp, rtol=1e-12, atol=1e-12)


@pytest.fixture(params=[(3, 64), (8, 6), (64, 6), (8, 4), (64, 1)], ids=str)
def expectation(request):
    """A random tile, and what each step should make of it."""
    rng, values, left, right = case(6, 21, seed=5)
    weights = np.zeros(N_PLACES)
    weights[:21] = rng.uniform(0.1, 3.0, 21)
    given = {
        "weights": weights,
        "coefficients": rng.standard_normal((N_COMPONENTS, 6)),
        "constants": rng.standard_normal(N_COMPONENTS),
    }
    formed = products(values, left, right, 21)
    scores = given["constants"] + formed @ given["coefficients"].T
    log_normaliser = logsumexp(scores, axis=1)
    wanted = {
        "total": weights[:21] @ log_normaliser,
        "log_normaliser": log_normaliser,
        "resp": weights[:21, None] * np.exp(scores - log_normaliser[:, None]),
    }
    wanted["sums"] = formed.T @ wanted["resp"]
    return (values, 21, left, right, request.param), given, wanted


@pytest.mark.core
def test_score_normalise_and_sum(expectation):
    tile, given, wanted = expectation
    before = np.full((6, N_COMPONENTS), 7.0)
    total, made = take(SCORE + NORMALISE + SUM, *tile, **given, sums=before.copy())
    np.testing.assert_allclose(made["sums"], before + wanted["sums"], rtol=1e-12, atol=1e-12)
    assert total == pytest.approx(wanted["total"], rel=1e-13)


@pytest.mark.core
def test_score_and_normalise(expectation):
    tile, given, wanted = expectation
    total, made = take(SCORE + NORMALISE, *tile, **given)
    assert total == pytest.approx(wanted["total"], rel=1e-13)
    np.testing.assert_allclose(made["log_normaliser"][:21], wanted["log_normaliser"], rtol=1e-13)
    resp = made["scores"][:, :21].T * made["factor"][:21, None]
    np.testing.assert_allclose(resp, wanted["resp"], rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(made["sums"], 0.0)


def test_no_rows():
    _, values, left, right = case(n_rows=0)
    total, made = take(SCORE + NORMALISE + SUM, values, 0, left, right, (7, 4))
    assert total == 0.0
    np.testing.assert_array_equal(made["sums"], 0.0)
