"""Scores that are looked up in tables, by codes."""

from skem.kernels.jit import kernel


@kernel
def gathered_scores(codes, n_rows, first, table, constants, entries, scores):
    """Write ``constants + sum_j table[:, first[j] + codes[j]]`` of each row to ``scores``.

    Parameters
    ----------
    codes : ndarray of shape (>= n_columns, >= n_rows), float64
        Whole numbers from 0.
    n_rows : int
    first : ndarray of shape (n_columns,), int64
        The entry of each column's code 0.
    table : ndarray of shape (n_components, n_entries)
    constants : ndarray of shape (n_components,)
    entries : ndarray of shape (n_columns, block_rows), int64
        Scratch.
    scores : ndarray of shape (n_components, >= n_rows)
    """
    n_columns, rows = entries.shape
    for start in range(0, n_rows, rows):
        n = min(rows, n_rows - start)
        for j in range(n_columns):
            line, found = codes[j, start : start + n], entries[j]
            for i in range(n):
                found[i] = first[j] + int(line[i])
        # One component after the other: loops over them inside, which are short, took up to
        # twice the time.
        for k in range(len(constants)):
            added, line, found = table[k], scores[k, start : start + n], entries[0]
            for i in range(n):
                line[i] = constants[k] + added[found[i]]
            for j in range(1, n_columns):
                found = entries[j]
                for i in range(n):
                    line[i] += added[found[i]]


@kernel
def gathered_sums(codes, n_rows, first, resp, sums):
    """Add the rows' responsibilities to the entries of their codes, and to the last one.

    Parameters
    ----------
    codes, n_rows, first
        As for `gathered_scores`.
    resp : ndarray of shape (>= n_rows, n_components)
    sums : ndarray of shape (n_entries + 1, n_components)
    """
    n_entries, n_components = len(sums) - 1, sums.shape[1]
    for i in range(n_rows):
        share = resp[i]
        for j in range(len(first)):
            entry = sums[first[j] + int(codes[j, i])]
            for k in range(n_components):
                entry[k] += share[k]
        entry = sums[n_entries]
        for k in range(n_components):
            entry[k] += share[k]
