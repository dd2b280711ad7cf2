"""The search: one mixture for each number of components, and BIC to choose."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skem import EMGaussianMixture
from skem.cli.messages import CommandError, Progress, one_line
from skem.cli.model import Model

__all__ = ["Fit", "Search", "search"]


@dataclass(frozen=True)
class Fit:
    """One fit.

    Attributes
    ----------
    k : int
        Number of components.
    mixture : EMGaussianMixture
        The mixture, fitted unless `failure` says otherwise.
    bic : float
        Bayesian information criterion (lower is better) in the table's units, NaN if it failed.
    seconds : float
        Time that the fit took.
    remarks : tuple of str
        What the fit warned of; a warning's advice, which follows a colon, is left out.
    failure : str
        Why there is no fit; empty if there is one.
    """

    k: int
    mixture: EMGaussianMixture
    bic: float
    seconds: float
    remarks: tuple[str, ...] = ()
    failure: str = ""

    @property
    def collapsed(self) -> bool:
        """Whether a component collapsed, so that the likelihood, and BIC, have no limit."""
        return any("collapsed" in remark for remark in self.remarks)


@dataclass(frozen=True)
class Search:
    """All fits and the chosen one.

    Attributes
    ----------
    fits : tuple of Fit
        One for each number of components, in increasing order.
    best : Fit
        The fit with the lowest BIC among those without a collapsed component, or among all if
        there are none without.
    model : Model
        The best fit as a model.
    seconds : float
        Time that the fits took together.
    """

    fits: tuple[Fit, ...]
    best: Fit
    model: Model
    seconds: float


def search(
    X: np.ndarray,
    columns: Sequence[str],
    ks: Sequence[int],
    *,
    weights: np.ndarray | None = None,
    scale: bool = True,
    **options: Any,
) -> Search:
    """Fit a mixture for each number of components and choose by BIC.

    A fit with a collapsed component is chosen only if there is no other: its likelihood, and so
    its BIC, depends on `reg_covar` alone (Fraley & Raftery 2007 leave such fits out as well).

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Rows in the table's units.
    columns : sequence of str
        Names of the columns.
    ks : sequence of int
        Numbers of components to try, in increasing order.
    weights : ndarray of shape (n_rows,), default=None
        Weights of the rows, for the standardisation, the fit and BIC; None means all one.
    scale : bool, default=True
        Whether to standardise the columns.
    **options
        Passed to `EMGaussianMixture`.

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
    jacobian = 0.0 if scaler is None else float(np.log(scaler.scale_).sum())
    shift = 2.0 * jacobian * (len(X) if weights is None else float(weights.sum()))
    fits = []
    with Progress(len(ks)) as progress:
        for done, k in enumerate(ks):
            progress.show(done, f"fitting k = {k}")
            fits.append(_fit(EMGaussianMixture(k, **options), Z, weights, shift))
    fitted = [fit for fit in fits if not fit.failure]
    if not fitted:
        raise CommandError(f"no fit succeeded; k = {fits[0].k}: {fits[0].failure}")
    best = min(fitted, key=lambda fit: (fit.collapsed, fit.bic))
    steps = (
        [("mixture", best.mixture)]
        if scaler is None
        else [("scale", scaler), ("mixture", best.mixture)]
    )
    model = Model(Pipeline(steps), tuple(columns))
    return Search(tuple(fits), best, model, perf_counter() - start)


def _fitted_scaler(
    X: np.ndarray, columns: Sequence[str], weights: np.ndarray | None
) -> StandardScaler:
    with np.errstate(all="ignore"):
        scaler = StandardScaler().fit(X, sample_weight=weights)
    good = np.isfinite(scaler.var_) & np.isfinite(scaler.mean_)
    if not good.all():
        raise CommandError(f"column {columns[int(good.argmin())]!r}: its values are too large")
    return scaler


def _fit(
    mixture: EMGaussianMixture, Z: np.ndarray, weights: np.ndarray | None, shift: float
) -> Fit:
    """Fit one mixture; what it warns of or fails with is kept, not shown."""
    start = perf_counter()
    bic, failure = np.nan, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            mixture.fit(Z, sample_weight=weights)
            bic = float(mixture.bic(Z, sample_weight=weights)) + shift
        except (ValueError, ArithmeticError) as error:
            failure = one_line(error)
    if not failure and not np.isfinite(bic):
        failure = "its BIC is not finite"
    remarks = tuple(one_line(warning.message).partition(": ")[0] for warning in caught)
    return Fit(mixture.n_components, mixture, bic, perf_counter() - start, remarks, failure)
