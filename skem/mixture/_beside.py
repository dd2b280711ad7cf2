"""The best fit of a grid and those beside it, each from the other's components cut or united."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.mixture._again import improve, is_sound
from skem.mixture._fitting import fit_quietly
from skem.mixture._grid import Cell, Grid, Judge, Outcome

__all__ = ["fit_beside"]

Array: TypeAlias = NDArray[np.float64]

_ROUNDS = 3
# Each component is cut across so many of its longest axes.
_AXES = 3
# Starts are compared after so many iterations, and so many of them go on.
_TRIAL, _GO_ON = 10, 2


def fit_beside(
    grid: Grid,
    weights: Array | None,
    judge: Judge,
    outcomes: list[Outcome],
    rank: Callable[[list[Outcome]], NDArray[np.int64]],
) -> list[Outcome]:
    """Fit the best cell and those of one component more or fewer from each other.

    With one component more, a fit starts from the best one with a component cut in two, and with
    one fewer from two of its components united; then the best cell starts from these. What ends
    with a higher likelihood, without a collapsed component, takes the place of the fit before,
    and all is done again where the best fit has changed, three times at most. (Split and merge
    moves as in Ueda et al. 2000, with the number of components left free.)

    Parameters
    ----------
    grid : Grid
    weights, judge
        As for `Grid.fit`.
    outcomes : list of Outcome
        The first fits.
    rank : callable
        Returns the cells' ranks, the best one's being lowest.

    Returns
    -------
    outcomes : list of Outcome
    """
    found = list(outcomes)
    places = {(cell.model.name, cell.n_components): index for index, cell in enumerate(grid.cells)}

    def improve_by(index: int, source: int) -> None:
        """Fit a cell from one with a component more or fewer."""
        if is_sound(found[index]) and is_sound(found[source]):
            cell, mixture = grid.cells[index], found[source].mixture
            for start in _best_starts(cell, grid.cells[source], mixture, weights):
                found[index] = improve(found[index], start, grid, cell, weights, judge, 1)

    for _ in range(_ROUNDS):
        best = int(np.argmin(rank(found)))
        before, cell = found[best].values, grid.cells[best]
        keys = [(cell.model.name, cell.n_components + step) for step in (1, -1)]
        beside = [places[key] for key in keys if key in places and key[1] > 1]
        for index in beside if cell.n_components > 1 else []:
            improve_by(index, best)
            improve_by(best, index)
        if int(np.argmin(rank(found))) == best and found[best].values is before:
            break
    return found


def _best_starts(cell: Cell, source: Cell, mixture: Any, weights: Array | None) -> list[Array]:
    """Return those responsibilities that lead furthest in a few iterations."""
    rows = cell.model.rows
    shares = np.asarray(mixture._responsibilities(rows), np.float64)
    k = source.n_components
    more = cell.n_components > k
    starts = list(_cut(shares, k, rows, weights) if more else _unite(shares, k))
    bounds = []
    for start in starts:
        trial = cell.model.make(n_components=cell.n_components, init_params=start, n_jobs=1)
        trial.set_params(max_iter=min(_TRIAL, trial.max_iter))
        try:
            fit_quietly(trial, trial._kind, rows, weights)
            bounds.append(float(trial.lower_bound_))
        except (ValueError, ArithmeticError):
            bounds.append(-np.inf)
    order = np.argsort(-np.array(bounds), kind="stable")[:_GO_ON]
    return [starts[i] for i in order if bounds[i] > -np.inf]


def _unite(shares: Array, k: int) -> Iterator[Array]:
    """Unite two of the first k components, each pair in turn."""
    for i, j in combinations(range(k), 2):
        united = np.delete(shares, j, axis=1)
        united[:, i] += shares[:, j]
        yield united


def _cut(
    shares: Array, k: int, rows: NDArray[np.floating], weights: Array | None
) -> Iterator[Array]:
    """Cut one of the first k components at its mean, across one of its longest axes."""
    counts = np.ones(len(rows)) if weights is None else weights
    seen = ~np.isnan(rows)
    sums = counts @ seen
    scaled = np.where(seen, rows - (counts @ np.where(seen, rows, 0.0)) / sums, 0.0)
    spread = np.sqrt(counts @ np.square(scaled) / sums)
    scaled /= np.where(spread > 0.0, spread, 1.0)
    for i in range(k):
        share = shares[:, i]
        counted = counts * share
        if counted.sum() <= 2.0:
            continue
        centred = scaled - np.average(scaled, axis=0, weights=counted)
        _, axes = np.linalg.eigh((counted[:, None] * centred).T @ centred)
        for axis in axes.T[::-1][:_AXES]:
            side = centred @ axis > 0
            parts = np.column_stack([share * side, share * ~side])
            yield np.column_stack([shares[:, :i], parts, shares[:, i + 1 :]])
