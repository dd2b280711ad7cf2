"""What `fit` and `partial_fit` of an autoencoder do, from checked rows to attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skem._callbacks import root_task
from skem.engine import Threads, count_threads
from skem.vae._diagnosis import diagnose, messages
from skem.vae._gradient import Steps
from skem.vae._model import Model
from skem.vae._optimisers import OPTIMISERS
from skem.vae._rows import Rows, make_rows
from skem.vae._setup import find_likelihood, make_model, measure_rows
from skem.vae._standard import Standard
from skem.vae._training import Curves, Schedule, State, renew_latent, run_epoch, train

if TYPE_CHECKING:
    from skem.vae._base import BaseAutoencoder

__all__ = ["Outcome", "Trained", "fit", "step"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class Outcome(NamedTuple):
    """Fitted attributes, and what the user should be warned of."""

    attributes: dict[str, Any]
    messages: list[str]


class Trained(NamedTuple):
    """A model in training or after it, with all that it needs to go on.

    Attributes
    ----------
    model : Model
    standard : Standard
    state : State
    seed : int
        Of the rows' random numbers.
    likelihood : str
        Its name.
    """

    model: Model
    standard: Standard
    state: State
    seed: int
    likelihood: str


def _begin(estimator: BaseAutoencoder, X: Floats, weights: Array | None) -> Trained:
    """Make a model for rows, with random parameters."""
    rng = check_random_state(estimator.random_state)
    name = find_likelihood(estimator, X)
    standard = measure_rows(estimator, name, X, weights)
    model = make_model(estimator, name, standard, X.dtype)
    seed, order = rng.randint(2**31 - 1, size=2)
    parameters = model.initialise(np.random.RandomState(rng.randint(2**31 - 1)))
    moments = np.zeros((OPTIMISERS[estimator.solver].n_moments, len(parameters)), X.dtype)
    return Trained(model, standard, State(parameters, moments, int(order)), int(seed), name)


def _go_on(estimator: BaseAutoencoder, X: Floats, *, anew: bool) -> Trained:
    """Take up what was fitted before; ``anew``: with an optimiser that remembers nothing."""
    trained: Trained = estimator._trained
    name = find_likelihood(estimator, X, trained.likelihood)
    model = make_model(estimator, name, trained.standard, trained.model.dtype)
    fitted, wanted = _form(trained.model, trained.likelihood), _form(model, name)
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
    state = trained.state.copy()
    n_moments = OPTIMISERS[estimator.solver].n_moments
    if anew or n_moments != len(state.moments):
        state.moments = np.zeros((n_moments, len(state.parameters)), model.dtype)
        state.step = 0
    return trained._replace(model=model, state=state, likelihood=name)


def _form(model: Model, likelihood: str) -> dict[str, object]:
    """Say what training can't change: the parts' shapes, and what the numbers stand for."""
    return {
        "encoder": model.encoder.widths,
        "decoder": model.decoder.widths,
        "activation": model.encoder.activation,
        "likelihood": likelihood,
        "noise": type(model.likelihood).__name__,
        "n_parameters": model.sizes,
        "n_latent": getattr(model.latent, "n_latent", model.latent.n_inputs),
    }


def _steps(estimator: BaseAutoencoder, trained: Trained, rows: Rows, threads: Threads) -> Steps:
    return Steps(
        trained.model,
        rows,
        OPTIMISERS[estimator.solver](estimator.learning_rate_init),
        threads,
        min(estimator.batch_size, len(rows)),
        estimator.alpha / float(rows.total_weight),
    )


def _schedule(estimator: BaseAutoencoder) -> Schedule:
    return Schedule(
        estimator.max_epochs,
        estimator.tol,
        estimator.n_iter_no_change,
        estimator.beta,
        estimator.kl_warmup_steps,
    )


def _hold_out(estimator: BaseAutoencoder, trained: Trained, rows: Rows) -> tuple[Rows, Rows | None]:
    """Split rows into those to train on and, for early stopping, those to watch."""
    if not estimator.early_stopping:
        return rows, None
    n_held = int(np.ceil(estimator.validation_fraction * len(rows)))
    if n_held >= len(rows):
        raise ValueError(
            f"validation_fraction={estimator.validation_fraction} leaves no rows to train on where "
            f"n_samples = {len(rows)}. Set early_stopping=False or give more rows"
        )
    order = np.random.RandomState(trained.state.seed).permutation(len(rows))
    return rows.subset(np.sort(order[n_held:])), rows.subset(np.sort(order[:n_held]))


def fit(estimator: BaseAutoencoder, X: Floats, y: object, weights: Array | None) -> Outcome:
    """Train until nothing improves."""
    warm = estimator.warm_start and hasattr(estimator, "_trained")
    trained = _go_on(estimator, X, anew=True) if warm else _begin(estimator, X, weights)
    model, standard, state = trained.model, trained.standard, trained.state
    whole = make_rows(X, weights, standard, model.dtype, trained.seed)
    if not warm:
        renew_latent(model, state, whole)
    rows, held_out = _hold_out(estimator, trained, whole)
    schedule = _schedule(estimator)
    metadata = None if weights is None else {"sample_weight": weights}
    root = root_task(estimator, estimator.max_epochs, sequential=True, X=X, y=y, metadata=metadata)
    first = state.epoch

    def attributes(curves: Curves, last: State) -> dict[str, Any]:
        now = trained._replace(state=last.copy())
        return _attributes(now, curves, last.epoch - first) | {"_sampler": _sampler(now)}

    def after_epoch(last: State, curves: Curves) -> bool:
        _report(estimator, curves, standard)
        return root.subtask("epoch").end(lambda: attributes(curves, last))

    with Threads(count_threads(estimator.n_jobs)) as threads:
        steps = _steps(estimator, trained, rows, threads)
        curves = train(steps, state, schedule, held_out, after_epoch)
        diagnosis = diagnose(model, state.parameters, whole, threads)
    fitted = attributes(curves, state) | diagnosis.attributes
    root.end(lambda: fitted)
    return Outcome(fitted, messages(estimator, trained, curves, diagnosis))


def step(estimator: BaseAutoencoder, X: Floats, weights: Array | None) -> Outcome:
    """Visit rows once."""
    fitted = hasattr(estimator, "_trained")
    trained = _go_on(estimator, X, anew=False) if fitted else _begin(estimator, X, weights)
    state = trained.state
    rows = make_rows(X, weights, trained.standard, trained.model.dtype, trained.seed)
    if not fitted:
        renew_latent(trained.model, state, rows)
    curves = Curves()
    with Threads(count_threads(estimator.n_jobs)) as threads:
        steps = _steps(estimator, trained, rows, threads)
        before = state.copy()
        loss = run_epoch(steps, state, _schedule(estimator))
        if np.isfinite(loss) and state.is_finite():
            curves.loss.append(loss)
        else:
            curves.diverged = True
            state.restore(before)
        diagnosis = diagnose(trained.model, state.parameters, rows, threads)
    attributes = _attributes(trained, curves, state.epoch)
    attributes["loss_curve_"] = [*getattr(estimator, "loss_curve_", []), *attributes["loss_curve_"]]
    attributes |= diagnosis.attributes
    if not fitted:
        attributes["_sampler"] = _sampler(trained)
    return Outcome(attributes, messages(estimator, trained, curves, diagnosis, partial=True))


def _sampler(trained: Trained) -> np.random.RandomState:
    return np.random.RandomState([trained.seed, trained.state.seed])


def _attributes(trained: Trained, curves: Curves, n_epochs: int) -> dict[str, Any]:
    volume = trained.standard.log_volume
    loss = [value + volume for value in curves.loss]
    validation = [value + volume for value in curves.validation]
    return {
        "_trained": trained,
        "likelihood_": trained.likelihood,
        "noise_variance_": _noise_variance(trained),
        "n_iter_": n_epochs,
        "n_steps_": trained.state.step,
        "converged_": curves.converged,
        "loss_curve_": loss,
        "validation_loss_curve_": validation if validation else None,
    }


def _noise_variance(trained: Trained) -> Any:
    """Return the noise variance in the user's units, if it is the same for all rows."""
    model, scale = trained.model, trained.standard.scale
    variance = model.likelihood.constant_variance(model.split(trained.state.parameters)[2])
    if variance is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        values = variance * scale * scale if len(variance) > 1 else variance[0] * scale[0] ** 2
    # Squared units may be out of the range of float64.
    limits = np.finfo(np.float64)
    bounded = np.clip(values, limits.tiny, limits.max)
    return bounded if np.ndim(bounded) else float(bounded)


def _report(estimator: BaseAutoencoder, curves: Curves, standard: Standard) -> None:
    if not estimator.verbose:
        return
    words = f"Epoch {len(curves.loss)}, loss = {curves.loss[-1] + standard.log_volume:.6f}"
    if curves.validation:
        words += f", validation loss = {curves.validation[-1] + standard.log_volume:.6f}"
    print(words)
