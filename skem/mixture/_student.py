"""Student's t mixtures by expectation-maximisation."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._callbacks import with_callbacks
from skem._docstrings import fill_docstring
from skem._parameters import (
    Allowed,
    array,
    check_parameters,
    check_shape,
    infinity,
    none,
    one_of,
    real,
)
from skem.families import GAUSSIAN_FAMILIES, covariance_ratio
from skem.inference import Tree
from skem.inference.tasks import ExpectedScale
from skem.mixture._fitting import fit
from skem.mixture._gaussian import GaussianMixtureMethods
from skem.mixture._given import given_attributes
from skem.mixture._shared import ENTRIES, SHARED_PARAMETERS
from skem.mixture._stepwise import step
from skem.mixture._student_kind import STUDENT

__all__ = ["EMStudentMixture"]

Floats = NDArray[np.floating]

_bounds = Allowed(
    lambda value: isinstance(value, list | tuple | np.ndarray) and len(value) == 2,
    "a pair of floats",
)


@fill_docstring(ENTRIES)
class EMStudentMixture(GaussianMixtureMethods):
    """Mixture of multivariate Student's t distributions, fitted by expectation-maximisation.

    A robust mixture: a component with few degrees of freedom has heavy tails, so rows far from all
    clusters hardly move the means and do not blow scales up, where a Gaussian component bends to
    them. How far a row was held off is its expected latent scale, see `scales` [1]_.

    Read more in the :ref:`user guide <student>`.

    {cells_and_collections}

    Parameters
    ----------
    n_components : int, default=1
        Number of components K.

    covariance_type : {'full', 'tied', 'diag', 'spherical', 'EII', 'VII', 'EEI', 'VEI', 'EVI', \
'VVI', 'EEE', 'VEE', 'EVE', 'VVE', 'EEV', 'VEV', 'EVV', 'VVV'}, default='full'
        Structure of the scale matrices, as that of the covariances in `EMGaussianMixture`. A row
        has one latent scale for all columns, with every structure.

    df : {'component', 'shared'} or float, default='component'
        Degrees of freedom:

        - 'component': estimated for each component;
        - 'shared': estimated, the same for all components;
        - a float: these, for all components. Small ones (4, say) are more robust than estimates,
          large ones come near to Gaussian components.

    df_bounds : pair of float, default=(1.0, 200.0)
        The least and the largest that degrees of freedom are estimated as. At 200 a component is
        Gaussian for all practical purposes.

    tol, reg_covar, max_iter
        As in `EMGaussianMixture`; `reg_covar` is added to the diagonals of scale matrices.

    {n_init}

    init_params : {'auto', 'kmeans', 'k-means++', 'hierarchical', 'random', 'random_from_data'}, \
