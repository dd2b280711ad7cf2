"""Rows with missing cells: marginal scores and expected sums, exactly.

A Gaussian log density is quadratic in the cells of a gap, so the marginal density of the seen
cells, and the conditional mean and covariance of the others, follow from the inverse of the gap's
block of the precision (Ghahramani & Jordan 1994; Little & Rubin 2019, section 11.2). With the
precision Λ, the gap g, the row x whose gap is filled with the component's own mean m, and the
slopes ``y = Λ (x - m)``:

    log density        log|Λ| / 2 - log|Λ_gg| / 2 - p log(2 pi) / 2
                       - (x - m)' y / 2 + y_g' inv(Λ_gg) y_g / 2      (p cells are seen)
    E[x_g | seen]      m_g - inv(Λ_gg) y_g
    Cov[x_g | seen]    inv(Λ_gg)

Rows come segment by segment, all of a segment with the same gap, so a block is inverted once for
each segment and component. What is done to each row, whatever its gap, is done to a block of rows
at once by a matrix product.
"""

import math

import numpy as np

from skem.kernels.jit import kernel, reassociating_kernel
from skem.kernels.normalise import log_normalise, responsibilities
from skem.kernels.steps import HARDEN, LEVEL, NORMALISE, SCORE, SUM

LOG_2PI = math.log(2.0 * math.pi)

# A pivot that rounding left below this share of the diagonal counts as so large.
LEAST_PIVOT = 1e-16


@kernel
def list_gap(missing, gap):
    """Write the numbers of the missing columns to ``gap``; return how many there are."""
    q = 0
    for j in range(missing.size):
        if missing[j]:
            gap[q] = j
            q += 1
    return q


@kernel
def invert_gap(precisions, k, gap, q, inverses, to):
    """Invert a gap's block of component k's precision, by Gauss and Jordan's elimination.

    For blocks as small as gaps are it takes less time than Cholesky's factor and its inverse: there
    are no roots, and inner loops go along whole rows.

    Parameters
    ----------
    precisions : ndarray of shape (n_matrices, n_features, n_features)
    k : int
    gap : ndarray of shape (>= q,), int64
    q : int
    inverses : ndarray of shape (n_matrices, n_features, n_features)
        The first rows and columns of matrix ``to`` receive the conditional covariance of the
        missing cells.
    to : int

    Returns
    -------
    log_det : float
        Of the block of the precision.
    """
    for i in range(q):
        for j in range(q):
            inverses[to, i, j] = precisions[k, gap[i], gap[j]]
    log_det = 0.0
    product = 1.0
    for j in range(q):
        pivot = max(inverses[to, j, j], LEAST_PIVOT * precisions[k, gap[j], gap[j]])
        product *= pivot
        if not 1e-100 < product < 1e100:  # a logarithm now and then, not for every pivot
            log_det += math.log(product)
            product = 1.0
        share = 1.0 / pivot
        for m in range(q):
            inverses[to, j, m] *= share
        inverses[to, j, j] = share
        for i in range(q):
            if i != j:
                factor = inverses[to, i, j]
                for m in range(q):
                    inverses[to, i, m] -= factor * inverses[to, j, m]
                inverses[to, i, j] = -factor * share
    return log_det + math.log(product)


@kernel
def fill_with_means(values, gaps, segment, start, n, centres, filled):
    """Write a block's rows minus each component's mean, 0 in the gaps.

    Parameters
    ----------
    values : ndarray of shape (n_features + 2, >= n_places)
        What the cells of gaps hold is not read.
    gaps : Gaps
    segment : int
        That of the row ``start``.
    start, n : int
        First row of the block, and how many there are.
    centres : ndarray of shape (n_components, n_features)
    filled : ndarray of shape (n_components, >= n_features * n)
        Receives a block (n_features, n) for each component.
    """
    first, missing = gaps
    n_components, n_features = centres.shape
    for k in range(n_components):
        for j in range(n_features):
            source = values[j, start : start + n]
            target = filled[k, j * n : (j + 1) * n]
            middle = centres[k, j]
            for i in range(n):
                target[i] = source[i] - middle
    s = segment
    while s < len(missing) and first[s] < start + n:
        a = max(first[s] - start, 0)
        b = min(first[s + 1] - start, n)
        for j in range(n_features):
            if missing[s, j]:
                for k in range(n_components):
                    for i in range(j * n + a, j * n + b):
                        filled[k, i] = 0.0
        s += 1


