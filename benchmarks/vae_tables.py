"""The default autoencoders on small tables, ``VAE`` beside PPCA with as many dimensions.

``python -m benchmarks.vae_tables`` prints a table in Markdown. For each table, length of the code
and fold: the score of held-out rows, the seconds of the fit, the share of their variance that
reconstructions explain, and how far the losses fall in an epoch if the same training goes on for
100 epochs: below the last ten epochs, and below the best ten so far (a fit returns the weights of
the best epoch). The other autoencoders are measured by these falls, too. PCA's reconstructions
project; those of probabilistic PCA are drawn to the mean, as its codes are means of posteriors, so
they explain less of a column that is mostly noise.

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
N_SPLITS, N_SPLITS_OF_OTHERS = 5, 2
MORE_EPOCHS, WINDOW = 100, 10


class Falls(NamedTuple):
    """Of mean losses of ten epochs, per epoch, in 100 more epochs of the same training."""

    held_out: float  # from the last epochs before training ended
    below_best: float  # of the held-out rows' loss, from the lowest until then
    training: float


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
    falls: Falls


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
    vae, seconds = timed(make(n_latent, seed), X[train])
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
        go_on(vae, X[train]),
    )


def compile_first(vae):
    """Fit to anything for a moment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vae.set_params(max_epochs=2).fit(np.random.default_rng(0).normal(size=(20, 3)))


