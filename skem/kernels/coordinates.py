"""Covariances as coordinates about a reference, and back; see `skem.families.coordinates`.

Shapes: B matrices of d features; P = d (d + 1) / 2 entries of a lower triangle, line by line.
"""

import math

import numpy as np

from skem.kernels.covariances import cholesky
from skem.kernels.jit import kernel


def encode(covariances, inverses, scale, out):
    """Write the Cholesky factors of covariances in units of the reference's.

    Parameters
    ----------
    covariances, inverses : ndarray of shape (B, d, d)
        The inverses are those of the reference's factors, lower triangular.
    scale, out : ndarray of shape (B, P)
        Entries are multiplied by the scale; of the diagonal it is the logarithm.

    Returns
    -------
    done : bool
        False if a covariance is singular.
    """
    n_features = covariances.shape[1]
    # Here, as in `decode`: a kernel that makes arrays takes longer to compile.
    return _encode(covariances, inverses, scale, np.empty((n_features, n_features)), out)


@kernel
def _encode(covariances, inverses, scale, upper, out):
    """See `encode`; ``upper`` (d, d) is scratch."""
    n_features = covariances.shape[1]
    for b in range(covariances.shape[0]):
        if not cholesky(covariances[b], upper):
            return False
        p = 0
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j, i + 1):
                    value += inverses[b, i, c] * upper[j, c]
                if i == j:
                    value = math.log(value)
                out[b, p] = scale[b, p] * value
                p += 1
    return True


def decode(entries, roots, scale, out):
    """Write the covariances of coordinates that `encode` has written.

    Parameters
    ----------
    entries, scale : ndarray of shape (B, P)
    roots : ndarray of shape (B, d, d)
        The reference's factors, lower triangular.
    out : ndarray of shape (B, d, d)
        Numbers that are too large overflow.
    """
    n_features = roots.shape[1]
    _decode(entries, roots, scale, np.empty((2, n_features, n_features)), out)


@kernel
def _decode(entries, roots, scale, scratch, out):
    """See `decode`; ``scratch`` is of shape (2, d, d)."""
    n_features = roots.shape[1]
    lower, factor = scratch[0], scratch[1]
    for b in range(roots.shape[0]):
        p = 0
        for i in range(n_features):
            for j in range(i + 1):
                value = entries[b, p] / scale[b, p]
                lower[i, j] = math.exp(value) if i == j else value
                p += 1
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j, i + 1):
                    value += roots[b, i, c] * lower[c, j]
                factor[i, j] = value
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(j + 1):
                    value += factor[i, c] * factor[j, c]
                out[b, i, j] = value
                out[b, j, i] = value
