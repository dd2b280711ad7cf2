"""How sure a fitted mixture is: tests and standard errors by the bootstrap."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skem._collections import check_in_memory
from skem._parameters import check_parameters, check_rows, integer, jobs, none, one_of
from skem._parameters import random_state as seeds
from skem.mixture._base import BaseMixture, narrow_to
from skem.mixture._em import EMGaussianMixture
from skem.mixture._em_mixture import EMMixture
from skem.mixture._fitting import fit_quietly
from skem.mixture._grid import in_parallel, iteration_size
from skem.mixture._point import POINT
from skem.mixture._reading import fitted_components, make_family, set_attributes
from skem.mixture._shared import GIVEN_STARTS
from skem.mixture._student import EMStudentMixture

__all__ = [
    "LikelihoodRatioTest",
    "StandardErrors",
    "bootstrap_likelihood_ratio",
    "bootstrap_standard_errors",
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


class StandardErrors(NamedTuple):
    """What `bootstrap_standard_errors` returns: one array for each fitted attribute.

    Attributes
    ----------
    weights : ndarray, of the shape of ``weights_``
    means : ndarray, of the shape of ``means_``
    covariances : ndarray, of the shape of ``covariances_``
    """

    weights: Array
    means: Array
    covariances: Array


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
    _check(owner, (EMGaussianMixture, EMStudentMixture, EMMixture), X, estimator)
    _check_parameters(owner, estimator, n_bootstrap, random_state, n_jobs)
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

    def fit(n_components: int, table: Floats, **parameters: Any) -> tuple[BaseMixture, list[str]]:
        mixture = _copy(estimator, warm_start=False, n_components=n_components, **parameters)
        for name, value in known.items():  # of the columns
            setattr(mixture, name, value)
        return mixture, fit_quietly(mixture, mixture._kind, table, None)

    def ratio(table: Floats, **parameters: Any) -> tuple[float, BaseMixture, list[str]]:
        fits = [fit(n, table, **parameters) for n in (k, k + 1)]
        less, more = (float(one._log_density(table).mean(dtype=np.float64)) for one, _ in fits)
        return 2.0 * len(table) * (more - less), fits[0][0], [*fits[0][1], *fits[1][1]]

    statistic, null, said = ratio(rows)
    for message in dict.fromkeys(said):
        warnings.warn(message, ConvergenceWarning, stacklevel=2)

    def replicate(rng: np.random.RandomState, n_threads: int) -> float:
        table = _draw_table(null, rows, rng)
        return ratio(table, n_jobs=n_threads, random_state=rng.randint(2**31 - 1))[0]

    size = iteration_size(rows, k)
    replicates = np.array(_repeat(replicate, n_bootstrap, random_state, n_jobs, size))
    as_large = int(np.count_nonzero(replicates >= statistic))
    return LikelihoodRatioTest(statistic, (1 + as_large) / (1 + len(replicates)), replicates)


def _draw_table(mixture: BaseMixture, X: Floats, rng: np.random.RandomState) -> Floats:
    """Draw a table of checked rows with the missing cells of ``X``."""
    drawn = narrow_to(mixture._draw(len(X), rng)[0], X.dtype)
    return np.where(np.isnan(X), np.nan, drawn).astype(drawn.dtype, copy=False)


def _nonparametric(
    mixture: EMGaussianMixture, X: Floats, rng: np.random.RandomState
) -> tuple[Floats, Array]:
    """Draw rows with replacement: multinomial weights."""
    return X, rng.multinomial(len(X), np.full(len(X), 1.0 / len(X))).astype(np.float64)


def _weighted_likelihood(
    mixture: EMGaussianMixture, X: Floats, rng: np.random.RandomState
) -> tuple[Floats, Array]:
    """Draw weights from a uniform Dirichlet distribution."""
    weights: Array = rng.standard_exponential(len(X))
    return X, weights / weights.mean()


def _parametric(
    mixture: EMGaussianMixture, X: Floats, rng: np.random.RandomState
) -> tuple[Floats, None]:
    """Draw a table from the mixture."""
    return _draw_table(mixture, X, rng), None


_METHODS: dict[str, Callable[..., tuple[Floats, Array | None]]] = {
    "nonparametric": _nonparametric,
    "parametric": _parametric,
    "weighted_likelihood": _weighted_likelihood,
}


def bootstrap_standard_errors(
    X: ArrayLike,
    estimator: EMGaussianMixture,
    *,
    method: str = "weighted_likelihood",
    n_bootstrap: int = 199,
    random_state: Seed = None,
    n_jobs: int | None = None,
) -> StandardErrors:
    """Estimate standard errors of a fitted mixture's weights, means and covariances.

    The fit is repeated on tables that might as well have been seen, each time from the fitted
    parameters. Components are matched to the fitted ones by the probabilities that both give to
    the rows of `X`, so that swapped labels don't count as errors.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows that `estimator` was fitted on, without weights.
    estimator : EMGaussianMixture
        A fitted one. It is not changed.
    method : {'weighted_likelihood', 'nonparametric', 'parametric'}, \
