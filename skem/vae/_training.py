"""The one training loop: epochs of steps, until nothing improves."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._evaluation import mean_terms, row_terms
from skem.vae._gradient import Steps
from skem.vae._model import Model
from skem.vae._rows import Rows

__all__ = ["Best", "Curves", "Schedule", "State", "renew_latent", "run_epoch", "train"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Rows whose codes a latent looks at after an epoch.
_LOOKED_AT = 2048
# Samples of held-out rows' codes that their loss is a mean over, at least.
_WATCHED_LINES = 256
# Held-out rows that can tell whether training improves on the linear model.
_LEAST_ROWS = 10
# After s steps the average of weights reaches back over a share s / _SLOW of the epochs so far.
_SLOW, _LONGEST = 40_000, 0.1


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
        A fall of the loss by less in an epoch counts as none, in nats.
    patience : int
        Epochs without such a fall after which training ends.
    beta : float
        Factor of the divergence, reached after ``warmup`` steps in a straight line.
    warmup : int
    """

    max_epochs: int
    tol: float
    patience: int
    beta: float
    warmup: int

    def factors(self, step: int, n_steps: int) -> Array:
        """Return the divergence's factors at steps ``step + 1``, ..., ``step + n_steps``."""
        if not self.warmup:
            return np.full(n_steps, self.beta)
        return self.beta * np.minimum(1.0, np.arange(step + 1, step + n_steps + 1) / self.warmup)


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
    n_batches = -(-n_rows // steps.batch_size)
    betas = schedule.factors(state.step, n_batches)
    total = steps.visit(state.parameters, state.moments, order, state.step, betas)
    state.step += n_batches
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


class Watch:
    """Says when a loss has stopped falling.

    Losses are noisy, and one lucky value must not end training. So what is watched is their mean
    over the last ``patience`` epochs, and it has stopped falling when for as many epochs it was
    never lower than its best value by ``tol`` for each epoch since then. A loss that rose before it
    fell again is above its best value and falls all the same, so the median of the later half of
    these epochs must not be lower by ``tol`` an epoch than that of the earlier half, either. (Of
    the median, because an optimiser's single leaps say nothing of where the loss is going.)

    Parameters
    ----------
    tol : float
    patience : int
    """

    def __init__(self, tol: float, patience: int) -> None:
        self.tol, self.patience = tol, patience
        self._last: deque[float] = deque(maxlen=patience)
        self._sum, self._best, self._idle = 0.0, np.inf, 0

    def settles(self, loss: float) -> bool:
        """Take the loss of one more epoch; say whether it has stopped falling."""
        if len(self._last) == self.patience:
            self._sum -= self._last[0]
        self._last.append(loss)
        self._sum += loss
        mean = self._sum / len(self._last)
        if mean < self._best - self.tol * (self._idle + 1):
            self._best, self._idle = mean, 0
        else:
            self._idle += 1
        return self._idle >= self.patience and not self._falls()

    def _falls(self) -> bool:
        """Say whether the last epochs' losses fall among each other."""
        losses, half = list(self._last), self.patience // 2
        if not half:
            return False
        fall = statistics.median(losses[:half]) - statistics.median(losses[-half:])
        return fall > self.tol * (self.patience - half)


class Best:
    """The loss of held-out rows, with the same noise whenever it is asked for, and its minimum.

    An optimiser whose steps don't become smaller ends in swings about a minimum, which a few
    held-out rows feel more than the gain of many epochs. So their loss is that of an average of the
    weights after each epoch, which is what is restored, too. With polynomial-decay averaging
    (Shamir & Zhang 2013, section 4, where eta is ``1 / r - 1``) it reaches back over a share r of
    the epochs so far: r is s / 40 000 after s steps, as early falls are steep, and at most 0.1.
    Averaging begins where the warm-up ends.

    Parameters
    ----------
    steps : Steps
    state : State
        The start, which is the first to be looked at.
    schedule : Schedule
    held_out : Rows
    """

    def __init__(self, steps: Steps, state: State, schedule: Schedule, held_out: Rows) -> None:
        # With few rows, several samples of each: the less chance decides, the better.
        n_rows = len(np.unique(held_out.keys))
        n_samples = max(steps.model.latent.n_samples, _WATCHED_LINES // n_rows)
        latent = steps.model.latent.sampling(n_samples)
        self._model = replace(steps.model, latent=latent)
        self._rows, self._schedule, self._threads = held_out, schedule, steps.threads
        self.start, self._state, self._loss = state.copy(), state.copy(), np.inf
        self._average, self._n_averaged = state.parameters.copy(), 0
        self.look(state)

    def look(self, state: State) -> float:
        """Return the loss of the averaged parameters, and keep the best ones so far."""
        warm, average = state.step >= self._schedule.warmup, self._average
        self._n_averaged += warm
        finite = state.is_finite()
        # A codebook whose codes start anew has no average, and the networks none without it.
        if self._n_averaged < 2 or self._model.latent.n_parameters or not finite:
            average[:] = state.parameters
        else:
            reach = min(state.step / _SLOW, _LONGEST)
            average += (state.parameters - average) / (1 + reach * (self._n_averaged - 1))
        loss = mean_terms(self._model, average, self._rows, self._schedule.beta, self._threads).loss
        if warm and finite and loss < self._loss:
            self._loss = loss
            self._state.parameters[:], self._state.moments[:] = average, state.moments
        return loss

    def restore(self, state: State) -> None:
        """Go back to the best parameters."""
        if self._loss < np.inf:
            state.restore(self._state)

    def is_chance(self) -> bool:
        """Say whether the best parameters may be better than the start by chance alone.

        Of hundreds of epochs, some look good on a few rows. So less than ten different rows n can't
        tell, and from more of them the gain must be ``10 / n`` standard errors of its mean.
        """
        # A row of weight 2 is the row twice: one observation of the difference.
        _, group = np.unique(self._rows.keys, return_inverse=True)
        gain = self._row_losses(self.start) - self._row_losses(self._state)
        weights = np.bincount(group, self._rows.weights)
        gains = np.bincount(group, self._rows.weights * gain) / weights
        n, share = len(gains), weights / weights.sum()
        mean = float(share @ gains)
        error = float(np.sqrt(np.square(share * (gains - mean)).sum()))
        return n < _LEAST_ROWS or mean <= _LEAST_ROWS / n * error

    def _row_losses(self, state: State) -> Floats:
        terms = row_terms(self._model, state.parameters, self._rows, self._threads)
        return self._schedule.beta * terms.divergence - terms.reconstruction


def train(
    steps: Steps,
    state: State,
    schedule: Schedule,
    best: Best | None,
    after_epoch: Callable[[State, Curves], bool],
) -> Curves:
    """Train in place until the loss stops falling, ``max_epochs`` are over, or it diverges.

    The loss is that of the held-out rows if there are any, and then the best parameters are
    restored at the end, be they those of the start. No loss counts in which the divergence has less
    than its whole factor: that of an epoch of training in which the warm-up ends neither, that of
    the held-out rows after it does. After an epoch with a loss that is not finite, the parameters
    from before it are restored, and training ends.

    Parameters
    ----------
    steps : Steps
    state : State
    schedule : Schedule
    best : Best or None
        Watches the held-out rows, if there are any.
    after_epoch : callable
        ``after_epoch(state, curves)`` returns whether to stop.

    Returns
    -------
    curves : Curves
    """
    curves, watch = Curves(), Watch(schedule.tol, schedule.patience)
    before = state.copy()
    for _ in range(schedule.max_epochs):
        before.restore(state)
        first_step = state.step + 1
        loss = run_epoch(steps, state, schedule)
        watched = loss
        if best is not None and np.isfinite(loss):
            watched = best.look(state)
        if not (np.isfinite(watched) and state.is_finite()):
            curves.diverged = True
            state.restore(before)
            break
        curves.loss.append(loss)
        if best is not None:
            curves.validation.append(watched)
        stop = after_epoch(state, curves)
        # The first step whose divergence is in the loss that is watched.
        counted = first_step if best is None else state.step
        if counted >= schedule.warmup and watch.settles(watched):
            curves.converged = True
            break
        if stop:
            break
    if best is not None:
        best.restore(state)
    return curves
