"""Fits of one table by several mixtures, side by side: what a choice among them is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import joblib
import numpy as np
from numpy.typing import NDArray

from skem.engine import count_threads
from skem.engine.threads import one_library_thread
from skem.families import GAUSSIAN_FAMILIES
from skem.inference import Tree
from skem.mixture._criteria import count_parameters
from skem.mixture._fitting import fit_quietly
from skem.mixture._progress import GridProgress
from skem.mixture._units import Shown

__all__ = [
    "MODELS",
    "NOT_FITTED",
    "Cell",
    "Grid",
    "GrowTree",
    "Judge",
    "Model",
    "Outcome",
    "Watch",
    "attempt",
    "cross_validate",
    "in_parallel",
    "iteration_size",
    "list_types",
    "make_cells",
    "make_models",
    "unwatched",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Index: TypeAlias = NDArray[np.intp]

# The models of Celeux & Govaert (1995) in mclust's order.
MODELS = (
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI"),
    *("EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"),
)
# What is left of them where there is one feature.
_MODELS_OF_ONE = ("EII", "VII")

# What the error of a cell begins with that was not worth a fit.
NOT_FITTED = "not fitted"

# Where kernels take about twice as long as the Python around them.
_WORTH_A_THREAD = 3e6


class Model(NamedTuple):
    """What components are like, whatever their number.

    Attributes
    ----------
    name : str
    parameters : dict
        Those of the estimator that make it so.
    make : callable
        ``make(n_components=..., init_params=..., n_jobs=...)`` returns such an estimator, not
        fitted, for ``rows``.
    rows : ndarray of shape (n_rows, n_features)
        The table as the estimator reads it.
    gaussians : tuple of (str, int)
        The covariance type and the number of columns of each block that has covariances.
    """

    name: str
    parameters: dict[str, Any]
    make: Callable[..., Any]
    rows: Floats
    gaussians: tuple[tuple[str, int], ...]


class Cell(NamedTuple):
    """A cell of the grid."""

    model: Model
    n_components: int

    def __str__(self) -> str:
        return f"{self.model.name} with {self.n_components}"

    def count_parameters(self) -> int:
        """Count the free parameters that are to be fitted."""
        mixture = self.model.make(n_components=self.n_components)
        noise, n_features = int(bool(mixture.noise)), self.model.rows.shape[1]
        return count_parameters(mixture, self.n_components, noise, n_features)


class Outcome(NamedTuple):
    """What came of a cell.

    Attributes
    ----------
    mixture : estimator or None
        None where the fit failed.
    values : dict of str to float
        What it was judged by.
    warnings : list of str
        What the fit warned of.
    error : str
        Why it failed, or was not fitted; empty where it was.
    seconds : float
        Time that the fit took.
    """

    mixture: Any
    values: dict[str, float]
    warnings: list[str]
    error: str
    seconds: float


# Returns the values by which a mixture fitted to a cell is judged; may fail as a fit may.
Judge: TypeAlias = Callable[[Cell, Any], dict[str, float]]
# Grows, of rows and their weights, the tree that all cells start from.
GrowTree: TypeAlias = Callable[[Floats, Array | None], Tree]
# Told, from any thread, how many of how many cells are done, and which one just now.
Watch: TypeAlias = Callable[[int, int, Cell], None]


def list_types(covariance_type: str | Sequence[str], n_features: int) -> list[str]:
    """Return the covariance types that were asked for; 'all' are mclust's models."""
    types = [covariance_type] if isinstance(covariance_type, str) else list(covariance_type)
    if types == ["all"]:
        return list(MODELS if n_features > 1 else _MODELS_OF_ONE)
    return [str(name) for name in types]


def make_models(
    estimator: Callable[..., Any],
    covariance_type: str | Sequence[str],
    rows: Floats,
    shared: dict[str, Any],
) -> list[Model]:
    """Return a model for each covariance type; its other parameters are shared."""
    n_features = rows.shape[1]
    models = []
    for name in list_types(covariance_type, n_features):
        own = {"covariance_type": name}
        make = partial(estimator, **own, **shared)
        models.append(Model(name, own, make, rows, ((name, n_features),)))
    return models


