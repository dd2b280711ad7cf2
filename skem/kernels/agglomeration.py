"""Model-based agglomeration: the merges that cost a classification likelihood least."""

import math

import numpy as np

from skem.kernels.jit import callee_kernel, inner_kernel, kernel

# What is known of a pair's cost: all, or a bound. Of a bound the terms of single clusters have been
# subtracted in this order, and are to be again, so that equal costs stay equal to the last bit.
EXACT, FIRST, SECOND = 0, 1, 2


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
        Distinct rows, each a cluster of its own. Overwritten.
    weights : ndarray of shape (n,)
        Their positive weights. Overwritten.
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
    counts, traces = np.ones(n, np.intp), np.zeros(n)
    scatters = np.zeros((n, p * (p + 1) // 2))
    state = (means, weights, counts, traces, scatters)
    rule = (blur, float(floor), float(share), float(enough), float(power))
    known, nearest, least = np.zeros((n, n), np.int8), np.zeros(n, np.intp), np.full(n, np.inf)
    rivals = (np.empty(n), costs, known, nearest, least)
    # By feature: one cluster is compared with all others at a time.
    places = np.array(means.T, order="C")
    alive, bounds, factors, work = np.ones(n, np.bool_), np.empty(n), np.empty(n), np.empty((p, p))
    _merge_all(state, rule, rivals, places, alive, bounds, factors, work, merges)


@kernel
def _merge_all(state, rule, rivals, places, alive, bounds, factors, work, merges):
    """Merge until one cluster is left; see `agglomerate`.

    All that is called from one place alone is compiled into this kernel: handing over so many
    arrays takes longer to compile than what is done with them.
    """
    means, weights, counts, traces, scatters = state
    _, floor, share, enough, power = rule
    terms, costs, known, nearest, least = rivals
    n, p = means.shape
    first = np.int64(0)  # a literal would have the function compiled once more
    for i in range(n):
        known_share = _share_of(1.0, share, enough)
        terms[i] = weights[i] * power * math.log(known_share * floor / weights[i])
    last = n - 1
    for i in range(last):
        _bound_terms(i, i + 1, n, places, weights, counts, traces, rule, factors, bounds)
        for j in range(i + 1, n):
            costs[i, j] = bounds[j] - terms[i] - terms[j]
            known[i, j] = EXACT if p > 1 else FIRST
        nearest[i] = last
    # As if the last one had just been merged with all others' nearest, so all are looked for.
    a = b = last
    for step in range(last):
        _renew_nearest(a, b, state, rule, terms, costs, known, nearest, least, alive, work)
        a = _least(least, first)
        b = nearest[a]
        merges[step, 0], merges[step, 1] = a, b
        terms[a] = _union_term(a, b, state, rule, work)
        _unite(a, b, means, weights, counts, traces, scatters)
        for d in range(p):
            places[d, a] = means[a, d]
        alive[b] = False
        least[b] = np.inf
        _bound_terms(a, first, n, places, weights, counts, traces, rule, factors, bounds)
        _reprice(a, b, p, counts, bounds, terms, costs, known, alive)


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
def _bound_terms(a, first, last, places, weights, counts, traces, rule, factors, bounds):
    """Write what the unions of cluster a with others would count at least.

    That is the part of the trace, and all of it where there are too few rows for a determinant.
    """
    _, floor, share, enough, power = rule
    for k in range(first, last):
        weight = weights[a] + weights[k]
        # The same bits whichever of the two is asked for.
        i, j = a, k
        if k < a:
            i, j = k, a
        factors[k] = weights[i] * (weights[j] / weight)
        bounds[k] = traces[a] + traces[k]
    for d in range(len(places)):
        line = places[d]
        for k in range(first, last):
            bounds[k] += factors[k] * (line[a] - line[k]) ** 2
    for k in range(first, last):
        weight = weights[a] + weights[k]
        count = counts[a] + counts[k]
        known_share = _share_of(count, share, enough)
        bounds[k] = weight * (power * math.log(known_share * (bounds[k] + floor) / weight))


@inner_kernel
def _reprice(a, b, p, counts, bounds, terms, costs, known, alive):
    """Write the costs of cluster a, which b is now part of, with all others, or bounds of them."""
    for k in range(len(terms)):
        i, j, order = a, k, FIRST
        if k < a:
            i, j, order = k, a, SECOND
        if alive[k] and k != a:
            costs[i, j] = bounds[k] - terms[a] - terms[k]
            known[i, j] = EXACT if counts[a] + counts[k] <= p else order
        i, j = b, k
        if k < b:
            i, j = k, b
        costs[i, j] = np.inf
        known[i, j] = EXACT


@inner_kernel
def _renew_nearest(a, b, state, rule, terms, costs, known, nearest, least, alive, work):
    """Find the cheapest partners of those clusters whose own may be another after a merge.

    They are looked for among the clusters that follow. No cost is below its bound, so the first
    pair that is the cheapest by what is known, and is known exactly, is the first of the cheapest.
    """
    for k in range(b):
        anew = k == a or nearest[k] == b or (k < a and nearest[k] == a)
        if not alive[k] or not (anew or (k < a and costs[k, a] <= least[k])):
            continue
        line = costs[k]
        best = a
        while True:
            if anew:
                best = _least(line, k + 1)
            if known[k, best] == EXACT:
                break
            term = _union_term(k, best, state, rule, work)
            if known[k, best] == FIRST:
                line[best] = term - terms[k] - terms[best]
            else:
                line[best] = term - terms[best] - terms[k]
            known[k, best] = EXACT
        cost = line[best]
        if anew or cost < least[k] or (cost == least[k] and best < nearest[k]):
            nearest[k], least[k] = best, cost


@callee_kernel
def _union_term(i, j, state, rule, work):
    """What the union of two clusters would count."""
    means, weights, counts, traces, scatters = state
    blur, floor, share, enough, power = rule
    p = means.shape[1]
    weight = weights[i] + weights[j]
    factor = weights[i] * (weights[j] / weight)
    trace = traces[i] + traces[j]
    for d in range(p):
        trace += factor * (means[i, d] - means[j, d]) ** 2
    count = counts[i] + counts[j]
    known_share = _share_of(count, share, enough)
    spread = known_share * (trace + floor) / weight
    value = power * math.log(spread)
    if count > p:
        # In units of the trace's part, powers of which may be out of range.
        determinant = _determinant(
            i, j, means, scatters, blur, weight, factor, 1.0 / (weight * spread), work
        )
        value += math.log1p(determinant * spread ** (p - power))
    return weight * value


@inner_kernel
def _determinant(i, j, means, scatters, blur, weight, factor, scale, work):
    """Determinant of the union's scatter matrix times ``scale``; 0 where rounding has the say."""
    p = means.shape[1]
    result = 1.0
    at = 0
    for d in range(p):
        apart = factor * (means[i, d] - means[j, d])
        for e in range(d + 1):
            total = scatters[i, at] + scatters[j, at] + apart * (means[i, e] - means[j, e])
            total += weight * blur[at]
            total *= scale
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
def _unite(a, b, means, weights, counts, traces, scatters):
    """Put cluster b into cluster a."""
    p = means.shape[1]
    weight = weights[a] + weights[b]
    share = weights[b] / weight
    factor = weights[a] * share
    at = 0
    for d in range(p):
        apart = factor * (means[a, d] - means[b, d])
        traces[a] += apart * (means[a, d] - means[b, d])
        for e in range(d + 1):
            scatters[a, at] += scatters[b, at] + apart * (means[a, e] - means[b, e])
            at += 1
    traces[a] += traces[b]
    counts[a] += counts[b]
    for d in range(p):
        means[a, d] += share * (means[b, d] - means[a, d])
    weights[a] = weight
