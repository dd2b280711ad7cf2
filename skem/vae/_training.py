"""The one training loop: epochs of steps, until nothing improves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._evaluation import mean_terms
from skem.vae._gradient import Steps
from skem.vae._model import Model, Terms
from skem.vae._rows import Rows

__all__ = ["Curves", "Schedule", "State", "renew_latent", "run_epoch", "train"]

Floats: TypeAlias = NDArray[np.floating]

# Rows whose codes a latent looks at after an epoch.
_LOOKED_AT = 2048


@dataclass
class State:
    """Where training stands: all that it needs to go on with the same bits.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    moments : ndarray of shape (n_moments, n_parameters)
        What the optimiser remembers.
    seed : int
        Of the order of rows; rows and noise have their own.
    step, epoch : int
        How many there have been.
    """

    parameters: Floats
    moments: Floats
    seed: int
    step: int = 0
    epoch: int = 0

    def copy(self) -> State:
        """Return an independent copy."""
        return State(self.parameters.copy(), self.moments.copy(), self.seed, self.step, self.epoch)

    def is_finite(self) -> bool:
        """Say whether training can go on: with an infinite moment a parameter stays for good."""
        return bool(np.isfinite(self.parameters).all() and np.isfinite(self.moments).all())

    def restore(self, other: State) -> None:
        """Go back to a copy's parameters and moments; the counts stay."""
        self.parameters[:] = other.parameters
        self.moments[:] = other.moments


class Schedule(NamedTuple):
    """When training ends.

    Attributes
    ----------
    max_epochs : int
    tol : float
        An improvement of the loss by less counts as none, in nats.
    patience : int
        Epochs without improvement after which training ends.
    beta : float
        Factor of the divergence, reached after ``warmup`` steps in a straight line.
    warmup : int
    """

    max_epochs: int
    tol: float
    patience: int
    beta: float
    warmup: int

    def factor(self, step: int) -> float:
        """Return the divergence's factor at step 1, 2, ..."""
        return self.beta * min(1.0, step / self.warmup) if self.warmup else self.beta


@dataclass
class Curves:
    """What happened in a run.

    Attributes
    ----------
    loss : list of float
        Mean loss of each epoch, in the network's units.
    validation : list of float
        Loss of the held-out rows after each epoch, if there are any.
    converged, diverged : bool
    """

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    converged: bool = False
    diverged: bool = False


# What overflows ends training, and the user hears of it in words.
@np.errstate(over="ignore", invalid="ignore")
def run_epoch(steps: Steps, state: State, schedule: Schedule) -> float:
    """Visit all rows once, in random order; return the mean loss, which may be not finite."""
    n_rows = len(steps.rows)
    order = np.random.default_rng([state.seed, state.epoch]).permutation(n_rows)
    total = 0.0
    for a in range(0, n_rows, steps.batch_size):
        chosen = order[a : a + steps.batch_size]
        state.step += 1
        beta = schedule.factor(state.step)
        terms: Terms = steps.take(state.parameters, state.moments, chosen, state.step, beta)
        total += terms.loss * len(chosen)
        if not math.isfinite(total):
            break
    state.epoch += 1
    if math.isfinite(total):
        renew_latent(steps.model, state, steps.rows)
    return total / n_rows


def renew_latent(model: Model, state: State, rows: Rows) -> None:
    """Let a latent with parameters of its own look at the codes of some rows.

    Of different rows, in an order that is their own: a row of weight 2 is the row twice.
    """
    if not model.latent.n_parameters:
        return
    rng = np.random.RandomState([state.seed, state.epoch])
    _, first, group = np.unique(rows.keys, return_index=True, return_inverse=True)
    weights = np.bincount(group, rows.weights).astype(np.float64)
    some = rng.permutation(len(first))[:_LOOKED_AT]
    chosen = first[some]
    encoder, _, _, own = model.split(state.parameters)
    x = rows.take(chosen)[0]
    head = model.encoder.forward(encoder, x, model.encoder.space(len(x), model.dtype))
    if np.isfinite(head).all():
        model.latent.renew(own, head, weights[some], rng)


def train(
    steps: Steps,
    state: State,
    schedule: Schedule,
    held_out: Rows | None,
    after_epoch: Callable[[State, Curves], bool],
) -> Curves:
    """Train in place until the loss stops falling, ``max_epochs`` are over, or it diverges.

    The loss is that of the held-out rows if there are any, and then the best parameters are
    restored at the end. No loss counts in which the divergence has less than its whole factor:
    that of an epoch of training in which the warm-up ends neither, that of the held-out rows after
    it does. After an epoch with a loss that is not finite, the parameters from before it are
    restored, and training ends.

    Parameters
    ----------
    steps : Steps
    state : State
    schedule : Schedule
    held_out : Rows or None
    after_epoch : callable
        ``after_epoch(state, curves)`` returns whether to stop.

    Returns
    -------
    curves : Curves
    """
    curves = Curves()
    best, idle = np.inf, 0
    best_state: State | None = None
    before = state.copy()
    for _ in range(schedule.max_epochs):
        before.restore(state)
        first_step = state.step + 1
        loss = run_epoch(steps, state, schedule)
        watched = loss
        if held_out is not None and np.isfinite(loss):
            watched = mean_terms(
                steps.model, state.parameters, held_out, schedule.beta, steps.threads
            ).loss
        if not (np.isfinite(watched) and state.is_finite()):
            curves.diverged = True
            state.restore(before)
            break
        curves.loss.append(loss)
        if held_out is not None:
            curves.validation.append(watched)
        stop = after_epoch(state, curves)
        # The first step whose divergence is in the loss that is watched.
        counted = first_step if held_out is None else state.step
        if counted >= schedule.warmup:
            idle = 0 if watched < best - schedule.tol else idle + 1
            if watched < best:
                best = watched
                best_state = state.copy() if held_out is not None else None
        if idle >= schedule.patience:
            curves.converged = True
            break
        if stop:
            break
    if best_state is not None:
        state.restore(best_state)
    return curves
