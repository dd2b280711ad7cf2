"""The search: mixtures of several sizes and shapes, and a criterion to choose."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numba.core import event
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skem import GaussianMixtureIC
from skem.cli.messages import CommandError, Progress, one_line
from skem.cli.mixed_model import MixedModel
from skem.cli.model import Model
from skem.engine import sum_seen
from skem.mixture._choosing import Choice
from skem.mixture._grid import Cell
from skem.mixture._results import COLUMNS, model_column
from skem.mixture._units import Shown

__all__ = ["MATRIX_TYPES", "Compilation", "Fit", "Search", "list_fits", "run_choice", "search"]

# Types in which each component has a matrix of its own.
MATRIX_TYPES = ("full", "EEV", "VEV", "EVV", "VVV")


@dataclass(frozen=True)
class Fit:
    """One fit.

    Attributes
    ----------
    covariance_type : str
        Or, of a mixed table, the kinds of columns.
    k : int
        Number of components.
    value : float
        The criterion in the table's units, NaN if the fit failed. Lower is better, except for
        'cv', the mean log density of held-out rows in nats.
    iterations : int
        Number of iterations.
    converged : bool
    collapsed : bool
        Whether a component collapsed, so that the likelihood has no limit.
    seconds : float
        Time that the fit took.
    remarks : tuple of str
        What the fit warned of; a warning's advice, which follows a colon, is left out.
    failure : str
        Why there is no fit; empty if there is one.
    """

    covariance_type: str
    k: int
    value: float
    iterations: int
    converged: bool
    collapsed: bool
    seconds: float
    remarks: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Search:
    """All fits and the chosen one.

    Attributes
    ----------
    fits : tuple of Fit
        One for each covariance type and number of components, one type after the other,
        numbers in increasing order.
    best : Fit
        The best fit among those without a collapsed component, or among all if there are none
        without.
    model : Model
        The best fit as a model.
    seconds : float
        Time that the fits took together.
    criterion : str
        What they were compared by: 'bic', 'icl', 'aic' or 'cv'.
    """

    fits: tuple[Fit, ...]
    best: Fit
    model: Model | MixedModel
    seconds: float
    criterion: str = "bic"


def search(
    X: np.ndarray,
    columns: Sequence[str],
    ks: Sequence[int],
    *,
    weights: np.ndarray | None = None,
    scale: bool = True,
    **options: Any,
) -> Search:
    """Fit a mixture for each covariance type and number of components and choose one.

    A fit with a collapsed component is chosen only if there is no other: its likelihood, and so
    its criterion, depends on `reg_covar` alone (Fraley & Raftery 2007 leave such fits out as well).

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Rows in the table's units; missing cells are NaN.
    columns : sequence of str
        Names of the columns.
    ks : sequence of int
        Numbers of components to try, in increasing order.
    weights : ndarray of shape (n_rows,), default=None
        Weights of the rows, for the standardisation, the fit and the criterion; None means all
        one.
    scale : bool, default=True
        Whether to standardise the columns.
    **options
        Passed to `GaussianMixtureIC`.

    Returns
    -------
    Search
        The fits.

    Raises
    ------
    CommandError
        If no fit succeeds, or a column's spread is too large to standardise.
    """
    start = perf_counter()
    scaler = _fitted_scaler(X, columns, weights) if scale else None
    Z = X if scaler is None else scaler.transform(X)
    shown = Shown(columns) if scaler is None else Shown(columns, scaler.mean_, scaler.scale_)
    choice = GaussianMixtureIC(list(ks), **options)
    run_choice(choice, ks, Z, weights, shown)
    # The change of variables: a criterion counts all rows, twice; a held-out score is their mean.
    w = np.ones(len(X)) if weights is None else weights
    jacobian = 0.0 if scaler is None else float(w @ sum_seen(X, np.log(scaler.scale_)))
    shift = -jacobian / float(w.sum()) if choice.criterion == "cv" else 2.0 * jacobian
    fits = list_fits(choice.results_, COLUMNS[choice.criterion], shift)
    steps = [("mixture", choice.best_estimator_)]
    model = Model(
        Pipeline(steps if scaler is None else [("scale", scaler), *steps]), tuple(columns)
    )
    best = fits[choice.best_index_]
    return Search(fits, best, model, perf_counter() - start, choice.criterion)


def _fitted_scaler(
    X: np.ndarray, columns: Sequence[str], weights: np.ndarray | None
) -> StandardScaler:
    with np.errstate(all="ignore"):
        scaler = StandardScaler().fit(X, sample_weight=weights)
    good = np.isfinite(scaler.var_) & np.isfinite(scaler.mean_)
    if not good.all():
        raise CommandError(f"column {columns[int(good.argmin())]!r}: its values are too large")
    return scaler


def run_choice(
    choice: Choice, ks: Sequence[int], Z: Any, weights: np.ndarray | None, shown: Shown
) -> None:
    """Fit; what the fits warn of is in the results, and not shown here."""
    with Progress(len(ks)) as progress, warnings.catch_warnings(), Compilation(progress):
        warnings.simplefilter("ignore")
        progress.show(0, f"fitting k = {ks[0]}" + (f" to {ks[-1]}" if len(ks) > 1 else ""))
        try:
            choice._fit(Z, weights, partial(_show, progress), shown)
        except ValueError as error:
            raise CommandError(f"no fit succeeded: {one_line(error)}") from error


class Compilation(event.Listener):
    """Says once that Numba compiles, which makes a first run slow; what is cached is silent.

    Parameters
    ----------
    progress : Progress
        Where to say it.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said = False

    def __enter__(self) -> None:
        event.register("numba:compile", self)

    def __exit__(self, *_: object) -> None:
        event.unregister("numba:compile", self)

    def on_start(self, event: event.Event) -> None:
        """Say so at the first function that is compiled."""
        if not self._said:
            self._said = True
            self._progress.say("compiling, which takes some seconds in a first run only")

    def on_end(self, event: event.Event) -> None:
        """Say nothing."""


def _show(progress: Progress, done: int, total: int, cell: Cell) -> None:
    progress.show(done, f"fitting k = {cell.n_components}, {cell.model.name}", total)


def list_fits(results: dict[str, np.ndarray], column: str, shift: float) -> tuple[Fit, ...]:
    """Return a choice's fits, the criterion in the table's units."""
    fits, models = [], results[model_column(results)]
    for i, failure in enumerate(results["error"]):
        said = results["warnings"][i].splitlines()
        fits.append(
            Fit(
                models[i],
                int(results["n_components"][i]),
                float(results[column][i]) + shift,
                int(results["n_iter"][i]),
                bool(results["converged"][i]),
                bool(results["collapsed"][i]),
                float(results["fit_time"][i]),
                tuple(one_line(text).partition(": ")[0] for text in said),
                one_line(failure),
            )
        )
    return tuple(fits)
