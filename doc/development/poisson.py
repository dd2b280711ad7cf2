"""Counts: each column of a component is Poisson, with a rate of its own."""

from typing import NamedTuple

import numpy as np
from scipy.stats import gamma

from skem.engine import Table, Threads, column_moments, plan_tiles
from skem.families import CategoricalWeights
from skem.inference import Passes, PointRule, Start, batch_em, find_start
from skem.scoring import LinearScorer


class PoissonStatistics(NamedTuple):
    weight: np.ndarray  # summed responsibilities, (K,)
    total: np.ndarray  # counts summed with them, (K, D)


class PoissonFamily:
    """Log density ``x log(rate) - rate``; ``-log x!``, the same for all components, is left out."""

    # Scores are linear in x_j * 1 and 1 * 1; line D of a tile holds the ones.
    def n_products(self, n_features):
        return n_features + 1

    def units(self, mean, deviation):
        return np.zeros_like(mean), np.ones_like(mean)  # counts are read as they are

    def scorer(self, rates, log_weights):
        lines = np.arange(rates.shape[1] + 1)
        coefficients = np.pad(np.log(rates), [(0, 0), (0, 1)])
        ones, constants = np.full_like(lines, lines[-1]), log_weights - rates.sum(axis=1)
        return LinearScorer.of(lines, ones, coefficients, constants)

    def summer(self, n_components, n_features):
        return self.scorer(np.ones((n_components, n_features)), np.zeros(n_components))

    def statistics(self, scorer, sums):  # products times responsibilities, (D + 1, K)
        return PoissonStatistics(sums[0][-1], sums[0][:-1].T)

    def better_summer(self, stats, scorer, parameters):
        return None  # sums of counts lose no digits

    def add(self, a, b):
        return PoissonStatistics(a.weight + b.weight, a.total + b.total)

    def scale(self, stats, factor):
        return PoissonStatistics(factor * stats.weight, factor * stats.total)

    # The M-step. The prior is a gamma distribution's (shape, rate), or None.
    def mode(self, stats, prior, previous):
        shape, rate = prior or (1.0, 0.0)
        weight = (stats.weight + rate)[:, None]
        rates = (stats.total + shape - 1.0) / np.where(weight > 0, weight, 1.0)
        return np.where(weight > 0, np.maximum(rates, 1e-300), previous)

    def log_prior(self, rates, prior):
        return gamma(prior[0], scale=1 / prior[1]).logpdf(rates).sum() if prior else 0.0

    def log_likelihood(self, stats, rates):
        return float((stats.total * np.log(rates)).sum() - stats.weight @ rates.sum(axis=1))

    def without_rows(self, n_components, n_features):
        return np.ones((n_components, n_features))

    # For acceleration: statistics as vectors, and back.
    def coordinates(self, prior, total, reference):
        return Roots(total, len(reference.weight))


class Roots(NamedTuple):
    total: float
    n_components: int

    def encode(self, stats):
        return np.sqrt(np.r_[stats.weight, stats.total.ravel()] / self.total)

    def decode(self, vector):
        if not np.isfinite(vector).all():
            return None
        weight, total = np.split(self.total * vector**2, [self.n_components])
        return PoissonStatistics(weight, total.reshape(self.n_components, -1))


def fit(X, n_components, *, prior=None, weights=None, n_init=3, n_threads=1, acceleration=None):
    """Return the best of several runs of EM."""
    rule = PointRule(CategoricalWeights(), PoissonFamily(), prior)
    mean, deviation = column_moments(X, weights)
    table = Table(X, weights, *rule.family.units(mean, deviation))
    plan = plan_tiles(*X.shape, n_components, rule.family.n_products(X.shape[1]))
    runs, limits = [], {"max_iter": 500, "tol": 1e-10, "after_iteration": lambda *_: False}
    with Threads(n_threads) as threads:
        passes = Passes(table, plan, threads)
        for seed in range(n_init):
            rng = np.random.RandomState(seed)
            start = Start("kmeans", n_components, rng, table, mean, np.maximum(deviation, 1e-9))
            theta = find_start(passes, rule, start)
            runs.append(batch_em(passes, rule, theta, acceleration=acceleration, **limits))
    return max(runs, key=lambda run: run.bound)
