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
    n_rows, first = values.shape[0], values.shape[0] % 4
    for j in each(total.size):
        total[j] = 0.0
    for i in range(first):
        row = values[i]
        for j in each(total.size):
            total[j] += row[j]
    # One after the other, but four in each loop: short loops cost more than what they do.
    for i in range(first, n_rows, 4):
        a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
        for j in each(total.size):
            total[j] = total[j] + a[j] + b[j] + c[j] + d[j]


@kernel
def forward(parameters, sizes, activation, x, space, first, last):
    """Compute a network's output for some of the rows.

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
        for its gradient; then the output. `backward` and `gradients` read it.
    first, last : int
        The rows: ``first``, ..., ``last - 1``.

    Returns
    -------
    output : ndarray of shape (last - first, sizes[-1])
        In ``space``.
    """
    n_rows, n_layers = x.shape[0], sizes.size - 1
    at, free = 0, 0
    values = x[first:last]
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        weights = parameters[at : at + n_in * n_out].reshape((n_in, n_out))
        at += n_in * n_out
        size = n_rows * n_out
        before = space[free + first * n_out : free + last * n_out]
        out = before.reshape((last - first, n_out))
        np.dot(values, weights, out)
        add_bias(out, parameters[at : at + n_out])
        at += n_out
        values = out
        if layer < n_layers - 1:
            after = space[free + size + first * n_out : free + size + last * n_out]
            activate(activation, before, after)
            values = after.reshape((last - first, n_out))
            free += 3 * size
    return values


@kernel
def backward(
    parameters, sizes, activation, n_rows, space, output_gradient, input_gradient, first, last
):
    """Carry a loss's gradient from a network's output back to its layers, for some of the rows.

    Parameters
    ----------
    parameters, sizes, activation, space, first, last
        As for `forward`, which has been called with them.
    n_rows : int
        Number of all rows.
    output_gradient : ndarray of shape (n_rows, sizes[-1])
        Of all rows.
    input_gradient : ndarray of shape (last - first, sizes[0]) or (0, sizes[0])
        Receives the gradient at the input, unless it has no rows.
    """
    at, free = parameters.size, 0
    n_layers = sizes.size - 1
    for layer in range(1, n_layers):
        free += 3 * n_rows * sizes[layer]
    flow = output_gradient[first:last]
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        at -= n_out + n_in * n_out
        weights = parameters[at : at + n_in * n_out]
        if layer == 0:
            if input_gradient.shape[0] > 0:
                np.dot(flow, weights.reshape((n_in, n_out)).T, input_gradient)
            return
        size = n_rows * n_in
        free -= 3 * size
        a, b = free + first * n_in, free + last * n_in
        slope = space[a + 2 * size : b + 2 * size]
        below = slope.reshape((last - first, n_in))
        np.dot(flow, weights.reshape((n_in, n_out)).T, below)
        multiply_slope(activation, space[a:b], space[a + size : b + size], slope)
        flow = below


@kernel
def gradients(parameters, gradient, sizes, x, space, output_gradient, decay, first, last):
    """Compute the gradient at the parameters of some of the layers.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    gradient : ndarray of shape (n_parameters,)
        Receives the gradient, plus ``decay`` times the weights (not the biases), in the places of
        these layers.
    sizes, x, space, output_gradient
        As for `backward`, which has been called with them for all rows.
    decay : float
        Of the dtype of the parameters.
    first, last : int
        The layers: ``first``, ..., ``last - 1``.
    """
    n_rows, n_layers = x.shape[0], sizes.size - 1
    at, free = 0, 0
    values = x
    for layer in range(last):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        size = n_rows * n_out
        flow = output_gradient
        if layer < n_layers - 1:
            flow = space[free + 2 * size : free + 3 * size].reshape((n_rows, n_out))
        end = at + n_in * n_out
        if layer >= first:
            out = gradient[at:end]
            np.dot(values.T, flow, out.reshape((n_in, n_out)))
            sum_rows(flow, gradient[end : end + n_out])
            if decay > 0:
                weights = parameters[at:end]
                for i in each(weights.size):
                    out[i] += decay * weights[i]
        if layer < n_layers - 1:
            values = space[free + size : free + 2 * size].reshape((n_rows, n_out))
        at = end + n_out
        free += 3 * size