@kernel
def multiply_block(precision, whole, slopes, halves):
    """Write slopes, and minus half the squared distances of the filled rows to ``halves``."""
    np.dot(precision, whole, slopes)
    n_features, n = whole.shape
    for i in range(n):
        halves[i] = 0.0
    for j in range(n_features):
        x = whole[j]
        y = slopes[j]
        for i in range(n):
            halves[i] -= 0.5 * x[i] * y[i]


@kernel
def complete_rows(k, a, b, n, gap, q, inverses, at, slopes, filled, block):
    """Put component k's conditional means into a gap of the rows from ``a`` to ``b`` of ``n``.

    Matrix ``at`` of ``inverses`` is the gap's. To ``block``, from its first column on, is added
    what this adds to minus half the squared distances.
    """
    for u in range(q):
        line = gap[u] * n
        for v in range(q):
            value = inverses[at, u, v]
            shift = (gap[v] - gap[u]) * n
            for i in range(line + a, line + b):
                filled[k, i] -= value * slopes[k, i + shift]
        for i in range(b - a):
            block[k, i] -= 0.5 * filled[k, line + a + i] * slopes[k, line + a + i]


@kernel
def normalise_rows(steps, tile, start, n, block):
    """Normalise scores of n rows if asked for, and keep them in the tile.

    They become responsibilities if these are to be summed. Returns the total of `gap_steps`.
    """
    total = 0.0
    stop = start + n
    if steps & NORMALISE:
        total = log_normalise(
            block,
            n,
            tile.weights[start:stop],
            tile.power,
            tile.power_bits,
            tile.log_normaliser[start:stop],
            tile.factor[start:stop],
            steps & HARDEN != 0,
        )
    if steps & SUM:
        responsibilities(block, n, tile.factor[start:stop], tile.resp[start:stop])
    else:
        scores = tile.scores
        for k in range(len(block)):
            for i in range(n):
                scores[k, start + i] = block[k, i]
    return total


@kernel
def add_covariances(gap, q, inverses, shared, start, stop, resp, second):
    """Add the conditional covariances of some rows' missing cells to second moments.

    If they are shared, that of all components to those of the first.
    """
    total = 0.0
    for k in range(len(second)):
        if not shared:
            total = 0.0
        for i in range(start, stop):
            total += resp[i, k]
        if not shared or k == len(second) - 1:
            to = 0 if shared else k
            for u in range(q):
                for v in range(q):
                    second[to, gap[u], gap[v]] += total * inverses[to, u, v]


@kernel
def complete_block(steps, tile, gaps, segment, start, n, model, space, heights, second):
    """Complete a block of rows filled with means, segment by segment, and score them.

    Parameters
    ----------
    steps, tile, model, space
        As for `gap_steps`.
    gaps, segment, start, n
        As for `fill_with_means`.
    heights : ndarray of shape (n_components, >= n_segments)
        Receives ``|g| log(2 pi) / 2 - log|Λ_gg| / 2``.
    second : ndarray of shape (n_components, n_features, n_features)
        To be added to.

    Returns
    -------
    total : float
        As `gap_steps` returns.
    segment : int
        That of the row after the block.
    """
    first, missing = gaps
    precisions, levels = model.precisions, model.levels
    # Taken out of the tuple within the loops, each would be counted each time.
    gap, inverses, halves, block = space.gap, space.inverses, space.halves, space.block
    slopes, filled, resp = space.slopes, space.filled, tile.resp
    n_components, n_features = len(levels), missing.shape[1]
    shared = len(precisions) == 1
    total = 0.0
    s = segment
    while s < len(missing) and first[s] < start + n:
        a = max(first[s] - start, 0)
        b = min(first[s + 1] - start, n)
        q = list_gap(missing[s], gap)
        height = 0.0
        for k in range(n_components):
            at = 0 if shared else k
            if k == 0 or not shared:
                log_det = invert_gap(precisions, k, gap, q, inverses, k)
                height = 0.5 * (q * LOG_2PI - log_det)
            heights[k, s] = height
            level = 0.0
            if steps & LEVEL:
                # Where nothing is seen the level is all there is.
                level = levels[k, n_features - q] + (height if q < n_features else 0.0)
            for i in range(b - a):
                block[k, i] = level + halves[k, a + i]
            complete_rows(k, a, b, n, gap, q, inverses, at, slopes, filled, block)
        if steps & SCORE:
            total += normalise_rows(steps, tile, start + a, b - a, block)
        if steps & SUM:
            add_covariances(gap, q, inverses, shared, start + a, start + b, resp, second)
        s += 1
    return total, s - 1 if first[s] > start + n else s