def make_cells(models: Sequence[Model], n_components: int | Sequence[int]) -> list[Cell]:
    """List the cells, one model after the other."""
    return [Cell(model, int(k)) for model in models for k in np.atleast_1d(n_components)]


def unwatched(done: int, total: int, cell: Cell) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class Grid:
    """Mixtures to be fitted to the same rows.

    Parameters
    ----------
    cells : sequence of Cell
    init_params : str
        How all of them start.
    n_jobs : int or None
        Number of threads. Every bit of the outcomes is the same for each number, time apart.
    progress : GridProgress
        Told of every fit.
    shown : Shown, default=None
        How messages show the columns of rows without names.
    grow_tree : callable, default=None
        What grows one tree for all cells, for 'hierarchical'. None: each grows its own.
    """

    cells: Sequence[Cell]
    init_params: str
    n_jobs: int | None
    progress: GridProgress
    shown: Shown | None = None
    grow_tree: GrowTree | None = None

    def fit(
        self,
        weights: Array | None,
        judge: Judge,
        watch: Watch = unwatched,
        *,
        part: Index | None = None,
        where: str = "",
    ) -> list[Outcome]:
        """Fit every cell.

        Parameters
        ----------
        weights : ndarray of shape (n_rows,) or None
        judge : callable
        watch : callable
        part : ndarray of shape (n_rows,), default=None
            Which of the models' rows are fitted; None: all.
        where : str, default=""
            What rows these are, for those who follow progress.

        Returns
        -------
        outcomes : list of Outcome
        """
        # Models that read the table alike share the rows.
        tables = {id(cell.model.rows): cell.model.rows for cell in self.cells}
        if part is not None:
            tables = {key: rows[part] for key, rows in tables.items()}
        first = next(iter(tables.values()))
        start: str | Tree = self.init_params
        if start == "hierarchical" and self.grow_tree is not None:
            start = self.grow_tree(first, weights)
        done: list[Cell] = []
        n_rows = len(first) if weights is None else int(np.count_nonzero(weights))
        hopeless = _find_hopeless(self.cells, n_rows)

        def fit(number: int, n_threads: int) -> Outcome:
            cell = self.cells[number]
            task = self.progress.begin()
            if hopeless[number]:
                self.progress.end(task, f"{cell}{where}", None, hopeless[number], 0.0)
                return Outcome(None, {}, [], hopeless[number], 0.0)
            mixture = cell.model.make(
                n_components=cell.n_components, init_params=start, n_jobs=n_threads
            )
            rows = tables[id(cell.model.rows)]
            outcome = attempt(mixture, cell, rows, weights, judge, self.shown)
            state = f"failed: {outcome.error}" if outcome.error else "done"
            self.progress.end(task, f"{cell}{where}", outcome.mixture, state, outcome.seconds)
            done.append(cell)
            watch(len(done), len(self.cells), cell)
            return outcome

        return in_parallel(fit, len(self.cells), self.n_jobs, self.typical_size(first))

    def typical_size(self, rows: Floats) -> float:
        """Return the `iteration_size` of a typical cell."""
        return iteration_size(rows, float(np.mean([cell.n_components for cell in self.cells])))


