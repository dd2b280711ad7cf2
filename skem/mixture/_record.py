"""What a fit leaves for what may follow: more steps, another fit, samples."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.mixture._units import Units

__all__ = ["ElboTerms", "FitRecord", "sampler_of"]

Array: TypeAlias = NDArray[np.float64]


class ElboTerms(NamedTuple):
    """The parts of the evidence lower bound, in nats; their sum is the bound.

    Attributes
    ----------
    expected_log_likelihood : float
        Expected log density of the rows and of their assignments, given the parameters.
    negative_kl_weights : float
        Minus KL(posterior || prior) of the weights.
    negative_kl_components : float
        Minus KL(posterior || prior) of the means and precisions.
    entropy : float
        Entropy of the assignments.
    """

    expected_log_likelihood: float
    negative_kl_weights: float
    negative_kl_components: float
    entropy: float


class FitRecord(NamedTuple):
    """Where a fit ended.

    Attributes
    ----------
    covariance_type : str
        Of the fit; the parameter may have been changed since.
    sampler : numpy.random.RandomState or int
        What `sample` draws from where it is given no random state; its seed, until it is asked.
    units : Units
    weight : float
        Total weight of the rows seen.
    steps : int
        Steps of stepwise fitting; 0 after a fit.
    statistics : Statistics or None
        Per unit of weight, in those units: where steps go on. None: those that rows of the
        fitted mixture are expected to have.
    prior : Any
        In those units; made from the rows where the user left it open. None: to be made anew.
    bound : float
        Where the fit ended, per unit of weight in those units; -inf after a step.
    gains : tuple of float
        What its last iterations gained.
    warned : tuple of str
        What the user has been warned of in steps.
    effective : ndarray of shape (n_components,), bool, or None
        Which components have rows; None for point estimates.
    elbo_terms : ElboTerms or None
        None for point estimates, and where only rows could tell.
    """

    covariance_type: str
    sampler: np.random.RandomState | int
    units: Units
    weight: float
    steps: int = 0
    statistics: Any = None
    prior: Any = None
    bound: float = float("-inf")
    gains: tuple[float, ...] = ()
    warned: tuple[str, ...] = ()
    effective: NDArray[np.bool_] | None = None
    elbo_terms: ElboTerms | None = None

    def as_plain(self) -> tuple[Any, ...]:
        """Return a tuple of the fields, with the units as one, too."""
        return tuple(self._replace(units=tuple(self.units)))  # type: ignore[arg-type]

    @classmethod
    def from_plain(cls, fields: tuple[Any, ...]) -> FitRecord:
        """Make a record of what `as_plain` returned."""
        record = cls(*fields)
        return record._replace(units=Units(*record.units))


def sampler_of(estimator: Any) -> np.random.RandomState:
    """Return what a fitted estimator draws from, the same one at each call."""
    record: FitRecord = estimator._record
    sampler = record.sampler
    if not isinstance(sampler, np.random.RandomState):
        # Made when it is asked for: most fits are never sampled, and it takes as long as an
        # iteration on a hundred rows.
        sampler = np.random.RandomState(sampler)
        estimator._record = record._replace(sampler=sampler)
    return sampler
