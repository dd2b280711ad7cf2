"""Optimisers: from a gradient to new parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels

__all__ = ["OPTIMISERS", "Adam", "Momentum", "Optimiser"]

Floats: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True)
class Optimiser:
    """Takes steps; what it remembers between them are vectors that it is given.

    Parameters
    ----------
    learning_rate : float
    """

    learning_rate: float
    n_moments: ClassVar[int]
    code: ClassVar[int]  # what kernels call it

    def update(self, parameters: Floats, gradient: Floats, moments: Floats, step: int) -> None:
        """Take step number ``step`` (1, 2, ...) in place; any slice of the vectors will do.

        ``moments`` has the shape (n_moments, n_parameters) and starts at zero.
        """
        kernels.optimisers.take_step(
            self.code, parameters, gradient, moments[0], moments[-1], self.learning_rate, step
        )


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015), with the paper's decay rates."""

    n_moments = 2
    code = 0


class Momentum(Optimiser):
    """Stochastic gradient descent with Nesterov's momentum of 0.9."""

    n_moments = 1
    code = 1


OPTIMISERS: dict[str, type[Optimiser]] = {"adam": Adam, "sgd": Momentum}
