"""The mixture that imputes best: chosen by cells that are hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.inference import Tree
from skem.mixture import EMGaussianMixture
from skem.mixture._fitting import fit_quietly
from skem.mixture._gaps import tree_of_seen
from skem.mixture._point import POINT

__all__ = ["WHILE_CHOOSING", "Fold", "choose", "choose_mixture", "hide_cells", "sample_rows"]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]

# Covariance types, each with numbers of components in ascending order. 'tied' with one component
# is 'full'.
_CANDIDATES = (("full", (1, 2, 3, 4)), ("tied", (2, 3, 4)))
_FOLDS = 5
# Rows that are looked at.
_ROWS = 4096
# A choice among fits needs them less exact than the fit that is chosen.
WHILE_CHOOSING: dict[str, Any] = {"tol": 1e-4, "max_iter": 200, "acceleration": "squarem"}
_CHOSEN: dict[str, Any] = {"tol": 1e-5, "max_iter": 1000, "acceleration": "squarem"}


class Fold(NamedTuple):
    """A table with some of its seen cells hidden.

    Attributes
    ----------
    holed : ndarray of shape (n_rows, n_features)
    at : tuple of two ndarrays of shape (n_hidden,)
        Rows and columns of the hidden cells.
    truth : ndarray of shape (n_hidden,)
        What they hold.
    """

    holed: Floats
    at: tuple[NDArray[np.intp], NDArray[np.intp]]
    truth: Floats


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
    kept = sample_rows(len(X), weights, _ROWS, rng)
    rows, w = X[kept], None if weights is None else weights[kept]
    rows = rows[:, ~np.isnan(rows).all(axis=0)]
    folds = [(fold, tree_of_seen(fold.holed, w)) for fold in hide_cells(rows, rng)]
    deviation = np.nanstd(rows, axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)

    def error(covariance_type: str, n_components: int) -> float:
        return _error(covariance_type, n_components, folds, w, scale)

    covariance_type, n_components = choose(_CANDIDATES, len(rows), error)
    return EMGaussianMixture(
        n_components,
        covariance_type=covariance_type,
        init_params="hierarchical",
        random_state=seed,
        **_CHOSEN,
    )


def sample_rows(
    n_rows: int, weights: Array | None, most: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    """Return rows of positive weight: all of them, or ``most`` at random."""
    kept = np.arange(n_rows) if weights is None else np.flatnonzero(weights)
    return np.sort(rng.choice(kept, most, replace=False)) if len(kept) > most else kept


def choose(
    candidates: Iterable[tuple[str, Sequence[int]]],
    n_rows: int,
    error: Callable[[str, int], float],
) -> tuple[str, int]:
    """Return the covariance type and the number of components of the smallest error.

    Of each covariance type numbers of components are tried, in their order, until the error rises.
    """
    best, lowest = ("full", 1), np.inf
    for covariance_type, numbers in candidates:
        before = np.inf
        for n_components in numbers:
            if n_components > n_rows:
                break
            found = error(covariance_type, n_components)
            if found < lowest:
                best, lowest = (covariance_type, n_components), found
            if found > before:
                break
            before = found
    return best


def _error(
    covariance_type: str,
    n_components: int,
    folds: list[tuple[Fold, Tree]],
    weights: Array | None,
    scale: Array,
) -> float:
    """Return the weighted sum of squared errors; infinite where a fit fails or collapses."""
    total = 0.0
    for (holed, at, truth), tree in folds:
        mixture = EMGaussianMixture(
            n_components, covariance_type=covariance_type, init_params=tree, **WHILE_CHOOSING
        )
        try:
            said = fit_quietly(mixture, POINT, holed, weights).remarks()
        except (ValueError, ArithmeticError):
            return np.inf
        if any("collapsed" in message for message in said):
            return np.inf
        squares = np.square((mixture.impute(holed)[at] - truth) / scale[at[1]], dtype=np.float64)
        total += float(squares.sum() if weights is None else weights[at[0]] @ squares)
    return total


def hide_cells(X: Floats, rng: np.random.RandomState) -> list[Fold]:
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
            folds.append(Fold(holed, at, X[at]))
    return folds
