"""Training starts at probabilistic PCA, whose likelihood SciPy knows."""

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_iris, load_wine

from skem import VAE, CategoricalVAE, InfoVAE
from skem.vae import _linear_start
from skem.vae._gradient import Steps
from skem.vae._linear_start import carry, fit_linear
from skem.vae._networks import Network
from vae.tables import SMALL, curve, fit
from vae.test_linear import log_likelihood, ppca

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# One step that moves nothing but the noise variance.
STILL = {"max_epochs": 1, "learning_rate_init": 1e-12, "n_importance_samples": 50}


@pytest.fixture
def still(monkeypatch):
    monkeypatch.setattr(Steps, "visit", lambda *_: 0.0)


@pytest.mark.parametrize("activation", ["identity", "relu", "silu", "tanh"])
@pytest.mark.parametrize("hidden", [(), (6,), (9, 7, 6)])
@pytest.mark.parametrize(("n_in", "n_out"), [(5, 3), (3, 5)])
def test_networks_carry_a_linear_map(activation, hidden, n_in, n_out):
    rng = np.random.default_rng(0)
    network = Network((n_in, *hidden, n_out), activation)
    parameters = np.empty(network.n_parameters)
    network.initialise(parameters, np.random.RandomState(0))
    matrix, x = rng.normal(size=(n_in, n_out)), 0.1 * rng.normal(size=(20, n_in))
    carry(network, parameters, matrix)[:] = 2.0
    output = network.forward(parameters, x, network.space(20, np.float64))
    close = {"rtol": 0.02, "atol": 0.05} if activation == "tanh" else {"rtol": 1e-12}
    np.testing.assert_allclose(output, 2.0 + x @ matrix, **close)


@pytest.mark.core
@pytest.mark.parametrize("make", [VAE, InfoVAE])
@pytest.mark.parametrize("hidden", [(), (8,), (12, 8)])
@pytest.mark.parametrize("n_latent", [1, 2, 4])
def test_the_start_has_the_likelihood_of_probabilistic_pca(make, hidden, n_latent, still):
    X = 10 * curve(80) + 3
    vae = fit(X, make(n_latent, hidden_layer_sizes=hidden, random_state=0, **STILL))
    weights, variance = ppca(X, n_latent)
    assert vae.noise_variance_ == pytest.approx(variance, rel=1e-6)
    expected = log_likelihood(X, weights, variance, X.mean(axis=0))
    np.testing.assert_allclose(vae.score_samples(X), expected, rtol=1e-6)


def test_weights_are_repeated_rows_there(still):
    X, times = curve(40), np.random.default_rng(0).integers(0, 4, 40)
    weighted = fit(X, VAE(random_state=0, **STILL), sample_weight=times)
    weights, variance = ppca(X.repeat(times, axis=0), 2)
    mean = np.average(X, axis=0, weights=times)
    expected = log_likelihood(X, weights, variance, mean)
    np.testing.assert_allclose(weighted.score_samples(X), expected, rtol=1e-6)


def test_a_known_variance_is_kept():
    X = curve(80)
    vae = fit(X, VAE(noise_variance=0.4, random_state=0, **STILL))
    expected = log_likelihood(X, *ppca(X, 2, 0.4), X.mean(axis=0))
    np.testing.assert_allclose(vae.score_samples(X), expected, rtol=1e-6)


def test_each_feature_starts_with_its_expected_squared_error(still):
    X = curve(200)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    weights, variance = ppca(Z, 2)
    # E (x_j - w_j z)^2 over rows and the posterior of z, by its mean and covariance.
    M = weights.T @ weights + variance * np.eye(2)
    mean = Z @ weights @ np.linalg.inv(M)
    spread = np.einsum("ji,ik,jk->j", weights, variance * np.linalg.inv(M), weights)
    expected = np.square(Z - mean @ weights.T).mean(axis=0) + spread
    vae = fit(X, VAE(noise_variance="per_feature", random_state=0, **STILL))
    np.testing.assert_allclose(vae.noise_variance_, expected * X.var(axis=0), rtol=1e-6)
    assert expected.mean() == pytest.approx(variance)


