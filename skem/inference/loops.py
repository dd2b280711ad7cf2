"""The loops around rules and visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple

from skem.families.contract import AnyFamily, Statistics, hasty
from skem.inference.acceleration import Accelerator
from skem.inference.convergence import ROUNDING, Convergence
from skem.inference.passes import Passes
from skem.inference.rules import Rule, Theta, update_summing
from skem.scoring import Scorer

__all__ = ["Earlier", "Run", "batch_em", "blend"]


class Earlier(NamedTuple):
    """Where an earlier run ended, which a run may go on from.

    Attributes
    ----------
    bound : float
        In nats per unit of weight.
    gains : sequence of float
        What its last iterations gained.
    """

    bound: float
    gains: Sequence[float]


class Run(NamedTuple, Generic[Theta]):
    """One run of a loop.

    Attributes
    ----------
    theta : MixtureParameters or MixturePosterior
    bound : float
        The bound at `theta`, in nats per unit of weight, to a relative 1e-10.
    bounds : list of float
        The bound after each iteration; it never falls.
    converged : bool
    n_iter : int
    statistics : Statistics or None
        Those expected at `theta`, where they were asked for.
    gains : list of float
        What the last plain iterations gained; see `Convergence`.
    """

    theta: Theta
    bound: float
    bounds: list[float]
    converged: bool
    n_iter: int
    statistics: Any
    gains: list[float]


class _State(NamedTuple, Generic[Theta]):
    """Parameters, and what an E-step found at them."""

    theta: Theta
    scorer: Scorer
    statistics: Statistics | None
    bound: float


class _Iteration(NamedTuple, Generic[Theta]):
    """A plain iteration that has been made."""

    rule: Rule[Theta]
    before: _State[Theta]
    after: _State[Theta]


@dataclass(frozen=True)
class _Steps(Generic[Theta]):
    """What a run is made of; parameters are those of `batch_em`."""

    passes: Passes
    rule: Rule[Theta]
    keep_statistics: bool
    leave_trail: bool

    def begin(self, theta: Theta, last: bool) -> _State[Theta]:
        """Make the first E-step, or find it on the trail."""
        made = self._made(theta)
        return self.expect(theta, last) if made is None else made.before

    def expect(self, theta: Theta, last: bool) -> _State[Theta]:
        """Make an E-step; after the last one statistics are needed only if they are kept."""
        passes, rule = self.passes, self.rule
        scorer, statistics = rule.scorer(theta), None
        if last and not self.keep_statistics:
            log_normaliser = passes.log_normaliser(scorer)
        else:
            statistics, log_normaliser = passes.expect(rule.family, scorer)
        bound = (log_normaliser + rule.regulariser(theta)) / passes.source.total_weight
        return _State(theta, scorer, statistics, bound)

    def iterate(self, state: _State[Theta], last: bool) -> _State[Theta]:
        """Make a plain iteration, or find it on the trail."""
        made = self._made(state.theta)
        if made is not None:
            return made.after
        after = self.expect(_maximise(self.passes, self.rule, state), last)
        if self.leave_trail and after.statistics is not None:
            # By rule and parameters, which the trail keeps from being other objects.
            key = id(self.rule), id(state.theta)
            self.passes.trail[key] = _Iteration(self.rule, state, after)
        return after

    def _made(self, theta: Theta) -> _Iteration[Theta] | None:
        return self.passes.trail.get((id(self.rule), id(theta)))


def batch_em(
    passes: Passes,
    rule: Rule[Theta],
    theta: Theta,
    *,
    max_iter: int,
    tol: float,
    after_iteration: Callable[[int, Theta, float, float], bool],
    keep_statistics: bool = False,
    leave_trail: bool = False,
    acceleration: str | None = None,
    earlier: Earlier | None = None,
) -> Run[Theta]:
    """Alternate E- and M-steps over all rows (Dempster, Laird & Rubin 1977).

    Or, by the variational rule, updates of the assignments' and the parameters' posteriors
    (Bishop 2006, section 10.2.1): the same steps.

    An iteration is a pair of steps. It is the last one if the rule says that the gains of those
    before have settled; for a point estimate, if the one before gained less than `tol`, so that
    iterations and parameters are those of scikit-learn. One more visit, without statistics, then
    gives the bound of the parameters that are returned.

    The M-step raises the bound, except that `reg_covar` is no part of it and may lower it where
    components are narrow. Such an iteration is undone and ends the loop, unless it costs less
    than a relative 1e-10 of the bound, which is then reported as unchanged. Only the first
    iteration is always taken: the start need not have heard of `reg_covar`.

    With `acceleration` an iteration may start from extrapolated statistics. Where the bound would
    be lower for it, it is undone, and the next one is plain again. Whether gains have settled is
    asked of plain iterations alone, see `Convergence`.

    Parameters
    ----------
    passes : Passes
    rule : Rule
    theta : MixtureParameters or MixturePosterior
        Where to start.
    max_iter : int
    tol : float
        In nats per unit of weight.
    after_iteration : callable
        ``after_iteration(n_iter, theta, bound, gain)``; the loop ends if it returns True.
    keep_statistics : bool, default=False
        Whether to return the statistics expected at the parameters that are returned.
    leave_trail : bool, default=False
        Whether another run by the same passes and rule, if it comes to parameters that this one
        came to (the same object), follows its plain iterations without making them again. Needs
        `keep_statistics`.
    acceleration : str, default=None
        One of `ACCELERATIONS`.
    earlier : Earlier, default=None
        The end of the run that `theta` is from. If it was over the same rows, which the bound
        tells, its last gains count as if the run had not been interrupted.

    Returns
    -------
    run : Run
    """
    own = passes.over(passes.source.distinct)
    # Nobody else has these passes if they are over other rows.
    steps = _Steps(own, rule, keep_statistics, leave_trail and own is passes)
    state = steps.begin(theta, last=max_iter == 0)
    weight = own.source.total_weight
    accelerator = Accelerator(rule, weight, tol, acceleration)
    convergence = Convergence(
        rule.criterion, tol, hard=rule.hard, accelerated=acceleration is not None
    )
    if earlier is not None and abs(state.bound - earlier.bound) <= ROUNDING * abs(state.bound):
        convergence.resume(earlier.gains)
    bounds: list[float] = []
    highest = float("-inf")
    converged = False
    for n_iter in range(1, max_iter + 1):
        converged = convergence.reached()
        last = converged or n_iter == max_iter
        guess = None if last else accelerator.guess(state.theta, state.statistics)
        proposed = steps.iterate(state, last) if guess is None else steps.expect(guess, last)
        gain = proposed.bound - state.bound
        rises = proposed.bound >= highest - ROUNDING * abs(highest)
        for observer in (accelerator, convergence):
            (observer.record_plain if guess is None else observer.record_guess)(gain, rises)
        if rises:
            state = proposed
        elif guess is None:
            converged = convergence.reached()
        else:
            gain = 0.0
        highest = max(highest, state.bound)
        bounds.append(highest)
        if after_iteration(n_iter, state.theta, highest, gain) or converged:
            break
    bound = bounds[-1] if bounds else state.bound
    return Run(
        state.theta, bound, bounds, converged, len(bounds), state.statistics, convergence.gains
    )


def _maximise(passes: Passes, rule: Rule[Theta], state: _State[Theta]) -> Theta:
    """Make the M-step, after one more pass where the E-step's sums lost digits."""
    assert state.statistics is not None

    def sum_by(summer: Scorer) -> Statistics:
        again: Statistics = passes.expect(rule.family, state.scorer, summer).statistics
        return again

    theta, _ = update_summing(rule, state.statistics, state.theta, state.scorer, sum_by)
    return rule.arrange(theta)


def blend(family: AnyFamily, old: Statistics, new: Statistics, rate: float) -> Statistics:
    """Statistics of one step of stepwise EM: ``(1 - rate) old + rate new``.

    Cappé & Moulines 2009, equation 11, on statistics per unit of weight. A family may hasten what
    EM changes slowly (`Hasty`).
    """
    result: Statistics = family.add(family.scale(old, 1.0 - rate), family.scale(new, rate))
    slow = hasty(family)
    return result if slow is None else slow.hasten(old, new, result, rate)
