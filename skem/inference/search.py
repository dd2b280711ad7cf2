"""A start that is searched for: a short run, then moves that split one component and merge two.

A run ends at the nearest maximum, and typically one component there covers two clusters while two
others share one. A move mends both at once (Ueda, Nakano, Ghahramani & Hinton 2000, "SMEM
algorithm for mixture models").
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.engine import TilePlan
from skem.families import SingularCovarianceError
from skem.inference.expectation import Visit
from skem.inference.initialisation import ROW_METHODS, Start, draw_rows, start_by_rows
from skem.inference.loops import Run, batch_em
from skem.inference.moves import Scene, promising_moves
from skem.inference.rules import Rule, Theta

__all__ = ["SEARCH", "START_METHODS", "find_start"]

Array: TypeAlias = NDArray[np.float64]

SEARCH = "auto"
START_METHODS = (SEARCH, *ROW_METHODS)

# The search looks at no more rows than these, or than so many for each parameter of the means.
_ROWS = 4096
_ROWS_PER_MEAN = 10
# Iterations and the gain per unit of weight, in nats, at which runs between moves end.
_SHORT, _LONG = 10, 30
_FIRST_TOL, _LONG_TOL = 1e-3, 1e-4
# A move that lowers the bound by more at once is not tried; one is kept if it raises it by this.
_HOPE = 0.02
_GAIN = 1e-4
_GUESSES, _TRIES = 12, 3
_MOVES = 30
# A component is no spike if it has so many times the rows that determine a covariance.
_TIMES_DETERMINED = 3.0
_NOTHING = 1e-12  # a share of the rows


def find_start(visit: Visit, rule: Rule[Theta], start: Start) -> Theta:
    """Return the parameters that a start method leads to.

    Parameters
    ----------
    visit : Visit
    rule : Rule
    start : Start
        By one of `START_METHODS`, or responsibilities.

    Raises
    ------
    SingularCovarianceError
    """
    searched = isinstance(start.method, str) and start.method == SEARCH
    return (_search if searched else start_by_rows)(visit, rule, start)


def _search(visit: Visit, rule: Rule[Theta], start: Start) -> Theta:
    """Return the parameters that a search over some of the rows ends with."""
    scene = _set(visit, rule, start)
    theta = start_by_rows(scene.visit, rule, replace(start, method="kmeans"))
    run = _run(scene, theta, _LONG, _FIRST_TOL)
    for _ in range(_MOVES if start.n_components > 2 else 0):
        better = _move(scene, run)
        if better is None:
            break
        run = better
    return run.theta


def _set(visit: Visit, rule: Rule[Theta], start: Start) -> Scene[Theta]:
    n_features, n_components = visit.plan.n_features, start.n_components
    most = max(_ROWS, _ROWS_PER_MEAN * (n_features + 1) * n_components)
    table = draw_rows(visit.table, most, start.rng)
    plan = TilePlan(len(table.X), n_features, n_components, visit.plan.n_pairs)
    rows = (table.X.astype(np.float64) - table.origin) / table.scale
    weights = np.ones(len(rows)) if table.weights is None else table.weights
    least = _TIMES_DETERMINED * rule.family.rows_needed(n_features) * float(weights.mean())
    return Scene(Visit(table, plan, visit.threads), rows, weights, rule, least)


def _run(scene: Scene[Theta], theta: Theta, max_iter: int, tol: float) -> Run[Theta]:
    return batch_em(
        scene.visit,
        scene.rule,
        theta,
        max_iter=max_iter,
        tol=tol,
        after_iteration=lambda *_: False,
        keep_statistics=True,
    )


def _move(scene: Scene[Theta], run: Run[Theta]) -> Run[Theta] | None:
    """Return where the best move leads to that raises the bound, or None.

    No move may lead to more spikes than there are: components on so few rows that they are close
    together by chance, whose likelihood has no limit.
    """
    spikes = _count_spikes(scene, run)
    for gain, theta in promising_moves(scene, run, _HOPE, _GUESSES)[:_TRIES]:
        try:
            tried = _run(scene, theta, _LONG if gain > _GAIN else _SHORT, _LONG_TOL)
        except SingularCovarianceError:
            continue
        if tried.bound > run.bound + _GAIN and _count_spikes(scene, tried) <= spikes:
            return tried
    return None


def _count_spikes(scene: Scene[Theta], run: Run[Theta]) -> int:
    """Count the components that have rows, but too few for their covariance."""
    assert run.statistics is not None
    weight = run.statistics.weight
    return int(((weight > _NOTHING * scene.weights.sum()) & (weight < scene.least)).sum())
