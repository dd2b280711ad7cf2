"""Matrix products of the sizes that networks have.

A library's products are made for large square matrices: those of a few hundred rows and columns
reach a half to four fifths of its speed. These here copy little, and add up each row's numbers in
one order, whatever rows are beside it. Small products, results of a few columns and large factors
that stand across are left to the library, which is as fast there or faster.
"""

import numpy as np

from skem.kernels.jit import disabled, inner_kernel, kernel
from skem.kernels.tiles import N_ROWS, N_VECTORS, VECTOR_BYTES, tile

# Steps along the inner dimension after which a tile is put down and taken up again: so many rows of
# the right factor, of a tile's width, stay in the first cache. Fewer where each step of the left
# factor is on another page of memory.
N_INNER, N_INNER_ACROSS = 96, 64

# Bytes of a right factor from which on it is copied before it is used: in order of its addresses,
# so that the processor fetches ahead what is not in its caches.
LARGE = 2**17

# Multiplications below which calls take a good part of the time.
LEAST_WORK = 2**18


@kernel
def _rows_of_tiles(a, step_m, step_k, right, at_b, row_b, out, column, width, first, n_steps):
    """Add what some steps give to the tiles of some columns of ``out`` (n_rows, n_columns)."""
    n_rows, n_columns = out.shape
    flat = out.reshape(out.size)
    for row in range(0, n_rows, N_ROWS):
        at_a, at_c = row * step_m + first * step_k, row * n_columns + column
        shape = min(N_ROWS, n_rows - row), width, n_steps
        tile(a, at_a, step_m, step_k, right, at_b, row_b, flat, at_c, n_columns, shape, first > 0)


@inner_kernel
def _product(a, step_m, step_k, b, out):
    """Compute ``out = a b``, with the places of a's numbers in memory."""
    n_inner, n_columns = b.shape
    widest = N_VECTORS * (VECTOR_BYTES // out.itemsize)
    most_steps = N_INNER if step_k == 1 else N_INNER_ACROSS
    flat, copied = b.reshape(b.size), b.size * b.itemsize > LARGE
    panels = np.empty(most_steps * n_columns if copied else 0, out.dtype)
    for first in range(0, n_inner, most_steps):
        n_steps = min(most_steps, n_inner - first)
        if copied:
            for k in range(n_steps):
                for column in range(0, n_columns, widest):
                    width = min(widest, n_columns - column)
                    line, start = b[first + k, column:], column * n_steps + k * width
                    place = panels[start : start + width]
                    for j in range(width):
                        place[j] = line[j]
        for column in range(0, n_columns, widest):
            width = min(widest, n_columns - column)
            if copied:
                right, at_b, row_b = panels, column * n_steps, width
            else:
                right, at_b, row_b = flat, first * n_columns + column, n_columns
            _rows_of_tiles(
                a, step_m, step_k, right, at_b, row_b, out, column, width, first, n_steps
            )


@inner_kernel
def _product_across(a, b, out):
    """Compute ``out = a b.T``."""
    n_columns, n_inner = b.shape
    widest = N_VECTORS * (VECTOR_BYTES // out.itemsize)
    panel = np.empty(N_INNER * widest, out.dtype)
    for column in range(0, n_columns, widest):
        width = min(widest, n_columns - column)
        for first in range(0, n_inner, N_INNER):
            n_steps = min(N_INNER, n_inner - first)
            for j in range(width):
                line = b[column + j, first:]
                for k in range(n_steps):
                    panel[k * width + j] = line[k]
            _rows_of_tiles(a, n_inner, 1, panel, 0, width, out, column, width, first, n_steps)


@inner_kernel
def _by_library(out, n_inner):
    """Say whether a library's product is the better one."""
    narrow = out.shape[1] * out.itemsize <= VECTOR_BYTES
    return disabled or narrow or out.size * n_inner < LEAST_WORK


@inner_kernel
def multiply(a, b, out):
    """Write ``a b`` to ``out``; all C-ordered, none of them empty."""
    if _by_library(out, b.shape[0]):
        np.dot(a, b, out)
    else:
        _product(a.reshape(a.size), a.shape[1], 1, b, out)


@inner_kernel
def multiply_left_transposed(a, b, out):
    """Write ``a.T b`` to ``out``; all C-ordered, none of them empty."""
    if _by_library(out, b.shape[0]):
        np.dot(a.T, b, out)
    else:
        _product(a.reshape(a.size), 1, a.shape[1], b, out)


@inner_kernel
def multiply_right_transposed(a, b, out):
    """Write ``a b.T`` to ``out``; all C-ordered, none of them empty."""
    if _by_library(out, b.shape[1]) or b.size * b.itemsize > LARGE:
        np.dot(a, b.T, out)
    else:
        _product_across(a.reshape(a.size), b, out)
