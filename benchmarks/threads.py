"""Time of one EM iteration of skem on one thread and on two."""

import statistics

from benchmarks import workload
from benchmarks.iteration import makers
from benchmarks.workload import progress

LARGER = workload.SHAPES[1:]


def run(quick):
    """Every larger shape with every covariance type, one thread and two taking turns."""
    rows = []
    for shape in LARGER:
        X = workload.overlapping_blobs(shape)
        for covariance_type in workload.COVARIANCE_TYPES:
            rows.append(_compare(X, shape, covariance_type, quick))
            progress(f"{shape} {covariance_type}: {rows[-1]['speedup']:.2f}")
    return {"rows": rows}


def _compare(X, shape, covariance_type, quick):
    make, _ = makers(X, shape.K, covariance_type)

    def time(n_jobs, last):
        def with_jobs(max_iter):
            return make(max_iter).set_params(n_jobs=n_jobs)

        return workload.seconds_per_iteration(with_jobs, X, workload.FIRST, last).seconds

    time(2, workload.FIRST + 1)  # compiles, not counted
    probe = workload.FIRST + 4
    two, one = time(2, probe), time(1, probe)
    last = workload.FIRST + workload.span_of_iterations(two, one, quick)
    pairs, others = workload.quiet_rounds(lambda: (time(1, last), time(2, last)), quick)
    one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "shape": str(shape),
        "covariance_type": covariance_type,
        "one_thread_seconds": one,
        "two_threads_seconds": two,
        "speedup": one / two,
        "others_cores": others,
        "rounds": pairs,
    }


def markdown(result):
    """One line for each shape and covariance type."""
    lines = ["| n x D x K | covariance | 1 thread, ms | 2 threads, ms | speed-up | |"]
    lines.append("|---|---|---:|---:|---:|---|")
    for row in result["rows"]:
        lines.append(
            f"| {row['shape']} | {row['covariance_type']} | {1e3 * row['one_thread_seconds']:.2f} "
            f"| {1e3 * row['two_threads_seconds']:.2f} | {row['speedup']:.2f} "
            f"| {'; '.join(workload.disturbance(row))} |"
        )
    return "\n".join(lines)
