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
    """Fit the best cells of several components from fits of other models, and from a search.

    Those are the two best with as many components. Where these lead to where the first fit ended,
    and the best cell with as many components did not get any higher, there is no search. What ends
    with a higher likelihood, without a collapsed component, takes the place of the first fit.

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

    n_rows = float(len(grid.cells[0].model.rows) if weights is None else weights.sum())

    def fit(index: int, n_threads: int) -> Outcome:
        cell, outcome = grid.cells[index], outcomes[index]
        own, *starts = like(index)
        ends = [outcome]
        for start in starts:
            end = outcome
            # Rows divided in the same way lead to the same end.
            if not _divide_alike(own, start):
                outcome, end = improve(outcome, start, grid, cell, weights, judge, n_threads)
            ends.append(end)
        alike = len(ends) > _OTHERS and _are_one(ends, n_rows)
        if not (alike and cell.n_components in settled):
            outcome, _ = improve(outcome, SEARCH, grid, cell, weights, judge, n_threads)
        return outcome

    size = grid.typical_size(grid.cells[0].model.rows)
    found = list(outcomes)
    settled: set[int] = set()

    def fit_all(indices: list[int]) -> None:
        def task(number: int, n_threads: int) -> Outcome:
            return fit(indices[number], n_threads)

        done = in_parallel(task, len(indices), grid.n_jobs, size)
        for index, outcome in zip(indices, done, strict=True):
            found[index] = outcome

    # The best cell of each number of components, then the others.
    firsts = {grid.cells[i].n_components: i for i in reversed(best)}
    fit_all(list(firsts.values()))
    settled.update(k for k, i in firsts.items() if found[i].mixture is outcomes[i].mixture)
    others = [i for i in best if i not in firsts.values()]
    if others:
        fit_all(others)
    return found


def improve(
    outcome: Outcome,
    start: Any,
    grid: Grid,
    cell: Cell,
    weights: Array | None,
    judge: Judge,
    n_threads: int,
) -> tuple[Outcome, Outcome]:
    """Fit from a search or from responsibilities.

    Returns
    -------
    better : Outcome
        That fit or the one before; components come by decreasing weight.
    tried : Outcome
        That fit.
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
    return better, tried


def _divide_alike(first: Array, other: Array) -> bool:
    """Whether responsibilities divide the rows in the same way, whatever components' order."""
    k = first.shape[1]
    pairs = first.argmax(axis=1) * k + other.argmax(axis=1)
    both = np.bincount(pairs, minlength=k * k).reshape(k, k) > 0
    return bool((both.sum(axis=0) <= 1).all() and (both.sum(axis=1) <= 1).all())


def _are_one(ends: list[Outcome], n_rows: float) -> bool:
    """Whether fits ended so close to each other that `tol` does not tell them apart."""
    reached = [end.values.get("log_likelihood", np.inf) for end in ends]
    return max(reached) - min(reached) <= ends[0].mixture.tol * n_rows


def _better_of(outcome: Outcome, tried: Outcome) -> Outcome:
    """Return the second where its likelihood is higher and it is sound; times add up."""
    before = outcome.values.get("log_likelihood", -np.inf)
    gain = tried.values.get("log_likelihood", -np.inf) - before
    chosen = tried if gain > _GAIN and is_sound(tried) else outcome
    return chosen._replace(seconds=outcome.seconds + tried.seconds)


def is_sound(outcome: Outcome) -> bool:
    """Whether a cell was fitted and no component collapsed."""
    return not outcome.error and not any("collapsed" in text for text in outcome.warnings)
