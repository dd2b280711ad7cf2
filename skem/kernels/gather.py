"""Scores and sums that are linear in products of lines, and looked up in tables by codes.

What `skem.kernels.linear` does, with a table's entries for each code besides. An entry is a row of
the table, and what is looked up stays in the innermost cache: a block of rows is gone through
component by component.
"""

import numpy as np

from skem.kernels.jit import UNCOMPILED, inner_kernel, kernel
from skem.kernels.linear import fill_products
from skem.kernels.lines import add_combinations, add_inner_products
from skem.kernels.normalise import log_normalise
from skem.kernels.steps import HARDEN, NORMALISE, SCORE, SUM


@inner_kernel
def find_entries(values, lines, first, start, n, n_components, entries):
    """Write where the entry of each code begins in a flat table, for ``n`` rows from ``start``."""
    for j in range(len(lines)):
        codes, found = values[lines[j], start : start + n], entries[j]
        for i in range(n):
            found[i] = np.uint32((first[j] + int(codes[i])) * n_components)


@kernel
def add_entries(table, entries, n, out):
    """Add ``table[entries[j] + k]`` of all lines ``j`` to ``out[k]``, two lines at a time.

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
    for j in range(0, n_lines - 1, 2):
        a, b = entries[j, :n], entries[j + 1, :n]
        for k in range(n_components):
            added, line = table[k:], out[k]
            for i in range(n):
                line[i] += added[a[i]] + added[b[i]]
    if n_lines % 2:
        a = entries[n_lines - 1, :n]
        for k in range(n_components):
            added, line = table[k:], out[k]
            for i in range(n):
                line[i] += added[a[i]]


@kernel
def add_to_entries(entries, n, shares, table):
    """Add ``shares[k]`` to ``table[entries[j] + k]`` for all lines ``j``; see `add_entries`."""
    n_lines, n_components = len(entries), len(shares)
    if UNCOMPILED:
        for k in range(n_components):
            np.add.at(table, k + entries[:, :n], shares[k, :n])
        return
    for j in range(0, n_lines - 1, 2):
        a, b = entries[j, :n], entries[j + 1, :n]
        for k in range(n_components):
            sums, line = table[k:], shares[k]
            for i in range(n):
                share = line[i]
                sums[a[i]] += share
                sums[b[i]] += share
    if n_lines % 2:
        a = entries[n_lines - 1, :n]
        for k in range(n_components):
            sums, line = table[k:], shares[k]
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
    products, block, entries = space
    n_pairs, n_components = coefficients.shape
    chunk, rows = products.shape
    total = 0.0
    for start in range(0, n_rows, rows):
        stop = start + rows
        n = min(rows, n_rows - start)
        find_entries(values, lines, first, start, n, n_components, entries)
        if steps & SCORE:
            for k in range(n_components):
                for i in range(rows):
                    block[k, i] = constants[k]
            for pair in range(0, n_pairs, chunk):
                last = min(pair + chunk, n_pairs)
                fill_products(values, left, right, pair, last, start, products)
                add_combinations(coefficients, pair, last - pair, products, block)
            add_entries(table, entries, n, block)
        if steps & NORMALISE:
            total += log_normalise(
                block,
                rows,
                weights[start:stop],
                power,
                power_bits,
                log_normaliser[start:stop],
                factor[start:stop],
                steps & HARDEN != 0,
            )
        if not steps & SUM:
            for k in range(n_components):
                line = scores[k, start:stop]
                for i in range(rows):
                    line[i] = block[k, i]
            continue
        # From here on the block holds responsibilities.
        for k in range(n_components):
            for i in range(rows):
                if steps & NORMALISE:
                    block[k, i] *= factor[start + i]
                else:
                    block[k, i] = resp[start + i, k]
        for pair in range(0, n_pairs, chunk):
            last = min(pair + chunk, n_pairs)
            if chunk < n_pairs or not steps & SCORE:
                fill_products(values, left, right, pair, last, start, products)
            add_inner_products(products, last - pair, block, n_entries + pair, sums)
        add_to_entries(entries, n, block, flat_sums)
    return total
