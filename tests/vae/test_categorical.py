"""A category as the code: exact expectations, and the mixture that it is."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, softmax
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from skem import CategoricalVAE
from skem.vae._categorical import CategoricalLatent
from skem.vae._likelihoods import Bernoulli, KnownVariance, NetworkVariance, SharedVariance
from vae.tables import bits, curve, fit
from vae.test_objective import assert_gradient, make_batch, make_model

LIKELIHOODS = [Bernoulli(), KnownVariance(np.zeros(1)), NetworkVariance(), SharedVariance()]
SMALL = {"hidden_layer_sizes": (5,), "max_epochs": 4, "random_state": 0}


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_objective_gradient(likelihood, beta):
    assert_gradient(make_model(likelihood, CategoricalLatent(3)), make_batch(), beta)


def test_the_objective_is_the_enumerated_elbo():
    model, batch = make_model(KnownVariance(np.zeros(1)), CategoricalLatent(3)), make_batch()
    parameters = model.initialise(np.random.RandomState(0))
    terms, head = model.forward(parameters, batch, 1.0, model.space(len(batch.x)))
    q = softmax(head, axis=1)
    decoder = model.split(parameters)[1]
    means = model.decoder.forward(decoder, np.eye(3), model.decoder.space(3, np.float64))
    expected = 0.0
    for i, x in enumerate(batch.x):
        for k in range(3):
            joint = stats.norm.logpdf(x, means[k]).sum() - np.log(3)
            expected -= batch.weights[i] * q[i, k] * (joint - np.log(q[i, k]))
    assert terms.loss == pytest.approx(expected, rel=1e-10)


def _equal_spherical_mixture(X, means, variance, n_iter=300):
    """EM for the means, weights equal, variance known: return mean log-likelihood and labels."""
    for _ in range(n_iter):
        squares = np.square(X[:, None] - means).sum(axis=2)
        scores = -0.5 * (squares / variance + X.shape[1] * np.log(2 * np.pi * variance))
        resp = softmax(scores, axis=1)
        means = resp.T @ X / resp.sum(axis=0)[:, None]
    return (logsumexp(scores, axis=1) - np.log(len(means))).mean(), scores.argmax(axis=1)


def test_a_linear_one_is_a_mixture():
    X, labels = make_blobs(100, centers=4, n_features=3, center_box=(-4, 4), random_state=0)
    linear = {"hidden_layer_sizes": (), "noise_variance": 1.0, "batch_size": 100, "tol": 0.0}
    vae = CategoricalVAE(4, **linear, random_state=0, n_iter_no_change=1000, warm_start=True)
    for rate, max_epochs in ((0.05, 150), (0.005, 100)):
        fit(X, vae.set_params(learning_rate_init=rate, max_epochs=max_epochs))
    centres = np.array([X[labels == k].mean(axis=0) for k in range(4)])
    best, components = _equal_spherical_mixture(X, centres, 1.0)
    assert vae.elbo(X).elbo.mean() == pytest.approx(best, abs=0.01)
    assert vae.score(X) == pytest.approx(best, abs=0.01)
    assert adjusted_rand_score(components, vae.predict(X)) > 0.9
    np.testing.assert_allclose(vae.weights_.sum(), 1)
    assert vae.n_active_units_ == 4


@pytest.fixture(scope="module", params=["gaussian", "bernoulli"])
def fitted(request):
    X = curve() if request.param == "gaussian" else bits()
    return fit(X, CategoricalVAE(3, **SMALL)), X


def test_probabilities(fitted):
    vae, X = fitted
    q = vae.predict_proba(X)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(vae.transform(X), q)
    np.testing.assert_array_equal(vae.predict(X), q.argmax(axis=1))
    np.testing.assert_allclose(vae.weights_, q.mean(axis=0), rtol=1e-12)
    kl = (q * np.log(q)).sum(axis=1) + np.log(3)
    np.testing.assert_allclose(vae.elbo(X).divergence, kl, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(vae.kl_per_dimension_, kl.mean(), rtol=1e-8)


def test_the_likelihood_is_exact(fitted):
    vae, X = fitted
    means = vae.inverse_transform(np.eye(3))
    if vae.likelihood_ == "bernoulli":
        rows = stats.bernoulli.logpmf(X[:, None], means).sum(axis=2)
    else:
        deviation = np.sqrt(vae.noise_variance_)
        rows = stats.norm.logpdf(X[:, None], means, deviation).sum(axis=2)
    expected = logsumexp(rows, axis=1) - np.log(3)
    np.testing.assert_allclose(vae.score_samples(X), expected, rtol=1e-9)
    assert (vae.elbo(X).elbo <= expected + 1e-9).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_predict():
    X = curve()
    labels = CategoricalVAE(3, **SMALL).fit_predict(X)
    np.testing.assert_array_equal(labels, CategoricalVAE(3, **SMALL).fit(X).predict(X))


def test_samples_of_a_category(fitted):
    vae, _ = fitted
    rows, labels = vae.sample(3000, category=1, random_state=0)
    assert set(labels) == {1}
    np.testing.assert_allclose(rows.mean(axis=0), vae.inverse_transform(np.eye(3))[1], atol=0.1)
    _, labels = vae.sample(3000, random_state=0)
    np.testing.assert_allclose(np.bincount(labels) / 3000, 1 / 3, atol=0.05)


@pytest.mark.parametrize("category", [-1, 3, 1.5])
def test_a_category_that_is_none(fitted, category):
    with pytest.raises(ValueError, match=rf"category must be .* \[0, 2\], got {category}"):
        fitted[0].sample(category=category)
