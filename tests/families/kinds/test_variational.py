"""Conjugate priors of kinds of columns: evidence, divergence and predictive densities."""

import numpy as np
import pytest
from oracles.kinds import CASES, rows
from oracles.one_kind import all_rows, fit, statistics
from scipy import stats
from scipy.integrate import quad
from scipy.special import betaln, digamma, gammaln

from skem.families import CategoricalWeights, kinds

NAMES = sorted(name for name in CASES if hasattr(CASES[name].kind, "posterior"))
every_kind = pytest.mark.parametrize("name", NAMES)

# Priors that are not the default ones, of two columns each.
PRIORS = {
    "bernoulli": kinds.BetaLaw(np.array([[0.7, 2.0]]), np.array([[1.5, 0.4]])),
    "categorical": kinds.DirichletLaw(np.array([[0.3, 1.0, 2.0, 0.5, 0.8]])),
    "exponential": kinds.GammaLaw(np.array([[1.5, 0.7]]), np.array([[0.4, 3.0]])),
    "geometric": kinds.BetaLaw(np.array([[1.5, 0.7]]), np.array([[2.5, 0.4]])),
    "poisson": kinds.GammaLaw(np.array([[1.5, 0.7]]), np.array([[0.4, 3.0]])),
}


def log_evidence(name, values, prior):
    """Log probability of all rows of one component, in closed form, summed over columns."""
    total = 0.0
    for j, column in enumerate(values.T):
        x = column[~np.isnan(column)]
        n, s = len(x), x.sum()
        if name == "categorical":
            alpha = np.split(prior.concentration[0], [3])[j]
            counts = np.bincount(x.astype(int), minlength=len(alpha))
            total += gammaln(alpha.sum()) - gammaln(alpha.sum() + n)
            total += (gammaln(alpha + counts) - gammaln(alpha)).sum()
            continue
        a, b = prior[0][0, j], prior[1][0, j]
        if name in ("bernoulli", "geometric"):
            ones, zeros = (s, n - s) if name == "bernoulli" else (n, s)
            total += betaln(a + ones, b + zeros) - betaln(a, b)
        else:
            events, time = (s, n) if name == "poisson" else (n, s)
            total += (
                a * np.log(b) - gammaln(a) + gammaln(a + events) - (a + events) * np.log(b + time)
            )
            total -= gammaln(x + 1).sum() if name == "poisson" else 0.0
    return total


@pytest.mark.core
@every_kind
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("given", [False, True])
def test_the_bound_of_one_component_is_the_evidence(name, missing, given):
    values = rows(name, 50, missing=missing)
    kind = CASES[name].kind.fitted_to(values, None)
    prior = PRIORS[name] if given else kind.prior(all_rows(kind, values))
    fitted = fit(kind, values, 1, variational=CategoricalWeights(1.0), prior=prior, max_iter=5)
    assert fitted.log_likelihood == pytest.approx(log_evidence(name, values, prior), rel=1e-11)


@every_kind
@pytest.mark.parametrize("acceleration", [None, "anderson"])
def test_the_bound_rises(name, acceleration):
    values = rows(name, 150, missing=0.2)
    weights = CategoricalWeights(0.5)
    fitted = fit(CASES[name].kind, values, 3, variational=weights, acceleration=acceleration)
    run, kind = fitted.run, fitted.kind
    assert (np.diff(run.bounds) >= 0).all()
    # The bound of the responsibilities at the end, put together from its definition.
    prior = kind.prior(all_rows(kind, values))
    q, alpha = run.theta.posterior, run.theta.weights
    log_weights = digamma(alpha) - digamma(alpha.sum())
    scores = kind.lines(values) @ kind.expected_coefficients(q).coefficients.T + log_weights
    scores += kind.log_base(values)[:, None]
    resp = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
    bound = (resp * (scores - np.log(resp))).sum() - weights.divergence(alpha)
    for k in range(3):
        bound -= kind.divergence(kind.take(q, [k]), prior)
    assert fitted.log_likelihood == pytest.approx(bound, rel=1e-9)
    found = kind.posterior(prior, statistics(kind, values, resp))
    for part, again in zip(q, found, strict=True):
        np.testing.assert_allclose(part, again, rtol=2e-2)


@every_kind
def test_divergences_are_expected_log_ratios(name):
    """By the identity: evidence = expected log likelihood - divergence, at the posterior."""
    values = rows(name, 30)
    kind, prior = CASES[name].kind, PRIORS[name]
    summed = all_rows(kind, values)
    posterior = kind.posterior(prior, summed)
    expected = kind.expected_log_likelihood(summed, posterior) + kind.log_base(values).sum()
    evidence = expected - kind.divergence(posterior, prior)
    assert evidence == pytest.approx(log_evidence(name, values, prior), rel=1e-12)
    assert kind.divergence(prior, prior) == pytest.approx(0.0, abs=1e-12)
    # Of any two: by draws.
    rng = np.random.RandomState(0)
    many = kind.take(posterior, np.zeros(200_000, int))
    drawn = kind.draw(many, rng)
    ratio = log_law(name, drawn, posterior) - log_law(name, drawn, prior)
    error = ratio.std() / np.sqrt(len(ratio))
    assert abs(ratio.mean() - kind.divergence(posterior, prior)) < 5 * error


