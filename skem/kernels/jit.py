"""How every kernel is compiled, said once."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numba
from numba import njit
from numba.core.caching import IndexDataCacheFile

UNCOMPILED = bool(vars(numba.config)["DISABLE_JIT"])


class _OneFilePerSignature(IndexDataCacheFile):
    """The kept machine code of one function, in a file for each signature.

    Numba numbers these files in the order in which they come. Two processes that compile at once
    then choose one number for two signatures, and whoever looks later finds the other's code:
    float32 tables were refused with a TypeError until the cache was deleted. Here the number
    follows from the signature, and the index names a file only after it was written.
    """

    def save(self, key: object, data: object) -> None:
        digest = hashlib.sha256(repr(key).encode()).digest()
        name = self._data_name(int.from_bytes(digest[:8], "little"))
        self._save_data(name, data)
        overloads = self._load_index()
        if overloads.get(key) != name:
            self._save_index({**overloads, key: name})


# Nobody calls kernels from C: what that would need is not compiled.
_COMMON: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}


def _compiler(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return ``njit(**options)``, with what it keeps on disk safe from other processes."""

    def compile_lazily(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**_COMMON, **options)(function)
        if not UNCOMPILED:
            dispatcher._cache._cache_file.__class__ = _OneFilePerSignature
        return dispatcher

    return compile_lazily


# The machine code is kept on disk, and a kernel runs without the interpreter's lock, so that
# the engine's threads work side by side. With numpy's error model a division has no branch
# for zero, which would keep its loop from being vectorised.
kernel = _compiler()

# For what other kernels alone call: it can't be called from Python, and what that would need is
# not compiled, a seventh of a tree of merges' compilation.
callee_kernel = _compiler(no_cpython_wrapper=True)

# For parts of other kernels: their code is put into these before it is compiled, which takes
# a sixth of a first fit's compilation less than compiling each by itself as well.
inner_kernel = _compiler(inline="always")

# As a kernel, with a * b + c allowed as one fused instruction. It neither assumes that infinities
# and NaN are absent nor reorders sums.
contracted_kernel = _compiler(fastmath={"contract"})

# As a kernel, with sums in an order that suits vectors: several of them, added up at the end.
reassociating_kernel = _compiler(fastmath={"reassoc"})

# The same for what other kernels alone call.
contracted_callee = _compiler(fastmath={"contract"}, no_cpython_wrapper=True)
reassociating_callee = _compiler(fastmath={"reassoc"}, no_cpython_wrapper=True)

# Both: for sums of products.
vector_callee = _compiler(fastmath={"contract", "reassoc"}, no_cpython_wrapper=True)


def _at_once(*bounds: int) -> Iterable[Any]:
    return (slice(*bounds) if len(bounds) > 1 else slice(0, *bounds),)


# `for i in each(n)` and `for i in each(first, n)` are loops over indices for the compiler, and
# array code without it: there `i` is one slice, so that uncompiled runs take numpy's time and not
# that of a Python loop. The body must mean the same for both: elementwise, `np.maximum` instead of
# `max`, no branches.
each = _at_once if UNCOMPILED else range
