"""Mixtures of blocks of columns of every kind."""

import numpy as np
import pytest
from oracles.blocks import log_density, responsibilities
from scipy.stats import nbinom, poisson

from mixture.tables import TYPES
from skem import EMGaussianMixture, EMMixture

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Columns of each block of `mixed`.
BLOCKS = {
    "full": [0, 1, 2],
    "diag": [3, 4],
    "categorical": [5, 6],
    "bernoulli": [7],
    "poisson": [8, 9],
    "geometric": [10],
    "exponential": [11],
    "lognormal": [12],
}
COLUMNS = list(BLOCKS.items())


def mixed(n=250, seed=0, missing=0.0):
    """Rows of two clusters, with categories as codes."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, size=n)
    X = np.empty((n, 13))
    X[:, :3] = rng.normal(size=(n, 3)) @ [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]] + 3 * z[:, None]
    X[:, 3:5] = 100 + 5 * rng.normal(size=(n, 2)) - 8 * z[:, None]
    X[:, 5] = np.where(z == 0, rng.choice(3, n, p=[0.7, 0.2, 0.1]), rng.choice(3, n))
    X[:, 6] = np.where(z == 0, rng.choice(4, n), rng.choice(4, n, p=[0.1, 0.1, 0.1, 0.7]))
    X[:, 7] = rng.random(n) < np.where(z == 0, 0.2, 0.7)
    X[:, 8:10] = rng.poisson(np.where(z == 0, 1.0, 5.0)[:, None] * [1, 20])
    X[:, 10] = rng.geometric(np.where(z == 0, 0.3, 0.7)) - 1
    X[:, 11] = rng.exponential(np.where(z == 0, 1.0, 4.0))
    X[:, 12] = np.exp(rng.normal(z, 0.5))
    X[rng.random(X.shape) < missing] = np.nan
    return X


def fit(X, n_components=2, columns=COLUMNS, **given):
    return EMMixture(n_components, columns=columns, random_state=0, **given).fit(X)


def model_of(mixture, X):
    return mixture.weights_, mixture.parameters_, list(BLOCKS.values()), X


@pytest.mark.core
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_scores_and_responsibilities(missing):
    X = mixed(missing=missing)
    mixture = fit(X, max_iter=3)
    np.testing.assert_allclose(
        mixture.score_samples(X), log_density(*model_of(mixture, X)), rtol=1e-10
    )
    np.testing.assert_allclose(
        mixture.predict_proba(X), responsibilities(*model_of(mixture, X)), rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_end_is_a_fixed_point(missing):
    X = mixed(missing=missing)
    mixture = fit(X, tol=1e-13, max_iter=3000, pseudo_count=0.0, reg_covar=0.0, resolution=None)
    resp = responsibilities(*model_of(mixture, X))
    np.testing.assert_allclose(mixture.weights_, resp.mean(axis=0), rtol=1e-5)
    entries = dict(zip(BLOCKS, mixture.parameters_, strict=True))

    def means(values, columns):
        cells = values[:, columns]
        seen = ~np.isnan(cells)
        return (resp.T @ np.where(seen, cells, 0.0)) / (resp.T @ seen)

    tight = {"rtol": 1e-5, "atol": 1e-9}
    diag = entries["diag"]
    np.testing.assert_allclose(diag["means"], means(X, [3, 4]), **tight)
    np.testing.assert_allclose(
        diag["covariances"], means(X**2, [3, 4]) - diag["means"] ** 2, rtol=1e-4
    )
    np.testing.assert_allclose(entries["poisson"]["rates"], means(X, [8, 9]), **tight)
    np.testing.assert_allclose(entries["bernoulli"]["probabilities"], means(X, [7]), **tight)
    np.testing.assert_allclose(
        entries["geometric"]["probabilities"], 1 / (1 + means(X, [10])), **tight
    )
    np.testing.assert_allclose(entries["exponential"]["rates"], 1 / means(X, [11]), **tight)
    np.testing.assert_allclose(
        entries["lognormal"]["means"], means(np.log(np.maximum(X, 1e-9)), [12]), **tight
    )
    for j, probabilities in zip([5, 6], entries["categorical"]["probabilities"], strict=True):
        codes = np.arange(probabilities.shape[1])
        cells = X[:, j, None]
        indicators = np.where(np.isnan(cells), np.nan, cells == codes)
        np.testing.assert_allclose(probabilities, means(indicators, codes), **tight)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("given", [{}, {"acceleration": "anderson"}, {"assignment": "hard"}])
def test_the_bound_never_falls(given, missing):
    X = mixed(missing=missing)
    mixture = fit(X, 3, init_params="random", tol=1e-8, max_iter=300, **given)
    assert mixture.converged_
    assert (np.diff(mixture.lower_bounds_) >= 0).all()
    if not given.get("assignment"):
        assert mixture.lower_bound_ == pytest.approx(mixture.score(X), abs=1e-6)


def test_weights_are_repeats():
    X = mixed(150, missing=0.1)
    counts = np.random.default_rng(1).integers(0, 3, size=len(X))
    resp = np.random.default_rng(2).dirichlet([1, 1], len(X))
    weighted = EMMixture(2, columns=COLUMNS, init_params=resp, max_iter=20, tol=0).fit(
        X, sample_weight=counts
    )
    repeated = EMMixture(
        2, columns=COLUMNS, init_params=np.repeat(resp, counts, axis=0), max_iter=20, tol=0
    ).fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.score_samples(X), repeated.score_samples(X), rtol=1e-7)
    assert weighted.bic(X, counts) == pytest.approx(repeated.bic(np.repeat(X, counts, axis=0)))


def test_threads_and_blocks_change_no_bit():
    X = mixed(9000, missing=0.05)
    given = {"init_params": "random", "max_iter": 3}
    expected = fit(X, n_jobs=1, **given)
    for n_jobs, block_size in ((2, None), (3, 2000)):
        other = fit(X, n_jobs=n_jobs, block_size=block_size, **given)
        np.testing.assert_array_equal(other.score_samples(X), expected.score_samples(X))
        assert other.lower_bounds_ == expected.lower_bounds_


@pytest.mark.core
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_gaussian_block_alone_has_the_bits_of_the_gaussian_mixture(covariance_type, missing):
    X = mixed(missing=missing)[:, :5]
    X = X.astype(np.float32) if covariance_type == "diag" else X
    weight = np.random.default_rng(0).integers(0, 3, size=len(X))
    given = {"acceleration": "squarem", "tol": 1e-6, "random_state": 3}
    one = EMGaussianMixture(3, covariance_type=covariance_type, **given).fit(X, None, weight)
    other = EMMixture(3, columns=[(covariance_type, slice(None))], **given).fit(X, None, weight)
    (entry,) = other.parameters_
    np.testing.assert_array_equal(other.weights_, one.weights_)
    np.testing.assert_array_equal(entry["means"], one.means_)
    np.testing.assert_array_equal(entry["covariances"], one.covariances_)
    assert other.lower_bounds_ == one.lower_bounds_
    np.testing.assert_array_equal(other.score_samples(X), one.score_samples(X))
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    assert other.n_parameters() == one.n_parameters()
    assert other.bic(X) == one.bic(X)


@pytest.mark.parametrize("covariance_type", ["tied", "spherical", "VEI", "EEV"])
def test_every_structure_beside_categories(covariance_type):
    X = mixed(missing=0.1)
    blocks = {covariance_type: [0, 1, 2], "categorical": [5, 6]}
    X = X[:, [0, 1, 2, 5, 6]]
    blocks = {covariance_type: [0, 1, 2], "categorical": [3, 4]}
    mixture = fit(X, 2, list(blocks.items()), max_iter=5)
    if covariance_type == "tied":
        entry = mixture.parameters_[0]
        entry["covariances"] = np.broadcast_to(entry["covariances"], (2, 3, 3))
    model = mixture.weights_, mixture.parameters_, list(blocks.values()), X
    expected = log_density(*model)
    if covariance_type == "tied":
        entry["covariances"] = entry["covariances"][0]
    np.testing.assert_allclose(mixture.score_samples(X), expected, rtol=1e-9)


def test_narrow_components_far_away_lose_no_digits():
    X = mixed()[:, [0, 1, 2, 5, 6]]
    X[:, :3] = 1e3 + 1e-4 * X[:, :3] + (X[:, [3]] == 0)
    blocks = {"diag": [0, 1, 2], "categorical": [3, 4]}
    mixture = fit(X, 2, list(blocks.items()), max_iter=20, resolution=None, reg_covar=1e-12)
    model = mixture.weights_, mixture.parameters_, list(blocks.values()), X
    np.testing.assert_allclose(mixture.score_samples(X), log_density(*model), rtol=1e-6)


def test_partial_fit_with_gaps_in_later_batches():
    X, gappy = mixed(600), mixed(600, seed=1, missing=0.2)
    stepped = EMMixture(2, columns=COLUMNS, random_state=0)
    for batch in (X[:300], X[300:], gappy[:300], gappy[300:]):
        stepped.partial_fit(batch)
    assert stepped.score(gappy) > fit(X, 1).score(gappy) + 1.0
    fitted = fit(X)
    before = fitted.score(gappy)
    fitted.partial_fit(gappy)
    assert fitted.score(gappy) > before - 0.5
    assert fitted.n_iter_ == 1


def test_warm_start_goes_on():
    X = mixed(missing=0.1)
    whole = fit(X, 3, max_iter=12, tol=0, init_params="kmeans")
    parts = EMMixture(
        3, columns=COLUMNS, random_state=0, max_iter=4, tol=0, init_params="kmeans", warm_start=True
    )
    for _ in range(3):
        parts.fit(X)
    np.testing.assert_allclose(parts.score_samples(X), whole.score_samples(X), rtol=1e-7)


def test_samples_are_of_the_mixture():
    X = mixed(2000)
    mixture = fit(X, tol=1e-6)
    rows, labels = mixture.sample(4000, random_state=0)
    again = EMMixture(2, columns=COLUMNS, init_params=np.eye(2)[labels], tol=1e-6).fit(rows)
    np.testing.assert_allclose(again.weights_, mixture.weights_, atol=0.05)
    for one, other in zip(again.parameters_, mixture.parameters_, strict=True):
        if "rates" in one:
            np.testing.assert_allclose(one["rates"], other["rates"], rtol=0.15)
        if one["kind"] == "bernoulli":
            np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=0.06)
    assert again.score(X) > mixture.score(X) - 0.1


def test_relative_entropy():
    X = mixed(300)
    mixture = fit(X)
    resp = mixture.predict_proba(X)
    entropy = -(resp * np.log(np.maximum(resp, 1e-300))).sum()
    expected = 1 - entropy / (len(X) * np.log(2))
    assert mixture.relative_entropy(X) == pytest.approx(expected)
    assert fit(X, 1).relative_entropy(X) == 1.0


def test_a_fit_that_goes_on_needs_the_same_categories():
    X = mixed()
    mixture = fit(X, warm_start=True)
    other = X.copy()
    other[other[:, 6] == 3, 6] = 7
    with pytest.raises(ValueError, match="Column 6 is of the kind 'categorical' with the categ"):
        mixture.fit(other)


def test_a_thousand_categories():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 1000, 1500), rng.normal(size=1500)])
    X[:500] += [0, 5]
    X[:500, 0] //= 2
    mixture = fit(X, 2, [("categorical", [0]), ("diag", [1])])
    n_categories = len(mixture.parameters_[0]["categories"][0])
    assert n_categories > 500
    assert mixture.n_parameters() == 1 + 2 * (n_categories - 1) + 2 * 2
    model = mixture.weights_, mixture.parameters_, [[0], [1]], X
    # Category numbers are not codes where some are absent.
    codes = np.searchsorted(mixture.parameters_[0]["categories"][0], X[:, 0])
    model = (*model[:3], np.column_stack([codes, X[:, 1]]))
    np.testing.assert_allclose(mixture.score_samples(X), log_density(*model), rtol=1e-9)


def test_a_component_whose_counts_vary_little_is_a_poisson_distribution():
    # The likelihood of a negative binomial rises up to that of the Poisson distribution there.
    X = np.array([0.0, 5, 1, 7, 0, 4, 2, 6] * 5)[:, None]
    resp = np.tile(np.eye(2), (20, 1))
    columns = [("negative_binomial", [0])]
    mixture = EMMixture(2, columns=columns, init_params=resp, pseudo_count=0.0).fit(X)
    (entry,) = mixture.parameters_
    means, (size, limit) = entry["means"][:, 0], entry["sizes"][:, 0]
    assert np.isfinite(size)
    assert np.isinf(limit)
    each = nbinom(size, size / (size + means[0])).pmf(X), poisson(means[1]).pmf(X)
    density = np.hstack(each) @ mixture.weights_
    np.testing.assert_allclose(mixture.score_samples(X), np.log(density), rtol=1e-12)
    assert np.isfinite(mixture.sample(5)[0]).all()
