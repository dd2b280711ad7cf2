"""Model-based agglomeration: one tree of merges that serves every number of components."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem import kernels
from skem.engine.table import column_moments

__all__ = ["Tree", "grow_tree"]

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]

# Costs of all pairs take 32 MB, scatter matrices of all clusters 20 MB.
_ROWS = 2_000
_DIRECTIONS = 50
_SHARE = 0.1


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
        _, start, cluster = np.unique(parent[self.leaves], return_index=True, return_inverse=True)
        return np.argsort(np.argsort(start))[cluster]


def grow_tree(X: NDArray[np.floating], weights: Array | None = None) -> Tree:
    """Merge rows by the criterion for unconstrained covariances of Fraley (1998).

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
    weights : ndarray of shape (n_rows,), default=None
        Rows of weight zero are left out. None: every row counts once.

    Returns
    -------
    tree : Tree
    """
    rows = _choose_rows(len(X), weights)
    chosen = X[rows]
    _, first, leaves = np.unique(chosen, axis=0, return_index=True, return_inverse=True)
    # Leaves are numbered by their first row, so that equal costs are settled by the rows' order.
    leaves = np.argsort(np.argsort(first))[leaves.reshape(-1)]
    distinct = chosen[np.sort(first)]
    n_leaves = len(distinct)
    share = np.bincount(leaves, None if weights is None else weights[rows] / weights[rows].max())
    share = share / share.mean()
    merges = np.empty((n_leaves - 1, 2), np.intp)
    if n_leaves > 1:
        points = _rescale(distinct, share)
        total = (share @ np.square(points)).sum()
        floor = total / points.size
        p = points.shape[1]
        costs = np.empty((n_leaves, n_leaves))
        kernels.agglomeration.agglomerate(points, share, floor, _SHARE / p, p, merges, costs)
    return Tree(len(X), rows, leaves, merges)


def _choose_rows(n_rows: int, weights: Array | None) -> Indices:
    """Take all rows of positive weight, or one from each of equal stretches of them."""
    index = None if weights is None else np.flatnonzero(weights > 0)
    n_candidates = n_rows if index is None else len(index)
    if n_candidates > _ROWS:
        edges = np.arange(_ROWS + 1) * n_candidates // _ROWS
        # Not the same place in each stretch, which might be in step with the table's order.
        places = np.random.RandomState(0).uniform(size=_ROWS)
        chosen = edges[:-1] + (places * np.diff(edges)).astype(np.intp)
    else:
        chosen = np.arange(n_candidates)
    return chosen if index is None else index[chosen]


def _rescale(X: NDArray[np.floating], weights: Array) -> Array:
    """Standardise, and divide principal components by the root of their spread.

    mclust's scale (Scrucca & Raftery 2015): between standardised features and a sphere.
    """
    mean, deviation = column_moments(X, weights)
    varying = deviation > 0
    Z = (X[:, varying].astype(np.float64) - mean[varying]) / deviation[varying]
    _, values, directions = np.linalg.svd(np.sqrt(weights)[:, None] * Z, full_matrices=False)
    rank = np.count_nonzero(values > max(Z.shape) * np.finfo(X.dtype).eps * values[0])
    rank = min(rank, _DIRECTIONS)
    return np.ascontiguousarray(Z @ (directions[:rank].T / np.sqrt(values[:rank])))
