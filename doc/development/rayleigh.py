"""Wind speeds: each column of a component is Rayleigh distributed, with a scale of its own."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skem.families.kinds import LinearKind


class RayleighParameters(NamedTuple):
    scales: np.ndarray  # the most frequent speeds, (K, d)


@dataclass(frozen=True, eq=False)
class Rayleigh(LinearKind):
    """Log density ``log(x / scale^2) - x^2 / (2 scale^2)``, x > 0."""

    # The data: which cells can't be, and the lines that log densities are linear in.
    def fault(self, values):
        return values <= 0, "positive numbers"

    def own_lines(self, values):
        return np.square(values)

    def cell_base(self, values):  # the same for all components
        return np.log(values)

    # Coefficients of the lines, and what each seen cell adds: both (K, d).
    def natural(self, parameters):
        squares = np.square(parameters.scales)
        return -0.5 / squares, -np.log(squares)

    # The M-step, from means of the lines; components keep what they had where they saw nothing.
    def maximise(self, stats, previous):
        known, means = self.means(stats)
        return RayleighParameters(np.where(known, np.sqrt(0.5 * means), previous.scales))

    def typical(self, stats):  # means of the lines of a prior's pseudo-rows: those of all rows
        return self.means(stats)[1]

    def without_rows(self, n_components):
        return RayleighParameters(np.tile(self.units, (n_components, 1)))

    # What is asked of a fitted mixture.
    def n_parameters(self, n_components):
        return n_components * self.n_columns

    def sample(self, parameters, labels, rng):
        scales = parameters.scales[labels]
        return scales * np.sqrt(2.0 * rng.standard_exponential(scales.shape))

    def impute(self, parameters, resp):
        return resp @ (np.sqrt(0.5 * np.pi) * parameters.scales)
