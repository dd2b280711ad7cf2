"""Fully connected networks: one flat vector of parameters, forwards and backwards.

Layer l has weights W of shape (sizes[l], sizes[l + 1]) and a bias b of shape (sizes[l + 1],), and
computes ``x W + b``; all layers but the last are followed by the activation. The vector holds W
and b of each layer in turn, the gradient has the same layout. Matrix products are BLAS's.
"""

import numpy as np

from skem.kernels.activations import activate, multiply_slope
from skem.kernels.jit import each, kernel


@kernel
def add_bias(values, bias):
    """Add ``bias`` (n_out,) to each row of ``values`` (n_rows, n_out)."""
    for i in range(values.shape[0]):
        row = values[i]
        for j in each(bias.size):
            row[j] += bias[j]


@kernel
def sum_rows(values, total):
    """Write the sum of the rows of ``values`` (n_rows, n_out) to ``total`` (n_out,)."""
    for j in each(total.size):
        total[j] = values[0][j]
    for i in range(1, values.shape[0]):
        row = values[i]
        for j in each(total.size):
            total[j] += row[j]


@kernel
def forward(parameters, sizes, activation, x, space):
    """Compute a network's output for rows.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    sizes : ndarray of shape (n_layers + 1,), int64
        Widths of input, hidden layers and output.
    activation : int
        See `skem.kernels.activations`.
    x : ndarray of shape (n_rows, sizes[0]), C-ordered
    space : ndarray of shape (>= n_rows * (3 * n_hidden + sizes[-1]),)
        For each hidden layer what comes before the activation, what comes after it, and room
        for its gradient; then the output. `backward` reads it.

    Returns
    -------
    output : ndarray of shape (n_rows, sizes[-1])
        In ``space``.
    """
    n_rows, n_layers = x.shape[0], sizes.size - 1
    at, free = 0, 0
    values = x
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        weights = parameters[at : at + n_in * n_out].reshape((n_in, n_out))
        at += n_in * n_out
        size = n_rows * n_out
        before = space[free : free + size]
        out = before.reshape((n_rows, n_out))
        np.dot(values, weights, out)
        add_bias(out, parameters[at : at + n_out])
        at += n_out
        values = out
        if layer < n_layers - 1:
            after = space[free + size : free + 2 * size]
            activate(activation, before, after)
            values = after.reshape((n_rows, n_out))
            free += 3 * size
    return values


@kernel
def backward(
    parameters, gradient, sizes, activation, x, space, output_gradient, input_gradient, decay
):
    """Compute the gradient of a loss from its gradient at a network's output.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    gradient : ndarray of shape (n_parameters,)
        Receives the gradient, plus ``decay`` times the weights (not the biases).
    sizes, activation, x, space
        As for `forward`, which has been called with them.
    output_gradient : ndarray of shape (n_rows, sizes[-1])
    input_gradient : ndarray of shape (n_rows, sizes[0]) or (0, sizes[0])
        Receives the gradient at ``x``, unless it has no rows.
    decay : float
        Of the dtype of the parameters.
    """
    n_rows, n_layers = x.shape[0], sizes.size - 1
    at, free = parameters.size, 0
    for layer in range(1, n_layers):
        free += 3 * n_rows * sizes[layer]
    flow = output_gradient
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        sum_rows(flow, gradient[at - n_out : at])
        at -= n_out + n_in * n_out
        weights = parameters[at : at + n_in * n_out]
        weights_gradient = gradient[at : at + n_in * n_out]
        size = n_rows * n_in
        if layer > 0:
            free -= 3 * size
            after = space[free + size : free + 2 * size]
            values = after.reshape((n_rows, n_in))
            below = space[free + 2 * size : free + 3 * size].reshape((n_rows, n_in))
        else:
            values, below = x, input_gradient
        np.dot(values.T, flow, weights_gradient.reshape((n_in, n_out)))
        if decay > 0:
            for i in each(weights.size):
                weights_gradient[i] += decay * weights[i]
        if below.shape[0] > 0:
            np.dot(flow, weights.reshape((n_in, n_out)).T, below)
            if layer > 0:
                before = space[free : free + size]
                multiply_slope(activation, before, after, below.reshape(size))
        flow = below
