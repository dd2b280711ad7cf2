"""The whole objective's gradient against finite differences, for each of its parts."""

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error

from skem.engine import Threads
from skem.vae import _fused, _gradient
from skem.vae._categorical import CategoricalLatent
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
from skem.vae._optimisers import Adam, Momentum
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


def _train(model, X, batch_size=50, n_epochs=2, optimiser=None, alone=False, weights=None):
    """Parameters after some epochs, and the sums of losses."""
    rows = make_rows(X, weights, measure(X, weights, one_scale=True), model.dtype, 0)
    parameters = model.initialise(np.random.RandomState(0))
    moments, totals = np.zeros((2, parameters.size), model.dtype), []
    n_batches = -(-len(rows) // batch_size)
    with Threads(2) as threads:
        steps = Steps(model, rows, optimiser or Adam(0.01), threads, batch_size, 0.5)
        if alone:
            steps._fused = None
        for epoch in range(n_epochs):
            order = np.random.default_rng(epoch).permutation(len(rows))
            betas = np.linspace(0.1, 1.0, n_batches)
            step = epoch * n_batches
            totals.append(steps.visit(parameters, moments, order, step, betas))
    return steps, parameters, totals


@pytest.mark.parametrize("latent", [GaussianLatent(2), GaussianLatent(3, 2), CategoricalLatent(3)])
def test_shards_add_up_to_the_batch(monkeypatch, latent):
    model = make_model(SharedVariance(), latent, (6, 5))
    results = []
    for least in (10**9, 1):
        monkeypatch.setattr(_gradient, "_LEAST_WORK", least)
        results.append(_train(model, curve(200, D), 200))
    (one, whole, total), (many, parts, others) = results
    assert (one.n_shards, many.n_shards) == (1, min(8, 3 * latent.n_samples))
    np.testing.assert_allclose(others, total, rtol=1e-12)
    np.testing.assert_allclose(parts, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimiser", [Adam(0.01), Momentum(0.01)])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_steps_in_one_call_have_the_bits_of_single_ones(likelihood, optimiser, dtype, monkeypatch):
    monkeypatch.setattr(_fused, "_BYTES", 3 * 50 * D * np.dtype(dtype).itemsize)
    chosen = LIKELIHOODS[likelihood]
    if likelihood == "known":
        chosen = KnownVariance(chosen.log_variance.astype(dtype))
    model = make_model(chosen, GaussianLatent(3, 2, 0.05), (6, 5), dtype=dtype)
    X = curve(220, D).astype(dtype)
    X = (X > 0).astype(dtype) if likelihood == "bernoulli" else X
    weights = np.arange(220) % 3.0
    fused, parameters, totals = _train(model, X, optimiser=optimiser, weights=weights)
    assert fused._fused.at_once == 3
    _, expected, losses = _train(model, X, optimiser=optimiser, weights=weights, alone=True)
    np.testing.assert_array_equal(parameters, expected)
    np.testing.assert_allclose(totals, losses, rtol=1e-12)


def test_a_loss_that_is_not_finite_ends_an_epoch():
    model = make_model(KnownVariance(np.array([-700.0])), GaussianLatent(2))
    with np.errstate(over="ignore", invalid="ignore"):
        totals = [
            _train(model, curve(200, D), 20, 1, Momentum(1e300), alone=alone)[2][0]
            for alone in (True, False)
        ]
    assert not np.isfinite(totals).any()


@pytest.mark.parametrize(
    ("n_rows", "n_parameters", "expected"),
    [(128, 20_000, 1), (128, 651_000, 2), (100, 10**9, 1), (10_000, 10**6, 8), (1, 10**12, 1)],
)
def test_number_of_shards(n_rows, n_parameters, expected):
    assert count_shards(n_rows, n_parameters) == expected
