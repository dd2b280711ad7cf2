"""Steps of training, one after the other, without the interpreter in between.

For networks so small that calling a dozen kernels from Python takes as long as they do. The latent
is Gaussian, and a batch is not shared among threads.
"""

import math

import numpy as np

from skem.kernels.dense import backward, forward, gradients
from skem.kernels.gaussian_latent import divergence, draw, head_gradient
from skem.kernels.jit import each, inner_kernel, kernel
from skem.kernels.likelihoods import any_likelihood, move_variances
from skem.kernels.noise import normals
from skem.kernels.optimisers import take_step


@inner_kernel
def differentiate(x, keys, weights, step, beta, objective, networks, parameters, gradient, space):
    """Compute a batch's loss and its gradient.

    Parameters
    ----------
    x : ndarray of shape (n, n_features)
    keys : ndarray of shape (n,), uint64
    weights : ndarray of shape (n,)
        That losses are summed with.
    step : ndarray of shape (1,), uint64
    beta : float
    objective, networks, parameters, gradient, space
        As for `train`.

    Returns
    -------
    loss : float
    """
    n, inner, activation = x.shape[0], space.latent, networks.activation
    n_samples = inner.z.shape[0] // inner.kl.shape[0]
    lines = n * n_samples
    noise, z, z_gradient = inner.noise[:lines], inner.z[:lines], inner.z_gradient[:lines]
    mean, log_variance, deviation = inner.mean[:n], inner.log_variance[:n], inner.deviation[:n]
    kl, at_head = inner.kl[:n], inner.head_gradient[:n]
    line_weights, losses = inner.line_weights[:lines], space.losses[:lines]
    at_output, a = space.output_gradient[:lines], networks.n_encoder
    b = a + networks.n_decoder
    encoder, decoder = parameters[:a], parameters[a:b]

    head = forward(encoder, networks.encoder, activation, x, space.encoder, 0, n)
    normals(keys, step, noise)
    draw(head, noise, mean, log_variance, deviation, z)
    cost = divergence(
        mean, log_variance, deviation, weights, objective.free_bits, kl, inner.divergence
    )
    for s in range(n_samples):
        share = line_weights[s * n :]
        for i in each(n):
            share[i] = weights[i] * (1.0 / n_samples)
    output = forward(decoder, networks.decoder, activation, z, space.decoder, 0, lines)
    any_likelihood(
        objective.noise,
        objective.noise_bounds,
        objective.odds,
        output,
        x,
        line_weights,
        losses,
        at_output,
        gradient[b:],
    )
    backward(
        decoder, networks.decoder, activation, lines, space.decoder, at_output, z_gradient, 0, lines
    )
    head_gradient(
        mean,
        log_variance,
        noise,
        deviation,
        z_gradient,
        weights,
        kl,
        beta,
        objective.free_bits,
        at_head,
    )
    backward(encoder, networks.encoder, activation, n, space.encoder, at_head, space.nothing, 0, n)
    gradients(
        decoder,
        gradient[a:b],
        networks.decoder,
        z,
        space.decoder,
        at_output,
        objective.decay,
        0,
        networks.decoder.size - 1,
    )
    gradients(
        encoder,
        gradient[:a],
        networks.encoder,
        x,
        space.encoder,
        at_head,
        objective.decay,
        0,
        networks.encoder.size - 1,
    )
    return np.dot(losses, line_weights) + beta * cost


@kernel
def train(rows, size, betas, objective, networks, parameters, gradient, optimiser, space):
    """Take a step on each batch of rows, in order, until a loss is not finite.

    Parameters
    ----------
    rows : NamedTuple
        ``x`` (n_rows, n_features), ``keys`` (n_rows,), ``weights`` (n_rows,), and ``step`` (1,),
        the number of the last step, which goes on.
    size : int
        Rows in a batch; the last one may have fewer.
    betas : ndarray of shape (n_batches,)
        Factors of the divergence.
    objective : NamedTuple
        ``noise``, ``noise_bounds`` and ``odds``, as `any_likelihood` reads them; ``free_bits``;
        ``decay``, of the dtype of the parameters.
    networks : NamedTuple
        Widths of both (``encoder``, ``decoder``), lengths of their vectors (``n_encoder``,
        ``n_decoder``), and their ``activation``.
    parameters, gradient : ndarray of shape (n_parameters,)
        Of encoder, decoder and likelihood.
    optimiser : NamedTuple
        ``kind``, ``first``, ``second`` and ``learning_rate``, as for `take_step`.
    space : NamedTuple
        Room for a batch: ``encoder``, ``decoder``, ``losses``, ``output_gradient``,
        ``nothing`` (0, n_features), and ``latent`` with ``noise``, ``z``, ``z_gradient``,
        ``line_weights``, ``mean``, ``log_variance``, ``deviation``, ``kl``, ``divergence`` and
        ``head_gradient``.

    Returns
    -------
    total : float
        Sum of the batches' losses, each times its number of rows.
    """
    total, n_rows, n_features = 0.0, rows.keys.size, rows.x.shape[1]
    end = networks.n_encoder + networks.n_decoder
    moved, own = parameters[:end], parameters[end:]
    first, second = optimiser.first[:end], optimiser.second[:end]
    shares = np.empty(size)
    for batch in range(betas.size):
        a, b = batch * size, min((batch + 1) * size, n_rows)
        weights, share = rows.weights[a:b], shares[: b - a]
        for i in each(b - a):
            share[i] = weights[i] / (b - a)
        rows.step[0] += np.uint64(1)
        loss = differentiate(
            rows.x[a:b],
            rows.keys[a:b],
            share,
            rows.step,
            betas[batch],
            objective,
            networks,
            parameters,
            gradient,
            space,
        )
        total += loss * (b - a)
        if not math.isfinite(total):
            break
        if own.size > 0:
            move_variances(own, gradient[end:], n_features)
        take_step(
            optimiser.kind,
            moved,
            gradient[:end],
            first,
            second,
            optimiser.learning_rate,
            np.int64(rows.step[0]),
        )
    return total
