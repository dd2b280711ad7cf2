"""Fits to Parquet files by Dask's workers: time, use of the workers, memory, and Spark.

``python -m benchmarks.dask [--rows N] [--only PART]`` prints what it measures. It is no part of
``python -m benchmarks``: the whole of it writes 2.6 GB and takes some twenty minutes.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import machine

D, K = 16, 20
ROWS, ROWS_OF_A_PART = 20_000_000, 500_000  # 64 MB
SPARK_ROWS, SPARK_K = 1_000_000, 10
FIRST, LAST = 2, 6
PARTS = ["fit", "kinds", "overhead", "spark"]
FILES = Path(__file__).parent / "build" / "dask"
KINDS_ROWS, KINDS_K, LEVELS = 2_000_000, 10, 5
# Dask tells the C library of its workers to give memory back at once, which would then be asked
# for again, and cleared, for each partition. See the guide's "Many rows".
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
SPENT = [0.0]


def rows_of(part, n_rows, n_components=K):
    """The rows of a part: clusters that overlap, the same centres for all parts."""
    centres = 2.5 * np.random.default_rng(0).standard_normal((n_components, D))
    rng = np.random.default_rng([1, part])
    return centres[rng.integers(n_components, size=n_rows)] + rng.standard_normal((n_rows, D))


def frame_of(part, n_rows):
    """The rows of a part as a data frame."""
    import pandas as pd

    return pd.DataFrame(rows_of(part, n_rows), columns=[f"x{j}" for j in range(D)])


def mixed_frame_of(part, n_rows):
    """Rows of a part of which half of the columns are categories: what pieces numbers are in."""
    import pandas as pd

    frame = frame_of(part, n_rows)
    for name in frame.columns[D // 2 :]:
        pieces = np.clip(np.floor(frame[name]) + LEVELS // 2, 0, LEVELS - 1).astype(int)
        frame[name] = pd.Categorical.from_codes(pieces, [f"level {i}" for i in range(LEVELS)])
    return frame


def write_files(n_rows, folder=FILES, make_frame=frame_of):
    """Write Parquet files of 64 MB; those of an earlier run with as many rows are kept."""
    n_parts = max(1, n_rows // ROWS_OF_A_PART)
    if len(list(folder.glob("*.parquet"))) != n_parts:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part in range(n_parts):
            frame = make_frame(part, n_rows // n_parts)
            frame.to_parquet(folder / f"{part:04}.parquet", compression=None)
    return folder


def mixture(max_iter, n_components=K):
    """A fit from given parameters, so that every pass is an E-step or measures the columns."""
    from skem import EMGaussianMixture

    return EMGaussianMixture(
        n_components,
        weights_init=np.full(n_components, 1 / n_components),
        means_init=rows_of(0, n_components, n_components),
        precisions_init=np.tile(np.eye(D), (n_components, 1, 1)),
        max_iter=max_iter,
        tol=0.0,
        resolution=None,
    )


def mixed_mixture(max_iter, n_components=KINDS_K):
    """A fit to columns of two kinds, from the same start."""
    from skem import EMMixture

    names = [f"x{j}" for j in range(D)]
    return EMMixture(
        n_components,
        columns=[("full", names[: D // 2]), ("categorical", names[D // 2 :])],
        init_params="random_from_data",
        random_state=0,
        max_iter=max_iter,
        tol=0.0,
        resolution=None,
    )


def fit_seconds(X, max_iter, n_components=K, make_mixture=mixture):
    """Seconds of a fit, and the mixture."""
    import warnings

    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make_mixture(max_iter, n_components).fit(X)
    return time.perf_counter() - begin, fitted


def cluster(n_workers):
    from dask.distributed import Client, LocalCluster

    os.environ.update(KEEP_MEMORY)
    local = LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )
    return local, Client(local)


def install_clock():
    """In a worker: add up the time that is spent in passes over rows that have been read."""
    from skem.engine import Threads

    fold = Threads.fold

    def timed(self, *arguments):
        begin = time.perf_counter()
        try:
            return fold(self, *arguments)
        finally:
            SPENT[0] += time.perf_counter() - begin

    if fold.__name__ != "timed":
        Threads.fold = timed
    SPENT[0] = 0.0


def seconds_spent():
    """In a worker: seconds in passes since the clock was set to zero."""
    return SPENT[0]


def peak_memory():
    """In a worker: the most memory that it has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_fit(n_workers, folder=FILES, n_components=K, make_mixture=mixture):
    """Seconds per iteration, share of the workers' time in passes, memory of a worker."""
    import dask.dataframe as dd

    local, client = cluster(n_workers)
    with local, client:
        X = dd.read_parquet(folder, dtype_backend="pyarrow")
        client.run(install_clock)
        fit_seconds(X, 1, n_components, make_mixture)  # compiles, not counted
        first, _ = fit_seconds(X, FIRST, n_components, make_mixture)
        client.run(install_clock)
        last, fitted = fit_seconds(X, LAST, n_components, make_mixture)
        spent = sum(client.run(seconds_spent).values())
        return {
            "n_workers": n_workers,
            "seconds_per_iteration": (last - first) / (LAST - FIRST),
            "seconds_of_a_fit": last,
            "share_in_passes": spent / (n_workers * last),
            "peak_mib": max(client.run(peak_memory).values()),
            "bound": float(fitted.lower_bound_),
        }


