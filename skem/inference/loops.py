"""The loops around rules and visits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skem.families import GaussianFamily, GaussianStatistics, Scorer
from skem.inference.expectation import Local, Visit
from skem.inference.rules import MixtureParameters, PointRule

__all__ = ["Run", "batch_em", "blend"]

# A bound lower than the highest so far by no more than this share of it has not fallen: sums of
# as many logarithms are no more exact.
_ROUNDING = 1e-10


class Run(NamedTuple):
    """One run of a loop.

    Attributes
    ----------
    theta : MixtureParameters
    bound : float
        The bound at `theta`, in nats per unit of weight.
    bounds : list of float
        The bound after each iteration; it never falls.
    converged : bool
    n_iter : int
    """

    theta: MixtureParameters
    bound: float
    bounds: list[float]
    converged: bool
    n_iter: int


def batch_em(
    visit: Visit,
    rule: PointRule,
    theta: MixtureParameters,
    *,
    max_iter: int,
    tol: float,
    after_iteration: Callable[[int, MixtureParameters, float, float], bool],
) -> Run:
    """Alternate E- and M-steps over all rows (Dempster, Laird & Rubin 1977).

    An iteration is a pair of steps. It is the last one if the E-step, at the parameters that
    the iteration starts from, found a bound less than `tol` above the one before: so iterations
    and parameters are those of scikit-learn. One more visit, without statistics, then gives the
    bound of the parameters that are returned.

    The M-step raises the bound, except that `reg_covar` is no part of it and may lower it where
    components are narrow. Such an iteration, if it costs more than rounding, is undone and ends
    the loop. Only the first is always taken: the start need not have heard of `reg_covar`.

    Parameters
    ----------
    visit : Visit
    rule : PointRule
    theta : MixtureParameters
        Where to start.
    max_iter : int
    tol : float
        In nats per unit of weight.
    after_iteration : callable
        ``after_iteration(n_iter, theta, bound, gain)``; the loop ends if it returns True.

    Returns
    -------
    run : Run
    """
    weight = visit.table.total_weight

    def expect(theta: MixtureParameters, bound_only: bool) -> tuple[Local, float]:
        local = visit.expect(rule.family, rule.scorer(theta), bound_only=bound_only)
        return local, (local.log_normaliser + rule.regulariser(theta)) / weight

    local, bound = expect(theta, bound_only=max_iter == 0)
    gain, highest = float("inf"), float("-inf")
    bounds: list[float] = []
    converged = False
    for n_iter in range(1, max_iter + 1):
        assert local.statistics is not None
        converged = abs(gain) < tol
        proposal = _maximise(visit, rule, theta, local.statistics)
        proposed, new_bound = expect(proposal, converged or n_iter == max_iter)
        gain = new_bound - bound
        if new_bound >= highest - _ROUNDING * abs(highest):
            theta, local, bound = proposal, proposed, new_bound
            highest = max(highest, bound)
        else:
            converged = True
        bounds.append(bound)
        if after_iteration(n_iter, theta, bound, gain) or converged:
            break
    return Run(theta, bound, bounds, converged, len(bounds))


def _maximise(
    visit: Visit, rule: PointRule, theta: MixtureParameters, stats: GaussianStatistics
) -> MixtureParameters:
    """Make the M-step, after one more visit where the E-step's sums lost digits."""
    scorer = rule.scorer(theta)
    if rule.family.is_centred(scorer):
        return rule.update(stats, theta)

    def sum_by(summer: Scorer) -> GaussianStatistics:
        again = visit.expect(rule.family, scorer, summer=summer).statistics
        assert again is not None
        return again

    return rule.update_summing(stats, theta, sum_by)


def blend(
    family: GaussianFamily, old: GaussianStatistics, new: GaussianStatistics, rate: float
) -> GaussianStatistics:
    """Statistics of one step of stepwise EM: ``(1 - rate) old + rate new``.

    Cappé & Moulines 2009, equation 11, on statistics per unit of weight.
    """
    return family.add(family.scale(old, 1.0 - rate), family.scale(new, rate))
