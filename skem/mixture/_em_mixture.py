"""Mixtures of columns of every kind by expectation-maximisation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from skem._callbacks import with_callbacks
from skem._docstrings import fill_docstring
from skem._parameters import Allowed, array, infinity, none, one_of, real
from skem.inference import Tree
from skem.mixture._block_methods import BlockMixtureMethods
from skem.mixture._fitting import fit
from skem.mixture._mixed import BLOCK_POINT
from skem.mixture._shared import BLOCK_ENTRIES, BLOCK_PARAMETERS
from skem.mixture._stepwise import step

__all__ = ["EMMixture"]


_entries = Allowed(lambda value: isinstance(value, list | tuple), "a list of dict or None")


@fill_docstring(BLOCK_ENTRIES)
class EMMixture(BlockMixtureMethods):
    """Mixture for tables with columns of every kind, fitted by expectation-maximisation.

    Measurements, categories, yes/no answers, counts and waiting times side by side: each block of
    columns has a distribution of its kind in every component, and blocks are independent given
    the component. With categories alone it is latent class analysis.

    Read more in the :ref:`user guide <mixed>`.

    A missing cell (NaN, None, NA) is left out, in every kind of column: the fit and all answers
    are those of the seen cells, see :ref:`missing`.

    Dask arrays and data frames are taken where tables are, see :ref:`many_rows`.

    Parameters
    ----------
    n_components : int, default=1
        Number of components K.

    {columns}

    tol : float, default=1e-3
        The fit has converged when an iteration raises the bound by less than this, in nats per
        unit of weight.

    {reg_covar}

    {pseudo_count}

    max_iter : int, default=100
        Largest number of EM iterations.

    {n_init}

    {init_params}

    weights_init : array-like of shape (n_components,), default=None
        Weights to start from, non-negative with sum one.

    parameters_init : list of dict or None, default=None
        Parameters to start from: an entry for each block, of the form of ``parameters_``, or None
        where they are left to `init_params`. Gaussian blocks: ``"means"`` and ``"covariances"``.

    {random_state}

    {warm_start}

    {verbose}
    {verbose_interval}

    {n_jobs}

    weight_concentration_prior : float, default=None
        Parameter of a symmetric Dirichlet prior on the weights, at least 1. None: flat.
        ``float("inf")`` holds the weights of all components that have rows equal.

    mean_precision_prior : float, default=None
        How many rows at the mean of all rows are added to each component of Gaussian blocks (a
        normal prior on the means). None: flat.

    degrees_of_freedom_prior : float, default=None
        Degrees of freedom of the inverse-Wishart (inverse-gamma) prior on the covariances of
        Gaussian blocks, whose scale is the covariance of all rows; more than the number of a
        block's columns less 1 for matrices. None: flat. With either prior the fit is a MAP
        estimate, see `EMGaussianMixture`.

    {learning_decay}
    {learning_offset}

    {block_size}

    assignment : {'soft', 'hard'}, default='soft'
        Whether the E-step gives rows to components in shares, or wholly to the most probable one
        (classification EM); see `EMGaussianMixture`.

    acceleration : {'squarem', 'anderson'}, default=None
        Whether some iterations start from extrapolated statistics, see :ref:`acceleration`.

    {resolution}

    {handle_unknown}

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weights of the components.

    parameters_ : list of dict
        An entry for each block, with its ``"kind"``, its ``"columns"``, and arrays whose first
        axis is that of the components:

        - Gaussian blocks: ``"means"``, ``"covariances"`` and ``"precisions_cholesky"``, of the
          shapes that `EMGaussianMixture` gives them;
        - ``"bernoulli"``: ``"probabilities"`` (n_components, n_columns) of the second value;
        - ``"categorical"``: ``"probabilities"``, an array (n_components, n_categories) for each
          column, and its ``"categories"``;
        - ``"poisson"`` and ``"exponential"``: ``"rates"``; ``"geometric"``: ``"probabilities"``
          of a success; ``"negative_binomial"``: ``"means"`` and ``"sizes"``; ``"gamma"``:
          ``"shapes"`` and ``"rates"``; ``"lognormal"``: ``"means"`` and ``"variances"`` of the
          logarithms. All (n_components, n_columns).

    kinds_ : dict
        What each column was taken for, by its name (of arrays: its position).

    {converged_}
    {n_iter_}

    lower_bound_ : float
        Mean weighted log-likelihood in nats per unit of weight, at the parameters that were
        returned, plus the log density of the pseudo-rows, and of the priors, divided by the sum of
        the weights (next to nothing by default).

    {lower_bounds_}

    {resolution_}

    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMGaussianMixture : For tables of measurements alone; it has more priors and starts.

    References
    ----------
    .. [1] McLachlan, G. & Peel, D. (2000). Finite Mixture Models, chapters 2 and 5. Wiley.
    .. [2] Hunt, L. & Jorgensen, M. (2003). Mixture model clustering for mixed data with missing
       information. Computational Statistics & Data Analysis 41, 429-440.

    Examples
    --------
    >>> import pandas as pd
    >>> from skem import EMMixture
    >>> X = pd.DataFrame(
    ...     {"smokes": ["no", "no", "yes", "yes", "yes", None], "visits": [0, 1, 4, 6, 5, 0]}
    ... )
    >>> mixture = EMMixture(2, columns=[("bernoulli", ["smokes"]), ("poisson", ["visits"])])
    >>> mixture.set_params(random_state=0).fit(X).predict(X)
    array([1, 1, 0, 0, 0, 1])
    """

    _kind = BLOCK_POINT

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = BLOCK_PARAMETERS | {
        "pseudo_count": (real(0.0),),
        "weight_concentration_prior": (real(1.0), infinity, none),
        "weights_init": (array, none),
        "parameters_init": (_entries, none),
        "mean_precision_prior": (real(0.0, open_left=True), none),
        "degrees_of_freedom_prior": (real(0.0, open_left=True), none),
        "handle_unknown": (one_of(("error", "missing")),),
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        columns: Any = "auto",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        pseudo_count: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str | Tree | ArrayLike = "auto",
        weights_init: ArrayLike | None = None,
        parameters_init: list[dict[str, Any] | None] | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_jobs: int | None = None,
        weight_concentration_prior: float | None = None,
        mean_precision_prior: float | None = None,
        degrees_of_freedom_prior: float | None = None,
        learning_decay: float = 0.7,
        learning_offset: float = 10.0,
        block_size: int | None = None,
        assignment: Literal["soft", "hard"] = "soft",
        acceleration: str | None = None,
        resolution: str | ArrayLike | None = "auto",
        handle_unknown: Literal["error", "missing"] = "error",
    ) -> None:
        self.n_components = n_components
        self.columns = columns
        self.tol = tol
        self.reg_covar = reg_covar
        self.pseudo_count = pseudo_count
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.parameters_init = parameters_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_jobs = n_jobs
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.block_size = block_size
        self.assignment = assignment
        self.acceleration = acceleration
        self.resolution = resolution
        self.handle_unknown = handle_unknown

    @with_callbacks
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Estimate the parameters from rows.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            A pandas, polars or Arrow table, or an array. At least as many rows of positive weight
            as components, and a value in each column.
        y : Ignored
            Only handed to callbacks.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice.

        Returns
        -------
        self : EMMixture

        Raises
        ------
        ValueError
            For a parameter or input out of its range, a column in no block or in two, and a value
            that its column's kind can't have.

        Warns
        -----
        ConvergenceWarning
            If no restart converged, a component emptied, or collapsed in a Gaussian block, or a
            column of a Gaussian block is constant.
        """
        fit(BLOCK_POINT, self, X, y, sample_weight)
        return self

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Take one step of stepwise EM on a batch of rows; see `EMGaussianMixture.partial_fit`.

        Kinds, categories and units of the columns are those of the first batch, or of `fit`.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : EMMixture
        """
        step(BLOCK_POINT, self, X, sample_weight)
        return self
