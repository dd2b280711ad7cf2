"""The gallery's models against closed forms, and against a direct search for the maximum."""

import ast
import re
import runpy
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime, brentq, minimize
from scipy.special import expit, logsumexp
from scipy.stats import binom, multivariate_normal, norm, poisson

from skem.em import fit

EXAMPLES = Path(__file__).parents[2] / "doc" / "examples"
PAGES = sorted(path.stem for path in EXAMPLES.glob("plot_em_*.py"))


@cache
def page(name):
    """Run a page and return its variables."""
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    matplotlib.use("agg")
    from matplotlib import pyplot

    result = runpy.run_path(str(EXAMPLES / f"plot_em_{name}.py"))
    pyplot.close("all")
    return result


def model_class(tree):
    return next(
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(getattr(part, "name", "") == "expect" for part in node.body)
    )


@pytest.mark.parametrize("name", PAGES)
def test_models_are_short(name):
    model = model_class(ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8")))
    assert model.end_lineno - model.lineno < 60


def test_there_are_six():
    assert len(PAGES) == 6


def assert_highest(minus_log_likelihood, at, bound):
    """Assert that a point has the bound as its value, and that a search from it finds no more."""
    at = np.asarray(at, dtype=float)
    np.testing.assert_allclose(-minus_log_likelihood(at), bound, rtol=1e-9)
    found = minimize(minus_log_likelihood, at, method="BFGS", options={"gtol": 1e-7})
    assert -found.fun - bound < 1e-4
    np.testing.assert_allclose(found.x, at, atol=0.01)


def test_two_coins_are_those_of_the_paper_and_the_maximum():
    coins = page("two_coins")
    np.testing.assert_array_equal(np.round(coins["path"][1], 2), [0.71, 0.58])
    np.testing.assert_array_equal(np.round(coins["path"][10], 2), [0.80, 0.52])
    heads = coins["heads"]

    def minus_log_likelihood(p):
        each = binom.logpmf(heads[:, None], 10, p)
        constant = binom.logpmf(heads, 10, 0.5) - 10 * np.log(0.5)
        return -(logsumexp(each, axis=1, b=0.5) - constant).sum()

    precise = fit(coins["TwoCoins"](), coins["X"], coins["start"], tol=1e-14)
    assert_highest(minus_log_likelihood, precise.theta, precise.bound)


@pytest.mark.parametrize("group", ["placebo", "drug", "drug, censoring ignored"])
def test_censored_times_are_the_maximum(group):
    censored = page("censored")
    table, result = censored["groups"][group], censored["results"][group]
    log_times, seen = np.log(table["weeks"].to_numpy()), table["relapse"].to_numpy()
    assert seen.sum() == (9 if group == "drug" else 21)
    assert len(table) == 21

    def minus_log_likelihood(theta):
        mu, log_sigma = theta
        sigma = np.exp(log_sigma)
        density = norm.logpdf(log_times, mu, sigma) - log_times
        return -np.where(seen, density, norm.logsf(log_times, mu, sigma)).sum()

    assert_highest(minus_log_likelihood, [result.theta[0], np.log(result.theta[1])], result.bound)


class Exponential:
    """Exponential times, some cut off; the maximum is the number seen by the sum of all times."""

    def expect(self, X, theta, weight):
        time, seen = X
        total = np.where(seen, time, time + 1 / theta)
        return (weight.sum(), weight @ total), weight @ (seen * np.log(theta) - theta * time)

    def maximise(self, sums, theta):
        return sums[0] / sums[1]


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
def test_exponential_times_have_the_closed_form(acceleration):
    time = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35])
    seen = page("censored")["groups"]["drug"]["relapse"].to_numpy()
    result = fit(
        Exponential(), (time, seen), 1.0, tol=1e-13, max_iter=500, acceleration=acceleration
    )
    # Gehan's well-known figures: 9 relapses in 359 weeks.
    np.testing.assert_allclose(result.theta, 9 / 359, rtol=1e-5)
    np.testing.assert_allclose(result.bound, 9 * np.log(9 / 359) - 9, rtol=1e-10)


def test_zero_inflated_counts_solve_the_likelihood_equations():
    zip_page = page("zero_inflated")
    counts, frequency = zip_page["counts"], zip_page["frequency"]
    positive = frequency @ counts / frequency[1:].sum()
    rate = brentq(lambda r: r / -np.expm1(-r) - positive, 0.1, 5, xtol=1e-14)
    share = 1 - (1 - frequency[0] / frequency.sum()) / -np.expm1(-rate)
    likelihood = share * (counts == 0) + (1 - share) * poisson.pmf(counts, rate)
    for result in (zip_page["plain"], zip_page["fast"]):
        np.testing.assert_allclose(result.theta["rate"], rate, rtol=1e-3)
        np.testing.assert_allclose(result.theta["share"], share, rtol=1e-3)
        np.testing.assert_allclose(result.bound, frequency @ np.log(likelihood), rtol=1e-9)
    assert zip_page["fast"].n_iter < zip_page["plain"].n_iter
    # A table of frequencies is the table of all rows.
    rows = np.repeat(counts, frequency)
    whole = fit(
        zip_page["ZeroInflatedPoisson"](), rows, zip_page["start"], tol=1e-10, max_iter=1000
    )
    assert whole.n_iter == zip_page["plain"].n_iter
    np.testing.assert_allclose(whole.bound, zip_page["plain"].bound, rtol=1e-12)