def in_parallel(
    task: Callable[[int, int], Any], n_tasks: int, n_jobs: int | None, size: float
) -> list[Any]:
    """Return ``task(number, n_threads)`` for each number of a task, run in threads.

    Small tasks run one after the other: most of their time goes by in Python, where threads wait
    for each other. Two threads took 1.6 times as long as one on iris, and 0.7 times as long on
    15 000 rows of 10 features.

    Parameters
    ----------
    task : callable
        ``n_threads`` is its share where there are fewer tasks at a time than threads.
    n_tasks : int
    n_jobs : int or None
    size : float
        `iteration_size` of a typical task.
    """
    n_threads = count_threads(n_jobs) if size >= _WORTH_A_THREAD else 1
    n_workers = min(n_threads, n_tasks)
    jobs = (joblib.delayed(task)(number, n_threads // n_workers) for number in range(n_tasks))
    with one_library_thread():
        return list(joblib.Parallel(n_jobs=n_workers, backend="threading")(jobs))


def iteration_size(X: Floats, n_components: float) -> float:
    """Estimate an iteration's work on rows: exponentials, and products of features."""
    n_rows, n_features = X.shape
    return n_rows * n_components * (50.0 + 0.5 * n_features**2)


def attempt(
    mixture: Any,
    cell: Cell,
    X: Floats,
    weights: Array | None,
    judge: Judge,
    shown: Shown | None,
) -> Outcome:
    """Fit a mixture to checked rows and judge it."""
    begin = perf_counter()
    try:
        said = fit_quietly(mixture, mixture._kind, X, weights, shown).remarks()
        seconds = perf_counter() - begin
        values = judge(cell, mixture)
        if not np.isfinite(list(values.values())).all():
            raise ArithmeticError(f"it is judged by numbers that are not finite: {values}")
    except (ValueError, ArithmeticError) as error:
        return Outcome(None, {}, [], str(error), perf_counter() - begin)
    return Outcome(mixture, values, said, "", seconds)


def _find_hopeless(cells: Sequence[Cell], n_rows: int) -> list[str]:
    """Say of each cell why there is no point in fitting it; nothing if there is."""
    hopeless = [_say_hopeless(cell, n_rows) for cell in cells]
    if not all(hopeless):
        return hopeless
    # A choice has to come to something.
    fewest = min(cell.n_components for cell in cells)
    return [
        "" if cell.n_components == fewest else reason
        for cell, reason in zip(cells, hopeless, strict=True)
    ]


def _say_hopeless(cell: Cell, n_rows: int) -> str:
    k = cell.n_components
    for name, n_features in cell.model.gaussians:
        needed = GAUSSIAN_FAMILIES[name](0.0).least_rows(k, n_features)
        # The fit itself says that more components than rows are an error.
        if n_rows < needed and k <= n_rows:
            return (
                f"{NOT_FITTED}: {n_rows} rows do not determine the covariances of {k} "
                f"component(s) in {n_features} columns"
            )
    return ""


def cross_validate(
    grid: Grid, weights: Array | None, folds: Iterable[tuple[Index, Index]]
) -> tuple[dict[str, Array], list[str]]:
    """Return the columns of held-out scores, and the first error of each cell.

    A score is the mean log density of the rows left out, in nats per unit of weight.
    """
    scores, shares = [], []
    errors = [""] * len(grid.cells)
    n_rows = len(grid.cells[0].model.rows)
    for fold, (train, test) in enumerate(folds):
        fitted = None if weights is None else weights[train]
        held_out = np.ones(n_rows)[test] if weights is None else weights[test]

        def judge(
            cell: Cell, mixture: Any, test: Index = test, held_out: Array = held_out
        ) -> dict[str, float]:
            log_density = mixture._log_density(cell.model.rows[test]).astype(np.float64)
            return {"score": float(np.average(log_density, weights=held_out))}

        outcomes = grid.fit(fitted, judge, part=train, where=f", fold {fold}")
        scores.append([outcome.values.get("score", np.nan) for outcome in outcomes])
        shares.append(float(held_out.sum()))
        for index, outcome in enumerate(outcomes):
            if outcome.error:
                errors[index] = errors[index] or f"in fold {fold}: {outcome.error}"
    split = np.array(scores)
    mean = np.average(split, axis=0, weights=shares)
    spread = np.sqrt(np.average(np.square(split - mean), axis=0, weights=shares))
    columns = {f"split{fold}_test_score": column for fold, column in enumerate(split)}
    return columns | {"mean_test_score": mean, "std_test_score": spread}, errors
