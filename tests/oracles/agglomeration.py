"""Model-based agglomeration from its definition: every union is evaluated from its rows."""

from itertools import combinations

import numpy as np


def term(X, weights, floor):
    """Fraley's w log(|W / w| + (tr W + floor) / w) of one cluster."""
    total = weights.sum()
    apart = X - np.average(X, axis=0, weights=weights)
    scatter = (weights[:, None] * apart).T @ apart
    determinant = np.linalg.det(scatter / total) if len(X) > X.shape[1] else 0.0
    return total * np.log(determinant + (np.trace(scatter) + floor) / total)


def merges(X, weights, floor):
    """Pairs of clusters, each with the number of its first row, in the order of merging."""
    clusters = {i: [i] for i in range(len(X))}
    result = []

    def count(rows):
        return term(X[rows], weights[rows], floor)

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
    n = len(X)
    variance = np.average(Z**2, axis=0, weights=weights) * n / (n - 1)
    Z = Z[:, variance > 0] / np.sqrt(variance[variance > 0])
    squares, directions = np.linalg.eigh((weights[:, None] * Z).T @ Z)
    return Z @ directions * squares**-0.25


def partitions(X, weights=None):
    """Labels, numbered by first row, for every number of clusters, of distinct rows."""
    weights = np.ones(len(X)) if weights is None else weights / weights.mean()
    Y = rescale(X, weights)
    floor = (weights @ Y**2).sum() / Y.size
    labels = np.arange(len(X))
    result = {len(X): labels}
    for step, (a, b) in enumerate(merges(Y, weights, floor), start=1):
        labels = np.where(labels == b, a, labels)
        result[len(X) - step] = np.unique(labels, return_inverse=True)[1]
    return result
