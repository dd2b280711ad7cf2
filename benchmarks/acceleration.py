"""Passes over the rows that accelerated EM needs, against plain EM from the same start.

Every E-step over the rows counts, whether or not what it found was taken.
"""

import functools
import statistics
import time
import warnings

import numpy as np

from benchmarks import simulated
from benchmarks.workload import progress
from skem.engine import Threads
from skem.inference.tasks import Expect, LogNormaliser

METHODS = (None, "squarem", "anderson")
MOST = 20_000  # iterations
TOL = 1e-8
SETTINGS = (  # kind, tol
    ("EM", TOL),
    ("MAP", TOL),
    ("VB", TOL),
    ("EM", 1e-3),
    ("VB", 1e-3),
)
PRIORS = {
    "weight_concentration_prior": 2.0,
    "mean_precision_prior": 0.01,
    "degrees_of_freedom_prior": 10.0,
}
SAME = 1e-6  # nats per row: bounds that are closer are those of the same maximum


def run(quick):
    """Passes and bounds for every seed, kind of fit, tolerance and method."""
    seeds = list(simulated.SEEDS)[: 12 if quick else None]
    settings = SETTINGS[:1] if quick else SETTINGS
    rows = []
    for kind, tol in settings:
        fits = [[_fit(seed, kind, tol, method) for method in METHODS] for seed in seeds]
        for number, method in enumerate(METHODS[1:], start=1):
            rows.append(_summarise(kind, tol, method, [(fit[0], fit[number]) for fit in fits]))
            progress(f"{rows[-1]}")
    return {"rows": rows, "seeds": len(seeds)}


def make(kind, K, **parameters):
    """An estimator of one of the three kinds."""
    from skem import EMGaussianMixture, VariationalGaussianMixture

    if kind == "VB":
        return VariationalGaussianMixture(K, **parameters)
    return EMGaussianMixture(K, **parameters, **(PRIORS if kind == "MAP" else {}))


def _fit(seed, kind, tol, method):
    """Passes over the rows, the final bound per row, seconds."""
    case = simulated.simulate(seed)
    estimator = make(
        kind,
        case.K,
        tol=tol,
        max_iter=MOST,
        init_params="kmeans",
        random_state=seed,
        n_jobs=1,
        acceleration=method,
    )
    with warnings.catch_warnings(), CountedPasses() as passes:
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        estimator.fit(case.X)
        seconds = time.perf_counter() - begin
    bound = estimator.lower_bound_ / (len(case.X) if kind == "VB" else 1)
    return passes.count, bound, seconds


class CountedPasses:
    """Counts the E-steps over all rows that are made meanwhile."""

    def __enter__(self):
        self.count, fold = 0, Threads.fold
        self._fold = fold

        @functools.wraps(fold)
        def counted(threads, task, *args):
            self.count += isinstance(task, Expect | LogNormaliser)
            return fold(threads, task, *args)

        Threads.fold = counted
        return self

    def __exit__(self, *exception):
        Threads.fold = self._fold


def _summarise(kind, tol, method, pairs):
    plain, accelerated = (np.array(side) for side in zip(*pairs, strict=True))
    slow = plain[:, 0] >= np.median(plain[:, 0])
    higher = accelerated[:, 1] - plain[:, 1]
    return {
        "kind": kind,
        "tol": tol,
        "method": method,
        "plain_passes": float(np.median(plain[slow, 0])),
        "passes": float(np.median(accelerated[slow, 0])),
        "share_slow": statistics.geometric_mean(accelerated[slow, 0] / plain[slow, 0]),
        "share_all": statistics.geometric_mean(accelerated[:, 0] / plain[:, 0]),
        "time_slow": statistics.geometric_mean(accelerated[slow, 2] / plain[slow, 2]),
        "time_all": float(accelerated[:, 2].sum() / plain[:, 2].sum()),
        "lower": int((higher < -SAME).sum()),
        "higher": int((higher > SAME).sum()),
        "higher_by": float(higher.mean()),
        "least": float(higher.min()),
    }


def markdown(result):
    """One table: each kind of fit, tolerance and method against plain iterations."""
    lines = [
        f"{result['seeds']} simulated mixtures (`simulated.py`), the same k-means start. The slow "
        "half are those for which plain iterations need more passes; shares are geometric means.",
        "",
        "| fit | tol | acceleration | passes, slow half (median) | share of plain's, slow half "
        "| all | time, slow half | lower bound | higher bound | mean difference, nats per row |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['kind']} | {row['tol']:g} | {row['method']} | {row['plain_passes']:.0f} -> "
        f"{row['passes']:.0f} | {row['share_slow']:.2f} | {row['share_all']:.2f} "
        f"| {row['time_slow']:.2f} | {row['lower']} | {row['higher']} | {row['higher_by']:+.1e} |"
        for row in result["rows"]
    ]
    lines += [
        "",
        f"Lower and higher: cases whose final bounds differ by more than {SAME:g} nats per row, "
        "where the two ended at different maxima.",
    ]
    return "\n".join(lines)
