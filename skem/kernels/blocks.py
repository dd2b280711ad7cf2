"""What passes over a tile do with the scores of a block of rows, whatever they come from.

Their code is put into the kernel of each pass, before it is compiled.
"""

from skem.kernels.jit import inner_kernel
from skem.kernels.lines import copy_column, weigh
from skem.kernels.normalise import log_normalise
from skem.kernels.steps import HARDEN, NORMALISE


@inner_kernel
def normalise_block(steps, start, block, weights, power, power_bits, log_normaliser, factor):
    """Turn a block's scores into unnormalised responsibilities; return its share of the total.

    Parameters
    ----------
    steps : int
        See `skem.kernels.steps`.
    start : int
        The block's first row.
    block : ndarray of shape (n_components, n_block_rows)
    weights, power, power_bits, log_normaliser, factor : ndarray
        Of all rows; as for `skem.kernels.normalise.log_normalise`.
    """
    rows = block.shape[1]
    stop = start + rows
    return log_normalise(
        block,
        rows,
        weights[start:stop],
        power,
        power_bits,
        log_normaliser[start:stop],
        factor[start:stop],
        steps & HARDEN != 0,
    )


@inner_kernel
def hand_over(block, start, scores):
    """Write a block (n_components, n_block_rows) to the scores of all rows."""
    n_components, rows = block.shape
    for k in range(n_components):
        line = scores[k, start : start + rows]
        for i in range(rows):
            line[i] = block[k, i]


@inner_kernel
def weigh_line(steps, start, n_rows, k, line, factor, resp):
    """Turn a component's line of a block into responsibilities, and return their sum.

    They are those just made, or else the given ones, ``resp`` (n_rows, n_components).
    """
    if steps & NORMALISE:
        return weigh(line, factor[start : start + line.size])
    return copy_column(resp, start, n_rows, k, line)
