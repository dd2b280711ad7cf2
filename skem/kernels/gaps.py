"""Rows with missing cells: marginal scores and expected sums, exactly.

A Gaussian log density is quadratic in the cells of a gap, so the marginal density of the seen
cells, and the conditional mean and covariance of the others, follow from one factor of the gap's
block of the precision (Ghahramani & Jordan 1994; Little & Rubin 2019, section 11.2). With the
precision Λ, the seen cells o, the gap g, and ``L L' = Λ_gg``:

    marginal precision of o     S = Λ_oo - A' A,  A = L^-1 Λ_go
    log density                 that of the whole row without -log|Λ_gg| / 2 + |g| log(2 pi) / 2
    E[x_g | x_o] - m_g          -L'^-1 A (x_o - m_o)
    Cov[x_g | x_o]              L'^-1 L^-1

Rows come segment by segment, all of a segment with the same gap, so factors are made once for each
segment and component.
"""

import math

import numpy as np

from skem.kernels.jit import kernel, reassociating_kernel

LOG_2PI = math.log(2.0 * math.pi)


@kernel
def part_columns(missing, seen, gap):
    """Write the numbers of the seen and of the missing columns; return how many are seen."""
    p = 0
    q = 0
    for j in range(missing.size):
        if missing[j]:
            gap[q] = j
            q += 1
        else:
            seen[p] = j
            p += 1
    return p


@kernel
def factor_gap(precision, seen, p, gap, factor, across):
    """Factor a gap's block of a precision.

    Parameters
    ----------
    precision : ndarray of shape (D, D)
    seen, gap : ndarray of shape (D,), int64
        As `part_columns` writes them.
    p : int
        Number of seen columns.
    factor : ndarray of shape (D, D)
        Receives L, lower triangular, in its first D - p rows and columns.
    across : ndarray of shape (D, D)
        Receives A in its first D - p rows and p columns.

    Returns
    -------
    half_log_det : float
        ``log|L|``.
    """
    q = precision.shape[0] - p
    half_log_det = 0.0
    for i in range(q):
        for j in range(i + 1):
            value = precision[gap[i], gap[j]]
            for m in range(j):
                value -= factor[i, m] * factor[j, m]
            if i == j:
                factor[i, i] = math.sqrt(value)
                half_log_det += math.log(factor[i, i])
            else:
                factor[i, j] = value / factor[j, j]
        for j in range(p):
            across[i, j] = precision[gap[i], seen[j]]
        for m in range(i):
            for j in range(p):
                across[i, j] -= factor[i, m] * across[m, j]
        for j in range(p):
            across[i, j] /= factor[i, i]
    return half_log_det


@kernel
def centre_seen(values, start, seen, centre, out):
    """Write the seen columns minus the centre's, from the row ``start`` on, to ``out`` (p, m)."""
    for j in range(out.shape[0]):
        source = values[seen[j], start : start + out.shape[1]]
        target = out[j]
        middle = centre[seen[j]]
        for i in range(out.shape[1]):
            target[i] = source[i] - middle


