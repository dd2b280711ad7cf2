"""Rotations of axes that several matrices are to have in common."""

import math

from skem.kernels.jit import kernel


@kernel
def turn_axes(scatter, inverse, axes):
    """Lower ``sum_k tr(W_k D inv(V_k) D')`` over orthogonal D, in one sweep of plane rotations.

    Within a plane of two axes the sum is ``a cos 2t + b sin 2t`` and a constant, so its least
    angle t is known; a sweep goes through all planes, as Flury & Gautschi (1986) do.

    Parameters
    ----------
    scatter : ndarray of shape (n_components, n_features, n_features)
        ``D' W_k D`` of the axes at first. Overwritten with that of the axes at the end.
    inverse : ndarray of shape (n_components, n_features)
        Diagonals of inv(V_k).
    axes : ndarray of shape (n_features, n_features)
        D, an axis in each column. Overwritten.

    References
    ----------
    B. N. Flury and W. Gautschi (1986). An algorithm for simultaneous orthogonal transformation
    of several positive definite symmetric matrices to nearly diagonal form. SIAM Journal on
    Scientific and Statistical Computing 7(1), 169-184.
    """
    n_components, n_features = inverse.shape
    for p in range(n_features - 1):
        for q in range(p + 1, n_features):
            a = 0.0
            b = 0.0
            for k in range(n_components):
                apart = inverse[k, p] - inverse[k, q]
                a += 0.5 * apart * (scatter[k, p, p] - scatter[k, q, q])
                b += apart * scatter[k, p, q]
            # The least is where (cos 2t, sin 2t) points away from (a, b).
            if b == 0.0 and a <= 0.0:
                continue
            angle = 0.5 * math.atan2(-b, -a)
            cosine = math.cos(angle)
            sine = math.sin(angle)
            for i in range(n_features):
                first, second = axes[i, p], axes[i, q]
                axes[i, p] = cosine * first + sine * second
                axes[i, q] = cosine * second - sine * first
            for k in range(n_components):
                matrix = scatter[k]
                for i in range(n_features):
                    first, second = matrix[i, p], matrix[i, q]
                    matrix[i, p] = cosine * first + sine * second
                    matrix[i, q] = cosine * second - sine * first
                for i in range(n_features):
                    first, second = matrix[p, i], matrix[q, i]
                    matrix[p, i] = cosine * first + sine * second
                    matrix[q, i] = cosine * second - sine * first
