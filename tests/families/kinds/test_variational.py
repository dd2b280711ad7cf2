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
    "lognormal": kinds.NormalGammaLaw(
        np.array([[1.5, -0.7]]),
        np.array([[0.4, 3.0]]),
        np.array([[1.2, 4.0]]),
        np.array([[0.3, 5.0]]),
    ),
    "poisson": kinds.GammaLaw(np.array([[1.5, 0.7]]), np.array([[0.4, 3.0]])),
}


def log_evidence(name, values, prior, kind):
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
        if name == "lognormal":
            z = (np.log(x) - np.log(kind.units[j])) / kind.widths[j]  # what the prior is about
            total += log_evidence_of_normals(z, *(part[0, j] for part in prior))
            total -= (np.log(x) + np.log(kind.widths[j])).sum()
        elif name in ("bernoulli", "geometric"):
            ones, zeros = (s, n - s) if name == "bernoulli" else (n, s)
            total += betaln(a + ones, b + zeros) - betaln(a, b)
        else:
            events, time = (s, n) if name == "poisson" else (n, s)
            total += (
                a * np.log(b) - gammaln(a) + gammaln(a + events) - (a + events) * np.log(b + time)
            )
            total -= gammaln(x + 1).sum() if name == "poisson" else 0.0
    return total


def log_evidence_of_normals(z, mean, precision, freedom, scatter):
    """A multivariate Student's t: values are the mean, which is common, and noise."""
    shape = scatter / freedom * (np.eye(len(z)) + 1.0 / precision)
    return stats.multivariate_t(np.full(len(z), mean), shape, df=freedom).logpdf(z)


@pytest.mark.core
@every_kind
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("given", [False, True])
def test_the_bound_of_one_component_is_the_evidence(name, missing, given):
    values = rows(name, 50, missing=missing)
    kind = CASES[name].kind.fitted_to(values, None)
    prior = PRIORS[name] if given else kind.prior(all_rows(kind, values))
    fitted = fit(kind, values, 1, variational=CategoricalWeights(1.0), prior=prior, max_iter=5)
    assert fitted.log_likelihood == pytest.approx(
        log_evidence(name, values, prior, kind), rel=1e-11
    )


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
    scores = kind.evaluate(values, kind.expected_coefficients(q)) + log_weights
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
    assert evidence == pytest.approx(log_evidence(name, values, prior, kind), rel=1e-12)
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
    if name == "lognormal":
        (means, variances), (mean, beta, freedom, scatter) = drawn, law
        total = stats.norm(mean, np.sqrt(variances / beta)).logpdf(means).sum(axis=1)
        precisions = stats.gamma(0.5 * freedom, scale=2 / scatter)
        # Both densities are of precisions, so that their ratio is that of the laws.
        return total + precisions.logpdf(1 / variances).sum(axis=1)
    is_beta = isinstance(law, kinds.BetaLaw)
    density = stats.beta(*law) if is_beta else stats.gamma(law[0], scale=1 / law[1])
    return density.logpdf(drawn[0]).sum(axis=1)


@every_kind
def test_predictive_densities_are_ratios_of_evidences(name):
    values, prior, kind = rows(name, 25, missing=0.2), PRIORS[name], CASES[name].kind
    posterior = kind.posterior(prior, all_rows(kind, values))
    new = rows(name, 12, seed=5, missing=0.3)
    found = kind.log_predictive(new, posterior)[:, 0]
    before = log_evidence(name, values, prior, kind)
    after = [log_evidence(name, np.vstack([values, row]), prior, kind) for row in new]
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
    if name in ("exponential", "lognormal"):

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
    if name in ("exponential", "lognormal"):
        scaled = kind.fitted_to(1e6 * values, None)
        other = scaled.prior(all_rows(scaled, 1e6 * values))
        likely = scaled.expected_parameters(scaled.posterior(other, all_rows(scaled, 1e6 * values)))
        found = scaled.impute(likely, np.eye(1))
        np.testing.assert_allclose(found, 1e6 * kind.impute(mean, np.eye(1)))


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
