"""The families, and random rows, parameters, priors and plans to try them on."""

from dataclasses import replace

import numpy as np

from skem.engine import Table, Threads, Workplace, plan_tiles
from skem.families import GAUSSIAN_FAMILIES, GaussianParameters, GaussianPrior
from skem.inference import MixtureParameters, Passes

# (has a prior on the means, has a prior on the covariances)
PRIORS = {"ml": (False, False), "mean": (True, False), "cov": (False, True), "both": (True, True)}


def make_family(kind, reg_covar=0.0):
    return GAUSSIAN_FAMILIES[kind](reg_covar)


def random_covariances(kind, n_components, n_features, rng, width=1.0):
    """Covariances in a structure's shape, well conditioned, about ``width^2`` large."""
    if kind in ("full", "tied"):
        count = n_components if kind == "full" else 1
        A = rng.standard_normal((count, n_features, n_features))
        result = A @ np.swapaxes(A, 1, 2) / n_features + 0.3 * np.eye(n_features)
        result = result if kind == "full" else result[0]
    else:
        shape = n_components if kind == "spherical" else (n_components, n_features)
        result = alike(kind, rng.uniform(0.3, 2.0, shape))
    return result * width**2


def alike(kind, values):
    """Make those of variances (or of what is one for each) equal that a structure has once."""
    if kind == "EEI":
        return np.broadcast_to(values[:1], values.shape).copy()
    if kind == "EII":
        return np.broadcast_to(values[:1, :1], values.shape).copy()
    return values


def random_parameters(kind, n_components, n_features, rng, width=1.0, spread=1.5):
    family = make_family(kind)
    means = spread * rng.standard_normal((n_components, n_features))
    covariances = random_covariances(kind, n_components, n_features, rng, width)
    return GaussianParameters(means, covariances, family.factorise(covariances))


def random_theta(kind, n_components, n_features, rng, **options):
    weights = rng.dirichlet(np.full(n_components, 5.0))
    return MixtureParameters(
        weights, random_parameters(kind, n_components, n_features, rng, **options)
    )


def random_prior(kind, which, n_features, rng):
    """One of the four combinations that `PRIORS` names."""
    on_means, on_covariances = PRIORS[which]
    prior = make_family(kind).flat_prior(n_features)
    if on_means:
        prior = prior._replace(mean=rng.standard_normal(n_features), mean_precision=0.7)
    if on_covariances:
        covariance = random_covariances(kind, 1, n_features, rng)
        prior = prior._replace(covariance=covariance, degrees_of_freedom=n_features + 1.3)
    assert isinstance(prior, GaussianPrior)
    return prior


def random_resp(n_rows, n_components, rng):
    """Responsibilities times uneven weights."""
    resp = rng.dirichlet(np.full(n_components, 0.7), size=n_rows)
    return resp * rng.uniform(0.2, 3.0, n_rows)[:, None]


def blobs(n_rows, n_features, rng, n_clusters=3, spread=2.0):
    """Rows of overlapping clusters of unequal width."""
    centres = spread * rng.standard_normal((n_clusters, n_features))
    widths = rng.uniform(0.5, 1.3, (n_clusters, n_features))
    labels = rng.integers(n_clusters, size=n_rows)
    return centres[labels] + widths[labels] * rng.standard_normal((n_rows, n_features))


def small_plan(n_rows, n_features, n_components, n_pairs, cut=None, block_size=None):
    """A plan; ``cut`` (tile rows, tiles in a group, chunks) makes its pieces small."""
    plan = plan_tiles(n_rows, n_features, n_components, n_pairs, block_size)
    if cut is None:
        return plan
    tile_rows, tiles, chunks = cut
    return replace(plan, tile_rows=tile_rows, group_rows=tile_rows * tiles, chunks=chunks)


def make_table(X, weights=None, origin=None, scale=None):
    n_features = X.shape[1]
    origin = np.zeros(n_features) if origin is None else np.asarray(origin, dtype=np.float64)
    scale = np.ones(n_features) if scale is None else np.asarray(scale, dtype=np.float64)
    return Table(X, weights, origin, scale)


def make_passes(table, family, n_components, threads=None, cut=None, block_size=None):
    n_rows, n_features = table.X.shape
    n_pairs = family.n_products(n_features)
    plan = small_plan(n_rows, n_features, n_components, n_pairs, cut, block_size)
    return Passes(table, plan, Threads(1) if threads is None else threads)


def with_weights_times(passes, factor):
    """Over the same rows: tables, which keep what they have read, don't change."""
    return passes.over(replace(passes.source, weights=passes.source.weights * factor))


def filled_workplace(X, n_components, n_pairs, cut=None):
    """A workplace whose tile holds all rows of X as they are, each of weight one."""
    n_rows, n_features = X.shape
    plan = small_plan(n_rows, n_features, n_components, n_pairs, cut or (n_rows, 1, (16, 3)))
    workplace = Workplace(plan)
    make_table(X).load(0, n_rows, workplace.tile)
    return workplace


def scores_of(scorer, X, n_components, n_pairs):
    """A scorer's scores of all rows of X, shape (n, K)."""
    workplace = filled_workplace(X, n_components, n_pairs)
    scorer.score(workplace.tile, workplace.space(scorer.space))
    return workplace.tile.scores[:, : len(X)].T.copy()


def sums_of(scorer, X, resp, n_pairs):
    """A scorer's sums over all rows of X for given weighted responsibilities."""
    workplace = filled_workplace(X, resp.shape[1], n_pairs)
    workplace.tile.resp[: len(X)] = resp
    sums = scorer.zeros()
    scorer.accumulate(workplace.tile, workplace.space(scorer.space), sums)
    return sums


def statistics_of(family, scorer, X, resp):
    n_pairs = family.n_products(X.shape[1])
    return family.statistics(scorer, sums_of(scorer, X, resp, n_pairs))
