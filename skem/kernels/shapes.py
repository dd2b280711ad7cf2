"""Covariances with parts in common: volumes, shapes and axes by iterations within an M-step.

An iteration of these is a dozen operations on a hundred numbers: as array code one takes 20 to
100 microseconds, and an M-step makes up to 200 of them. What is minimised is, for scatter matrices
W_k and counts n_k, ``sum_k n_k log det S_k + tr(W_k inv(S_k))``; see
`skem.families.decomposition` and `skem.families.constrained`.

Shapes: K components, D features.
"""

import math

import numpy as np

from skem.kernels.covariances import EPSILON
from skem.kernels.jit import inner_kernel, kernel
from skem.kernels.rotations import turn_axes

SETTLED = 1e-12  # relative change that ends iterations
NOTHING = 1e-100  # a scatter that is none: features have unit variance here
TURNS = 3  # of common axes: later EM iterations go on, and each is an improvement
STEPS = 100  # of Newton's method, which makes five or so


@kernel
def compose(axes, variances, covariances):
    """Write covariances (K, D, D) of variances (K, D) along axes, (K, D, D) or (1, D, D)."""
    n_components, n_features = variances.shape
    own = axes.shape[0] > 1
    for k in range(n_components):
        a = k if own else 0
        for i in range(n_features):
            for j in range(i + 1):
                value = 0.0
                for c in range(n_features):
                    value += axes[a, i, c] * variances[k, c] * axes[a, j, c]
                covariances[k, i, j] = value
                covariances[k, j, i] = value


@kernel
def loss_of_factors(scatter, count, factors):
    """Return what is minimised, for triangular C (K, D, D) with ``inv(S_k) = C_k C_k'``."""
    n_components, n_features = factors.shape[:2]
    loss = 0.0
    for k in range(n_components):
        for c in range(n_features):
            loss -= 2.0 * count[k] * math.log(factors[k, c, c])
            for i in range(c + 1):
                inside = 0.0
                for j in range(c + 1):
                    inside += scatter[k, i, j] * factors[k, j, c]
                loss += factors[k, i, c] * inside
    return loss


@inner_kernel
def settled(before, after):
    """Say whether volumes (K,) have stopped changing."""
    change = 0.0
    largest = 0.0
    for k in range(after.size):
        change = max(change, abs(after[k] - before[k]))
        largest = max(largest, after[k])
    return change <= SETTLED * largest


@kernel
def own_volume(spectra, count, most, variances):
    """Write variances with a volume each and one shape (Celeux & Govaert 1995, section 3.2.2).

    Alternates between volumes and shape, each step the other's minimum.

    Parameters
    ----------
    spectra, variances : ndarray of shape (K, D)
        Positive.
    count : ndarray of shape (K,)
    most : int
        Iterations.
    """
    n_components, n_features = spectra.shape
    shape = np.empty(n_features)
    volumes, before = np.empty(n_components), np.empty(n_components)
    for k in range(n_components):
        total = 0.0
        for j in range(n_features):
            total += spectra[k, j]
        volumes[k] = total / n_features / count[k]
    for _ in range(most):
        size = 0.0
        for j in range(n_features):
            pooled = 0.0
            for k in range(n_components):
                pooled += spectra[k, j] / volumes[k]
            shape[j] = pooled
            size += math.log(pooled)
        size = math.exp(size / n_features)
        for j in range(n_features):
            shape[j] /= size
        for k in range(n_components):
            total = 0.0
            for j in range(n_features):
                total += spectra[k, j] / shape[j]
            before[k] = volumes[k]
            volumes[k] = total / n_features / count[k]
        if settled(before, volumes):
            break
    for k in range(n_components):
        for j in range(n_features):
            variances[k, j] = volumes[k] * shape[j]


@kernel
def log_ratio(spectrum, least, volume):
    """Return log mu with which ``max(spectrum / mu, least)`` has a log volume, and its slope.

    All of (D,); the mean of the logarithms is the volume's. With each direction that is held at
    the least the others have to be smaller, so those that were held stay so. The slope is that
    for larger volumes; where none is free for now, one will be.
    """
    n_features = spectrum.size
    highest = -np.inf
    for j in range(n_features):
        highest = max(highest, math.log(spectrum[j]) - math.log(least[j]))
    ratio = -np.inf
    while True:
        free = 0
        total = -n_features * volume
        for j in range(n_features):
            value, bottom = math.log(spectrum[j]), math.log(least[j])
            if value - bottom >= ratio:
                total += value
                free += 1
            else:
                total += bottom
        if free == 0:
            return highest, -float(n_features)
        found = total / free
        if not found > ratio:
            return ratio, -n_features / free
        ratio = found


