"""One matrix for all components, with a volume each: by iterations within an M-step.

What is minimised is that of `skem.kernels.shapes`.

Shapes: K components, D features.
"""

import math

import numpy as np

from skem.kernels.covariances import cholesky, invert
from skem.kernels.jit import inner_kernel, kernel
from skem.kernels.shapes import settled

# A share of a matrix's mean variance that makes one without an inverse one that has one.
WIDENED = 1e-12
# A share of the largest volume, below which others do not fall.
LEAST_VOLUME = 1e-12


@inner_kernel
def trace_of_product(matrix, other):
    """Return ``tr(A B)`` of symmetric matrices (D, D)."""
    total = 0.0
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            total += matrix[i, j] * other[i, j]
    return total


@kernel
def common_matrix(scatter, count, most, volumes, matrix):
    """Find a volume each and one matrix of determinant 1 (Celeux & Govaert 1995, 3.2.4).

    Alternates like `own_volume`. Of rows without spread it has no end: a volume, and with it the
    matrix, vanishes; so no volume falls far below the largest.

    Parameters
    ----------
    scatter : ndarray of shape (K, D, D)
    count : ndarray of shape (K,)
    most : int
        Iterations.
    volumes : ndarray of shape (K,)
        Receives the volumes.
    matrix : ndarray of shape (D, D)
        Receives the matrix.
    """
    n_components, n_features = scatter.shape[:2]
    before = np.empty(n_components)
    lower, factor, inverse = np.empty((3, n_features, n_features))
    for k in range(n_components):
        total = 0.0
        for i in range(n_features):
            total += scatter[k, i, i]
        volumes[k] = total / (n_features * count[k])
    for _ in range(most):
        for i in range(n_features):
            for j in range(n_features):
                total = 0.0
                for k in range(n_components):
                    total += scatter[k, i, j] / volumes[k]
                matrix[i, j] = total
        if not cholesky(matrix, lower):
            total = 0.0
            for i in range(n_features):
                total += matrix[i, i]
            for i in range(n_features):
                matrix[i, i] += WIDENED * total / n_features
            cholesky(matrix, lower)
        log_det = 0.0
        for i in range(n_features):
            log_det += 2.0 * math.log(lower[i, i])
        size = math.exp(log_det / n_features)
        invert(lower, factor)
        for i in range(n_features):
            for j in range(n_features):
                total = 0.0
                for c in range(max(i, j), n_features):
                    total += factor[c, i] * factor[c, j]
                inverse[i, j] = total * size
                matrix[i, j] /= size
        largest = 0.0
        for k in range(n_components):
            before[k] = volumes[k]
            volumes[k] = trace_of_product(inverse, scatter[k]) / (n_features * count[k])
            largest = max(largest, volumes[k])
        for k in range(n_components):
            volumes[k] = max(volumes[k], LEAST_VOLUME * largest)
        if settled(before, volumes):
            break


@kernel
def common_matrix_above_one(scatter, count, most, volumes, matrix):
    """Find volumes of at least 1 and one matrix above the unit matrix.

    Together they are any covariances of this form above the unit matrix, and constrain each other
    no more: each step is the other's minimum. Parameters are those of `common_matrix`.
    """
    n_components, n_features = scatter.shape[:2]
    before = np.empty(n_components)
    inverse = np.empty((n_features, n_features))
    counted = 0.0
    for k in range(n_components):
        total = 0.0
        for i in range(n_features):
            total += scatter[k, i, i]
        volumes[k] = max(total / (n_features * count[k]), 1.0)
        counted += count[k]
    for _ in range(most):
        for i in range(n_features):
            for j in range(n_features):
                total = 0.0
                for k in range(n_components):
                    total += scatter[k, i, j] / volumes[k]
                matrix[i, j] = total / counted
        values, axes = np.linalg.eigh(matrix)
        for i in range(n_features):
            for j in range(n_features):
                total, inverted = 0.0, 0.0
                for c in range(n_features):
                    value = max(values[c], 1.0)
                    product = axes[i, c] * axes[j, c]
                    total += product * value
                    inverted += product / value
                matrix[i, j] = total
                inverse[i, j] = inverted
        for k in range(n_components):
            before[k] = volumes[k]
            total = trace_of_product(inverse, scatter[k]) / (n_features * count[k])
            volumes[k] = max(total, 1.0)
        if settled(before, volumes):
            break
