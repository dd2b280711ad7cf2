"""What people do with small tables, against scikit-learn's mixture: iris, one thread each.

CPU time, since what else runs on a machine can only make it longer; both programs take turns, and
the shortest of many turns counts.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from benchmarks.workload import COVARIANCE_TYPES, progress

K = 3
TURNS, QUICK_TURNS = 200, 40
FIT_TURNS, QUICK_FIT_TURNS = 40, 10
# An iteration is a fit of the longer one less one of the other, over the difference.
ITERATIONS = (10, 60)
ASKED = ("score_samples", "predict", "predict_proba")
GRID = {"n_components": list(range(1, 10)), "covariance_type": list(COVARIANCE_TYPES)}
FOLDS = 5


def run(quick):
    """Milliseconds of each program, case by case."""
    X = load_iris().data
    turns, fit_turns = (QUICK_TURNS, QUICK_FIT_TURNS) if quick else (TURNS, FIT_TURNS)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [_of_iterations(X, name, fit_turns) for name in COVARIANCE_TYPES]
        rows += [_of_answers(X, method, turns) for method in ASKED]
        rows += [_of_fits(X, start, fit_turns) for start in ("auto", "kmeans")]
        rows += [_of_grids(X, start, 1 if quick else 2) for start in ("auto", "kmeans")]
    for row in rows:
        progress(f"{row}")
    return {"rows": rows}


def markdown(result):
    """One line for each case."""
    lines = [
        "CPU milliseconds on iris (150 x 4), one thread; the shortest of many turns.",
        "",
        "| what | scikit-learn, ms | skem, ms | ratio |",
        "|---|---:|---:|---:|",
    ]
    for row in result["rows"]:
        times = f"{row['sklearn']:.3g} | {row['skem']:.3g}"
        lines.append(f"| {row['case']} | {times} | {row['ratio']:.2f} |")
    return "\n".join(lines)


def _mixtures(**parameters):
    """Both programs' estimators; skem's own parameters are dropped for the other."""
    from sklearn.mixture import GaussianMixture

    from skem import EMGaussianMixture

    own = EMGaussianMixture(random_state=0, n_jobs=1, **parameters)
    parameters.pop("resolution", None)
    if parameters.get("init_params") == "auto":
        parameters["init_params"] = "kmeans"
    return {"skem": own, "sklearn": GaussianMixture(random_state=0, **parameters)}


def _shortest(actions, turns):
    """Milliseconds of CPU time of each action; the first turn does not count."""
    lowest = dict.fromkeys(actions, np.inf)
    for turn in range(turns + 1):
        for name, action in actions.items():
            begin = time.process_time()
            action()
            taken = 1e3 * (time.process_time() - begin)
            if turn:
                lowest[name] = min(lowest[name], taken)
    return lowest


def _row(case, lowest):
    return {"case": case, **lowest, "ratio": lowest["sklearn"] / lowest["skem"]}


def _of_iterations(X, covariance_type, turns):
    # Means that need far more iterations than these.
    begin = {"weights_init": np.full(K, 1 / K), "means_init": X[[0, 1, 2]]}
    fits = {}
    for n in ITERATIONS:
        mixtures = _mixtures(
            n_components=K, covariance_type=covariance_type, init_params="kmeans", tol=0,
            max_iter=n, resolution=None, **begin,
        )  # fmt: skip
        fits |= {(name, n): (lambda m=m: m.fit(X)) for name, m in mixtures.items()}
    lowest, (few, many) = _shortest(fits, turns), ITERATIONS
    each = {
        name: (lowest[name, many] - lowest[name, few]) / (many - few)
        for name in ("skem", "sklearn")
    }
    return _row(f"an EM iteration, K = {K}, {covariance_type}", each)


def _of_answers(X, method, turns):
    fitted = {name: m.fit(X) for name, m in _mixtures(n_components=K).items()}
    asked = {name: (lambda m=m: getattr(m, method)(X)) for name, m in fitted.items()}
    return _row(f"{method} of 150 rows", _shortest(asked, turns))


def _of_fits(X, start, turns):
    """Each fit is of another order of the rows: skem remembers what it made of small tables."""
    mixtures = _mixtures(n_components=K, init_params=start)
    rng = np.random.default_rng(0)
    fits = {name: (lambda m=m: m.fit(rng.permutation(X))) for name, m in mixtures.items()}
    return _row(f"fit, K = {K}, init_params={start!r}", _shortest(fits, turns))


def _of_grids(X, start, turns):
    grids = {
        name: GridSearchCV(m, GRID, cv=FOLDS) for name, m in _mixtures(init_params=start).items()
    }
    searches = {name: (lambda g=g: g.fit(X)) for name, g in grids.items()}
    case = f"GridSearchCV, 36 cells x {FOLDS} folds, init_params={start!r}"
    return _row(case, _shortest(searches, turns))
