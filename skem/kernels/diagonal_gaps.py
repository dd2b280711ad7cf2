"""Rows with missing cells where precisions are diagonal: each seen cell counts by itself."""

import math

from skem.kernels.gap_inverses import list_gap
from skem.kernels.gaps import LOG_2PI, mark_seen, normalise_rows
from skem.kernels.jit import callee_kernel, kernel, reassociating_callee
from skem.kernels.steps import LEVEL, SCORE, SUM


@callee_kernel
def score_seen(values, start, seen, centres, precisions, block):
    """Write minus half the squared distances of a block's seen cells."""
    n_components, n_features = centres.shape
    n = seen.shape[1]
    for k in range(n_components):
        line = block[k]
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


@callee_kernel
def raise_scores(steps, gaps, segment, start, n, levels, space, heights):
    """Write the heights of a block's segments, and add levels to its scores if asked for.

    Parameters are as for `skem.kernels.gaps.complete_block`.
    """
    first, missing = gaps
    n_components, n_features = len(levels), missing.shape[1]
    gap, logs, block = space.gap, space.logs, space.block
    s = segment
    while s < len(missing) and first[s] < start + n:
        q = list_gap(missing[s], gap)
        for k in range(n_components):
            height = 0.0
            for u in range(q):
                height += logs[k, gap[u]]
            heights[k, s] = height
            if steps & LEVEL:
                level = levels[k, n_features - q] + (height if q < n_features else 0.0)
                for i in range(max(first[s] - start, 0), min(first[s + 1] - start, n)):
                    block[k, i] += level
        s += 1


@reassociating_callee
def add_seen_moments(values, start, seen, model, resp, space, weight, moment, second):
    """Add a block's expected weight, first and squared moments about ``model.about``, (K, D)."""
    centres, precisions, _, about = model
    n_components, n_features = centres.shape
    n = seen.shape[1]
    share = space.share
    for k in range(n_components):
        total = 0.0
        for i in range(n):
            share[i] = resp[i, k]
            total += share[i]
        weight[k] += total
        for j in range(n_features):
            source = values[j, start : start + n]
            there = seen[j]
            point = about[k, j]
            sum_0 = 0.0
            sum_1 = 0.0
            sum_2 = 0.0
            for i in range(n):
                deviation = source[i] - point
                counted = share[i] * there[i]
                weighted = counted * deviation
                sum_0 += counted
                sum_1 += weighted
                sum_2 += weighted * deviation
            # A missing cell is expected at the centre, its square about that to be the variance.
            lost = max(total - sum_0, 0.0)
            apart = centres[k, j] - point
            moment[k, j] += sum_1 + lost * apart
            second[k, j] += sum_2 + lost * (apart * apart + 1.0 / precisions[k, j])


@kernel
def gap_diagonal_steps(steps, tile, n_rows, gaps, model, space, heights, weight, moment, second):
    """As `gap_steps`, with precisions and second moments of shape (n_components, n_features)."""
    n_components, n_features = model.centres.shape
    rows = space.block.shape[1]
    for k in range(n_components):
        for j in range(n_features):
            space.logs[k, j] = 0.5 * (LOG_2PI - math.log(model.precisions[k, j]))
    total = 0.0
    segment = 0
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        seen = space.weighted[: n_features * n].reshape((n_features, n))
        after = mark_seen(gaps, segment, start, seen)
        if steps & SCORE:
            score_seen(tile.values, start, seen, model.centres, model.precisions, space.block)
            raise_scores(steps, gaps, segment, start, n, model.levels, space, heights)
            total += normalise_rows(steps, tile, start, n, space.block)
        if steps & SUM:
            resp = tile.resp[start : start + n]
            add_seen_moments(tile.values, start, seen, model, resp, space, weight, moment, second)
        segment = after
    return total
