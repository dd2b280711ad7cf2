"""Scores that are looked up in tables, by codes."""

from skem.kernels.jit import kernel


@kernel
def gathered_scores(codes, n_rows, first, table, constants, total, scores):
    """Write ``constants + sum_j table[first[j] + codes[j]]`` of each row to ``scores``.

    Parameters
    ----------
    codes : ndarray of shape (>= n_columns, >= n_rows), float64
        Whole numbers from 0.
    n_rows : int
    first : ndarray of shape (n_columns,), int64
        The entry of each column's code 0.
    table : ndarray of shape (> n_entries, n_components)
    constants : ndarray of shape (n_components,)
    total : ndarray of shape (n_components,)
        Scratch.
    scores : ndarray of shape (n_components, >= n_rows)
    """
    n_components = len(constants)
    for i in range(n_rows):
        for k in range(n_components):
            total[k] = constants[k]
        for j in range(len(first)):
            entry = table[first[j] + int(codes[j, i])]
            for k in range(n_components):
                total[k] += entry[k]
        for k in range(n_components):
            scores[k, i] = total[k]


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
