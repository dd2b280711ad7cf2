"""Variational inference, skem against scikit-learn, on two threads each."""

import warnings

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.mixture import BayesianGaussianMixture

from benchmarks import iteration, workload
from benchmarks.workload import progress

SAME = 1e-5  # relative difference of bounds that counts as none
MOST = 500  # iterations
CENTRES, COMPONENTS = 6, 8


def run(quick):
    """Time of an iteration for every shape and type; iterations to the same relative bound."""
    rows = []
    for shape in workload.SHAPES:
        X = workload.overlapping_blobs(shape)
        for covariance_type in workload.COVARIANCE_TYPES:
            skem, sklearn = makers(shape.K, covariance_type)
            rows.append(iteration.compare(skem, sklearn, X, shape, covariance_type, quick))
    reach = [_iterations(seed) for seed in range(3 if quick else 8)]
    return {"rows": rows, "geometric_mean": iteration.geometric_mean(rows), "reach": reach}


def makers(K, covariance_type, **parameters):
    """`make(max_iter)` for skem and for scikit-learn, with the same priors and start."""
    from skem import VariationalGaussianMixture

    common = {
        "n_components": K,
        "covariance_type": covariance_type,
        "tol": 0.0,
        "init_params": "random_from_data",
        "random_state": 0,
        "weight_concentration_prior_type": "dirichlet_distribution",
        **parameters,
    }

    def skem(max_iter):
        return VariationalGaussianMixture(**common, max_iter=max_iter, n_jobs=workload.THREADS)

    def sklearn(max_iter):
        return BayesianGaussianMixture(**common, max_iter=max_iter)

    return skem, sklearn


def _iterations(seed):
    """How many iterations each program takes to the bound at which scikit-learn stops.

    Full covariances and Dirichlet weights, which both programs model alike, from the same start
    with two components too many. scikit-learn's bound lacks constants, so skem evaluates it.
    """
    shape = workload.Shape(3000, 2 + seed % 4, COMPONENTS)
    X, _ = make_blobs(shape.n, shape.D, centers=CENTRES, center_box=(-6, 6), random_state=seed)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    skem, sklearn = makers(shape.K, "full", random_state=seed, init_params="kmeans", tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = sklearn(MOST).fit(X), skem(MOST).fit(X)
        evaluated = skem(0).set_params(init_params=theirs.predict_proba(X)).fit(X)
    reached = np.asarray(ours.lower_bounds_) >= (1 + SAME) * evaluated.lower_bound_
    row = {
        "seed": seed,
        "shape": str(shape),
        "sklearn": theirs.n_iter_,
        "skem": int(np.argmax(reached)) + 1 if reached.any() else None,
        "skem_stops": ours.n_iter_,
        "higher_by": ours.lower_bound_ - evaluated.lower_bound_,
    }
    progress(f"{row}")
    return row


def markdown(result):
    """The tables, and the geometric mean of the ratios."""
    head = "| n x D x K | covariance | scikit-learn, ms | skem, ms | ratio | |"
    lines = [head, "|---|---|---:|---:|---:|---|"]
    for row in result["rows"]:
        remarks = [] if row["same_iterations"] else [f"iterations differ: {row['n_iter']}"]
        lines.append(
            f"| {row['shape']} | {row['covariance_type']} | {1e3 * row['sklearn_seconds']:.2f} "
            f"| {1e3 * row['skem_seconds']:.2f} | {row['ratio']:.1f} "
            f"| {'; '.join(remarks + workload.disturbance(row))} |"
        )
    lines += [
        "",
        f"Geometric mean of the {len(result['rows'])} ratios: {result['geometric_mean']:.1f}.",
        "",
        f"Iterations to the bound at which scikit-learn stops, to a relative {SAME:g}, with "
        "`tol=1e-3` and two components more than clusters (full covariances, Dirichlet weights, "
        "the same start); and where skem stops.",
        "",
        "| n x D x K, seed | scikit-learn | skem | skem stops | higher by, nats |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['shape']}, {row['seed']} | {row['sklearn']} | {row['skem'] or 'never'} "
        f"| {row['skem_stops']} | {row['higher_by']:.4f} |"
        for row in result["reach"]
    ]
    return "\n".join(lines)
