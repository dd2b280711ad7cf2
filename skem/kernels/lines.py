"""Matrix products of lines: few components by many pairs, over a block of rows.

BLAS copies ("packs") what it multiplies. With so few components each number of a block serves in
10 to 40 operations, so that copying takes half of the time. These loops read the lines where they
lie, several at a time, so that each number loaded serves several times; the compiler turns them
into the widest vectors of the processor.
"""

from skem.kernels.jit import UNCOMPILED, contracted_kernel, vector_kernel


@contracted_kernel
def add_combinations(coefficients, first, n, lines, out):
    """Add ``coefficients[first : first + n].T @ lines[:n]`` to ``out``.

    Parameters
    ----------
    coefficients : ndarray of shape (>= first + n, n_components)
    first, n : int
    lines : ndarray of shape (>= n, n_rows)
        Finite.
    out : ndarray of shape (n_components, n_rows)
    """
    if UNCOMPILED:
        out += coefficients[first : first + n].T @ lines[:n]
        return
    n_rows = out.shape[1]
    for p in range(0, n, 8):
        # Eight lines at a time. Past the end it is the last one, with coefficients of zero.
        end = n - 1
        x0, x1 = lines[p], lines[min(p + 1, end)]
        x2, x3 = lines[min(p + 2, end)], lines[min(p + 3, end)]
        x4, x5 = lines[min(p + 4, end)], lines[min(p + 5, end)]
        x6, x7 = lines[min(p + 6, end)], lines[min(p + 7, end)]
        q = first + p
        for k in range(out.shape[0]):
            c0 = coefficients[q, k]
            c1 = coefficients[q + 1, k] if p + 1 < n else 0.0
            c2 = coefficients[q + 2, k] if p + 2 < n else 0.0
            c3 = coefficients[q + 3, k] if p + 3 < n else 0.0
            c4 = coefficients[q + 4, k] if p + 4 < n else 0.0
            c5 = coefficients[q + 5, k] if p + 5 < n else 0.0
            c6 = coefficients[q + 6, k] if p + 6 < n else 0.0
            c7 = coefficients[q + 7, k] if p + 7 < n else 0.0
            line = out[k]
            for i in range(n_rows):
                line[i] += (
                    (c0 * x0[i] + c1 * x1[i])
                    + (c2 * x2[i] + c3 * x3[i])
                    + (c4 * x4[i] + c5 * x5[i])
                    + (c6 * x6[i] + c7 * x7[i])
                )


@vector_kernel
def add_inner_products(lines, n, shares, first, out):
    """Add ``lines[:n] @ shares.T`` to ``out[first : first + n]``.

    Parameters
    ----------
    lines : ndarray of shape (>= n, n_rows)
    n : int
    shares : ndarray of shape (n_components, n_rows)
    first : int
    out : ndarray of shape (>= first + n, n_components)
    """
    if UNCOMPILED:
        out[first : first + n] += lines[:n] @ shares.T
        return
    n_components, n_rows = shares.shape
    for p in range(0, n, 4):
        # Four lines by two components. Past the end it is the last one, whose sums are dropped.
        end = n - 1
        x0, x1 = lines[p], lines[min(p + 1, end)]
        x2, x3 = lines[min(p + 2, end)], lines[min(p + 3, end)]
        for k in range(0, n_components, 2):
            t, u = shares[k], shares[min(k + 1, n_components - 1)]
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
            for j in range(min(4, n - p)):
                out[first + p + j, k] += of_t[j]
                if k + 1 < n_components:
                    out[first + p + j, k + 1] += of_u[j]
