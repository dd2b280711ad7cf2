"""The kind of columns that the guide writes out: against SciPy."""

import re
import sys
import textwrap

import numpy as np
import pytest
from oracles.one_kind import all_rows, best_fit, log_density, statistics
from scipy import stats

from families.documented import FOLDER, documented


@pytest.fixture(scope="module")
def page():
    with documented("rayleigh") as module:
        yield module


@pytest.fixture(scope="module")
def speeds():
    rng = np.random.RandomState(0)
    scales = np.array([[1.0, 8.0], [6.0, 0.5]])
    values = scales[rng.randint(2, size=300)] * np.sqrt(2 * rng.standard_exponential((300, 2)))
    values[::7, 1] = np.nan
    return values


def test_log_densities_are_scipys(page, speeds):
    kind = page.Rayleigh(2).fitted_to(speeds, None)
    parameters = page.RayleighParameters(np.array([[1.0, 3.0], [0.2, 40.0]]))
    cells = stats.rayleigh(scale=parameters.scales).logpdf(speeds[:, None])
    expected = np.where(np.isnan(cells), 0.0, cells).sum(axis=2)
    np.testing.assert_allclose(log_density(kind, speeds, parameters), expected, rtol=1e-12)


@pytest.mark.parametrize("acceleration", [None, "anderson"])
def test_it_is_fitted(page, speeds, acceleration):
    fitted = best_fit(page.Rayleigh(2), speeds, 2, n_init=2, acceleration=acceleration)
    assert (np.diff(fitted.run.bounds) >= 0).all()
    scales = fitted.run.theta.components.scales
    np.testing.assert_allclose(scales[scales[:, 0].argsort()], [[1, 8], [6, 0.5]], rtol=0.15)


def test_its_parts_agree(page, speeds):
    kind = page.Rayleigh(2).fitted_to(speeds, None, ["a", "b"])
    resp = np.random.default_rng(0).dirichlet(np.ones(2), len(speeds))
    sums, one = statistics(kind, speeds, resp), all_rows(kind, speeds)
    prior = kind.pseudo_rows(one, 3.0)
    mode = kind.mode(sums, prior, kind.without_rows(2))
    best = kind.log_likelihood(sums, mode) + kind.log_prior(mode, prior)
    for factor in (0.999, 1.001):
        moved = page.RayleighParameters(factor * mode.scales)
        assert kind.log_likelihood(sums, moved) + kind.log_prior(moved, prior) < best
    drawn = kind.sample(mode, np.zeros(50_000, int), np.random.RandomState(0))
    np.testing.assert_allclose(drawn.mean(axis=0), kind.impute(mode, np.eye(2))[0], rtol=0.02)
    assert kind.n_parameters(2) == 4
    with pytest.raises(ValueError, match=r"Column 'b' has -1 in row 0, but rayleigh columns hold"):
        kind.check(np.array([[1.0, -1.0]]), ["a", "b"])


def test_the_page_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    text = (FOLDER / "writing_a_kind.rst").read_text(encoding="utf-8")
    (block,) = re.findall(r"code-block:: python\n\n((?:   .*\n|\n)+)", text)
    names = {}
    exec(textwrap.dedent(block), names)
    np.testing.assert_allclose(np.sort(names["scales"][:, 0]), [4, 15], rtol=0.2)
    assert "wind (scale)" in repr(names["profile"])
    sys.modules.pop("rayleigh")