def log_law(name, drawn, law):
    if name == "categorical":
        parts = zip(np.split(drawn[0], [3], axis=1), np.split(law[0][0], [3]), strict=True)
        return sum(stats.dirichlet(alpha).logpdf(p.T / p.sum(axis=1)) for p, alpha in parts)
    density = (
        stats.beta(*law) if "BetaLaw" in str(type(law)) else stats.gamma(law[0], scale=1 / law[1])
    )
    return density.logpdf(drawn[0]).sum(axis=1)


@every_kind
def test_predictive_densities_are_ratios_of_evidences(name):
    values, prior, kind = rows(name, 25, missing=0.2), PRIORS[name], CASES[name].kind
    posterior = kind.posterior(prior, all_rows(kind, values))
    new = rows(name, 12, seed=5, missing=0.3)
    found = kind.log_predictive(new, posterior)[:, 0]
    before = log_evidence(name, values, prior)
    after = [log_evidence(name, np.vstack([values, row]), prior) for row in new]
    np.testing.assert_allclose(found, np.array(after) - before, rtol=1e-10, atol=1e-10)
    two = kind.take(posterior, np.array([0, 0]))
    np.testing.assert_array_equal(kind.log_predictive(new, two), found[:, None].repeat(2, axis=1))


@every_kind
def test_draws_have_the_predictive_density(name):
    kind = CASES[name].kind
    posterior = kind.posterior(PRIORS[name], all_rows(kind, rows(name, 10)))
    n = 100_000
    rng = np.random.RandomState(0)
    parameters = kind.draw(kind.take(posterior, np.zeros(n, int)), rng)
    drawn = kind.sample(parameters, np.arange(n), rng)
    grid = np.full((6, 2), np.nan)
    grid[:, 0] = np.arange(6) if name not in ("bernoulli", "categorical") else np.arange(6) % 2
    if name == "exponential":

        def density(x):
            return np.exp(kind.log_predictive(np.array([[x, np.nan]]), posterior)[0, 0])

        expected = [quad(density, 0, top)[0] for top in grid[:, 0]]
        found = [(drawn[:, 0] <= top).mean() for top in grid[:, 0]]
    else:
        expected = np.exp(kind.log_predictive(grid, posterior)[:, 0])
        found = [(drawn[:, 0] == value).mean() for value in grid[:, 0]]
    np.testing.assert_allclose(found, expected, atol=0.006)


@every_kind
def test_priors_say_little_and_know_no_units(name):
    values = rows(name, 200)
    kind = CASES[name].kind.fitted_to(values, None)
    one = all_rows(kind, values)
    prior = kind.prior(one)
    posterior = kind.posterior(prior, one)
    mode = kind.mode(one, kind.pseudo_rows(one, 0.0), kind.without_rows(1))
    mean = kind.expected_parameters(posterior)
    for part, again in zip(mode, mean, strict=True):
        np.testing.assert_allclose(part, again, rtol=0.02)
    if name == "exponential":
        scaled = kind.fitted_to(1e6 * values, None)
        other = scaled.prior(all_rows(scaled, 1e6 * values))
        np.testing.assert_allclose(other.rate, 1e6 * prior.rate)
        np.testing.assert_allclose(other.shape, prior.shape)


def test_large_counts_keep_their_digits():
    """Against the same by differences that cancel little: one count more, its probability."""
    rng = np.random.default_rng(0)
    values = rng.poisson(1e9, (1000, 1)).astype(float)
    kind = kinds.Poisson(1).fitted_to(values, None)
    posterior = kind.posterior(kind.prior(all_rows(kind, values)), all_rows(kind, values))
    # 10^12 counts were seen: the rate is all but known.
    mean = values.mean()
    wide = stats.norm(mean, np.sqrt(mean * (1 + 1e-3))).logpdf(values)
    np.testing.assert_allclose(kind.log_predictive(values, posterior), wide, atol=2e-3)
    steps = np.diff(kind.log_predictive(np.array([[1e9], [1e9 + 1]]), posterior)[:, 0])
    shape, rate = posterior
    exact = np.log1p((shape - 1) / (1e9 + 1)) - np.log1p(rate)
    np.testing.assert_allclose(steps, exact[0], atol=1e-8)


@pytest.mark.parametrize("name", ["poisson", "geometric", "exponential"])
def test_the_bound_rises_on_large_counts(name):
    rng = np.random.default_rng(0)
    means = np.array([1e9, 1.0002e9]) if name == "poisson" else np.array([1e8, 1e9])
    draw = rng.poisson if name == "poisson" else lambda mean: np.floor(rng.exponential(mean))
    values = draw(means[rng.integers(2, size=400)]).astype(float)[:, None]
    kind = type(CASES[name].kind)(1)
    fitted = fit(kind, values, 2, variational=CategoricalWeights(0.5), max_iter=500)
    assert fitted.run.converged
    assert (np.diff(fitted.run.bounds) >= 0).all()
    found = np.sort(fitted.kind.impute(fitted.run.theta.components, np.eye(2))[:, 0])
    np.testing.assert_allclose(found, means, rtol=1e-5 if name == "poisson" else 0.3)
