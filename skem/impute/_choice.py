"""The mixture that imputes best: chosen by cells that are hidden from it."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.inference import Tree
from skem.mixture import EMGaussianMixture
from skem.mixture._fitting import fit_quietly
from skem.mixture._gaps import tree_of_seen
from skem.mixture._point import POINT

__all__ = ["choose_mixture"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Covariance types, each with numbers of components in ascending order. 'tied' with one component
# is 'full'.
_CANDIDATES = (("full", (1, 2, 3, 4)), ("tied", (2, 3, 4)))
_FOLDS = 5
# Rows that are looked at.
_ROWS = 4096
# A choice among fits needs them less exact than the fit that is chosen.
_WHILE_CHOOSING: dict[str, Any] = {"tol": 1e-4, "max_iter": 200, "acceleration": "squarem"}
_CHOSEN: dict[str, Any] = {"tol": 1e-5, "max_iter": 1000, "acceleration": "squarem"}


class _Fold(NamedTuple):
    """A table with some of its seen cells hidden.

    Attributes
    ----------
    holed : ndarray of shape (n_rows, n_features)
    at : tuple of two ndarrays of shape (n_hidden,)
        Rows and columns of the hidden cells.
    truth : ndarray of shape (n_hidden,)
        What they hold.
    tree : Tree
        Where fits to ``holed`` start.
    """

    holed: Floats
    at: tuple[NDArray[np.intp], NDArray[np.intp]]
    truth: Floats
    tree: Tree


def choose_mixture(
    X: Floats, weights: Array | None, rng: np.random.RandomState
) -> EMGaussianMixture:
    """Choose number of components and covariance type by cross-validation over seen cells.

    Each seen cell is hidden once, in one of five folds, and imputed from what is left of its row.
    The smallest mean squared error wins, in units of the columns' standard deviations. Of each
    covariance type numbers of components are tried until the error rises. Of more than 4096 rows
    4096 are taken at random.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Each column has a value in a row of positive weight.
    weights : ndarray of shape (n_rows,) or None
    rng : numpy.random.RandomState

    Returns
    -------
    mixture : EMGaussianMixture
        Not fitted.
    """
    seed = int(rng.randint(2**31 - 1))
    kept = np.arange(len(X)) if weights is None else np.flatnonzero(weights)
    if len(kept) > _ROWS:
        kept = np.sort(rng.choice(kept, _ROWS, replace=False))
    rows, w = X[kept], None if weights is None else weights[kept]
    rows = rows[:, ~np.isnan(rows).all(axis=0)]
    folds = _make_folds(rows, w, rng)
    deviation = np.nanstd(rows, axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)
    best, lowest = ("full", 1), np.inf
    for covariance_type, numbers in _CANDIDATES:
        before = np.inf
        for n_components in numbers:
            if n_components > len(rows):
                break
            error = _error(covariance_type, n_components, folds, w, scale)
            if error < lowest:
                best, lowest = (covariance_type, n_components), error
            if error > before:
                break
            before = error
    return EMGaussianMixture(
        best[1],
        covariance_type=best[0],
        init_params="hierarchical",
        random_state=seed,
        **_CHOSEN,
    )


def _error(
    covariance_type: str,
    n_components: int,
    folds: list[_Fold],
    weights: Array | None,
    scale: Array,
) -> float:
    """Return the weighted sum of squared errors; infinite where a fit fails or collapses."""
    total = 0.0
    for holed, at, truth, tree in folds:
        mixture = EMGaussianMixture(
            n_components, covariance_type=covariance_type, init_params=tree, **_WHILE_CHOOSING
        )
        try:
            said = fit_quietly(mixture, POINT, holed, weights)
        except (ValueError, ArithmeticError):
            return np.inf
        if any("collapsed" in message for message in said):
            return np.inf
        squares = np.square((mixture.impute(holed)[at] - truth) / scale[at[1]], dtype=np.float64)
        total += float(squares.sum() if weights is None else weights[at[0]] @ squares)
    return total


def _make_folds(X: Floats, weights: Array | None, rng: np.random.RandomState) -> list[_Fold]:
    """Deal the seen cells of each column to folds; a single one is never hidden."""
    number = np.full(X.shape, -1)
    for j in range(X.shape[1]):
        seen = np.flatnonzero(~np.isnan(X[:, j]))
        if len(seen) > 1:
            number[rng.permutation(seen), j] = np.arange(len(seen)) % _FOLDS
    folds = []
    for fold in range(_FOLDS):
        rows, columns = np.nonzero(number == fold)
        if len(rows):
            at = rows, columns
            holed = X.copy()
            holed[at] = np.nan
            folds.append(_Fold(holed, at, X[at], tree_of_seen(holed, weights)))
    return folds
