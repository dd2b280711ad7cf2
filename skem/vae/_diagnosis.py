"""What the code of a trained autoencoder is used for, and what the user should know of it."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import Threads
from skem.vae._evaluation import encode
from skem.vae._model import Model
from skem.vae._record import Settings, Trained
from skem.vae._rows import Rows
from skem.vae._training import Curves, Schedule

__all__ = ["Diagnosis", "diagnose", "messages"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class Diagnosis(NamedTuple):
    """How much the code says.

    Attributes
    ----------
    attributes : dict
        Fitted attributes, as the latent has them.
    collapsed : str
        What to say if the code says nothing; empty if it does say something.
    """

    attributes: dict[str, Any]
    collapsed: str


def diagnose(model: Model, parameters: Floats, rows: Rows, threads: Threads) -> Diagnosis:
    """Look at the codes of rows."""
    head = encode(model, parameters, rows, threads)
    own = model.split(parameters)[3]
    attributes, collapsed = model.latent.diagnose(own, head, rows.weights)
    # Rows that are all alike have one code, and there is nothing that it could say.
    alike = bool((rows.keys == rows.keys[0]).all())
    return Diagnosis(attributes, "" if alike else collapsed)


def messages(
    settings: Settings,
    trained: Trained,
    columns: NDArray[Any],
    curves: Curves,
    diagnosis: Diagnosis,
    schedule: Schedule | None,
) -> list[str]:
    """Say what went wrong, and what to do.

    ``columns`` are the names of X's; there is no schedule that ends after a `partial_fit`.
    """
    found = []
    if curves.diverged:
        found.append(
            f"Training diverged in epoch {trained.state.epoch}: the loss or a weight was no longer "
            "finite. The weights are those from before that epoch. Decrease "
            f"learning_rate_init={settings.learning_rate_init:g}, or standardise X."
        )
    elif diagnosis.collapsed:
        found.append(diagnosis.collapsed)
    found += _constant_columns(trained, columns)
    if schedule is None or curves.diverged:
        return found
    warmup = settings.kl_warmup_steps
    if trained.state.step < warmup:
        found.append(
            f"Training ended after {trained.state.step} steps, before the warm-up of the "
            f"divergence (kl_warmup_steps={warmup}) was over: the model was never trained on the "
            "ELBO. Increase max_epochs or decrease kl_warmup_steps."
        )
    elif not curves.converged and len(curves.loss) == schedule.max_epochs:
        found.append(_unconverged(schedule))
    return found


def _unconverged(schedule: Schedule) -> str:
    words = f"Training did not converge in max_epochs={schedule.max_epochs} epochs: "
    patience = f"n_iter_no_change={schedule.patience}"
    if schedule.max_epochs <= schedule.patience:
        return (
            f"{words}they are too few to tell, as {patience} of them must pass without a fall of "
            "the loss. Increase max_epochs or decrease n_iter_no_change."
        )
    return (
        f"{words}in the last {patience} of them the loss, or its mean over as many, still fell by "
        f"tol={schedule.tol:g} or more an epoch. Increase max_epochs, learning_rate_init or tol."
    )


def _constant_columns(trained: Trained, columns: NDArray[Any]) -> list[str]:
    noiseless = trained.model.likelihood.noiseless(trained.units.constant)
    if not noiseless.any():
        return []
    return [
        f"Column(s) {columns[noiseless].tolist()} of X are constant: their noise variance is the "
        "lowest that is allowed, and densities depend on it. Drop them."
    ]
