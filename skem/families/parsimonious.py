"""Ten more of the fourteen models of Celeux & Govaert (1995), by mclust's names.

Volume, shape and orientation of a covariance, in this order, are one for all components ("E"),
each component's own ("V"), or the identity's ("I"). The other four are VII = spherical,
VVI = diag, EEE = tied and VVV = full. Rows are scored and summed as for diag and full
covariances; what is special is the M-step, `covariances_of`.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skem.families.decomposition import ORIENTATIONS, VARIANCES
from skem.families.diag import DiagGaussian
from skem.families.full import FullGaussian
from skem.families.parameters import Array

__all__ = ["PARSIMONIOUS", "AlongAxes", "Oriented"]


def _count_variances(volume: str, shape: str, n_components: int, n_features: int) -> int:
    """Free parameters of volumes and shapes."""
    each = {"I": 0, "E": 1, "V": n_components}
    return each[volume] + each[shape] * (n_features - 1)


class AlongAxes(DiagGaussian):
    """Variances of shape (K, D) along the features, with parts in common."""

    conjugate = False
    volume: ClassVar[str]
    shape: ClassVar[str]

    def n_parameters(self, n_components: int, n_features: int) -> int:
        variances = _count_variances(self.volume, self.shape, n_components, n_features)
        return n_components * n_features + variances

    def covariances_of(
        self, scatter: Array, divisor: Array, known: NDArray[np.bool_], previous: Array
    ) -> Array:
        result = np.zeros_like(scatter)
        result[known] = VARIANCES[self.volume + self.shape](scatter[known], divisor[known])
        return result


class Oriented(FullGaussian):
    """Covariances of shape (K, D, D) with parts in common."""

    conjugate = False
    volume: ClassVar[str]
    shape: ClassVar[str]
    orientation: ClassVar[str]

    def n_parameters(self, n_components: int, n_features: int) -> int:
        variances = _count_variances(self.volume, self.shape, n_components, n_features)
        axes = n_components if self.orientation == "V" else 1
        rotations = axes * n_features * (n_features - 1) // 2
        return n_components * n_features + variances + rotations

    def covariances_of(
        self, scatter: Array, divisor: Array, known: NDArray[np.bool_], previous: Array
    ) -> Array:
        result = np.zeros_like(scatter)
        variances = VARIANCES[self.volume + self.shape]
        maximise = ORIENTATIONS[self.orientation]
        result[known] = maximise(scatter[known], divisor[known], variances, previous[known])
        return result


class EII(AlongAxes):
    """One variance for all components and features."""

    one_scale = True
    volume, shape = "E", "I"


class EEI(AlongAxes):
    """One variance for each feature, the same for all components."""

    volume, shape = "E", "E"


class VEI(AlongAxes):
    """A volume each; ratios between the features' variances in common."""

    volume, shape = "V", "E"


class EVI(AlongAxes):
    """One volume; ratios between the features' variances of each component's own."""

    volume, shape = "E", "V"


class VEE(Oriented):
    """A volume each; one matrix for all but for that factor."""

    volume, shape, orientation = "V", "E", "="


class EVE(Oriented):
    """One volume, one orientation; a shape each."""

    one_scale = True
    volume, shape, orientation = "E", "V", "E"


class VVE(Oriented):
    """One orientation; a volume and a shape each (common principal components)."""

    one_scale = True
    volume, shape, orientation = "V", "V", "E"


class EEV(Oriented):
    """One volume, one shape; an orientation each."""

    one_scale = True
    volume, shape, orientation = "E", "E", "V"


class VEV(Oriented):
    """One shape; a volume and an orientation each."""

    one_scale = True
    volume, shape, orientation = "V", "E", "V"


class EVV(Oriented):
    """One volume; a shape and an orientation each."""

    volume, shape, orientation = "E", "V", "V"


PARSIMONIOUS: dict[str, type[AlongAxes] | type[Oriented]] = {
    family.__name__: family for family in (EII, EEI, VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV)
}
