"""Extrapolation of EM: which statistics the next ones are on their way to.

An M-step and the E-step after it map statistics to statistics, and a fit's end is a fixed point
of that map. So what is extrapolated are statistics, in coordinates in which every vector stands
for some, and the rule makes parameters of them as in any M-step: one implementation serves all
families, maximum likelihood, MAP and variational Bayes, and `reg_covar` and priors keep their
meaning.
"""

from __future__ import annotations

from typing import Generic, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.families import GaussianStatistics, SingularCovarianceError
from skem.inference.extrapolation import ACCELERATIONS, Extrapolation
from skem.inference.rules import Rule, Theta

__all__ = ["Accelerator", "Coordinates"]

Array: TypeAlias = NDArray[np.float64]

_TINY = float(np.finfo(np.float64).tiny)
# Relative to `reg_covar`: a covariance that is narrower by less is as wide.
_ROUNDING = 1e-9
# After as many plain iterations since a guess was good, their gains alone tell of convergence.
_PATIENCE = 5


class Coordinates:
    """Statistics as flat vectors whose squared length is a Fisher information, about a reference.

    For each component: twice the root of its share of the rows; the mean, in units of the
    reference's covariance; the Cholesky factor of the covariance in the same units, with the
    logarithm of its diagonal. Means and factors are multiplied by the root of the reference's
    share, so that a component counts by its rows. Near the reference half the squared distance
    is then the divergence between complete-data likelihoods, per unit of weight and whatever the
    units of the features.

    Covariances include `reg_covar` and the prior, so that they have a factor where few rows are.

    Parameters
    ----------
    rule : Rule
    total : float
        Total weight of the rows.
    reference : GaussianStatistics

    Raises
    ------
    numpy.linalg.LinAlgError
        If a covariance of the reference, or of what is encoded, is singular.
    """

    def __init__(self, rule: Rule[Theta], total: float, reference: GaussianStatistics) -> None:
        self.family, self.prior, self.total = rule.family, rule.prior, total
        self.shape = reference.mean.shape
        self.mean = reference.mean
        self.roots = np.linalg.cholesky(self._covariances(reference))
        self.inverses = np.linalg.inv(self.roots)
        self.shares = np.sqrt(np.maximum(reference.weight, _TINY) / total)
        # What the entries of a factor count for: a change of its diagonal for twice the others.
        counts = np.maximum(self.family.count(reference.weight, self.shape[1]), _TINY)
        size = self.roots.shape[-1]
        self.lower = np.tril_indices(size)
        self.diagonal = np.flatnonzero(self.lower[0] == self.lower[1])
        factors = np.ones(len(self.lower[0]))
        factors[self.diagonal] = np.sqrt(2.0)
        ranks = (1,) * (self.roots.ndim - 1 - counts.ndim)
        self.scale = np.sqrt(counts / total).reshape(counts.shape + ranks) * factors

    def _divisor(self, weight: Array, ndim: int) -> Array:
        """Return what scatters of `ndim` dimensions, with the prior's, are divided by."""
        divisor = self.family.count(weight, self.shape[1]) + (self.prior.degrees_of_freedom or 0.0)
        divisor = np.maximum(divisor, _TINY)
        return divisor.reshape(divisor.shape + (1,) * (ndim - divisor.ndim))

    def _covariances(self, stats: GaussianStatistics) -> Array:
        """Return covariances as matrices: (..., D, D), or (..., 1, 1) for variances."""
        scatter = stats.scatter + self.prior.covariance
        unit = self.family.identity(*self.shape)
        covariances = scatter / self._divisor(stats.weight, scatter.ndim)
        covariances = covariances + self.family.reg_covar * unit
        if self.family.has_matrices:
            return covariances
        return covariances.reshape(covariances.shape + (1,) * (4 - covariances.ndim))

    def encode(self, stats: GaussianStatistics) -> Array:
        """Return the coordinates of statistics."""
        factors = self.inverses @ np.linalg.cholesky(self._covariances(stats))
        entries = factors[..., self.lower[0], self.lower[1]]
        entries[..., self.diagonal] = np.log(entries[..., self.diagonal])
        apart = self._columns(stats.mean - self.mean)
        means = (self.inverses @ apart).reshape(self.shape) * self.shares[:, None]
        weights = 2.0 * np.sqrt(np.maximum(stats.weight, 0.0) / self.total)
        return np.concatenate([weights, means.ravel(), (self.scale * entries).ravel()])

    def decode(self, vector: Array) -> GaussianStatistics | None:
        """Return the statistics of given coordinates, or None if no rows could have them.

        There are none for numbers that overflow, and for covariances that would be narrower
        than `reg_covar` and the prior make them.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            stats = self._decode(vector)
        if not all(np.isfinite(part).all() for part in stats):
            return None
        covariances = self._covariances(stats)
        least = self.family.reg_covar * (1.0 - _ROUNDING)
        return stats if np.linalg.eigvalsh(covariances).min() >= least else None

    def _decode(self, vector: Array) -> GaussianStatistics:
        k, d = self.shape
        weight = np.square(vector[:k])
        weight *= self.total / weight.sum()
        columns = self._columns(vector[k : k + k * d].reshape(k, d) / self.shares[:, None])
        mean = self.mean + (self.roots @ columns).reshape(k, d)
        entries = vector[k + k * d :].reshape(*self.roots.shape[:-2], -1) / self.scale
        entries[..., self.diagonal] = np.exp(entries[..., self.diagonal])
        factors = np.zeros_like(self.roots)
        factors[..., self.lower[0], self.lower[1]] = entries
        factors = self.roots @ factors
        covariances = factors @ np.swapaxes(factors, -1, -2)
        unit = self.family.identity(k, d)
        covariances = covariances.reshape(unit.shape) - self.family.reg_covar * unit
        scatter = covariances * self._divisor(weight, unit.ndim) - self.prior.covariance
        return GaussianStatistics(weight, mean, scatter)

    def _columns(self, means: Array) -> Array:
        """Return means as columns that the covariances' factors can be multiplied with."""
        return means[..., None] if self.family.has_matrices else means[..., None, None]


