"""Fits of one table by several mixtures, side by side: what a choice among them is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import joblib
import numpy as np
from numpy.typing import NDArray

from skem.engine import Threads, count_threads
from skem.families import GAUSSIAN_FAMILIES
from skem.mixture._em import EMGaussianMixture
from skem.mixture._fitting import fit_quietly
from skem.mixture._gaps import tree_of_seen
from skem.mixture._point import POINT
from skem.mixture._progress import GridProgress
from skem.mixture._units import Shown

__all__ = [
    "COLUMNS",
    "MODELS",
    "NOT_FITTED",
    "Cell",
    "Columns",
    "Grid",
    "Judge",
    "Outcome",
    "Watch",
    "attempt",
    "cross_validate",
    "describe_failures",
    "describe_set_aside",
    "in_parallel",
    "iteration_size",
    "make_cells",
    "rank",
    "say_alone",
    "set_aside",
    "tabulate",
    "unwatched",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Columns: TypeAlias = dict[str, NDArray[Any]]

# The models of Celeux & Govaert (1995) in mclust's order.
MODELS = (
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI"),
    *("EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"),
)
# What is left of them where there is one feature.
_MODELS_OF_ONE = ("EII", "VII")

# By criterion, the column that it is in.
COLUMNS = {"bic": "bic", "icl": "icl", "aic": "aic", "cv": "mean_test_score"}

# What the error of a cell begins with that was not worth a fit.
NOT_FITTED = "not fitted"
# With fewer rows than these for each component a criterion says nothing of their number.
_ROWS_OF_A_COMPONENT = 5

# Where kernels take about twice as long as the Python around them.
_WORTH_A_THREAD = 3e6


class Cell(NamedTuple):
    """A cell of the grid."""

    covariance_type: str
    n_components: int


class Outcome(NamedTuple):
    """What came of a cell.

    Attributes
    ----------
    mixture : EMGaussianMixture or None
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

    mixture: EMGaussianMixture | None
    values: dict[str, float]
    warnings: list[str]
    error: str
    seconds: float


Judge: TypeAlias = Callable[[EMGaussianMixture], dict[str, float]]
Watch: TypeAlias = Callable[[int, Cell], None]


def make_cells(
    covariance_type: str | Sequence[str], n_components: int | Sequence[int], n_features: int
) -> list[Cell]:
    """List the cells, one covariance type after the other."""
    types: Sequence[str] = (
        [covariance_type] if isinstance(covariance_type, str) else covariance_type
    )
    if list(types) == ["all"]:
        types = MODELS if n_features > 1 else _MODELS_OF_ONE
    numbers = np.atleast_1d(n_components)
    return [Cell(str(name), int(k)) for name in types for k in numbers]


def unwatched(done: int, cell: Cell) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class Grid:
    """Mixtures to be fitted to the same rows, all from one start.

    Parameters
    ----------
    cells : sequence of Cell
    parameters : dict
        Those of `EMGaussianMixture` that all cells share.
    n_jobs : int or None
        Number of threads. Every bit of the outcomes is the same for each number, time apart.
    progress : GridProgress
        Told of every fit.
    shown : Shown, default=None
        How messages show the columns.
    """

    cells: Sequence[Cell]
    parameters: dict[str, Any]
    n_jobs: int | None
    progress: GridProgress
    shown: Shown | None = None

    def fit(
        self,
        X: Floats,
        weights: Array | None,
        judge: Judge,
        watch: Watch = unwatched,
        where: str = "",
    ) -> list[Outcome]:
        """Fit every cell.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Checked rows.
        weights : ndarray of shape (n_rows,) or None
        judge : callable
            Returns the values by which a fitted mixture is judged; may fail as a fit may.
        watch : callable
            ``watch(number of cells done, cell just done)``, from any thread.
        where : str, default=""
            What rows these are, for those who follow progress.

        Returns
        -------
        outcomes : list of Outcome
        """
        parameters = dict(self.parameters)
        if parameters["init_params"] == "hierarchical":
            parameters["init_params"] = tree_of_seen(X, weights)
        done: list[Cell] = []
        n_rows = len(X) if weights is None else int(np.count_nonzero(weights))
        hopeless = [_say_hopeless(cell, n_rows, X.shape[1]) for cell in self.cells]
        if all(hopeless):
            # A choice has to come to something.
            fewest = min(cell.n_components for cell in self.cells)
            hopeless = [
                "" if cell.n_components == fewest else reason
                for cell, reason in zip(self.cells, hopeless, strict=True)
            ]

        def fit(number: int, n_threads: int) -> Outcome:
            cell = self.cells[number]
            what = f"{cell.covariance_type} with {cell.n_components}{where}"
            task = self.progress.begin()
            if hopeless[number]:
                self.progress.end(task, what, None, hopeless[number], 0.0)
                return Outcome(None, {}, [], hopeless[number], 0.0)
            mixture = EMGaussianMixture(**cell._asdict(), **parameters, n_jobs=n_threads)
            outcome = attempt(mixture, X, weights, judge, self.shown)
            state = f"failed: {outcome.error}" if outcome.error else "done"
            self.progress.end(task, what, outcome.mixture, state, outcome.seconds)
            done.append(cell)
            watch(len(done), cell)
            return outcome

        size = iteration_size(X, float(np.mean([cell.n_components for cell in self.cells])))
        return in_parallel(fit, len(self.cells), self.n_jobs, size)


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
    with Threads(1):
        return list(joblib.Parallel(n_jobs=n_workers, backend="threading")(jobs))


