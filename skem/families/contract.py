"""What a family of component distributions is, by who asks.

Every fit asks what `Family` states. A conjugate family also serves variational Bayes, a searchable
one can be started by a search, an extrapolable one can be accelerated. `Estimable` is what
estimators ask of Gaussian families besides, to make attributes of parameters and back.

Loops and rules read `weight` of statistics, and nothing else; parameters, posteriors and priors
are opaque to them.

Shapes: K components, D columns. Everything is in the units of a `Source`, as `Family.units`
chose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from skem.engine import LinesOfBlocks
from skem.scoring import Scorer, Sums

__all__ = [
    "AnyConjugate",
    "AnyFamily",
    "Conjugate",
    "Coordinates",
    "Estimable",
    "Extrapolable",
    "Family",
    "Hasty",
    "Searchable",
    "Statistics",
    "conjugate",
    "extrapolable",
    "hasty",
    "methods_of",
    "searchable",
]

Array: TypeAlias = NDArray[np.float64]


class Statistics(Protocol):
    """Expected sufficient statistics of K components."""

    @property
    def weight(self) -> Array:
        """Summed responsibilities, (K,)."""


Stats = TypeVar("Stats", bound=Statistics)
Params = TypeVar("Params")
Post = TypeVar("Post")
Data = TypeVar("Data")


class Family(Protocol[Stats, Params]):
    """What every family answers."""

    def n_products(self, n_features: int) -> int:
        """Count the products of two lines of a tile that a component's score is linear in."""

    def units(self, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Choose the origin and the scale that columns are read with, each (D,).

        Parameters
        ----------
        mean, deviation : ndarray of shape (D,)
            Weighted means and standard deviations of the columns.
        """

    def scorer(self, parameters: Params, log_weights: Array) -> Scorer:
        """Make the scorer of log density plus log weight (K,), in nats."""

    def summer(self, n_components: int, n_features: int) -> Scorer:
        """Make a scorer that is good for summing statistics only."""

    def statistics(self, scorer: Scorer, sums: Sums) -> Stats:
        """Turn a scorer's sums into statistics."""

    def better_summer(
        self, stats: Stats, scorer: Scorer, parameters: Params | None
    ) -> Scorer | None:
        """Make a scorer that sums more exactly where ``scorer``'s sums lost digits.

        Parameters
        ----------
        stats : Statistics
            What ``scorer`` summed.
        scorer : Scorer
        parameters : Params or None
            What the M-step made of them; None if it failed for a singular covariance.

        Returns
        -------
        summer : Scorer or None
            None where the sums are good.
        """

    def add(self, a: Stats, b: Stats) -> Stats:
        """Statistics of both sets of rows."""

    def scale(self, stats: Stats, factor: float) -> Stats:
        """Statistics of rows counted ``factor`` times."""

    def mode(self, stats: Stats, prior: Any, previous: Params) -> Params:
        """Make the M-step: the parameters of highest posterior density.

        Under a flat prior that is maximum likelihood. A component without rows or prior keeps
        its ``previous`` parameters.

        Raises
        ------
        SingularCovarianceError
            Where there is no maximum.
        """

    def log_likelihood(self, stats: Stats, parameters: Params) -> float:
        """Log likelihood of the rows that statistics stand for, given their components, in nats."""

    def log_prior(self, parameters: Params, prior: Any) -> float:
        """Log prior density of the parameters, in nats; flat parts count as zero."""

    def without_rows(self, n_components: int, n_features: int) -> Params:
        """Make the parameters of components that never had a row: those of all rows."""


class Conjugate(Family[Stats, Params], Protocol[Stats, Params, Post]):
    """What variational Bayes asks besides."""

    def nothing(self, n_components: int, n_features: int) -> Stats:
        """Statistics of no rows."""

    def posterior(self, prior: Any, stats: Stats) -> Post:
        """Make the conjugate update."""

    def expected_parameters(self, posterior: Post) -> Params:
        """Return the parameters that expected log densities are those of, constants apart."""

    def expected_scorer(self, posterior: Post, parameters: Params, log_weights: Array) -> Scorer:
        """Make the scorer of expected log density plus log weight (K,), in nats.

        ``parameters`` are the posterior's `expected_parameters`, here and below.
        """

    def expected_log_likelihood(self, stats: Stats, posterior: Post, parameters: Params) -> float:
        """Expected log likelihood of the rows that statistics stand for, in nats."""

    def divergence(self, posterior: Post, parameters: Params, prior: Any) -> float:
        """KL(posterior || prior), in nats, summed over the components."""

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        """Return some of the components of statistics, posteriors or parameters, in an order."""


class Searchable(Family[Stats, Params], Protocol[Stats, Params]):
    """What a search for starts, and merging, ask besides."""

    def rows_needed(self, n_features: int) -> int:
        """Return how many rows of a component determine its parameters."""

    def parameters_that_overfit(self, n_components: int, n_features: int) -> int:
        """Count the parameters that a few rows each are fitted too well by, by a point estimate.

        Where rows are few for them, a start of higher likelihood may describe other rows worse.
        0: not looked into.
        """

    def merge(self, stats: Stats, a: int, b: int) -> Stats:
        """Statistics when component ``a`` also has the rows of ``b``, and ``b`` none."""

    def split_into(self, stats: Stats, parts: Stats, split: int, free: int) -> Stats:
        """Statistics when a component's parts take its own place and a free one.

        Parameters
        ----------
        stats : Statistics
        parts : Statistics
            Of 2K components: those of component k are 2k and 2k + 1.
        split, free : int
        """

    def cuts(self, parameters: Params, rows: Array, share: Array) -> Iterator[Array]:
        """Log odds of two parts of each component, one on either side: (K, n), way by way.

        The way that serves most often comes first; the next one is asked for if it fails.

        Parameters
        ----------
        parameters : Params
        rows : ndarray of shape (n, D)
        share : ndarray of shape (K, n)
            Weighted responsibilities.
        """

    def distances(self, stats: Stats, component: int, parameters: Params) -> Array:
        """Distances from the rows of one component to each component, (K,)."""


class Coordinates(Protocol):
    """Statistics as flat vectors."""

    def encode(self, stats: Any) -> Array:
        """Return the coordinates of statistics; LinAlgError where they have none."""

    def decode(self, vector: Array) -> Any:
        """Return the statistics of given coordinates, or None if no rows could have them."""


class Extrapolable(Family[Stats, Params], Protocol[Stats, Params]):
    """What acceleration asks besides."""

    def coordinates(self, prior: Any, total: float, reference: Stats) -> Coordinates:
        """Make coordinates in which half the squared distance is a divergence, about a reference.

        Parameters
        ----------
        prior : Any
            The components' prior.
        total : float
            Total weight of the rows.
        reference : Statistics

        Raises
        ------
        numpy.linalg.LinAlgError
        """


class Hasty(Family[Stats, Params], Protocol[Stats, Params]):
    """What stepwise EM uses of a family with parameters that EM changes slowly."""

    def hasten(self, old: Stats, new: Stats, blended: Stats, rate: float) -> Stats:
        """Return statistics that lead further the way that EM goes, and come to rest where it does.

        Parameters
        ----------
        old, new : Statistics
            Those so far, and a batch's; per unit of weight.
        blended : Statistics
            ``(1 - rate) old + rate new``.
        rate : float
        """


class Estimable(Family[Stats, Params], Protocol[Stats, Params]):
    """What estimators ask besides: from parameters to attributes, and back."""

    @property
    def reg_covar(self) -> float:
        """What is added to variances wherever a point estimate forms a covariance."""

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the free parameters."""

    @property
    def maker(self) -> LinesOfBlocks | None:
        """What makes the lines of tiles from rows; None: rows are the lines."""

    def for_rows(self, X: NDArray[np.floating], *, gappy: bool, more: bool = False) -> Self:
        """Return the family for the missing cells of rows.

        ``gappy`` says whether any cell is missing, ``more`` that other rows may follow, in which
        other cells are missing.
        """

    def with_gaps(self, start: Callable[[], Any]) -> Self:
        """Return the family for tables with missing cells.

        ``start()`` returns one component that completes rows where parameters are not known yet:
        parameters of the family that `regularised` returns.
        """

    def related_columns(self, n_features: int) -> NDArray[np.bool_]:
        """Say of which pairs of columns covariances are among the parameters, (D, D)."""

    def fill(self, rows: Array) -> Array:
        """Put something likely into the missing cells (NaN) of rows (n, D)."""

    @property
    def gaussian(self) -> Any:
        """The Gaussian family whose covariances its scale matrices have the form of."""

    def column_variances(self, parameters: Params) -> Array:
        """Return the variance of each column in each component, (K, D)."""

    def typical_units(self, weights: Array, parameters: Params) -> tuple[Array, Array]:
        """Return an origin and a scale, each (D,), that rows are scored well in."""

    def standardise(self, parameters: Params, origin: Array, scale: Array) -> Params:
        """Return the parameters of the columns ``(x - origin) / scale``."""

    def restore(self, parameters: Params, origin: Array, scale: Array) -> Params:
        """Return the parameters of the columns ``x * scale + origin``."""

    def regularised(self) -> Any:
        """Return a family that completes rows: no covariance of it is singular, or has a floor."""

    def precisions(self, factors: Array) -> Array:
        """Return precisions from their factors."""

    def from_precisions(self, precisions: Array) -> Params:
        """Return covariances and factors (means of shape (0, 0)) for given precisions."""

    def covariance_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Shape of the covariances."""

    def are_positive(self, matrices: Array) -> tuple[bool, str]:
        """Say whether an array can hold covariances or precisions, and in words what can."""

    def values_by_decree(self, constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say in which of the constant columns the variance is `reg_covar` alone."""

    def expected(self, weights: Array, parameters: Params) -> Stats:
        """Statistics per unit of weight that rows of a mixture are expected to have."""

    @property
    def floor(self) -> Any:
        """What no covariance is narrower than; None where nothing is held."""

    def with_floor(self, floor: Any) -> Self:
        """Return the family with another floor, or without one (None)."""

    def find_floor(self, variances: Array, one: Params) -> Any:
        """Return the floor below variances (D,), and below the covariance of all rows.

        ``one`` are the parameters of one component that has all rows. None: there is no floor.
        """

    def least_rows(self, n_components: int, n_features: int) -> int:
        """Return how many rows determine the covariances of so many components at all."""

    def collapsed(self, weights: Array, parameters: Params) -> NDArray[np.bool_]:
        """Say which components are held up by `reg_covar` alone, (K,)."""

    def log_prior_jacobian(self, prior: Any, log_scale: Array, n_components: int) -> float:
        """What to subtract from `log_prior` for a density in the rows' own units."""

    def sample(
        self, parameters: Params, labels: NDArray[np.int64], rng: np.random.RandomState
    ) -> Array:
        """Draw one row of each labelled component, (len(labels), D)."""

    def take(self, data: Data, index: NDArray[np.intp]) -> Data:
        """Return some of the components of statistics, posteriors or parameters, in an order."""


# Where nothing is known of a family but that it is one: its data are passed on unread.
AnyFamily: TypeAlias = Family[Any, Any]
AnyConjugate: TypeAlias = Conjugate[Any, Any, Any]


def conjugate(family: AnyFamily, asked: str) -> AnyConjugate:
    """Return a family that variational Bayes can use; TypeError if it lacks something."""
    _check(family, Conjugate, asked)
    return cast(AnyConjugate, family)


def searchable(family: AnyFamily, asked: str) -> Searchable[Any, Any]:
    """Return a family that can be searched; TypeError if it lacks something."""
    _check(family, Searchable, asked)
    return cast("Searchable[Any, Any]", family)


def extrapolable(family: AnyFamily, asked: str) -> Extrapolable[Any, Any]:
    """Return a family that can be extrapolated; TypeError if it lacks something."""
    _check(family, Extrapolable, asked)
    return cast("Extrapolable[Any, Any]", family)


def hasty(family: AnyFamily) -> Hasty[Any, Any] | None:
    """Return a family that hastens; None if it does not."""
    return cast("Hasty[Any, Any]", family) if hasattr(family, "hasten") else None


def methods_of(capability: type) -> list[str]:
    """List what one of the protocols above asks for."""
    names = {name for cls in capability.__mro__ if cls.__module__ == __name__ for name in vars(cls)}
    return sorted(name for name in names if not name.startswith("_"))


def _check(family: AnyFamily, capability: type, asked: str) -> None:
    missing = [name for name in methods_of(capability) if not hasattr(family, name)]
    if missing:
        raise TypeError(
            f"{asked} needs a family with {', '.join(missing)}, which "
            f"{type(family).__name__} has not"
        )
