"""Student's t as a Gaussian whose covariance is divided by a latent scale of each row.

The scale u of a row has the prior ``Gamma(df / 2, df / 2)``; given the row its posterior is
``Gamma(a, b)`` with ``a = (df + p) / 2`` and ``b = (df + d^2) / 2``, where p cells are seen at a
squared Mahalanobis distance of d^2 (Peel & McLachlan 2000).

Rows come segment by segment, those of a segment with the same gap.
"""

import math

from skem.kernels.gap_inverses import add_covariances, add_lower, invert_gaps, next_batch
from skem.kernels.jit import kernel


@kernel
def scale_steps(first, seen, levels, freedom, scores, scales, tails):
    """Turn minus half squared distances into scores, and find the posteriors of the scales.

    Parameters
    ----------
    first : ndarray of shape (n_segments + 1,), int64
        First row of each segment, and the end of the last.
    seen : ndarray of shape (n_segments,), int64
        Number of seen cells.
    levels : ndarray of shape (n_components, n_segments)
        Log weights and log densities at the centre, in nats.
    freedom : ndarray of shape (n_components,)
    scores : ndarray of shape (n_components, >= n_rows)
        Is overwritten with ``level - (df + p) / 2 log(1 + d^2 / df)``.
    scales : ndarray of shape (n_components, >= n_rows)
        Receives ``E[u] = (df + p) / (df + d^2)``.
    tails : ndarray of shape (n_components, >= n_rows)
        Receives ``log(1 + d^2 / df)``.
    """
    for k in range(scores.shape[0]):
        line, scale, tail = scores[k], scales[k], tails[k]
        rate = 2.0 / freedom[k]
        for s in range(seen.size):
            power = 0.5 * (freedom[k] + seen[s])
            level = levels[k, s]
            for i in range(first[s], first[s + 1]):
                # Rounding may leave a distance below zero.
                excess = rate * max(-line[i], 0.0)
                scale[i] = rate * power / (1.0 + excess)
                tail[i] = math.log1p(excess)
                line[i] = level - power * tail[i]


@kernel
def weigh_by_scales(first, seen, logs, entropies, scales, tails, resp, sums, spread):
    """Multiply responsibilities by expected scales, and sum what the scales' posteriors say.

    Parameters
    ----------
    first, seen
        As for `scale_steps`.
    logs : ndarray of shape (n_components, n_features + 1)
        ``psi(a) - log(df / 2)``, by the number of seen cells: ``E[log u]`` at the centre.
    entropies : ndarray of shape (n_components, n_features + 1)
        Entropy of u at the centre, less half of ``E[log u]`` there for each missing cell.
    scales, tails : ndarray of shape (n_components, >= n_rows)
        As `scale_steps` writes them.
    resp : ndarray of shape (>= n_rows, n_components)
        Weighted responsibilities r; on return ``r E[u]``.
    sums : ndarray of shape (3, n_components)
        Added to: r, ``r E[log u]``, and r times the entropy (less, for each missing cell, half of
        ``E[log u]``: that is the scale's part in the entropy of a Gaussian cell).
    spread : ndarray of shape (n_segments, n_components)
        Added to: ``r (1 - E[u])``.
    """
    n_components, most = logs.shape
    for s in range(seen.size):
        p = seen[s]
        steepness = 1.0 - 0.5 * (most - 1 - p)
        for i in range(first[s], first[s + 1]):
            for k in range(n_components):
                share = resp[i, k]
                weighted = share * scales[k, i]
                sums[0, k] += share
                sums[1, k] += share * (logs[k, p] - tails[k, i])
                sums[2, k] += share * (entropies[k, p] - steepness * tails[k, i])
                spread[s, k] += share - weighted
                resp[i, k] = weighted


@kernel
def add_gap_covariances(missing, precisions, spread, space, second):
    """Add ``spread`` times the conditional covariances of the missing cells to second moments.

    Parameters
    ----------
    missing : ndarray of shape (n_segments, n_features), bool
    precisions : ndarray of shape (n_components, n_features, n_features)
        Or one for all components, (1, n_features, n_features).
    spread : ndarray of shape (n_segments, n_components)
    space : GapSpace
    second : ndarray of shape (n_components, n_features, n_features)
    """
    batch, lower = space.batch, space.lower
    lower[:] = 0.0
    s = 0
    while s < len(missing):
        m, q = next_batch(missing, s, len(missing), batch)
        invert_gaps(precisions, q, m, batch)
        for i in range(m):
            batch.begins[i], batch.ends[i] = s + i, s + i + 1
        add_covariances(q, m, batch, len(precisions) == 1, spread, lower)
        s += m
    add_lower(lower, second)


@kernel
def add_gap_variances(missing, precisions, spread, space, second):
    """As `add_gap_covariances`, with precisions and second moments (n_components, n_features)."""
    n_components, n_features = precisions.shape
    for s in range(len(missing)):
        for k in range(n_components):
            for j in range(n_features):
                if missing[s, j]:
                    second[k, j] += spread[s, k] / precisions[k, j]