def iteration_size(X: Floats, n_components: float) -> float:
    """Estimate an iteration's work on rows: exponentials, and products of features."""
    n_rows, n_features = X.shape
    return n_rows * n_components * (50.0 + 0.5 * n_features**2)


def attempt(
    mixture: EMGaussianMixture,
    X: Floats,
    weights: Array | None,
    judge: Judge,
    shown: Shown | None,
) -> Outcome:
    begin = perf_counter()
    try:
        said = fit_quietly(mixture, POINT, X, weights, shown)
        seconds = perf_counter() - begin
        values = judge(mixture)
        if not np.isfinite(list(values.values())).all():
            raise ArithmeticError(f"it is judged by numbers that are not finite: {values}")
    except (ValueError, ArithmeticError) as error:
        return Outcome(None, {}, [], str(error), perf_counter() - begin)
    return Outcome(mixture, values, said, "", seconds)


def _say_hopeless(cell: Cell, n_rows: int, n_features: int) -> str:
    """Say why there is no point in fitting a cell; nothing if there is."""
    name, k = cell
    needed = GAUSSIAN_FAMILIES[name](0.0).least_rows(k, n_features)
    if n_rows >= needed or k > n_rows:
        return ""  # the fit itself says of the latter that it is an error
    return (
        f"{NOT_FITTED}: {n_rows} rows do not determine the covariances of {k} component(s) in "
        f"{n_features} columns"
    )


