"""How every kernel is compiled, said once."""

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