def test_a_code_as_long_as_the_row_leaves_one_direction_to_the_noise(still):
    X = curve(80)
    for n_latent in (4, 5, 7):
        vae = fit(X, VAE(n_latent, hidden_layer_sizes=(20,), random_state=0, **STILL))
        assert vae.noise_variance_ == pytest.approx(ppca(X, 4)[1], rel=1e-6)
        assert vae.n_active_units_ == 4


def test_a_table_of_lower_rank_has_the_least_noise():
    X = curve(80)[:, [0, 1, 0, 1, 0]]
    model = fit_linear(X.mean(axis=0), np.cov(X.T, bias=True), 2)
    assert model.residual.max() <= 1.1e-6
    for values in model:
        assert np.isfinite(values).all()


@pytest.mark.parametrize("n_hidden", [1, 3])
def test_narrow_networks_start_at_random(n_hidden):
    vae = fit(curve(80), VAE(2, hidden_layer_sizes=(n_hidden,), random_state=0, **STILL))
    assert vae.noise_variance_ != pytest.approx(ppca(curve(80), 2)[1], rel=0.05)
    assert np.isfinite(vae.score(curve(80)))


def test_wide_tables_start_at_random(monkeypatch):
    monkeypatch.setattr(_linear_start, "_MOST_FEATURES", 4)
    vae = fit(curve(80), VAE(2, random_state=0, **STILL))
    assert vae.noise_variance_ != pytest.approx(ppca(curve(80), 2)[1], rel=0.05)
    assert np.isfinite(vae.score(curve(80)))


@pytest.mark.parametrize("noise_variance", ["shared", "per_feature", "network"])
@pytest.mark.parametrize("make", [VAE, CategoricalVAE])
def test_units_of_the_table_do_not_matter(noise_variance, make):
    # One column is constant: it has no unit of its own.
    X = curve(80)
    X[:, 2] = 5.0
    parameters = {"noise_variance": noise_variance, "random_state": 0, **SMALL}
    if make is CategoricalVAE:
        del parameters["n_importance_samples"]
    parameters["max_epochs"] = 100
    plain, small = (fit(rows, make(**parameters)) for rows in (X, 1e-3 * X))
    shift = X.shape[1] * np.log(1e-3)
    # Noise is a function of the values, which differ.
    assert small.score(1e-3 * X) + shift == pytest.approx(plain.score(X), abs=0.3)


@pytest.mark.parametrize("noise_variance", ["per_feature", "network"])
def test_a_constant_column_has_next_to_no_noise(noise_variance):
    X = curve(80)
    X[:, 2] = 5.0
    vae = fit(X, noise_variance=noise_variance, max_epochs=100)
    samples = vae.sample(500, random_state=0)
    # The floor is a thousandth of a standard deviation; the rest is the decoder's.
    assert samples[:, 2].std() < 0.02
    np.testing.assert_allclose(samples[:, 2], 5.0, atol=0.1)
    if noise_variance == "per_feature":
        assert vae.noise_variance_[2] < 1.01e-6 * np.exp(np.log(X.var(axis=0)[[0, 1, 3, 4]]).mean())


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_the_default_is_no_worse_than_probabilistic_pca(load):
    X = load().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    order = np.random.RandomState(0).permutation(len(X))
    train, test = X[order[len(X) // 5 :]], X[order[: len(X) // 5]]
    limit = {"max_epochs": 60, "early_stopping": True}
    vae = VAE(random_state=0, **limit).fit(train)
    linear = log_likelihood(test, *ppca(train, 2), train.mean(axis=0)).mean()
    single = stats.multivariate_normal(np.zeros(X.shape[1])).logpdf(test).mean()
    assert vae.score(test) > linear - 0.05 > single
