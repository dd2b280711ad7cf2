"""Model-based agglomeration: the merges that cost a classification likelihood least."""

import math

import numpy as np

from skem.kernels.jit import callee_kernel, inner_kernel, kernel

# What is known of a pair's cost: all, or a bound. Of a bound the terms of single clusters have been
# subtracted in this order, and are to be again, so that equal costs stay equal to the last bit.
EXACT, FIRST, SECOND = 0, 1, 2

# Lines of what is known of clusters; their means are the lines from the last one on.
WEIGHT, COUNT, TRACE, TERM, LEAST, BOUND, FACTOR, PLACES = range(8)


def agglomerate(means, weights, blur, floor, share, enough, power, merges, costs):
    """Merge clusters by Fraley's criterion for unconstrained covariances until one is left.

    A cluster of m rows, weight w and scatter matrix W counts
    ``w log(|W / w + B| + (share min(1, enough / m) (tr(W) + floor) / w)^power)``, and the pair
    whose union raises the sum the least is merged; of equal pairs the first. Rows that can't span
    all features have a determinant of zero, without it being computed.

    Determinants are computed of those pairs alone that may be the cheapest by the trace's part,
    which never exceeds the sum. Time is of order ``n^2 p`` where no cluster's nearest one is lost
    too often.

    Parameters
    ----------
    means : ndarray of shape (n, p)
        Distinct rows, each a cluster of its own.
    weights : ndarray of shape (n,)
        Their positive weights.
    blur : ndarray of shape (p (p + 1) / 2,)
        B, line by line of its lower triangle: how well single rows are known.
    floor : float
        What the trace of a single row is taken for; positive.
    share, enough, power : float
        How much the trace counts. Fraley's form has ``1, inf, 1``; with a power of p both parts
        of the sum have the same unit.
    merges : ndarray of shape (n - 1, 2), intp
        Receives each step's pair of clusters, the smaller number first; the union keeps that.
    costs : ndarray of shape (n, n)
        For scratch; only what is above the diagonal is used.

    References
    ----------
    C. Fraley (1998). Algorithms for model-based Gaussian hierarchical clustering. SIAM Journal
    on Scientific Computing 20(1), 270-281.
    """
    n, p = means.shape
    # Arrays are made here: a kernel that makes them takes longer to compile.
    lines = np.zeros((PLACES + p, n))
    lines[WEIGHT], lines[COUNT], lines[LEAST], lines[PLACES:] = weights, 1.0, np.inf, means.T
    rows = np.zeros((n, p + p * (p + 1) // 2))
    rows[:, :p] = means
    rule = (float(floor), float(share), float(enough), float(power))
    known, nearest = np.zeros((n, n), np.int8), np.zeros(n, np.intp)
    _merge_all(lines, rows, blur, rule, known, nearest, np.empty((p, p)), merges, costs)


@kernel
def _merge_all(lines, rows, blur, rule, known, nearest, work, merges, costs):
    """Merge until one cluster is left; see `agglomerate`.

    All that is called from one place alone is compiled into this kernel, and what is known of
    clusters is in few arrays: handing over arrays takes longer to compile than what is done with
    them.

    Parameters
    ----------
    lines : ndarray of shape (7 + p, n)
        What `WEIGHT`, ..., `PLACES` name, of each cluster. A count of 0 is that of a cluster which
        is part of another.
    rows : ndarray of shape (n, p + p (p + 1) / 2)
        Each cluster's mean, and the lower triangle of its scatter matrix line by line.
    blur, merges, costs : ndarray
        As for `agglomerate`.
    rule : tuple of float
        Floor, share, enough and power of `agglomerate`.
    known : ndarray of shape (n, n), int8
    nearest : ndarray of shape (n,), intp
        The cheapest partner of each cluster among those that follow.
    work : ndarray of shape (p, p)
    """
    floor, share, enough, power = rule
    p, n = work.shape[0], nearest.size
    first = np.int64(0)  # a literal would have the function compiled once more
    alone = _share_of(1.0, share, enough)
    for i in range(n):
        weight = lines[WEIGHT, i]
        lines[TERM, i] = weight * power * math.log(alone * floor / weight)
    last = n - 1
    for i in range(last):
        _bound_terms(i, i + 1, lines, rule)
        for j in range(i + 1, n):
            costs[i, j] = lines[BOUND, j] - lines[TERM, i] - lines[TERM, j]
            known[i, j] = EXACT if p > 1 else FIRST
        nearest[i] = last
    # As if the last one had just been merged with all others' nearest, so all are looked for.
    a = b = last
    for step in range(last):
        _renew_nearest(a, b, lines, rows, blur, rule, known, nearest, work, costs)
        a = _least(lines[LEAST], first)
        b = nearest[a]
        merges[step, 0], merges[step, 1] = a, b
        lines[TERM, a] = _union_term(a, b, lines, rows, blur, rule, work)
        _unite(a, b, p, lines, rows)
        lines[LEAST, b] = np.inf
        _bound_terms(a, first, lines, rule)
        _reprice(a, b, p, lines, known, costs)


@inner_kernel
def _share_of(count, share, enough):
    """Return how much the trace of a cluster of so many rows counts."""
    return share if enough > count else share * (enough / count)


@inner_kernel
def _least(line, first):
    """Return the place of the smallest number from ``first`` on; the first of equals."""
    best = first
    for k in range(first + 1, line.size):
        if line[k] < line[best]:
            best = k
    return best


@callee_kernel
def _bound_terms(a, first, lines, rule):
    """Write what the unions of cluster a with others, from ``first`` on, would count at least.

    That is the part of the trace, and all of it where there are too few rows for a determinant.
    """
    floor, share, enough, power = rule
    weight, trace, count = lines[WEIGHT, a], lines[TRACE, a], lines[COUNT, a]
    n = lines.shape[1]
    for k in range(first, n):
        other = lines[WEIGHT, k]
        # The same bits whichever of the two is asked for.
        i, j = weight, other
        if k < a:
            i, j = other, weight
        lines[FACTOR, k] = i * (j / (weight + other))
        lines[BOUND, k] = trace + lines[TRACE, k]
    for d in range(PLACES, lines.shape[0]):
        for k in range(first, n):
            apart = lines[d, a] - lines[d, k]
            lines[BOUND, k] += lines[FACTOR, k] * (apart * apart)
    for k in range(first, n):
        both = weight + lines[WEIGHT, k]
        known_share = _share_of(count + lines[COUNT, k], share, enough)
        lines[BOUND, k] = both * (power * math.log(known_share * (lines[BOUND, k] + floor) / both))


@inner_kernel
def _reprice(a, b, p, lines, known, costs):
    """Write the costs of cluster a, which b is now part of, with all others, or bounds of them."""
    for k in range(lines.shape[1]):
        i, j, order = a, k, FIRST
        if k < a:
            i, j, order = k, a, SECOND
        if lines[COUNT, k] > 0.0 and k != a:
            costs[i, j] = lines[BOUND, k] - lines[TERM, a] - lines[TERM, k]
            known[i, j] = EXACT if lines[COUNT, a] + lines[COUNT, k] <= p else order
        i, j = b, k
        if k < b:
            i, j = k, b
        costs[i, j] = np.inf
        known[i, j] = EXACT


@inner_kernel
def _renew_nearest(a, b, lines, rows, blur, rule, known, nearest, work, costs):
    """Find the cheapest partners of those clusters whose own may be another after a merge.

    They are looked for among the clusters that follow. No cost is below its bound, so the first
    pair that is the cheapest by what is known, and is known exactly, is the first of the cheapest.
    """
    for k in range(b):
        least = lines[LEAST, k]
        anew = k == a or nearest[k] == b or (k < a and nearest[k] == a)
        if lines[COUNT, k] == 0.0 or not (anew or (k < a and costs[k, a] <= least)):
            continue
        best = a
        while True:
            if anew:
                best = _least(costs[k], k + 1)
            cost = costs[k, best]
            order = known[k, best]
            if order == EXACT:
                break
            i, j = k, best
            if order == SECOND:
                i, j = best, k
            term = _union_term(k, best, lines, rows, blur, rule, work)
            costs[k, best] = term - lines[TERM, i] - lines[TERM, j]
            known[k, best] = EXACT
        if anew or cost < least or (cost == least and best < nearest[k]):
            nearest[k], lines[LEAST, k] = best, cost


@callee_kernel
def _union_term(i, j, lines, rows, blur, rule, work):
    """What the union of two clusters would count."""
    floor, share, enough, power = rule
    p = work.shape[0]
    weight = lines[WEIGHT, i] + lines[WEIGHT, j]
    factor = lines[WEIGHT, i] * (lines[WEIGHT, j] / weight)
    trace = lines[TRACE, i] + lines[TRACE, j]
    for d in range(p):
        apart = rows[i, d] - rows[j, d]
        trace += factor * (apart * apart)
    count = lines[COUNT, i] + lines[COUNT, j]
    spread = _share_of(count, share, enough) * (trace + floor) / weight
    value = power * math.log(spread)
    if count > p:
        # In units of the trace's part, powers of which may be out of range.
        determinant = _determinant(i, j, rows, blur, weight, factor, 1.0 / (weight * spread), work)
        value += math.log1p(determinant * spread ** (p - power))
    return weight * value


@inner_kernel
def _determinant(i, j, rows, blur, weight, factor, scale, work):
    """Determinant of the union's scatter matrix times ``scale``; 0 where rounding has the say."""
    p = work.shape[0]
    result = 1.0
    at = 0
    for d in range(p):
        apart = factor * (rows[i, d] - rows[j, d])
        for e in range(d + 1):
            total = rows[i, p + at] + rows[j, p + at] + apart * (rows[i, e] - rows[j, e])
            total = scale * (total + weight * blur[at])
            at += 1
            for f in range(e):
                total -= work[d, f] * work[e, f]
            if e < d:
                work[d, e] = total / work[e, e]
            elif total > 0.0:
                work[d, d] = math.sqrt(total)
                result *= total
            else:
                return 0.0
    return result


@inner_kernel
def _unite(a, b, p, lines, rows):
    """Put cluster b into cluster a."""
    weight = lines[WEIGHT, a] + lines[WEIGHT, b]
    share = lines[WEIGHT, b] / weight
    factor = lines[WEIGHT, a] * share
    at = p
    for d in range(p):
        apart = factor * (rows[a, d] - rows[b, d])
        lines[TRACE, a] += apart * (rows[a, d] - rows[b, d])
        for e in range(d + 1):
            rows[a, at] += rows[b, at] + apart * (rows[a, e] - rows[b, e])
            at += 1
    for d in range(p):
        rows[a, d] += share * (rows[b, d] - rows[a, d])
        lines[PLACES + d, a] = rows[a, d]
    lines[TRACE, a] += lines[TRACE, b]
    lines[COUNT, a] += lines[COUNT, b]
    lines[COUNT, b] = 0.0
    lines[WEIGHT, a] = weight
