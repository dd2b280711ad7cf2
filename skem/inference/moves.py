"""Moves that split one component and merge two others, and what the bound gains by them.

With given assignments the bound is a sum of what statistics tell and of the assignments' entropy
(Neal & Hinton 1998), and no later E- or M-step lowers it. Both are cheap for a merged pair and
for a component in two parts, so a move's gain is known, at least, before any iteration is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax, xlogy

from skem.families import GaussianStatistics, Scorer, SingularCovarianceError
from skem.inference.expectation import Visit
from skem.inference.loops import Run
from skem.inference.rules import Rule, Theta, best, update_summing

__all__ = ["Scene", "promising_moves"]

Array: TypeAlias = NDArray[np.float64]

# Rounds in which the two parts of each component are told apart.
_ROUNDS = 2
_POWERS = 4  # that an axis is turned by
_CERTAIN = 700.0  # log odds whose exp is still a number
# Halves of a normal distribution have means m = sqrt(2 / pi) from its own, and variances 1 - m^2.
_STEEPNESS = 2.0 * np.sqrt(2.0 / np.pi) / (1.0 - 2.0 / np.pi)


class Scene(NamedTuple, Generic[Theta]):
    """Rows few enough for arrays of a number for each row and component.

    Attributes
    ----------
    visit : Visit
        To those rows; all have positive weights.
    by_parts : Visit
        The same by twice as many components.
    rows : ndarray of shape (n, D)
        The same in the table's units.
    weights : ndarray of shape (n,)
    rule : Rule
    least : float
        Smallest weight of a part.
    """

    visit: Visit
    by_parts: Visit
    rows: Array
    weights: Array
    rule: Rule[Theta]
    least: float


class _Parts(NamedTuple):
    """Each component in two: the parts of component k are 2k and 2k + 1.

    Attributes
    ----------
    statistics : GaussianStatistics
        Of 2K parts.
    entropy : ndarray of shape (K,)
        What the assignments' entropy gains if that component alone is split, in nats.
    gain : ndarray of shape (K,)
        What the bound gains then, at least; -inf where a part is too small.
    """

    statistics: GaussianStatistics
    entropy: Array
    gain: Array


class _Merged(NamedTuple):
    """Two components as one, which is ``a``; ``b`` is free."""

    gain: float
    entropy: float
    a: int
    b: int
    statistics: GaussianStatistics


def promising_moves(
    scene: Scene[Theta], run: Run[Theta], hope: float, n_most: int
) -> list[tuple[float, Theta]]:
    """Return what moves lead to that lower the bound by at most ``hope``, the best first.

    Parameters
    ----------
    scene : Scene
    run : Run
        A run over the scene's rows, with its statistics.
    hope : float
        In nats per unit of weight.
    n_most : int

    Returns
    -------
    moves : list of (float, Theta)
        What the bound gains at least, per unit of weight, and where to go on.
    """
    rule, total = scene.rule, scene.visit.table.total_weight
    assert run.statistics is not None
    resp, joint = _assign(scene, run)
    parts = _split(scene, run, resp, joint)
    if parts is None:
        return []
    _, now = best(rule, run.statistics, run.theta)
    found: list[tuple[float, Theta]] = []
    pairs = sorted(_merge(scene, run, resp, joint, now), key=lambda merged: -merged.gain)
    guesses = [
        (merged.gain + parts.gain[c], merged, c)
        for merged in pairs
        for c in range(len(parts.gain))
        if c not in (merged.a, merged.b)
    ]
    guesses.sort(key=lambda guess: -guess[0])
    for guess, merged, c in guesses[:n_most]:
        if guess < -2.0 * hope * total:
            break
        stats = _put(rule, merged.statistics, parts.statistics, c, merged.b)
        try:
            theta, bound = best(rule, stats, run.theta)
        except SingularCovarianceError:
            continue
        gain = (bound - now + merged.entropy + parts.entropy[c]) / total
        if gain > -hope:
            found.append((gain, theta))
    return sorted(found, key=lambda move: -move[0])


def _assign(scene: Scene[Theta], run: Run[Theta]) -> tuple[Array, Array]:
    """Responsibilities and log joint scores, in nats, both of shape (K, n)."""
    scores = scene.visit.scores(scene.rule.scorer(run.theta))
    if scene.rule.hard:
        first = np.arange(len(scores))[:, None] == scores.argmax(axis=0)
        return first.astype(np.float64), scores
    return softmax(scores, axis=0), scores


def _split(scene: Scene[Theta], run: Run[Theta], resp: Array, joint: Array) -> _Parts | None:
    """Tell the parts of all components apart: EM inside each, for a few rounds.

    A component's rows are first cut through its mean. None if a part has no covariance.
    """
    rule, n_parts = scene.rule, 2 * len(resp)
    visit = scene.by_parts
    family, n_features = rule.family, scene.rows.shape[1]
    blank, summer = rule.blank(n_parts, n_features), family.summer(n_parts, n_features)
    parts = np.empty((n_parts, len(scene.rows)))

    def sum_by(scorer: Scorer) -> GaussianStatistics:
        return visit.summarise(family, scorer, lambda a, b: parts[:, a:b].T)

    assert run.statistics is not None
    # Too small for two parts: whole in the first, so that the other can't be singular.
    whole = run.statistics.weight < 2.0 * scene.least
    apart = _beyond(scene, run, resp)
    for _ in range(_ROUNDS):
        apart[whole] = _CERTAIN
        # For the smaller part's share both exp and log are of small numbers.
        distance = np.abs(apart)
        odds = np.zeros_like(apart) if rule.hard else np.exp(-distance)
        np.multiply(resp, np.where(apart > 0, 1.0, odds) / (1.0 + odds), out=parts[0::2])
        np.subtract(resp, parts[0::2], out=parts[1::2])
        entropy = resp * (np.log1p(odds) + distance * odds / (1.0 + odds))
        try:
            theta, stats = update_summing(rule, sum_by(summer), blank, summer, sum_by)
        except SingularCovarianceError:
            return None
        scores = visit.scores(rule.scorer(theta))
        with np.errstate(invalid="ignore"):
            apart = scores[0::2] - scores[1::2]
        apart[np.isnan(apart)] = 0.0  # neither part has rows
        np.clip(apart, -_CERTAIN, _CERTAIN, out=apart)
    best_part = np.maximum(scores[0::2], scores[1::2])
    either = best_part if rule.hard else best_part + np.log1p(np.exp(-np.abs(apart)))
    with np.errstate(invalid="ignore"):
        gain = np.where(resp > 0, resp * (either - joint), 0.0) @ scene.weights
    small = np.minimum(stats.weight[0::2], stats.weight[1::2]) < scene.least
    return _Parts(stats, entropy @ scene.weights, np.where(small, -np.inf, gain))


def _beyond(scene: Scene[Theta], run: Run[Theta], resp: Array) -> Array:
    """Log odds of parts on either side of each component's mean, across an axis: (K, n).

    Those of two Gaussians whose means are as far apart as those of the halves of one. The axis is
    the longest one of the covariance, turned to where the rows spread more than the covariance
    says (it may be round, or shared with others): the power method on their ratio.
    """
    means, covariances, _ = run.theta.components
    dense = scene.rule.family.dense(covariances, *means.shape)
    axis = np.linalg.eigh(dense)[1][:, :, -1]
    share = resp * scene.weights
    share /= np.maximum(share.sum(axis=1), np.finfo(np.float64).tiny)[:, None]
    for _ in range(_POWERS):
        pull = share * _along(scene, means, axis)
        pull = pull @ scene.rows - pull.sum(axis=1)[:, None] * means
        axis = np.linalg.solve(dense, pull[:, :, None])[:, :, 0]
        length = np.abs(axis).max(axis=1, keepdims=True)
        axis /= np.where(length > 0, length, 1.0)
    along = _along(scene, means, axis)
    spread = np.sqrt((share * np.square(along)).sum(axis=1))
    along *= (_STEEPNESS / np.where(spread > 0, spread, 1.0))[:, None]
    return along


def _along(scene: Scene[Theta], means: Array, axis: Array) -> Array:
    """Lengths of the rows' deviations from means (K, D) along an axis each (K, D): (K, n)."""
    result: Array = axis @ scene.rows.T - (axis * means).sum(axis=1)[:, None]
    return result


