"""The mixture of columns of every kind that imputes best, chosen by cells hidden from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.columns import RawColumn
from skem.impute._choice import WHILE_CHOOSING, Fold, choose, hide_cells, sample_rows
from skem.inference import ComputeResponsibilities
from skem.mixture import EMMixture
from skem.mixture._block_impute import impute_blocks
from skem.mixture._fitting import fit_quietly
from skem.mixture._layout import Layout, make_layout
from skem.mixture._mixed import BLOCK_POINT

__all__ = ["choose_mixed"]

Array: TypeAlias = NDArray[np.float64]

# Columns of different blocks are dependent by their component alone, so more of them are tried
# than for measurements.
_CANDIDATES = (("full", (1, 2, 3, 4, 6, 8, 10)), ("tied", (2, 3, 4, 6, 8, 10)))
_ROWS = 2048
# On four tables of 189 to 2 201 rows three such starts chose as the default search did, or where
# its error was within 1 % of the least, in less than a third of the time.
_STARTS: dict[str, Any] = {"init_params": "k-means++", "n_init": 3}
_CHOSEN: dict[str, Any] = {"tol": 1e-5, "max_iter": 1000, "acceleration": "squarem"}


class _Scales(NamedTuple):
    """What squared errors are divided by: about 1 is then the error of one component.

    Attributes
    ----------
    variances : ndarray of shape (n_columns,)
        Of numbers; of categories, the sum of their indicators' variances.
    n_codes : ndarray of shape (n_columns,), intp
        0 for numbers.
    """

    variances: Array
    n_codes: NDArray[np.intp]


def choose_mixed(
    X: Any,
    raw: list[RawColumn],
    weights: Array | None,
    rng: np.random.RandomState,
    blocks_of: Callable[[str], list[Any]] | None = None,
) -> EMMixture:
    """Choose the number of components, and a covariance type, as `choose_mixture` does.

    Numbers are one Gaussian block, all other columns categorical, unless blocks are given. The
    error of a hidden category is the squared distance of its indicator from the probabilities
    (Brier 1950), divided by the sum of the indicators' variances; so cells of both sorts count
    alike.

    Parameters
    ----------
    X : table
        Each column has a value in a row of positive weight.
    raw : list of RawColumn
        Its columns.
    weights : ndarray of shape (n_rows,) or None
    rng : numpy.random.RandomState
    blocks_of : callable, default=None
        Returns the mixture's ``columns`` whose measurements have a given covariance type.

    Returns
    -------
    mixture : EMMixture
        Not fitted.
    """
    seed = int(rng.randint(2**31 - 1))
    raw = [column._replace(position=place) for place, column in enumerate(raw)]
    layout = make_layout(blocks_of("full") if blocks_of else "auto", X, raw)
    blocks = blocks_of or partial(_blocks, layout)
    values = layout.encoding.encode(raw)
    kept = sample_rows(len(values), weights, _ROWS, rng)
    rows, w = values[kept], None if weights is None else weights[kept]
    folds = hide_cells(rows, rng)
    scales = _measure(layout, rows)

    def error(covariance_type: str, n_components: int) -> float:
        of_type = make_layout(blocks(covariance_type), X, raw)
        return _error(of_type, n_components, folds, w, scales, seed)

    candidates = _CANDIDATES if blocks("tied") != blocks("full") else _CANDIDATES[:1]
    covariance_type, n_components = choose(candidates, len(rows), error)
    columns: Any = blocks(covariance_type)
    if blocks_of is None and covariance_type == "full":
        columns = "auto"
    return EMMixture(n_components, columns=columns, random_state=seed, **_CHOSEN)


def _blocks(layout: Layout, covariance_type: str) -> list[tuple[str, list[int]]]:
    """Return the blocks of a layout with another covariance type."""
    return [
        (covariance_type if block.kind is None else block.name, block.columns.tolist())
        for block in layout.blocks
    ]


def _measure(layout: Layout, rows: Array) -> _Scales:
    n_codes = np.array([len(info.categories or ()) for info in layout.encoding.columns])
    variances = np.ones(len(n_codes))
    for j, n in enumerate(n_codes):
        cells = rows[~np.isnan(rows[:, j]), j]
        if not len(cells):
            continue
        shares = np.bincount(cells.astype(np.intp), minlength=n) / len(cells) if n else None
        spread = cells.var() if shares is None else 1.0 - np.square(shares).sum()
        variances[j] = spread if spread > 0 else 1.0
    return _Scales(variances, n_codes)


def _error(
    layout: Layout,
    n_components: int,
    folds: list[Fold],
    weights: Array | None,
    scales: _Scales,
    seed: int,
) -> float:
    """Return the weighted sum of squared errors; infinite where a fit fails or collapses."""
    total = 0.0
    for fold in folds:
        mixture = EMMixture(n_components, random_state=seed, **_STARTS, **WHILE_CHOOSING)
        mixture._layout = layout
        try:
            said = fit_quietly(mixture, BLOCK_POINT, fold.holed, weights).remarks()
        except (ValueError, ArithmeticError):
            return np.inf
        if any("collapsed" in message for message in said):
            return np.inf
        squares = _squares(mixture, fold, scales)
        total += float(squares.sum() if weights is None else weights[fold.at[0]] @ squares)
    return total


def _squares(mixture: EMMixture, fold: Fold, scales: _Scales) -> Array:
    """Return the squared errors of hidden cells, in units of their columns' variances."""
    rows, columns = fold.at
    ask = partial(ComputeResponsibilities, dtype=np.float64)
    resp = mixture._evaluate(fold.holed, BLOCK_POINT.assigner, ask)[0]
    filled = impute_blocks(mixture, fold.holed, resp, "mean", np.random.RandomState(0))
    squares = np.square(filled[fold.at] - fold.truth)
    probabilities = _probabilities(mixture)
    for j in np.flatnonzero(scales.n_codes).tolist():
        own = columns == j
        indicators = np.eye(scales.n_codes[j])[fold.truth[own].astype(np.intp)]
        expected = resp[rows[own]] @ probabilities[j]
        squares[own] = np.square(indicators - expected).sum(axis=1)
    result: Array = squares / scales.variances[columns]
    return result


def _probabilities(mixture: EMMixture) -> dict[int, Array]:
    """Return the probabilities of categories, (n_components, n_categories), by column."""
    pairs = zip(mixture._layout.blocks, mixture.parameters_, strict=True)
    found: dict[int, Array] = {}
    for block, entry in pairs:
        if block.name == "categorical":
            found |= zip(block.columns.tolist(), entry["probabilities"], strict=True)
        elif block.name == "bernoulli":
            for j, ones in zip(block.columns.tolist(), entry["probabilities"].T, strict=True):
                found[j] = np.column_stack([1.0 - ones, ones])
    return found
