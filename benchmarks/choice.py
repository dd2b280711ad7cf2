"""The best of 126 fits: `GaussianMixtureIC` against mclust, one thread each, and on two.

Fourteen models and 1 to 9 components each. Both programs start from model-based agglomeration;
mclust stops at its default relative tolerance of 1e-5, skem at its own, tighter one.
"""

import json
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris

from benchmarks import machine, workload
from benchmarks.workload import progress

MCLUST = """
suppressPackageStartupMessages(library(mclust))
X <- as.matrix(read.csv(commandArgs(TRUE)[1], header = FALSE))
time <- system.time(fit <- Mclust(X, G = 1:9, verbose = FALSE))
form <- '{"cpu": %f, "model": "%s", "k": %d, "bic": %f, "failed": %d, "version": "%s"}'
cat(sprintf(form, sum(time[1:2]), fit$modelName, fit$G, -fit$bic, sum(is.na(fit$BIC)),
    packageVersion("mclust")))
"""


def tables():
    """The tables by name; both programs see the same numbers."""
    from skem.datasets import load_faithful

    return {
        "faithful": load_faithful().data,
        "iris": load_iris().data,
        "breast cancer, 10 columns": load_breast_cancer().data[:, :10],
    }


def absence():
    """Why mclust can't be run, or an empty string."""
    if shutil.which("Rscript") is None:
        return "no Rscript (apt-get install r-base-core r-cran-mclust)"
    done = subprocess.run(["Rscript", "-e", "library(mclust)"], capture_output=True, text=True)
    return "R has no mclust (apt-get install r-cran-mclust)" if done.returncode else ""


def run(quick):
    """Every table, once whether quick or not; without mclust, skem alone."""
    reason = absence()
    if reason:
        progress(f"mclust is left out: {reason}")
    _fit(tables()["iris"], 1)  # loads the kernels
    rows = []
    for name, X in tables().items():
        with machine.OtherPrograms() as others:
            answer = _compare(X, not reason)
        row = {"table": name, "n": len(X), "D": X.shape[1], "others_cores": others.cores}
        rows.append(row | answer)
        progress(f"{rows[-1]}")
    return {"rows": rows, "mclust_absent": reason}


def _compare(X, with_mclust):
    """Before mclust and after it; the faster run of skem counts."""
    runs = [_fit(X, 1)]
    mclust = _mclust(X) if with_mclust else None
    runs.append(_fit(X, 1))
    one = min(runs, key=lambda run: run["cpu"])
    return {
        "skem": one,
        "skem_wall_two_threads": _fit(X, workload.THREADS)["wall"],
        "mclust": mclust,
        "ratio": mclust["cpu"] / one["cpu"] if mclust else None,
    }


def _fit(X, n_jobs):
    from skem import GaussianMixtureIC

    choice = GaussianMixtureIC(random_state=0, n_jobs=n_jobs)
    cpu, wall = time.process_time(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        choice.fit(X)
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "model": choice.best_params_["covariance_type"],
        "k": choice.best_params_["n_components"],
        "bic": choice.best_score_,
        "failed": int((choice.results_["error"] != "").sum()),
        "collapsed": int(choice.results_["collapsed"].sum()),
        "iterations": int(choice.results_["n_iter"].sum()),
    }


def _mclust(X):
    with tempfile.TemporaryDirectory() as directory:
        path, script = Path(directory) / "table.csv", Path(directory) / "fit.R"
        np.savetxt(path, X, delimiter=",", fmt="%.17g")
        script.write_text(MCLUST)
        done = subprocess.run(["Rscript", script, path], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Rscript: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def markdown(result):
    """One line for each table."""
    lines = [
        "CPU seconds of all 126 fits on one thread, and the best BIC (lower is better).",
        "",
        "| table | mclust, s | skem, s | ratio | skem on 2 threads, s (wall) | best of mclust "
        "| best of skem | |",
        "|---|---:|---:|---:|---:|---|---|---|",
    ]
    for row in result["rows"]:
        skem, mclust = row["skem"], row["mclust"]
        lines.append(
            f"| {row['table']}, {row['n']} x {row['D']} "
            f"| {_number(mclust and mclust['cpu'])} | {_number(skem['cpu'])} "
            f"| {_number(row['ratio'])} | {_number(row['skem_wall_two_threads'])} "
            f"| {_best(mclust)} | {_best(skem)} | {'; '.join(workload.disturbance(row))} |"
        )
    if result["mclust_absent"]:
        lines += ["", f"mclust was left out: {result['mclust_absent']}."]
    return "\n".join(lines)


def _number(value):
    return "" if value is None else f"{value:.1f}"


def _best(answer):
    if answer is None:
        return ""
    return f"{answer['model']}, {answer['k']}: {answer['bic']:.4f}, {answer['failed']} failed"
