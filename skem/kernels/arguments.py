"""What kernels take together: named tuples of arrays.

In a module of its own, so that callers can make them without importing numba.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CentredModel",
    "CentredSpace",
    "CoordinateFrame",
    "GapBatch",
    "GapModel",
    "GapSpace",
    "GatherModel",
    "GatherSpace",
    "LinearGapSpace",
    "LinearLevels",
    "LinearModel",
    "LinearSpace",
    "ProjectedModel",
    "ProjectedSpace",
    "TileLines",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class TileLines(NamedTuple):
    """The arrays of a tile that a step reads or writes.

    Attributes
    ----------
    values : ndarray of shape (n_features + 2, >= n_places)
        A whole number of blocks; zero from ``n_rows`` on.
    weights : ndarray of shape (n_places,)
        Zero from ``n_rows`` on.
    power, power_bits : ndarray of shape (>= block_rows,)
        As for `exp_difference`.
    scores : ndarray of shape (n_components, >= n_places)
        Receives scores, or unnormalised responsibilities, unless they are summed.
    log_normaliser, factor : ndarray of shape (n_places,)
        As for `log_normalise`.
    resp : ndarray of shape (n_places, n_components)
        Weighted responsibilities, finite from ``n_rows`` on; overwritten by a step that
        normalises and sums.
    """

    values: Array
    weights: Array
    power: Array
    power_bits: Index
    scores: Array
    log_normaliser: Array
    factor: Array
    resp: Array


class LinearModel(NamedTuple):
    """Scores that are ``constants + coefficients' products``.

    Attributes
    ----------
    left, right : ndarray of shape (n_pairs,), int64
        The lines of a tile that products are formed of.
    coefficients : ndarray of shape (n_pairs, n_components)
    constants : ndarray of shape (n_components,)
    """

    left: Index
    right: Index
    coefficients: Array
    constants: Array


class LinearSpace(NamedTuple):
    """Scratch of linear scorers.

    Attributes
    ----------
    products : ndarray of shape (chunk, block_rows)
        Its shape says how many pairs and rows are worked on at a time.
    block : ndarray of shape (n_components + 1, block_rows)
        One line more, because components are worked on in twos.
    """

    products: Array
    block: Array


class LinearLevels(NamedTuple):
    """What rows with gaps score besides products of lines.

    Attributes
    ----------
    none : ndarray of shape (n_components,)
        Where nothing is seen, in nats.
    cells : ndarray of shape (n_features, n_components)
        What each seen cell adds.
    """

    none: Array
    cells: Array


class LinearGapSpace(NamedTuple):
    """Scratch of linear scorers for rows with gaps.

    Attributes
    ----------
    edges : ndarray of shape (block_rows + 1,), int64
        First row of each segment of a block, and the number of rows.
    marks : ndarray of shape (n_features * block_rows,)
        Which cells are seen or missing, by segment.
    by_segment : ndarray of shape ((n_components + 1) * block_rows,)
        Levels, and responsibilities.
    """

    edges: Index
    marks: Array
    by_segment: Array


class GatherModel(NamedTuple):
    """Scores that are looked up by codes.

    Attributes
    ----------
    lines : ndarray of shape (n_lines,), int64
        The lines of a tile that hold codes, from 0.
    first : ndarray of shape (n_lines,), int64
        The entry of each line's code 0.
    n_entries : int
    table : ndarray of shape (n_entries * n_components,)
        What each entry adds to the components' scores, entry by entry.
    """

    lines: Index
    first: Index
    n_entries: int
    table: Array


class GatherSpace(NamedTuple):
    """Scratch of scorers that look up codes.

    Attributes
    ----------
    products : ndarray of shape (chunk, block_rows)
    block : ndarray of shape (n_components + 1, block_rows)
        As in `LinearSpace`.
    entries : ndarray of shape (n_lines, block_rows), uint32
    """

    products: Array
    block: Array
    entries: NDArray[np.uint32]


class ProjectedModel(NamedTuple):
    """Scores that are ``constants + centres' y - |y|^2 / 2`` with ``y = projection' z``.

    Attributes
    ----------
    projection : ndarray of shape (n_features, n_features)
        Upper triangular; ``projection @ projection.T`` is the shared precision.
    centres : ndarray of shape (n_features, n_components)
        The projected means.
    constants : ndarray of shape (n_components,)
    """

    projection: Array
    centres: Array
    constants: Array


class ProjectedSpace(NamedTuple):
    """Scratch of projected scorers.

    Attributes
    ----------
    projected : ndarray of shape (n_features + 1, block_rows)
    block : ndarray of shape (n_components + 1, block_rows)
        One line more each, because lines are worked on in twos.
    weight : ndarray of shape (block_rows,)
    """

    projected: Array
    block: Array
    weight: Array


class CentredModel(NamedTuple):
    """Gaussians that are scored about their own means.

    Attributes
    ----------
    centres : ndarray of shape (n_components, n_features)
    factors : ndarray of shape (n_components, n_features, n_features)
        ``factor.T @ factor`` is a precision; or (n_components, n_features), diagonal precisions.
    constants : ndarray of shape (n_components,)
    """

    centres: Array
    factors: Array
    constants: Array


class CentredSpace(NamedTuple):
    """Scratch of centred scorers.

    Attributes
    ----------
    centred, projected : ndarray of shape (n_features, block_rows)
    part : ndarray of shape (n_features, n_features)
    block : ndarray of shape (n_components, block_rows)
    """

    centred: Array
    projected: Array
    part: Array
    block: Array


class GapModel(NamedTuple):
    """Gaussian components as rows with gaps meet them.

    Attributes
    ----------
    centres : ndarray of shape (n_components, n_features)
    precisions : ndarray
        Matrices (n_components, n_features, n_features), or one for all, (1, n_features,
        n_features); diagonal ones (n_components, n_features).
    levels : ndarray of shape (n_components, n_features + 1)
        By the number of seen cells: what rows score that have nothing, and from the first cell on
        what a whole row at the means scores, in nats.
    about : ndarray of shape (n_components, n_features)
        Points that moments are summed about: the centres, or others.
    """

    centres: Array
    precisions: Array
    levels: Array
    about: Array


class GapBatch(NamedTuple):
    """Gaps with equally many cells, of one segment each, and what is made of them side by side.

    Attributes
    ----------
    columns : ndarray of shape (n_features, n_lanes), int64
        Numbers of the missing columns, a column for each gap.
    cells : ndarray of shape (n_pairs, n_lanes), int64
        Where each cell of the lower triangle of a gap's block is in a whole matrix, raveled.
    begins, ends, rows : ndarray of shape (n_lanes,), int64
        The rows of each segment, and one of them.
    inverses : ndarray of shape (n_matrices, n_pairs, n_lanes)
        Lower triangles of conditional covariances.
    column, share, least : ndarray of shape (n_features, n_lanes)
        Scratch of the elimination.
    products, total : ndarray of shape (n_lanes,)
    log_dets : ndarray of shape (n_matrices, n_lanes)
        Of the precisions' blocks.
    """

    columns: Index
    cells: Index
    begins: Index
    ends: Index
    rows: Index
    inverses: Array
    column: Array
    share: Array
    least: Array
    products: Array
    total: Array
    log_dets: Array


class GapSpace(NamedTuple):
    """Scratch for rows with gaps.

    Attributes
    ----------
    gap : ndarray of shape (n_features,), int64
    batch : GapBatch
    lower : ndarray of shape (n_matrices, n_features, n_features)
        Sums of conditional covariances, in the lower triangles. There is a matrix for each
        component, one for all, or none if components are diagonal.
    part : ndarray of shape (n_features, n_features)
    block, halves : ndarray of shape (n_components, block_rows)
        Their shape says how many rows are worked on at a time.
    share : ndarray of shape (block_rows,)
    weighted : ndarray of shape (n_features * block_rows,)
    filled, slopes : ndarray of shape (n_components, n_features * block_rows)
        Of diagonal components no rows are filled.
    logs : ndarray of shape (n_components, n_features)
    """

    gap: Index
    batch: GapBatch
    lower: Array
    part: Array
    block: Array
    halves: Array
    share: Array
    weighted: Array
    filled: Array
    slopes: Array
    logs: Array


class CoordinateFrame(NamedTuple):
    """What coordinates of statistics are measured by; see `skem.kernels.coordinates`.

    Attributes
    ----------
    roots : ndarray of shape (B, d, d)
        Lower triangular factors of the reference's covariances.
    origin : ndarray of shape (Q, d)
        The reference's means.
    shares : ndarray of shape (K,)
        What a component's means are multiplied by.
    sizes : ndarray of shape (N,)
        What factors are multiplied by: their diagonals, of which it is the logarithm, by
        ``sqrt(2)`` times as much.
    """

    roots: Array
    origin: Array
    shares: Array
    sizes: Array
