"""Variational mixtures of blocks."""

import numpy as np
import pytest
import scipy.stats as st
from scipy.special import betaln, gammaln, logsumexp

from mixture.test_blocks import BLOCKS, COLUMNS, mixed
from skem import VariationalGaussianMixture, VariationalMixture

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fit(X, n_components=2, columns=COLUMNS, **given):
    return VariationalMixture(n_components, columns=columns, random_state=0, **given).fit(X)


def log_evidence_of_categories(codes, n_categories):
    codes = codes[~np.isnan(codes)].astype(int)
    counts = np.bincount(codes, minlength=n_categories)
    a = 1 / n_categories
    return gammaln(1) - gammaln(1 + len(codes)) + (gammaln(a + counts) - gammaln(a)).sum()


def log_evidence_of_bernoulli(values):
    values = values[~np.isnan(values)]
    ones = values.sum()
    return betaln(0.5 + ones, 0.5 + len(values) - ones) - betaln(0.5, 0.5)


def log_evidence_of_poisson(values):
    values = values[~np.isnan(values)]
    typical = (values.sum() + 0.5) / (len(values) + 1)
    shape, rate = 1.0, 1 / typical
    total, n = values.sum(), len(values)
    return (
        shape * np.log(rate)
        - gammaln(shape)
        + gammaln(shape + total)
        - (shape + total) * np.log(rate + n)
        - gammaln(values + 1).sum()
    )


@pytest.mark.core
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("of_weights", ["dirichlet_process", "dirichlet_distribution"])
def test_one_component_has_the_evidence_of_a_product(missing, of_weights):
    X = mixed(missing=missing)
    columns = [("diag", [3, 4]), ("categorical", [5, 6]), ("bernoulli", [7]), ("poisson", [8, 9])]
    kept = [j for _, own in columns for j in own]
    places = {j: i for i, j in enumerate(kept)}
    columns = [(kind, [places[j] for j in own]) for kind, own in columns]
    X = X[:, kept]
    given = {"weight_concentration_prior_type": of_weights, "resolution": None, "tol": 1e-12}
    mixture = fit(X, 1, columns, max_iter=2000, **given)
    expected = log_evidence_of_categories(X[:, 2], 3) + log_evidence_of_categories(X[:, 3], 4)
    expected += log_evidence_of_bernoulli(X[:, 4])
    expected += log_evidence_of_poisson(X[:, 5]) + log_evidence_of_poisson(X[:, 6])
    gaussian = VariationalGaussianMixture(1, covariance_type="diag", reg_covar=0.0, **given)
    expected += gaussian.set_params(max_iter=2000).fit(X[:, :2]).lower_bound_
    assert mixture.lower_bound_ == pytest.approx(expected, rel=1e-9)
    assert sum(mixture.elbo_terms()) == pytest.approx(mixture.lower_bound_, rel=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "EEI"])
