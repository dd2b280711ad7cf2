"""Moves that split a component and merge two others, by maximum likelihood, one at a time."""

from itertools import combinations

import numpy as np
from scipy.special import expit, softmax, xlogy
from scipy.stats import norm

from oracles import gaussian


def free_energy(kind, X, sample_weight, resp):
    """Return the bound, in nats, of assignments and the parameters that are best for them."""
    joint = _log_joint(kind, X, *_maximise(kind, X, sample_weight, resp))
    return float(
        sample_weight @ (resp * np.where(resp > 0, joint, 0.0) - xlogy(resp, resp)).sum(axis=1)
    )


def all_moves(kind, X, sample_weight, theta, least, hard):
    """Return what the bound gains by each move, in nats, and weights times means after it.

    Every pair is merged and every other component split, whose parts have at least the weight
    ``least``.
    """
    joint = gaussian.log_joint(kind, X, *theta)
    K = joint.shape[1]
    resp = np.eye(K)[joint.argmax(axis=1)] if hard else softmax(joint, axis=1)
    now = free_energy(kind, X, sample_weight, resp)
    share = _shares(kind, X, sample_weight, resp, theta, least, hard)
    moves = []
    for a, b in combinations(range(K), 2):
        for c in set(range(K)) - {a, b}:
            moved = resp.copy()
            moved[:, a] = resp[:, a] + resp[:, b]
            moved[:, c] = resp[:, c] * share[:, c]
            moved[:, b] = resp[:, c] * (1.0 - share[:, c])
            if min(sample_weight @ moved[:, b], sample_weight @ moved[:, c]) < least:
                continue
            gain = free_energy(kind, X, sample_weight, moved) - now
            sums = (sample_weight[:, None] * moved).T @ X
            moves.append((gain, sums / sample_weight.sum()))
    return sorted(moves, key=lambda move: -move[0])


def _maximise(kind, X, sample_weight, resp):
    stats = gaussian.statistics(kind, X, sample_weight[:, None] * resp)
    with np.errstate(invalid="ignore"):
        return gaussian.maximum_likelihood(kind, *stats, X.shape[1])


def _log_joint(kind, X, weights, means, covariances):
    """Of components without rows, minus infinity."""
    seen = weights > 0
    joint = np.full((len(X), len(weights)), -np.inf)
    covariances = covariances if kind == "tied" else covariances[seen]
    joint[:, seen] = gaussian.log_joint(kind, X, weights[seen], means[seen], covariances)
    return joint


def _across(deviations, weight, covariance, turns=4):
    """Return coordinates along an axis, in standard deviations.

    It is the covariance's longest one, turned by the power method to where the rows' scatter is
    largest in comparison.
    """
    if not weight.any():
        return np.zeros(len(weight))
    scatter = np.einsum("n,ni,nj->ij", weight, deviations, deviations)
    ratio = np.linalg.inv(covariance) @ scatter
    longest = np.linalg.eigh(covariance)[1][:, -1]
    along = deviations @ np.linalg.matrix_power(ratio / np.trace(ratio), turns) @ longest
    return along / np.sqrt(np.average(np.square(along), weights=weight))


def _shares(kind, X, sample_weight, resp, theta, least, hard):
    """Return the share of each row's responsibility that a component's first part has: (n, K).

    A component that is too small for two parts of the weight ``least`` stays whole.
    """
    K, D = theta[1].shape
    share = np.empty(resp.shape)
    # Half a normal distribution, scaled to have the mean and the variance that it has.
    half_mean = 2.0 * norm.pdf(0.0)
    half_variance = 1.0 - half_mean**2
    for k in range(K):
        covariance = gaussian.matrix(kind, theta[2], k, D)
        along = _across(X - theta[1][k], sample_weight * resp[:, k], covariance)
        log_odds = norm.logpdf(along, half_mean, half_variance**0.5)
        log_odds -= norm.logpdf(along, -half_mean, half_variance**0.5)
        share[:, k] = log_odds > 0 if hard else expit(log_odds)
    whole = sample_weight @ resp < 2.0 * least
    share[:, whole] = 1.0
    parts = np.empty((len(X), 2 * K))
    parts[:, 0::2], parts[:, 1::2] = resp * share, resp * (1.0 - share)
    # One EM iteration inside each component.
    joint = _log_joint(kind, X, *_maximise(kind, X, sample_weight, parts))
    joint[:, 1::2][:, whole] = -np.inf
    if hard:
        return (joint[:, 0::2] > joint[:, 1::2]).astype(float)
    return softmax(joint.reshape(len(X), K, 2), axis=2)[:, :, 0]
