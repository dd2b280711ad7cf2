"""Outlier detectors on tables whose outliers are known: ROC-AUC, and the time of a fit.

Tables are made from scikit-learn's own. Of most, some classes are the inliers, and rows of the
others are added until they are the share that is said. Of some, rows are spoilt: a quarter of their
cells moved by 3 to 5 standard deviations, or put together from different rows, or drawn from the
columns' ranges. A seed takes nine tenths of the inliers, and other outliers. Columns are
standardised, constant ones dropped.

The constants of skem's default (`skem/outliers/_robust.py`) were chosen on the tables of `CHOSEN`.
Those of `HELD_OUT` had no part in it, and are averaged by themselves as well.
"""

import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.workload import progress

SEEDS = 10
SKEM, THREE, FOREST = "MixtureOutlierDetector()", "EMGaussianMixture(3)", "IsolationForest()"
DATA = Path(__file__).parent / "data"

# Name of scikit-learn's loader, inliers' classes, share of outliers.
CHOSEN = {
    "iris 0, 1": ("iris", (0, 1), 0.05),
    "iris 1, 2": ("iris", (1, 2), 0.1),
    "wine 0, 10 %": ("wine", (0,), 0.1),
    "wine 0, 2": ("wine", (0, 2), 0.05),
    "cancer, malignant": ("breast_cancer", (0,), 0.05),
    "digits 0": ("digits", (0,), 0.02),
    "digits 2": ("digits", (2,), 0.1),
    "digits 5": ("digits", (5,), 0.05),
    "digits 7": ("digits", (7,), 0.05),
    "digits 4, 6": ("digits", (4, 6), 0.05),
    "wine, cells moved": ("wine", "moved", 0.05),
    "cancer, cells mixed": ("breast_cancer", "mixed", 0.05),
    "diabetes, uniform rows": ("diabetes", "uniform", 0.05),
    "wine, cells mixed": ("wine", "mixed", 0.1),
}
HELD_OUT = {
    "iris 0": ("iris", (0,), 0.05),
    "iris 1": ("iris", (1,), 0.05),
    "iris 2": ("iris", (2,), 0.05),
    "wine 0": ("wine", (0,), 0.05),
    "wine 1": ("wine", (1,), 0.05),
    "wine 2": ("wine", (2,), 0.05),
    "wine 1, 2": ("file", "outliers_wine_class1.csv", 0.1),
    "cancer, benign": ("breast_cancer", (1,), 0.05),
    "cancer, benign, 1 %": ("breast_cancer", (1,), 0.01),
    "digits 0, 10 %": ("file", "outliers_digits_not0.csv", 0.1),
    "digits 1": ("digits", (1,), 0.05),
    "digits 3": ("digits", (3,), 0.05),
    "digits 8": ("digits", (8,), 0.05),
    "diabetes, cells moved": ("diabetes", "moved", 0.05),
    "diabetes, cells mixed": ("diabetes", "mixed", 0.05),
    "iris, cells mixed": ("iris", "mixed", 0.05),
}


def run(quick):
    seeds = range(2 if quick else SEEDS)
    _detectors(0)[SKEM].fit(np.random.default_rng(0).normal(size=(90, 2)))  # compiles
    rows = [
        _row(name, table, seeds, held_out=table_set is HELD_OUT)
        for table_set in (CHOSEN, HELD_OUT)
        for name, table in table_set.items()
    ]
    skipped = [] if find_spec("pyod") else ["ECOD: pyod is not installed (pip install pyod)"]
    return {"seeds": len(seeds), "rows": rows, "left_out": skipped}


def markdown(result):
    rows = result["rows"]
    methods = list(rows[0]["auc"])
    lines = [
        f"ROC-AUC, mean of {result['seeds']} seeds. The default's constants were chosen on the "
        f"first {len(CHOSEN)} tables; the others are held out.",
        "",
        f"| table | {' | '.join(methods)} |",
        "|---|" + "---|" * len(methods),
    ]
    for row in rows:
        lines.append(_line(row["table"], row["auc"].values(), 3))
    for name, some in parts(result).items():
        values = [means(some)[method] for method in methods]
        lines.append(_line(f"**mean, {name}**", values, 4))
    seconds = [1e3 * np.mean([row["seconds"][method] for row in rows]) for method in methods]
    lines.append(_line("**fit, ms**", seconds, 0))
    return "\n".join([*lines, *(f"\nLeft out: {text}." for text in result["left_out"])])


