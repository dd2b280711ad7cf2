"""What a fitted mixture says: its family and parameters, from fitted attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from skem._parameters import check_rows
from skem.engine import Partitions
from skem.engine.dask import NumberReader
from skem.families import (
    GAUSSIAN_FAMILIES,
    CategoricalWeights,
    GaussianFamily,
    GaussianParameters,
    VariationalWeights,
)
from skem.inference import MixtureParameters, MixturePosterior
from skem.mixture._lazy import TableReader, check_columns, read_collection
from skem.mixture._noise import n_noise, with_noise_of
from skem.mixture._protocols import FittedMixture
from skem.scoring import Scores

__all__ = [
    "GaussianReader",
    "Reader",
    "check_complete",
    "check_shapes",
    "fitted_components",
    "fitted_weights",
    "gaussian_family",
    "make_family",
    "set_attributes",
]

Array: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating]
Mixture = TypeVar("Mixture", bound=FittedMixture, contravariant=True)
Theta = TypeVar("Theta", MixtureParameters, MixturePosterior)


class Reader(Protocol[Mixture, Theta]):
    """How a kind of estimator's fitted attributes are read, and what rows are scored by."""

    @property
    def parameter_draws(self) -> Mapping[str, Callable[..., MixtureParameters]]:
        """Ways to draw parameters in the user's units, ``draw(estimator, family, rng)``, by name.

        The names are those that `impute` knows.
        """

    def weights(self, estimator: Mixture) -> CategoricalWeights | VariationalWeights:
        """Make the weights' family."""

    def family(self, estimator: Mixture) -> Any:
        """Make the components' family."""

    def read_rows(self, estimator: Mixture, X: Any, *, reset: bool) -> Floats:
        """Check rows, and return them as the engine takes them.

        ``reset`` says whether the estimator is to be fitted to them: what is known of columns by
        their names is then set.
        """

    def read_partitions(
        self, estimator: Mixture, X: Any, sample_weight: Any, *, reset: bool
    ) -> Partitions:
        """Check a Dask collection, and its weights, for a fit; its rows stay where they lie."""

    def part_reader(self, estimator: Mixture, X: Any) -> NumberReader | TableReader:
        """Check the columns of a Dask collection; say what methods are given of its partitions."""

    def shape(self, estimator: Mixture) -> tuple[int, int]:
        """Return the numbers of components and of columns of a fitted estimator."""

    def read(self, estimator: Mixture, family: Any) -> Theta:
        """Read the fitted attributes back, in the user's units.

        Raises
        ------
        ValueError
            If they are not of the kind that the estimator's parameters ask for.
        """

    def to_table(self, family: Any, theta: Theta, origin: Array, scale: Array) -> Theta:
        """Bring parameters in the user's units to a table's."""

    def assigner(self, estimator: Mixture, family: Any, theta: Theta) -> Scores:
        """Make what rows are assigned to components by."""

    def density(self, estimator: Mixture, family: Any, theta: Theta) -> Scores:
        """Make what rows' log densities are sums of."""

    def draw(
        self,
        family: Any,
        theta: Theta,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw a row from each labelled component."""


class GaussianReader:
    """How estimators are read whose components are Gaussian."""

    def family(self, estimator: Any) -> Any:
        """Make the family that `covariance_type` names."""
        return gaussian_family(estimator)

    def read_rows(self, estimator: Any, X: Any, *, reset: bool) -> Floats:
        """Check that rows are numbers, NaN among them, and keep float32 and float64."""
        return check_rows(X, estimator, reset=reset, takes_text="EMMixture")

    def read_partitions(
        self, estimator: Any, X: Any, sample_weight: Any, *, reset: bool
    ) -> Partitions:
        """Check a Dask collection, and its weights, for a fit."""
        return read_collection(estimator, X, sample_weight, reset=reset)

    def part_reader(self, estimator: Any, X: Any) -> NumberReader:
        """Say how partitions are read: as arrays of numbers."""
        return NumberReader(check_columns(estimator, X, reset=False))

    def layout(self, estimator: FittedMixture) -> None:
        """Return None: columns are all of one kind."""
        return

    def structure(self, estimator: FittedMixture) -> str:
        """Return the covariance type."""
        return estimator.covariance_type

    def shape(self, estimator: FittedMixture) -> tuple[int, int]:
        """Return the shape of the fitted means."""
        n_components, n_features = np.shape(estimator.means_)
        return n_components, n_features

    def column_names(self, estimator: Any, n_features: int) -> Sequence[Any]:
        """Return the names of the columns, or their numbers."""
        given = getattr(estimator, "feature_names_in_", None)
        return list(range(n_features)) if given is None else np.asarray(given).tolist()

    def stepped_columns(self, estimator: Any, n_features: int) -> NDArray[np.bool_]:
        """Say which columns may have been recorded in steps: all."""
        return np.ones(n_features, dtype=bool)


def set_attributes(estimator: Any) -> dict[str, Any]:
    """Return what is set besides parameters: after `read_rows`, what is known of the columns."""
    parameters = estimator.get_params(deep=False)
    return {name: value for name, value in vars(estimator).items() if name not in parameters}


def make_family(estimator: FittedMixture) -> Any:
    """Make the components' family, which an estimator's parameters name."""
    return with_noise_of(estimator, estimator._kind.family(estimator))


def fitted_weights(estimator: FittedMixture) -> Array:
    """Read the weights back, the noise's last.

    Raises
    ------
    ValueError
        If the estimator was fitted with noise and asks for none, or the other way round.
    """
    mixture: Any = estimator
    weights = np.asarray(mixture.weights_, dtype=np.float64)
    if bool(n_noise(mixture)) != bool(mixture.noise):
        raise ValueError(
            f"noise={mixture.noise!r}, but the estimator was fitted with"
            f"{'' if n_noise(mixture) else 'out'} noise: fit a new one, or change it back"
        )
    return np.append(weights, mixture.noise_weight_) if n_noise(mixture) else weights


def gaussian_family(estimator: FittedMixture) -> GaussianFamily:
    """Make the Gaussian family that `covariance_type` names."""
    return GAUSSIAN_FAMILIES[estimator.covariance_type](float(estimator.reg_covar))


def check_complete(estimator: object, names: Iterable[str]) -> None:
    """Raise NotFittedError if an estimator lacks attributes that it is read from."""
    missing = [name for name in names if not hasattr(estimator, name)]
    if missing:
        raise NotFittedError(
            f"This {type(estimator).__name__} has no {', '.join(missing)}: fit it. A mixture of "
            "given parameters is built by EMGaussianMixture.from_parameters(weights, means, "
            "covariances); attributes set by hand are read only if all of them are there"
        )


def fitted_components(estimator: FittedMixture, family: GaussianFamily) -> GaussianParameters:
    """Read the fitted components back, in the user's units.

    Raises
    ------
    ValueError
        If the attributes' shapes are not those that the estimator's parameters ask for.
    NotFittedError
        If one is missing, as `check_complete` says.
    """
    check_complete(estimator, ("weights_", "means_", "covariances_", "precisions_cholesky_"))
    means = np.asarray(estimator.means_, dtype=np.float64)
    covariances = np.asarray(estimator.covariances_, dtype=np.float64)
    check_shapes(estimator, means, {"covariances_": covariances}, family)
    factors = np.asarray(estimator.precisions_cholesky_, dtype=np.float64)
    return GaussianParameters(means, covariances, factors)


def check_shapes(
    estimator: FittedMixture, means: Array, matrices: Mapping[str, Array], family: GaussianFamily
) -> None:
    """Raise ValueError if attributes' shapes are not those that the parameters ask for.

    ``matrices`` are the attributes, by name, that have the shape of covariances besides
    ``precisions_cholesky_``.
    """
    n_components, n_features = means.shape
    shape = family.covariance_shape(n_components, n_features)
    values: dict[str, tuple[Any, tuple[int, ...]]] = {
        "weights_": (np.asarray(estimator.weights_), (n_components,))
    }
    values |= {name: (value, shape) for name, value in matrices.items()}
    values["precisions_cholesky_"] = (np.asarray(estimator.precisions_cholesky_), shape)
    asked = estimator.covariance_type
    # Shapes alone do not tell diag from tied where there are as many components as features.
    fitted = estimator._record.covariance_type if hasattr(estimator, "_record") else asked
    if fitted != asked:
        raise ValueError(
            f"covariance_type={asked!r}, but the estimator was fitted with covariance_type="
            f"{fitted!r}: fit a new one, or change it back"
        )
    for name, (value, expected) in values.items():
        if value.shape != expected:
            raise ValueError(
                f"With means_ of shape {means.shape} and covariance_type={asked!r}, {name} should "
                f"have the shape {expected}, but has {value.shape}"
            )
