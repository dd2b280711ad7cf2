"""Time of one EM iteration, skem against scikit-learn, on two threads each."""

import math
import statistics

from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from benchmarks import machine, workload
from benchmarks.workload import progress

SAME_BOUND = 1e-8  # nats per row


def run(quick):
    """Every shape with every covariance type; see the module's docstring."""
    speed = machine.matmul_gflops(workload.THREADS)
    rows = []
    for shape in workload.SHAPES:
        X = workload.overlapping_blobs(shape)
        for covariance_type in workload.COVARIANCE_TYPES:
            skem, sklearn = makers(X, shape.K, covariance_type)
            rows.append(compare(skem, sklearn, X, shape, covariance_type, quick))
    speed = max(speed, machine.matmul_gflops(workload.THREADS))
    for row in rows:
        if row["covariance_type"] == "full" and row["D"] >= 16:
            row["share"] = row["gflops"] / speed
    return {"rows": rows, "matmul_gflops": speed, "geometric_mean": geometric_mean(rows)}


def geometric_mean(rows):
    """That of the ratios, or NaN: a time below zero (noise above the time itself) leaves none."""
    ratios = [row["ratio"] for row in rows]
    return statistics.geometric_mean(ratios) if min(ratios) > 0 else math.nan


def makers(X, K, covariance_type):
    """`make(max_iter)` for skem and for scikit-learn, from the same start."""
    from skem import EMGaussianMixture

    start = workload.common_start(X, K, covariance_type).as_parameters()
    common = {"n_components": K, "covariance_type": covariance_type, "tol": 0.0, **start}

    def skem(max_iter):
        return EMGaussianMixture(**common, max_iter=max_iter, n_jobs=workload.THREADS)

    def sklearn(max_iter):
        return GaussianMixture(**common, max_iter=max_iter)

    return skem, sklearn


def compare(skem, sklearn, X, shape, covariance_type, quick):
    """One row of the table: alternating repeats, medians, and whether both did the same work."""

    def time_skem(last):
        return workload.seconds_per_iteration(skem, X, workload.FIRST, last)

    def time_sklearn(last):
        with threadpool_limits(limits=workload.THREADS):
            return workload.seconds_per_iteration(sklearn, X, workload.FIRST, last)

    time_skem(workload.FIRST + 1)  # compiles, not counted
    probe = workload.FIRST + 2
    fast, slow = sorted((time_skem(probe).seconds, time_sklearn(probe).seconds))
    last = workload.FIRST + workload.span_of_iterations(fast, slow, quick)
    pairs, others = workload.quiet_rounds(lambda: (time_skem(last), time_sklearn(last)), quick)
    ours, theirs = pairs[-1]
    expected = (workload.FIRST, last)
    skem_seconds = statistics.median(pair[0].seconds for pair in pairs)
    sklearn_seconds = statistics.median(pair[1].seconds for pair in pairs)
    n, D, K = shape
    row = {
        "shape": str(shape),
        "D": D,
        "covariance_type": covariance_type,
        "skem_seconds": skem_seconds,
        "sklearn_seconds": sklearn_seconds,
        "ratio": sklearn_seconds / skem_seconds,
        "gflops": 2 * n * K * D * (D + 3) / skem_seconds / 1e9,
        "share": None,
        "iterations": last - workload.FIRST,
        "same_iterations": ours.n_iter == theirs.n_iter == expected,
        "n_iter": {"skem": ours.n_iter, "scikit-learn": theirs.n_iter},
        "bound_difference": float(ours.fitted.score(X) - theirs.fitted.score(X)),
        "others_cores": others,
        "skem_rounds": [pair[0].seconds for pair in pairs],
        "sklearn_rounds": [pair[1].seconds for pair in pairs],
    }
    progress(_line(row))
    return row


def _line(row):
    return (
        f"{row['shape']} {row['covariance_type']}: scikit-learn "
        f"{1e3 * row['sklearn_seconds']:.2f} ms, skem {1e3 * row['skem_seconds']:.2f} ms, "
        f"ratio {row['ratio']:.1f}"
    )


def remarks(row):
    """What makes a row less than a clean comparison, empty if nothing does."""
    found = []
    if not row["same_iterations"]:
        found.append(f"iterations differ: {row['n_iter']}")
    if abs(row["bound_difference"]) > SAME_BOUND:
        found.append(f"bounds differ by {row['bound_difference']:.1e} nats")
    return "; ".join(found + workload.disturbance(row))


def markdown(result):
    """The table, its geometric mean, and the matrix-product speed the shares refer to."""
    head = "| n x D x K | covariance | scikit-learn, ms | skem, ms | ratio | of matmul | both |"
    lines = [head, "|---|---|---:|---:|---:|---:|---|"]
    for row in result["rows"]:
        share = "" if row["share"] is None else f"{100 * row['share']:.0f} %"
        same = remarks(row) or "same iterations, same bound"
        lines.append(
            f"| {row['shape']} | {row['covariance_type']} | {1e3 * row['sklearn_seconds']:.2f} "
            f"| {1e3 * row['skem_seconds']:.2f} | {row['ratio']:.1f} | {share} | {same} |"
        )
    lines.append("")
    lines.append(
        f"Geometric mean of the {len(result['rows'])} ratios: {result['geometric_mean']:.1f}. "
        f"Matrix product (float64, {workload.THREADS} threads): "
        f"{result['matmul_gflops']:.1f} GFLOP/s."
    )
    return "\n".join(lines)