def test_a_gaussian_block_alone_is_the_gaussian_mixture(covariance_type, missing):
    X = mixed(missing=missing)[:, :5]
    given = {"random_state": 0, "reg_covar": 0.0}
    one = VariationalGaussianMixture(4, covariance_type=covariance_type, **given).fit(X)
    other = VariationalMixture(4, columns=[(covariance_type, slice(None))], **given).fit(X)
    (entry,) = other.parameters_
    np.testing.assert_array_equal(entry["means"], one.means_)
    assert other.lower_bounds_ == one.lower_bounds_
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    np.testing.assert_allclose(other.score_samples(X), one.score_samples(X), rtol=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_bound_never_falls_and_superfluous_components_die(missing):
    X = mixed(600, missing=missing)
    mixture = fit(X, 6, tol=1e-6, max_iter=500)
    assert mixture.converged_
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    assert mixture.effective_n_components_ == 2
    assert mixture.expected_counts_.sum() == pytest.approx(len(X))


def test_predictive_densities():
    X = mixed(200, missing=0.1)
    mixture = fit(X, 2)
    posterior = dict(zip(BLOCKS, mixture.posterior_, strict=True))
    scores = np.tile(np.log(mixture.weights_), (len(X), 1))
    for k in range(2):
        for j, column in enumerate(BLOCKS["poisson"]):
            shape, rate = (posterior["poisson"][name][k, j] for name in ("shape", "rate"))
            x = X[:, column]
            seen = ~np.isnan(x)
            law = st.nbinom(shape, rate / (1 + rate))
            scores[seen, k] += law.logpmf(x[seen])
        shape, rate = (posterior["exponential"][name][k, 0] for name in ("shape", "rate"))
        x = X[:, BLOCKS["exponential"][0]]
        seen = ~np.isnan(x)
        scores[seen, k] += st.lomax(shape, scale=rate).logpdf(x[seen])
        a, b = (posterior["bernoulli"][name][k, 0] for name in ("a", "b"))
        x = X[:, BLOCKS["bernoulli"][0]]
        seen = ~np.isnan(x)
        scores[seen, k] += st.bernoulli(a / (a + b)).logpmf(x[seen])
    chosen = [
        (kind, own) for kind, own in COLUMNS if kind in ("poisson", "exponential", "bernoulli")
    ]
    kept = [j for _, own in chosen for j in own]
    alone = VariationalMixture(
        2,
        columns=[(kind, [kept.index(j) for j in own]) for kind, own in chosen],
        init_params=mixture.predict_proba(X),
        max_iter=0,
    )
    # The same posteriors, of these blocks alone.
    alone.fit(X[:, kept])
    names = [kind for kind, _ in chosen]
    alone.weights_, alone.weight_concentration_ = mixture.weights_, mixture.weight_concentration_
    alone.posterior_ = [posterior[name] for name in names]
    parameters = dict(zip(BLOCKS, mixture.parameters_, strict=True))
    alone.parameters_ = [parameters[name] for name in names]
    np.testing.assert_allclose(
        alone.score_samples(X[:, kept]), logsumexp(scores, axis=1), rtol=1e-9
    )


def test_samples_are_of_the_predictive_densities():
    X = mixed(500)
    mixture = fit(X, 2)
    rows, _ = mixture.sample(3000, random_state=0)
    assert rows[:, 8].mean() == pytest.approx(X[:, 8].mean(), rel=0.1)
    assert rows[:, 0].std() == pytest.approx(X[:, 0].std(), rel=0.1)
    assert mixture.score(rows) == pytest.approx(mixture.score(X), abs=0.3)


def test_kinds_without_a_conjugate_prior_are_refused():
    X = np.abs(mixed(100))[:, [0, 11]] + 0.1
    with pytest.raises(ValueError, match=r"Column\(s\) \[1\] are of the kind 'gamma'"):
        fit(X, 2, [("diag", [0]), ("gamma", [1])])
    with pytest.raises(ValueError, match="'VEI', which has no conjugate prior"):
        fit(X, 2, [("VEI", [0, 1])])


def stepped(n_components, batches, **given):
    mixture = VariationalMixture(n_components, columns=COLUMNS, random_state=0, **given)
    for batch in batches:
        mixture.partial_fit(batch)
    return mixture


def test_equal_steps_of_one_component_are_one_fit():
    """With rates 1, 1/2, 1/3, ... the posterior is the prior and the sums of all rows."""
    X = mixed(400)
    X[200:] = np.where(np.random.default_rng(0).random(X[200:].shape) < 0.1, np.nan, X[200:])
    batches = np.split(X, 4)
    mixture = stepped(1, batches, learning_decay=1.0, learning_offset=0.0)
    assert mixture.n_iter_ == 4
    blocks = zip(BLOCKS.items(), mixture.posterior_, mixture._record.prior, strict=True)
    for (kind, columns), entry, prior in blocks:
        cells = X[:, columns]
        n, total = (~np.isnan(cells)).sum(axis=0), np.nansum(cells, axis=0)
        if kind == "poisson":
            np.testing.assert_allclose(entry["shape"][0] - prior.shape[0], total, rtol=1e-9)
            np.testing.assert_allclose(entry["rate"][0] - prior.rate[0], n, rtol=1e-9)
        if kind == "bernoulli":
            np.testing.assert_allclose(entry["a"][0] - prior.a[0], total, rtol=1e-9)
            np.testing.assert_allclose(entry["b"][0] - prior.b[0], n - total, rtol=1e-9)
        if kind == "exponential":
            np.testing.assert_allclose(entry["rate"][0] - prior.rate[0], total, rtol=1e-9)
    assert mixture.elbo_terms().negative_kl_components < 0
    assert mixture.lower_bound_ == pytest.approx(sum(mixture.elbo_terms()), rel=1e-12)


def test_a_step_stays_where_a_fit_ended():
    X = mixed(300, missing=0.1)
    fitted = VariationalMixture(2, columns=COLUMNS, tol=1e-12, max_iter=2000, random_state=0).fit(X)
    scores, bound = fitted.score_samples(X), fitted.lower_bound_
    fitted.partial_fit(X, total_weight=len(X))
    np.testing.assert_allclose(fitted.score_samples(X), scores, rtol=1e-6, atol=1e-6)
    assert fitted.lower_bound_ == pytest.approx(bound, abs=1e-4)
    assert fitted.n_iter_ == 1
    complete = VariationalMixture(2, columns=COLUMNS, random_state=0).fit(mixed(300))
    gappy = mixed(300, seed=1, missing=0.2)
    before = complete.score(gappy)
    assert complete.partial_fit(gappy).score(gappy) > before - 0.2
    with pytest.raises(ValueError, match="'total_weight' parameter of partial_fit"):
        complete.partial_fit(gappy, total_weight=0.0)


@pytest.mark.parametrize("weight_prior", ["dirichlet_process", "dirichlet_distribution"])
@pytest.mark.parametrize("structure", ["full", "tied"])
def test_pruned_estimators(weight_prior, structure):
    X = mixed(300, missing=0.05)
    columns = [(structure if kind == "full" else kind, which) for kind, which in COLUMNS]
    mixture = VariationalMixture(
        5,
        columns=columns,
        weight_concentration_prior_type=weight_prior,
        weight_concentration_prior=1e-2,
        random_state=0,
        max_iter=500,
    ).fit(X)
    pruned, k = mixture.prune(), mixture.effective_n_components_
    assert 1 < k < 5
    assert pruned.get_params() == mixture.get_params() | {"n_components": k}
    kept = np.flatnonzero(mixture.expected_counts_ >= 1 / 5)
    left = mixture.predict_proba(X)[:, kept]
    left /= left.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pruned.predict_proba(X), left, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(pruned.score_samples(X), mixture.score_samples(X), atol=1e-3)
    assert not hasattr(pruned, "lower_bound_")
    assert np.isfinite(pruned.impute(X)).all()
    again = pruned.set_params(warm_start=True).fit(X)
    assert again.lower_bound_ > mixture.lower_bound_ - 0.5