def test_regressions_are_the_maximum():
    lines = page("regressions")
    x, y = lines["x"], lines["y"]
    weights, slopes, sigmas = lines["result"].theta

    def minus_log_likelihood(theta):
        share, slopes, sigmas = expit(theta[0]), theta[1:5].reshape(2, 2), np.exp(theta[5:])
        densities = norm.pdf(y[:, None], x @ slopes.T, sigmas)
        return -np.log(densities @ [share, 1 - share]).sum()

    at = np.concatenate([[np.log(weights[0] / weights[1])], slopes.ravel(), np.log(sigmas)])
    assert_highest(minus_log_likelihood, at, lines["result"].bound)
    # Simulated from y = x and y = 2, with 60 and 40 %.
    steep = int(np.argmax(slopes[:, 1]))
    np.testing.assert_allclose(slopes[[steep, 1 - steep]], [[0, 1], [2, 0]], atol=0.1)
    np.testing.assert_allclose(weights[steep], 0.6, atol=0.05)


def minus_seen_log_likelihood(X, W, mean, variance):
    """Density of the cells that are there, row by row."""
    covariance = W @ W.T + variance * np.eye(len(W))
    total = 0.0
    for row in X:
        seen = ~np.isnan(row)
        if seen.any():
            block = covariance[np.ix_(seen, seen)]
            total += multivariate_normal.logpdf(row[seen], mean[seen], block)
    return -total


def test_principal_components_have_the_closed_form_of_complete_rows():
    pca = page("missing_pca")
    X = pca["complete"]
    result = fit(pca["model"], X, tol=1e-12, max_iter=5000, acceleration="anderson", random_state=0)
    W, mean, variance = result.theta
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    rest = values[2:].mean()
    n, d = X.shape
    wanted = np.log(values[:2]).sum() + (d - 2) * np.log(rest) + d * (1 + np.log(2 * np.pi))
    np.testing.assert_allclose(result.bound, -n / 2 * wanted, rtol=1e-10)
    np.testing.assert_allclose(variance, rest, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(W)[1] ** 2, values[:2] - rest, rtol=1e-3)
    np.testing.assert_allclose(mean, X.mean(axis=0), atol=1e-4)


def test_principal_components_of_rows_with_gaps_are_a_maximum():
    pca = page("missing_pca")
    X = pca["X"][:40, :4].copy()
    X[0] = np.nan  # a row without any cell
    X[1] = [0.1, np.nan, np.nan, np.nan]
    model = pca["ProbabilisticPCA"](1)
    result = fit(model, X, tol=1e-13, max_iter=5000, acceleration="squarem", random_state=0)

    def minus_log_likelihood(theta):
        return minus_seen_log_likelihood(X, theta[:4, None], theta[4:8], np.exp(theta[8]))

    W, mean, variance = result.theta
    at = np.concatenate([W[:, 0], mean, [np.log(variance)]])
    np.testing.assert_allclose(result.bound, -minus_log_likelihood(at), rtol=1e-10)
    np.testing.assert_allclose(approx_fprime(at, minus_log_likelihood), 0, atol=1e-3)
    whole = pca["result"]
    np.testing.assert_allclose(
        whole.bound, -minus_seen_log_likelihood(pca["X"], *whole.theta), rtol=1e-10
    )


def test_logistic_curves_are_the_maximum_and_acceleration_finds_it_sooner():
    logistic = page("logistic_mixture")
    x, y, m, runs = (logistic[name] for name in ("x", "y", "m", "runs"))

    def minus_log_likelihood(theta):
        share, slopes = expit(theta[0]), theta[1:].reshape(2, 2)
        chances = binom.pmf(y[:, None], m[:, None], expit(x @ slopes.T))
        return -np.log(chances @ [share, 1 - share]).sum()

    for run in runs.values():
        weights, slopes = run.theta
        assert run.converged
        assert (np.diff(run.bounds) >= 0).all()
        at = np.append(np.log(weights[0] / weights[1]), slopes)
        assert_highest(minus_log_likelihood, at, run.bound)
    assert max(runs["squarem"].n_iter, runs["anderson"].n_iter) < runs["plain"].n_iter / 2


def test_the_code_of_the_guide_runs():
    text = (EXAMPLES.parent / "user_guide" / "your_own_model.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text)
    names = {}
    for block in blocks:
        exec(textwrap.dedent(block), names)
    result = names["result"]
    np.testing.assert_array_equal(result.theta.round(2), [0.80, 0.52])
    assert (round(result.bound, 2), result.converged) == (-31.57, True)
    X, start = names["X"], np.array([0.6, 0.5])
    assert [step.n_iter for step in names["path"]] == list(range(1, len(names["path"]) + 1))
    for model in (names["PriorCoins"](), names["InCoordinates"]()):
        plain = fit(model, X, start, tol=1e-12)
        fast = fit(model, X, start, tol=1e-12, acceleration="squarem")
        assert plain.converged
        np.testing.assert_allclose(fast.bound, plain.bound, rtol=1e-9)
