"""How every kernel is compiled, said once."""

from collections.abc import Iterable
from typing import Any

import numba
from numba import njit

# The machine code is kept on disk, and a kernel runs without the interpreter's lock, so that
# the engine's threads work side by side. With numpy's error model a division has no branch
# for zero, which would keep its loop from being vectorised.
kernel = njit(cache=True, nogil=True, error_model="numpy")

# For parts of other kernels: their code is put into these before it is compiled, which takes
# a sixth of a first fit's compilation less than compiling each by itself as well.
inner_kernel = njit(cache=True, nogil=True, error_model="numpy", inline="always")

# As a kernel, with a * b + c allowed as one fused instruction. It neither assumes that infinities
# and NaN are absent nor reorders sums.
contracted_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})

# As a kernel, with sums in an order that suits vectors: several of them, added up at the end.
reassociating_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})


def _at_once(n: int) -> Iterable[Any]:
    return (slice(0, n),)


# `for i in each(n)` is a loop over indices for the compiler, and array code without it: there
# `i` is one slice, so that uncompiled runs take numpy's time and not that of a Python loop. The
# body must mean the same for both: elementwise, `np.maximum` instead of `max`, no branches.
UNCOMPILED = bool(vars(numba.config)["DISABLE_JIT"])
each = _at_once if UNCOMPILED else range
