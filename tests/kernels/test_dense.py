"""Networks against numpy, and their gradients against finite differences."""

import numpy as np
import pytest
from oracles.differences import finite_differences, relative_error

from skem.vae._networks import ACTIVATIONS, Network


def relu(x):
    return np.maximum(x, 0)


def silu(x):
    return x / (1 + np.exp(-x))


FORMULAS = {"identity": np.positive, "relu": relu, "tanh": np.tanh, "silu": silu}
WIDTHS = [(3, 2), (4, 5, 2), (3, 4, 6, 2), (1, 1, 1)]


def _case(widths, activation, n_rows=5, dtype=np.float64):
    rng = np.random.default_rng(0)
    network = Network(widths, activation)
    parameters = rng.normal(size=network.n_parameters).astype(dtype)
    x = rng.normal(size=(n_rows, widths[0])).astype(dtype)
    return network, parameters, x


def _obvious(network, parameters, x):
    layers = list(network.layers(parameters))
    for number, (weights, bias) in enumerate(layers):
        x = x @ weights + bias
        if number < len(layers) - 1:
            x = FORMULAS[network.activation](x)
    return x


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("n_rows", [1, 5])
def test_output(widths, activation, n_rows):
    network, parameters, x = _case(widths, activation, n_rows)
    output = network.forward(parameters, x, network.space(n_rows, np.float64))
    np.testing.assert_allclose(output, _obvious(network, parameters, x), rtol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS)
def test_gradient(widths, activation):
    network, parameters, x = _case(widths, activation)
    target = np.random.default_rng(1).normal(size=(len(x), widths[-1]))
    decay = 0.7

    def loss(parameters, x):
        weights = sum((layer[0] ** 2).sum() for layer in network.layers(parameters))
        errors = _obvious(network, parameters, x) - target
        return 0.5 * (errors**2).sum() + 0.5 * decay * weights

    space = network.space(len(x), np.float64)
    slope = network.forward(parameters, x, space) - target
    gradient, at_x = np.full_like(parameters, np.nan), np.full_like(x, np.nan)
    network.backward(parameters, space, slope, at_x, slice(0, len(x)))
    layers = slice(0, network.n_layers)
    network.gradients(parameters, gradient, x, space, slope, decay, layers)
    expected = finite_differences(lambda p: loss(p, x), parameters)
    assert relative_error(gradient, expected) < 1e-8
    assert relative_error(at_x, finite_differences(lambda x: loss(parameters, x), x)) < 1e-8


def _gradient(network, parameters, x, parts, tasks, at_x):
    """The gradient of half the squared output, rows in parts and layers in tasks."""
    space, gradient = network.space(len(x), np.float64), np.full_like(parameters, np.nan)
    slope = np.empty((len(x), network.widths[-1]))
    for rows in parts:
        slope[rows] = network.forward(parameters, x, space, rows)
        network.backward(parameters, space, slope, at_x[rows], rows)
    for layers in tasks:
        network.gradients(parameters, gradient, x, space, slope, 0.3, layers)
    return gradient


def test_parts_of_rows_and_single_layers_are_the_whole():
    network, parameters, x = _case((3, 4, 6, 2), "tanh")
    at_x = np.full((2, *x.shape), np.nan)
    whole = _gradient(network, parameters, x, [slice(0, 5)], [slice(0, 3)], at_x[0])
    parts, tasks = [slice(0, 2), slice(2, 5)], [slice(1, 2), slice(2, 3), slice(0, 1)]
    pieces = _gradient(network, parameters, x, parts, tasks, at_x[1])
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)
    np.testing.assert_allclose(*at_x, rtol=1e-12)


def test_no_gradient_at_the_input_on_demand():
    network, parameters, x = _case((4, 5, 2), "relu")
    rows, layers = [slice(0, len(x))], [slice(0, 2)]
    both = _gradient(network, parameters, x, rows, layers, np.empty_like(x))
    alone = _gradient(network, parameters, x, rows, layers, np.empty((0, 4)))
    np.testing.assert_array_equal(both, alone)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float32(activation):
    network, parameters, x = _case((4, 5, 2), activation, dtype=np.float32)
    output = network.forward(parameters, x, network.space(len(x), np.float32))
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, _obvious(network, parameters, x), rtol=1e-4, atol=1e-5)


def test_first_weights_fill_their_range():
    network = Network((400, 100, 3), "relu")
    parameters = np.empty(network.n_parameters)
    network.initialise(parameters, np.random.RandomState(0))
    for weights, bias in network.layers(parameters):
        bound = 1 / np.sqrt(len(weights))
        assert 0.9 * bound < np.abs(weights).max() <= bound
        assert np.abs(bias).max() <= bound
