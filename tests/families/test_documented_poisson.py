"""The family that is no Gaussian, as the guide writes it out: against EM in loops."""

import math

import numpy as np
import pytest
from scipy import stats

from families.documented import FOLDER, documented
from skem.families.contract import Extrapolable, Family, methods_of
from skem.inference import Passes, PointRule, Start, find_start


@pytest.fixture(scope="module")
def page():
    with documented("poisson") as module:
        yield module


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    rates = np.array([[1.0, 8.0], [6.0, 0.5], [12.0, 12.0]])
    return rng.poisson(rates[rng.integers(3, size=240)]).astype(float)


def log_joint(X, weights, rates):
    """By SciPy, without the part that all components share."""
    joint = np.log(weights) + stats.poisson.logpmf(X[:, None], rates).sum(axis=2)
    shared = np.array([sum(math.lgamma(x + 1.0) for x in row) for row in X])
    return joint + shared[:, None]


def em(X, row_weights, weights, rates, prior, n_iter):
    """Plain EM, written out."""
    shape, rate = prior or (1.0, 0.0)
    for _ in range(n_iter):
        joint = log_joint(X, weights, rates)
        resp = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
        resp *= row_weights[:, None]
        rates = (resp.T @ X + shape - 1.0) / (resp.sum(axis=0) + rate)[:, None]
        weights = resp.sum(axis=0) / row_weights.sum()
    return weights, rates


def test_it_is_short_and_answers_the_contract(page):
    assert len((FOLDER / "poisson.py").read_text().splitlines()) < 100
    family = page.PoissonFamily()
    for capability in (Family, Extrapolable):
        assert not [name for name in methods_of(capability) if not hasattr(family, name)]


@pytest.mark.core
@pytest.mark.parametrize("prior", [None, (2.5, 0.7)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
def test_the_end_is_that_of_plain_em(page, counts, prior, weighted, acceleration):
    weights = np.random.default_rng(1).uniform(0.2, 2.0, len(counts)) if weighted else None
    run = page.fit(counts, 3, prior=prior, weights=weights, acceleration=acceleration)
    assert run.converged
    assert (np.diff(run.bounds) >= 0).all()
    row_weights = np.ones(len(counts)) if weights is None else weights
    found, rates = em(counts, row_weights, *run.theta, prior, 400)
    np.testing.assert_allclose(run.theta.weights, found, rtol=1e-3)
    np.testing.assert_allclose(run.theta.components, rates, rtol=1e-3)
    normaliser = np.logaddexp.reduce(log_joint(counts, *run.theta), axis=1)
    total = row_weights @ normaliser
    if prior is not None:
        total += stats.gamma(prior[0], scale=1 / prior[1]).logpdf(run.theta.components).sum()
    assert run.bound == pytest.approx(total / row_weights.sum(), rel=1e-10)


def test_integer_weights_are_repeated_rows(page, counts):
    times = np.random.default_rng(2).integers(0, 3, len(counts))
    repeated = page.fit(np.repeat(counts, times, axis=0), 3, n_init=5)
    weighted = page.fit(counts, 3, weights=times.astype(float), n_init=5)
    assert weighted.bound == pytest.approx(repeated.bound, rel=1e-8)


@pytest.mark.parametrize("acceleration", [None, "anderson"])
def test_threads_leave_every_bit(page, counts, acceleration):
    one, two = (page.fit(counts, 3, n_threads=n, acceleration=acceleration).theta for n in (1, 2))
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.components, two.components)


def test_what_it_has_not_is_named(page, counts, monkeypatch):
    rule = PointRule(None, page.PoissonFamily(), None)
    table = page.Table(counts, None, np.zeros(2), np.ones(2))
    passes = Passes(table, page.plan_tiles(*counts.shape, 3, 3), None)
    start = Start("auto", 3, np.random.RandomState(0), table, np.zeros(2), np.ones(2))
    with pytest.raises(TypeError, match=r"init_params='auto' needs .*merge.*PoissonFamily has not"):
        find_start(passes, rule, start)
    monkeypatch.delattr(page.PoissonFamily, "coordinates")
    with pytest.raises(TypeError, match=r"acceleration='squarem' needs .*coordinates.*Poisson"):
        page.fit(counts, 3, acceleration="squarem")
