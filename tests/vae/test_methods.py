"""Codes, scores and samples of a fitted autoencoder."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skem import VAE, VQVAE, CategoricalVAE, EMGaussianMixture, InfoVAE
from vae.tables import SMALL, bits, curve, fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", params=["gaussian", "bernoulli"])
def fitted(request):
    X = curve(80) if request.param == "gaussian" else bits(80)
    return fit(X, max_epochs=40, hidden_layer_sizes=(16,), learning_rate_init=1e-2), X


def test_codes_are_posterior_means(fitted):
    vae, X = fitted
    mean, std = vae.encode(X, return_std=True)
    np.testing.assert_array_equal(mean, vae.transform(X))
    np.testing.assert_array_equal(mean, vae.encode(X))
    assert (std > 0).all()
    kl = 0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std))
    np.testing.assert_allclose(kl.sum(axis=1), vae.elbo(X).divergence, rtol=1e-8)
    np.testing.assert_allclose(kl.mean(axis=0), vae.kl_per_dimension_, rtol=1e-8)
    assert vae.n_active_units_ == np.count_nonzero(mean.var(axis=0) > 0.01) > 0


def test_reconstructions(fitted):
    vae, X = fitted
    rows = vae.reconstruct(X)
    np.testing.assert_array_equal(rows, vae.inverse_transform(vae.transform(X)))
    assert np.square(rows - X).mean() < 0.8 * X.var(axis=0).mean()
    if vae.likelihood_ == "bernoulli":
        assert ((rows >= 0) & (rows <= 1)).all()


def test_a_score_is_a_function_of_the_row(fitted):
    vae, X = fitted
    scores = vae.score_samples(X)
    np.testing.assert_array_equal(vae.score_samples(X), scores)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(vae.score_samples(X[order]), scores[order], rtol=1e-12)
    np.testing.assert_allclose(vae.score_samples(X[7:8]), scores[7:8], rtol=1e-12)


def test_more_samples_score_higher(fitted):
    vae, X = fitted
    scores = [vae.set_params(n_importance_samples=k).score(X) for k in (5, 100, 1000)]
    vae.set_params(n_importance_samples=20)
    assert scores[0] < scores[1] < scores[2]
    assert vae.elbo(X).elbo.mean() < scores[2]


def test_score_is_the_weighted_mean(fitted):
    vae, X = fitted
    weights = np.random.default_rng(0).uniform(size=len(X))
    scores = vae.score_samples(X)
    assert vae.score(X) == pytest.approx(scores.mean())
    assert vae.score(X, sample_weight=weights) == pytest.approx(np.average(scores, weights=weights))


def test_samples_resemble_the_rows(fitted):
    vae, X = fitted
    rows = vae.sample(4000, random_state=0)
    assert rows.shape == (4000, X.shape[1])
    np.testing.assert_allclose(rows.mean(axis=0), X.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(rows.std(axis=0), X.std(axis=0), atol=0.15)
    if vae.likelihood_ == "bernoulli":
        assert set(np.unique(rows)) == {0.0, 1.0}


def test_samples_go_on(fitted):
    vae, X = fitted
    assert not np.array_equal(vae.sample(3), vae.sample(3))
    np.testing.assert_array_equal(vae.sample(3, random_state=1), vae.sample(3, random_state=1))
    again = fit(X).sample(3)
    np.testing.assert_array_equal(again, fit(X).sample(3))


@pytest.mark.parametrize("noise_variance", ["shared", "per_feature", "network", 0.01])
def test_noise_variances(noise_variance):
    X = 10 * curve(100)
    learned = noise_variance in ("shared", "per_feature")
    networks = {"hidden_layer_sizes": (30,), "learning_rate_init": 1e-2}
    networks["max_epochs"] = 400 if learned else 4
    vae = fit(X, noise_variance=noise_variance, batch_size=100, **networks)
    # At the optimum it is the expected squared error under the posterior.
    mean, std = vae.encode(X, return_std=True)
    draws = mean + std * np.random.default_rng(0).normal(size=(50, *mean.shape))
    errors = [np.square(vae.inverse_transform(z) - X).mean(axis=0) for z in draws]
    residual = np.mean(errors, axis=0)
    if noise_variance == "network":
        assert vae.noise_variance_ is None
    elif noise_variance == 0.01:
        assert vae.noise_variance_ == pytest.approx(0.01, rel=1e-12)
    elif noise_variance == "shared":
        assert isinstance(vae.noise_variance_, float)
        assert vae.noise_variance_ == pytest.approx(residual.mean(), rel=0.1)
    else:
        assert vae.noise_variance_.shape == (5,)
        np.testing.assert_allclose(vae.noise_variance_, residual, rtol=0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise_variance", ["shared", "per_feature", "network", 0.5])
def test_dtypes_are_kept(dtype, noise_variance):
    X = curve(dtype=dtype)
    vae = fit(X, noise_variance=noise_variance)
    assert vae._trained.state.parameters.dtype == dtype
    outputs = [vae.transform(X), vae.reconstruct(X), vae.score_samples(X), vae.sample(3)]
    outputs += list(vae.encode(X, return_std=True))
    assert {output.dtype for output in outputs} == {np.dtype(dtype)}
    # Rows of the other dtype are read as well, and answered in their own.
    other = np.float64 if dtype == np.float32 else np.float32
    assert vae.transform(X.astype(other)).dtype == other


def test_float32_agrees_with_float64():
    X = curve(dtype=np.float32)
    single, double = fit(X), fit(X.astype(np.float64))
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(single.transform(X), double.transform(X), atol=1e-3)


def test_pipeline_with_a_mixture():
    X = curve(100)
    pipe = make_pipeline(StandardScaler(), VAE(2, random_state=0, **SMALL), EMGaussianMixture(2))
    labels = pipe.fit(X).predict(X)
    assert labels.shape == (100,)
    assert np.isfinite(pipe.score(X))


def test_grid_search_over_the_length_of_codes():
    search = GridSearchCV(VAE(random_state=0, **SMALL), {"n_latent": [1, 2]}, cv=2)
    search.fit(curve(80))
    assert search.best_params_["n_latent"] in (1, 2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("n_importance_samples", [1, 2, 3, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_bound_is_above_its_log_likelihood(fitted, n_importance_samples, dtype):
    vae, X = fitted
    vae.set_params(n_importance_samples=n_importance_samples)
    rows = X.astype(dtype)
    gap = vae.score_samples(rows) - vae.elbo(rows).elbo
    vae.set_params(n_importance_samples=SMALL["n_importance_samples"])
    assert gap.min() >= (0 if dtype is np.float64 else -1e-5)
    if n_importance_samples == 1:
        np.testing.assert_allclose(gap, 0, atol=1e-5)
    else:
        assert gap.mean() > 1e-3


def test_the_bound_of_a_linear_decoder_of_one_number_is_exact():
    # Its expectation is one of squares, which the samples' mean and variance give.
    X = curve(80)
    vae = fit(X, n_latent=1, hidden_layer_sizes=(), max_epochs=30, learning_rate_init=0.03)
    mean, std = vae.encode(X, return_std=True)
    origin = vae.inverse_transform(np.zeros((1, 1)))[0]
    weights = vae.inverse_transform(np.eye(1)) - origin
    errors = np.square(X - origin - mean @ weights).sum(axis=1)
    errors += np.square(std) @ np.square(weights).sum(axis=1)
    noise = vae.noise_variance_
    expected = -0.5 * (5 * np.log(2 * np.pi * noise) + errors / noise)
    np.testing.assert_allclose(vae.elbo(X).reconstruction, expected, rtol=1e-9)


def test_scores_are_near_those_of_many_independent_samples():
    X = curve(80)
    vae = fit(X, max_epochs=60, hidden_layer_sizes=(16,), n_importance_samples=100)
    few = vae.score_samples(X)
    many = vae.set_params(n_importance_samples=5_000).score_samples(X[:10])
    np.testing.assert_allclose(few[:10], many, atol=0.15)


FRAMES = [VAE(2, random_state=0, **SMALL)] + [
    make(random_state=0, hidden_layer_sizes=(6,), max_epochs=4, batch_size=16)
    for make in (InfoVAE, CategoricalVAE, VQVAE)
]


@pytest.mark.parametrize("estimator", FRAMES)
def test_frames(estimator):
    X = pd.DataFrame(curve(), columns=list("abcde"), index=np.arange(60) + 7)
    vae = clone(clone(estimator).set_output(transform="pandas")).fit(X)
    name = type(vae).__name__.lower()
    codes = vae.transform(X)
    assert codes.columns[:2].tolist() == [f"{name}0", f"{name}1"]
    assert vae.feature_names_in_.tolist() == list("abcde")
    drawn = vae.sample(3, random_state=1)
    drawn = drawn[0] if isinstance(drawn, tuple) else drawn
    for frame, index in ((vae.inverse_transform(codes), X.index), (vae.reconstruct(X), X.index)):
        assert frame.columns.tolist() == list("abcde")
        assert frame.index.equals(index)
    assert drawn.columns.tolist() == list("abcde")
    rows = vae.reconstruct(X).to_numpy()
    np.testing.assert_array_equal(vae.set_output(transform="default").reconstruct(X), rows)
    assert isinstance(vae.set_output(transform="default").reconstruct(X), np.ndarray)


def test_frames_of_other_kinds():
    X = curve()
    vae = fit(X).set_output(transform="pandas")
    assert vae.sample(2).columns.tolist() == ["x0", "x1", "x2", "x3", "x4"]
    polars = pytest.importorskip("polars")
    frame = vae.set_output(transform="polars").reconstruct(X)
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == ["x0", "x1", "x2", "x3", "x4"]
    with config_context(transform_output="pandas"):
        assert isinstance(fit(X).sample(2), pd.DataFrame)
        assert isinstance(fit(X).set_output(transform="default").sample(2), np.ndarray)
