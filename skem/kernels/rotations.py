"""Plane rotations: to the axes of each matrix, and to axes that several are to have in common."""

import math

from skem.kernels.jit import inner_kernel, kernel

# A share of the sum of a matrix's entries: less of it off the diagonal is rounding. No squares,
# which vanish where rows count for next to nothing.
DIAGONAL = 1e-17
SWEEPS = 30


@inner_kernel
def rotate_columns(matrix, p, q, cosine, sine):
    """Rotate two columns of a matrix."""
    for i in range(matrix.shape[0]):
        first, second = matrix[i, p], matrix[i, q]
        matrix[i, p] = cosine * first + sine * second
        matrix[i, q] = cosine * second - sine * first


@inner_kernel
def rotate_lines(matrix, p, q, cosine, sine):
    """Rotate two lines of a matrix."""
    for i in range(matrix.shape[1]):
        first, second = matrix[p, i], matrix[q, i]
        matrix[p, i] = cosine * first + sine * second
        matrix[q, i] = cosine * second - sine * first


@kernel
def diagonalise(matrices, spectra, axes, turned):
    """Find the eigenvalues and -vectors of symmetric matrices by Jacobi's rotations.

    Parameters
    ----------
    matrices : ndarray of shape (B, D, D)
    spectra : ndarray of shape (B, D)
        Receives the eigenvalues, in ascending order.
    axes : ndarray of shape (B, D, D)
        Receives the eigenvectors, one in each column.
    turned : ndarray of shape (D, D)
        Scratch.
    """
    n_matrices, n_features = spectra.shape
    for b in range(n_matrices):
        now = axes[b]
        size = 0.0
        for i in range(n_features):
            for j in range(n_features):
                turned[i, j] = matrices[b, i, j]
                now[i, j] = 1.0 if i == j else 0.0
                size += abs(turned[i, j])
        for _ in range(SWEEPS):
            off = 0.0
            for i in range(n_features):
                for j in range(i):
                    off += abs(turned[i, j])
            if off <= DIAGONAL * size:
                break
            for p in range(n_features - 1):
                for q in range(p + 1, n_features):
                    if turned[p, q] == 0.0:
                        continue
                    # The smaller of the two angles that make this entry zero.
                    ratio = (turned[p, p] - turned[q, q]) / (2.0 * turned[p, q])
                    slope = math.copysign(1.0, ratio) / (
                        abs(ratio) + math.sqrt(1.0 + ratio * ratio)
                    )
                    cosine = 1.0 / math.sqrt(1.0 + slope * slope)
                    sine = slope * cosine
                    rotate_columns(turned, p, q, cosine, sine)
                    rotate_lines(turned, p, q, cosine, sine)
                    turned[p, q] = 0.0  # but for rounding
                    turned[q, p] = 0.0
                    rotate_columns(now, p, q, cosine, sine)
        for i in range(n_features):
            value = turned[i, i]
            spectra[b, i] = value
            j = i
            while j > 0 and value < spectra[b, j - 1]:
                spectra[b, j] = spectra[b, j - 1]
                spectra[b, j - 1] = value
                for c in range(n_features):
                    now[c, j], now[c, j - 1] = now[c, j - 1], now[c, j]
                j -= 1


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
            rotate_columns(axes, p, q, cosine, sine)
            for k in range(n_components):
                matrix = scatter[k]
                rotate_columns(matrix, p, q, cosine, sine)
                rotate_lines(matrix, p, q, cosine, sine)
