"""Scores and sums that are linear in products of lines, and looked up in tables by codes.

What `skem.kernels.linear` does, with a table's entries for each code besides. An entry is a row of
the table, and what is looked up stays in the innermost cache: a block of rows is gone through
component by component.
"""

import numpy as np

from skem.kernels.blocks import hand_over, normalise_block, weigh_line
from skem.kernels.jit import UNCOMPILED, inner_kernel, kernel
from skem.kernels.linear import fill_products, first_plain
from skem.kernels.lines import add_combinations, add_inner_products
from skem.kernels.steps import NORMALISE, SCORE, SUM


@inner_kernel
def find_entries(values, lines, first, start, n, n_components, entries):
    """Write where the entry of each code begins in a flat table, for ``n`` rows from ``start``."""
    for j in range(len(lines)):
        codes, found = values[lines[j], start : start + n], entries[j]
        for i in range(n):
            found[i] = np.uint32((first[j] + int(codes[i])) * n_components)


@kernel
def add_entries(table, entries, n, out):
    """Add ``table[entries[j] + k]`` of all lines ``j`` to ``out[k]``, three lines at a time.

    Parameters
    ----------
    table : ndarray of shape (n_entries * n_components,)
    entries : ndarray of shape (n_lines, >= n), uint32
        Unsigned, so that they aren't compared with zero.
    n : int
    out : ndarray of shape (n_components, >= n)
    """
    n_lines, n_components = len(entries), len(out)
    if UNCOMPILED:
        for k in range(n_components):
            out[k, :n] += table[k + entries[:, :n]].sum(axis=0)
        return
    for j in range(0, n_lines, 3):
        a, b = entries[j, :n], entries[min(j + 1, n_lines - 1), :n]
        c = entries[min(j + 2, n_lines - 1), :n]
        for k in range(n_components):
            added, line = table[k:], out[k]
            if j + 2 < n_lines:
                for i in range(n):
                    line[i] += added[a[i]] + added[b[i]] + added[c[i]]
            elif j + 1 < n_lines:
                for i in range(n):
                    line[i] += added[a[i]] + added[b[i]]
            else:
                for i in range(n):
                    line[i] += added[a[i]]


@kernel
def add_to_entries(entries, n, shares, table):
    """Add ``shares[k]`` to ``table[entries[j] + k]`` for all lines ``j``; see `add_entries`."""
    n_lines, n_components = len(entries), len(shares)
    if UNCOMPILED:
        for k in range(n_components):
            for j in range(n_lines):  # NumPy 2.4 reads past values that are broadcast
                np.add.at(table, k + entries[j, :n], shares[k, :n])
        return
    for j in range(0, n_lines, 3):
        a, b = entries[j, :n], entries[min(j + 1, n_lines - 1), :n]
        c = entries[min(j + 2, n_lines - 1), :n]
        for k in range(n_components):
            sums, line = table[k:], shares[k]
            if j + 2 < n_lines:
                for i in range(n):
                    share = line[i]
                    sums[a[i]] += share
                    sums[b[i]] += share
                    sums[c[i]] += share
            elif j + 1 < n_lines:
                for i in range(n):
                    share = line[i]
                    sums[a[i]] += share
                    sums[b[i]] += share
            else:
                for i in range(n):
                    sums[a[i]] += line[i]


@kernel
def gather_steps(steps, tile, n_rows, linear, tables, space, sums, flat_sums):
    """Take one to three steps with a tile, a block of rows after the other.

    Parameters
    ----------
    steps, tile, n_rows
        As for `skem.kernels.linear.linear_steps`.
    linear : LinearModel
        Whose last pair is ones, with coefficients of zero.
    tables : GatherModel
    space : GatherSpace
    sums : ndarray of shape (n_entries + n_pairs, n_components)
        The rows' responsibilities are added to the entries of their codes, and
        ``products @ resp`` to the last rows.
    flat_sums : ndarray of shape ((n_entries + n_pairs) * n_components,)
        The same memory.

    Returns
    -------
    total : float
        As `skem.kernels.linear.linear_steps` does.
    """
    values, weights, power, power_bits, scores, log_normaliser, factor, resp = tile
    left, right, coefficients, constants = linear
    lines, first, n_entries, table = tables
    products, spacious, entries = space
    n_components = constants.size
    block = spacious[:n_components]
    chunk, rows = products.shape
    # The last pair is ones.
    n_lines = left.size - 1
    n_products = first_plain(left[:n_lines], right[:n_lines], values.shape[0] - 2)
    n_plain = n_lines - n_products
    plain = left[n_products]
    total = 0.0
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        find_entries(values, lines, first, start, n, n_components, entries)
        if steps & SCORE:
            for k in range(n_components):
                for i in range(rows):
                    block[k, i] = constants[k]
            for pair in range(0, n_products, chunk):
                last = min(pair + chunk, n_products)
                fill_products(values, left, right, pair, last, start, products)
                add_combinations(coefficients, pair, 0, products, 0, last - pair, 0, spacious)
            add_combinations(coefficients, n_products, 0, values, plain, n_plain, start, spacious)
            add_entries(table, entries, n, block)
        if steps & NORMALISE:
            total += normalise_block(
                steps, start, block, weights, power, power_bits, log_normaliser, factor
            )
        if not steps & SUM:
            hand_over(block, start, scores)
            continue
        # From here on the block holds responsibilities.
        for k in range(n_components):
            weight = weigh_line(steps, start, n_rows, k, block[k], factor, resp)
            sums[n_entries + n_lines, k] += weight
        for pair in range(0, n_products, chunk):
            last = min(pair + chunk, n_products)
            if chunk < n_products or not steps & SCORE:
                fill_products(values, left, right, pair, last, start, products)
            row = n_entries + pair
            add_inner_products(products, 0, last - pair, 0, spacious, sums, row)
        row = n_entries + n_products
        add_inner_products(values, plain, n_plain, start, spacious, sums, row)
        add_to_entries(entries, n, block, flat_sums)
    return total
