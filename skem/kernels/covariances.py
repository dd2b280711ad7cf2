"""Full covariance matrices of components: factors, scores' coefficients, statistics.

Tables are small more often than not, and then a M-step is a dozen operations on a hundred numbers,
each of which takes longer to call from Python than to do.

Shapes: K components, D features; P = (D + 1) (D + 2) / 2 pairs of lines, in the order of
`numpy.triu_indices`.
"""

import math

from skem.kernels.jit import each, inner_kernel, kernel, reassociating_kernel

EPSILON = 2.0**-52
TINY = 2.0**-1022  # the smallest normal number
# What `factorise` says, if it does not name a component.
DONE, BELOW_FLOOR = -1, -2


@reassociating_kernel
def cholesky(matrix, lower):
    """Write L with ``matrix = L L'`` to the lower triangle of ``lower``; both (D, D), or the same.

    Rows of L times rows of L, from their beginnings: with an offset in the index the loop of order
    ``D^3`` would not be vectorised, and slices take long to compile.

    Returns
    -------
    done : bool
        False if a pivot is zero but for rounding, or below, or not finite.
    """
    n_features = matrix.shape[0]
    least = 8 * n_features * EPSILON
    for i in range(n_features):
        for j in range(i + 1):
            product = 0.0
            for c in range(j):
                product += lower[i, c] * lower[j, c]
            rest = matrix[i, j] - product
            if i > j:
                lower[i, j] = rest / lower[j, j]
            elif rest > least * matrix[i, i]:
                lower[i, i] = math.sqrt(rest)
            else:
                return False
    return True


@inner_kernel
def invert(lower, inverse):
    """Write the lower triangle of the inverse of a lower triangular matrix; both (D, D)."""
    n_features = lower.shape[0]
    for i in range(n_features):
        for c in each(i):
            inverse[i, c] = 0.0
        for j in range(i):
            factor = lower[i, j] / lower[i, i]
            for c in each(j + 1):
                inverse[i, c] -= factor * inverse[j, c]
        inverse[i, i] = 1.0 / lower[i, i]


@reassociating_kernel
def factorise(covariances, floors, factors, scratch):
    """Write upper triangular C with ``inv(covariance) = C C'``, by Cholesky's factors.

    A pivot that is rounding is a zero that came out positive, and counts as one.

    Parameters
    ----------
    covariances, factors : ndarray of shape (K, D, D)
    floors : ndarray of shape (0, D, D) or (1, D, D)
        What covariances are to be above, in the order of matrices.
    scratch : ndarray of shape (2, D, D)

    Returns
    -------
    status : int
        -1 if all is well, -2 if there is a floor and a covariance is not above it, else the first
        component whose covariance is not positive definite.
    """
    n_components, n_features = covariances.shape[:2]
    has_floor = floors.shape[0] > 0
    lower, inverse = scratch[0], scratch[1]
    highest = 0.0  # no eigenvalue of the floor is larger than their sum
    if has_floor:
        for i in range(n_features):
            highest += floors[0, i, i]
    for k in range(n_components):
        if not cholesky(covariances[k], lower):
            return BELOW_FLOOR if has_floor else k
        invert(lower, inverse)
        precision = 0.0  # the sum of the inverse's eigenvalues: the largest is no larger
        for i in range(n_features):
            for j in each(i):
                factors[k, i, j] = 0.0
            for j in each(i, n_features):
                factors[k, i, j] = inverse[j, i]
            for j in range(i + 1):
                precision += inverse[i, j] * inverse[i, j]
        # Most covariances are far above the floor: an eigenvalue twice as large as any of its.
        if has_floor and not 2.0 * precision * highest < 1.0:
            for i in range(n_features):
                for j in each(n_features):
                    lower[i, j] = covariances[k, i, j] - floors[0, i, j]
            if not cholesky(lower, lower):
                return BELOW_FLOOR
    return DONE


