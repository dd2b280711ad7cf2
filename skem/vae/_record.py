"""What goes into a fit, and what it leaves for later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.vae._model import Model
from skem.vae._training import State
from skem.vae._units import Units

__all__ = ["Data", "Settings", "Trained"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]


class Settings(Protocol):
    """The parameters of an estimator that a fit reads; `VAE` says what they mean."""

    hidden_layer_sizes: int | Sequence[int]
    activation: str
    likelihood: str
    noise_variance: str | float
    beta: float
    kl_warmup_steps: int
    solver: str
    learning_rate_init: float
    batch_size: int
    max_epochs: int | Literal["auto"]
    tol: float
    n_iter_no_change: int | Literal["auto"]
    early_stopping: bool | Literal["auto"]
    validation_fraction: float
    alpha: float
    random_state: int | np.random.RandomState | None
    warm_start: bool
    verbose: int | bool
    n_jobs: int | None


class Data(NamedTuple):
    """Checked input of a fit.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
    y : object
        For callbacks alone.
    weights : ndarray of shape (n_samples,), float64, or None
    columns : ndarray of shape (n_features,)
        Names of the columns, or their numbers.
    """

    X: Floats
    y: object
    weights: Array | None
    columns: NDArray[Any]


class Trained(NamedTuple):
    """A model in training or after it, with all that it needs to go on.

    Attributes
    ----------
    model : Model
    units : Units
    state : State
    seed : int
        Of the rows' random numbers.
    sampler : RandomState
        Where `sample` goes on.
    """

    model: Model
    units: Units
    state: State
    seed: int
    sampler: np.random.RandomState
