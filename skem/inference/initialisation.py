"""Where a fit starts: responsibilities of some rows, and the parameters that follow."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.random import sample_without_replacement

from skem.engine import AnyTable, GappyTable, Table
from skem.families.contract import Statistics
from skem.inference.agglomeration import Tree, choose_places, tree_of
from skem.inference.cleaning import rows_of_clusters
from skem.inference.passes import Passes
from skem.inference.rules import Rule, Theta, has_noise, update_summing, with_floor
from skem.inference.shares import GivenShares, RandomShares, WholeRows
from skem.inference.tasks import RowShares
from skem.scoring import Scorer

__all__ = ["ROW_METHODS", "Start", "draw_rows", "start_by_rows"]

Array: TypeAlias = NDArray[np.float64]

# k-means is run on as many rows as fill 4 MB, so that no copy of the whole is made: on more
# rows than that the start would hardly be another.
_SAMPLE_VALUES = 524_288
_SAMPLE_ROWS_PER_COMPONENT = 50
# Up to as many rows, rows are chosen by a permutation, as scikit-learn does with the same seed.
_PERMUTED_ROWS = 1_000_000
# A tree of rows that are told apart by features is grown on so many.
_ROWS_OF_FEATURES = 2000

# Noise is looked for among no more rows (of no more a tree is grown), and has of every row at least
# this share.
_CLEANED = 2000
_LEAST_NOISE = 0.01

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
    by_features : bool, default=False
        Whether features tell rows apart, which are in the table's units; see `Table.features`.
    """

    method: str | Tree | Array
    n_components: int
    rng: np.random.RandomState
    table: AnyTable
    column_mean: Array
    column_scale: Array
    fill: Callable[[Array], Array] = _as_they_are
    by_features: bool = False

    def complete(self, table: Table) -> NDArray[np.floating]:
        """Return the rows of a table with their missing cells filled, in the user's units.

        Or the features that tell them apart, which are in the table's units.
        """
        features = table.features
        if features is not None:
            return self.fill(features.astype(np.float64, copy=False))
        return self.complete_rows(table.X) if isinstance(table, GappyTable) else table.X

    def standardised(self, table: Table) -> Array:
        """Return the same in the table's units."""
        rows = self.complete(table).astype(np.float64)
        if self.by_features:
            return rows
        standardised: Array = (rows - table.origin) / table.scale
        return standardised

    def scaled(self, table: Table) -> Array:
        """Return the same about the columns' means, in units of their spread."""
        scaled: Array = self.complete(table).astype(np.float64) - self.column_mean
        scaled /= self.column_scale
        return scaled

    def complete_rows(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Fill the missing cells of rows in the user's units."""
        origin, scale = self.table.origin, self.table.scale
        return self.fill((rows - origin) / scale) * scale + origin


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
    n_components = start.n_components
    if has_noise(rule):
        rows, n_components = _rows_and_noise(start), n_components + 1
    elif isinstance(start.method, str):
        rows = ROW_METHODS[start.method](start.table, start)
    elif isinstance(start.method, Tree):
        rows = _cut(start.method, start.table, start.n_components)
    else:
        rows = _Rows(start.table, GivenShares(start.method))
    if rows.single:
        rule = with_floor(rule, None)
    return _estimate(passes.over(rows.table), rule, rows.shares, n_components)


def _rows_and_noise(start: Start) -> _Rows:
    """Give each row to a component, or to the noise, which is the last.

    Components are started by the rows that are no noise. Of these the noise has a little, so that
    a start without noise can find some.
    """
    method, k = start.method, start.n_components
    if not isinstance(method, str | Tree):
        return _Rows(start.table, GivenShares(method))
    if isinstance(method, Tree):
        cut = _cut(method, start.table, k)
        assert isinstance(cut.table, Table)
        table, shares = cut.table, cut.shares.rows(slice(0, len(cut.table.X)))
    else:
        table = draw_rows(start.table, min(_CLEANED, _most_rows(start)), start.rng)
    rows = start.scaled(table)
    kept = rows_of_clusters(rows, table.weights, k)
    if isinstance(method, str):
        clean = replace(start, table=table.take(np.flatnonzero(kept)))
        found = ROW_METHODS[method](clean.table, clean)
        shares = np.zeros((len(kept), k))
        shares[kept] = found.shares.rows(slice(0, len(clean.table.X)))
        if found.single:
            # From single rows, without width, the noise would take all others.
            nearest = cdist(rows, rows[shares.argmax(axis=0)]).argmin(axis=1)
            shares = np.eye(k)[nearest]
    resp = np.zeros((len(kept), k + 1))
    resp[:, :k] = shares * kept[:, None] * (1.0 - _LEAST_NOISE)
    resp[:, k] = np.where(kept, _LEAST_NOISE, 1.0)
    return _Rows(table, GivenShares(resp))


def _estimate(passes: Passes, rule: Rule[Theta], shares: RowShares, n_components: int) -> Theta:
    family, n_features = rule.family, passes.source.n_features

    def sum_by(summer: Scorer) -> Statistics:
        return passes.summarise(family, summer, shares)

    summer = family.summer(n_components, n_features)
    none = rule.without_rows(n_components, n_features)
    return update_summing(rule, sum_by(summer), none, summer, sum_by)[0]


def draw_rows(table: AnyTable, most: int, rng: np.random.RandomState | int) -> Table:
    """Return the rows of positive weight, or ``most`` of them, in their order; the table if all.

    Parameters
    ----------
    table : Table
    most : int
    rng : numpy.random.RandomState or int
        Asked only where there are more rows. A seed costs nothing where there are not.
    """
    n_candidates = table.n_positive
    if n_candidates <= most:
        return table.positive_rows()
    # Without an array as long as the table, which a permutation would be.
    drawn = np.sort(sample_without_replacement(n_candidates, most, random_state=rng))
    return table.take(table.positive(drawn))


def _most_rows(start: Start) -> int:
    """Return how many rows a distance-based start looks at."""
    return max(_SAMPLE_VALUES // start.table.width, _SAMPLE_ROWS_PER_COMPONENT * start.n_components)


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
    sample = draw_rows(table, _most_rows(start), start.rng)
    # k-means compares weights with absolute numbers.
    shares = None if sample.weights is None else sample.weights / sample.weights.mean()
    return sample, start.scaled(sample), shares


def _one_hot(table: AnyTable, rows: NDArray[np.intp], columns: NDArray[np.intp], k: int) -> _Rows:
    """Give each row in ``rows`` wholly to the component in ``columns``."""
    order = np.argsort(rows, kind="stable")
    return _Rows(table, WholeRows(rows[order], columns[order], k))


def _kmeans(table: AnyTable, start: Start) -> _Rows:
    from sklearn.cluster import KMeans  # late: the import takes longer than a small fit

    sample, scaled, shares = _sample(table, start)
    rows = np.arange(len(scaled))
    if start.n_components == 1:
        return _one_hot(sample, rows, np.zeros(len(rows), np.intp), 1)
    model = KMeans(start.n_components, n_init=1, random_state=start.rng)
    # What is handed over is known to be as it should: to check that takes as long as the rest.
    known = config_context(assume_finite=True, skip_parameter_validation=True)
    with _FILTERS, warnings.catch_warnings(), known:
        # Fewer distinct rows than clusters: the fit names the components that stay empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit(scaled, sample_weight=shares).labels_
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
    return _Rows(table, RandomShares(start.rng, start.n_components, len(table.X)))


def _hierarchical(table: AnyTable, start: Start) -> _Rows:
    if start.by_features:
        sample = draw_rows(table, _ROWS_OF_FEATURES, 0)
        tree = tree_of(start.complete(sample), sample.weights)
    else:
        sample = table.take(table.positive(choose_places(table.n_positive, table.n_features)))
        fill = start.complete_rows if table.has_gaps else None
        tree = tree_of(sample.X, sample.weights, fill)
    return _cut(tree, sample, start.n_components)


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
