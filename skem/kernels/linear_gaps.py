"""Rows with missing cells where scores are linear in products of lines, and precisions diagonal.

A missing cell adds nothing to a row's log density. So, with 0 in its place, products of lines
count what is seen, and what is left is a level that all rows of a segment have in common. A row
costs what a complete one does, and each segment some more.
"""

import numpy as np

from skem.kernels.blocks import hand_over, normalise_block, weigh_line
from skem.kernels.jit import inner_kernel, kernel, reassociating_kernel
from skem.kernels.linear import fill_products, first_plain
from skem.kernels.lines import add_combinations, add_inner_products
from skem.kernels.steps import NORMALISE, SCORE, SUM


@inner_kernel
def find_edges(first, segment, start, stop, edges):
    """Write where the segments of the rows from ``start`` to ``stop`` begin, counted from there.

    Parameters
    ----------
    first : ndarray of shape (n_segments + 1,), int64
    segment : int
        That of the row ``start``.
    start, stop : int
    edges : ndarray of shape (> stop - start,), int64
        Ends with the number of rows.

    Returns
    -------
    n : int
        How many segments there are.
    """
    n = 0
    while first[segment + n] < stop:
        edges[n] = max(first[segment + n] - start, 0)
        n += 1
    edges[n] = stop - start
    return n


@kernel
def mark_seen(missing, segment, marks):
    """Write 1 for seen cells of some segments to ``marks`` (D, n), 0 for missing ones."""
    n_features, n = marks.shape
    for j in range(n_features):
        line = marks[j]
        for s in range(n):
            line[s] = 0.0 if missing[segment + s, j] else 1.0


@kernel
def spread_levels(edges, levels, block):
    """Write each segment's level (>= K, n) to its rows (K, n_block_rows); 0 past the last."""
    for k in range(len(block)):
        line = block[k]
        for s in range(edges.size - 1):
            a, b = edges[s], edges[s + 1]
            level = levels[k, s]
            if b == a + 1:  # to make a slice takes longer
                line[a] = level
                continue
            part = line[a:b]
            for i in range(part.size):
                part[i] = level
        for i in range(edges[-1], line.size):
            line[i] = 0.0


@reassociating_kernel
def sum_segments(edges, block, sums):
    """Write the sums of each segment's rows (K, n_block_rows) to ``sums`` (>= K, n)."""
    for k in range(len(block)):
        line = block[k]
        for s in range(edges.size - 1):
            a, b = edges[s], edges[s + 1]
            if b == a + 1:
                sums[k, s] = line[a]
                continue
            part = line[a:b]
            total = 0.0
            for i in range(part.size):
                total += part[i]
            sums[k, s] = total


@kernel
def begin_scores(edges, levels, marks, by_segment, block):
    """Write the levels of a block's rows to ``block``; ``marks`` are 1 for seen cells."""
    none = np.int64(0)  # a literal would have functions compiled once more
    n_features, n = marks.shape
    for k in range(len(block)):
        for s in range(n):
            by_segment[k, s] = levels.none[k]
    add_combinations(levels.cells, none, none, marks, none, n_features, none, by_segment)
    if n < block.shape[1]:
        spread_levels(edges, by_segment, block)


@kernel
def add_lost(edges, marks, by_segment, block, lost):
    """Add the responsibilities ``block`` of rows in which each cell is missing to ``lost``.

    ``marks`` are 1 for seen cells, and then for missing ones.
    """
    none = np.int64(0)
    n_features, n = marks.shape
    for j in range(n_features):
        for s in range(n):
            marks[j, s] = 1.0 - marks[j, s]
    if n < block.shape[1]:
        sum_segments(edges, block, by_segment)
    add_inner_products(marks, none, n_features, none, by_segment, lost, none)


@kernel
def linear_gap_steps(steps, tile, n_rows, gaps, model, levels, space, room, sums, lost):
    """Take one to three steps with a tile whose rows have gaps, a block of rows after the other.

    Parameters
    ----------
    steps : int
        See `skem.kernels.steps`.
    tile : TileLines
        With 0 in the gaps; the squared norms are of the seen cells.
    n_rows : int
    gaps : Gaps
    model : LinearModel
        Of complete rows. Its constants are not read, and the product of ones with ones adds
        nothing to scores.
    levels : LinearLevels
    space : LinearSpace
    room : LinearGapSpace
    sums : ndarray of shape (n_pairs, n_components)
        ``products @ resp`` is added.
    lost : ndarray of shape (n_features, n_components)
        Added to: the responsibilities of the rows in which each cell is missing.

    Returns
    -------
    total : float
        As `skem.kernels.linear.linear_steps` does.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    left, right, coefficients, _ = model
    first, missing = gaps
    products, spacious = space
    n_features, n_components = lost.shape
    block = spacious[:n_components]
    chunk, rows = products.shape
    # As in `linear_steps`: products of two lines, lines as they are, and the line of ones.
    ones = values.shape[0] - 2
    n_lines = left.size
    if n_lines > 0 and left[n_lines - 1] == ones and right[n_lines - 1] == ones:
        n_lines -= 1
    n_products = first_plain(left[:n_lines], right[:n_lines], ones)
    plain, n_plain = left[n_products] if n_products < n_lines else 0, n_lines - n_products
    none = np.int64(0)
    total = 0.0
    segment = 0
    for start in range(0, n_rows, rows):
        stop = min(start + rows, n_rows)
        n = find_edges(first, segment, start, stop, room.edges)
        edges = room.edges[: n + 1]
        marks = room.marks[: n_features * n].reshape((n_features, n))
        by_segment = room.by_segment[: (n_components + 1) * n].reshape((n_components + 1, n))
        if n == rows:  # each row has a gap of its own
            by_segment = spacious
        mark_seen(missing, segment, marks)
        if steps & SCORE:
            begin_scores(edges, levels, marks, by_segment, block)
            for begin in range(0, n_products, chunk):
                end = min(begin + chunk, n_products)
                fill_products(values, left, right, begin, end, start, products)
                add_combinations(
                    coefficients, begin, none, products, none, end - begin, none, spacious
                )
            add_combinations(
                coefficients, n_products, none, values, plain, n_plain, start, spacious
            )
        if steps & NORMALISE:
            total += normalise_block(
                steps, start, block, weights, power, power_bits, log_normaliser, factor
            )
        if steps & SUM:
            for k in range(n_components):
                weight = weigh_line(steps, start, n_rows, k, block[k], factor, resp)
                for p in range(n_lines, left.size):
                    sums[p, k] += weight
            for begin in range(0, n_products, chunk):
                end = min(begin + chunk, n_products)
                if chunk < n_products or not steps & SCORE:
                    fill_products(values, left, right, begin, end, start, products)
                add_inner_products(products, none, end - begin, none, spacious, sums, begin)
            add_inner_products(values, plain, n_plain, start, spacious, sums, n_products)
            add_lost(edges, marks, by_segment, block, lost)
        else:
            hand_over(block, start, scores)
        # The last segment may go on in the next block.
        segment += n if first[segment + n] == stop else n - 1
    return total