@kernel
def gap_distances(values, first, missing, centres, precisions, space, scores, heights):
    """Write minus half the squared Mahalanobis distances of the seen cells.

    Parameters
    ----------
    values : ndarray of shape (n_features + 2, >= n_places)
        What the cells of gaps hold is not read.
    first : ndarray of shape (n_segments + 1,), int64
        First row of each segment, and the end of the last.
    missing : ndarray of shape (n_segments, n_features), bool
    centres : ndarray of shape (n_components, n_features)
    precisions : ndarray of shape (n_components, n_features, n_features)
    space : GapSpace
    scores : ndarray of shape (n_components, >= n_places)
    heights : ndarray of shape (n_components, >= n_segments)
        Receives what a segment's log densities have less at their centre than those of whole rows:
        ``-log|Λ_gg| / 2 + |g| log(2 pi) / 2``.
    """
    seen, gap, factor, across, memory, more_memory, square = space[:7]
    n_components, n_features = centres.shape
    most = memory.size // n_features
    for s in range(first.size - 1):
        p = part_columns(missing[s], seen, gap)
        q = n_features - p
        marginal = square[: p * p].reshape((p, p))
        for k in range(n_components):
            half_log_det = factor_gap(precisions[k], seen, p, gap, factor, across)
            heights[k, s] = 0.5 * q * LOG_2PI - half_log_det
            for i in range(p):
                for j in range(p):
                    marginal[i, j] = precisions[k, seen[i], seen[j]]
                for m in range(q):
                    for j in range(p):
                        marginal[i, j] -= across[m, i] * across[m, j]
            for start in range(first[s], first[s + 1], most):
                n = min(most, first[s + 1] - start)
                line = scores[k, start : start + n]
                for i in range(n):
                    line[i] = 0.0
                if p == 0:
                    continue
                centred = memory[: p * n].reshape((p, n))
                product = more_memory[: p * n].reshape((p, n))
                centre_seen(values, start, seen, centres[k], centred)
                np.dot(marginal, centred, product)
                for j in range(p):
                    for i in range(n):
                        line[i] -= 0.5 * centred[j, i] * product[j, i]


@kernel
def add_heights(first, constants, heights, scores):
    """Add constants (n_components,) and each segment's heights to scores."""
    for k in range(scores.shape[0]):
        for s in range(first.size - 1):
            height = constants[k] + heights[k, s]
            for i in range(first[s], first[s + 1]):
                scores[k, i] += height


@kernel
def complete(values, start, p, seen, gap, centre, factor, across, out):
    """Write rows minus the centre, conditional means in the gap, to ``out`` (n_features, m)."""
    n_features, n = out.shape
    q = n_features - p
    for j in range(p):
        target = out[seen[j]]
        source = values[seen[j], start : start + n]
        middle = centre[seen[j]]
        for i in range(n):
            target[i] = source[i] - middle
    # -L'^-1 A x: from the last cell of the gap to the first.
    for a in range(q - 1, -1, -1):
        target = out[gap[a]]
        for i in range(n):
            target[i] = 0.0
        for j in range(p):
            source = out[seen[j]]
            value = across[a, j]
            for i in range(n):
                target[i] -= value * source[i]
        for b in range(a + 1, q):
            source = out[gap[b]]
            value = factor[b, a]
            for i in range(n):
                target[i] -= value * source[i]
        value = 1.0 / factor[a, a]
        for i in range(n):
            target[i] *= value


@kernel
def invert_factor(factor, q, out):
    """Write ``L'^-1 L^-1`` to the first q rows and columns of ``out``; L is overwritten."""
    for i in range(q):
        factor[i, i] = 1.0 / factor[i, i]
        for j in range(i):
            value = 0.0
            for m in range(j, i):
                value -= factor[i, m] * factor[m, j]
            factor[i, j] = value * factor[i, i]
    for i in range(q):
        for j in range(i + 1):
            value = 0.0
            for m in range(i, q):
                value += factor[m, i] * factor[m, j]
            out[i, j] = value
            out[j, i] = value


@kernel
def gap_sums(values, first, missing, centres, precisions, resp, space, weight, moment, second):
    """Add expected weight (K,), first (K, D) and second moments (K, D, D) about each centre.

    Parameters
    ----------
    values, first, missing, centres, precisions, space
        As for `gap_distances`.
    resp : ndarray of shape (n_places, n_components)
        Weighted responsibilities.
    weight, moment, second : ndarray
        Are added to.
    """
    seen, gap, factor, across, memory, more_memory, _, part = space
    n_components, n_features = centres.shape
    most = memory.size // n_features
    for s in range(first.size - 1):
        p = part_columns(missing[s], seen, gap)
        q = n_features - p
        for k in range(n_components):
            factor_gap(precisions[k], seen, p, gap, factor, across)
            total = 0.0
            for start in range(first[s], first[s + 1], most):
                n = min(most, first[s + 1] - start)
                whole = memory[: n_features * n].reshape((n_features, n))
                weighted = more_memory[: n_features * n].reshape((n_features, n))
                complete(values, start, p, seen, gap, centres[k], factor, across, whole)
                for i in range(n):
                    total += resp[start + i, k]
                for j in range(n_features):
                    value = 0.0
                    for i in range(n):
                        weighted[j, i] = whole[j, i] * resp[start + i, k]
                        value += weighted[j, i]
                    moment[k, j] += value
                np.dot(weighted, whole.T, part)
                for i in range(n_features):
                    for j in range(n_features):
                        second[k, i, j] += part[i, j]
            weight[k] += total
            invert_factor(factor, q, across)
            for i in range(q):
                for j in range(q):
                    second[k, gap[i], gap[j]] += total * across[i, j]


