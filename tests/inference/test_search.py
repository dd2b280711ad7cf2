"""The searched start: faults that it mends, spikes that it leaves alone, rows that it looks at."""

import warnings
from collections import Counter

import numpy as np
import pytest
from oracles import cases, gaussian
from sklearn.metrics import adjusted_rand_score

from skem.engine import Threads
from skem.families import (
    CategoricalWeights,
    SingularCovarianceError,
    StickBreakingWeights,
)
from skem.families.parsimonious import PARSIMONIOUS
from skem.inference import PointRule, Start, VariationalRule, batch_em, find_start, search

ALL_KINDS = (*gaussian.KINDS, *PARSIMONIOUS)
hard_and_soft = pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])


def point_rule(kind="full", hard=False, reg_covar=1e-6, n_features=2):
    family = cases.make_family(kind, reg_covar)
    return PointRule(CategoricalWeights(), family, family.flat_prior(n_features), hard=hard)


def variational_rule(kind, hard, weights, n_features=2):
    """A weak prior: a component's worth of rows at most."""
    family = cases.make_family(kind)
    prior = family.flat_prior(n_features)._replace(
        mean_precision=0.01,
        covariance=0.05 * family.identity(1, n_features),
        degrees_of_freedom=n_features + 1.0,
    )
    return VariationalRule(weights, family, prior, hard=hard)


def visit_to(X, rule, k, weights=None, threads=None):
    rows = X if weights is None else X[weights > 0]
    scale = np.full(X.shape[1], rows.std()) if rule.family.one_scale else rows.std(axis=0)
    table = cases.make_table(X, weights, rows.mean(axis=0), scale)
    return cases.make_visit(table, rule.family, k, threads)


def start_of(visit, seed=0, method="auto"):
    table = visit.table
    rng = np.random.RandomState(seed)
    return Start(method, visit.plan.n_components, rng, table.origin, table.scale)


def climb(visit, rule, theta, n_iter=100, tol=1e-8):
    return batch_em(
        visit,
        rule,
        theta,
        max_iter=n_iter,
        tol=tol,
        after_iteration=lambda *_: False,
        keep_statistics=True,
    )


def labels_of(visit, rule, theta):
    return visit.scores(rule.scorer(theta)).argmax(axis=0)


def eight_clusters(n_rows, rng, n_features=2):
    """Four far pairs of clusters, along either axis: k-means often shares them out badly."""
    corners = np.array([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0], [40.0, 40.0]])
    apart = np.array([[8.0, 0.0], [0.0, 8.0], [0.0, 8.0], [8.0, 0.0]])
    centres = np.vstack([corners, corners + apart])
    labels = rng.integers(8, size=n_rows)
    X = np.zeros((n_rows, n_features))
    X[:, :2] = centres[labels]
    return X + rng.standard_normal(X.shape), labels


def plant(labels, X):
    """Give component 0 the clusters 0 and 4, and component 4 half of cluster 1."""
    found = np.where(labels == 4, 0, labels)
    found[(labels == 1) & (X[:, 0] > np.median(X[labels == 1, 0]))] = 4
    return np.eye(8)[found]


def rules(kind, hard):
    made = [point_rule(kind, hard)]
    if kind in gaussian.CONJUGATE:
        made += [variational_rule(kind, hard, StickBreakingWeights(0.5))]
        made += [variational_rule(kind, hard, CategoricalWeights(0.5))]
    return made


@pytest.mark.core
@hard_and_soft
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_planted_fault_is_mended(monkeypatch, kind, hard):
    # EM alone does not mend it: components would have to cross the table.
    X, labels = eight_clusters(640, np.random.default_rng(0))
    for rule in rules(kind, hard):
        visit = visit_to(X, rule, 8)
        planted = find_start(visit, rule, start_of(visit, method=plant(labels, X)))
        stuck = climb(visit, rule, planted).theta
        assert adjusted_rand_score(labels, labels_of(visit, rule, stuck)) < 0.9
        with monkeypatch.context() as patch:
            patch.setattr(search, "start_by_rows", lambda *_, theta=planted: theta)
            theta = find_start(visit, rule, start_of(visit))
        assert adjusted_rand_score(labels, labels_of(visit, rule, theta)) > 0.99


@hard_and_soft
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_many_clusters_are_found_from_every_seed(kind, hard):
    rng = np.random.default_rng(2)
    X = np.vstack([eight_clusters(320, rng)[0] + shift for shift in ([0, 0], [100, 0])])
    rule = point_rule(kind, hard)
    visit = visit_to(X, rule, 16)
    ends = Counter()
    for seed in range(3):
        for method in ("auto", "kmeans"):
            start = find_start(visit, rule, start_of(visit, seed, method))
            ends[method, round(climb(visit, rule, start).bound, 3)] += 1
    best = max(bound for _, bound in ends)
    assert ends["auto", best] == 3
