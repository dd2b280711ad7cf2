"""Random numbers without a state: a function of a row's values, a seed and a step.

What a row draws depends on nothing but the row itself. So a row of weight 2 is the same as the
row twice, an order of rows is as good as another, a score does not depend on the rows beside it,
and the number of threads, a pause and a pickle change nothing.

Bits are mixed by the finaliser of SplitMix64 (Steele, Lea & Flood 2014), and normal numbers made of
them by Box & Muller's transform (1958), in float64.
"""

import math

import numpy as np

from skem.kernels.elementary import cosine, log_ratio, sine
from skem.kernels.jit import contracted_kernel, each, kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S27, S30, S31, S32, S52 = (np.uint64(n) for n in (27, 30, 31, 32, 52))
LOW_HALF = np.uint64(0xFFFFFFFF)
# A float64 with this exponent lies in [1, 2); the other bits are its mantissa.
ONE = np.uint64(0x3FF0000000000000)
MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
LOG_2 = math.log(2.0)
UNIT = 2.0**-32


@kernel
def mix(bits):
    """Replace 64-bit integers (n,) by well mixed ones, one to one."""
    for i in each(bits.size):
        bits[i] = (bits[i] ^ (bits[i] >> S30)) * MIX_1
        bits[i] = (bits[i] ^ (bits[i] >> S27)) * MIX_2
        bits[i] = bits[i] ^ (bits[i] >> S31)


@kernel
def row_keys(X, seed, keys):
    """Write a 64-bit hash of each row's values and the seed to ``keys``.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
    seed : ndarray of shape (1,), uint64
    keys : ndarray of shape (n_rows,), uint64
    """
    n_features = X.shape[1]
    places = np.empty(n_features, np.uint64)
    for j in range(n_features):
        places[j] = j + 1
    for j in each(n_features):
        places[j] = places[j] * GOLDEN + seed[0]
    mix(places)
    values = np.empty(n_features)
    bits = values.view(np.uint64)
    for i in range(X.shape[0]):
        row = X[i]
        for j in each(n_features):
            values[j] = np.float64(row[j]) + 0.0  # -0.0 and 0.0 are the same value
        for j in each(n_features):
            bits[j] = bits[j] ^ places[j]
        mix(bits)
        keys[i] = bits.sum()
    mix(keys)


@contracted_kernel
def box_muller(bits, first, second):
    """Make two independent normal numbers of each 64-bit integer; all (n,)."""
    n = bits.size
    # The upper half gives the radius, the square root of -2 log u. For the logarithm the bits of
    # u are taken apart: u = 2^exponent (1 + fraction).
    whole = first.view(np.uint64)
    for i in each(n):
        first[i] = (np.float64(bits[i] >> S32) + 0.5) * UNIT
    for i in each(n):
        second[i] = np.float64(whole[i] >> S52) - 1023.0
        whole[i] = (whole[i] & MANTISSA) | ONE
    for i in each(n):
        fraction = first[i] - 1.0
        log = second[i] * LOG_2 + log_ratio(fraction / (2.0 + fraction))
        first[i] = np.sqrt(-2.0 * log)
    # The lower half gives the angle, of which a quarter is in the polynomials' range.
    for i in each(n):
        radius = first[i]
        quarter = (np.float64(bits[i] & LOW_HALF) * UNIT - 0.5) * (0.5 * math.pi)
        s, c = sine(quarter), cosine(quarter)
        sine_half = 2.0 * s * c
        cosine_half = 1.0 - 2.0 * s * s
        second[i] = radius * 2.0 * sine_half * cosine_half
        first[i] = radius * (1.0 - 2.0 * sine_half * sine_half)


@contracted_kernel
def normals(keys, step, out):
    """Draw standard normal numbers.

    Parameters
    ----------
    keys : ndarray of shape (n_rows,), uint64
    step : ndarray of shape (1,), uint64
        Other steps give other numbers.
    out : ndarray of shape (n_samples * n_rows, n_latent)
        Receives them, sample by sample: row i's sample s in line ``s * n_rows + i``.
    """
    n_rows, n_latent = keys.size, out.shape[1]
    n_pairs = (n_latent + 1) // 2
    n = out.shape[0] * n_pairs
    own = np.empty(n_rows, np.uint64)
    bits = np.empty((out.shape[0], n_pairs), np.uint64)
    places = np.empty(n_pairs, np.uint64)
    move = np.empty(1, np.uint64)
    for j in range(n_pairs):
        places[j] = j + 1
    for j in each(n_pairs):
        places[j] = places[j] * GOLDEN
    for s in range(out.shape[0] // n_rows):
        move[0] = s
        for i in each(n_rows):
            own[i] = keys[i] ^ (step[0] + (move[0] << S32))
        mix(own)
        for i in range(n_rows):
            line = bits[s * n_rows + i]
            start = own[i : i + 1]
            for j in each(n_pairs):
                line[j] = start[0] ^ places[j]
    flat = bits.reshape(n)
    mix(flat)
    first, second = np.empty(n), np.empty(n)
    box_muller(flat, first, second)
    for i in range(out.shape[0]):
        line = out[i]
        for j in each(n_pairs):
            line[j] = first[i * n_pairs :][j]
        for j in each(n_latent - n_pairs):
            line[n_pairs:][j] = second[i * n_pairs :][j]
