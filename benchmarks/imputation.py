"""Imputed cells against what they were, and whether draws are as wide as they should be.

20 % of the cells of standardised tables are hidden at random. The root mean square error over
hidden cells, in standard deviations, and the time of ``fit_transform`` are means over masks.
"""

import time
import warnings
from functools import partial

import numpy as np
from scipy import stats

from benchmarks import simulated
from benchmarks.workload import progress

SEEDS = 5
MISSING = 0.2
SKEM, GAUSSIAN, RIDGE, FOREST = (
    "MixtureImputer()",
    "one Gaussian",
    "IterativeImputer()",
    "IterativeImputer(forest)",
)


def run(quick):
    seeds = range(2 if quick else SEEDS)
    some = np.random.default_rng(0).normal(size=(150, 4))
    _imputers(0)[SKEM].fit_transform(np.where(_holes(some.shape, 0), np.nan, some))  # compiles
    rows = [_row(name, X, seeds) for name, X in _tables().items()]
    intervals = _intervals(seeds)
    return {"seeds": len(seeds), "rows": rows, "intervals": intervals, "means": _means(quick)}


def markdown(result):
    methods = list(result["rows"][0]["rmse"])
    lines = [
        f"RMSE, mean of {result['seeds']} masks; in brackets seconds. Forest: 50 trees, at most 5 "
        "turns.",
        "",
        f"| table | {' | '.join(methods)} |",
        "|---|" + "---|" * len(methods),
    ]
    for row in result["rows"]:
        cells = [f"{row['rmse'][name]:.4f} ({row['seconds'][name]:.2f})" for name in methods]
        lines.append(f"| {row['table']} | {' | '.join(cells)} |")
    held = ", ".join(f"{100 * share:.1f} %" for share in result["intervals"])
    lines += ["", f"90 % intervals of 500 draws, simulated mixtures, hold hidden cells: {held}."]
    for row in result["means"]:
        lines.append(
            f"95 % intervals of a mean by Rubin's rules, {row['draws']} draws, "
            f"{row['parameters']}: {100 * row['coverage']:.1f} % of {row['tables']} tables."
        )
    return "\n".join(lines)


def _tables():
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

    tables = {
        "iris": load_iris().data,
        "diabetes": load_diabetes().data,
        "cancer, 10 columns": load_breast_cancer().data[:, :10],
        "wine": load_wine().data,
    }
    return {name: (X - X.mean(axis=0)) / X.std(axis=0) for name, X in tables.items()}


class _OneGaussian:
    """The exact maximum-likelihood Gaussian, and its conditional means."""

    def fit_transform(self, X):
        from skem import EMGaussianMixture

        return EMGaussianMixture(1, tol=1e-6, max_iter=1000).fit(X).impute(X)


def _imputers(seed):
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    from skem import MixtureImputer

    forest = RandomForestRegressor(50, random_state=seed)
    return {
        SKEM: MixtureImputer(random_state=seed),
        GAUSSIAN: _OneGaussian(),
        "mean": SimpleImputer(),
        "KNNImputer(5)": KNNImputer(n_neighbors=5),
        RIDGE: IterativeImputer(random_state=seed),
        FOREST: IterativeImputer(forest, max_iter=5, random_state=seed),
    }


def _holes(shape, seed):
    hidden = np.random.default_rng(seed).uniform(size=shape) < MISSING
    hidden[hidden.all(axis=1), 0] = False
    return hidden


def _row(name, X, seeds):
    errors, seconds = {}, {}
    for seed in seeds:
        hidden = _holes(X.shape, seed)
        holed = np.where(hidden, np.nan, X)
        for method, imputer in _imputers(seed).items():
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                filled = imputer.fit_transform(holed)
            seconds.setdefault(method, []).append(time.perf_counter() - begin)
            rmse = np.sqrt(np.mean(np.square(filled - X)[hidden]))
            errors.setdefault(method, []).append(float(rmse))
    rmse = {method: float(np.mean(values)) for method, values in errors.items()}
    progress(f"{name}: " + ", ".join(f"{method} {value:.4f}" for method, value in rmse.items()))
    means = {method: float(np.mean(values)) for method, values in seconds.items()}
    return {"table": name, "rmse": rmse, "all": errors, "seconds": means}


def _intervals(seeds):
    """Shares of hidden cells that 90 % intervals hold; the number of components is the true one."""
    from skem import EMGaussianMixture

    shares = []
    for seed in seeds:
        case = simulated.simulate(seed)
        hidden = _holes(case.X.shape, seed)
        holed = np.where(hidden, np.nan, case.X)
        mixture = EMGaussianMixture(case.K, random_state=seed, tol=1e-4, max_iter=500).fit(holed)
        draws = mixture.impute(holed, "draw", n_draws=500, random_state=seed)[:, hidden]
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        truth = case.X[hidden]
        shares.append(float(np.mean((low <= truth) & (truth <= high))))
    return shares


def _means(quick):
    """How often intervals for a mean hold it: 60 rows, half of y missing."""
    from skem import EMGaussianMixture, VariationalGaussianMixture

    kinds = {
        "fixed parameters": (EMGaussianMixture, "fixed"),
        "bootstrap": (EMGaussianMixture, "bootstrap"),
        "posterior": (VariationalGaussianMixture, "posterior"),
    }
    tables, draws = (100, 10) if quick else (500, 20)
    result = []
    for name, (make, parameters) in kinds.items():
        fill = partial(_fill, make, parameters, draws)
        coverage = np.mean([_holds_zero(fill, seed) for seed in range(tables)])
        progress(f"{name}: {coverage:.3f}")
        row = {"parameters": name, "coverage": float(coverage), "tables": tables, "draws": draws}
        result.append(row)
    return result


def _fill(make, parameters, draws, X, seed):
    mixture = make(1, tol=1e-6, max_iter=1000).fit(X)
    return mixture.impute(X, "draw", n_draws=draws, parameters=parameters, random_state=seed)


def _holds_zero(fill, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=60)
    X = np.column_stack([x, x + rng.normal(size=60)])
    X[rng.uniform(size=60) < 0.5, 1] = np.nan
    y = fill(X, seed)[:, :, 1]
    m, within, between = len(y), y.var(axis=1, ddof=1).mean() / 60, y.mean(axis=1).var(ddof=1)
    added = (1 + 1 / m) * between
    freedom = (m - 1) * (1 + within / added) ** 2
    return abs(y.mean()) < stats.t.ppf(0.975, freedom) * np.sqrt(within + added)
