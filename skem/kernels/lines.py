"""Matrix products of lines: few components by many pairs, over a block of rows.

BLAS copies ("packs") what it multiplies. With so few components each number of a block serves in
10 to 40 operations, so that copying takes half of the time. These loops read the lines where they
lie, several at a time, so that each number loaded serves several times; the compiler turns them
into the widest vectors of the processor.
"""

from skem.kernels.jit import (
    UNCOMPILED,
    callee_kernel,
    contracted_callee,
    reassociating_callee,
    vector_callee,
)


@callee_kernel
def line_of(lines, j, last, start, stop):
    """Return a line from the row ``start`` to ``stop``; past the end the last one.

    A function, because slices take long to compile.
    """
    if j > last:
        j = last
    return lines[j, start:stop]


@contracted_callee
def add_combinations(coefficients, p, column, lines, first, n, start, out):
    """Add ``coefficients[p : p + n, column:].T @ lines[first : first + n]``, for some rows.

    Parameters
    ----------
    coefficients : ndarray of shape (>= p + n, >= column + n_components)
    lines : ndarray of shape (>= first + n, >= start + n_rows)
        Finite.
    first, n : int
        The lines.
    start : int
        The first of the rows.
    out : ndarray of shape (n_components + 1, n_rows)
        Added to. The last line is of no use, and is written to.
    """
    n_components, n_rows = out.shape[0] - 1, out.shape[1]
    if UNCOMPILED:
        some = lines[first : first + n, start : start + n_rows]
        of_components = coefficients[p : p + n, column : column + n_components]
        out[:n_components] += of_components.T @ some
        return
    stop, last = start + n_rows, first + n - 1
    for a in range(0, n, 8):
        # Eight lines by two components: 16 products for 10 numbers read. Past the end it is the
        # last line, with coefficients of zero.
        x0 = line_of(lines, first + a, last, start, stop)
        x1 = line_of(lines, first + a + 1, last, start, stop)
        x2 = line_of(lines, first + a + 2, last, start, stop)
        x3 = line_of(lines, first + a + 3, last, start, stop)
        x4 = line_of(lines, first + a + 4, last, start, stop)
        x5 = line_of(lines, first + a + 5, last, start, stop)
        x6 = line_of(lines, first + a + 6, last, start, stop)
        x7 = line_of(lines, first + a + 7, last, start, stop)
        q, left = p + a, n - a
        for component in range(0, n_components, 2):
            k = column + component
            m = k + 1 if component + 1 < n_components else k
            c0, d0 = coefficients[q, k], coefficients[q, m]
            c1 = d1 = c2 = d2 = c3 = d3 = c4 = d4 = c5 = d5 = c6 = d6 = c7 = d7 = 0.0
            if left > 1:
                c1, d1 = coefficients[q + 1, k], coefficients[q + 1, m]
            if left > 2:
                c2, d2 = coefficients[q + 2, k], coefficients[q + 2, m]
            if left > 3:
                c3, d3 = coefficients[q + 3, k], coefficients[q + 3, m]
            if left > 4:
                c4, d4 = coefficients[q + 4, k], coefficients[q + 4, m]
            if left > 5:
                c5, d5 = coefficients[q + 5, k], coefficients[q + 5, m]
            if left > 6:
                c6, d6 = coefficients[q + 6, k], coefficients[q + 6, m]
            if left > 7:
                c7, d7 = coefficients[q + 7, k], coefficients[q + 7, m]
            y, z = out[component], out[component + 1]
            for i in range(n_rows):
                u = y[i] + c0 * x0[i]
                v = z[i] + d0 * x0[i]
                u += c1 * x1[i]
                v += d1 * x1[i]
                u += c2 * x2[i]
                v += d2 * x2[i]
                u += c3 * x3[i]
                v += d3 * x3[i]
                u += c4 * x4[i]
                v += d4 * x4[i]
                u += c5 * x5[i]
                v += d5 * x5[i]
                u += c6 * x6[i]
                v += d6 * x6[i]
                u += c7 * x7[i]
                v += d7 * x7[i]
                y[i] = u
                z[i] = v


@vector_callee
def add_inner_products(lines, first, n, start, shares, out, p):
    """Add ``lines[first : first + n] @ shares.T`` to ``out[p : p + n]``, for some rows.

    Parameters
    ----------
    lines, first, n, start
        As for `add_combinations`.
    shares : ndarray of shape (n_components + 1, n_rows)
        The last line is not read.
    out : ndarray of shape (>= p + n, >= n_components)
    """
    n_components, n_rows = shares.shape[0] - 1, shares.shape[1]
    stop, last = start + n_rows, first + n - 1
    if UNCOMPILED:
        some = lines[first : first + n, start:stop]
        out[p : p + n, :n_components] += some @ shares[:n_components].T
        return
    for a in range(0, n, 4):
        # Four lines by two components. Past the end it is the last one, whose sums are dropped.
        x0 = line_of(lines, first + a, last, start, stop)
        x1 = line_of(lines, first + a + 1, last, start, stop)
        x2 = line_of(lines, first + a + 2, last, start, stop)
        x3 = line_of(lines, first + a + 3, last, start, stop)
        for k in range(0, n_components, 2):
            t, u = shares[k], shares[k + 1 if k + 1 < n_components else k]
            t0 = t1 = t2 = t3 = 0.0
            u0 = u1 = u2 = u3 = 0.0
            for i in range(n_rows):
                t0 += t[i] * x0[i]
                t1 += t[i] * x1[i]
                t2 += t[i] * x2[i]
                t3 += t[i] * x3[i]
                u0 += u[i] * x0[i]
                u1 += u[i] * x1[i]
                u2 += u[i] * x2[i]
                u3 += u[i] * x3[i]
            of_t = (t0, t1, t2, t3)
            of_u = (u0, u1, u2, u3)
            for j in range(n - a if n - a < 4 else 4):
                out[p + a + j, k] += of_t[j]
                if k + 1 < n_components:
                    out[p + a + j, k + 1] += of_u[j]


@reassociating_callee
def weigh(line, scale):
    """Multiply ``line`` by ``scale``, both (n_rows,), and return its sum."""
    total = 0.0
    for i in range(line.size):
        line[i] *= scale[i]
        total += line[i]
    return total


@reassociating_callee
def copy_column(table, first, last, column, line):
    """Write a column's rows from ``first`` to ``last`` to ``line``, then 0; return their sum."""
    n_rows = last - first if last - first < line.size else line.size
    total = 0.0
    for i in range(n_rows):
        line[i] = table[first + i, column]
        total += line[i]
    for i in range(n_rows, line.size):
        line[i] = 0.0
    return total