class Accelerator(Generic[Theta]):
    """Says where an iteration of `batch_em` starts from, if not from the statistics at hand.

    `tol` is meant of plain iterations: a guess may gain little far from the end. But where plain
    iterations gain little, a guess may still find much. So a run has converged when the last
    guess changed the bound by less than `tol` (or none was good for long), and the plain
    iterations after it have settled by the rule. After a guess that was not good, or gained less
    than `tol`, the next iteration is plain.

    Parameters
    ----------
    rule : Rule
    total : float
        Total weight of the rows.
    tol : float
        In nats per unit of weight.
    method : str or None
        One of `ACCELERATIONS`; None: never extrapolate.

    Attributes
    ----------
    gains : list of float
        Those of the plain iterations since the last guess that was taken.
    """

    def __init__(self, rule: Rule[Theta], total: float, tol: float, method: str | None) -> None:
        self.rule: Rule[Theta] = rule
        self.total, self.tol = total, tol
        self.extrapolation = None if method is None else ACCELERATIONS[method]()
        self.gains: list[float] = []
        self.coordinates: Coordinates | None = None
        # What the parameters at hand were made from, and those that are being tried.
        self.source: GaussianStatistics | None = None
        self.tried: GaussianStatistics | None = None
        self.guessing = self.resting = self.confirmed = False

    def settled(self) -> bool:
        """Say whether the run has converged."""
        asked = self.extrapolation is None or self.confirmed or len(self.gains) >= _PATIENCE
        return asked and self.rule.settled(self.gains, self.tol)

    def guess(self, theta: Theta, statistics: GaussianStatistics | None) -> Theta | None:
        """Return parameters to try in place of the M-step's, or None.

        Parameters
        ----------
        theta : MixtureParameters or MixturePosterior
        statistics : GaussianStatistics
            Those expected at `theta`.
        """
        if self.extrapolation is None or statistics is None:
            return None
        self.tried = self._ordered(statistics)
        turned = not np.array_equal(self.tried.weight, statistics.weight)
        if self.source is None or self.resting or turned:
            return None
        try:
            proposal = self._propose(self.extrapolation, self.source, statistics)
            if proposal is None:
                return None
            result = self.rule.update(proposal, theta)
        except (SingularCovarianceError, np.linalg.LinAlgError):
            return None
        self.tried, self.guessing = proposal, True
        return result

    def _propose(
        self, extrapolation: Extrapolation, source: GaussianStatistics, image: GaussianStatistics
    ) -> GaussianStatistics | None:
        if self.coordinates is None:
            self.coordinates = Coordinates(self.rule, self.total, image)
        coordinates = self.coordinates
        vector = extrapolation.propose(coordinates.encode(source), coordinates.encode(image))
        if extrapolation.empty:
            self.coordinates = None
        if vector is None:
            return None
        proposal = coordinates.decode(vector)
        if proposal is None:
            extrapolation.judge(False)
            return None
        return self._ordered(proposal)

    def _ordered(self, statistics: GaussianStatistics) -> GaussianStatistics:
        """Arrange components; what was remembered of another order is of no use."""
        assert self.extrapolation is not None
        ordered = self.rule.ordered(statistics)
        if not np.array_equal(ordered.weight, statistics.weight):
            self.extrapolation.forget()
            self.coordinates = None
        return ordered

    def judge(self, gain: float, taken: bool) -> None:
        """Take notice of what the iteration gained, in nats per unit of weight."""
        if taken:
            self.source = self.tried
        if not self.guessing or self.extrapolation is None:
            self.gains.append(gain)
            self.resting = gain < self.tol and len(self.gains) < 2
            return
        self.guessing = False
        self.extrapolation.judge(taken)
        self.confirmed = abs(gain) < self.tol
        self.resting = not taken or gain < self.tol
        if taken:
            self.gains.clear()
