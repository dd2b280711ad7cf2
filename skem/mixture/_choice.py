"""The number of components and the model of the covariances, chosen by a criterion."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.utils import check_random_state

from skem._callbacks import FRAMES, root_task, with_callbacks
from skem._collections import check_in_memory
from skem._docstrings import fill_docstring
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
from skem.families import GAUSSIAN_FAMILIES
from skem.inference import START_METHODS
from skem.mixture._again import fit_again
from skem.mixture._chosen import Chosen
from skem.mixture._em import EMGaussianMixture
from skem.mixture._grid import (
    COLUMNS,
    NOT_FITTED,
    Columns,
    Grid,
    Outcome,
    Watch,
    cross_validate,
    describe_failures,
    describe_set_aside,
    make_cells,
    rank,
    say_alone,
    set_aside,
    tabulate,
    unwatched,
)
from skem.mixture._progress import GridProgress
from skem.mixture._shared import ENTRIES, SHARED_PARAMETERS
from skem.mixture._units import Shown

__all__ = ["GaussianMixtureIC"]

Floats: TypeAlias = NDArray[np.floating]
Warned: TypeAlias = tuple[type[Warning], str]

_FOLDS = 5
# Parameters that all fits have as they are here.
_SHARED = ("tol", "reg_covar", "max_iter", "n_init", "acceleration", "resolution", "noise")

_types = some(one_of(GAUSSIAN_FAMILIES), "these str")
_splits = Allowed(
    lambda value: (
        not isinstance(value, str) and (hasattr(value, "split") or isinstance(value, Iterable))
    ),
    "a splitter, an iterable of splits",
)


def _count(rows: Floats, weights: NDArray[np.float64] | None) -> int:
    """Count the rows of positive weight."""
    return len(rows) if weights is None else int(np.count_nonzero(weights))


@fill_docstring(ENTRIES)
class GaussianMixtureIC(Chosen):
    """Gaussian mixture whose number of components and covariances a criterion chooses.

    Fits `EMGaussianMixture` for every pair of a covariance type and a number of components, all
    from one start, and keeps the best: the model-based clustering of Fraley & Raftery (2002),
    with the fourteen models of Celeux & Govaert (1995).

    Read more in the :ref:`user guide <choice>`.

    NaN in `X` is a missing cell: the fit and all answers are those of the seen cells, see
    :ref:`missing`.

    Parameters
    ----------
    n_components : int or sequence of int, default=(1, 2, 3, 4, 5, 6, 7, 8, 9)
        Numbers of components K to try.

    covariance_type : {'all'} or a covariance type or a sequence of them, default='all'
        Covariance types to try, of those that `EMGaussianMixture` takes. 'all' are mclust's
        fourteen models; of one feature, where these come to two, 'EII' and 'VII' (mclust's E
        and V).

    criterion : {'bic', 'icl', 'aic', 'cv'}, default='bic'
        What the best fit is best by:

        - 'bic': Bayesian information criterion (Schwarz 1978), the lowest;
        - 'icl': integrated completed likelihood (Biernacki, Celeux & Govaert 2000), the lowest;
        - 'aic': Akaike's information criterion, the lowest;
        - 'cv': cross-validated mean log-likelihood (Smyth 2000), the highest.

    cv : int, splitter, iterable or None, default=None
        Folds for ``criterion='cv'``: an int for that many folds of shuffled rows, or of shuffled
        groups if `fit` is given `groups` (None: 5); or what else scikit-learn takes for `cv`.

    refit : bool, default=True
        Whether to keep the best fit in ``best_estimator_``, which all methods need.

    tol : float, default=1e-5
        As in `EMGaussianMixture`. The defaults of this, of `max_iter` and of `acceleration` go
        nearer to the maximum than there: criteria of fits that stopped early would be compared
        with those of fits that did not.

    reg_covar
        As in `EMGaussianMixture`.

    max_iter : int, default=1000
        Most iterations of each fit.

    n_init
        As in `EMGaussianMixture`.

    acceleration : {None, 'squarem', 'anderson'}, default='squarem'
        As in `EMGaussianMixture`.

    init_params : {'hierarchical', 'auto', 'kmeans', 'k-means++', 'random', 'random_from_data'}, \
