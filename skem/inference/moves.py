"""Moves that split one component and merge two others, and what the bound gains by them.

With given assignments the bound is a sum of what statistics tell and of the assignments' entropy
(Neal & Hinton 1998), and no later E- or M-step lowers it. Both are cheap for a merged pair and
for a component in two parts, so a move's gain is known, at least, before any iteration is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax, xlogy

from skem.families import SingularCovarianceError
from skem.families.contract import Searchable, Statistics
from skem.inference.loops import Run
from skem.inference.passes import Passes
from skem.inference.rules import (
    Rule,
    Theta,
    has_noise,
    maximise_with_bound,
    update_summing,
    without_noise,
)
from skem.inference.shares import GivenShares
from skem.scoring import Scorer

__all__ = ["Scene", "promising_moves"]

Array: TypeAlias = NDArray[np.float64]

# Rounds in which the two parts of each component are told apart.
_ROUNDS = 2
_CERTAIN = 700.0  # log odds whose exp is still a number


class Scene(NamedTuple, Generic[Theta]):
    """Rows few enough for arrays of a number for each row and component.

    Attributes
    ----------
    passes : Passes
        Over those rows; all have positive weights.
    by_parts : Passes
        The same by twice as many components.
    rows : ndarray of shape (n, D)
        The same in the table's units.
    weights : ndarray of shape (n,)
    rule : Rule
    least : float
        Smallest weight of a part.
    """

    passes: Passes
    by_parts: Passes
    rows: Array
    weights: Array
    rule: Rule[Theta]
    least: float

    @property
    def family(self) -> Searchable[Any, Any]:
        """The rule's family, which can be searched."""
        return cast("Searchable[Any, Any]", self.rule.family)

    @property
    def n_components(self) -> int:
        """Number of components, without noise: that is neither split nor merged."""
        return self.by_parts.plan.n_components // 2


class _Parts(NamedTuple):
    """Each component in two: the parts of component k are 2k and 2k + 1.

    Attributes
    ----------
    statistics : Statistics
        Of 2K parts.
    entropy : ndarray of shape (K,)
        What the assignments' entropy gains if that component alone is split, in nats.
    gain : ndarray of shape (K,)
        What the bound gains then, at least; -inf where a part is too small.
    """

    statistics: Statistics
    entropy: Array
    gain: Array


class _Merged(NamedTuple):
    """Two components as one, which is ``a``; ``b`` is free."""

    gain: float
    entropy: float
    a: int
    b: int
    statistics: Statistics


def promising_moves(
    scene: Scene[Theta], run: Run[Theta], hope: float, n_most: int
) -> Iterator[list[tuple[float, Theta]]]:
    """Yield what moves lead to that lower the bound by at most ``hope``, the best first.

    There is a list for each way that the family has of cutting a component in two, made when it is
    asked for.

    Parameters
    ----------
    scene : Scene
    run : Run
        A run over the scene's rows, with its statistics.
    hope : float
        In nats per unit of weight.
    n_most : int
        Moves to look at closely, for each way.

    Yields
    ------
    moves : list of (float, Theta)
        What the bound gains at least, per unit of weight, and where to go on.
    """
    rule = scene.rule
    assert run.statistics is not None
    resp, joint = (values[: scene.n_components] for values in _assign(scene, run))
    if not resp.any():  # all rows are noise
        return
    pairs: list[_Merged] | None = None
    for apart in scene.family.cuts(run.theta.components, scene.rows, resp * scene.weights):
        parts = _split(scene, run, resp, joint, apart)
        if parts is None:
            continue
        if pairs is None:
            _, now = maximise_with_bound(rule, run.statistics, run.theta)
            pairs = sorted(_merge(scene, run, resp, joint, now), key=lambda merged: -merged.gain)
        yield _most_promising(scene, run, pairs, parts, now, hope, n_most)


