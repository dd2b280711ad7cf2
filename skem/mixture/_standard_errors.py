"""Standard errors of a fitted mixture's parameters by the bootstrap."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.utils.validation import check_is_fitted

from skem._parameters import check_parameters, one_of
from skem.mixture._base import BaseMixture
from skem.mixture._bootstrap import Testable, check_estimator, check_type, draw_table, repeat
from skem.mixture._em import EMGaussianMixture
from skem.mixture._em_mixture import EMMixture
from skem.mixture._fitting import fit_quietly
from skem.mixture._grid import iteration_size
from skem.mixture._reading import make_family
from skem.mixture._student import EMStudentMixture

__all__ = [
    "BlockStandardErrors",
    "StandardErrors",
    "StudentStandardErrors",
    "bootstrap_standard_errors",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Seed: TypeAlias = "int | np.random.RandomState | None"


class StandardErrors(NamedTuple):
    """What `bootstrap_standard_errors` returns of `EMGaussianMixture`.

    Attributes
    ----------
    weights : ndarray, of the shape of ``weights_``
    means : ndarray, of the shape of ``means_``
    covariances : ndarray, of the shape of ``covariances_``
    """

    weights: Array
    means: Array
    covariances: Array


class StudentStandardErrors(NamedTuple):
    """What `bootstrap_standard_errors` returns of `EMStudentMixture`.

    Attributes
    ----------
    weights : ndarray, of the shape of ``weights_``
    means : ndarray, of the shape of ``means_``
    scale_matrices : ndarray, of the shape of ``scale_matrices_``
    df : ndarray, of the shape of ``df_``
    """

    weights: Array
    means: Array
    scale_matrices: Array
    df: Array


class BlockStandardErrors(NamedTuple):
    """What `bootstrap_standard_errors` returns of `EMMixture`.

    Attributes
    ----------
    weights : ndarray, of the shape of ``weights_``
    parameters : list of dict
        As ``parameters_``, with standard errors in place of the parameters.
    """

    weights: Array
    parameters: list[dict[str, Any]]


def _nonparametric(
    mixture: BaseMixture, X: Floats, rng: np.random.RandomState
) -> tuple[Floats, Array]:
    """Draw rows with replacement: multinomial weights."""
    return X, rng.multinomial(len(X), np.full(len(X), 1.0 / len(X))).astype(np.float64)


def _weighted_likelihood(
    mixture: BaseMixture, X: Floats, rng: np.random.RandomState
) -> tuple[Floats, Array]:
    """Draw weights from a uniform Dirichlet distribution."""
    weights: Array = rng.standard_exponential(len(X))
    return X, weights / weights.mean()


def _parametric(mixture: BaseMixture, X: Floats, rng: np.random.RandomState) -> tuple[Floats, None]:
    """Draw a table from the mixture."""
    return draw_table(mixture, X, rng), None


_METHODS: dict[str, Callable[..., tuple[Floats, Array | None]]] = {
    "nonparametric": _nonparametric,
    "parametric": _parametric,
    "weighted_likelihood": _weighted_likelihood,
}


def bootstrap_standard_errors(
    X: ArrayLike,
    estimator: Testable,
    *,
    method: str = "weighted_likelihood",
    n_bootstrap: int = 199,
    random_state: Seed = None,
    n_jobs: int | None = None,
) -> StandardErrors | StudentStandardErrors | BlockStandardErrors:
    """Estimate standard errors of a fitted mixture's weights and parameters.

    The fit is repeated on tables that might as well have been seen, each time from the fitted
    parameters. Components are matched to the fitted ones by the probabilities that both give to
    the rows of `X`, so that swapped labels don't count as errors.

    Parameters
    ----------
    X : frame or array-like of shape (n_samples, n_features)
        The rows that `estimator` was fitted on, without weights.
    estimator : EMGaussianMixture, EMStudentMixture or EMMixture
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
    errors : StandardErrors, StudentStandardErrors or BlockStandardErrors
        A named tuple of standard deviations over the tables: ``(weights, means, covariances)``, of
        `EMStudentMixture` ``(weights, means, scale_matrices, df)``, of `EMMixture`
        ``(weights, parameters)``.

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
    check_type(owner, (EMGaussianMixture, EMStudentMixture, EMMixture), X, estimator)
    check_estimator(owner, estimator, n_bootstrap, random_state, n_jobs)
    check_parameters(owner, {"method": method}, {"method": (one_of(_METHODS),)})
    check_is_fitted(estimator)
    rows = estimator._check_rows(X)
    fitted = estimator._responsibilities(rows)
    family = make_family(estimator)

    def replicate(rng: np.random.RandomState, n_threads: int) -> tuple[Any, ...]:
        table, weights = _METHODS[method](estimator, rows, rng)
        mixture = _going_on(estimator, n_threads)
        fit_quietly(mixture, mixture._kind, table, weights)
        resp = mixture._responsibilities(rows)
        order = linear_sum_assignment(fitted.T @ resp, maximize=True)[1]
        theta = mixture._kind.read(mixture, family)
        return _published(estimator, theta.weights[order], family.take(theta.components, order))

    size = iteration_size(rows, len(estimator.weights_))
    fits = repeat(replicate, n_bootstrap, random_state, n_jobs, size)
    return _RETURNED[type(estimator)](*map(_deviation, zip(*fits, strict=True)))


_RETURNED = {
    EMGaussianMixture: StandardErrors,
    EMStudentMixture: StudentStandardErrors,
    EMMixture: BlockStandardErrors,
}


def _going_on(estimator: Testable, n_threads: int) -> Any:
    """Return a mixture whose fit starts from the parameters of a fitted one."""
    mixture = copy.copy(estimator)
    # No random numbers are left to the start, but `sample` is seeded.
    mixture.set_params(warm_start=True, verbose=0, n_jobs=n_threads, random_state=0)
    if hasattr(mixture, "_record"):  # the gains of other rows say nothing
        mixture._record = mixture._record._replace(bound=-np.inf, gains=())
    return mixture


def _published(estimator: Testable, weights: Array, components: Any) -> tuple[Any, ...]:
    """Return parameters in the form of the fitted attributes."""
    if isinstance(estimator, EMMixture):
        kind = estimator._kind
        return weights, kind.publish_parameters(kind.layout(estimator), components)
    if isinstance(estimator, EMStudentMixture):
        return weights, components.means, components.covariances, components.freedom
    return weights, components.means, components.covariances


def _deviation(values: tuple[Any, ...]) -> Any:
    """Return the standard deviations of the numbers in several values of one form.

    They are infinite where a number is, as the size of a component whose counts are a Poisson's.
    """
    first = values[0]
    if isinstance(first, np.ndarray):
        numbers = np.array(values, dtype=np.float64)
        finite = np.isfinite(numbers).all(axis=0)
        deviation = np.std(np.where(finite, numbers, 0.0), axis=0, ddof=1)
        return np.where(finite, deviation, np.inf)
    if isinstance(first, dict):
        names = [*first]
        return {name: _deviation(tuple(value[name] for value in values)) for name in names}
    if isinstance(first, list) and not isinstance(first[0], str | int):
        return [_deviation(parts) for parts in zip(*values, strict=True)]
    return first  # names and categories
