"""Model-based agglomeration from its definition: every union is evaluated from its rows."""

from itertools import combinations

import numpy as np


def term(X, weights, floor, share, enough, power, blur=0.0):
    """One cluster's w log(|W / w + B| + (share min(1, enough / m) (tr W + floor) / w)^power)."""
    total = weights.sum()
    apart = X - np.average(X, axis=0, weights=weights)
    scatter = (weights[:, None] * apart).T @ apart
    determinant = np.linalg.det(scatter / total + blur) if len(X) > X.shape[1] else 0.0
    spread = share * min(1.0, enough / len(X)) * (np.trace(scatter) + floor) / total
    return total * np.log(determinant + spread**power)


def merges(X, weights, floor, share, enough, power, blur=0.0):
    """Pairs of clusters, each with the number of its first row, in the order of merging."""
    clusters = {i: [i] for i in range(len(X))}
    result = []

    def count(rows):
        return term(X[rows], weights[rows], floor, share, enough, power, blur)

    def cost(a, b):
        return count(clusters[a] + clusters[b]) - count(clusters[a]) - count(clusters[b])

    while len(clusters) > 1:
        a, b = min(combinations(sorted(clusters), 2), key=lambda pair: cost(*pair))
        clusters[a] += clusters.pop(b)
        result.append((a, b))
    return np.array(result).reshape(-1, 2)


def rescale(X, weights):
    """mclust's scale: principal components of standardised rows, by the root of their length."""
    Z = X - np.average(X, axis=0, weights=weights)
    variance = np.average(Z**2, axis=0, weights=weights) * len(X) / (len(X) - 1)
    Z = Z[:, variance > 0] / np.sqrt(variance[variance > 0])
    squares, directions = np.linalg.eigh((weights[:, None] * Z).T @ Z)
    kept = squares > 1e-12 * squares.max()
    return Z @ directions[:, kept] * squares[kept] ** -0.25


def cut(merges, n_clusters):
    """Labels of the leaves, numbered by their first."""
    n_leaves = len(merges) + 1
    labels = np.arange(n_leaves)
    for a, b in merges[: n_leaves - n_clusters]:
        labels = np.where(labels == b, a, labels)
    return np.unique(labels, return_inverse=True)[1]


def partitions(X, weights=None):
    """Labels of distinct rows for every number of clusters, as the fits' starts have them."""
    weights = np.ones(len(X)) if weights is None else weights / weights.mean()
    Y = rescale(X, weights)
    p = Y.shape[1]
    steps = merges(Y, weights, (weights @ Y**2).sum() / Y.size, 1 / p, 1.5 * p, p)
    return {k: cut(steps, k) for k in range(1, len(X) + 1)}