Tree or array-like of shape (n_samples, n_components), default='auto'
        Where the fit starts; see `EMGaussianMixture`. The first step from responsibilities is a
        Gaussian one, and degrees of freedom start from 30 (or the nearest of `df_bounds`).

    weights_init, means_init, precisions_init
        As in `EMGaussianMixture`; precisions are inverses of the scale matrices.

    {random_state}

    {warm_start}

    {verbose}
    {verbose_interval}

    {n_jobs}

    weight_concentration_prior, mean_prior, mean_precision_prior
        As in `EMGaussianMixture`; the normal prior on a mean is ``N(m0, scale matrix /
        mean_precision_prior)``.

    covariance_prior, degrees_of_freedom_prior
        As in `EMGaussianMixture`, of scale matrices. The degrees of freedom in `df` have a flat
        prior.

    {learning_decay}
    {learning_offset}

    {block_size}

    acceleration : {'anderson', 'squarem'}, default='anderson'
        Whether some iterations start from extrapolated statistics; see `EMGaussianMixture`. None:
        none do. By plain iterations degrees of freedom change so slowly that a fit may look as if
        it had converged.

    {resolution}

    {noise}

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weights of the components.

    means_ : ndarray of shape (n_components, n_features)
        Locations; the means where there are any, with more than one degree of freedom.

    scale_matrices_ : ndarray
        Scale matrices, of the shapes that ``covariances_`` have in `EMGaussianMixture`.

    df_ : ndarray of shape (n_components,)
        Degrees of freedom.

    precisions_ : ndarray
        Inverses of the scale matrices, of the same shape.

    precisions_cholesky_ : ndarray
        Upper triangular C with ``C C'`` the inverse of a scale matrix (square roots of the inverses
        for 'diag' and 'spherical').

    {converged_}
    {n_iter_}

    lower_bound_ : float
        Mean weighted log-likelihood in nats per unit of weight; see `EMGaussianMixture`.

    {lower_bounds_}

    {noise_weight_}

    {resolution_}

    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMGaussianMixture : Gaussian components.

    Notes
    -----
    Degrees of freedom are estimated by the EM step, from sums of ``E[log u] - E[u]`` over the rows'
    latent scales u [1]_, which `partial_fit` blends like all statistics. Its steps are small, the
    more so for large degrees of freedom: `fit` extrapolates them, `partial_fit` takes many batches.

    References
    ----------
    .. [1] Peel, D. & McLachlan, G. J. (2000). Robust mixture modelling using the t distribution.
       Statistics and Computing 10, 339-348.
    .. [2] Liu, C. & Rubin, D. B. (1995). ML estimation of the t distribution using EM and its
       extensions, ECM and ECME. Statistica Sinica 5, 19-39.
    .. [3] Andrews, J. L. & McNicholas, P. D. (2012). Model-based clustering, classification, and
       discriminant analysis via mixtures of multivariate t-distributions. Statistics and Computing
       22, 1021-1029.

    Examples
    --------
    >>> import numpy as np
    >>> from skem import EMStudentMixture
    >>> X = np.array([[1, 2], [1.5, 4], [1, 0], [2, 2], [2, 3], [1.5, 1], [90, 90]])
    >>> mixture = EMStudentMixture(df=4.0).fit(X)
    >>> mixture.means_.round(1)
    array([[1.5, 1.9]])
    >>> int(mixture.scales(X).argmin())
    6
    """

    _kind = STUDENT

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = SHARED_PARAMETERS | {
        "covariance_type": (one_of(GAUSSIAN_FAMILIES),),
        "df": (one_of(("component", "shared")), real(0.0, open_left=True)),
        "df_bounds": (_bounds,),
        "weights_init": (array, none),
        "means_init": (array, none),
        "precisions_init": (array, none),
        "weight_concentration_prior": (real(1.0), infinity, none),
    }
    del _allowed["assignment"]

    # Rows have shares of all components.
    assignment: ClassVar[str] = "soft"

    scale_matrices_: Floats
    df_: Floats

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        df: str | float = "component",
        df_bounds: tuple[float, float] = (1.0, 200.0),
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str | Tree | ArrayLike = "auto",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_jobs: int | None = None,
        weight_concentration_prior: float | None = None,
        mean_prior: ArrayLike | None = None,
        mean_precision_prior: float | None = None,
        covariance_prior: ArrayLike | None = None,
        degrees_of_freedom_prior: float | None = None,
        learning_decay: float = 0.7,
        learning_offset: float = 10.0,
        block_size: int | None = None,
        acceleration: str | None = "anderson",
        resolution: str | ArrayLike | None = "auto",
        noise: bool | float = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.df = df
        self.df_bounds = df_bounds
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_jobs = n_jobs
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_prior = mean_prior
        self.mean_precision_prior = mean_precision_prior
        self.covariance_prior = covariance_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.block_size = block_size
        self.acceleration = acceleration
        self.resolution = resolution
        self.noise = noise

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        scale_matrices: ArrayLike,
        df: float | ArrayLike,
        *,
        covariance_type: str = "full",
        **parameters: Any,
    ) -> Self:
        """Build a fitted mixture from its parameters.

        Rows can be scored, assigned and drawn at once. `partial_fit`, and `fit` with
        ``warm_start=True``, go on from there.

        Parameters
        ----------
        weights : array-like of shape (n_components,)
            Non-negative, with sum one. Components keep this order.
        means : array-like of shape (n_components, n_features)
            A frame's column names become ``feature_names_in_``.
        scale_matrices : array-like
            Of the shape that ``scale_matrices_`` has for `covariance_type`; positive(-definite),
            and with the structure of that type.
        df : float or array-like of shape (n_components,)
            Positive. A float becomes the parameter `df`, too, so that fits that go on keep it.
        covariance_type : str, default='full'
        **parameters : object
            Other parameters of the estimator.

        Returns
        -------
        mixture : EMStudentMixture
            As after a fit, except that ``converged_`` is False, ``n_iter_`` is 0, and there is no
            ``lower_bound_``, which takes rows.

        Raises
        ------
        ValueError
            If parameters are of the wrong shape, or no parameters of such a mixture.

        Examples
        --------
        >>> from skem import EMStudentMixture
        >>> mixture = EMStudentMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], 1.0)
        >>> mixture.score_samples([[0.0]]).round(4)  # a Cauchy distribution's -log(pi)
        array([-1.1447])
        """
        k = len(np.asarray(weights))
        if np.ndim(df) == 0:
            parameters = parameters | {"df": df}
        estimator = cls(k, covariance_type=covariance_type, **parameters)
        check_parameters(cls.__name__, estimator.get_params(deep=False), cls._allowed)
        family = STUDENT.family(estimator).gaussian
        attributes = given_attributes(estimator, family, weights, means, scale_matrices)
        attributes["scale_matrices_"] = attributes.pop("covariances_")
        freedom = check_shape("df", np.full(k, df) if np.ndim(df) == 0 else df, (k,))
        if freedom.min() <= 0:
            raise ValueError(
                f"The parameter 'df' should be positive, but got min value {freedom.min():g}"
            )
        for name, value in (attributes | {"df_": freedom}).items():
            setattr(estimator, name, value)
        return estimator

    @property
    def covariances_(self) -> Floats:
        """Covariances: ``scale_matrices_ df_ / (df_ - 2)``, infinite up to 2 degrees of freedom.

        Of the shape of ``scale_matrices_``; but of 'tied', whose components may differ in their
        degrees of freedom, (n_components, n_features, n_features).
        """
        scales: Floats = self.scale_matrices_
        freedom = np.asarray(self.df_, dtype=np.float64)
        if len(scales) != len(freedom) or self.covariance_type in ("tied", "EEE"):
            scales = np.broadcast_to(scales, (len(freedom), *scales.shape))
        ratio = covariance_ratio(freedom).reshape((-1,) + (1,) * (scales.ndim - 1))
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(scales == 0, 0, scales * ratio).astype(scales.dtype)

    @with_callbacks
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Estimate the parameters from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least as many rows of positive weight as components, and a value in each column.
        y : Ignored
            Only handed to callbacks.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice.

        Returns
        -------
        self : EMStudentMixture

        Raises
        ------
        ValueError
            For a parameter or input out of its range, and, with ``reg_covar=0``, for a
            component whose scale matrix is singular.

        Warns
        -----
        ConvergenceWarning
            If no restart converged, a component emptied or collapsed, a column is constant
            ('spherical': all are), or no row has values in both of two columns.
        """
        fit(STUDENT, self, X, y, sample_weight)
        return self

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Take one step of stepwise EM on a batch of rows; see `EMGaussianMixture.partial_fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : EMStudentMixture
        """
        step(STUDENT, self, X, sample_weight)
        return self

    def scales(self, X: ArrayLike) -> Floats:
        """Compute the expected latent scale of each row: which ones were held off, and how far.

        With D columns and a squared Mahalanobis distance d from a component, that is
        ``(df + D) / (df + d)``, averaged over the components by their posterior probabilities;
        of a row with missing cells D and d are those of its seen cells. Near a centre it is a
        little above 1; a row with a scale of 0.1 counted for a tenth of one in the means and
        scale matrices.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scales : ndarray of shape (n_samples,), of the dtype of X
        """
        rows = self._check_rows(X)
        found: Floats = self._evaluate(rows, self._kind.assigner, ExpectedScale)[0]
        return found.astype(rows.dtype, copy=False)