@kernel
def move_rows(whole, centre, about):
    """Turn rows (D, n) minus a centre into rows minus another point."""
    for j in range(len(whole)):
        apart = centre[j] - about[j]
        if apart != 0.0:
            for i in range(whole.shape[1]):
                whole[j, i] += apart


@reassociating_kernel
def add_moments(whole, resp, k, space, weight, moment, second):
    """Add a block's weight, first and second moments of one component; ``whole`` is (D, n)."""
    n_features, n = whole.shape
    weighted = space.weighted[: n_features * n].reshape((n_features, n))
    share = space.share
    total = 0.0
    for i in range(n):
        share[i] = resp[i, k]
        total += share[i]
    weight[k] += total
    for j in range(n_features):
        x = whole[j]
        y = weighted[j]
        value = 0.0
        for i in range(n):
            y[i] = x[i] * share[i]
            value += y[i]
        moment[k, j] += value
    np.dot(weighted, whole.T, space.part)
    for i in range(n_features):
        for j in range(n_features):
            second[k, i, j] += space.part[i, j]


@kernel
def gap_steps(steps, tile, n_rows, gaps, model, space, heights, weight, moment, second):
    """Take one to three steps with a tile whose rows have gaps, a block of rows after the other.

    Parameters
    ----------
    steps : int
        See `skem.kernels.steps`. Without ``LEVEL``, scores are minus half the squared distances of
        the seen cells.
    tile : TileLines
    n_rows : int
    gaps : Gaps
    model : GapModel
    space : GapSpace
    heights : ndarray of shape (n_components, >= n_segments)
        See `complete_block`.
    weight, moment, second : ndarray of shape (K,), (K, D), (K, D, D)
        Expected weight, first and second moments about ``model.about`` are added. If all components
        share a precision, only the sum of the second moments has a meaning.

    Returns
    -------
    total : float
        ``sum_n w_n log sum_k exp(score_nk)``, in nats, hardened ``sum_n w_n max_k score_nk``; 0
        if nothing was normalised.
    """
    centres, precisions, _, about = model
    n_components, n_features = centres.shape
    rows = space.block.shape[1]
    total = 0.0
    segment = 0
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        size = n_features * n
        fill_with_means(tile.values, gaps, segment, start, n, centres, space.filled)
        for k in range(n_components):
            whole = space.filled[k, :size].reshape((n_features, n))
            slopes = space.slopes[k, :size].reshape((n_features, n))
            own = precisions[k if len(precisions) > 1 else 0]
            multiply_block(own, whole, slopes, space.halves[k])
        more, segment = complete_block(
            steps, tile, gaps, segment, start, n, model, space, heights, second
        )
        total += more
        if steps & SUM:
            resp = tile.resp[start : start + n]
            for k in range(n_components):
                whole = space.filled[k, :size].reshape((n_features, n))
                move_rows(whole, centres[k], about[k])
                add_moments(whole, resp, k, space, weight, moment, second)
    return total
