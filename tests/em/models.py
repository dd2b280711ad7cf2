"""Models that the tests of `skem.em` share, and oracles for them."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp


class Coins:
    """One of two coins is drawn for each row, and tossed: rows are (heads, tails)."""

    def expect(self, X, theta, weight):
        joint = np.log(0.5) + np.asarray(X, dtype=float) @ np.log([theta, 1 - theta])
        total = logsumexp(joint, axis=1)
        resp = weight[:, None] * np.exp(joint - total[:, None])
        return resp.T @ np.asarray(X, dtype=float), weight @ total

    def maximise(self, counts, theta):
        return counts[:, 0] / counts.sum(axis=1)

    def start(self, X, rng):
        return rng.uniform(0.2, 0.8, 2)


class CoinsWithoutWeights:
    def expect(self, X, theta):
        return Coins().expect(X, theta, np.ones(len(X)))

    def maximise(self, counts, theta):
        return Coins().maximise(counts, theta)


def toss(n_rows, better=0.75):
    """Simulate rows of twelve tosses of two coins; one shows heads with a probability of 0.45."""
    rng = np.random.default_rng(0)
    heads = rng.binomial(12, np.where(rng.random(n_rows) < 0.5, better, 0.45))
    return np.column_stack([heads, 12 - heads]).astype(float)


class Sums(NamedTuple):
    weight: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Gaussians:
    """A mixture of Gaussians with full covariances; theta is (weights, means, covariances)."""

    def __init__(self, n_components):
        self.n_components = n_components

    def expect(self, X, theta, weight):
        joint = np.empty((len(X), self.n_components))
        for k, (share, mean, covariance) in enumerate(zip(*theta, strict=True)):
            factor = np.linalg.cholesky(covariance)
            z = np.linalg.solve(factor, (X - mean).T)
            log_det = 2 * np.log(np.diag(factor)).sum() + X.shape[1] * np.log(2 * np.pi)
            joint[:, k] = np.log(share) - 0.5 * ((z**2).sum(axis=0) + log_det)
        total = logsumexp(joint, axis=1)
        resp = weight[:, None] * np.exp(joint - total[:, None])
        second = np.einsum("nk,ni,nj->kij", resp, X, X)
        return Sums(resp.sum(axis=0), resp.T @ X, second), weight @ total

    def maximise(self, sums, theta):
        means = sums.first / sums.weight[:, None]
        squares = np.einsum("ki,kj->kij", means, means)
        return (
            sums.weight / sums.weight.sum(),
            means,
            sums.second / sums.weight[:, None, None] - squares,
        )

    def start(self, X, rng):
        shares = np.full(self.n_components, 1 / self.n_components)
        means = X[rng.choice(len(X), self.n_components, replace=False)]
        return shares, means, np.array([np.cov(X.T)] * self.n_components)


def blobs(n_rows=300, seed=0):
    """Simulate three overlapping clusters in two dimensions."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [2.5, 0], [0.5, 2.5]])
    return centres[rng.integers(3, size=n_rows)] + rng.standard_normal((n_rows, 2))
