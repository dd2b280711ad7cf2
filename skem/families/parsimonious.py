"""Ten more of the fourteen models of Celeux & Govaert (1995), by mclust's names.

Volume, shape and orientation of a covariance, in this order, are one for all components ("E"),
each component's own ("V"), or the identity's ("I"). The other four are VII = spherical,
VVI = diag, EEE = tied and VVV = full. Rows are scored and summed as for diag and full
covariances; what is special is the M-step, `covariances_of`. EEI and EII are as simple as tied:
they pool scatters, and have conjugate priors.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skem.families.constrained import CONSTRAINED_ORIENTATIONS, CONSTRAINED_VARIANCES
from skem.families.decomposition import ORIENTATIONS, VARIANCES
from skem.families.diag import DiagGaussian
from skem.families.floor import is_above, least_variances
from skem.families.full import FullGaussian
from skem.families.parameters import (
    Array,
    GaussianParameters,
    GaussianPosterior,
    GaussianPrior,
    SingularCovarianceError,
)
from skem.families.wishart import gamma_divergence, log_inverse_gamma

__all__ = ["PARSIMONIOUS", "AlongAxes", "Oriented"]


def _count_variances(volume: str, shape: str, n_components: int, n_features: int) -> int:
    """Free parameters of volumes and shapes."""
    each = {"E": 1, "V": n_components}
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
        maximise = VARIANCES[self.volume + self.shape]
        if np.count_nonzero(known) == len(known):
            return maximise(scatter, divisor)
        result = np.zeros_like(scatter)
        result[known] = maximise(scatter[known], divisor[known])
        return result

    def hold(
        self,
        covariances: Array,
        scatter: Array,
        divisor: Array,
        known: NDArray[np.bool_],
        previous: Array,
    ) -> Array:
        assert self.floor is not None
        if (covariances[known] >= self.floor).all():
            return covariances
        scatter, count = scatter[known] + self.reg_covar * divisor[known, None], divisor[known]
        maximise = CONSTRAINED_VARIANCES[self.volume + self.shape]
        result = covariances.copy()
        result[known] = maximise(scatter, count, np.broadcast_to(self.floor, scatter.shape))
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
        parts, maximise = self.volume + self.shape, ORIENTATIONS[self.orientation]
        if np.count_nonzero(known) == len(known):
            return maximise(scatter, divisor, parts, previous)
        result = np.zeros_like(scatter)
        result[known] = maximise(scatter[known], divisor[known], parts, previous[known])
        return result

    def hold(
        self,
        covariances: Array,
        scatter: Array,
        divisor: Array,
        known: NDArray[np.bool_],
        previous: Array,
    ) -> Array:
        assert self.floor is not None
        if is_above(covariances[known], self.floor):
            return covariances
        count = divisor[known]
        ridge = self.reg_covar * count[:, None, None] * np.eye(scatter.shape[-1])
        parts = self.volume + self.shape
        maximise = CONSTRAINED_ORIENTATIONS[
            "*" if parts == "EV" and self.orientation == "V" else self.orientation
        ]
        result = covariances.copy()
        result[known] = maximise(
            scatter[known] + ridge,
            count,
            parts,
            previous[known],
            self.floor,
        )
        return result


class OfOneShape(Oriented):
    """Of shape or orientation, or both, there is one: rows of all components inform it."""

    def least_rows(self, n_components: int, n_features: int) -> int:
        return n_components + n_features


class EEI(DiagGaussian):
    """One variance for each feature, the same for all components: equal lines of (K, D).

    Its prior is one inverse gamma for each feature.
    """

    def _apart(self, values: Array) -> Array:
        """Return the entries of (K, D) or (1, D) that need not be equal."""
        return values[:1]

    def n_parameters(self, n_components: int, n_features: int) -> int:
        apart = self._apart(self.identity(n_components, n_features))
        return n_components * n_features + apart.size

    def _factors_above(self, covariances: Array, least: Array | None) -> Array | None:
        try:
            return super()._factors_above(covariances, least)
        except SingularCovarianceError:
            raise SingularCovarianceError(None) from None

    def pool(self, scatter: Array) -> Array:
        return np.broadcast_to(scatter.sum(axis=0), scatter.shape)

    def count(self, weight: Array, n_features: int) -> Array:
        return np.full_like(weight, weight.sum())

    def rows_needed(self, n_features: int) -> int:
        return 1

    def least_rows(self, n_components: int, n_features: int) -> int:
        return n_components + 1

    def mean_exponent(self, n_components: int, n_features: int) -> float:
        return float(n_components)

    def log_covariance_prior(self, parameters: GaussianParameters, prior: GaussianPrior) -> float:
        prior = prior._replace(covariance=self._apart(prior.covariance))
        return float(log_inverse_gamma(self._apart(parameters.covariances), prior).sum())

    def covariance_divergence(
        self, posterior: GaussianPosterior, factors: Array, prior: GaussianPrior
    ) -> float:
        one = posterior._replace(
            scatter=self._apart(posterior.scatter),
            degrees_of_freedom=posterior.degrees_of_freedom[:1],
        )
        return gamma_divergence(one, prior._replace(covariance=self._apart(prior.covariance)))

    def log_volume(self, log_scale: Array, n_components: int) -> float:
        return 2.0 * float(self._apart(log_scale[None]).sum())


class EII(EEI):
    """One variance for all components and features: equal numbers (K, D).

    Its prior is an inverse gamma.
    """

    one_variance = True
    one_scale = True
    tail_of_each_feature = False

    def _apart(self, values: Array) -> Array:
        return values[:1, :1]

    def floor_below(self, variances: Array, one: Array) -> Array:
        return least_variances(variances.max(), one[0])

    def pool(self, scatter: Array) -> Array:
        return np.broadcast_to(scatter.sum(), scatter.shape)

    def prior_shape(self, n_features: int) -> tuple[int, ...]:
        return ()

    def count(self, weight: Array, n_features: int) -> Array:
        return n_features * super().count(weight, n_features)

    def mean_exponent(self, n_components: int, n_features: int) -> float:
        return float(n_components * n_features)


class VEI(AlongAxes):
    """A volume each; ratios between the features' variances in common."""

    volume, shape = "V", "E"


class EVI(AlongAxes):
    """One volume; ratios between the features' variances of each component's own."""

    volume, shape = "E", "V"


class VEE(OfOneShape):
    """A volume each; one matrix for all but for that factor."""

    volume, shape, orientation = "V", "E", "="


class EVE(OfOneShape):
    """One volume, one orientation; a shape each."""

    one_scale = True
    volume, shape, orientation = "E", "V", "E"


class VVE(OfOneShape):
    """One orientation; a volume and a shape each (common principal components)."""

    one_scale = True
    volume, shape, orientation = "V", "V", "E"


class EEV(OfOneShape):
    """One volume, one shape; an orientation each."""

    one_scale = True
    volume, shape, orientation = "E", "E", "V"


class VEV(OfOneShape):
    """One shape; a volume and an orientation each."""

    one_scale = True
    volume, shape, orientation = "V", "E", "V"


class EVV(Oriented):
    """One volume; a shape and an orientation each."""

    volume, shape, orientation = "E", "V", "V"


PARSIMONIOUS: dict[str, type[DiagGaussian] | type[Oriented]] = {
    family.__name__: family for family in (EII, EEI, VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV)
}
