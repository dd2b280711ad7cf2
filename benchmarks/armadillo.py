"""Time of one EM iteration, skem against Armadillo's gmm_full and gmm_diag (C++, OpenMP)."""

import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import workload
from benchmarks.workload import progress

HERE = Path(__file__).parent
PROGRAM = HERE / "build" / "armadillo_gmm"
SAME_BOUND = 1e-8  # nats per row


def build():
    """Build the C++ program; returns why it can't be, or an empty string."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return "no C++ compiler (apt-get install g++)"
    done = subprocess.run(["sh", HERE / "build_armadillo.sh"], capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    if "armadillo: No such file" in done.stderr or "-larmadillo" in done.stderr:
        return "Armadillo is not installed (apt-get install libarmadillo-dev)"
    return "the build failed: " + done.stderr.strip().splitlines()[-1]


def run(quick):
    """Full and diagonal covariances on every shape; skipped where Armadillo is absent."""
    reason = build()
    if reason:
        progress(f"skipped: {reason}")
        return {"skipped": reason}
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for shape in workload.SHAPES:
            X = workload.overlapping_blobs(shape)
            for covariance_type in ("full", "diag"):
                path = Path(directory) / "table.bin"
                rows.append(_compare(X, shape, covariance_type, path, quick))
                row = rows[-1]
                progress(f"{shape} {covariance_type}: ratio {row['ratio']:.1f}")
    return {"rows": rows}


def _write(path, X, start):
    with path.open("wb") as file:
        for array in (X, start.weights, start.means, start.covariances):
            np.ascontiguousarray(array, dtype=np.float64).tofile(file)


def _time_armadillo(covariance_type, path, shape, last):
    """Seconds of an iteration, mean log-likelihood after `last` iterations, and the version."""
    command = [PROGRAM, covariance_type, path, *shape, workload.FIRST, last]
    environment = {**os.environ, "OMP_NUM_THREADS": str(workload.THREADS)}
    done = subprocess.run(
        [str(word) for word in command], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{PROGRAM.name}: {done.stderr.strip()}")
    first_seconds, last_seconds, bound, version = done.stdout.split()
    seconds = (float(last_seconds) - float(first_seconds)) / (last - workload.FIRST)
    return seconds, float(bound), version


def _compare(X, shape, covariance_type, path, quick):
    """One row: alternating repeats from one start. No covariance is regularised in either."""
    from skem import EMGaussianMixture

    start = workload.common_start(X, shape.K, covariance_type)
    _write(path, X, start)

    def make(max_iter):
        return EMGaussianMixture(
            shape.K,
            covariance_type=covariance_type,
            tol=0.0,
            reg_covar=0.0,
            max_iter=max_iter,
            n_jobs=workload.THREADS,
            **start.as_parameters(),
        )

    def time_skem(last):
        return workload.seconds_per_iteration(make, X, workload.FIRST, last)

    time_skem(workload.FIRST + 1)  # compiles, not counted
    probe = workload.FIRST + 2
    fast, slow = sorted(
        (
            time_skem(probe).seconds,
            _time_armadillo(covariance_type, path, shape, probe)[0],
        )
    )
    last = workload.FIRST + workload.span_of_iterations(fast, slow, quick)
    pairs, others = workload.quiet_rounds(
        lambda: (time_skem(last), _time_armadillo(covariance_type, path, shape, last)), quick
    )
    ours, theirs = zip(*pairs, strict=True)
    skem_seconds = statistics.median(one.seconds for one in ours)
    armadillo_seconds = statistics.median(one[0] for one in theirs)
    return {
        "shape": str(shape),
        "covariance_type": covariance_type,
        "skem_seconds": skem_seconds,
        "armadillo_seconds": armadillo_seconds,
        "ratio": armadillo_seconds / skem_seconds,
        "iterations": last - workload.FIRST,
        "bound_difference": float(ours[-1].fitted.score(X)) - theirs[-1][1],
        "armadillo_version": theirs[-1][2],
        "others_cores": others,
        "skem_rounds": [one.seconds for one in ours],
        "armadillo_rounds": [one[0] for one in theirs],
    }


def markdown(result):
    """One line for each shape and covariance type."""
    if "skipped" in result:
        return f"Skipped: {result['skipped']}."
    lines = ["| n x D x K | covariance | Armadillo, ms | skem, ms | ratio | both |"]
    lines.append("|---|---|---:|---:|---:|---|")
    for row in result["rows"]:
        difference = row["bound_difference"]
        same = "same bound" if abs(difference) <= SAME_BOUND else f"bounds differ: {difference:.1e}"
        same = "; ".join([same, *workload.disturbance(row)])
        lines.append(
            f"| {row['shape']} | {row['covariance_type']} | {1e3 * row['armadillo_seconds']:.2f} "
            f"| {1e3 * row['skem_seconds']:.2f} | {row['ratio']:.1f} | {same} |"
        )
    lines += [
        "",
        f"Armadillo {result['rows'][0]['armadillo_version']}, OpenMP, "
        f"{workload.THREADS} threads, -O3 -march=native.",
    ]
    return "\n".join(lines)