def measure_overhead(n_parts):
    """Seconds per iteration where there is next to nothing to do."""
    import dask.array as da

    local, client = cluster(2)
    with local, client:
        X = client.persist(da.from_array(rows_of(0, 10 * n_parts, 2), chunks=(10, D)))
        fit_seconds(X, 1, 2)
        first, _ = fit_seconds(X, 2, 2)
        last, fitted = fit_seconds(X, 22, 2)
        return {"n_parts": n_parts, "seconds": (last - first) / (fitted.n_iter_ - 2)}


def measure_spark():
    """Seconds per iteration of Spark and of ours, two threads each, and both log-likelihoods."""
    try:
        from pyspark.ml.clustering import GaussianMixture
        from pyspark.ml.feature import VectorAssembler
        from pyspark.sql import SparkSession
    except ImportError:
        return {"skipped": "pyspark is not installed"}
    if shutil.which("java") is None:
        return {"skipped": "Spark needs Java, which is not there"}
    import pandas as pd

    X = rows_of(0, SPARK_ROWS, SPARK_K)
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    try:
        names = [f"x{j}" for j in range(D)]
        path = FILES.with_name("spark.parquet")
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame(X, columns=names).to_parquet(path)
        columns = spark.read.parquet(str(path)).repartition(8)
        frame = VectorAssembler(inputCols=names, outputCol="features").transform(columns).cache()
        frame.count()

        def seconds(max_iter):
            begin = time.perf_counter()
            fitted = GaussianMixture(k=SPARK_K, maxIter=max_iter, tol=0.0, seed=0).fit(frame)
            return time.perf_counter() - begin, fitted.summary.logLikelihood

        seconds(1)  # the first one starts Java's compiler, not counted
        (first, _), (last, theirs) = seconds(FIRST), seconds(LAST)
    finally:
        spark.stop()
    import dask.array as da

    local, client = cluster(2)
    with local, client:
        rows = client.persist(da.from_array(X, chunks=(SPARK_ROWS // 8, D)))
        fit_seconds(rows, 1, SPARK_K)
        (begin, _), (end, ours) = (fit_seconds(rows, n, SPARK_K) for n in (FIRST, LAST))
    return {
        "spark_seconds": (last - first) / (LAST - FIRST),
        "skem_seconds": (end - begin) / (LAST - FIRST),
        "spark_log_likelihood": theirs,
        "skem_log_likelihood": float(ours.lower_bound_) * SPARK_ROWS,
    }


def markdown(result):
    """What was measured, line by line."""
    lines = []
    full = f"- {result['rows']:,} x {D} rows, K = {K} full"
    mixed = (
        f"- {KINDS_ROWS:,} rows of {D // 2} numbers and {D // 2} categories, K = {KINDS_K} "
        "full and categorical"
    )
    fits = [(full, row) for row in result.get("fit", [])]
    fits += [(mixed, row) for row in result.get("kinds", [])]
    for what, row in fits:
        lines.append(
            f"{what}, {row['n_workers']} worker(s) of one "
            f"thread: {row['seconds_per_iteration']:.2f} s per iteration, "
            f"{row['share_in_passes']:.0%} of the workers' time in passes, "
            f"{row['peak_mib']:.0f} MiB at most in a worker"
        )
    for row in result.get("overhead", []):
        wanted = 30 + row["n_parts"]
        lines.append(
            f"- next to empty partitions, {row['n_parts']}: {1e3 * row['seconds']:.0f} ms per "
            f"iteration (wanted: {wanted} ms)"
        )
    spark = result.get("spark")
    if spark and "skipped" in spark:
        lines.append(f"- Spark: skipped, {spark['skipped']}")
    elif spark:
        ratio = spark["spark_seconds"] / spark["skem_seconds"]
        lines.append(
            f"- Spark, {SPARK_ROWS:,} x {D} rows, K = {SPARK_K}: {spark['spark_seconds']:.2f} s an "
            f"iteration, {ratio:.1f} times those of skem; log-likelihoods "
            f"{spark['spark_log_likelihood']:.6g} (from a random start) and "
            f"{spark['skem_log_likelihood']:.6g}"
        )
    return "\n".join(
        [*lines, f"- other programs used {result['others_cores']:.1f} cores meanwhile"]
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dask", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the fit from Parquet")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    parts = [options.only] if options.only else PARTS
    result = {"rows": options.rows}
    with machine.OtherPrograms() as others:
        if "fit" in parts:
            write_files(options.rows)
            result["fit"] = [measure_fit(n_workers) for n_workers in (1, 2)]
        if "kinds" in parts:
            folder = write_files(KINDS_ROWS, FILES.with_name("kinds"), mixed_frame_of)
            result["kinds"] = [measure_fit(n, folder, KINDS_K, mixed_mixture) for n in (1, 2)]
        if "overhead" in parts:
            result["overhead"] = [measure_overhead(n_parts) for n_parts in (10, 100)]
        if "spark" in parts:
            result["spark"] = measure_spark()
    result["others_cores"] = others.cores
    print(json.dumps(result))
    print(markdown(result))


if __name__ == "__main__":
    # By its name: workers import the clock's functions from there.
    from benchmarks import dask as this

    sys.exit(this.main())
