"""The EM algorithm for any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.em._acceleration import Accelerator
from skem.em._model import CheckedModel, Expected, noting
from skem.em._rows import Blocks
from skem.engine import Threads

__all__ = ["EStep", "Iteration", "Result", "Run", "run_em"]

Array: TypeAlias = NDArray[np.float64]

# A bound is known to this share of it, or of the total weight if that is more: one that is lower
# by less has not fallen.
_ROUNDING = 1e-10


class Result(NamedTuple):
    """What `fit` returns: of several starts, the run with the highest bound.

    Attributes
    ----------
    theta : object
        The parameters, as the model's ``maximise`` returned them; the start, if no iteration was
        made.
    bound : float
        The bound at `theta`, in nats, to a relative 1e-10: the sum over all rows, and the log
        prior if there is one. For a model with an exact E-step, the log-likelihood.
    bounds : list of float
        The bound after each iteration; it never falls.
    converged : bool
        Whether the gains became small enough for `tol`.
    n_iter : int
        Number of iterations, those that were taken back included.
    """

    theta: Any
    bound: float
    bounds: list[float]
    converged: bool
    n_iter: int


class Iteration(NamedTuple):
    """What a callback of `fit` is told after each iteration.

    Attributes
    ----------
    restart : int
        Number of the start, from 0.
    n_iter : int
        Number of the iteration, from 1.
    theta : object
        The parameters so far; not to be changed.
    bound : float
        In nats, over all rows.
    gain : float
        By how much the bound has risen; 0 for an accelerated step that was taken back.
    """

    restart: int
    n_iter: int
    theta: Any
    bound: float
    gain: float


class Run(NamedTuple):
    """A result, and what there is to warn of (empty: nothing)."""

    result: Result
    fall: str


@dataclass(frozen=True)
class EStep:
    """Adds up what a model expects in all blocks, in their order, whichever threads visit them.

    Parameters
    ----------
    model : CheckedModel
    blocks : Blocks
    threads : Threads
    """

    model: CheckedModel
    blocks: Blocks
    threads: Threads

    def __call__(self, theta: Any) -> Expected:
        """Return the statistics, and the bound with the log prior."""
        # How the calling thread treats overflow and the like, all threads do.
        treatment = np.geterr()

        def visit(number: int, space: None) -> Expected:
            note = f"Raised by {self.model.name}.expect in {self.blocks.where(number)}"
            with np.errstate(**treatment), noting(note):
                X, weight = self.blocks[number]
                return self.model.expect(X, theta, weight)

        total: Expected = self.threads.fold_in_order(
            visit, self.model.add, len(self.blocks), space=lambda: None
        )
        return total._replace(bound=total.bound + self.model.log_prior(theta))


class _State(NamedTuple):
    """Parameters, and what an E-step found at them."""

    theta: Any
    expected: Expected


def run_em(
    e_step: EStep,
    theta: Any,
    *,
    max_iter: int,
    tol: float,
    acceleration: str | None,
    after_iteration: Callable[[Iteration], bool],
    restart: int,
) -> Run:
    """Alternate M- and E-steps (Dempster, Laird & Rubin 1977) until the gains are small.

    Parameters
    ----------
    e_step : EStep
    theta : object
        Where to start.
    max_iter : int
    tol : float
        In nats, over all rows.
    acceleration : str or None
        One of `ACCELERATIONS`. A step by it that lowers the bound, or fails, is taken back.
    after_iteration : callable
        The loop ends if it returns True.
    restart : int
        Number of the start, for messages.

    Returns
    -------
    run : Run
    """
    with noting(f"At the parameters that start {restart} begins with"):
        state = _State(theta, e_step(theta))
        layout = state.expected.layout
    accelerator = Accelerator(e_step.model, layout, tol, acceleration)
    highest = state.expected.bound
    weight = float(e_step.blocks.weight.sum())
    bounds: list[float] = []
    fall = ""
    for n_iter in range(1, max_iter + 1):
        with noting(f"In iteration {n_iter} of start {restart}"):
            source = None if n_iter == max_iter else accelerator.guess(state.expected.statistics)
            proposed = _step(e_step, state) if source is None else _try(e_step, state, source)
        gain = -np.inf if proposed is None else proposed.expected.bound - highest
        risen = gain >= -_ROUNDING * max(abs(highest), weight)
        if source is not None:
            accelerator.after_guess(source, gain, risen)
        elif risen:
            accelerator.after_plain(state.expected.statistics, gain)
        else:
            fall = _describe_fall(e_step.model.name, restart, n_iter, highest, gain)
        if risen and proposed is not None:
            state = proposed
            highest = max(highest, state.expected.bound)
        bounds.append(highest)
        news = Iteration(restart, n_iter, state.theta, highest, max(gain, 0.0))
        if fall or after_iteration(news) or accelerator.settled():
            break
    return Run(Result(state.theta, highest, bounds, accelerator.settled(), len(bounds)), fall)


def _step(e_step: EStep, state: _State, source: Array | None = None) -> _State:
    """Make parameters of statistics, those of the state itself or others, and expect anew."""
    layout = state.expected.layout
    statistics = state.expected.statistics if source is None else source
    theta = e_step.model.maximise(layout, statistics, state.theta)
    expected = e_step(theta)
    e_step.model.check_layout(layout, expected.layout)
    return _State(theta, expected)


def _try(e_step: EStep, state: _State, source: Array) -> _State | None:
    """Do the same with statistics that no rows may have; return None where nothing finite comes."""
    try:
        with np.errstate(all="ignore"):
            return _step(e_step, state, source)
    except (ArithmeticError, ValueError):
        return None


def _describe_fall(name: str, restart: int, n_iter: int, before: float, gain: float) -> str:
    return (
        f"The bound fell from {before:.10g} by {-gain:.3g} in iteration {n_iter} of start "
        f"{restart}, which was taken back and ended the run. EM can't lower the bound, so look at "
        f"{name}: expect must return the bound at the theta that it was given, added up over "
        "rows (weights and constants included); maximise must raise it for these statistics; a "
        "log_prior must be the one that maximise takes into account; a gradient step must be "
        "short enough."
    )
