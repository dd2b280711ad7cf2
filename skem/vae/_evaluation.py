"""What a trained autoencoder says of rows: codes, bounds, likelihoods. Rows come in chunks.

Random numbers depend on a row, the model's seed and the sample's number alone, so every result
is a function of the row: of no other row, no chunk and no number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from skem.engine import Threads
from skem.vae._latents import Batch
from skem.vae._model import Model, Terms
from skem.vae._rows import Rows

__all__ = ["RowTerms", "encode", "mean_terms", "mixture_terms", "row_terms"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Lines that a decoder gets at once: enough for the matrix products, few for the memory.
_LINES = 4096
# Training counts its steps from 1: these are other random numbers.
_STEP = np.array([2**62], np.uint64)


class RowTerms(NamedTuple):
    """For each row, in nats and the network's units, all (n_rows,)."""

    reconstruction: Array  # expected log-likelihood
    divergence: Array
    log_likelihood: Array  # importance-weighted estimate


def for_chunks(
    rows: Rows, n_samples: int, threads: Threads, visit: Callable[[Batch], Any]
) -> list[Any]:
    """Call ``visit(batch)`` for all rows in chunks; return the answers in order."""
    size = max(1, _LINES // n_samples)
    starts = range(0, len(rows), size)

    def task(number: int, space: None) -> list[Any]:
        first = starts[number]
        x, keys, weights = rows.take(np.arange(first, min(first + size, len(rows))))
        return [visit(Batch(x, keys, weights, _STEP))]

    answers: list[Any] = threads.fold_in_order(task, list.__add__, len(starts), lambda: None)
    return answers


def mean_terms(
    model: Model, parameters: Floats, rows: Rows, beta: float, threads: Threads
) -> Terms:
    """Return the objective's weighted mean over rows."""

    def visit(batch: Batch) -> Terms:
        share = batch._replace(weights=batch.weights / len(rows))
        return model.forward(parameters, share, beta, model.space(len(batch.x)))[0]

    answers = for_chunks(rows, model.latent.n_samples, threads, visit)
    total: Terms = answers[0]
    for terms in answers[1:]:
        total += terms
    return total


def encode(model: Model, parameters: Floats, rows: Rows, threads: Threads) -> Floats:
    """Return the encoder's output for rows, (n_rows, n_head)."""
    encoder = model.split(parameters)[0]

    def visit(batch: Batch) -> Floats:
        space = model.encoder.space(len(batch.x), model.dtype)
        return model.encoder.forward(encoder, batch.x, space)

    return np.concatenate(for_chunks(rows, 1, threads, visit))


def row_terms(model: Model, parameters: Floats, rows: Rows, threads: Threads) -> RowTerms:
    """Compute the terms of each row, with the latent's ``n_samples`` samples of its code.

    The log-likelihood is ``log sum_s p(x | z_s) p(z_s) / q(z_s | x)`` by importance sampling.
    """
    n_lines = model.latent.n_samples

    def visit(batch: Batch) -> RowTerms:
        n_rows = len(batch.x)
        space = model.space(n_rows)
        _, head = model.forward(parameters, batch, 1.0, space)
        inner = space.parts[0].latent
        log_density = -space.losses.reshape(n_lines, n_rows)
        shares = inner.line_weights.reshape(n_lines, n_rows) / batch.weights
        summed = log_density + model.latent.log_shares(head, inner).reshape(n_lines, n_rows)
        reconstruction, divergence = (shares * log_density).sum(axis=0), inner.kl.sum(axis=1)
        # Where all samples say the same, rounding must not put the bound above the likelihood.
        likelihood = np.maximum(logsumexp(summed, axis=0), reconstruction - divergence)
        return RowTerms(reconstruction, divergence, likelihood)

    parts = for_chunks(rows, n_lines, threads, visit)
    return RowTerms(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def mixture_terms(
    model: Model, parameters: Floats, codes: Floats, shares: Array, rows: Rows, threads: Threads
) -> Array:
    """Compute ``log sum_k share_k p(x | code_k)`` of each row (n_rows,).

    Parameters
    ----------
    model : Model
    parameters : ndarray of shape (n_parameters,)
    codes : ndarray of shape (n_codes, n_inputs)
        What the decoder reads, of the model's dtype.
    shares : ndarray of shape (n_codes,)
    rows : Rows
    threads : Threads
    """
    _, decoder, own, _ = model.split(parameters)
    output = model.decoder.forward(decoder, codes, model.decoder.space(len(codes), model.dtype))
    nothing = np.empty((0, output.shape[1]), model.dtype)

    def visit(batch: Batch) -> Array:
        n_rows = len(batch.x)
        lines = np.repeat(output, n_rows, axis=0)
        losses, ones = np.empty(len(lines)), np.ones(len(lines))
        model.likelihood.losses(own, lines, batch.x, ones, losses, nothing, own)
        summed: Array = logsumexp(np.log(shares)[:, None] - losses.reshape(-1, n_rows), axis=0)
        return summed

    return np.concatenate(for_chunks(rows, len(codes), threads, visit))