def timed(vae, X):
    """Fit; return the seconds, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        vae.fit(X)
    return vae, time.perf_counter() - begin


def go_on(vae, X):
    """Train for 100 epochs more; say how far losses fall."""
    from sklearn.base import clone

    n_epochs = vae.n_iter_ + MORE_EPOCHS
    more = clone(vae).set_params(early_stopping=True, max_epochs=n_epochs, n_iter_no_change=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more.fit(X)
    # It is the same training up to there.
    np.testing.assert_array_equal(more.loss_curve_[: vae.n_iter_], vae.loss_curve_)
    held_out, training = (
        np.convolve(curve, np.full(WINDOW, 1 / WINDOW), "valid")
        for curve in (more.validation_loss_curve_, more.loss_curve_)
    )
    last = vae.n_iter_ - WINDOW
    falls = Falls(
        held_out[last] - held_out[-1],
        held_out[: last + 1].min() - held_out[-1],
        training[last] - training[-1],
    )
    return Falls(*(float(fall) / MORE_EPOCHS for fall in falls))


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


def splits(X):
    """Rows to fit to and others, five times."""
    from sklearn.model_selection import KFold

    return list(KFold(N_SPLITS, shuffle=True, random_state=0).split(X))


def largest(folds):
    """The largest falls where training had converged; None where it never had."""
    falls = [fold.falls for fold in folds if fold.converged]
    return Falls(*np.max(falls, axis=0).tolist())._asdict() if falls else None


def run(quick, names=None, make=None):
    """All tables, or some of them."""
    from skem import VAE

    def default(n_latent, seed):
        return VAE(n_latent, random_state=seed)

    compile_first(VAE(1))
    results = []
    for name, X in tables().items():
        if names and name not in names:
            continue
        for n_latent in lengths(X.shape[1]):
            folds = [
                measure(X, n_latent, train, test, seed, make or default)
                for seed, (train, test) in enumerate(splits(X)[: 1 if quick else N_SPLITS])
            ]
            means = {
                name: float(np.mean([getattr(fold, name) for fold in folds]))
                for name in Fold._fields[:-1]
            }
            results.append(
                {
                    "table": name,
                    "n_rows": len(X),
                    "n_features": X.shape[1],
                    "n_latent": n_latent,
                    **means,
                    "longest": max(fold.seconds for fold in folds),
                    "largest_falls": largest(folds),
                }
            )
            progress(_line(results[-1]))
    return {"rows": results, "others": run_others(quick, names)}


def others():
    """The other autoencoders at their defaults, by the length of the code and a seed."""
    from skem import VQVAE, CategoricalVAE, InfoVAE

    return {
        "InfoVAE": lambda n_latent, seed: InfoVAE(n_latent, random_state=seed),
        "CategoricalVAE": lambda n_latent, seed: CategoricalVAE(random_state=seed),
        "VQVAE": lambda n_latent, seed: VQVAE(n_latent=n_latent, random_state=seed),
    }


class OtherFold(NamedTuple):
    """What one fit of another autoencoder is measured by."""

    score: float
    seconds: float
    converged: bool
    falls: Falls


def run_others(quick, names=None):
    """All tables, or some of them, for the other autoencoders."""
    results = []
    n_splits = 1 if quick else N_SPLITS_OF_OTHERS
    for model, make in others().items():
        compile_first(make(1, 0))
        for name, X in tables().items():
            if names and name not in names:
                continue
            # Categories have no dimensions.
            for n_latent in lengths(X.shape[1])[: 1 if model == "CategoricalVAE" else None]:
                folds = [
                    measure_other(X, train, test, make(n_latent, seed))
                    for seed, (train, test) in enumerate(splits(X)[:n_splits])
                ]
                means = {
                    column: float(np.mean([getattr(fold, column) for fold in folds]))
                    for column in OtherFold._fields[:-1]
                }
                case = {"model": model, "table": name, "n_latent": n_latent}
                results.append({**case, **means, "largest_falls": largest(folds)})
                progress(_other_line(results[-1]))
    return results


def measure_other(X, train, test, vae):
    """Fit to some rows, look at the others."""
    vae, seconds = timed(vae, X[train])
    return OtherFold(vae.score(X[test]), seconds, vae.converged_, go_on(vae, X[train]))


def mixtures(names=None):
    """Print the held-out scores of Gaussian mixtures by BIC, of the same folds."""
    from skem import GaussianMixtureIC

    print("| table | mixture by BIC |\n|---|---:|")
    for name, X in tables().items():
        if not names or name in names:
            scores = [
                GaussianMixtureIC(random_state=seed).fit(X[train]).score(X[test])
                for seed, (train, test) in enumerate(splits(X))
            ]
            print(f"| {name} | {np.mean(scores):.2f} |", flush=True)


HEADER = (
    "| table | rows | columns | code | PPCA | VAE | difference | seconds, longest | epochs | "
    "converged | explained, less PCA's | less PPCA's | largest fall an epoch, held out "
    "| below the best | in training |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:"
    "|---:|---:|---:|"
)
OTHERS_HEADER = (
    "| autoencoder | table | code | score | seconds | converged | largest fall an epoch, held out "
    "| below the best | in training |\n|---|---|---:|---:|---:|---:|---:|---:|---:|"
)


def _falls(row):
    falls = row["largest_falls"]
    return " | | " if falls is None else " | ".join(f"{fall:.5f}" for fall in falls.values())


def _other_line(row):
    return (
        f"| {row['model']} | {row['table']} | {row['n_latent']} | {row['score']:.2f} "
        f"| {row['seconds']:.2f} | {row['converged']:.0%} | {_falls(row)} |"
    )


def _line(row):
    more = [row["explained"] - row[f"explained_by_{model}"] for model in ("pca", "ppca")]
    return (
        f"| {row['table']} | {row['n_rows']} | {row['n_features']} | {row['n_latent']} "
        f"| {row['ppca']:.2f} | {row['vae']:.2f} | {row['vae'] - row['ppca']:+.2f} "
        f"| {row['seconds']:.2f}, {row['longest']:.2f} | {row['n_epochs']:.0f} "
        f"| {row['converged']:.0%} | {more[0]:+.3f} | {more[1]:+.3f} | {_falls(row)} |"
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
            "",
            OTHERS_HEADER,
            *map(_other_line, result["others"]),
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
