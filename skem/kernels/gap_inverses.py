"""Inverses of the gaps' blocks of precisions, many at a time.

Where cells are missing at random nearly every row has a gap of its own. One inverse of a small
matrix has loops too short for vectors; so some gaps with equally many cells, a *batch*, are
inverted side by side: every number of the elimination becomes a line, one place for each gap.
Of symmetric matrices the lines of the lower triangle are held, row by row.
"""

import math

from skem.kernels.jit import callee_kernel, contracted_callee, inner_kernel

# A pivot that rounding left below this share of the diagonal counts as so large.
LEAST_PIVOT = 1e-16
# Products of pivots within these bounds can take one factor more.
LOW, HIGH = 1e-100, 1e100


@callee_kernel
def list_gap(missing, gap):
    """Write the numbers of the missing columns to ``gap``; return how many there are."""
    q = 0
    for j in range(missing.size):
        if missing[j]:
            gap[q] = j
            q += 1
    return q


@inner_kernel
def line_of(u, v):
    """Return the line of a symmetric matrix's cell."""
    return u * (u + 1) // 2 + v if v < u else v * (v + 1) // 2 + u


@callee_kernel
def next_batch(missing, segment, stop, batch):
    """Gather segments whose gaps have as many cells as the first one's.

    Parameters
    ----------
    missing : ndarray of shape (n_segments, n_features), bool
    segment, stop : int
        The first of them, and the one that they end before at the latest.
    batch : GapBatch
        Receives ``columns`` and ``cells``.

    Returns
    -------
    m, q : int
        The number of segments, and that of cells missing in each.
    """
    columns, cells = batch.columns, batch.cells
    n_features = missing.shape[1]
    q = list_gap(missing[segment], columns[:, 0])
    m = 1
    while m < columns.shape[1] and segment + m < stop:
        if list_gap(missing[segment + m], columns[:, m]) != q:
            break
        m += 1
    for u in range(q):
        for v in range(u + 1):
            at = line_of(u, v)
            for i in range(m):
                cells[at, i] = columns[u, i] * n_features + columns[v, i]
    return m, q


@contracted_callee
def take_pivots(matrix, q, m, j, least, products, inverse, column, share):
    """Turn the j-th row of each of a batch's matrices into what is to be added to the others.

    Parameters
    ----------
    matrix : ndarray of shape (>= q (q + 1) / 2, >= m)
        Minus a matrix, partly inverted.
    q, m, j : int
    least, products : ndarray of shape (>= q, >= m), (>= m,)
        What pivots are at least, and what is multiplied by them.
    inverse : ndarray of shape (>= m,)
        Receives the pivot's inverse.
    column, share : ndarray of shape (>= q, >= m)
        Receive the row, and the row over the pivot, in place j its inverse: (u, v) of the other
        rows is short of ``column[u] * share[v]``, and ``share`` is the new row.
    """
    diagonal = line_of(j, j)
    for i in range(m):
        pivot = max(-matrix[diagonal, i], least[j, i])
        products[i] *= pivot
        inverse[i] = 1.0 / pivot
    for u in range(q):
        at = line_of(u, j)
        for i in range(m):
            column[u, i] = matrix[at, i]
            share[u, i] = matrix[at, i] * inverse[i]
    for i in range(m):
        share[j, i] = inverse[i]


@contracted_callee
def eliminate(matrix, q, m, j, column, share):
    """Add what `take_pivots` found to a batch's matrices, and write their j-th rows."""
    for u in range(q):
        for v in range(u + 1):
            if u != j and v != j:
                at = u * (u + 1) // 2 + v  # as `line_of`, in less time: v <= u
                for i in range(m):
                    matrix[at, i] += column[u, i] * share[v, i]
    for u in range(q):
        at = line_of(u, j)
        for i in range(m):
            matrix[at, i] = share[u, i]


@callee_kernel
def add_logarithms_of(products, m, always, log_dets):
    """Add the logarithms of products, which begin again, where they are needed.

    That is now and then, not for every pivot: where the next one may leave the numbers' range.
    """
    n_far = 0
    for i in range(m):
        n_far += 0 if LOW < products[i] < HIGH else 1
    if n_far or always:
        for i in range(m):
            log_dets[i] += math.log(products[i])
            products[i] = 1.0


@callee_kernel
def invert_gaps(precisions, q, m, batch):
    """Invert a batch's blocks of precisions, by Gauss and Jordan's elimination.

    It is done to minus a block, so that what is left stays symmetric (Goodnight 1979, "A tutorial
    on the SWEEP operator").

    Parameters
    ----------
    precisions : ndarray of shape (n_matrices, n_features, n_features)
    q, m : int
        As `next_batch` returns them.
    batch : GapBatch
        ``inverses`` receive the conditional covariances of the missing cells, ``log_dets`` the log
        determinants of the precisions' blocks.
    """
    cells, least, inverses, all_log_dets = batch.cells, batch.least, batch.inverses, batch.log_dets
    column, share, products, pivots = batch.column, batch.share, batch.products, batch.total
    for k in range(len(precisions)):
        flat, matrix, log_dets = precisions[k].reshape(-1), inverses[k], all_log_dets[k]
        for p in range(q * (q + 1) // 2):
            for i in range(m):
                matrix[p, i] = -flat[cells[p, i]]
        for u in range(q):
            diagonal = line_of(u, u)
            for i in range(m):
                least[u, i] = -LEAST_PIVOT * matrix[diagonal, i]
        for i in range(m):
            log_dets[i] = 0.0
            products[i] = 1.0
        for j in range(q):
            take_pivots(matrix, q, m, j, least, products, pivots, column, share)
            add_logarithms_of(products, m, j == q - 1, log_dets)
            eliminate(matrix, q, m, j, column, share)


@contracted_callee
def add_covariances(q, m, batch, shared, resp, lower):
    """Add the conditional covariances of some rows' missing cells to second moments.

    Parameters
    ----------
    q, m : int
    batch : GapBatch
        Segment i has the rows of ``resp`` from ``begins[i]`` to ``ends[i]``.
    shared : bool
        Whether all components share their covariances; then all is added to the first's.
    resp : ndarray of shape (n_rows, n_components)
    lower : ndarray of shape (n_components, n_features, n_features)
        Whose lower triangles are added to.
    """
    totals, cells, begins, ends = batch.products, batch.cells, batch.begins, batch.ends
    inverses, n_components = batch.inverses, resp.shape[1]
    for k in range(n_components):
        for i in range(m):
            total = totals[i] if shared and k > 0 else 0.0
            for row in range(begins[i], ends[i]):
                total += resp[row, k]
            totals[i] = total
        if shared and k < n_components - 1:
            continue
        to = 0 if shared else k
        target = lower[to].reshape(-1)
        # Gap by gap: neighbours add to the same cells, one addition waiting for the other.
        for i in range(m):
            total = totals[i]
            for p in range(q * (q + 1) // 2):
                target[cells[p, i]] += total * inverses[to, p, i]


@callee_kernel
def add_lower(lower, second):
    """Add symmetric matrices, of which the lower triangles are given, to others."""
    for k in range(len(lower)):
        for i in range(second.shape[1]):
            for j in range(i):
                second[k, i, j] += lower[k, i, j]
                second[k, j, i] += lower[k, i, j]
            second[k, i, i] += lower[k, i, i]
