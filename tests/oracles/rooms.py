"""Scratch of kernels that holds what must not count."""

import numpy as np

from skem.kernels.arguments import GapBatch


def gap_batch(n_matrices, n_features, n_lanes):
    """Room that holds NaN, and numbers out of all ranges."""
    pairs = n_features * (n_features + 1) // 2
    by_feature = n_features, n_lanes
    numbers = [(n_matrices, pairs, n_lanes), *3 * [by_feature], *2 * [(n_lanes,)]]
    return GapBatch(
        *(np.full(shape, 10**6) for shape in [by_feature, (pairs, n_lanes), *3 * [(n_lanes,)]]),
        *(np.full(shape, np.nan) for shape in [*numbers, (n_matrices, n_lanes)]),
    )
