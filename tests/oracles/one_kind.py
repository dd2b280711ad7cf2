"""A family of one kind of columns, to fit it by itself: lines are a table's features."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from skem.engine import Table, Threads, plan_tiles
from skem.families import CategoricalWeights
from skem.families.kinds import LineStatistics
from skem.families.kinds.coded import CodedKind
from skem.inference import Passes, PointRule, VariationalRule, batch_em

LIMITS = {"max_iter": 2000, "tol": 1e-10, "after_iteration": lambda *_: False}


class Coordinates(NamedTuple):
    kind: Any
    total: float

    def encode(self, stats):
        own = self.kind.encode(stats)
        return np.r_[2 * np.sqrt(stats.weight), own.ravel()] / np.sqrt(self.total)

    def decode(self, vector):
        vector = vector * np.sqrt(self.total)
        n = len(self.kind_weight(vector))
        weight = np.square(0.5 * vector[:n])
        weight *= self.total / weight.sum()
        return self.kind.decode(vector[n:].reshape(n, -1), weight)

    def kind_weight(self, vector):
        each = self.kind.encode(self.kind.nothing(1)).size
        return vector[: vector.size // (each + 1)]


@dataclass(frozen=True)
class Alone:
    """A `Family` of one kind; rows' `log_base` is no part of its scores."""

    kind: Any

    def n_products(self, n_features):
        return n_features + 1

    def scorer(self, parameters, log_weights):
        return self.kind.scorer(self.kind.coefficients(parameters), log_weights)

    def summer(self, n_components, n_features):
        return self.scorer(self.kind.without_rows(n_components), np.zeros(n_components))

    def statistics(self, scorer, sums):
        return self.kind.statistics(sums[0][:-1], sums[0][-1])

    def better_summer(self, stats, scorer, parameters):
        return None

    def without_rows(self, n_components, n_features):
        return self.kind.without_rows(n_components)

    def nothing(self, n_components, n_features):
        return self.kind.nothing(n_components)

    def expected_scorer(self, posterior, parameters, log_weights):
        return self.kind.scorer(self.kind.expected_coefficients(posterior), log_weights)

    def expected_log_likelihood(self, stats, posterior, parameters):
        return self.kind.expected_log_likelihood(stats, posterior)

    def divergence(self, posterior, parameters, prior):
        return self.kind.divergence(posterior, prior)

    def coordinates(self, prior, total, reference):
        return Coordinates(self.kind, total)

    def __getattr__(self, name):  # the rest are the kind's
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.kind, name)


class Shares(NamedTuple):
    resp: Any

    def rows(self, index):
        return self.resp[index]


class Fitted(NamedTuple):
    kind: Any
    run: Any
    log_base: float  # of all rows, weighted

    @property
    def log_likelihood(self):
        """Of the table, at the parameters, pseudo-rows apart when there are none."""
        return self.run.bound * self.total + self.log_base

    @property
    def total(self):
        return self.run.statistics.weight.sum()


def statistics(kind, values, resp):
    """By plain NumPy."""
    weight = resp.sum(axis=0)
    if not isinstance(kind, CodedKind):
        return kind.statistics(kind.lines(values).T @ resp, weight)
    columns = []
    for column, n in zip(kind.codes(values).T, kind.n_codes, strict=True):
        columns += [resp[column == code].sum(axis=0) for code in range(n)]
    return LineStatistics(weight, np.stack(columns, axis=1))


def all_rows(kind, values, weights=None):
    """Statistics of one component."""
    ones = np.ones((len(values), 1)) if weights is None else weights[:, None]
    return statistics(kind, values, ones)


def log_density(kind, values, parameters):
    """Of each row in each component, (n, K), in nats."""
    return kind.evaluate(values, kind.coefficients(parameters)) + kind.log_base(values)[:, None]


def fit(
    kind,
    values,
    n_components,
    *,
    weights=None,
    pseudo_count=0.0,
    seed=0,
    acceleration=None,
    variational=None,
    prior=None,
    max_iter=2000,
    tol=1e-10,
):
    """Fit from random responsibilities; `variational` are its weights."""
    kind = kind.fitted_to(values, weights)
    family = Alone(kind)
    lines = kind.lines(values)
    table = Table(lines, weights, np.zeros(kind.n_lines), np.ones(kind.n_lines))
    plan = plan_tiles(*lines.shape, n_components, family.n_products(lines.shape[1]))
    one = all_rows(kind, values, weights)
    if variational is None:
        rule = PointRule(CategoricalWeights(), family, kind.pseudo_rows(one, pseudo_count))
    else:
        prior = kind.prior(one) if prior is None else prior
        rule = VariationalRule(variational, family, prior)
    rng = np.random.RandomState(seed)
    resp = rng.dirichlet(np.full(n_components, 0.5), len(values))
    limits = {**LIMITS, "max_iter": max_iter, "tol": tol}
    with Threads(1) as threads:
        passes = Passes(table, plan, threads)
        none = rule.without_rows(n_components, kind.n_lines)
        stats = passes.summarise(family, family.summer(n_components, kind.n_lines), Shares(resp))
        theta = rule.update(stats, none)
        run = batch_em(
            passes, rule, theta, acceleration=acceleration, keep_statistics=True, **limits
        )
    base = kind.log_base(values)
    return Fitted(kind, run, float(base.sum() if weights is None else weights @ base))


def best_fit(kind, values, n_components, n_init=10, **given):
    return max(
        (fit(kind, values, n_components, seed=seed, **given) for seed in range(n_init)),
        key=lambda fitted: fitted.run.bound,
    )