def parts(result):
    """The rows of all tables, and of those that were held out."""
    held_out = [row for row in result["rows"] if row["held_out"]]
    return {"all tables": result["rows"], "tables held out": held_out}


def means(rows):
    """Each method's mean ROC-AUC."""
    return {
        method: float(np.mean([row["auc"][method] for row in rows])) for method in rows[0]["auc"]
    }


def best_other(auc):
    """The highest ROC-AUC of detectors that are not this package's."""
    return max(value for method, value in auc.items() if method not in (SKEM, THREE))


def _line(name, values, places):
    return f"| {name} | {' | '.join(f'{value:.{places}f}' for value in values)} |"


def _make(table, seed):
    """Rows, and which of them are outliers."""
    from sklearn import datasets

    source, kind, share = table
    rng = np.random.default_rng(seed)
    if source == "file":
        rows = np.loadtxt(DATA / kind, delimiter=",", skiprows=1)
        kept = np.sort(rng.choice(len(rows), int(0.9 * len(rows)), replace=False))
        X, odd = rows[kept, :-1], rows[kept, -1]
    else:
        loaded = getattr(datasets, f"load_{source}")()
        if isinstance(kind, str):
            X, odd = _spoil(loaded.data, kind, share, rng)
        else:
            X, odd = _mix(loaded.data, np.isin(loaded.target, kind), share, rng)
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0), odd


def _mix(X, inlier, share, rng):
    inliers, others = np.flatnonzero(inlier), np.flatnonzero(~inlier)
    inliers = rng.choice(inliers, round(0.9 * len(inliers)), replace=False)
    number = max(2, round(share / (1 - share) * len(inliers)))
    outliers = rng.choice(others, min(number, len(others)), replace=False)
    return X[np.r_[inliers, outliers]], np.repeat([0, 1], [len(inliers), len(outliers)])


def _spoil(X, kind, share, rng):
    X = X[rng.choice(len(X), int(0.9 * len(X)), replace=False)].astype(np.float64)
    n, d = X.shape
    rows = rng.choice(n, max(2, round(share * n)), replace=False)
    if kind == "moved":
        deviation = X.std(axis=0)
        for row in rows:
            cells = rng.choice(d, max(1, d // 4), replace=False)
            sign = rng.choice([-1, 1], len(cells))
            X[row, cells] += sign * rng.uniform(3, 5, len(cells)) * deviation[cells]
    elif kind == "mixed":
        X[rows] = np.column_stack([rng.permutation(X[:, j]) for j in range(d)])[rows]
    else:
        X[rows] = rng.uniform(X.min(axis=0), X.max(axis=0), (len(rows), d))
    return X, np.isin(np.arange(n), rows).astype(int)


def _detectors(seed):
    from sklearn.covariance import EllipticEnvelope
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor

    from skem import EMGaussianMixture, MixtureOutlierDetector

    detectors = {
        SKEM: MixtureOutlierDetector(random_state=seed),
        THREE: EMGaussianMixture(3, random_state=seed),
        FOREST: IsolationForest(random_state=seed),
        "LocalOutlierFactor()": LocalOutlierFactor(),
        "EllipticEnvelope()": EllipticEnvelope(random_state=seed),
    }
    if find_spec("pyod"):
        from pyod.models.ecod import ECOD

        detectors["ECOD()"] = ECOD()
    return detectors


def _score(detector, X):
    """Scores of the rows that were fitted; the lower, the odder."""
    if hasattr(detector, "negative_outlier_factor_"):
        return detector.negative_outlier_factor_
    if hasattr(detector, "decision_scores_"):
        return -detector.decision_scores_
    return detector.score_samples(X)


def _row(name, table, seeds, *, held_out):
    from sklearn.metrics import roc_auc_score

    auc, seconds = {}, {}
    for seed in seeds:
        X, odd = _make(table, seed)
        for method, detector in _detectors(seed).items():
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                detector.fit(X)
            seconds.setdefault(method, []).append(time.perf_counter() - begin)
            auc.setdefault(method, []).append(float(roc_auc_score(odd, -_score(detector, X))))
    row = {
        "table": name,
        "held_out": held_out,
        "auc": {method: float(np.mean(values)) for method, values in auc.items()},
        "all": auc,
        "seconds": {method: float(np.mean(values)) for method, values in seconds.items()},
    }
    progress(f"{name}: " + ", ".join(f"{k} {v:.3f}" for k, v in row["auc"].items()))
    return row
