"""Does GridSearchCV(n_jobs=2) oversubscribe the cores? Counted from /proc, in child processes.

Counted are the CPU seconds of the process and of joblib's workers over the wall's seconds, and
how many of their threads are runnable at a time. CPU over wall can't exceed the number of
cores; runnable threads can, and an estimator told to use two threads in each of two workers
(the last line) shows what oversubscription would look like.
"""

import json
import os
import statistics
import sys
import threading
import time
import warnings
from pathlib import Path

from benchmarks import child, machine, workload
from benchmarks.workload import progress

CASES = {  # n_jobs of GridSearchCV and of the estimator
    "GridSearchCV(n_jobs=1)": (1, None),
    "GridSearchCV(n_jobs=2)": (2, None),
    "GridSearchCV(n_jobs=2), two threads forced on each worker": (2, 2),
}
GRID = {"n_components": [4, 8, 12, 16], "covariance_type": list(workload.COVARIANCE_TYPES)}
SHAPE = workload.Shape(100_000, 8, 12)


def run(quick):
    """Every case in a fresh process."""
    rows = []
    for name, (search_jobs, fit_jobs) in CASES.items():
        answer = child.measure("benchmarks.gridsearch", search_jobs, fit_jobs, 10 if quick else 30)
        rows.append({"case": name, **answer})
        progress(f"{rows[-1]}")
    return {"rows": rows, "cores": machine.cores()}


def _processes():
    """This process and everything it started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(_after_name(stat)[1])
        except OSError:
            continue  # it has just ended
    found = [os.getpid()]
    for pid in found:
        found += [one for one, parent in parents.items() if parent == pid]
    return found


def _after_name(stat):
    """Fields of a /proc stat file from the state on (the name before may hold anything)."""
    return stat.read_text().rpartition(")")[2].split()


def _cpu_seconds(pids):
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = _after_name(Path(f"/proc/{pid}/stat"))
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Runnable:
    """Counts the runnable threads of some processes every 10 ms, without its own."""

    def __init__(self, pids):
        self.pids = pids
        self.counts = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        own = str(threading.get_native_id())
        while not self._stop.wait(0.01):
            count = 0
            for pid in self.pids:
                for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
                    try:
                        count += stat.parent.name != own and _after_name(stat)[0] == "R"
                    except OSError:
                        continue  # the thread has just ended
            self.counts.append(count)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def _measure(search_jobs, fit_jobs, max_iter):
    """Search twice: a small one that starts and warms the workers, then the one that counts."""
    from sklearn.model_selection import GridSearchCV

    from skem import EMGaussianMixture

    X = workload.overlapping_blobs(SHAPE)
    estimator = EMGaussianMixture(
        init_params="random_from_data", tol=0.0, max_iter=max_iter, random_state=0, n_jobs=fit_jobs
    )
    search = GridSearchCV(estimator, GRID, cv=2, n_jobs=search_jobs, refit=False)
    search.fit(X[:2000])
    time.sleep(0.2)
    pids = _processes()
    cpu, wall = _cpu_seconds(pids), time.perf_counter()
    with Runnable(pids) as runnable:
        search.fit(X)
    wall = time.perf_counter() - wall
    cpu = _cpu_seconds(pids) - cpu
    return {
        "wall_seconds": wall,
        "cpu_over_wall": cpu / wall,
        "runnable_mean": statistics.fmean(runnable.counts),
        "runnable_p95": statistics.quantiles(runnable.counts, n=20)[-1],
        "processes": len(pids),
    }


def markdown(result):
    """One line for each case."""
    lines = ["| search | wall, s | CPU / wall | runnable threads, mean | 95th percentile |"]
    lines.append("|---|---:|---:|---:|---:|")
    for row in result["rows"]:
        lines.append(
            f"| {row['case']} | {row['wall_seconds']:.1f} | {row['cpu_over_wall']:.2f} "
            f"| {row['runnable_mean']:.2f} | {row['runnable_p95']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    jobs = [None if word == "None" else int(word) for word in sys.argv[1:3]]
    print(json.dumps(_measure(*jobs, int(sys.argv[3]))))
