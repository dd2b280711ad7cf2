"""Covariances and means as coordinates about a reference, and back.

See `skem.families.coordinates`. These are a hundred numbers more often than not.

Shapes: K components of D features. There are B matrices of d features, one for each component or
one for all, or, with d = 1, one variance for each mean, each component or all. So means come as Q
vectors of d numbers each, with B a divisor of Q; and counts, N of them, as a divisor of B.
"""

import math

import numpy as np

from skem.kernels.covariances import TINY, cholesky
from skem.kernels.jit import callee_kernel, kernel

ROOT_OF_TWO = math.sqrt(2.0)


@callee_kernel
def factorise(scatter, count, added, ridge, root):
    """Write the Cholesky factor of ``scatter / (count + added) + ridge``; both (d, d).

    What is above the lower triangle is left as it is.

    Returns
    -------
    done : bool
        False if a pivot is zero but for rounding, or below, or not finite.
    """
    divisor = (count if count > TINY else TINY) + added
    for i in range(scatter.shape[0]):
        for j in range(i + 1):
            root[i, j] = scatter[i, j] / divisor
        root[i, i] += ridge
    return cholesky(root, root)


@kernel
def refer(scatter, counts, added, ridge, roots):
    """Write the Cholesky factors of what coordinates are measured by.

    Parameters
    ----------
    scatter, roots : ndarray of shape (B, d, d)
    counts : ndarray of shape (N,)
        Observations that covariances have seen.
    added, ridge : float
        Covariances are ``scatter / (count + added) + ridge``.

    Returns
    -------
    done : bool
        False if a covariance has no factor.
    """
    n_matrices = scatter.shape[0]
    for b in range(n_matrices):
        if not factorise(scatter[b], counts[b * counts.size // n_matrices], added, ridge, roots[b]):
            return False
    return True


@kernel
def encode(weight, mean, scatter, counts, added, ridge, total, frame, root, out):
    """Write coordinates: of weights, of means and of Cholesky factors.

    Parameters
    ----------
    weight : ndarray of shape (K,)
    mean : ndarray of shape (Q, d)
    scatter, counts, added, ridge
        As for `refer`.
    total : float
        Total weight of the rows.
    frame : CoordinateFrame
    root : ndarray of shape (d, d)
        Scratch.
    out : ndarray of shape (K + Q d + B d (d + 1) / 2,)

    Returns
    -------
    done : bool
        False if a covariance has no factor.
    """
    roots, origin, shares, sizes = frame
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
                value -= roots[b, i, c] * out[p + c]
            out[p + i] = value / roots[b, i, i]
        share = shares[q * shares.size // n_means]
        for _ in range(n_features):
            out[p] *= share
            p += 1
    for b in range(n_matrices):
        n = b * counts.size // n_matrices
        if not factorise(scatter[b], counts[n], added, ridge, root):
            return False
        size = sizes[n]
        for i in range(n_features):
            for j in range(i + 1):
                value = root[i, j]
                for c in range(j, i):
                    value -= roots[b, i, c] * root[c, j]
                value /= roots[b, i, i]
                root[i, j] = value
                out[p] = size * value if i > j else ROOT_OF_TWO * size * math.log(value)
                p += 1
    return True


@kernel
def decode_weights(vector, total, weight):
    """Write the weights (K,) that a vector begins with, made to add up to the total.

    They are not finite if their coordinates aren't, or are too large.
    """
    added = 0.0
    for k in range(weight.size):
        weight[k] = vector[k] * vector[k]
        added += weight[k]
    for k in range(weight.size):
        weight[k] *= total / added


@kernel
def decode(vector, counts, added, ridge, least, frame, root, mean, scatter):
    """Write means and scatter matrices of coordinates that `encode` has written.

    Parameters
    ----------
    vector : ndarray of shape (Q d + B d (d + 1) / 2,)
        Without those of weights.
    counts, added, ridge
        As for `refer`.
    least : float
        A ridge with which covariances have to have factors.
    frame : CoordinateFrame
    root : ndarray of shape (d, d)
        Scratch.
    mean : ndarray of shape (Q, d)
    scatter : ndarray of shape (B, d, d)

    Returns
    -------
    done : bool
        False if no rows could have them: of numbers that overflow, too.
    """
    roots, origin, shares, sizes = frame
    n_matrices, n_features = roots.shape[:2]
    n_means = mean.shape[0]
    p = 0
    size = 0.0
    for q in range(n_means):
        b = q * n_matrices // n_means
        share = shares[q * shares.size // n_means]
        for i in range(n_features):
            value = 0.0
            for c in range(i + 1):
                value += roots[b, i, c] * vector[p + c]
            mean[q, i] = origin[q, i] + value / share
            size += abs(mean[q, i])
        p += n_features
    for b in range(n_matrices):
        n = b * counts.size // n_matrices
        divisor = (counts[n] if counts[n] > TINY else TINY) + added
        scale = sizes[n]
        # The reference's factor times that of the coordinates, whose lines lie one after another.
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j, i + 1):
                    part = vector[p + c * (c + 1) // 2 + j] / scale
                    value += roots[b, i, c] * (part if c > j else np.exp(part / ROOT_OF_TWO))
                root[i, j] = value
        p += n_features * (n_features + 1) // 2
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j + 1):
                    value += root[i, c] * root[j, c]
                if i == j:
                    value -= ridge
                scatter[b, i, j] = value * divisor
                scatter[b, j, i] = scatter[b, i, j]
        # NaN and infinity have no factors, either.
        if not factorise(scatter[b], counts[n], added, least, root):
            return False
        size += counts[n]
    return size < math.inf