def _most_promising(
    scene: Scene[Theta],
    run: Run[Theta],
    pairs: list[_Merged],
    parts: _Parts,
    now: float,
    hope: float,
    n_most: int,
) -> list[tuple[float, Theta]]:
    """Merge pairs and split others, where that may gain most."""
    total = scene.passes.source.total_weight
    found: list[tuple[float, Theta]] = []
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
        stats = scene.family.split_into(merged.statistics, parts.statistics, c, merged.b)
        try:
            theta, bound = maximise_with_bound(scene.rule, stats, run.theta)
        except SingularCovarianceError:
            continue
        gain = (bound - now + merged.entropy + parts.entropy[c]) / total
        if gain > -hope:
            found.append((gain, theta))
    return sorted(found, key=lambda move: -move[0])


def _assign(scene: Scene[Theta], run: Run[Theta]) -> tuple[Array, Array]:
    """Responsibilities and log joint scores, in nats, both of shape (K, n)."""
    scores = scene.passes.scores(scene.rule.scorer(run.theta))
    if scene.rule.hard:
        first = np.arange(len(scores))[:, None] == scores.argmax(axis=0)
        return first.astype(np.float64), scores
    return _softmax(scores), scores


def _softmax(scores: Array) -> Array:
    """Return the responsibilities that scores (K, n) stand for."""
    resp = scores - scores.max(axis=0)
    np.exp(resp, out=resp)
    resp /= resp.sum(axis=0)
    return resp


def _split(
    scene: Scene[Theta], run: Run[Theta], resp: Array, joint: Array, apart: Array
) -> _Parts | None:
    """Tell the parts of all components apart: EM inside each, for a few rounds.

    They begin at the log odds ``apart``. None if a part has no covariance.
    """
    rule, passes = without_noise(scene.rule), scene.by_parts
    family = cast("Searchable[Any, Any]", rule.family)
    n_parts, n_features = 2 * len(resp), scene.rows.shape[1]
    none, summer = rule.without_rows(n_parts, n_features), family.summer(n_parts, n_features)
    parts = np.empty((n_parts, len(scene.rows)))

    def sum_by(scorer: Scorer) -> Statistics:
        return passes.summarise(family, scorer, GivenShares(parts.T))

    assert run.statistics is not None
    # Too small for two parts: whole in the first, so that the other can't be singular.
    weight = run.statistics.weight[: len(resp)]
    whole = weight < 2.0 * scene.least
    # As large as several of the processor's caches: fresh memory for each step would be slow.
    distance, odds, both, share = np.empty((4, *resp.shape))
    for _ in range(_ROUNDS):
        apart[whole] = _CERTAIN
        # For the smaller part's share both exp and log are of small numbers.
        np.abs(apart, out=distance)
        if rule.hard:
            odds.fill(0.0)
        else:
            np.exp(np.negative(distance, out=odds), out=odds)
        np.add(odds, 1.0, out=both)
        share[:] = odds
        np.putmask(share, apart > 0, 1.0)
        share /= both
        np.multiply(resp, share, out=parts[0::2])
        np.subtract(resp, parts[0::2], out=parts[1::2])
        try:
            theta, stats = update_summing(rule, sum_by(summer), none, summer, sum_by)
        except SingularCovarianceError:
            return None
        scores = passes.scores(rule.scorer(theta))
        with np.errstate(invalid="ignore"):
            np.subtract(scores[0::2], scores[1::2], out=apart)
        apart[np.isnan(apart)] = 0.0  # neither part has rows
        np.clip(apart, -_CERTAIN, _CERTAIN, out=apart)
    distance *= odds
    distance /= both
    entropy = np.log1p(odds, out=odds)
    entropy += distance
    entropy *= resp
    either = np.maximum(scores[0::2], scores[1::2], out=share)
    if has_noise(scene.rule):
        # Of the parts' weights, which add up to one.
        either += np.log(weight.sum() / scene.passes.source.total_weight)
    if not rule.hard:
        np.negative(np.abs(apart, out=both), out=both)
        either += np.log1p(np.exp(both, out=both), out=both)
    with np.errstate(invalid="ignore"):
        either -= joint
        either *= resp
    either[resp <= 0] = 0.0
    small = np.minimum(stats.weight[0::2], stats.weight[1::2]) < scene.least
    gain = np.where(small, -np.inf, either @ scene.weights)
    return _Parts(stats, entropy @ scene.weights, gain)


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
        merged = scene.family.merge(stats, a, b)
        try:
            _, bound = maximise_with_bound(rule, merged, run.theta)
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