def _merge(
    scene: Scene[Theta], run: Run[Theta], resp: Array, joint: Array, now: float
) -> Iterator[_Merged]:
    """Merge those pairs of components that share most rows, as soft assignments would."""
    rule, stats = scene.rule, run.statistics
    assert stats is not None
    own = xlogy(resp, resp) @ scene.weights
    for a, b in _neighbours(softmax(joint, axis=0) if rule.hard else resp, scene.weights):
        together = resp[a] + resp[b]
        entropy = own[a] + own[b] - xlogy(together, together) @ scene.weights
        merged = rule.family.merge(stats, a, b)
        try:
            _, bound = best(rule, merged, run.theta)
        except SingularCovarianceError:
            continue
        yield _Merged(bound - now + entropy, entropy, a, b, merged)


def _neighbours(resp: Array, weights: Array) -> list[tuple[int, int]]:
    """Pair each component with the one that it shares rows with most (Ueda et al. 2000, 14)."""
    overlap = (resp * weights) @ resp.T
    size = np.sqrt(np.maximum(np.diagonal(overlap), np.finfo(np.float64).tiny))
    overlap /= np.outer(size, size)
    np.fill_diagonal(overlap, -1.0)
    nearest = overlap.argmax(axis=1)
    return sorted({(min(a, b), max(a, b)) for a, b in enumerate(nearest.tolist())})


def _put(
    rule: Rule[Theta], stats: GaussianStatistics, parts: GaussianStatistics, split: int, free: int
) -> GaussianStatistics:
    """Statistics when a component's parts take its own place and a free one."""
    family = rule.family
    index = np.array([2 * split, 2 * split + 1])
    two = family.take(parts, index)
    weight, mean, scatter = (values.copy() for values in stats)
    places = [split, free]
    weight[places], mean[places] = two.weight, two.mean
    if family.is_shared:
        between = family.scatter_of(
            (two.mean[1] - two.mean[0])[None], np.atleast_1d(np.prod(two.weight) / two.weight.sum())
        )
        return GaussianStatistics(weight, mean, scatter - between)
    scatter[places] = two.scatter
    return GaussianStatistics(weight, mean, scatter)
