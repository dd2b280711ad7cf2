"""Optimisers: from a gradient to new parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels

__all__ = ["OPTIMISERS", "Adam", "Momentum", "Optimiser"]

Floats: TypeAlias = NDArray[np.floating]


class Optimiser(Protocol):
    """Takes steps; what it remembers between them are vectors that it is given."""

    n_moments: ClassVar[int]

    def update(self, parameters: Floats, gradient: Floats, moments: Floats, step: int) -> None:
        """Take step number ``step`` (1, 2, ...) in place; any slice of the vectors will do.

        ``moments`` has the shape (n_moments, n_parameters) and starts at zero.
        """


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015), with the paper's decay rates."""

    learning_rate: float
    n_moments: ClassVar[int] = 2

    def update(self, parameters: Floats, gradient: Floats, moments: Floats, step: int) -> None:
        """Take a step."""
        number = parameters.dtype.type
        first_decay, second_decay, epsilon = 0.9, 0.999, 1e-8
        root = math.sqrt(1.0 - second_decay**step)
        rate = self.learning_rate * root / (1.0 - first_decay**step)
        kernels.optimisers.adam(
            parameters,
            gradient,
            moments[0],
            moments[1],
            number(first_decay),
            number(second_decay),
            number(rate),
            number(epsilon * root),
        )


@dataclass(frozen=True)
class Momentum:
    """Stochastic gradient descent with Nesterov's momentum of 0.9."""

    learning_rate: float
    n_moments: ClassVar[int] = 1

    def update(self, parameters: Floats, gradient: Floats, moments: Floats, step: int) -> None:
        """Take a step."""
        number = parameters.dtype.type
        kernels.optimisers.momentum(
            parameters, gradient, moments[0], number(0.9), number(self.learning_rate)
        )


OPTIMISERS: dict[str, type[Adam | Momentum]] = {"adam": Adam, "sgd": Momentum}
