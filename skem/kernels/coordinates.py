"""Covariances and means as coordinates about a reference, and back.

See `skem.families.coordinates`. These are a hundred numbers more often than not.

Shapes: K components of D features. There are B matrices of d features, one for each component or
one for all, or, with d = 1, one variance for each mean, each component or all. So means come as Q
vectors of d numbers each, with B a divisor of Q; and counts, N of them, as a divisor of B.
"""

import math

import numpy as np

from skem.kernels.covariances import cholesky
from skem.kernels.jit import kernel

ROOT_OF_TWO = math.sqrt(2.0)


@kernel
def factorise(scatter, counts, added, ridge, roots):
    """Write the Cholesky factors of ``scatter / (count + added) + ridge``.

    Parameters
    ----------
    scatter : ndarray of shape (B, d, d)
    counts : ndarray of shape (N,)
    added, ridge : float
    roots : ndarray of shape (B, d, d)
        Receives lower triangles; what is above them is left as it is.

    Returns
    -------
    done : bool
        False if a pivot is zero but for rounding, or below, or not finite.
    """
    n_matrices, n_features = scatter.shape[:2]
    for b in range(n_matrices):
        root = roots[b]
        divisor = counts[b * counts.size // n_matrices] + added
        for i in range(n_features):
            for j in range(i + 1):
                root[i, j] = scatter[b, i, j] / divisor
            root[i, i] += ridge
        if not cholesky(root, root):
            return False
    return True


@kernel
def encode(weight, mean, roots, total, reference, origin, shares, sizes, out):
    """Write coordinates: of weights, of means and of Cholesky factors.

    Parameters
    ----------
    weight : ndarray of shape (K,)
    mean, origin : ndarray of shape (Q, d)
        Means, and the reference's.
    roots, reference : ndarray of shape (B, d, d)
        Lower triangular factors, and the reference's. The first are overwritten.
    total : float
    shares : ndarray of shape (K,)
        What a component's means are multiplied by.
    sizes : ndarray of shape (N,)
        What factors are multiplied by: their diagonals, of which it is the logarithm, by
        ``sqrt(2)`` times as much.
    out : ndarray of shape (K + Q d + B d (d + 1) / 2,)
    """
    n_matrices, n_features = roots.shape[:2]
    p = 0
    for k in range(weight.size):
        out[p] = 2.0 * math.sqrt(max(weight[k], 0.0) / total)
        p += 1
    n_means = mean.shape[0]
    for q in range(n_means):
        b = q * n_matrices // n_means
        for i in range(n_features):
            value = mean[q, i] - origin[q, i]
            for c in range(i):
                value -= reference[b, i, c] * out[p + c]
            out[p + i] = value / reference[b, i, i]
        share = shares[q * shares.size // n_means]
        for _ in range(n_features):
            out[p] *= share
            p += 1
    for b in range(n_matrices):
        size = sizes[b * sizes.size // n_matrices]
        for i in range(n_features):
            for j in range(i + 1):
                value = roots[b, i, j]
                for c in range(j, i):
                    value -= reference[b, i, c] * roots[b, c, j]
                value /= reference[b, i, i]
                roots[b, i, j] = value
                out[p] = size * value if i > j else ROOT_OF_TWO * size * math.log(value)
                p += 1


@kernel
def decode(vector, counts, added, ridge, reference, origin, shares, sizes, mean, scatter, scratch):
    """Write means and scatter matrices of coordinates that `encode` has written.

    Parameters
    ----------
    vector : ndarray of shape (Q d + B d (d + 1) / 2,)
        Without those of weights.
    counts, added, ridge
        As for `factorise`; the scatters are what has the factors under these.
    reference, origin, shares, sizes
        As for `encode`.
    mean : ndarray of shape (Q, d)
    scatter : ndarray of shape (B, d, d)
        Numbers that are too large overflow.
    scratch : ndarray of shape (d, d)

    Returns
    -------
    finite : bool
        Whether the means are.
    """
    n_matrices, n_features = scatter.shape[:2]
    n_means = mean.shape[0]
    p = 0
    size = 0.0
    for q in range(n_means):
        b = q * n_matrices // n_means
        share = shares[q * shares.size // n_means]
        for i in range(n_features):
            value = 0.0
            for c in range(i + 1):
                value += reference[b, i, c] * vector[p + c]
            mean[q, i] = origin[q, i] + value / share
            size += abs(mean[q, i])
        p += n_features
    for b in range(n_matrices):
        divisor = counts[b * counts.size // n_matrices] + added
        scale = sizes[b * sizes.size // n_matrices]
        # The reference's factor times that of the coordinates, whose lines lie one after another.
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j, i + 1):
                    part = vector[p + c * (c + 1) // 2 + j] / scale
                    value += reference[b, i, c] * (part if c > j else np.exp(part / ROOT_OF_TWO))
                scratch[i, j] = value
        p += n_features * (n_features + 1) // 2
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j + 1):
                    value += scratch[i, c] * scratch[j, c]
                if i == j:
                    value -= ridge
                scatter[b, i, j] = value * divisor
                scatter[b, j, i] = scatter[b, i, j]
    return size < math.inf