@kernel
def mark_seen(first, missing, start, segment, out):
    """Write 1 for seen cells and 0 for others to ``out`` (D, m), for the rows from ``start`` on.

    Returns
    -------
    segment : int
        That of the first row after these; ``segment`` is that of the row ``start``.
    """
    n = out.shape[1]
    stop = start + n
    while segment < first.size - 1:
        a = max(first[segment], start) - start
        b = min(first[segment + 1], stop) - start
        for j in range(out.shape[0]):
            value = 0.0 if missing[segment, j] else 1.0
            for i in range(a, b):
                out[j, i] = value
        if first[segment + 1] > stop:
            break
        segment += 1
    return segment


@kernel
def gap_diagonal_distances(values, first, missing, centres, precisions, space, scores, heights):
    """As `gap_distances`, with precisions of shape (n_components, n_features)."""
    memory = space[4]
    n_components, n_features = centres.shape
    n_segments = first.size - 1
    most = memory.size // n_features
    for k in range(n_components):
        for s in range(n_segments):
            heights[k, s] = 0.0
        for j in range(n_features):
            height = 0.5 * (LOG_2PI - math.log(precisions[k, j]))
            for s in range(n_segments):
                if missing[s, j]:
                    heights[k, s] += height
    segment = 0
    for start in range(0, first[n_segments], most):
        n = min(most, first[n_segments] - start)
        seen = memory[: n_features * n].reshape((n_features, n))
        segment = mark_seen(first, missing, start, segment, seen)
        for k in range(n_components):
            line = scores[k, start : start + n]
            for i in range(n):
                line[i] = 0.0
            for j in range(n_features):
                source = values[j, start : start + n]
                there = seen[j]
                centre = centres[k, j]
                half = 0.5 * precisions[k, j]
                for i in range(n):
                    deviation = (source[i] - centre) * there[i]
                    line[i] -= half * deviation * deviation


@reassociating_kernel
def gap_diagonal_sums(
    values, first, missing, centres, precisions, resp, space, weight, moment, second
):
    """As `gap_sums`, with precisions and second moments of shape (n_components, n_features)."""
    memory, share = space[4], space[5]
    n_components, n_features = centres.shape
    n_rows = first[first.size - 1]
    most = memory.size // n_features
    segment = 0
    for start in range(0, n_rows, most):
        n = min(most, n_rows - start)
        seen = memory[: n_features * n].reshape((n_features, n))
        segment = mark_seen(first, missing, start, segment, seen)
        for k in range(n_components):
            total = 0.0
            for i in range(n):
                share[i] = resp[start + i, k]
                total += share[i]
            weight[k] += total
            for j in range(n_features):
                source = values[j, start : start + n]
                there = seen[j]
                centre = centres[k, j]
                sum_0 = 0.0
                sum_1 = 0.0
                sum_2 = 0.0
                for i in range(n):
                    deviation = source[i] - centre
                    counted = share[i] * there[i]
                    weighted = counted * deviation
                    sum_0 += counted
                    sum_1 += weighted
                    sum_2 += weighted * deviation
                moment[k, j] += sum_1
                # A missing cell's square is expected to be the variance.
                second[k, j] += sum_2 + max(total - sum_0, 0.0) / precisions[k, j]
