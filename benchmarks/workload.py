"""The tables, the starts and the stopwatch that the timed measurements share."""

import gc
import math
import sys
import time
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks import machine

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
THREADS = 2
FIRST = 2  # iterations of the shorter of the two fits whose difference is timed


class Shape(NamedTuple):
    """Rows, columns and components of one measurement."""

    n: int
    D: int
    K: int

    def __str__(self):
        return f"{self.n}x{self.D}x{self.K}"


SHAPES = (
    Shape(100_000, 2, 5),
    Shape(200_000, 3, 7),
    Shape(100_000, 8, 10),
    Shape(100_000, 16, 20),
    Shape(50_000, 32, 20),
    Shape(30_000, 48, 8),
    Shape(20_000, 64, 20),
    Shape(100_000, 8, 100),
)


def overlapping_blobs(shape, seed=0):
    """Rows of ``K`` overlapping Gaussians with unequal covariances, columns standardised.

    The centres are about 1.5 standard deviations apart whatever ``D``, so EM is still on its
    way after a hundred iterations. Standardised columns make scikit-learn's absolute and
    skem's relative `reg_covar` the same.
    """
    n, D, K = shape
    rng = np.random.default_rng(seed)
    labels = rng.integers(K, size=n)
    X = rng.standard_normal((n, D))
    for k in range(K):
        mixing = np.eye(D) + rng.standard_normal((D, D)) * (0.3 / math.sqrt(D))
        centre = rng.standard_normal(D) * (1.5 / math.sqrt(D))
        X[labels == k] = X[labels == k] @ mixing + centre
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    return X


@dataclass(frozen=True)
class Start:
    """One start for every program: parameters, so that no k-means is run by any of them."""

    weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, D)
    covariances: np.ndarray  # of the covariance type's shape
    precisions: np.ndarray  # the same shape

    def as_parameters(self):
        """The start as scikit-learn's constructor takes it."""
        return {
            "weights_init": self.weights,
            "means_init": self.means,
            "precisions_init": self.precisions,
        }


def common_start(X, K, covariance_type, seed=1):
    """Equal weights, the table's covariance for each component, means about 2 apart.

    A mean is that of ``D / 4`` random rows: single rows lie so far apart in many dimensions that
    some components would be left with fewer rows than dimensions.
    """
    n, D = X.shape
    rng = np.random.default_rng(seed)
    means = X[rng.integers(n, size=(K, max(1, D // 4)))].mean(axis=1)
    covariance = np.cov(X.T, bias=True).reshape(D, D)
    variances = np.diag(covariance)
    if covariance_type == "full":
        covariances = np.tile(covariance, (K, 1, 1))
        precisions = np.tile(np.linalg.inv(covariance), (K, 1, 1))
    elif covariance_type == "tied":
        covariances, precisions = covariance, np.linalg.inv(covariance)
    elif covariance_type == "diag":
        covariances = np.tile(variances, (K, 1))
        precisions = 1.0 / covariances
    else:
        covariances = np.full(K, variances.mean())
        precisions = 1.0 / covariances
    return Start(np.full(K, 1.0 / K), means, covariances, precisions)


def timed_fit(estimator, X):
    """Seconds of ``estimator.fit(X)``, warnings silenced, once idle BLAS threads have settled."""
    gc.collect()
    time.sleep(0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        estimator.fit(X)
        return time.perf_counter() - begin


class PerIteration(NamedTuple):
    """One difference of two fits."""

    seconds: float  # for one iteration
    n_iter: tuple  # iterations that the shorter and the longer fit say they ran
    fitted: object  # the longer fit


def seconds_per_iteration(make, X, first, last):
    """Time of one EM iteration: a fit of `last` iterations less one of `first`.

    What a fit does once (validation, standardisation, the last pass for the bound) cancels.
    `make(max_iter)` returns an unfitted estimator.
    """
    short, long = make(first), make(last)
    short_seconds = timed_fit(short, X)
    long_seconds = timed_fit(long, X)
    ran = long.n_iter_ - short.n_iter_
    seconds = (long_seconds - short_seconds) / ran if ran > 0 else math.nan
    return PerIteration(seconds, (short.n_iter_, long.n_iter_), long)


def span_of_iterations(fastest, slowest, quick):
    """Iterations between the two fits, for a difference well above the stopwatch's noise.

    The faster program is to need `target` seconds for them, unless the slower one would then
    need more than `budget` seconds.
    """
    target, budget, least = (0.12, 1.5, 3) if quick else (0.3, 4.0, 5)
    wanted = math.ceil(target / max(fastest, 1e-6))
    affordable = int(budget / max(slowest, 1e-6))
    return max(least, min(wanted, affordable, 60))


def quiet_rounds(measure, quick):
    """Call `measure` until enough calls were hardly disturbed by other programs.

    Returns the answers of the least disturbed calls, and how many cores other programs used
    during the worst of those. A machine that does not become quiet is taken as it is.
    """
    wanted, patience = (3, 3.0) if quick else (7, 20.0)
    most = 2 * wanted
    calls = []
    while len(calls) < most:
        with machine.OtherPrograms() as others:
            answer = measure()
        calls.append((others.cores, answer))
        if sum(cores <= machine.QUIET for cores, _ in calls) == wanted:
            break
        if others.cores > machine.QUIET and not machine.wait_until_quiet(patience):
            most = wanted
    least_disturbed = sorted(calls, key=lambda call: call[0])[:wanted]
    return [answer for _, answer in least_disturbed], least_disturbed[-1][0]


def disturbance(row):
    """A remark if other programs were busy while a row was measured, as a list."""
    others = row["others_cores"]
    return [f"other programs used {others:.1f} cores"] if others > machine.QUIET else []


def progress(text):
    """A line on standard error, so that standard output holds the report alone."""
    print(f"  {text}", file=sys.stderr, flush=True)
