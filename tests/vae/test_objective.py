"""The whole objective's gradient against finite differences, for each of its parts."""

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error

from skem.vae._gradient import Steps, count_shards
from skem.vae._latents import Batch, GaussianLatent
from skem.vae._likelihoods import (
    Bernoulli,
    FeatureVariance,
    KnownVariance,
    NetworkVariance,
    SharedVariance,
)
from skem.vae._model import Model
from skem.vae._networks import Network
from skem.vae._rows import make_rows
from skem.vae._units import measure
from vae.tables import curve

D = 4
LIKELIHOODS = {
    "known": KnownVariance(np.array([np.log(0.3)])),
    "shared": SharedVariance(),
    "per_feature": FeatureVariance(),
    "network": NetworkVariance(),
    "bernoulli": Bernoulli(),
}


def make_model(likelihood, latent, hidden=(5,), activation="tanh", dtype=np.float64):
    return Model(
        Network((D, *hidden, latent.n_head), activation),
        Network((latent.n_inputs, *hidden[::-1], likelihood.n_outputs(D)), activation),
        likelihood,
        latent,
        D,
        np.dtype(dtype),
    )


def make_batch(n_rows=6, seed=0):
    rng = np.random.default_rng(seed)
    return Batch(
        rng.uniform(size=(n_rows, D)),
        rng.integers(2**63, size=n_rows).astype(np.uint64),
        rng.uniform(0.1, 1, size=n_rows) / n_rows,
        np.array([7], np.uint64),
    )


def assert_gradient(model, batch, beta, decay=0.0, seed=0):
    parameters = model.initialise(np.random.RandomState(seed))
    parameters += 0.1 * np.random.default_rng(seed).normal(size=parameters.shape)
    space = model.space(len(batch.x))

    def loss(parameters):
        terms = model.forward(parameters, batch, beta, space)[0]
        networks = zip((model.encoder, model.decoder), model.split(parameters)[:2], strict=True)
        weights = [w for network, own in networks for w, _ in network.layers(own)]
        return terms.loss + 0.5 * decay * sum((w**2).sum() for w in weights)

    gradient = np.full_like(parameters, np.nan)
    terms = model.loss_and_gradient(parameters, gradient, batch, beta, decay, space)
    assert terms.loss == pytest.approx(model.forward(parameters, batch, beta, space)[0].loss)
    assert relative_error(gradient, finite_differences(loss, parameters)) < 1e-6


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("latent", [GaussianLatent(2), GaussianLatent(3, 2, 0.05)])
def test_every_likelihood(likelihood, latent):
    assert_gradient(make_model(LIKELIHOODS[likelihood], latent), make_batch(), beta=0.7)


@pytest.mark.parametrize("activation", ["identity", "relu", "silu", "tanh"])
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)])
def test_every_network(hidden, activation):
    model = make_model(SharedVariance(), GaussianLatent(2), hidden, activation)
    assert_gradient(model, make_batch(), beta=1.0, decay=0.3)


def test_weights_count_as_repeated_rows():
    model, batch = make_model(SharedVariance(), GaussianLatent(2)), make_batch()
    parameters = model.initialise(np.random.RandomState(0))
    times = np.array([1, 2, 0, 3, 1, 1])
    weighted = batch._replace(weights=times / 8)
    repeated = Batch(
        batch.x.repeat(times, axis=0), batch.keys.repeat(times), np.full(8, 1 / 8), batch.step
    )
    results = []
    for one in (weighted, repeated):
        gradient = np.empty_like(parameters)
        space = model.space(len(one.x))
        terms = model.loss_and_gradient(parameters, gradient, one, 1.0, 0.0, space)
        results.append((terms.loss, gradient))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-9, atol=1e-14)


class _NoSteps:
    """An optimiser that only looks at the gradient."""

    n_moments = 0

    def update(self, parameters, gradient, moments, step):
        parameters -= gradient


def test_shards_add_up_to_the_batch(monkeypatch):
    from skem.engine import Threads
    from skem.vae import _gradient

    model = make_model(SharedVariance(), GaussianLatent(2))
    X = curve(200, D)
    rows = make_rows(X, None, measure(X, None, one_scale=True), model.dtype, 0)
    start = model.initialise(np.random.RandomState(0))
    moved = []
    for least in (10**9, 1):
        monkeypatch.setattr(_gradient, "_LEAST_WORK", least)
        with Threads(2) as threads:
            steps = Steps(model, rows, _NoSteps(), threads, 200, 0.5)
            parameters = start.copy()
            terms = steps.take(parameters, np.empty((0, start.size)), np.arange(200), 1, 1.0)
        moved.append((steps.n_shards, terms.loss, parameters))
    assert (moved[0][0], moved[1][0]) == (1, 3)
    assert moved[0][1] == pytest.approx(moved[1][1], rel=1e-12)
    np.testing.assert_allclose(moved[0][2], moved[1][2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("n_rows", "n_parameters", "expected"),
    [(128, 20_000, 1), (128, 651_000, 2), (100, 10**9, 1), (10_000, 10**6, 8), (1, 10**12, 1)],
)
def test_number_of_shards(n_rows, n_parameters, expected):
    assert count_shards(n_rows, n_parameters) == expected
