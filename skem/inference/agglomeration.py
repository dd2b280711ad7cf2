"""Model-based agglomeration: one tree of merges that serves every number of components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem import kernels
from skem._collections import check_in_memory
from skem._parameters import check_rows, check_sample_weight
from skem.engine import column_moments
from skem.engine.remembered import Remembered
from skem.engine.resolution import recording_units

__all__ = ["Tree", "grow_tree", "tree_of"]

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

# Costs of all pairs take 32 MB. The rows themselves fill 4 MB at most, unless they are too few.
_ROWS = 2_000
_ROWS_OF_WIDE_TABLES = 500
_VALUES = 524_288
# Time grows with the third power: 2 000 rows take 1 to 3 s with these, 20 s with twice as many.
_DIRECTIONS = 25
# Columns of steps as coarse as this, in standard deviations, are blurred: about 16 values or fewer.
_COARSE = 0.25
# As much, in the square of half a step.
_BLUR = 2.0
# Up to as many rows for each direction a cluster's trace counts wholly.
_ENOUGH = 1.5


@dataclass(frozen=True)
class Tree:
    """Merges from single rows to one cluster.

    Parameters
    ----------
    n_rows : int
        Rows of the table that the tree was grown on.
    rows : ndarray of shape (n_tree_rows,), intp
        Those among them that the tree holds, in ascending order.
    leaves : ndarray of shape (n_tree_rows,), intp
        The leaf that each of these rows is in; equal rows share one.
    merges : ndarray of shape (n_leaves - 1, 2), intp
        Pairs of clusters in the order of merging. A cluster has the number of its first leaf.
    """

    n_rows: int
    rows: Indices = field(repr=False)
    leaves: Indices = field(repr=False)
    merges: Indices = field(repr=False)

    def labels(self, n_components: int) -> Indices:
        """Cut the tree.

        Parameters
        ----------
        n_components : int

        Returns
        -------
        labels : ndarray of shape (n_tree_rows,), intp
            The clusters of `rows`, numbered by their first row. There are fewer than
            `n_components` only where there are fewer distinct rows.
        """
        n_leaves = len(self.merges) + 1
        parent = np.arange(n_leaves)
        first, second = self.merges[: max(n_leaves - n_components, 0)].T
        parent[second] = first
        while (parent[parent] != parent).any():
            parent = parent[parent]
        cluster = parent[self.leaves]
        # Where each is first: of several values for a place the last one stays.
        start = np.full(n_leaves, len(cluster))
        start[cluster[::-1]] = np.arange(len(cluster))[::-1]
        number = np.empty(n_leaves, dtype=np.intp)
        number[np.argsort(start)] = np.arange(n_leaves)
        result: Indices = number[cluster]
        return result


def grow_tree(X: ArrayLike, sample_weight: ArrayLike | None = None) -> Tree:
    """Merge rows by the criterion for unconstrained covariances of Fraley (1998).

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Of more than 2 000 rows of positive weight, one is taken from each of 2 000 equal
        stretches, the same in every call; of more than 262 features fewer (4 MB, at least 500).
    sample_weight : array-like of shape (n_samples,), default=None
        A weight of 2 is the row twice. Only ratios of weights matter. Rows of weight zero are
        left out. None: every row counts once.

    Returns
    -------
    tree : Tree

    Raises
    ------
    ValueError
        If X or the weights are not finite, or the spread of a column has no finite square.

    Notes
    -----
    Features are standardised, and their first 25 principal components divided by the root of
    their spread.

    A cluster of weight w, with a scatter matrix W of p by p, of m distinct rows counts
    ``w log(|W / w + B| + (s (tr(W) + a) / (p w))^p)``, where ``s = min(1, 1.5 p / m)`` and a is
    the mean variance of a feature times the mean weight of a distinct row. In Fraley's own form
    the trace has no power and no s, so it rules or vanishes with the unit of the features, and no
    B. Without that a column of few values rules the tree: clusters in which it is constant have no
    volume. B has ``u^2 / 2`` for a column recorded in steps of u that are 1/4 of its standard
    deviation or more, and 0 for others.

    References
    ----------
    C. Fraley (1998). Algorithms for model-based Gaussian hierarchical clustering. SIAM Journal
    on Scientific Computing 20(1), 270-281.

    L. Scrucca and A. E. Raftery (2015). Improved initialisation of model-based clustering using
    Gaussian hierarchical partitions. Advances in Data Analysis and Classification 9(4), 447-460.
    """
    check_in_memory(X, "grow_tree", "Grow it on a sample of the rows")
    table = check_rows(X, allow_nan=False)
    return tree_of(table, check_sample_weight(sample_weight, len(table)))


def tree_of(
    table: NDArray[np.floating],
    weights: Array | None,
    fill: Callable[[NDArray[np.floating]], NDArray[np.floating]] | None = None,
) -> Tree:
    """Grow the tree of checked rows; ``fill`` completes those that are chosen."""
    rows = _choose_rows(len(table), table.shape[1], weights)
    chosen = table[rows]
    filled = chosen if fill is None else fill(chosen)
    own = None if weights is None else weights[rows]
    distinct, leaves = _find_distinct(filled)
    shares = np.bincount(leaves, None if own is None else own / own.max())

    def merge() -> Indices:
        # As a fit asks for them that has just measured the table: then they are remembered.
        deviation = column_moments(filled, own)[1]
        known = np.where(np.isfinite(deviation), deviation, 0.0)
        units = recording_units(filled, own, known).units
        return _merge(distinct, shares / shares.mean(), units)

    merges = _MERGED.of(merge, distinct, shares)
    return Tree(len(table), rows, leaves, merges.copy())


_MERGED: Remembered[Indices] = Remembered()


def _find_distinct(X: NDArray[np.floating]) -> tuple[NDArray[np.floating], Indices]:
    """Return the distinct rows in the order of their first places, and which each row is.

    So equal costs are settled by the order of the rows, not by their values.
    """
    data = (X + 0.0).tobytes()  # a zero has no sign then
    width = len(data) // len(X)
    numbers: dict[bytes, int] = {}
    rows = (data[start : start + width] for start in range(0, len(data), width))
    leaves = np.array([numbers.setdefault(row, len(numbers)) for row in rows], np.intp)
    first = np.zeros(len(numbers), np.intp)
    first[leaves[::-1]] = np.arange(len(X))[::-1]
    return X[first], leaves


def _merge(X: NDArray[np.floating], weights: Array, units: Array) -> Indices:
    merges = np.empty((len(X) - 1, 2), np.intp)
    if not len(merges):
        return merges
    points, blur = _rescale(X, weights, units)
    n, p = points.shape
    floor = (weights @ np.square(points)).sum() / points.size
    costs = np.empty((n, n))
    kernels.agglomeration.agglomerate(
        points, weights, blur, floor, 1 / p, _ENOUGH * p, p, merges, costs
    )
    return merges


def _choose_rows(n_rows: int, n_features: int, weights: Array | None) -> Indices:
    """Take all rows of positive weight, or one from each of equal stretches of them."""
    index = None if weights is None else np.flatnonzero(weights > 0)
    places = choose_places(n_rows if index is None else len(index), n_features)
    return places if index is None else index[places]


def choose_places(n_candidates: int, n_features: int) -> Indices:
    """Choose rows for a tree by their places among those of positive weight."""
    most = min(_ROWS, max(_VALUES // n_features, _ROWS_OF_WIDE_TABLES))
    if n_candidates > most:
        edges = np.arange(most + 1) * n_candidates // most
        # Not the same place in each stretch, which might be in step with the table's order.
        places = np.random.RandomState(0).uniform(size=most)
        chosen: Indices = edges[:-1] + (places * np.diff(edges)).astype(np.intp)
        return chosen
    return np.arange(n_candidates)


def _rescale(X: NDArray[np.floating], weights: Array, units: Array) -> tuple[Array, Array]:
    """Standardise, and divide principal components by the root of their spread.

    mclust's scale (Scrucca & Raftery 2015): between standardised features and a sphere. Of many
    components those with the largest spread are kept.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    weights : ndarray of shape (n,)
    units : ndarray of shape (n_features,)
        The steps that columns were recorded in; 0 for none.

    Returns
    -------
    points : ndarray of shape (n, p)
    blur : ndarray of shape (p (p + 1) / 2,)
        The covariance that coarsely recorded values are blurred by, line by line of its lower
        triangle.
    """
    mean, deviation = column_moments(X, weights)
    if not np.isfinite(deviation).all():
        column = int(np.argmin(np.isfinite(deviation)))
        raise ValueError(f"The spread of column {column} is out of float64's range: rescale it")
    varying = deviation > 0
    Z = (X[:, varying].astype(np.float64) - mean[varying]) / deviation[varying]
    _, values, directions = np.linalg.svd(np.sqrt(weights)[:, None] * Z, full_matrices=False)
    rank = int(np.count_nonzero(values > max(Z.shape) * np.finfo(X.dtype).eps * values[0]))
    rank = min(rank, _DIRECTIONS)
    axes = directions[:rank].T / np.sqrt(values[:rank])
    steps = units[varying] / deviation[varying]
    variances = np.where(steps < _COARSE, 0.0, 0.25 * _BLUR * np.square(steps))
    blur = (variances * axes.T) @ axes
    return np.ascontiguousarray(Z @ axes), blur[np.tril_indices(rank)]