def tabulate(
    cells: Sequence[Cell],
    outcomes: Sequence[Outcome],
    n_rows: int,
    n_features: int,
    noise: bool,
) -> Columns:
    """Put outcomes judged by all criteria in columns."""
    types, numbers = zip(*cells, strict=True)
    mixtures = [outcome.mixture for outcome in outcomes]
    values = [outcome.values for outcome in outcomes]
    columns = {
        "covariance_type": types,
        "n_components": numbers,
        **{
            name: [value.get(name, np.nan) for value in values]
            for name in ("bic", "icl", "aic", "log_likelihood")
        },
        "n_parameters": [
            k - 1 + noise + GAUSSIAN_FAMILIES[name](0.0).n_parameters(k, n_features)
            for name, k in cells
        ],
        "converged": [mixture is not None and mixture.converged_ for mixture in mixtures],
        "n_iter": [0 if mixture is None else mixture.n_iter_ for mixture in mixtures],
        "collapsed": [
            o.error.startswith(NOT_FITTED) or any("collapsed" in text for text in o.warnings)
            for o in outcomes
        ],
        "crowded": [1 < k > n_rows // _ROWS_OF_A_COMPONENT for k in numbers],
        "fit_time": [outcome.seconds for outcome in outcomes],
        "warnings": ["\n".join(outcome.warnings) for outcome in outcomes],
        "error": [outcome.error for outcome in outcomes],
    }
    # Texts as objects, as pandas has them.
    texts = ("covariance_type", "warnings", "error")
    return {
        name: np.array(column, dtype=object if name in texts else None)
        for name, column in columns.items()
    }


def cross_validate(
    grid: Grid,
    X: Floats,
    weights: Array | None,
    folds: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> tuple[Columns, list[str]]:
    """Return the columns of held-out scores, and the first error of each cell.

    A score is the mean log density of the rows left out, in nats per unit of weight.
    """
    scores, shares = [], []
    errors = [""] * len(grid.cells)
    for fold, (train, test) in enumerate(folds):
        fitted, held_out = (None if weights is None else weights[part] for part in (train, test))

        def judge(
            mixture: EMGaussianMixture, rows: Floats = X[test], held_out: Any = held_out
        ) -> dict[str, float]:
            return {"score": mixture.score(rows, sample_weight=held_out)}

        outcomes = grid.fit(X[train], fitted, judge, where=f", fold {fold}")
        scores.append([outcome.values.get("score", np.nan) for outcome in outcomes])
        shares.append(float(len(X[test]) if held_out is None else held_out.sum()))
        for index, outcome in enumerate(outcomes):
            if outcome.error:
                errors[index] = errors[index] or f"in fold {fold}: {outcome.error}"
    split = np.array(scores)
    mean = np.average(split, axis=0, weights=shares)
    spread = np.sqrt(np.average(np.square(split - mean), axis=0, weights=shares))
    columns = {f"split{fold}_test_score": column for fold, column in enumerate(split)}
    return columns | {"mean_test_score": mean, "std_test_score": spread}, errors


def set_aside(results: Columns, criterion: str) -> NDArray[np.bool_]:
    """Say which fits rank after all others: their criterion has no limit, unless held out."""
    aside: NDArray[np.bool_] = results["collapsed"] | results["crowded"]
    return aside & (criterion != "cv")


def rank(losses: Array, aside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank from 1, the lowest loss first; those set aside come later, and NaN comes last."""
    failed = ~np.isfinite(losses)
    order = np.lexsort((np.where(failed, 0.0, losses), aside, failed))
    result = np.empty(len(order), dtype=np.int64)
    result[order] = np.arange(1, len(order) + 1)
    return result


def describe_failures(results: Columns, failed: NDArray[np.bool_]) -> str:
    """Name the cells that failed, by what they failed for."""
    reasons: dict[str, list[str]] = {}
    for index in np.flatnonzero(failed):
        reasons.setdefault(results["error"][index], []).append(_name(results, index))
    listed = "; ".join(f"{', '.join(cells)}: {reason}" for reason, cells in reasons.items())
    return (
        f"{failed.sum()} of {len(failed)} fits failed and can't be chosen. Covariance types and "
        f"numbers of components: {listed}"
    )


def describe_set_aside(results: Columns, aside: NDArray[np.bool_], criterion: str) -> str:
    """Name the cells that rank after all others, by why."""
    causes = {
        f"{criterion.upper()} says more of reg_covar than of the rows, for a component collapsed "
        "(increase reg_covar to have them compared)": results["collapsed"],
        f"there are fewer than {_ROWS_OF_A_COMPONENT} rows for each component": (
            results["crowded"] & ~results["collapsed"]
        ),
    }
    listed = "; ".join(
        f"{', '.join(_name(results, index) for index in np.flatnonzero(aside & which))}: {cause}"
        for cause, which in causes.items()
        if (aside & which).any()
    )
    return (
        f"{aside.sum()} of {len(aside)} fits rank after all others. Covariance types and numbers "
        f"of components: {listed}. With criterion='cv' none is set aside."
    )


def _name(results: Columns, index: np.intp) -> str:
    return f"{results['covariance_type'][index]} with {results['n_components'][index]}"


def say_alone(results: Columns) -> str:
    """Say why there is no choice but one component, where more were asked for."""
    several = results["n_components"] > 1
    usable = ~results["collapsed"] & ~results["crowded"] & (results["error"] == "")
    if not several.any() or not (~several).any() or (usable & several).any():
        return ""
    causes = [
        error or text
        for error, text in zip(results["error"][several], results["warnings"][several], strict=True)
    ]
    collapsed = [line for cause in causes for line in cause.splitlines() if "collapsed" in line]
    return (
        "There was no choice but one component: every fit of more has collapsed, failed, was not "
        f"worth fitting or has fewer than {_ROWS_OF_A_COMPONENT} rows for each component. The "
        f"first: {(collapsed or causes)[0] or 'too few rows'}"
    )
