"""Activation functions of hidden layers, and their derivatives."""

import numpy as np

from skem.kernels.elementary import logistic
from skem.kernels.jit import contracted_kernel, each

IDENTITY, RELU, TANH, SILU = range(4)


@contracted_kernel
def activate(kind, before, after):
    """Write ``f(before)`` to ``after``; both flat."""
    n = before.size
    zero = before.dtype.type(0)
    if kind == RELU:
        for i in each(n):
            after[i] = np.maximum(before[i], zero)
    elif kind == TANH:
        for i in each(n):
            after[i] = 2.0 * logistic(2.0 * np.float64(before[i])) - 1.0
    elif kind == SILU:
        for i in each(n):
            after[i] = before[i] * logistic(before[i])
    else:
        for i in each(n):
            after[i] = before[i]


@contracted_kernel
def multiply_slope(kind, before, after, gradient):
    """Multiply ``gradient`` by f'(before), where ``after = f(before)``; all flat."""
    n = before.size
    zero, one = before.dtype.type(0), before.dtype.type(1)
    if kind == RELU:
        for i in each(n):
            gradient[i] *= after[i] > zero
    elif kind == TANH:
        for i in each(n):
            gradient[i] *= one - after[i] * after[i]
    elif kind == SILU:
        for i in each(n):
            s = logistic(before[i])
            gradient[i] *= s + after[i] * (1.0 - s)
