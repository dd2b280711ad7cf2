"""Where a fit starts: responsibilities of some rows, and the parameters that follow."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.random import sample_without_replacement

from skem.engine import AnyTable, GappyTable, Table
from skem.families.contract import Statistics
from skem.inference.agglomeration import Tree, choose_places, tree_of
from skem.inference.passes import Passes
from skem.inference.rules import Rule, Theta, update_summing, with_floor
from skem.inference.tasks import RowShares
from skem.scoring import Scorer

__all__ = ["ROW_METHODS", "GivenShares", "Start", "draw_rows", "start_by_rows"]

Array: TypeAlias = NDArray[np.float64]

# k-means is run on as many rows as fill 4 MB, so that no copy of the whole is made: on more
# rows than that the start would hardly be another.
_SAMPLE_VALUES = 524_288
_SAMPLE_ROWS_PER_COMPONENT = 50
# Up to as many rows, rows are chosen by a permutation, as scikit-learn does with the same seed.
_PERMUTED_ROWS = 1_000_000

# Rows whose random numbers are skipped at a time.
_SKIPPED_ROWS = 4096

# Warning filters belong to the process: starts in several threads change them one at a time.
_FILTERS = threading.Lock()


def _as_they_are(rows: Array) -> Array:
    return rows


@dataclass(frozen=True)
class Start:
    """What a start is made from.

    Parameters
    ----------
    method : str, Tree or ndarray of shape (n_rows, n_components)
        A name, a tree to cut, or responsibilities.
    n_components : int
    rng : numpy.random.RandomState
    table : Table
        The rows to look at.
    column_mean, column_scale : ndarray of shape (n_features,)
        Each feature's mean and spread, for distances that no feature's unit can rule.
    fill : callable
        Puts something likely into the missing cells of rows in the table's units; returns rows
        without missing cells as they are.
    """

    method: str | Tree | Array
    n_components: int
    rng: np.random.RandomState
    table: AnyTable
    column_mean: Array
    column_scale: Array
    fill: Callable[[Array], Array] = _as_they_are

    def complete(self, table: Table) -> NDArray[np.floating]:
        """Return the rows of a table with their missing cells filled, in the user's units."""
        return self.complete_rows(table.X) if isinstance(table, GappyTable) else table.X

    def complete_rows(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Fill the missing cells of rows in the user's units."""
        origin, scale = self.table.origin, self.table.scale
        return self.fill((rows - origin) / scale) * scale + origin


@dataclass(frozen=True)
class GivenShares:
    """Responsibilities that are an array of shape (n_rows, n_components)."""

    resp: Array

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return some of them."""
        result: Array = self.resp[index]
        return result

    def part(self, start: int, stop: int) -> GivenShares:
        """Return those of the rows from ``start`` to ``stop``."""
        return GivenShares(self.resp[start:stop])


@dataclass(frozen=True)
class OneForAll:
    """One component, which has all rows."""

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return ones."""
        n_rows = index.stop - index.start if isinstance(index, slice) else len(index)
        return np.ones((n_rows, 1))

    def part(self, start: int, stop: int) -> OneForAll:
        """Return the same: every row has it."""
        return self


@dataclass(frozen=True)
class WholeRows:
    """Rows that are wholly one component's; the others are nobody's.

    Parameters
    ----------
    index : ndarray of shape (n_given,), intp
        The rows, in ascending order.
    components : ndarray of shape (n_given,), intp
    n_components : int
    """

    index: NDArray[np.intp]
    components: NDArray[np.intp]
    n_components: int

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return responsibilities of 0 and 1."""
        if isinstance(index, slice):
            index = np.arange(index.start, index.stop)
        order = np.argsort(index)
        places = np.searchsorted(index, self.index, sorter=order)
        places = order[np.minimum(places, len(index) - 1)]
        given = index[places] == self.index
        resp = np.zeros((len(index), self.n_components))
        resp[places[given], self.components[given]] = 1.0
        return resp

    def part(self, start: int, stop: int) -> WholeRows:
        """Return those of the rows from ``start`` to ``stop``."""
        first, last = np.searchsorted(self.index, [start, stop])
        return replace(
            self, index=self.index[first:last] - start, components=self.components[first:last]
        )


@dataclass
class RandomShares:
    """Responsibilities drawn at random, a number for each row and component in their order.

    Which numbers a row gets does not depend on which rows are asked for before it; but asking in
    the order of the rows is fastest.

    Parameters
    ----------
    rng : numpy.random.RandomState
        Its state when the first row is drawn; asking for rows goes on with it.
    n_components : int
    """

    rng: np.random.RandomState
    n_components: int
    _state: dict[str, Any] = field(init=False, repr=False)
    _next: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        self._state = self.rng.get_state(legacy=False)

    def rows(self, index: slice | NDArray[np.intp]) -> Array:
        """Return some of them."""
        if not isinstance(index, slice):
            result: Array = self.rows(slice(0, int(index.max()) + 1))[index]
            return result
        start, stop = index.start, index.stop
        self._go_to(start)
        resp: Array = self.rng.uniform(size=(stop - start, self.n_components))
        self._next = stop
        return resp / resp.sum(axis=1, keepdims=True)

    def part(self, start: int, stop: int) -> RandomShares:
        """Return those of the rows from ``start`` to ``stop``, with a generator of their own."""
        self._go_to(start)
        own = RandomShares(copy.deepcopy(self.rng), self.n_components)
        self._go_to(stop)
        return own

    def _go_to(self, row: int) -> None:
        if row < self._next:
            self.rng.set_state(self._state)
            self._next = 0
        while self._next < row:  # some at a time: they are only drawn to be skipped
            more = min(row - self._next, _SKIPPED_ROWS)
            self.rng.uniform(size=(more, self.n_components))
            self._next += more


class _Rows(NamedTuple):
    """The rows that a start looks at, and their responsibilities.

    Where each component has a single row its covariance is no one's: the floor, which would only
    change what such widths are, is left to the iterations.
    """

    table: AnyTable
    shares: RowShares
    single: bool = False


def start_by_rows(passes: Passes, rule: Rule[Theta], start: Start) -> Theta:
    """Return the parameters that follow from some rows' responsibilities.

    Parameters
    ----------
    passes : Passes
    rule : Rule
    start : Start

    Raises
    ------
    SingularCovarianceError
    ValueError
        If a tree was grown on another number of rows.
    """
    if isinstance(start.method, str):
        rows = ROW_METHODS[start.method](start.table, start)
    elif isinstance(start.method, Tree):
        rows = _cut(start.method, start.table, start.n_components)
    else:
        rows = _Rows(start.table, GivenShares(start.method))
    if rows.single:
        rule = with_floor(rule, None)
    return _estimate(passes.over(rows.table), rule, rows.shares, start.n_components)


def _estimate(passes: Passes, rule: Rule[Theta], shares: RowShares, n_components: int) -> Theta:
    family, n_features = rule.family, passes.source.n_features

    def sum_by(summer: Scorer) -> Statistics:
        return passes.summarise(family, summer, shares)

    summer = family.summer(n_components, n_features)
    none = rule.without_rows(n_components, n_features)
    return update_summing(rule, sum_by(summer), none, summer, sum_by)[0]


def draw_rows(table: AnyTable, most: int, rng: np.random.RandomState) -> Table:
    """Return the rows of positive weight, or ``most`` of them, in their order; the table if all.

    Parameters
    ----------
    table : Table
    most : int
    rng : numpy.random.RandomState
        Asked only where there are more rows.
    """
    n_candidates = table.n_positive
    if n_candidates <= most:
        return table.positive_rows()
    # Without an array as long as the table, which a permutation would be.
    drawn = np.sort(sample_without_replacement(n_candidates, most, random_state=rng))
    return table.take(table.positive(drawn))


def _sample(table: AnyTable, start: Start) -> tuple[Table, Array, Array | None]:
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
    rows = start.complete(sample).astype(np.float64)
    scaled = (rows - start.column_mean) / start.column_scale
    return sample, scaled, shares


def _one_hot(table: AnyTable, rows: NDArray[np.intp], columns: NDArray[np.intp], k: int) -> _Rows:
    """Give each row in ``rows`` wholly to the component in ``columns``."""
    order = np.argsort(rows, kind="stable")
    return _Rows(table, WholeRows(rows[order], columns[order], k))


def _kmeans(table: AnyTable, start: Start) -> _Rows:
    from sklearn.cluster import KMeans  # late: the import takes longer than a small fit

    sample, scaled, shares = _sample(table, start)
    model = KMeans(start.n_components, n_init=1, random_state=start.rng)
    with _FILTERS, warnings.catch_warnings():
        # Fewer distinct rows than clusters: the fit names the components that stay empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(scaled, sample_weight=shares).labels_
    rows = np.arange(len(labels))
    return _one_hot(sample, rows, labels.astype(np.intp), start.n_components)


def _kmeans_plus_plus(table: AnyTable, start: Start) -> _Rows:
    from sklearn.cluster import kmeans_plusplus  # late: see _kmeans

    sample, scaled, shares = _sample(table, start)
    _, rows = kmeans_plusplus(
        scaled, start.n_components, sample_weight=shares, random_state=start.rng
    )
    chosen = _one_hot(sample, np.asarray(rows), np.arange(len(rows)), start.n_components)
    return chosen._replace(single=True)


def _random_from_data(table: AnyTable, start: Start) -> _Rows:
    k = start.n_components
    weights = table.all_weights
    if weights is None and len(table.X) > _PERMUTED_ROWS:
        rows = sample_without_replacement(len(table.X), k, random_state=start.rng)
    elif weights is None:
        rows = start.rng.choice(len(table.X), k, replace=False)
    else:
        rows = start.rng.choice(len(table.X), k, replace=False, p=weights / weights.sum())
    return _one_hot(table, rows, np.arange(k), k)._replace(single=True)


def _random(table: AnyTable, start: Start) -> _Rows:
    return _Rows(table, RandomShares(start.rng, start.n_components))


def _hierarchical(table: AnyTable, start: Start) -> _Rows:
    sample = table.take(table.positive(choose_places(table.n_positive, table.n_features)))
    fill = start.complete_rows if isinstance(sample, GappyTable) else None
    return _cut(tree_of(sample.X, sample.weights, fill), sample, start.n_components)


def _cut(tree: Tree, table: AnyTable, n_components: int) -> _Rows:
    """Give each of a tree's rows to its cluster; the others are left out."""
    if tree.n_rows != len(table.X):
        raise ValueError(
            f"The tree was grown on {tree.n_rows} rows, but X has {len(table.X)}: "
            "grow it on the same rows"
        )
    sample = table.take(tree.rows)
    return _one_hot(sample, np.arange(len(tree.rows)), tree.labels(n_components), n_components)


ROW_METHODS: dict[str, Callable[[AnyTable, Start], _Rows]] = {
    "kmeans": _kmeans,
    "k-means++": _kmeans_plus_plus,
    "hierarchical": _hierarchical,
    "random": _random,
    "random_from_data": _random_from_data,
}
