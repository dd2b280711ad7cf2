"""Where a fit starts: responsibilities of some rows, and the parameters that follow."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.random import sample_without_replacement

from skem.engine import Table
from skem.families import GaussianStatistics, Scorer
from skem.inference.agglomeration import Tree, grow_tree
from skem.inference.expectation import Visit
from skem.inference.rules import Rule, Theta, update_summing

__all__ = ["ROW_METHODS", "Start", "draw_rows", "start_by_rows"]

Array: TypeAlias = NDArray[np.float64]
Responsibilities: TypeAlias = Callable[[int, int], Array]

# k-means is run on as many rows as fill 4 MB, so that no copy of the whole is made: on more
# rows than that the start would hardly be another.
_SAMPLE_VALUES = 524_288
_SAMPLE_ROWS_PER_COMPONENT = 50
# Up to as many rows, rows are chosen by a permutation, as scikit-learn does with the same seed.
_PERMUTED_ROWS = 1_000_000

# Warning filters belong to the process: starts in several threads change them one at a time.
_FILTERS = threading.Lock()


@dataclass(frozen=True)
class Start:
    """What a start is made from.

    Parameters
    ----------
    method : str, Tree or ndarray of shape (n_rows, n_components)
        A name, a tree to cut, or responsibilities.
    n_components : int
    rng : numpy.random.RandomState
    column_mean, column_scale : ndarray of shape (n_features,)
        Each feature's mean and spread, for distances that no feature's unit can rule.
    """

    method: str | Tree | Array
    n_components: int
    rng: np.random.RandomState
    column_mean: Array
    column_scale: Array


class _Rows(NamedTuple):
    """The rows that a start looks at, and how to ask for their responsibilities.

    Where each component has a single row its covariance is no one's: the floor, which would only
    change what such widths are, is left to the iterations.
    """

    table: Table
    responsibilities: Callable[[], Responsibilities]
    single: bool = False


def start_by_rows(visit: Visit, rule: Rule[Theta], start: Start) -> Theta:
    """Return the parameters that follow from some rows' responsibilities.

    Parameters
    ----------
    visit : Visit
    rule : Rule
    start : Start

    Raises
    ------
    SingularCovarianceError
    ValueError
        If a tree was grown on another number of rows.
    """
    if isinstance(start.method, str):
        rows = ROW_METHODS[start.method](visit.table, start)
    elif isinstance(start.method, Tree):
        rows = _cut(start.method, visit.table, start.n_components)
    else:
        given = start.method
        rows = _Rows(visit.table, lambda: lambda a, b: given[a:b])
    if rows.single:
        rule = rule.with_floor(None)
    return _estimate(visit.to(rows.table), rule, rows, start.n_components)


def _estimate(visit: Visit, rule: Rule[Theta], rows: _Rows, n_components: int) -> Theta:
    family = rule.family
    n_features = visit.table.X.shape[1]

    def sum_by(scorer: Scorer) -> GaussianStatistics:
        return visit.summarise(family, scorer, rows.responsibilities())

    summer = family.summer(n_components, n_features)
    blank = rule.blank(n_components, n_features)
    return update_summing(rule, sum_by(summer), blank, summer, sum_by)[0]


def draw_rows(table: Table, most: int, rng: np.random.RandomState) -> Table:
    """Return the rows of positive weight, or ``most`` of them, in their order; the table if all.

    Parameters
    ----------
    table : Table
    most : int
    rng : numpy.random.RandomState
        Asked only where there are more rows.
    """
    index = None if table.weights is None else np.flatnonzero(table.weights > 0)
    n_candidates = len(table.X) if index is None else len(index)
    if n_candidates == len(table.X) <= most:
        return table
    if n_candidates > most:
        # Without an array as long as the table, which a permutation would be.
        drawn = np.sort(sample_without_replacement(n_candidates, most, random_state=rng))
        index = drawn if index is None else index[drawn]
    weights = None if table.weights is None else table.weights[index]
    return Table(np.ascontiguousarray(table.X[index]), weights, table.origin, table.scale)


def _sample(table: Table, start: Start) -> tuple[Table, Array, Array | None]:
    """Draw the rows for a distance-based start.

    Returns
    -------
    sample : Table
    scaled : ndarray of shape (n_rows, n_features)
        Its rows in units of their spread.
    shares : ndarray of shape (n_rows,) or None
        Its weights, divided by their mean.
    """
    n_features = table.X.shape[1]
    most = max(_SAMPLE_VALUES // n_features, _SAMPLE_ROWS_PER_COMPONENT * start.n_components)
    sample = draw_rows(table, most, start.rng)
    # k-means compares weights with absolute numbers.
    shares = None if sample.weights is None else sample.weights / sample.weights.mean()
    scaled = (sample.X.astype(np.float64) - start.column_mean) / start.column_scale
    return sample, scaled, shares


def _one_hot(table: Table, rows: NDArray[np.intp], columns: NDArray[np.intp], k: int) -> _Rows:
    """Give each row in ``rows`` wholly to the component in ``columns``."""
    order = np.argsort(rows, kind="stable")
    rows, columns = rows[order], columns[order]

    def responsibilities(start: int, stop: int) -> Array:
        first, last = np.searchsorted(rows, [start, stop])
        resp = np.zeros((stop - start, k))
        resp[rows[first:last] - start, columns[first:last]] = 1.0
        return resp

    return _Rows(table, lambda: responsibilities)


def _kmeans(table: Table, start: Start) -> _Rows:
    from sklearn.cluster import KMeans  # late: the import takes longer than a small fit

    sample, scaled, shares = _sample(table, start)
    model = KMeans(start.n_components, n_init=1, random_state=start.rng)
    with _FILTERS, warnings.catch_warnings():
        # Fewer distinct rows than clusters: the fit names the components that stay empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(scaled, sample_weight=shares).labels_
    rows = np.arange(len(labels))
    return _one_hot(sample, rows, labels.astype(np.intp), start.n_components)


def _kmeans_plus_plus(table: Table, start: Start) -> _Rows:
    from sklearn.cluster import kmeans_plusplus  # late: see _kmeans

    sample, scaled, shares = _sample(table, start)
    _, rows = kmeans_plusplus(
        scaled, start.n_components, sample_weight=shares, random_state=start.rng
    )
    chosen = _one_hot(sample, np.asarray(rows), np.arange(len(rows)), start.n_components)
    return chosen._replace(single=True)


def _random_from_data(table: Table, start: Start) -> _Rows:
    k = start.n_components
    if table.weights is None and len(table.X) > _PERMUTED_ROWS:
        rows = sample_without_replacement(len(table.X), k, random_state=start.rng)
    elif table.weights is None:
        rows = start.rng.choice(len(table.X), k, replace=False)
    else:
        share = table.weights / table.weights.sum()
        rows = start.rng.choice(len(table.X), k, replace=False, p=share)
    return _one_hot(table, rows, np.arange(k), k)._replace(single=True)


def _random(table: Table, start: Start) -> _Rows:
    state = start.rng.get_state()

    def stream() -> Responsibilities:
        # Each pass over the rows draws the same numbers, a block at a time.
        start.rng.set_state(state)

        def responsibilities(first: int, stop: int) -> Array:
            resp: Array = start.rng.uniform(size=(stop - first, start.n_components))
            return resp / resp.sum(axis=1, keepdims=True)

        return responsibilities

    return _Rows(table, stream)


def _hierarchical(table: Table, start: Start) -> _Rows:
    return _cut(grow_tree(table.X, table.weights), table, start.n_components)


def _cut(tree: Tree, table: Table, n_components: int) -> _Rows:
    """Give each of a tree's rows to its cluster; the others are left out."""
    if tree.n_rows != len(table.X):
        raise ValueError(
            f"The tree was grown on {tree.n_rows} rows, but X has {len(table.X)}: "
            "grow it on the same rows"
        )
    weights = None if table.weights is None else table.weights[tree.rows]
    sample = Table(table.X[tree.rows], weights, table.origin, table.scale)
    return _one_hot(sample, np.arange(len(tree.rows)), tree.labels(n_components), n_components)


ROW_METHODS: dict[str, Callable[[Table, Start], _Rows]] = {
    "kmeans": _kmeans,
    "k-means++": _kmeans_plus_plus,
    "hierarchical": _hierarchical,
    "random": _random,
    "random_from_data": _random_from_data,
}