@reassociating_kernel
def linear_form(means, factors, coefficients, level, slopes):
    """Write what log densities have for the products of two lines ``[z_1 .. z_D, 1]``.

    ``-(z - m)' C C' (z - m) / 2`` is ``coefficients . products + level``. Each pair of features
    is one product, but stands twice in the square.

    Parameters
    ----------
    means : ndarray of shape (K, D)
    factors : ndarray of shape (K, D, D)
        Upper triangular.
    coefficients : ndarray of shape (P, K)
    level : ndarray of shape (K,)
        Their share is added.
    slopes : ndarray of shape (D,)
        Scratch.
    """
    n_components, n_features = means.shape
    for k in range(n_components):
        mean, factor = means[k], factors[k]
        for i in each(n_features):
            slopes[i] = 0.0
        p = 0
        for i in range(n_features):
            for j in range(i, n_features):
                x, y = factor[i, j:], factor[j, j:]
                precision = 0.0
                for c in range(n_features - j):
                    precision += x[c] * y[c]
                slopes[i] += precision * mean[j]
                if i == j:
                    coefficients[p, k] = -0.5 * precision
                else:
                    slopes[j] += precision * mean[i]
                    coefficients[p, k] = -precision
                p += 1
            p += 1  # the feature and ones: its slope is not complete before the last row
        p = 0
        distance = 0.0
        for i in range(n_features):
            p += n_features - i
            coefficients[p, k] = slopes[i]
            p += 1
            distance += slopes[i] * mean[i]
        coefficients[p, k] = 0.0
        level[k] -= 0.5 * distance


@kernel
def log_determinants(factors, out):
    """Write ``log det C`` of triangular factors (K, D, D) to ``out`` (K,)."""
    for k in range(factors.shape[0]):
        total = 0.0
        for i in range(factors.shape[1]):
            total += math.log(factors[k, i, i])
        out[k] = total


@reassociating_kernel
def cancellation(means, covariances, factors):
    """Return the largest ``(|m|^2 + tr S) tr(C C')`` of the components.

    Parameters
    ----------
    means : ndarray of shape (K, D)
    covariances, factors : ndarray of shape (K, D, D)
        S and C.
    """
    n_components, n_features = means.shape
    largest = 0.0
    for k in range(n_components):
        spread = 0.0
        precision = 0.0
        for i in range(n_features):
            spread += means[k, i] * means[k, i] + covariances[k, i, i]
            line = factors[k, i]
            for j in range(n_features):
                precision += line[j] * line[j]
        # NaN is not lower than anything, and stays.
        if not spread * precision <= largest:
            largest = spread * precision
    return largest


@kernel
def unpack(packed, weight, first, second):
    """Bring sums of products of two lines ``[z_1 .. z_D, 1]`` to their places.

    Parameters
    ----------
    packed : ndarray of shape (P, K)
    weight : ndarray of shape (K,)
        Receives the sums of ones.
    first : ndarray of shape (K, D)
    second : ndarray of shape (K, D, D)
    """
    n_components, n_features = first.shape
    for k in range(n_components):
        p = 0
        for i in range(n_features):
            for j in range(i, n_features):
                second[k, i, j] = packed[p, k]
                second[k, j, i] = packed[p, k]
                p += 1
            first[k, i] = packed[p, k]
            p += 1
        weight[k] = packed[p, k]


@kernel
def centre(weight, first, second, shift, scatter):
    """Turn moments about a point each into means about it and scatter matrices.

    Parameters
    ----------
    weight : ndarray of shape (K,)
    first, shift : ndarray of shape (K, D)
    second, scatter : ndarray of shape (K, D, D)
    """
    n_components, n_features = first.shape
    for k in range(n_components):
        known = weight[k] if weight[k] > TINY else TINY
        for i in each(n_features):
            shift[k, i] = first[k, i] / known
        for i in range(n_features):
            for j in each(n_features):
                scatter[k, i, j] = second[k, i, j] - weight[k] * shift[k, i] * shift[k, j]
