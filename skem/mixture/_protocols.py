"""Estimators as the code behind them sees them: parameters, and fitted attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._parameters import Allowed
from skem.inference import Tree
from skem.mixture._record import FitRecord

__all__ = ["FittedMixture", "MixtureSettings", "PointSettings", "VariationalSettings"]

Floats = NDArray[np.floating]


class FittedMixture(Protocol):
    """What a fitted Gaussian mixture publishes, and what its components' family follows from."""

    n_components: int
    covariance_type: str
    reg_covar: float

    weights_: Floats
    means_: Floats
    precisions_: Floats
    precisions_cholesky_: Floats
    lower_bounds_: list[float]
    _record: FitRecord

    @property
    def covariances_(self) -> Floats:
        """Covariances, of the shape that the structure gives them."""

    @property
    def _kind(self) -> Any:
        """What reads these."""


class MixtureSettings(FittedMixture, Protocol):
    """The parameters that all Gaussian mixtures have."""

    _allowed: ClassVar[Mapping[str, tuple[Allowed, ...]]]

    tol: float
    max_iter: int
    n_init: int
    init_params: str | Tree | ArrayLike
    random_state: int | np.random.RandomState | None
    warm_start: bool
    verbose: int
    verbose_interval: int
    n_jobs: int | None
    learning_decay: float
    learning_offset: float
    block_size: int | None
    assignment: Any
    acceleration: str | None
    resolution: str | ArrayLike | None
    noise: bool | float

    mean_prior: ArrayLike | None
    mean_precision_prior: float | None
    degrees_of_freedom_prior: float | None
    covariance_prior: ArrayLike | None
    weight_concentration_prior: float | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters by name."""


class PointSettings(MixtureSettings, Protocol):
    """Those of point estimates besides."""

    weights_init: ArrayLike | None
    means_init: ArrayLike | None
    precisions_init: ArrayLike | None


class VariationalSettings(MixtureSettings, Protocol):
    """Parameters and fitted attributes of posteriors besides."""

    weight_concentration_prior_type: str

    weight_concentration_: Any
    weight_concentration_prior_: float
    mean_precision_: Floats
    degrees_of_freedom_: Floats
    expected_counts_: Floats
