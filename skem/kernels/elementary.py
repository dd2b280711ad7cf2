"""Elementary functions as polynomials, which the compiler vectorises inside other loops.

The library's functions are scalar calls: 2 to 15 ns a value, against 0.5 to 1 ns here. Each
function takes a float or, without the compiler, an array; all arithmetic is in float64.
"""

import math

import numpy as np

from skem.kernels.jit import (
    UNCOMPILED,
    contracted_callee,
    contracted_kernel,
    each,
    inner_kernel,
    reassociating_kernel,
)

# exp(x) = exp(x / 1024) ** 1024: a Taylor series to the 13th power and ten squarings, which
# multiply its error by 1024: relative errors are about 2e-13, and 1e-10 for |x| near 700, where
# the series' remainder tells. No bits are taken apart, so the compiler can fuse it.
LARGEST = 700.0
C2, C3, C4, C5, C6, C7 = (1.0 / math.factorial(i) for i in range(2, 8))
C8, C9, C10, C11, C12, C13 = (1.0 / math.factorial(i) for i in range(8, 14))

# The same in float32, with log(2) in two parts (Cody & Waite 1980): n times the first is exact.
ONE, F2, F3, F4, F5, F6, F7 = (np.float32(1.0 / math.factorial(i)) for i in range(1, 8))
LOWEST_SINGLE = np.float32(-87.0)
LOG2_E = np.float32(1.0 / math.log(2.0))
LOG_2_HIGH = np.float32(0.693359375)
LOG_2_LOW = np.float32(math.log(2.0) - 0.693359375)
EXPONENT_OF_ONE, MANTISSA_BITS = np.int32(127), np.int32(23)

# log((1 + q) / (1 - q)) = 2 (q + q^3 / 3 + q^5 / 5 + ...), for q <= 1/3: to q^27.
A1, A2, A3, A4, A5, A6, A7 = (1.0 / (2 * i + 1) for i in range(1, 8))
A8, A9, A10, A11, A12, A13 = (1.0 / (2 * i + 1) for i in range(8, 14))

ROOT_BITS = 0x3FE6A09E667F3BCD  # of the float64 next to the root of 1/2
LOG_2 = math.log(2.0)

# sin(x) / x and cos(x) in powers of x^2, for |x| <= pi / 4: remainders below 1e-15.
S1, S2, S3, S4, S5, S6, S7 = ((-1.0) ** i / math.factorial(2 * i + 1) for i in range(1, 8))
K1, K2, K3, K4, K5, K6, K7 = ((-1.0) ** i / math.factorial(2 * i) for i in range(1, 8))


@contracted_kernel
def exponential(x):
    """Return exp(x) for ``|x| <= 700``, and exp(±700) beyond; relative error below 2e-10."""
    r = np.minimum(np.maximum(np.float64(x), -LARGEST), LARGEST) * (1.0 / 1024.0)
    p = C11 + r * (C12 + r * C13)
    p = C8 + r * (C9 + r * (C10 + r * p))
    p = C5 + r * (C6 + r * (C7 + r * p))
    p = 1.0 + r * (1.0 + r * (C2 + r * (C3 + r * (C4 + r * p))))
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@inner_kernel
def log_ratio(q):
    """Return ``log((1 + q) / (1 - q))`` for ``0 <= q <= 1/3``."""
    s = q * q
    p = A10 + s * (A11 + s * (A12 + s * A13))
    p = A7 + s * (A8 + s * (A9 + s * p))
    p = A4 + s * (A5 + s * (A6 + s * p))
    return 2.0 * q * (1.0 + s * (A1 + s * (A2 + s * (A3 + s * p))))


@contracted_callee
def add_logarithms(x, n, power, power_bits, out):
    """Add ``log(x[:n])`` to ``out[:n]``, for positive numbers up to 1e300; NaN for 0, inf and NaN.

    With ``x = 2^m f`` and f in [1/sqrt(2), sqrt(2)), they are ``m log(2) + log(f)``. ``power``
    (float64, at least ``n`` long) is scratch, and ``power_bits`` the same memory as int64.
    """
    for i in each(n):
        power[i] = x[i]
    for i in each(n):
        exponent = (power_bits[i] - ROOT_BITS) >> 52
        power_bits[i] -= exponent << 52
        out[i] += exponent * LOG_2
    for i in each(n):
        # Times x, so that it is NaN where x is 0, infinite or NaN.
        q = ((power[i] - 1.0) * x[i]) / ((power[i] + 1.0) * x[i])
        out[i] += log_ratio(q)


@contracted_kernel
def sine(x):
    """Return sin(x) for ``|x| <= pi / 4``."""
    s = x * x
    p = S4 + s * (S5 + s * (S6 + s * S7))
    return x * (1.0 + s * (S1 + s * (S2 + s * (S3 + s * p))))


@contracted_kernel
def cosine(x):
    """Return cos(x) for ``|x| <= pi / 4``."""
    s = x * x
    p = K4 + s * (K5 + s * (K6 + s * K7))
    return 1.0 + s * (K1 + s * (K2 + s * (K3 + s * p)))


@contracted_kernel
def exponential_single(x, bits):
    """Replace float32 numbers in [-87, 0] by their exponentials; relative error below 2e-7.

    As ``2^n e^r`` with a whole n and ``|r| <= log(2) / 2``, in float32, which takes a third of the
    time of float64.

    Parameters
    ----------
    x : ndarray of shape (n,), float32
    bits : ndarray of shape (n,), int32
        Room for the powers of 2.
    """
    powers = bits.view(np.float32)
    for i in each(x.size):
        bits[i] = (np.int32(np.rint(x[i] * LOG2_E)) + EXPONENT_OF_ONE) << MANTISSA_BITS
    for i in each(x.size):
        n = np.rint(x[i] * LOG2_E)
        r = (x[i] - n * LOG_2_HIGH) - n * LOG_2_LOW
        p = F4 + r * (F5 + r * (F6 + r * F7))
        p = ONE + r * (ONE + r * (F2 + r * (F3 + r * p)))
        x[i] = p * powers[i]


@contracted_kernel
def logistic(x):
    """Return ``1 / (1 + exp(-x))``; absolute error below 3e-16, relative 1e-10."""
    half = 0.5 * np.float64(x)
    e = exponential(-2.0 * np.abs(half))
    return 0.5 + np.copysign(1.0 / (1.0 + e) - 0.5, half)


@reassociating_kernel
def fold(terms, n):
    """Return ``sum(terms[:n])``, in an order that suits vectors."""
    if UNCOMPILED:
        return terms[:n].sum()
    total = 0.0
    for i in range(n):
        total += terms[i]
    return total


@reassociating_kernel
def log_product(factors, n):
    """Return ``sum(log(factors[:n]))`` for factors in [1, 2].

    One logarithm for the product of up to 512 factors, which is at most 2^512.
    """
    total = 0.0
    for first in range(0, n, 512):
        some = factors[first : min(first + 512, n)]
        if UNCOMPILED:
            total += math.log(some.prod())
        else:
            product = 1.0
            for i in range(some.size):
                product *= some[i]
            total += math.log(product)
    return total
