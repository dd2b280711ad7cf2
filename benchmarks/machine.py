"""What the measurements ran on, and its own speed at multiplying matrices."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

QUIET = 0.15  # cores that other programs may use while something is timed
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "joblib", "threadpoolctl")


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _field(path, name):
    """The first value called `name` in a ``name : value`` file of /proc."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"


def describe():
    """Processor, memory, BLAS and versions, as a flat dictionary of strings."""
    import scipy.linalg  # noqa: F401  (loads SciPy's own BLAS, so that it is listed)

    import skem

    libraries = {
        f"{lib['internal_api']} {lib['version']} ({lib.get('architecture', 'unknown')})"
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    }
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": str(cores()),
        "memory": f"{memory:.0f} GiB",
        "system": platform.platform(),
        "BLAS": ", ".join(sorted(libraries)),
        "Python": platform.python_version(),
        "skem": getattr(skem, "__version__", _version("skem")),
        **{name: _version(name) for name in PACKAGES},
        "load average at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def matmul_gflops(threads, size=2048, repeats=5):
    """Best speed of a square float64 matrix product, in 1e9 flops per second."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, size))
    out = np.empty((size, size))
    best = np.inf
    with threadpool_limits(limits=threads):
        np.matmul(a, b, out=out)
        for _ in range(repeats):
            begin = time.perf_counter()
            np.matmul(a, b, out=out)
            best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9


class OtherPrograms:
    """How many cores programs other than this one and its children kept busy, on average."""

    def __enter__(self):
        self._begin = self._read()
        return self

    def __exit__(self, *_):
        busy, wall = (now - then for now, then in zip(self._read(), self._begin, strict=True))
        self.cores = max(0.0, busy / wall)

    @staticmethod
    def _read():
        """Seconds that others have used, seconds on the clock."""
        words = Path("/proc/stat").read_text().split(maxsplit=9)
        user, nice, system, _, _, irq, soft_irq, steal = map(int, words[1:9])
        ticks = user + nice + system + irq + soft_irq + steal
        return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4]), time.perf_counter()


def wait_until_quiet(patience):
    """Whether other programs became quiet, for half a second, within `patience` seconds."""
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        with OtherPrograms() as others:
            time.sleep(0.5)
        if others.cores <= QUIET:
            return True
    return False
