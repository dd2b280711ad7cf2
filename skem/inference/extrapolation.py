"""Guesses at the fixed point of a map, from a few of its arguments and values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

__all__ = ["ACCELERATIONS", "Anderson", "Extrapolation", "Squarem"]

Array: TypeAlias = NDArray[np.float64]

_TINY = float(np.finfo(np.float64).tiny)
# A share of the largest eigenvalue: those that are smaller are rounding.
_SMALLEST = 1e-8


class Extrapolation(Protocol):
    """Guesses the fixed point of a map from arguments and what the map makes of them."""

    def propose(self, x: Array, image: Array) -> Array | None:
        """Return a guess now that `image` is known for `x`; None: go on to `image`."""

    def record(self, accepted: bool) -> None:
        """Take notice of whether the last guess was a good one."""

    def forget(self) -> None:
        """Forget all arguments."""

    @property
    def empty(self) -> bool:
        """Say whether no argument is remembered."""


class Squarem:
    """Squared extrapolation by two steps of the map, scheme S3 (Varadhan & Roland 2008).

    With ``r = G(x) - x`` and ``v = G(G(x)) - 2 G(x) + x`` the guess is ``x + 2 a r + a^2 v`` with
    ``a = |r| / |v|``, minus their alpha. A length of 1 is two steps of the map, and the least.
    The largest is doubled where a guess of that length was good, and halved where it was not, as
    in the package of Du & Varadhan (2020). A guess that was good is the next ``x``.
    """

    growth = 2.0

    def __init__(self) -> None:
        self.points: list[Array] = []
        self.longest = self.length = 1.0

    @property
    def empty(self) -> bool:
        """Say whether no argument is remembered."""
        return not self.points

    def propose(self, x: Array, image: Array) -> Array | None:
        """Return a guess at each second argument."""
        self.points.append(x)
        if len(self.points) < 2:
            return None
        first, _ = self.points
        r = x - first
        v = (image - x) - r
        wanted = math.sqrt(r.dot(r)) / max(math.sqrt(v.dot(v)), _TINY)
        self.length = max(1.0, min(self.longest, wanted))
        self.forget()
        return first + 2.0 * self.length * r + self.length**2 * v

    def record(self, accepted: bool) -> None:
        """Adapt the largest length."""
        if self.length == self.longest:
            factor = self.growth if accepted else 1.0 / self.growth
            self.longest = max(1.0, self.longest * factor)

    def forget(self) -> None:
        """Forget all arguments."""
        self.points = []


class Anderson:
    """Anderson acceleration, damped and restarted (Henderson & Varadhan 2019, DAAREM).

    With the residuals ``f = G(x) - x``, the differences X of up to ten successive arguments and F
    of their residuals, the guess is ``G(x) - (X + F) c``. Here ``c`` solves ``X' (f - F c) = 0``
    (type I, Fang & Saad 2009). As `Coordinates` measure by a Fisher information, f is the
    bound's gradient in them (Xu & Jordan 1996), and so ``x - X c`` is the highest point that the
    differences lead to, as in conjugate gradients. Least squares (type II), as in the paper,
    would make the residual short: slow directions, which have next to none, would be lost sight
    of, and the bound would often be lower.

    Damping and restarts are the paper's: a ridge penalty leaves ``c`` a share
    ``1 / (1 + 1.2^(25 - s))`` of its squared length, with s the guesses that were good, less two
    for each that was not; after ten differences they are forgotten.
    """

    order = 10
    base, slowness, backwards = 1.2, 25.0, 2.0

    def __init__(self) -> None:
        # The last argument with its residual, and the differences of all, of length one each.
        self.last: tuple[Array, Array] | None = None
        self.steps: list[Array] = []
        self.changes: list[Array] = []
        self.successes = 0.0

    @property
    def empty(self) -> bool:
        """Say whether no argument is remembered."""
        return self.last is None

    def propose(self, x: Array, image: Array) -> Array | None:
        """Return a guess at each argument but the first."""
        before, residual = self.last, image - x
        self.last = x, residual
        if before is None:
            return None
        step, change = x - before[0], residual - before[1]
        length = max(math.sqrt(step @ step), _TINY)
        self.steps.append(step / length)
        self.changes.append(change / length)
        steps, changes = np.array(self.steps), np.array(self.changes)
        share = 1.0 / (1.0 + self.base ** (self.slowness - self.successes))
        coefficients = _damped_solution(-steps @ changes.T, steps @ residual, share)
        if len(self.steps) >= self.order:
            self.forget()
        guess: Array = image + coefficients @ (steps + changes)
        return guess

    def record(self, accepted: bool) -> None:
        """Adapt the damping."""
        change = 1.0 if accepted else -self.backwards
        self.successes = max(self.successes + change, -self.slowness)

    def forget(self) -> None:
        """Forget all arguments."""
        self.last = None
        self.steps, self.changes = [], []


def _damped_solution(matrix: Array, right: Array, share: float) -> Array:
    """Solve a system that ought to be symmetric and positive-definite, with a ridge penalty.

    The penalty leaves `share` of the squared length of the solution without it. Directions in
    which the matrix is not positive are left out.
    """
    sizes, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    kept = sizes > max(_SMALLEST * sizes[-1], _TINY)
    sizes, vectors = sizes[kept], vectors[:, kept]
    along = right @ vectors
    wanted = share * float(np.square(along / sizes).sum())
    if not wanted > 0.0:
        return np.zeros(len(right))

    pairs = list(zip(along.tolist(), sizes.tolist(), strict=True))  # few: plain numbers are faster

    def excess(log_penalty: float) -> float:
        penalty = math.exp(log_penalty)
        return sum((part / (size + penalty)) ** 2 for part, size in pairs) / wanted - 1.0

    # At the upper end every coefficient is a smaller share of its own than that wanted of all.
    least, most = np.log(_SMALLEST * sizes[0]), np.log(sizes[-1] / np.sqrt(share))
    penalty = np.exp(brentq(excess, least, most, xtol=0.01)) if excess(least) > 0.0 else 0.0
    result: Array = vectors @ (along / (sizes + penalty))
    return result


ACCELERATIONS: dict[str, Callable[[], Extrapolation]] = {
    "anderson": Anderson,
    "squarem": Squarem,
}
