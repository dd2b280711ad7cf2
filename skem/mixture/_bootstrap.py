"""A test of the number of components by the bootstrap, and what all bootstraps share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.utils import check_random_state

from skem._collections import check_in_memory
from skem._parameters import check_parameters, integer, jobs, none
from skem._parameters import random_state as seeds
from skem._seeds import generator
from skem.mixture._base import BaseMixture, narrow_to
from skem.mixture._em import EMGaussianMixture
from skem.mixture._em_mixture import EMMixture
from skem.mixture._fitting import Ended, fit_quietly
from skem.mixture._grid import in_parallel, iteration_size
from skem.mixture._reading import set_attributes
from skem.mixture._shared import GIVEN_STARTS
from skem.mixture._student import EMStudentMixture

__all__ = [
    "LikelihoodRatioTest",
    "Testable",
    "bootstrap_likelihood_ratio",
    "check_estimator",
    "check_type",
    "draw_table",
    "repeat",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Seed: TypeAlias = "int | np.random.RandomState | None"
Testable: TypeAlias = EMGaussianMixture | EMStudentMixture | EMMixture

_COMMON = {
    "n_bootstrap": (integer(2),),
    "random_state": (seeds, none),
    "n_jobs": (jobs, none),
}


class LikelihoodRatioTest(NamedTuple):
    """What `bootstrap_likelihood_ratio` returns.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods, K + 1 components less K, in nats.
    p_value : float
        Share of ratios at least as large where there are K components: ``(1 + number of
        replicates >= statistic) / (1 + number of replicates)``.
    replicates : ndarray of shape (n_bootstrap,)
        The statistic of each table drawn from the fit with K components; those whose fits
        failed are left out.
    """

    statistic: float
    p_value: float
    replicates: Array


def bootstrap_likelihood_ratio(
    X: ArrayLike,
    estimator: Testable,
    *,
    n_bootstrap: int = 199,
    random_state: Seed = None,
    n_jobs: int | None = None,
) -> LikelihoodRatioTest:
    """Test K components against K + 1 by the parametric bootstrap (McLachlan 1987).

    The likelihood ratio of mixtures has no chi-squared distribution, since under K components
    the parameters of one more are at the edge of their space or not identified. So its
    distribution is found by simulation: tables of as many rows, with the same cells missing, are
    drawn from the fit with K components, and both mixtures are fitted to each.

    Parameters
    ----------
    X : frame or array-like of shape (n_samples, n_features)
    estimator : EMGaussianMixture, EMStudentMixture or EMMixture
        Its parameters are those of all fits, its ``n_components`` is K. It is not changed, and
        need not be fitted. `init_params` must be a method, for any number of components.
    n_bootstrap : int, default=199
        Number of tables that are drawn. The smallest possible p value is
        ``1 / (n_bootstrap + 1)``.
    random_state : int, RandomState instance or None, default=None
    n_jobs : int, default=None
        Number of threads, with the same result for each; see `EMGaussianMixture`.

    Returns
    -------
    test : LikelihoodRatioTest
        A named tuple ``(statistic, p_value, replicates)``.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or one of the two fits to `X` fails, or all
        replicates do.

    Warns
    -----
    FitFailedWarning
        If fits to some of the drawn tables failed.
    ConvergenceWarning
        What the fits to `X` warn of.

    Notes
    -----
    A fit that misses the highest likelihood makes a ratio too small, even negative. A start
    that finds it matters more than `n_bootstrap`.

    All fits start by the estimator's `init_params`, those to drawn tables as those to `X`: so the
    ratios are of one procedure, and p values mean what they say. ``init_params="kmeans"`` is the
    quick one, see :ref:`certain_number`.

    References
    ----------
    .. [1] McLachlan, G. J. (1987). On bootstrapping the likelihood ratio test statistic for the
       number of components in a normal mixture. Applied Statistics 36, 318-324.

    Examples
    --------
    >>> from skem import EMGaussianMixture, bootstrap_likelihood_ratio
    >>> from skem.datasets import load_faithful
    >>> X = load_faithful().data
    >>> one = EMGaussianMixture(1, random_state=0)
    >>> bootstrap_likelihood_ratio(X, one, n_bootstrap=19, random_state=0).p_value
    0.05
    """
    owner = "bootstrap_likelihood_ratio"
    check_type(owner, (EMGaussianMixture, EMStudentMixture, EMMixture), X, estimator)
    check_estimator(owner, estimator, n_bootstrap, random_state, n_jobs)
    given = [name for name in GIVEN_STARTS if getattr(estimator, name, None) is not None]
    if given or not isinstance(estimator.init_params, str):
        raise ValueError(
            f"estimator has {', '.join(given or ['init_params'])} for {estimator.n_components} "
            "components only; bootstrap_likelihood_ratio needs a start for any number: leave it "
            "to one of the methods of init_params"
        )
    k = estimator.n_components
    reader = clone(estimator).set_params(warm_start=False)
    rows: Floats = reader._kind.read_rows(reader, X, reset=True)
    known = set_attributes(reader)

    blanks = [_blank(estimator, n, known) for n in (k, k + 1)]

    def fits(table: Floats, **parameters: Any) -> list[Ended]:
        """Fit K and K + 1 components."""
        mixtures = [copy(one) for one in blanks]  # `clone` takes as long as a small fit
        for mixture in mixtures:
            vars(mixture).update(parameters)
        return [fit_quietly(mixture, mixture._kind, table, None) for mixture in mixtures]

    less, more = fits(rows)
    for message in dict.fromkeys([*less.remarks(), *more.remarks()]):
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    statistic, null = _ratio(less, more), less.estimator
    assert isinstance(null, BaseMixture)

    def replicate(rng: np.random.RandomState, n_threads: int) -> float:
        table = draw_table(null, rows, rng)
        seed = rng.randint(2**31 - 1)
        return _ratio(*fits(table, n_jobs=n_threads, random_state=seed, resolution=resolution))

    # What is drawn was recorded in no steps: they need not be looked for.
    resolution = None if isinstance(reader.resolution, str) else reader.resolution
    size = iteration_size(rows, k)
    replicates = np.array(repeat(replicate, n_bootstrap, random_state, n_jobs, size))
    as_large = int(np.count_nonzero(replicates >= statistic))
    return LikelihoodRatioTest(statistic, (1 + as_large) / (1 + len(replicates)), replicates)


def _ratio(less: Ended, more: Ended) -> float:
    return 2.0 * (more.log_likelihood() - less.log_likelihood())


def draw_table(mixture: BaseMixture, X: Floats, rng: np.random.RandomState) -> Floats:
    """Draw a table of checked rows with the missing cells of ``X``."""
    drawn = narrow_to(mixture._draw(len(X), rng)[0], X.dtype)
    return np.where(np.isnan(X), np.nan, drawn).astype(drawn.dtype, copy=False)


def check_type(owner: str, types: tuple[type, ...], X: ArrayLike, estimator: object) -> None:
    """Check that an estimator is of one of some types, and rows are in memory."""
    check_in_memory(X, owner, "Give it a sample of the rows")
    if not isinstance(estimator, types):
        words = " or an ".join(one.__name__ for one in types)
        raise TypeError(
            f"{owner} needs an {words}, got {type(estimator).__name__}. Of a choice, such as "
            "GaussianMixtureIC, pass its best_estimator_"
        )


def check_estimator(
    owner: str, estimator: Testable, n_bootstrap: int, random_state: Seed, n_jobs: int | None
) -> None:
    """Check parameters, those of the estimator among them."""
    if estimator.noise:
        raise ValueError(
            f"{owner} knows of no noise, but the estimator has noise={estimator.noise!r}: set "
            "noise=False"
        )
    given = {"n_bootstrap": n_bootstrap, "random_state": random_state, "n_jobs": n_jobs}
    check_parameters(owner, given, _COMMON)
    name, parameters = type(estimator).__name__, estimator.get_params(deep=False)
    check_parameters(name, parameters, estimator._allowed)


def _blank(estimator: Testable, n_components: int, known: dict[str, Any]) -> Any:
    """Return an unfitted mixture that knows the columns."""
    blank = clone(estimator).set_params(verbose=0, warm_start=False, n_components=n_components)
    vars(blank).update(known)
    return blank


def repeat(
    replicate: Callable[[np.random.RandomState, int], Any],
    n_bootstrap: int,
    random_state: Seed,
    n_jobs: int | None,
    size: float,
) -> list[Any]:
    """Return the replicates that succeed, each with random numbers of its own."""
    seeds = check_random_state(random_state).randint(2**31 - 1, size=n_bootstrap)

    def attempt(number: int, n_threads: int) -> Any:
        try:
            return replicate(generator(seeds[number]), n_threads)
        except (ValueError, ArithmeticError) as error:
            return error

    results = in_parallel(attempt, n_bootstrap, n_jobs, size)
    errors = [result for result in results if isinstance(result, Exception)]
    if len(errors) > n_bootstrap - 2:
        raise ValueError(
            f"{len(errors)} of {n_bootstrap} bootstrap fits failed; the first: {errors[0]}"
        )
    if errors:
        warnings.warn(
            f"{len(errors)} of {n_bootstrap} bootstrap fits failed and are left out; the first: "
            f"{errors[0]}",
            FitFailedWarning,
            stacklevel=3,
        )
    return [result for result in results if not isinstance(result, Exception)]
