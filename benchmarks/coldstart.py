"""Seconds until a fresh process has imported skem, and until it has fitted its first table."""

import statistics
import tempfile

from benchmarks import child
from benchmarks.workload import progress

IMPORT = """
import json, time
begin = time.perf_counter()
import {module}
print(json.dumps(time.perf_counter() - begin))
"""

FIRST_FIT = """
import json, time, warnings
warnings.simplefilter("ignore")
begin = time.perf_counter()
from skem import EMGaussianMixture
imported = time.perf_counter()
import numpy as np
X = np.random.default_rng(0).standard_normal((500, 4))  # few rows: the start grows a tree, too
EMGaussianMixture(3, random_state=0).fit(X)
fitted = time.perf_counter()
print(json.dumps([imported - begin, fitted - imported, fitted - begin]))
"""

MODULES = ("numpy", "sklearn", "sklearn.mixture", "skem.mixture")


def run(quick):
    """Medians over fresh processes, the things measured taking turns."""
    repeats = 3 if quick else 7
    imports = {module: [] for module in MODULES}
    cold, warm = [], []
    for _ in range(repeats + 1):
        for module, seconds in imports.items():
            seconds.append(child.measure_code(IMPORT.format(module=module)))
        with tempfile.TemporaryDirectory() as directory:
            cold.append(child.measure_code(FIRST_FIT, NUMBA_CACHE_DIR=directory))
            warm.append(child.measure_code(FIRST_FIT, NUMBA_CACHE_DIR=directory))
    # The first round only brings the files into the page cache.
    result = {module: statistics.median(seconds[1:]) for module, seconds in imports.items()}
    result["cold"] = _medians(cold[1:])
    result["warm"] = _medians(warm[1:])
    progress(f"{result}")
    return result


def _medians(measured):
    columns = (statistics.median(column) for column in zip(*measured, strict=True))
    return dict(zip(("import", "fit", "both"), columns, strict=True))


def markdown(result):
    """One line for each thing a fresh process does."""
    lines = ["| a fresh process | seconds | over `sklearn` | over `sklearn.mixture` |"]
    lines.append("|---|---:|---:|---:|")
    done = {f"`import {module}`": result[module] for module in MODULES[1:]}
    done["`import skem` and first `fit`, numba cache warm"] = result["warm"]["both"]
    done["`import skem` and first `fit`, numba cache empty"] = result["cold"]["both"]
    for name, seconds in done.items():
        over = (seconds - result[module] for module in ("sklearn", "sklearn.mixture"))
        lines.append(f"| {name} | {seconds:.2f} | " + " | ".join(f"{s:+.2f}" for s in over) + " |")
    lines.append("")
    lines.append(
        f"The first `fit` alone: {result['warm']['fit']:.2f} s with a warm cache, "
        f"{result['cold']['fit']:.2f} s with an empty one."
    )
    return "\n".join(lines)
