"""The best fits of a grid once more, from other starts: no cell is to lose by its start."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.inference import SEARCH
from skem.mixture._grid import Cell, Grid, Judge, Outcome, attempt, in_parallel

__all__ = ["fit_again", "improve", "is_sound"]

Array: TypeAlias = NDArray[np.float64]

# A twelfth of the cells, but no fewer than these.
_SHARE, _FEWEST = 12, 3
_OTHERS = 2
# Nats, of all rows, below which two ends are the same.
_GAIN = 0.01


def fit_again(
    grid: Grid,
    weights: Array | None,
    judge: Judge,
    outcomes: list[Outcome],
    ranks: NDArray[np.int64],
) -> list[Outcome]:
    """Fit the best cells of several components from a search, and from fits of other models.

    Those are the two best with as many components. What ends with a higher likelihood, without a
    collapsed component, takes the place of the first fit.

    Parameters
    ----------
    grid : Grid
    weights, judge
        As for `Grid.fit`.
    outcomes : list of Outcome
        The first fits.
    ranks : ndarray of shape (n_cells,)

    Returns
    -------
    outcomes : list of Outcome
    """
    sound = [
        int(i)
        for i in np.argsort(ranks, kind="stable")
        if grid.cells[i].n_components > 1 and is_sound(outcomes[i])
    ]
    best = sound[: max(_FEWEST, len(grid.cells) // _SHARE)]
    if not best:
        return outcomes

    def like(index: int) -> list[Array]:
        """Return responsibilities by the cell, and by the best others with as many components."""
        k = grid.cells[index].n_components
        others = [i for i in sound if i != index and grid.cells[i].n_components == k]
        return [
            np.asarray(outcomes[i].mixture._responsibilities(grid.cells[i].model.rows), np.float64)
            for i in [index, *others[:_OTHERS]]
        ]

    def fit(number: int, n_threads: int) -> Outcome:
        cell, outcome = grid.cells[best[number]], outcomes[best[number]]
        own, *others = like(best[number])
        # Rows divided in the same way lead to the same end.
        starts: list[Any] = [start for start in others if not _divide_alike(own, start)]
        for start in [SEARCH, *starts]:
            outcome = improve(outcome, start, grid, cell, weights, judge, n_threads)
        return outcome

    size = grid.typical_size(grid.cells[0].model.rows)
    found = list(outcomes)
    for index, outcome in zip(best, in_parallel(fit, len(best), grid.n_jobs, size), strict=True):
        found[index] = outcome
    return found


def improve(
    outcome: Outcome,
    start: Any,
    grid: Grid,
    cell: Cell,
    weights: Array | None,
    judge: Judge,
    n_threads: int,
) -> Outcome:
    """Fit from a search or from responsibilities; return that fit or the one before.

    Components come by decreasing weight.
    """

    def fit_from(start: Any) -> Outcome:
        mixture = cell.model.make(
            n_components=cell.n_components, init_params=start, n_jobs=n_threads
        )
        tried = attempt(mixture, cell, cell.model.rows, weights, judge, grid.shown)
        if tried.mixture is not None:
            # The start belongs to the grid: it is no parameter that anybody chose.
            tried.mixture.set_params(init_params=grid.init_params)
        return tried

    tried = fit_from(start)
    better = _better_of(outcome, tried)
    if isinstance(start, np.ndarray) and better.mixture is tried.mixture is not None:
        # Components keep the order of a start that is given; noise is no component. Once only:
        # weights that are equal but for rounding may change places each time.
        order = np.argsort(-tried.mixture.weights_, kind="stable")
        if (np.diff(order) < 0).any():
            rest = np.arange(len(order), start.shape[1])
            better = _better_of(outcome, fit_from(start[:, np.concatenate([order, rest])]))
            better = better._replace(seconds=better.seconds + tried.seconds)
    return better


def _divide_alike(first: Array, other: Array) -> bool:
    """Whether responsibilities divide the rows in the same way, whatever components' order."""
    k = first.shape[1]
    pairs = first.argmax(axis=1) * k + other.argmax(axis=1)
    both = np.bincount(pairs, minlength=k * k).reshape(k, k) > 0
    return bool((both.sum(axis=0) <= 1).all() and (both.sum(axis=1) <= 1).all())


def _better_of(outcome: Outcome, tried: Outcome) -> Outcome:
    """Return the second where its likelihood is higher and it is sound; times add up."""
    before = outcome.values.get("log_likelihood", -np.inf)
    gain = tried.values.get("log_likelihood", -np.inf) - before
    chosen = tried if gain > _GAIN and is_sound(tried) else outcome
    return chosen._replace(seconds=outcome.seconds + tried.seconds)


def is_sound(outcome: Outcome) -> bool:
    """Whether a cell was fitted and no component collapsed."""
    return not outcome.error and not any("collapsed" in text for text in outcome.warnings)
