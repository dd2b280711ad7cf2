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

from skem.kernels.gap_inverses import (
    add_covariances,
    add_lower,
    invert_gaps,
    line_of,
    next_batch,
)
from skem.kernels.jit import (
    callee_kernel,
    contracted_callee,
    inner_kernel,
    kernel,
    reassociating_callee,
)
from skem.kernels.normalise import log_normalise, responsibilities
from skem.kernels.steps import HARDEN, LEVEL, NORMALISE, SCORE, SUM

LOG_2PI = math.log(2.0 * math.pi)


@callee_kernel
def mark_seen(gaps, segment, start, out):
    """Write 1 for seen cells and 0 for others to ``out`` (D, n), for the rows from ``start`` on.

    Returns
    -------
    segment : int
        That of the first row after these; ``segment`` is that of the row ``start``.
    """
    first, missing = gaps
    n_features, n = out.shape
    s = segment
    while s < len(missing) and first[s] < start + n:
        for j in range(n_features):
            value = 0.0 if missing[s, j] else 1.0
            for i in range(max(first[s] - start, 0), min(first[s + 1] - start, n)):
                out[j, i] = value
        s += 1
    return s - 1 if first[s] > start + n else s


@callee_kernel
def fill_with_means(values, start, seen, centre, filled):
    """Write a block's rows minus a component's mean to ``filled`` (D, n), 0 in the gaps.

    What ``values`` hold there is not read: it may be NaN.
    """
    n_features, n = filled.shape
    for j in range(n_features):
        source = values[j, start : start + n]
        target, there = filled[j], seen[j]
        middle = centre[j]
        for i in range(n):
            target[i] = source[i] - middle if there[i] > 0.0 else 0.0


@callee_kernel
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


@inner_kernel
def find_rows(first, segment, m, start, n, batch):
    """Write which rows of a block of n belong to each segment of a batch.

    Returns how many the longest has.
    """
    longest = 0
    for i in range(m):
        batch.begins[i] = max(first[segment + i] - start, 0)
        batch.ends[i] = min(first[segment + i + 1] - start, n)
        longest = max(longest, batch.ends[i] - batch.begins[i])
    return longest


@contracted_callee
def complete_rows(i, q, columns, begin, end, inverses, slopes, filled, halves):
    """Put a component's conditional means into the gap of a segment's rows, from begin to end.

    It is the i-th of a batch; other parameters are as for `complete_batch`, for one component.
    """
    n = halves.size
    half = halves[begin:end]
    for u in range(q):
        line = columns[u, i] * n
        target, own = filled[line + begin : line + end], slopes[line + begin : line + end]
        for v in range(q):
            value = inverses[line_of(u, v), i]
            line = columns[v, i] * n
            slope = slopes[line + begin : line + end]
            for r in range(half.size):
                target[r] -= value * slope[r]
        for r in range(half.size):
            half[r] -= 0.5 * target[r] * own[r]


@contracted_callee
def multiply_abreast(q, m, inverses, slopes, shifts, total):
    """Write minus a batch's inverses times ``slopes`` (q, m) to ``shifts``, and their product.

    To ``total`` (m,) are written the products of slopes and shifts.
    """
    for i in range(m):
        total[i] = 0.0
    for u in range(q):
        for i in range(m):
            shifts[u, i] = 0.0
        for v in range(q):
            at = line_of(u, v)
            for i in range(m):
                shifts[u, i] -= inverses[at, i] * slopes[v, i]
        for i in range(m):
            total[i] += shifts[u, i] * slopes[u, i]


@callee_kernel
def complete_batch(q, m, longest, shared, n, batch, space):
    """Put the components' conditional means into the gaps of a batch's rows, in a block of n.

    To ``space.halves`` is added what this adds to minus half the squared distances.
    """
    columns, begins, ends, rows = batch.columns, batch.begins, batch.ends, batch.rows
    gathered, shifts, total = batch.column, batch.share, batch.total
    for k in range(len(space.halves)):
        inverses = batch.inverses[0 if shared else k]
        slopes, filled, halves = space.slopes[k], space.filled[k], space.halves[k, :n]
        if longest > m:
            for i in range(m):
                complete_rows(i, q, columns, begins[i], ends[i], inverses, slopes, filled, halves)
            continue
        # A row of each segment at a time; the last again where there are no more.
        for turn in range(longest):
            for i in range(m):
                rows[i] = min(begins[i] + turn, ends[i] - 1)
            for u in range(q):
                for i in range(m):
                    gathered[u, i] = slopes[columns[u, i] * n + rows[i]]
            multiply_abreast(q, m, inverses, gathered, shifts, total)
            for u in range(q):
                for i in range(m):
                    filled[columns[u, i] * n + rows[i]] = shifts[u, i]
            for i in range(m):
                if begins[i] + turn < ends[i]:
                    halves[rows[i]] -= 0.5 * total[i]


