"""When a fit has converged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

__all__ = ["ROUNDING", "Convergence", "Criterion", "nothing_left_to_gain", "small_gain"]

Criterion: TypeAlias = Callable[[Sequence[float], float], bool]
"""``criterion(gains, tol)``: whether iterations with these gains have converged.

Gains and `tol` are in nats per unit of weight."""

# A bound is known to this share of it: one that is lower by less has not fallen.
ROUNDING = 1e-10
# Nats per unit of weight: less is rounding.
_NO_GAIN = 1e-13
# After as many plain iterations since a guess was good, their gains alone tell of convergence.
_PATIENCE = 5


def small_gain(gains: Sequence[float], tol: float) -> bool:
    """Say whether the last gain was below ``tol``."""
    return bool(gains) and abs(gains[-1]) < tol


def nothing_left_to_gain(gains: Sequence[float], tol: float) -> bool:
    """Say whether the last gains, and all that are to be expected, are below ``tol``.

    While a component dies the bound rises slowly, then faster, then all at once, so a small
    gain alone means little. Gains that shrink by a ratio c each time have ``c / (1 - c)``
    times the last one to come (Aitken's extrapolation; Boehning et al. 1994).
    """
    if len(gains) < 2 or max(map(abs, gains[-2:])) >= tol:
        return False
    before, last = gains[-2:]
    if min(before, last) <= _NO_GAIN:
        return True
    ratio = last / before
    return 0.0 < ratio < 1.0 and last * ratio / (1.0 - ratio) < tol


class Convergence:
    """Decides whether a run has converged, from what its iterations gained.

    `tol` is meant of plain iterations: a guess (an iteration from extrapolated statistics) may
    gain little far from the end. But where plain iterations gain little, a guess may still find
    much. So an accelerated run has converged when the last guess changed the bound by less than
    `tol` (or none was good for long), and the plain iterations after it have settled.

    Parameters
    ----------
    criterion : callable
        What tells it from the gains of plain iterations.
    tol : float
        In nats per unit of weight.
    hard : bool, default=False
        Whether assignments are hard: then a run also ends when they have stopped changing.
    accelerated : bool, default=False
        Whether some iterations are guesses.

    Attributes
    ----------
    gains : list of float
        Those of the plain iterations since the last guess that was taken.
    """

    def __init__(
        self, criterion: Criterion, tol: float, *, hard: bool = False, accelerated: bool = False
    ) -> None:
        self.criterion, self.tol = criterion, tol
        self.hard, self.accelerated = hard, accelerated
        self.gains: list[float] = []
        self._confirmed = self._undone = False

    def reached(self) -> bool:
        """Say whether the run has converged."""
        if self._undone:
            return True
        asked = not self.accelerated or self._confirmed or len(self.gains) >= _PATIENCE
        settled = self.criterion(self.gains, self.tol) or (self.hard and self._stuck())
        return asked and bool(settled)  # gains may be NumPy's, and so may what compares them

    def _stuck(self) -> bool:
        """Say whether hard assignments stopped changing: each change but the start's gains."""
        return len(self.gains) > 1 and self.gains[-1] <= 0.0

    def resume(self, gains: Sequence[float]) -> None:
        """Go on where an earlier run of the same rows ended, with these gains."""
        self.gains = list(gains)

    def record_plain(self, gain: float, taken: bool) -> None:
        """Take notice of an iteration; one that lowers the bound is not taken and ends the run."""
        self.gains.append(gain)
        self._undone = not taken

    def record_guess(self, gain: float, taken: bool) -> None:
        """Take notice of a guess, and whether it was good enough to be taken."""
        self._confirmed = abs(gain) < self.tol
        if taken:
            self.gains.clear()
