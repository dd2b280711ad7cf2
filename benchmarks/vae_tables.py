"""The default ``VAE`` on small tables, beside probabilistic PCA with as many dimensions.

``python -m benchmarks.vae_tables`` prints a table in Markdown. For each table, length of the code
and fold: the score of held-out rows, the seconds of the fit, the share of their variance that
reconstructions explain, and how far the losses fall in an epoch if the same training goes on for
100 epochs. PCA's reconstructions project; those of probabilistic PCA are drawn to the mean, as its
codes are means of posteriors, so they explain less of a column that is mostly noise.

The tables in ``data/`` are numeric columns of complete rows: ``birthwt`` and ``crabs`` as in R's
package MASS (Hosmer & Lemeshow 1989; Campbell & Mahon 1974), ``cars`` from StatLib, ``penguins``
(Gorman, Williams & Fraser 2014), ``weather`` (Seattle, 2012 to 2015, NOAA).
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.workload import progress

DATA = Path(__file__).parent / "data"
N_SPLITS = 5
MORE_EPOCHS = 100


class Fold(NamedTuple):
    """What one fit is measured by."""

    ppca: float  # held-out nats per row
    vae: float
    seconds: float
    n_epochs: int
    n_steps: int
    converged: bool
    explained_by_pca: float  # of the variance of held-out rows
    explained_by_ppca: float
    explained: float
    fall: float  # of the held-out rows' loss per epoch, in 100 more epochs of the same training
    training_fall: float  # of the training's loss


def tables():
    """Numeric columns, standardised."""
    from sklearn import datasets

    from skem.datasets import load_faithful

    rng = np.random.default_rng(0)
    factors = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 8)) + 0.1 * rng.normal(size=(60, 8))
    angles = rng.uniform(-2, 2, size=(500, 1)) * np.arange(1, 7)
    rows = {
        "factors": factors,
        "iris": datasets.load_iris().data,
        "wine": datasets.load_wine().data,
        "faithful": load_faithful().data,
        "diabetes": datasets.load_diabetes().data,
        "breast_cancer": datasets.load_breast_cancer().data,
        "curve": np.sin(angles) + 0.1 * rng.normal(size=(500, 6)),
        "digits": datasets.load_digits().data,
    }
    for path in sorted(DATA.glob("*.csv")):
        rows[path.stem] = np.loadtxt(path, delimiter=",", skiprows=1)
    return {name: _standardise(X) for name, X in sorted(rows.items(), key=lambda row: len(row[1]))}


def _standardise(X):
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def lengths(n_features):
    """Dimensions of the code."""
    return sorted({min(2, n_features - 1), min(5, n_features - 1)})


def measure(X, n_latent, train, test, seed, make):
    """Fit to some rows, look at the others."""
    origin, weights, variance, directions = probabilistic_pca(X[train], n_latent)
    rest = X[test] - origin
    vae = make(n_latent, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        vae.fit(X[train])
        seconds = time.perf_counter() - begin
    score, rows = vae.score(X[test]), vae.reconstruct(X[test])
    total = np.square(rest).sum()
    drawn = reconstruct(rest, weights, variance)
    return Fold(
        log_density(rest, weights, variance),
        score,
        seconds,
        vae.n_iter_,
        vae.n_steps_,
        vae.converged_,
        1 - np.square(rest - rest @ directions @ directions.T).sum() / total,
        1 - np.square(rest - drawn).sum() / total,
        1 - np.square(X[test] - rows).sum() / total,
        *go_on(vae, X[train]),
    )


def go_on(vae, X):
    """Falls per epoch of the held-out rows' and the training's loss, from ten epochs to ten."""
    from sklearn.base import clone

    n_epochs = vae.n_iter_ + MORE_EPOCHS
    more = clone(vae).set_params(early_stopping=True, max_epochs=n_epochs, n_iter_no_change=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more.fit(X)
    # It is the same training up to there.
    np.testing.assert_array_equal(more.loss_curve_[: vae.n_iter_], vae.loss_curve_)
    return [
        (np.mean(curve[vae.n_iter_ - 10 : vae.n_iter_]) - np.mean(curve[-10:])) / MORE_EPOCHS
        for curve in (more.validation_loss_curve_, more.loss_curve_)
    ]


def probabilistic_pca(X, n_latent):
    """The maximum of the likelihood (Tipping & Bishop 1999): mean, weights, variance, axes."""
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    variance = values[n_latent:].mean()
    weights = vectors[:, :n_latent] * np.sqrt(values[:n_latent] - variance)
    return X.mean(axis=0), weights, variance, vectors[:, :n_latent]


def reconstruct(rows, weights, variance):
    """Decode the posterior means of centred rows (Tipping & Bishop 1999, equation 6)."""
    inner = weights.T @ weights + variance * np.eye(weights.shape[1])
    return rows @ weights @ np.linalg.solve(inner, weights.T)


def log_density(rows, weights, variance):
    """Mean log density of centred rows."""
    from scipy.stats import multivariate_normal

    covariance = weights @ weights.T + variance * np.eye(len(weights))
    return multivariate_normal(np.zeros(len(weights)), covariance).logpdf(rows).mean()


def run(quick, names=None, make=None):
    """All tables, or some of them."""
    from sklearn.model_selection import KFold

    from skem import VAE

    def default(n_latent, seed):
        return VAE(n_latent, random_state=seed)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        VAE(1, max_epochs=2).fit(np.random.default_rng(0).normal(size=(20, 3)))  # compiles
    results = []
    for name, X in tables().items():
        if names and name not in names:
            continue
        splits = list(KFold(N_SPLITS, shuffle=True, random_state=0).split(X))
        for n_latent in lengths(X.shape[1]):
            folds = [
                measure(X, n_latent, train, test, seed, make or default)
                for seed, (train, test) in enumerate(splits[: 1 if quick else N_SPLITS])
            ]
            means = Fold(*(float(np.mean(column)) for column in zip(*folds, strict=True)))
            falls = [fold[-2:] for fold in folds if fold.converged]
            results.append(
                {
                    "table": name,
                    "n_rows": len(X),
                    "n_features": X.shape[1],
                    "n_latent": n_latent,
                    **means._asdict(),
                    "longest": max(fold.seconds for fold in folds),
                    "largest_falls": np.max(falls, axis=0).tolist() if falls else None,
                }
            )
            progress(_line(results[-1]))
    return {"rows": results}


def mixtures(names=None):
    """Print the held-out scores of Gaussian mixtures by BIC, of the same folds."""
    from sklearn.model_selection import KFold

    from skem import GaussianMixtureIC

    print("| table | mixture by BIC |\n|---|---:|")
    for name, X in tables().items():
        if not names or name in names:
            splits = KFold(N_SPLITS, shuffle=True, random_state=0).split(X)
            scores = [
                GaussianMixtureIC(random_state=seed).fit(X[train]).score(X[test])
                for seed, (train, test) in enumerate(splits)
            ]
            print(f"| {name} | {np.mean(scores):.2f} |", flush=True)


HEADER = (
    "| table | rows | columns | code | PPCA | VAE | difference | seconds, longest | epochs | "
    "converged | explained, less PCA's | less PPCA's | largest fall an epoch, held out "
    "| in training |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def _line(row):
    more = [row["explained"] - row[f"explained_by_{model}"] for model in ("pca", "ppca")]
    falls = "" if row["largest_falls"] is None else "{:.5f} | {:.5f}".format(*row["largest_falls"])
    return (
        f"| {row['table']} | {row['n_rows']} | {row['n_features']} | {row['n_latent']} "
        f"| {row['ppca']:.2f} | {row['vae']:.2f} | {row['vae'] - row['ppca']:+.2f} "
        f"| {row['seconds']:.2f}, {row['longest']:.2f} | {row['n_epochs']:.0f} "
        f"| {row['converged']:.0%} | {more[0]:+.3f} | {more[1]:+.3f} | {falls} |"
    )


def markdown(result):
    """A line for each table and length of the code, and the means."""
    rows = result["rows"]
    more = [row["vae"] - row["ppca"] for row in rows]
    seconds = [row["seconds"] for row in rows]
    return "\n".join(
        [
            HEADER,
            *map(_line, rows),
            "",
            f"VAE less PPCA, nats per held-out row: {np.mean(more):+.2f} in the mean, "
            f"{min(more):+.3f} at least. Seconds a fit: {np.mean(seconds):.2f} in the mean, "
            f"{max(row['longest'] for row in rows):.2f} at most.",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one fold instead of five")
    parser.add_argument("--mixtures", action="store_true", help="Gaussian mixtures instead")
    parser.add_argument("tables", nargs="*", help="some of the tables")
    options = parser.parse_args()
    if options.mixtures:
        mixtures(options.tables)
    else:
        print(markdown(run(options.quick, options.tables)))