default='weighted_likelihood'
        How tables are made:

        - 'weighted_likelihood': the rows with random weights, uniform among all weights of the
          same sum (Newton & Raftery 1994); none is ever left out, so components rarely
          collapse (O'Hagan et al. 2019);
        - 'nonparametric': rows drawn with replacement (Efron 1979);
        - 'parametric': rows drawn from the fitted mixture, with the missing cells of `X`, which
          trusts the model.
    n_bootstrap : int, default=199
        Number of tables.
    random_state : int, RandomState instance or None, default=None
    n_jobs : int, default=None
        Number of threads, with the same result for each; see `EMGaussianMixture`.

    Returns
    -------
    errors : StandardErrors
        A named tuple ``(weights, means, covariances)`` of standard deviations over the tables.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter is out of its range, or fewer than two fits succeed.

    Warns
    -----
    FitFailedWarning
        If some of the fits failed.

    References
    ----------
    .. [1] Efron, B. (1979). Bootstrap methods: another look at the jackknife. Annals of
       Statistics 7, 1-26.
    .. [2] Newton, M. A. & Raftery, A. E. (1994). Approximate Bayesian inference with the weighted
       likelihood bootstrap. JRSS B 56, 3-48.
    .. [3] O'Hagan, A., Murphy, T. B., Scrucca, L. & Gormley, I. C. (2019). Investigation of
       parameter uncertainty in clustering using a Gaussian mixture model via jackknife, bootstrap
       and weighted likelihood bootstrap. Computational Statistics 34, 1779-1813.

    Examples
    --------
    >>> from skem import EMGaussianMixture, bootstrap_standard_errors
    >>> from skem.datasets import load_faithful
    >>> X = load_faithful().data
    >>> mixture = EMGaussianMixture(2, random_state=0).fit(X)
    >>> bootstrap_standard_errors(X, mixture, n_bootstrap=50, random_state=0).weights.round(2)
    array([0.03, 0.03])
    """
    owner = "bootstrap_standard_errors"
    _check(owner, (EMGaussianMixture,), X, estimator)
    _check_parameters(owner, estimator, n_bootstrap, random_state, n_jobs)
    rows = check_rows(X)
    check_parameters(owner, {"method": method}, {"method": (one_of(_METHODS),)})
    check_is_fitted(estimator)
    fitted = estimator.predict_proba(X)
    family = make_family(estimator)
    start = {
        "weights_init": estimator.weights_,
        "means_init": estimator.means_,
        "precisions_init": estimator.precisions_,
        "n_init": 1,
        "warm_start": False,
    }

    def replicate(rng: np.random.RandomState, n_threads: int) -> tuple[Floats, Floats, Floats]:
        table, weights = _METHODS[method](estimator, rows, rng)
        # No random numbers are left to the start, but `sample` is seeded.
        mixture = _copy(estimator, **start, n_jobs=n_threads, random_state=0)
        fit_quietly(mixture, POINT, table, weights)
        order = linear_sum_assignment(fitted.T @ mixture.predict_proba(rows), maximize=True)[1]
        components = family.take(fitted_components(mixture, family), order)
        return mixture.weights_[order], components.means, components.covariances

    size = iteration_size(rows, len(estimator.weights_))
    fits = _repeat(replicate, n_bootstrap, random_state, n_jobs, size)
    weights, means, covariances = (
        np.std(np.array(part, dtype=np.float64), axis=0, ddof=1) for part in zip(*fits, strict=True)
    )
    return StandardErrors(weights, means, covariances)


def _check(owner: str, types: tuple[type, ...], X: ArrayLike, estimator: object) -> None:
    """Check that an estimator is of one of some types, and rows are in memory."""
    check_in_memory(X, owner, "Give it a sample of the rows")
    if not isinstance(estimator, types):
        words = " or an ".join(one.__name__ for one in types)
        raise TypeError(
            f"{owner} needs an {words}, got {type(estimator).__name__}. Of a choice, such as "
            "GaussianMixtureIC, pass its best_estimator_"
        )


def _check_parameters(
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


def _copy(estimator: Any, **parameters: Any) -> Any:
    return clone(estimator).set_params(verbose=0, **parameters)


def _repeat(
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
            return replicate(np.random.RandomState(seeds[number]), n_threads)
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
