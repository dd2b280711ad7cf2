"""Kernels that other kernels alone can call, to be called from tests."""

from numba import njit


def from_python(callee):
    """Return a function of the same arguments and result that Python can call."""

    @njit
    def call(*arguments):
        return callee(*arguments)

    return call
