"""Merging components that share a cluster, where the evidence lower bound is higher for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from skem.families import GaussianStatistics
from skem.inference.expectation import Visit
from skem.inference.loops import ROUNDING, Run, batch_em
from skem.inference.rules import MixturePosterior, VariationalRule, best

__all__ = ["batch_em_merging"]


def batch_em_merging(
    visit: Visit,
    rule: VariationalRule,
    theta: MixturePosterior,
    *,
    max_iter: int,
    tol: float,
    after_iteration: Callable[[int, MixturePosterior, float, float], bool],
    acceleration: str | None = None,
) -> Run[MixturePosterior]:
    """Iterate to convergence, merge a pair of components that the bound is higher for, go on.

    Two components that share a cluster would merge by themselves, but so slowly that a gain
    per iteration does not tell: a superfluous component costs some tens of nats however many
    the rows are. A pair is merged if the bound is higher at once, as in Ueda & Ghahramani 2002
    and Hughes & Sudderth 2013; the component that is left without rows has its prior.

    Parameters
    ----------
    visit, rule, theta, max_iter, tol, after_iteration, acceleration
        As for `batch_em`.

    Returns
    -------
    run : Run
        With its statistics. Iterations after a merge are counted on.
    """
    bounds: list[float] = []
    while True:
        begun = len(bounds)

        def counted_on(n: int, theta: MixturePosterior, bound: float, gain: float) -> bool:
            return after_iteration(begun + n, theta, bound, gain)  # noqa: B023 (called here)

        run = batch_em(
            visit,
            rule,
            theta,
            max_iter=max_iter - begun,
            tol=tol,
            after_iteration=counted_on,
            keep_statistics=True,
            acceleration=acceleration,
        )
        bounds += run.bounds
        run = run._replace(bounds=bounds, n_iter=len(bounds))
        merged = _merge(visit, rule, run) if run.converged and len(bounds) < max_iter else None
        if merged is None:
            return run
        theta = merged


def _merge(
    visit: Visit, rule: VariationalRule, run: Run[MixturePosterior]
) -> MixturePosterior | None:
    """Return the posterior after the first merge that raises the bound, or None."""
    assert run.statistics is not None
    _, now = best(rule, run.statistics, run.theta)
    trials = []
    for a, b in _neighbours(visit, rule, run):
        theta, bound = best(rule, rule.family.merge(run.statistics, a, b), run.theta)
        # The assignments lose entropy: what does not gain before that can't gain after it.
        if bound > now:
            trials.append((bound, theta))
    weight = visit.table.total_weight
    least = run.bound + ROUNDING * abs(run.bound)
    for _, theta in sorted(trials, key=lambda trial: -trial[0]):
        local = visit.expect(rule.family, rule.scorer(theta), bound_only=True)
        if (local.log_normaliser + rule.regulariser(theta)) / weight > least:
            return theta
    return None


def _neighbours(
    visit: Visit, rule: VariationalRule, run: Run[MixturePosterior]
) -> Iterator[tuple[int, int]]:
    """Yield each component that has rows and the one whose mean is nearest to its own."""
    stats: GaussianStatistics | None = run.statistics
    assert stats is not None
    n_components = len(stats.weight)
    least = visit.table.total_weight / (len(visit.table.X) * n_components)
    present = np.flatnonzero(stats.weight >= least)
    pairs = set()
    for a in present:
        apart = stats.mean[a] - run.theta.components.means
        distance = rule.family.mahalanobis(apart, run.theta.components.factors)
        others = present[present != a]
        if len(others):
            b = others[np.argmin(distance[others])]
            pairs.add((int(min(a, b)), int(max(a, b))))
    yield from sorted(pairs)