@kernel
def own_shape(spectra, count, least, variances):
    """Write variances with one volume and a shape each, at least ``least``.

    Without it spectra are divided by their geometric means. Where that is not enough: given the
    volume, a component's variances are ``max(spectrum / mu, least)`` with the mu that gives that
    volume; and the volume is the best where the mu add up to the count.

    Parameters
    ----------
    spectra, least, variances : ndarray of shape (K, D)
        Spectra are positive.
    count : ndarray of shape (K,)
    """
    n_components, n_features = spectra.shape
    total, counted = 0.0, 0.0
    for k in range(n_components):
        size = 0.0
        for j in range(n_features):
            size += math.log(spectra[k, j])
        size = math.exp(size / n_features)
        total += size
        counted += count[k]
        for j in range(n_features):
            variances[k, j] = spectra[k, j] / size
    above = True
    volume = -np.inf
    for k in range(n_components):
        bottom = 0.0
        for j in range(n_features):
            variances[k, j] *= total / counted
            above = above and variances[k, j] >= least[k, j]
            if least[k, j] > 0.0:
                bottom += math.log(least[k, j]) / n_features
        volume = max(volume, bottom)
    if above:
        return
    # Newton's method, from the lowest that there is: the logarithm of what the mu add up to is
    # convex, and falls.
    size = math.log(counted)
    for _ in range(STEPS):
        ratios, slope = 0.0, 0.0
        for k in range(n_components):
            ratio, by_volume = log_ratio(spectra[k], least[k], volume)
            ratio = math.exp(ratio - size)
            ratios += ratio
            slope += ratio * by_volume
        step = -math.log(ratios) * ratios / slope
        if not step > EPSILON * max(abs(volume), 1.0):
            break
        volume += step
    for k in range(n_components):
        ratio = math.exp(log_ratio(spectra[k], least[k], volume)[0])
        for j in range(n_features):
            variances[k, j] = max(spectra[k, j] / ratio, least[k, j])


@kernel
def variances_along(scatter, axes, count, floor, one_volume, spectra, least, variances):
    """Write the best variances along axes in which scatters are ``scatter``; return the loss.

    Parameters
    ----------
    scatter : ndarray of shape (K, D, D)
        ``D' W_k D``.
    axes : ndarray of shape (D, D)
    count : ndarray of shape (K,)
    floor : ndarray of shape (D, D)
        No variance along an axis is lower than its own.
    one_volume : bool
        Whether all have the same.
    spectra, least : ndarray of shape (K, D)
        Scratch.
    variances : ndarray of shape (K, D)
    """
    n_components, n_features = variances.shape
    largest = NOTHING
    for j in range(n_features):
        under = 0.0
        for i in range(n_features):
            for c in range(n_features):
                under += axes[i, j] * floor[i, c] * axes[c, j]
        for k in range(n_components):
            least[k, j] = under
            largest = max(largest, scatter[k, j, j])
    # Directions without spread have a little, for the logarithms' sake.
    for k in range(n_components):
        for j in range(n_features):
            spectra[k, j] = max(scatter[k, j, j], EPSILON * largest)
    if one_volume:
        own_shape(spectra, count, least, variances)
    loss = 0.0
    for k in range(n_components):
        for j in range(n_features):
            if not one_volume:
                variances[k, j] = max(spectra[k, j] / count[k], least[k, j])
            loss += count[k] * math.log(variances[k, j]) + scatter[k, j, j] / variances[k, j]
    return loss


@kernel
def common_axes(scatter, count, starts, floor, one_volume, axes, variances):
    """Turn each of some axes until that is no gain, but not too often; return the lowest loss.

    Parameters
    ----------
    scatter : ndarray of shape (K, D, D)
    count : ndarray of shape (K,)
    starts : ndarray of shape (n_starts, D, D)
    floor, one_volume
        As for `variances_along`.
    axes : ndarray of shape (D, D)
        Receives the best axes.
    variances : ndarray of shape (K, D)
        Receives the variances along them.
    """
    n_components, n_features = variances.shape
    spectra, least = np.empty((2, n_components, n_features))
    found, inverse = np.empty((2, n_components, n_features))
    turned, half = (
        np.empty((n_components, n_features, n_features)),
        np.empty((n_features, n_features)),
    )
    lowest = np.inf
    for s in range(starts.shape[0]):
        now = starts[s].copy()
        for k in range(n_components):
            for i in range(n_features):
                for j in range(n_features):
                    value = 0.0
                    for c in range(n_features):
                        value += scatter[k, i, c] * now[c, j]
                    half[i, j] = value
            for i in range(n_features):
                for j in range(n_features):
                    value = 0.0
                    for c in range(n_features):
                        value += now[c, i] * half[c, j]
                    turned[k, i, j] = value
        before = np.inf
        for turn in range(TURNS + 1):
            if turn:
                for k in range(n_components):
                    for j in range(n_features):
                        inverse[k, j] = 1.0 / found[k, j]
                turn_axes(turned, inverse, now)
            loss = variances_along(turned, now, count, floor, one_volume, spectra, least, found)
            # What is no gain may be a loss, by rounding.
            if turn and not loss < before - SETTLED * abs(before):
                break
            before = loss
            if loss < lowest:
                lowest = loss
                for j in range(n_features):
                    for i in range(n_features):
                        axes[i, j] = now[i, j]
                    for k in range(n_components):
                        variances[k, j] = found[k, j]
    return lowest
