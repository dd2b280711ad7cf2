"""Merging components that share a cluster, where the evidence lower bound is higher for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from skem.families.contract import Searchable, searchable
from skem.inference.convergence import ROUNDING
from skem.inference.loops import Earlier, Run, batch_em
from skem.inference.passes import Passes
from skem.inference.rules import (
    MixturePosterior,
    VariationalRule,
    has_noise,
    maximise_with_bound,
)

__all__ = ["batch_em_merging"]


def batch_em_merging(
    passes: Passes,
    rule: VariationalRule,
    theta: MixturePosterior,
    *,
    max_iter: int,
    tol: float,
    after_iteration: Callable[[int, MixturePosterior, float, float], bool],
    acceleration: str | None = None,
    earlier: Earlier | None = None,
) -> Run[MixturePosterior]:
    """Iterate to convergence, merge a pair of components that the bound is higher for, go on.

    Two components that share a cluster would merge by themselves, but so slowly that a gain
    per iteration does not tell: a superfluous component costs some tens of nats however many
    the rows are. A pair is merged if the bound is higher at once, as in Ueda & Ghahramani 2002
    and Hughes & Sudderth 2013; the component that is left without rows has its prior.

    Parameters
    ----------
    passes, rule, theta, max_iter, tol, after_iteration, acceleration, earlier
        As for `batch_em`.

    Returns
    -------
    run : Run
        With its statistics. Iterations after a merge are counted on.
    """
    family = searchable(rule.family, "Merging of components")
    bounds: list[float] = []
    while True:
        begun = len(bounds)

        def counted_on(n: int, theta: MixturePosterior, bound: float, gain: float) -> bool:
            return after_iteration(begun + n, theta, bound, gain)  # noqa: B023 (called here)

        run = batch_em(
            passes,
            rule,
            theta,
            max_iter=max_iter - begun,
            tol=tol,
            after_iteration=counted_on,
            keep_statistics=True,
            acceleration=acceleration,
            earlier=earlier,
        )
        bounds += run.bounds
        run = run._replace(bounds=bounds, n_iter=len(bounds))
        merged = (
            _merge(passes, rule, family, run) if run.converged and len(bounds) < max_iter else None
        )
        if merged is None:
            return run
        theta, earlier = merged, None


def _merge(
    passes: Passes,
    rule: VariationalRule,
    family: Searchable[Any, Any],
    run: Run[MixturePosterior],
) -> MixturePosterior | None:
    """Return the posterior after the first merge that raises the bound, or None."""
    assert run.statistics is not None
    _, now = maximise_with_bound(rule, run.statistics, run.theta)
    trials = []
    for a, b in _neighbours(passes, family, run, has_noise(rule)):
        merged = family.merge(run.statistics, a, b)
        theta, bound = maximise_with_bound(rule, merged, run.theta)
        # The assignments lose entropy: what does not gain before that can't gain after it.
        if bound > now:
            trials.append((bound, theta))
    weight = passes.source.total_weight
    least = run.bound + ROUNDING * abs(run.bound)
    for _, theta in sorted(trials, key=lambda trial: -trial[0]):
        log_normaliser = passes.log_normaliser(rule.scorer(theta))
        if (log_normaliser + rule.regulariser(theta)) / weight > least:
            return theta
    return None


def _neighbours(
    passes: Passes, family: Searchable[Any, Any], run: Run[MixturePosterior], noise: bool
) -> Iterator[tuple[int, int]]:
    """Yield each component that has rows and the one that is nearest to it."""
    weight = run.statistics.weight
    source = passes.source
    least = source.total_weight / (source.n_rows * len(weight))
    if noise:
        weight = weight[:-1]
    present = np.flatnonzero(weight >= least)
    pairs = set()
    for a in present:
        distance = family.distances(run.statistics, int(a), run.theta.components)
        others = present[present != a]
        if len(others):
            b = others[np.argmin(distance[others])]
            pairs.add((int(min(a, b)), int(max(a, b))))
    yield from sorted(pairs)
