"""The orientation that components have in common: not the next local optimum."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import minimize
from sklearn.datasets import load_iris

from skem.families import GAUSSIAN_FAMILIES
from skem.inference import grow_tree


def scatters(k):
    """Scatter matrices and counts of the clusters of a tree on iris."""
    X = load_iris().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    labels = grow_tree(X).labels(k)
    groups = [X[labels == j] - X[labels == j].mean(axis=0) for j in range(k)]
    return np.array([group.T @ group for group in groups]), np.bincount(labels).astype(float)


def loss_along(axes, model, W, n):
    """Twice the negative log likelihood, constants apart, of the best variances along axes."""
    spectra = np.einsum("ij,kil,lj->kj", axes, W, axes)
    d = W.shape[1]
    if model == "VVE":
        return float((n[:, None] * np.log(spectra / n[:, None])).sum() + n.sum() * d)
    # One volume: spectra of the same geometric mean (Celeux & Govaert 1995, section 3.3).
    sizes = np.exp(np.log(spectra).mean(axis=1))
    return float(n.sum() * d * (np.log(sizes.sum() / n.sum()) + 1.0))


def best_rotation(model, W, n, n_starts=20):
    """The least loss that an optimiser finds from many rotations at random."""
    d = W.shape[1]
    upper = np.triu_indices(d, 1)

    def loss(angles, start):
        skew = np.zeros((d, d))
        skew[upper] = angles
        return loss_along(start @ expm(skew - skew.T), model, W, n)

    rng, found = np.random.default_rng(0), []
    for _ in range(n_starts):
        start = np.linalg.qr(rng.normal(size=(d, d)))[0]
        found.append(minimize(loss, np.zeros(len(upper[0])), args=(start,)).fun)
    return min(found)


@pytest.mark.parametrize("model", ["EVE", "VVE"])
@pytest.mark.parametrize("k", [2, 3])
def test_steps_end_where_many_rotations_do(model, k):
    W, n = scatters(k)
    family = GAUSSIAN_FAMILIES[model](0.0)
    known = np.ones(k, dtype=bool)
    covariances = np.tile(np.eye(4), (k, 1, 1))
    losses = []
    for _ in range(60):
        covariances = family.covariances_of(W, n, known, covariances)
        inside = np.trace(np.linalg.solve(covariances, W), axis1=1, axis2=2)
        losses.append((n * np.linalg.slogdet(covariances)[1] + inside).sum())
    assert (np.diff(losses) <= 1e-9 * abs(losses[0])).all()
    assert losses[-1] <= best_rotation(model, W, n) + 1e-4
