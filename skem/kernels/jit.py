"""How every kernel is compiled, said once."""

from numba import njit

# The machine code is kept on disk, and a kernel runs without the interpreter's lock, so that
# the engine's threads work side by side. With numpy's error model a division has no branch
# for zero, which would keep its loop from being vectorised.
kernel = njit(cache=True, nogil=True, error_model="numpy")

# The same, with a * b + c allowed as one fused instruction. It neither assumes that infinities
# and NaN are absent nor reorders sums.
contracted_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})

# The same, with sums in an order that suits vectors: several of them, added up at the end.
reassociating_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
