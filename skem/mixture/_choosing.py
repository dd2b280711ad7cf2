"""A choice among mixtures by a criterion: what `fit` of all such estimators does."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.utils import check_random_state

from skem._callbacks import FRAMES, root_task, with_callbacks
from skem._collections import check_in_memory
from skem._parameters import (
    Allowed,
    boolean,
    check_parameters,
    check_rows,
    check_sample_weight,
    integer,
    none,
    one_of,
    random_state,
    some,
)
from skem._refitting import kept_on_failure
from skem.families import GAUSSIAN_FAMILIES
from skem.inference import START_METHODS
from skem.mixture._again import fit_again
from skem.mixture._beside import fit_beside
from skem.mixture._chosen import Chosen, GaussianChosen
from skem.mixture._criteria import criteria_of_rows
from skem.mixture._gaps import tree_of_seen
from skem.mixture._grid import (
    NOT_FITTED,
    Cell,
    Grid,
    GrowTree,
    Model,
    Outcome,
    Watch,
    cross_validate,
    make_cells,
    make_models,
    unwatched,
)
from skem.mixture._progress import GridProgress
from skem.mixture._results import (
    COLUMNS,
    Columns,
    describe_failures,
    describe_set_aside,
    rank,
    say_alone,
    set_aside,
    tabulate,
)
from skem.mixture._shared import SHARED_PARAMETERS
from skem.mixture._units import Shown

__all__ = ["CHOICE_PARAMETERS", "COVARIANCE_TYPES", "Choice", "StructureChoice"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Warned: TypeAlias = tuple[type[Warning], str]

_FOLDS = 5

_splits = Allowed(
    lambda value: (
        not isinstance(value, str) and (hasattr(value, "split") or isinstance(value, Iterable))
    ),
    "a splitter, an iterable of splits",
)

# What choices allow whose models are covariance types.
COVARIANCE_TYPES = (
    one_of(["all", *GAUSSIAN_FAMILIES]),
    some(one_of(GAUSSIAN_FAMILIES), "these str"),
)

# What all choices allow.
CHOICE_PARAMETERS: dict[str, tuple[Allowed, ...]] = {
    "n_components": (integer(1), some(integer(1), "such ints")),
    "criterion": (one_of(COLUMNS),),
    "cv": (integer(2), _splits, none),
    "refit": (boolean,),
    "init_params": (one_of(START_METHODS),),
    "random_state": (random_state, none),
    **{
        name: SHARED_PARAMETERS[name]
        for name in (
            *("tol", "reg_covar", "max_iter", "n_init", "acceleration", "resolution"),
            *("n_jobs", "verbose"),
        )
    },
}


class Choice(Chosen):
    """The best of many fits: each model with each number of components.

    A subclass says by `_models` what is fitted.
    """

    _allowed: ClassVar[Mapping[str, tuple[Allowed, ...]]]
    _model_column: ClassVar[str]
    # What is fitted, and those of its parameters that all fits have as they are here.
    _fitted: ClassVar[type]
    _passed_on: ClassVar[tuple[str, ...]]

    n_components: int | Sequence[int]
    cv: Any
    refit: bool
    init_params: str
    random_state: int | np.random.RandomState | None
    n_jobs: int | None
    verbose: int

    best_params_: dict[str, Any]
    best_index_: int
    best_score_: float
    n_iter_: int

    @abstractmethod
    def _models(self, X: ArrayLike, seed: int) -> list[Model]:
        """Read the table, remember its columns, and return the models to be tried."""

    def _settings(self, seed: int) -> dict[str, Any]:
        """Return the parameters that all fits have."""
        return {name: getattr(self, name) for name in self._passed_on} | {"random_state": seed}

    def _tree(self) -> GrowTree | None:
        """Return what grows one tree for all fits; None if each grows its own."""
        return None

    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit every model with every number of components, and choose.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Each column has a value.
        y : Ignored
            Only handed to callbacks and to a splitter.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice.
        groups : array-like of shape (n_samples,), default=None
            Groups of rows that no split separates, such as all rows of one person; handed to the
            splitter. Only for ``criterion='cv'``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For a parameter or input out of its range, and if every fit fails.

        Warns
        -----
        FitFailedWarning
            If some of the fits failed: which, and why.
        ConvergenceWarning
            What the best fit warns of; which fits were set aside, because a component collapsed
            or rows are too few; and if of all numbers of components that were asked for only one
            component could be used.
        """
        with kept_on_failure(self):
            said = self._search(X, y, sample_weight, groups, unwatched)
        for category, message in said:
            warnings.warn(message, category, stacklevel=2 + FRAMES)
        return self

    @with_callbacks
    def _fit(
        self,
        X: ArrayLike,
        sample_weight: ArrayLike | None,
        watch: Watch,
        shown: Shown | None = None,
    ) -> Self:
        """Fit, and tell ``watch`` of each fit to all rows that has ended; warn of nothing."""
        self._search(X, None, sample_weight, None, watch, shown)
        return self

    def _search(
        self,
        X: ArrayLike,
        y: Any,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        watch: Watch,
        shown: Shown | None = None,
    ) -> list[Warned]:
        """Fit, choose and publish; return what to warn of."""
        check_parameters(type(self).__name__, self.get_params(deep=False), self._allowed)
        if groups is not None and self.criterion != "cv":
            raise ValueError(
                f"groups are for the folds of criterion='cv', but got criterion="
                f"{self.criterion!r}: set criterion='cv', or leave groups out"
            )
        check_in_memory(
            X,
            type(self).__name__,
            f"Choose on a sample of its rows, and fit an {self._fitted.__name__} with "
            "best_params_ to all of them",
        )
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        models = self._models(X, int(seed))
        rows = models[0].rows
        weights = check_sample_weight(sample_weight, len(rows))
        folds = self._folds(rows, y, groups, int(seed)) if self.criterion == "cv" else []
        cells = make_cells(models, self.n_components)
        n_fits = len(cells) * (1 + len(folds))
        metadata = None if weights is None else {"sample_weight": weights}
        task = root_task(
            self, n_fits, sequential=False, X=X, y=y, metadata=metadata, n_rows=len(rows)
        )
        if shown is None and hasattr(self, "feature_names_in_"):
            shown = Shown(self.feature_names_in_.tolist())
        progress = GridProgress(self.verbose, n_fits, task)
        grid = Grid(cells, self.init_params, self.n_jobs, progress, shown, self._tree())
        outcomes, results = self._fit_grid(grid, weights, watch)
        if self.criterion == "cv":
            columns, errors = cross_validate(grid, weights, folds)
            results |= columns
            results["error"] = np.where(results["error"] == "", errors, results["error"])
        said = self._choose(cells, results, outcomes)
        task.end(lambda: {"best_estimator_": outcomes[self.best_index_].mixture})
        return said

    def _fit_grid(
        self, grid: Grid, weights: Array | None, watch: Watch
    ) -> tuple[list[Outcome], Columns]:
        """Fit all cells to all rows, the best of them again; return outcomes and their table."""

        def judge(cell: Cell, mixture: Any) -> dict[str, float]:
            return criteria_of_rows(mixture, cell.model.rows, weights)

        outcomes = grid.fit(weights, judge, watch)
        rows = grid.cells[0].model.rows
        n_rows = float(len(rows))
        if weights is not None:  # which may count rows
            n_rows = max(float(weights.sum()), float(np.count_nonzero(weights)))

        def table(outcomes: list[Outcome]) -> Columns:
            return tabulate(grid.cells, outcomes, n_rows, self._model_column)

        def ranks(outcomes: list[Outcome]) -> NDArray[np.int64]:
            results = table(outcomes)
            return rank(results[COLUMNS[self.criterion]], set_aside(results, self.criterion))

        several = len({cell.model.name for cell in grid.cells}) > 1
        if several and self.init_params == "hierarchical" and self.criterion != "cv":
            outcomes = fit_again(grid, weights, judge, outcomes, ranks(outcomes))
            outcomes = fit_beside(grid, weights, judge, outcomes, ranks)
        return outcomes, table(outcomes)

    def _folds(
        self, rows: Floats, y: Any, groups: ArrayLike | None, seed: int
    ) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Cut the rows into folds."""
        folds = _FOLDS if self.cv is None else self.cv
        if isinstance(folds, int | np.integer):
            kind = KFold if groups is None else GroupKFold
            folds = kind(int(folds), shuffle=True, random_state=seed)
        return list(check_cv(folds).split(rows, y, groups))

    def _choose(
        self, cells: Sequence[Cell], results: Columns, outcomes: Sequence[Outcome]
    ) -> list[Warned]:
        """Rank the fits and publish; return what to warn of."""
        column = COLUMNS[self.criterion]
        failed = results["error"] != ""
        results[column] = np.where(failed, np.nan, results[column])
        if failed.all():
            raise ValueError(describe_failures(results, failed))
        losses = -results[column] if self.criterion == "cv" else results[column]
        aside = set_aside(results, self.criterion) & ~failed
        results["rank"] = rank(losses, aside)
        best = int(np.argmin(results["rank"]))
        self.results_ = results
        self.best_index_ = best
        self.best_score_ = float(results[column][best])
        self.n_iter_ = int(results["n_iter"][best])
        cell = cells[best]
        self.best_params_ = cell.model.parameters | {"n_components": cell.n_components}
        said: list[Warned] = []
        left_out = np.array([text.startswith(NOT_FITTED) for text in results["error"]])
        if (failed & ~left_out).any():
            said.append((FitFailedWarning, describe_failures(results, failed & ~left_out)))
        alone = say_alone(results)
        if alone:
            said.append((ConvergenceWarning, alone))
        elif aside.any() and not aside[best]:
            words = describe_set_aside(results, aside, self.criterion)
            said.append((ConvergenceWarning, words))
        if not self.refit:
            return said
        mixture = outcomes[best].mixture
        assert mixture is not None
        self.best_estimator_ = mixture.set_params(init_params=self.init_params, n_jobs=self.n_jobs)
        if hasattr(self, "feature_names_in_"):
            mixture.feature_names_in_ = self.feature_names_in_
        texts = (f"The best fit: {message}" for message in outcomes[best].warnings)
        return [*said, *((ConvergenceWarning, text) for text in texts)]


class StructureChoice(GaussianChosen, Choice):
    """A choice among covariance structures, for tables of numbers."""

    covariance_type: str | Sequence[str]

    _model_column = "covariance_type"

    def _models(self, X: ArrayLike, seed: int) -> list[Model]:
        rows = check_rows(X, self)
        return make_models(self._fitted, self.covariance_type, rows, self._settings(seed))

    def _tree(self) -> GrowTree:
        return tree_of_seen
