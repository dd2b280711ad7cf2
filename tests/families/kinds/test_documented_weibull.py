"""The kind of a known shape that the guide writes out: in both estimators."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import gammaln

from families.documented import documented
from skem import EMMixture, MixtureImputer, VariationalMixture


@pytest.fixture(scope="module")
def page():
    with documented("weibull") as module:
        yield module


def lifetimes(n=400, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.random(n) < 0.4
    frame = pd.DataFrame(
        {
            "hours": np.where(z, 1.0, 20.0) * rng.weibull(1.5, n),
            "days": np.where(z, 50.0, 5.0) * rng.weibull(1.5, n),
            "maker": np.where(rng.random(n) < np.where(z, 0.9, 0.2), "A", "B"),
        }
    )
    frame.loc[::9, "hours"] = np.nan
    return frame


def fit(page, X, n_components=2, mixture=EMMixture, **given):
    columns = [(page.Weibull(shape=1.5), ["hours", "days"]), ("bernoulli", ["maker"])]
    return mixture(n_components, columns=columns, random_state=0, **given).fit(X)


@pytest.mark.core
def test_densities_are_scipys(page):
    X = lifetimes()
    mixture = fit(page, X)
    lives, makers = mixture.parameters_
    scales = lives["rates"] ** (-1 / 1.5)
    cells = stats.weibull_min(1.5, scale=scales).logpdf(X[["hours", "days"]].to_numpy()[:, None])
    scores = np.nan_to_num(cells).sum(axis=2) + np.log(mixture.weights_)
    p = makers["probabilities"][:, 0]
    scores += np.log(np.where((X["maker"] == "B").to_numpy()[:, None], p, 1 - p))
    expected = np.logaddexp.reduce(scores, axis=1)
    np.testing.assert_allclose(mixture.score_samples(X), expected, rtol=1e-10)
    assert mixture.kinds_ == {"hours": "Weibull", "days": "Weibull", "maker": "bernoulli"}
    np.testing.assert_allclose(scales[scales[:, 0].argsort()], [[1, 50], [20, 5]], rtol=0.15)
    assert mixture.n_parameters() == 1 + 4 + 2
    assert "hours (rate)" in repr(mixture.summary())


@pytest.mark.core
def test_gaps_and_samples(page):
    X = lifetimes()
    mixture = fit(page, X)
    filled = MixtureImputer(mixture).fit_transform(X)
    assert not filled.isna().any().any()
    scales = mixture.parameters_[0]["rates"] ** (-1 / 1.5)
    means = stats.weibull_min(1.5, scale=scales[:, 0]).mean()
    gap = X["hours"].isna()
    np.testing.assert_allclose(filled["hours"][gap], mixture.predict_proba(X)[gap] @ means)
    rows, labels = mixture.sample(4000, random_state=0)
    own = rows["days"][labels == 0]
    fitted = stats.weibull_min(1.5, scale=scales[0, 1])
    assert stats.kstest(own, fitted.cdf).pvalue > 0.01


@pytest.mark.core
def test_the_bound_of_one_component_is_the_evidence(page):
    X = lifetimes(60)
    one = fit(page, X, 1, VariationalMixture)
    total = 0.0
    (entry, beta), priors = one.posterior_, one._record.prior
    for j, name in enumerate(["hours", "days"]):
        x = X[name].dropna().to_numpy()
        a, b = priors[0].shape[0, j], priors[0].rate[0, j]
        n, time = len(x), (x**1.5).sum()
        total += a * np.log(b) - gammaln(a) + gammaln(a + n) - (a + n) * np.log(b + time)
        total += (np.log(1.5) + 0.5 * np.log(x)).sum()
        assert entry["rate"][0, j] == pytest.approx(b + time)
    ones = (X["maker"] == "B").sum()
    total += np.log(stats.betabinom(60, 0.5, 0.5).pmf(ones)) - np.log(
        stats.binom(60, 0.5).pmf(ones)
    )
    total += 60 * np.log(0.5)
    assert one.lower_bound_ == pytest.approx(total, abs=1e-8)
    assert beta["a"].shape == (1, 1)
    row = pd.DataFrame({"hours": [np.nan], "days": [3.0], "maker": ["A"]})

    def density(days):
        return np.exp(one.score_samples(row.assign(days=days, maker=None)))[0]

    assert quad(density, 0, np.inf, limit=200)[0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (lambda page: page.Weibull, "the class Weibull for a kind: give an object of it"),
        (lambda page: 3, r"has 3 for a kind, .* it has no add, check"),
        (lambda page: page.Weibull(3), r"for 3 column\(s\), but is given 2: \['hours', 'days'\]"),
    ],
)
def test_what_is_no_kind(page, kind, message):
    columns = [(kind(page), ["hours", "days"]), ("categorical", ["maker"])]
    with pytest.raises(ValueError, match=message):
        EMMixture(2, columns=columns).fit(lifetimes(30))
