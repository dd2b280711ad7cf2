"""What `fit` and `partial_fit` of an autoencoder do, from checked rows to attributes."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skem._callbacks import root_task
from skem.engine import Threads, count_threads
from skem.vae._diagnosis import diagnose, messages
from skem.vae._gradient import Steps
from skem.vae._latents import Latent
from skem.vae._linear_start import start_linear
from skem.vae._model import Model
from skem.vae._optimisers import OPTIMISERS
from skem.vae._record import Data, Settings, Trained
from skem.vae._rows import Rows, hold_out, make_rows
from skem.vae._setup import find_likelihood, make_model
from skem.vae._training import Best, Curves, Schedule, State, renew_latent, run_epoch, train
from skem.vae._units import Units

__all__ = ["Outcome", "fit", "step"]

Array: TypeAlias = NDArray[np.float64]

# What "auto" stands for: at least so many epochs, and at least so many steps.
_LEAST_EPOCHS, _LEAST_STEPS = 200, 20_000
_LEAST_PATIENCE, _LEAST_IDLE_STEPS = 10, 500
# Fewer different rows than these are all trained on.
_LEAST_ROWS = 5


class Outcome(NamedTuple):
    """What a fit leaves for later, its public attributes, and what the user is warned of."""

    trained: Trained
    attributes: dict[str, Any]
    messages: list[str]


def _begin(settings: Settings, latent: Latent, data: Data) -> Trained:
    """Make a model for rows, with random parameters."""
    rng = check_random_state(settings.random_state)
    kind = find_likelihood(settings, data.X, data.weights)
    units = kind.measure(data.X, data.weights)
    dtype = data.X.dtype
    model = make_model(settings, latent, kind, units, dtype)
    seed, order = (int(number) for number in rng.randint(2**31 - 1, size=2))
    parameters = model.initialise(np.random.RandomState(rng.randint(2**31 - 1)))
    moments = np.zeros((OPTIMISERS[settings.solver].n_moments, len(parameters)), dtype)
    state = State(parameters, moments, order)
    return Trained(model, units, state, seed, _sampler(seed, state))


def _go_on(
    settings: Settings, latent: Latent, before: Trained, data: Data, *, anew: bool
) -> Trained:
    """Take up what was fitted before; ``anew``: with an optimiser that remembers nothing."""
    kind = find_likelihood(settings, data.X, data.weights, before.model.likelihood)
    model = make_model(settings, latent, kind, before.units, before.model.dtype)
    fitted, wanted = _form(before.model), _form(model)
    changes = [
        f"{part}={wanted[part]!r} instead of {fitted[part]!r}"
        for part in fitted
        if wanted[part] != fitted[part]
    ]
    if changes:
        raise ValueError(
            f"The parameters ask for another model than the fitted one: {', '.join(changes)}. A "
            "fit that goes on (warm_start=True, partial_fit) can't change them. Fit a new "
            "estimator, or set warm_start=False"
        )
    state = before.state.copy()
    n_moments = OPTIMISERS[settings.solver].n_moments
    if anew or n_moments != len(state.moments):
        state.moments = np.zeros((n_moments, len(state.parameters)), model.dtype)
        state.step = 0
    sampler = _sampler(before.seed, state) if anew else before.sampler
    return before._replace(model=model, state=state, sampler=sampler)


def _form(model: Model) -> dict[str, object]:
    """Say what training can't change: the parts' shapes, and what the numbers stand for."""
    return {
        "encoder": model.encoder.widths,
        "decoder": model.decoder.widths,
        "activation": model.encoder.activation,
        "likelihood": model.likelihood.name,
        "noise": type(model.likelihood).__name__,
        "n_parameters": model.sizes,
        "n_latent": getattr(model.latent, "n_latent", model.latent.n_inputs),
    }


def _sampler(seed: int, state: State) -> np.random.RandomState:
    return np.random.RandomState([seed, state.seed])


def _steps(settings: Settings, trained: Trained, rows: Rows, threads: Threads) -> Steps:
    return Steps(
        trained.model,
        rows,
        OPTIMISERS[settings.solver](settings.learning_rate_init),
        threads,
        min(settings.batch_size, len(rows)),
        settings.alpha / float(rows.total_weight),
    )


def _schedule(settings: Settings, rows: Rows) -> Schedule:
    """Resolve what fits the size of the table."""
    steps = -(-len(rows) // settings.batch_size)
    max_epochs, patience = settings.max_epochs, settings.n_iter_no_change
    if max_epochs == "auto":
        max_epochs = max(_LEAST_EPOCHS, -(-_LEAST_STEPS // steps))
    if patience == "auto":
        patience = max(_LEAST_PATIENCE, -(-_LEAST_IDLE_STEPS // steps))
    return Schedule(
        int(max_epochs), settings.tol, int(patience), settings.beta, settings.kl_warmup_steps
    )


def _hold_out(settings: Settings, rows: Rows) -> tuple[Rows, Rows | None]:
    """Split rows into those to train on and, for early stopping, those to watch."""
    wanted = settings.early_stopping
    if wanted == "auto":
        # Whoever says how long to train has no use for rows that tell it.
        wanted = settings.max_epochs == "auto" and len(np.unique(rows.keys)) >= _LEAST_ROWS
    if not wanted:
        return rows, None
    return hold_out(rows, settings.validation_fraction)


def fit(settings: Settings, latent: Latent, before: Trained | None, data: Data) -> Outcome:
    """Train until nothing improves."""
    before = before if settings.warm_start else None
    if before is None:
        trained = _begin(settings, latent, data)
    else:
        trained = _go_on(settings, latent, before, data, anew=True)
    model, units, state = trained.model, trained.units, trained.state
    whole = make_rows(data.X, data.weights, units, model.dtype, trained.seed)
    rows, held_out = _hold_out(settings, whole)
    schedule = _schedule(settings, rows)
    linear = before is None and start_linear(model, state.parameters, rows)
    if before is None:
        renew_latent(model, state, rows)
    metadata = None if data.weights is None else {"sample_weight": data.weights}
    root = root_task(
        settings, schedule.max_epochs, sequential=True, X=data.X, y=data.y, metadata=metadata
    )
    first = state.epoch

    def attributes(curves: Curves, now: Trained) -> dict[str, Any]:
        return _attributes(now, curves, now.state.epoch - first)

    def after_epoch(last: State, curves: Curves) -> bool:
        _report(settings, curves, units)
        now = trained._replace(state=last.copy())
        return root.subtask("epoch").end(lambda: attributes(curves, now) | {"_trained": now})

    with Threads(count_threads(settings.n_jobs)) as threads:
        steps = _steps(settings, trained, rows, threads)
        best = None if held_out is None else Best(steps, state, schedule, held_out)
        curves = train(steps, state, schedule, best, after_epoch)
        cautious = linear and settings.early_stopping == "auto"
        if cautious and best is not None and best.is_chance():
            # The linear model it is, and that in closed form of all rows.
            state.restore(best.start)
            start_linear(model, state.parameters, whole)
        diagnosis = diagnose(model, state.parameters, whole, threads)
    fitted = attributes(curves, trained) | diagnosis.attributes
    root.end(lambda: fitted | {"_trained": trained})
    found = messages(settings, trained, data.columns, curves, diagnosis, schedule)
    return Outcome(trained, fitted, found)


def step(settings: Settings, latent: Latent, before: Trained | None, data: Data) -> Outcome:
    """Visit rows once."""
    if before is None:
        trained = _begin(settings, latent, data)
    else:
        trained = _go_on(settings, latent, before, data, anew=False)
    state = trained.state
    rows = make_rows(data.X, data.weights, trained.units, trained.model.dtype, trained.seed)
    if before is None:
        start_linear(trained.model, state.parameters, rows)
        renew_latent(trained.model, state, rows)
    curves = Curves()
    with Threads(count_threads(settings.n_jobs)) as threads:
        steps = _steps(settings, trained, rows, threads)
        start = state.copy()
        loss = run_epoch(steps, state, _schedule(settings, rows))
        if np.isfinite(loss) and state.is_finite():
            curves.loss.append(loss)
        else:
            curves.diverged = True
            state.restore(start)
        diagnosis = diagnose(trained.model, state.parameters, rows, threads)
    found = messages(settings, trained, data.columns, curves, diagnosis, None)
    attributes = _attributes(trained, curves, state.epoch) | diagnosis.attributes
    return Outcome(trained, attributes, found)


def _attributes(trained: Trained, curves: Curves, n_epochs: int) -> dict[str, Any]:
    volume = trained.units.log_volume
    loss = [value + volume for value in curves.loss]
    validation = [value + volume for value in curves.validation]
    return {
        "likelihood_": trained.model.likelihood.name,
        "noise_variance_": _noise_variance(trained),
        "n_iter_": n_epochs,
        "n_steps_": trained.state.step,
        "converged_": curves.converged,
        "loss_curve_": loss,
        "validation_loss_curve_": validation if validation else None,
    }


def _noise_variance(trained: Trained) -> Any:
    """Return the noise variance in the user's units, if it is the same for all rows."""
    model, scale = trained.model, trained.units.scale
    variance = model.likelihood.constant_variance(model.split(trained.state.parameters)[2])
    if variance is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        values = variance * scale * scale if len(variance) > 1 else variance[0] * scale[0] ** 2
    # Squared units may be out of the range of float64.
    limits = np.finfo(np.float64)
    bounded = np.clip(values, limits.tiny, limits.max)
    return bounded if np.ndim(bounded) else float(bounded)


def _report(settings: Settings, curves: Curves, units: Units) -> None:
    if not settings.verbose:
        return
    words = f"Epoch {len(curves.loss)}, loss = {curves.loss[-1] + units.log_volume:.6f}"
    if curves.validation:
        words += f", validation loss = {curves.validation[-1] + units.log_volume:.6f}"
    print(words)
