"""Extrapolation of EM: which statistics the next ones are on their way to.

An M-step and the E-step after it map statistics to statistics, and a fit's end is a fixed point
of that map. So what is extrapolated are statistics, in coordinates in which every vector stands
for some, and the rule makes parameters of them as in any M-step: one implementation serves all
families, maximum likelihood, MAP and variational Bayes, and `reg_covar` and priors keep their
meaning.
"""

from __future__ import annotations

from typing import Any, Generic

import numpy as np

from skem.families import SingularCovarianceError
from skem.families.contract import Coordinates, Statistics, extrapolable
from skem.inference.extrapolation import ACCELERATIONS, Extrapolation
from skem.inference.rules import Rule, Theta

__all__ = ["Accelerator"]


class Accelerator(Generic[Theta]):
    """Says where an iteration of `batch_em` starts from, if not from the statistics at hand.

    After a guess that was not good, or gained less than `tol`, the next iteration is plain.

    Parameters
    ----------
    rule : Rule
    total : float
        Total weight of the rows.
    tol : float
        In nats per unit of weight.
    method : str or None
        One of `ACCELERATIONS`; None: never extrapolate.

    Raises
    ------
    TypeError
        If the family has no coordinates to extrapolate in.
    """

    def __init__(self, rule: Rule[Theta], total: float, tol: float, method: str | None) -> None:
        if method is not None:
            self.family = extrapolable(rule.family, f"acceleration={method!r}")
        self.rule: Rule[Theta] = rule
        self.total, self.tol = total, tol
        self.extrapolation = None if method is None else ACCELERATIONS[method]()
        self.coordinates: Coordinates | None = None
        # What the parameters at hand were made from, and those that are being tried.
        self.source: Any = None
        self.tried: Any = None
        self.resting = False
        # The last image and its coordinates: it is the source of the next guess.
        self._encoded: tuple[Any, Any] | None = None
        # Of the plain iterations since a guess was taken, the next is the first.
        self._first_plain = True

    def guess(self, theta: Theta, statistics: Statistics | None) -> Theta | None:
        """Return parameters to try in place of the M-step's, or None.

        Parameters
        ----------
        theta : MixtureParameters or MixturePosterior
        statistics : Statistics
            Those expected at `theta`.
        """
        if self.extrapolation is None or statistics is None:
            return None
        self.tried = self._ordered(statistics)
        turned = _differ(self.tried, statistics)
        if self.source is None or self.resting or turned:
            return None
        try:
            proposal = self._propose(self.extrapolation, self.source, statistics)
            if proposal is None:
                return None
            result = self.rule.update(proposal, theta)
        except (SingularCovarianceError, np.linalg.LinAlgError):
            return None
        self.tried = proposal
        return result

    def _propose(
        self, extrapolation: Extrapolation, source: Statistics, image: Statistics
    ) -> Statistics | None:
        if self.coordinates is None:
            self.coordinates = self.family.coordinates(self.rule.prior, self.total, image)
            self._encoded = None
        coordinates = self.coordinates
        if self._encoded is None or self._encoded[0] is not source:
            self._encoded = source, coordinates.encode(source)
        start, self._encoded = self._encoded[1], (image, coordinates.encode(image))
        vector = extrapolation.propose(start, self._encoded[1])
        if extrapolation.empty:
            self.coordinates = None
        if vector is None:
            return None
        proposal = coordinates.decode(vector)
        if proposal is None:
            extrapolation.record(False)
            return None
        return self._ordered(proposal)

    def _ordered(self, statistics: Statistics) -> Statistics:
        """Arrange components; what was remembered of another order is of no use."""
        assert self.extrapolation is not None
        ordered = self.rule.ordered(statistics)
        if _differ(ordered, statistics):
            self.extrapolation.forget()
            self.coordinates = None
        return ordered

    def record_plain(self, gain: float, taken: bool) -> None:
        """Take notice of an iteration's gain, in nats per unit of weight."""
        if taken:
            self.source = self.tried
        self.resting = gain < self.tol and self._first_plain
        self._first_plain = False

    def record_guess(self, gain: float, taken: bool) -> None:
        """Take notice of a guess, and whether it was good enough to be taken."""
        assert self.extrapolation is not None
        if taken:
            self.source = self.tried
        self.extrapolation.record(taken)
        self.resting = not taken or gain < self.tol
        self._first_plain = self._first_plain or taken


def _differ(ordered: Statistics, statistics: Statistics) -> bool:
    """Say whether an order is another one than it was."""
    return ordered is not statistics and not np.array_equal(ordered.weight, statistics.weight)
