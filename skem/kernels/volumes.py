"""Variances with a volume each and one shape, the likeliest above a floor.

The problem in logarithms is convex and its constraints are linear: Newton's method with a
logarithmic barrier (Boyd & Vandenberghe 2004, section 11.3). It is small, and asked hundreds of
times in a fit: as array code each of its steps takes 0.1 ms.

Shapes: K components, D features.
"""

import math

import numpy as np

from skem.kernels.jit import kernel

STAGES, STEPS = 6, 40  # of the barrier, and Newton's of each
HALVINGS = 40
RIDGE = 1.0 + 1e-12
SETTLED = 1e-13


@kernel
def solve(matrix, vector):
    """Write ``inv(matrix) vector`` to ``vector`` (n,); ``matrix`` is positive definite.

    It is overwritten. Elimination without pivots.
    """
    n = len(vector)
    for i in range(n):
        for j in range(i + 1, n):
            factor = matrix[j, i] / matrix[i, i]
            vector[j] -= factor * vector[i]
            for c in range(i + 1, n):
                matrix[j, c] -= factor * matrix[i, c]
    for i in range(n - 1, -1, -1):
        for c in range(i + 1, n):
            vector[i] -= matrix[i, c] * vector[c]
        vector[i] /= matrix[i, i]


@kernel
def barrier_loss(spectra, share, bottom, log_var, toward, length, barrier):
    """Return the loss with its barrier at ``log_var + length * toward``; inf below the floor."""
    outside, inside = 0.0, 0.0
    for k in range(spectra.shape[0]):
        for j in range(spectra.shape[1]):
            at = log_var[k, j] + length * toward[k, j]
            if not at > bottom[k, j]:
                return np.inf
            inside += barrier[k] * math.log(at - bottom[k, j])
            outside += share[k] * at + spectra[k, j] * math.exp(-at)
    return outside - inside


@kernel
def newton_step(spectra, share, bottom, log_var, barrier, volume_step, shape_step):
    """Write Newton's step to ``volume_step`` (K,) and ``shape_step`` (D,).

    The first feature's shape stays: volumes times c and shapes over c are the same. Shapes are
    eliminated, for there may be many.

    Returns
    -------
    slope : ndarray of shape (K, D)
        The gradient by log variances.
    """
    k_all, d = spectra.shape
    slope, curve = np.empty((k_all, d)), np.empty((k_all, d))
    by_feature, curve_of_feature = np.zeros(d), np.zeros(d)
    schur = np.zeros((k_all, k_all))
    for k in range(k_all):
        volume_step[k] = 0.0
        for j in range(d):
            room = log_var[k, j] - bottom[k, j]
            pull = spectra[k, j] * math.exp(-log_var[k, j])
            slope[k, j] = share[k] - pull - barrier[k] / room
            curve[k, j] = pull + barrier[k] / (room * room)
            volume_step[k] -= slope[k, j]
            by_feature[j] += slope[k, j]
            curve_of_feature[j] += curve[k, j]
            # The ridge keeps what is left from being singular to rounding.
            schur[k, k] += RIDGE * curve[k, j]
    for k in range(k_all):
        for j in range(1, d):
            ratio = curve[k, j] / curve_of_feature[j]
            volume_step[k] += ratio * by_feature[j]
            for other in range(k_all):
                schur[k, other] -= ratio * curve[other, j]
    solve(schur, volume_step)
    shape_step[0] = 0.0
    for j in range(1, d):
        moved = by_feature[j]
        for k in range(k_all):
            moved += volume_step[k] * curve[k, j]
        shape_step[j] = -moved / curve_of_feature[j]
    return slope


@kernel
def own_volumes(spectra, share, bottom, volume, shape):
    """Minimise ``sum_kj share_k v_kj + spectra_kj exp(-v_kj)`` for ``v_kj = volume_k + shape_j``.

    No v is below ``bottom``.

    Parameters
    ----------
    spectra, bottom : ndarray of shape (K, D)
    share : ndarray of shape (K,)
    volume : ndarray of shape (K,)
    shape : ndarray of shape (D,)
        Where to begin, above the bottom; overwritten with where it ends.
    """
    k_all, d = spectra.shape
    log_var, toward = np.empty((k_all, d)), np.empty((k_all, d))
    volume_step, shape_step = np.empty(k_all), np.empty(d)
    # In proportion to the shares: nothing else holds the volume of a component of hardly a row.
    barrier = 1e-2 / d * share
    for _ in range(STAGES):
        for _ in range(STEPS):
            for k in range(k_all):
                for j in range(d):
                    log_var[k, j] = volume[k] + shape[j]
            slope = newton_step(spectra, share, bottom, log_var, barrier, volume_step, shape_step)
            decrement = 0.0
            for k in range(k_all):
                for j in range(d):
                    toward[k, j] = volume_step[k] + shape_step[j]
                    decrement -= slope[k, j] * toward[k, j]
            now = barrier_loss(spectra, share, bottom, log_var, toward, 0.0, barrier)
            # Half as far until the loss is lower enough.
            length = 1.0
            for _ in range(HALVINGS):
                at = barrier_loss(spectra, share, bottom, log_var, toward, length, barrier)
                if at <= now - 0.25 * length * decrement + 1e-15:
                    break
                length *= 0.5
            else:
                break  # no step lowers the loss, or it is not a number
            for k in range(k_all):
                volume[k] += length * volume_step[k]
            for j in range(d):
                shape[j] += length * shape_step[j]
            if decrement < SETTLED:
                break
        barrier *= 0.03
