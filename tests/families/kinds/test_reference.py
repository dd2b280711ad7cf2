"""Against figures of other programs: flexmix, MASS, poLCA, StepMix and plain EM in loops."""

from pathlib import Path

import numpy as np
import pytest
from oracles.one_kind import best_fit

from skem.families.kinds import Bernoulli, Categorical, NegativeBinomial, Poisson

DEATHS = [162, 267, 271, 185, 111, 61, 27, 8, 3, 1]  # days with 0 .. 9 deaths in the Times
TABLES = Path(__file__).parents[2] / "data" / "latent_classes.csv"
TIGHT = {"acceleration": "squarem", "tol": 1e-9, "max_iter": 5000}


def table(name):
    """Distinct rows of a table, and how often each is there."""
    lines = [line.split(",") for line in TABLES.read_text().splitlines()[1:]]
    cells = np.array([[x or "nan" for x in line[1:]] for line in lines if line[0] == name], float)
    return cells[:, :4], cells[:, 4]


def test_deaths_in_the_times_are_two_poissons():
    values, weights = np.arange(10.0)[:, None], np.array(DEATHS, float)
    fitted = best_fit(Poisson(1), values, 2, weights=weights, acceleration="squarem")
    assert fitted.log_likelihood == pytest.approx(-1989.945860, abs=1e-5)
    order = fitted.run.theta.weights.argsort()
    np.testing.assert_allclose(fitted.run.theta.weights[order], [0.359885, 0.640115], atol=1e-3)
    rates = fitted.run.theta.components.rates[order, 0]
    np.testing.assert_allclose(rates, [1.256094, 2.663403], atol=1e-3)


# Visits to a physician in the first trimester: MASS birthwt, ftv from 0 to 6.
VISITS = [100, 47, 30, 7, 4, 0, 1]


@pytest.mark.parametrize(
    ("counts", "expected", "mean", "size"),
    [(DEATHS, -1990.828670, 2.156934, 9.91037), (VISITS, -231.426719, 0.793651, 1.76065)],
)
def test_negative_binomials(counts, expected, mean, size):
    values, weights = np.arange(float(len(counts)))[:, None], np.array(counts, float)
    fitted = best_fit(NegativeBinomial(1), values, 1, n_init=1, weights=weights)
    assert fitted.log_likelihood == pytest.approx(expected, abs=2e-6)
    means, sizes = fitted.run.theta.components
    assert means.item() == pytest.approx(mean, abs=1e-6)
    assert sizes.item() == pytest.approx(size, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "n_components", "expected"),
    [
        ("titanic", 1, -5773.348733),
        ("titanic", 2, -5327.327337),
        ("titanic", 3, -5202.774103),
        ("titanic", 4, -5171.703508),
        ("titanic_20pc_missing", 1, -4587.700627),
        ("titanic_20pc_missing", 2, -4305.801488),
        ("titanic_20pc_missing", 3, -4239.562797),
        ("cheating", 1, -467.438195),
        ("cheating", 2, -440.027112),
        ("cheating_10pc_missing", 2, -390.884778),
    ],
)
def test_latent_classes(name, n_components, expected):
    values, weights = table(name)
    four = Categorical(n_categories=(4, 2, 2, 2))
    kind = four if name.startswith("titanic") else Bernoulli(4)
    n_init = (1, 2, 2, 6)[n_components - 1]
    fitted = best_fit(kind, values, n_components, n_init=n_init, weights=weights, **TIGHT)
    assert fitted.run.converged
    assert fitted.log_likelihood == pytest.approx(expected, abs=0.01)
