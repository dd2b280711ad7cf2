"""Against figures of other programs: flexmix, MASS, poLCA, StepMix and plain EM in loops."""

import numpy as np
import pytest

from skem.families.kinds import Poisson
from tests.families.kinds.alone import best_fit

DEATHS = [162, 267, 271, 185, 111, 61, 27, 8, 3, 1]  # days with 0 .. 9 deaths in the Times


def times():
    return np.arange(10.0)[:, None], np.array(DEATHS, float)


def test_deaths_in_the_times_are_two_poissons():
    values, weights = times()
    fitted = best_fit(Poisson(1), values, 2, weights=weights, acceleration="squarem")
    assert fitted.log_likelihood == pytest.approx(-1989.945860, abs=1e-3)
    order = fitted.run.theta.weights.argsort()
    np.testing.assert_allclose(fitted.run.theta.weights[order], [0.359885, 0.640115], atol=0.01)
    rates = fitted.run.theta.components.rates[order, 0]
    np.testing.assert_allclose(rates, [1.256094, 2.663403], atol=0.01)