@callee_kernel
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


@inner_kernel
def raise_scores(steps, q, m, shared, levels, space, heights):
    """Write the heights (K, m) of a batch's segments, and the scores of its rows.

    These are in ``space.block``, from its first place on. Parameters are as for `gap_steps`.
    """
    n_components, n_features = len(levels), levels.shape[1] - 1
    halves, block = space.halves, space.block
    begins, ends, log_dets = space.batch.begins, space.batch.ends, space.batch.log_dets
    for k in range(n_components):
        for i in range(m):
            height = 0.5 * (q * LOG_2PI - log_dets[0 if shared else k, i])
            heights[k, i] = height
            level = 0.0
            if steps & LEVEL:
                # Where nothing is seen the level is all there is.
                level = levels[k, n_features - q] + (height if q < n_features else 0.0)
            for r in range(begins[i], ends[i]):
                block[k, r - begins[0]] = level + halves[k, r]


@inner_kernel
def complete_block(steps, tile, gaps, segment, end, start, n, model, space, heights, held):
    """Complete a block of rows filled with means, batch by batch, and score them.

    Parameters
    ----------
    steps, tile, model, space
        As for `gap_steps`. Conditional covariances are added to the lower triangles of
        ``space.lower``.
    gaps : Gaps
    segment, end : int
        The first segment of the block, and that after the last.
    start, n : int
        First row of the block, and how many there are.
    heights : ndarray of shape (n_components, >= n_segments)
        Receives ``|g| log(2 pi) / 2 - log|Λ_gg| / 2``.
    held : (int, int)
        The first segment, and their number, of the batch whose inverses there are: a segment may
        be longer than a block.

    Returns
    -------
    total : float
        As `gap_steps` returns.
    held : (int, int)
    """
    first, missing = gaps
    batch = space.batch
    shared = len(model.precisions) == 1
    total = 0.0
    s = segment
    while s < end:
        m, q = next_batch(missing, s, end, batch)
        longest = find_rows(first, s, m, start, n, batch)
        a, b = batch.begins[0], batch.ends[m - 1]
        if held != (s, m):
            invert_gaps(model.precisions, q, m, batch)
            held = (s, m)
        complete_batch(q, m, longest, shared, n, batch, space)
        raise_scores(steps, q, m, shared, model.levels, space, heights[:, s : s + m])
        if steps & SCORE:
            total += normalise_rows(steps, tile, start + a, b - a, space.block)
        if steps & SUM:
            resp = tile.resp[start : start + n]
            add_covariances(q, m, batch, shared, resp, space.lower)
        s += m
    return total, held


@callee_kernel
def move_rows(whole, centre, about):
    """Turn rows (D, n) minus a centre into rows minus another point."""
    for j in range(len(whole)):
        apart = centre[j] - about[j]
        if apart != 0.0:
            for i in range(whole.shape[1]):
                whole[j, i] += apart


@reassociating_callee
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
    first = gaps.first
    if steps & SUM:
        space.lower[:] = 0.0
    total = 0.0
    segment = 0
    held = (-1, 0)
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        size = n_features * n
        seen = space.weighted[:size].reshape((n_features, n))
        after = mark_seen(gaps, segment, start, seen)
        for k in range(n_components):
            whole = space.filled[k, :size].reshape((n_features, n))
            fill_with_means(tile.values, start, seen, centres[k], whole)
            slopes = space.slopes[k, :size].reshape((n_features, n))
            own = precisions[k if len(precisions) > 1 else 0]
            multiply_block(own, whole, slopes, space.halves[k])
        end = after + 1 if first[after] < start + n else after
        more, held = complete_block(
            steps, tile, gaps, segment, end, start, n, model, space, heights, held
        )
        total += more
        segment = after
        if steps & SUM:
            resp = tile.resp[start : start + n]
            for k in range(n_components):
                whole = space.filled[k, :size].reshape((n_features, n))
                move_rows(whole, centres[k], about[k])
                add_moments(whole, resp, k, space, weight, moment, second)
    if steps & SUM:
        add_lower(space.lower, second)
    return total
