"""Peak memory of a fit beyond its table, and of a fit to a table that stays on the disk.

Each figure comes from a child process (``python -m benchmarks.memory ...``), Linux only.
"""

import ctypes
import gc
import json
import shutil
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks import child
from benchmarks.workload import progress

MIB = 2**20
D, K = 16, 20
MANY, FEWER = 2_000_000, 500_000
MAX_ITER = 3
TABLE_BYTES = 4_000_000_000
DISK_BYTES = 6_000_000_000
CHUNK = 250_000  # rows


def run(quick):
    """Four fits to tables in memory, one to a table on the disk (the same when quick)."""
    rows = []
    for n in (FEWER, MANY):
        for program in ("skem", "scikit-learn"):
            rows.append(child.measure("benchmarks.memory", "fit", program, n))
            row = rows[-1]
            progress(f"{program}, n = {n}: {row['beyond_mib']:.1f} MiB beyond X")
    result = {"rows": rows, "memmap": _run_memmap()}
    progress(f"memory map: {result['memmap']}")
    return result


def _run_memmap():
    """Write the large table, fit it in a child process, delete it."""
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if free < DISK_BYTES:
        return {"skipped": f"{place} has {free / 1e9:.1f} GB free, {DISK_BYTES / 1e9:.0f} needed"}
    n = TABLE_BYTES // 8 // D
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "table.float64"
        X = np.memmap(path, dtype=np.float64, mode="w+", shape=(n, D))
        _fill(X)
        X.flush()
        del X
        return child.measure("benchmarks.memory", "memmap", path, n)


def _fill(X):
    """Rows of `K` overlapping blobs, written chunk by chunk."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((K, D)) * (1.5 / np.sqrt(D))
    for begin in range(0, len(X), CHUNK):
        chunk = X[begin : begin + CHUNK]
        rows = rng.standard_normal(chunk.shape)
        rows += centres[rng.integers(K, size=len(rows))]
        chunk[:] = rows


def _status(name):
    """A size in /proc/self/status, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


class Peak:
    """Largest `name` of /proc/self/status inside the block, looked at every 2 ms."""

    def __init__(self, name):
        self.name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._stop.wait(0.002):
            self.bytes = max(self.bytes, _status(self.name))

    def __enter__(self):
        self.before = self.bytes = _status(self.name)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.bytes = max(self.bytes, _status(self.name))


def _estimator(program, max_iter=MAX_ITER):
    """skem as it is by default (a searched start); scikit-learn with its cheapest start."""
    common = {"n_components": K, "tol": 0.0, "max_iter": max_iter, "random_state": 0}
    if program == "skem":
        from skem import EMGaussianMixture

        return EMGaussianMixture(**common, n_jobs=2)
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(**common, init_params="random_from_data")


def _hand_back_freed_memory():
    """Return what the allocator keeps to the system, so that a fit can't hide in it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _reset_peak():
    """Make VmHWM start again from the present size; False where the system refuses."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _fit_in_memory(program, n):
    """Peak resident size during the fit, less the size just before it."""
    X = np.empty((n, D))
    _fill(X)
    _estimator(program).fit(X[:5000])  # imports, compiles
    _hand_back_freed_memory()
    exact = _reset_peak()
    estimator = _estimator(program)
    with Peak("VmRSS") as rss:
        begin = time.perf_counter()
        estimator.fit(X)
        seconds = time.perf_counter() - begin
    peak = max(rss.bytes, _status("VmHWM")) if exact else rss.bytes
    return {
        "program": program,
        "n": n,
        "table_mib": X.nbytes / MIB,
        "beyond_mib": (peak - rss.before) / MIB,
        "n_iter": estimator.n_iter_,
        "seconds": seconds,
        "counted": "VmHWM" if exact else "VmRSS, every 2 ms",
    }


def _fit_memmap(path, n):
    """Peak anonymous memory of the whole process while it fits the table on the disk."""
    X = np.memmap(path, dtype=np.float64, mode="r", shape=(n, D))
    with Peak("RssAnon") as anonymous:
        estimator = _estimator("skem", max_iter=2)
        begin = time.perf_counter()
        estimator.fit(X)
        seconds = time.perf_counter() - begin
    return {
        "n": n,
        "table_mib": X.nbytes / MIB,
        "anonymous_mib": anonymous.bytes / MIB,
        "before_mib": anonymous.before / MIB,
        "n_iter": estimator.n_iter_,
        "seconds": seconds,
    }


def markdown(result):
    """Both tables."""
    lines = ["| fit (D = 16, K = 20, full) | n | X, MiB | peak beyond X, MiB | whole fit, s |"]
    lines.append("|---|---:|---:|---:|---:|")
    for row in result["rows"]:
        start = "searched" if row["program"] == "skem" else "random_from_data"
        lines.append(
            f"| {row['program']}, {start} start, {row['n_iter']} iterations | {row['n']} "
            f"| {row['table_mib']:.0f} | {row['beyond_mib']:.1f} | {row['seconds']:.1f} |"
        )
    memmap = result["memmap"]
    lines.append("")
    if "skipped" in memmap:
        lines.append(f"Memory map: skipped, {memmap['skipped']}.")
    else:
        lines.append(
            f"Memory map of {memmap['table_mib'] * MIB / 1e9:.1f} GB ({memmap['n']} rows), skem, "
            f"searched start, {memmap['n_iter']} iterations: at most "
            f"{memmap['anonymous_mib']:.0f} MiB of anonymous memory in the whole process "
            f"({memmap['before_mib']:.0f} MiB before importing skem), {memmap['seconds']:.1f} s."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "fit":
        answer = _fit_in_memory(sys.argv[2], int(sys.argv[3]))
    else:
        answer = _fit_memmap(sys.argv[2], int(sys.argv[3]))
    print(json.dumps(answer))