default='hierarchical'
        As in `EMGaussianMixture`. With the same number of components all covariance types start
        from the same responsibilities. By 'hierarchical' one tree is grown and cut for all
        numbers of components. Of several types the best fits (a twelfth, at least three) are
        then made again from a search and from the best two fits of other types, and what ends
        higher is kept (not for 'cv'). By 'auto' each fit searches for a start of its own.

    random_state : int, RandomState instance or None, default=None
        Source of the random numbers of starts and folds. An int is that of every single fit.

    n_jobs : int, default=None
        Number of threads; see `EMGaussianMixture`. They share the fits where an iteration takes
        long enough for it. Every bit of the result but ``fit_time`` is the same for each number.

    resolution : 'auto', None or array-like of shape (n_features,), default='auto'
        As in `EMGaussianMixture`. Without it (None) a column of few values, as a year or a count,
        lets components collapse, and no number of components but one can be chosen.

    verbose : int, default=0
        1 prints a line for each fit that has ended, 2 also its time. scikit-learn's callbacks
        (1.9 and later) see each fit as a task.

    noise : bool or float, default=False
        As in `EMGaussianMixture`: every fit has noise, or none.

    Attributes
    ----------
    results_ : dict of str to ndarray of shape (n_fits,)
        A column for each key, a row for each fit; `pandas.DataFrame` takes it as it is.

        - ``covariance_type``, ``n_components``;
        - ``bic``, ``icl``, ``aic``: of all rows, lower is better, NaN where the fit failed;
        - ``log_likelihood``: of all rows, in nats;
        - ``n_parameters``: number of free parameters;
        - ``converged``, ``n_iter``, ``fit_time`` in seconds;
        - ``collapsed``: whether a component is held up by `reg_covar` alone, or has fewer rows
          than determine its covariance, so that the likelihood can't be compared; also where all
          rows determine no such covariances, and there was no fit;
        - ``crowded``: whether there are fewer than 5 rows for each of several components;
        - ``warnings``: what the fit warned of, one in each line;
        - ``error``: why the fit failed or was not made, empty where it was;
        - for ``criterion='cv'``: ``split0_test_score`` and so on, the mean log density of the
          rows left out in nats per unit of weight; ``mean_test_score`` and
          ``std_test_score``, their mean and standard deviation, weighted by those rows' weight;
        - ``rank``: 1 for the best by the criterion.

        By 'bic', 'icl' and 'aic' collapsed and crowded fits rank after all others; failed
        ones come last.

    best_estimator_ : EMGaussianMixture
        The best fit, to all rows.

    best_params_ : dict
        Its ``covariance_type`` and ``n_components``.
    best_index_ : int
        Its row in ``results_``.
    best_score_ : float
        Its criterion, as in ``results_``: lower is better, higher for 'cv'.

    n_iter_ : int
        Number of iterations of the best fit.
    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMGaussianMixture : A single fit.
    skem.display.ModelSelectionDisplay : The criterion of all fits in one picture.
    skem.mixture.bootstrap_likelihood_ratio : A test of K components against K + 1.

    References
    ----------
    .. [1] Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics 6,
       461-464.
    .. [2] Biernacki, C., Celeux, G. & Govaert, G. (2000). Assessing a mixture model for
       clustering with the integrated completed likelihood. IEEE PAMI 22, 719-725.
    .. [3] Fraley, C. & Raftery, A. E. (2002). Model-based clustering, discriminant analysis, and
       density estimation. JASA 97, 611-631.
    .. [4] Celeux, G. & Govaert, G. (1995). Gaussian parsimonious clustering models. Pattern
       Recognition 28, 781-793.
    .. [5] Smyth, P. (2000). Model selection for probabilistic clustering using cross-validated
       likelihood. Statistics and Computing 10, 63-72.

    Examples
    --------
    >>> from skem import GaussianMixtureIC
    >>> from skem.datasets import load_faithful
    >>> choice = GaussianMixtureIC(range(1, 5), random_state=0).fit(load_faithful().data)
    >>> choice.best_params_
    {'covariance_type': 'EEE', 'n_components': 3}
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        **{name: SHARED_PARAMETERS[name] for name in _SHARED},
        "n_jobs": SHARED_PARAMETERS["n_jobs"],
        "n_components": (integer(1), some(integer(1), "such ints")),
        "covariance_type": (one_of(["all", *GAUSSIAN_FAMILIES]), _types),
        "criterion": (one_of(COLUMNS),),
        "cv": (integer(2), _splits, none),
        "refit": (boolean,),
        "init_params": (one_of(START_METHODS),),
        "random_state": (random_state, none),
        "verbose": SHARED_PARAMETERS["verbose"],
    }

    def __init__(
        self,
        n_components: int | Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8, 9),
        *,
        covariance_type: str | Sequence[str] = "all",
        criterion: str = "bic",
        cv: Any = None,
        refit: bool = True,
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        acceleration: str | None = "squarem",
        init_params: str = "hierarchical",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        resolution: str | ArrayLike | None = "auto",
        verbose: int = 0,
        noise: bool | float = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.criterion = criterion
        self.cv = cv
        self.refit = refit
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.acceleration = acceleration
        self.init_params = init_params
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.resolution = resolution
        self.verbose = verbose
        self.noise = noise

    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit every pair of covariance type and number of components, and choose.

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
        self : GaussianMixtureIC

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
        for category, message in self._search(X, y, sample_weight, groups, unwatched):
            warnings.warn(message, category, stacklevel=2 + FRAMES)
        return self

    @with_callbacks
    def _fit(
        self,
        X: ArrayLike,
        sample_weight: ArrayLike | None,
        watch: Watch,
        shown: Shown,
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
            "GaussianMixtureIC",
            "Choose on a sample of its rows, and fit an EMGaussianMixture with best_params_ to all"
            " of them",
        )
        rows = check_rows(X, self)
        weights = check_sample_weight(sample_weight, len(rows))
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        folds = self._folds(rows, y, groups, seed) if self.criterion == "cv" else []
        parameters = {name: getattr(self, name) for name in (*_SHARED, "init_params")}
        parameters["random_state"] = seed
        cells = make_cells(self.covariance_type, self.n_components, rows.shape[1])
        n_fits = len(cells) * (1 + len(folds))
        metadata = None if weights is None else {"sample_weight": weights}
        task = root_task(self, n_fits, sequential=False, X=rows, y=y, metadata=metadata)
        if shown is None and hasattr(self, "feature_names_in_"):
            shown = Shown(self.feature_names_in_.tolist())
        progress = GridProgress(self.verbose, n_fits, task)
        grid = Grid(cells, parameters, self.n_jobs, progress, shown)

        def judge(mixture: EMGaussianMixture) -> dict[str, float]:
            return mixture._all_criteria(rows, weights)

        outcomes = grid.fit(rows, weights, judge, watch)
        shape = (_count(rows, weights), rows.shape[1], bool(self.noise))
        results = tabulate(cells, outcomes, *shape)
        several = len({cell.covariance_type for cell in cells}) > 1
        if several and self.init_params == "hierarchical" and self.criterion != "cv":
            ranks = rank(results[COLUMNS[self.criterion]], set_aside(results, self.criterion))
            outcomes = fit_again(grid, rows, weights, judge, outcomes, ranks)
            results = tabulate(cells, outcomes, *shape)
        if self.criterion == "cv":
            columns, errors = cross_validate(grid, rows, weights, folds)
            results |= columns
            results["error"] = np.where(results["error"] == "", errors, results["error"])
        said = self._choose(grid, results, outcomes)
        task.end(lambda: {"best_estimator_": outcomes[self.best_index_].mixture})
        return said

    def _folds(
        self, rows: Floats, y: Any, groups: ArrayLike | None, seed: int
    ) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Cut the rows into folds."""
        folds = _FOLDS if self.cv is None else self.cv
        if isinstance(folds, int | np.integer):
            kind = KFold if groups is None else GroupKFold
            folds = kind(int(folds), shuffle=True, random_state=seed)
        return list(check_cv(folds).split(rows, y, groups))

    def _choose(self, grid: Grid, results: Columns, outcomes: list[Outcome]) -> list[Warned]:
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
        self.best_params_ = grid.cells[best]._asdict()
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
