"""Mixtures of columns of every kind by variational Bayes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem._callbacks import with_callbacks
from skem._collections import is_collection
from skem._docstrings import fill_docstring
from skem._parameters import Allowed, check_parameters, none, one_of, real
from skem.inference import Tree
from skem.mixture._block_methods import BlockMixtureMethods
from skem.mixture._fitting import fit
from skem.mixture._mixed_bayes import BLOCK_VARIATIONAL, log_predictive
from skem.mixture._posteriors import WEIGHT_PRIORS
from skem.mixture._record import ElboTerms
from skem.mixture._shared import BLOCK_ENTRIES, BLOCK_PARAMETERS
from skem.mixture._stepwise import step

__all__ = ["VariationalMixture"]


@fill_docstring(BLOCK_ENTRIES)
class VariationalMixture(BlockMixtureMethods):
    """Mixture for tables with columns of every kind, with full posteriors.

    The model of `EMMixture`, fitted by mean-field variational inference: superfluous components
    lose their rows, and what is not known of a component's parameters widens its densities.

    Read more in the :ref:`user guide <mixed>`.

    A missing cell (NaN, None, NA) is left out, in every kind of column: the fit and all answers
    are those of the seen cells, see :ref:`missing`.

    Dask arrays and data frames are taken where tables are, see :ref:`many_rows`.

    Parameters
    ----------
    n_components : int, default=1
        Number of components K; for the Dirichlet process at most so many.

    {columns}

        Kinds without a conjugate prior are an error: 'gamma', 'negative_binomial', and those of
        mclust's structures that `VariationalGaussianMixture` does not take.

    tol : float, default=1e-3
        The fit has converged when the bound's last gain, and all that are to be expected, are
        less than this, in nats per unit of weight.

    reg_covar : float, default=1e-6
        Added to the variances of the prior of Gaussian blocks, relative to each column's own. It
        is part of the prior, so that the bound stays one.

    max_iter : int, default=100
        Largest number of iterations.

    {n_init}

    {init_params}

    weight_concentration_prior_type : {'dirichlet_process', 'dirichlet_distribution'}, \
default='dirichlet_process'
        Prior of the weights: a Dirichlet process, truncated at K sticks, or a symmetric Dirichlet
        distribution.

    weight_concentration_prior : float, default=None
        Its concentration, positive; small numbers favour few components. None: ``1 / K``.

    {random_state}

    {warm_start}

    {verbose}
    {verbose_interval}

    {n_jobs}

    {learning_decay}
    {learning_offset}

    {block_size}

    assignment : {'soft', 'hard'}, default='soft'
        Whether rows are components' in shares, or wholly the most probable one's.

    acceleration : {'squarem', 'anderson'}, default=None
        Whether some iterations start from extrapolated statistics, see :ref:`acceleration`.

    {resolution}

    {handle_unknown}

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Expected weights.

    parameters_ : list of dict
        Posterior means of each block's parameters, as `EMMixture` has them (of Gaussian blocks
        the inverses of expected precisions in the covariances' place).

    posterior_ : list of dict
        An entry for each block: its ``"kind"``, and the posterior's parameters. Gaussian blocks:
        ``"mean_precision"`` and ``"degrees_of_freedom"``, which with `parameters_` are a
        Gaussian-Wishart distribution; Bernoulli: ``"a"`` and ``"b"`` of beta distributions;
        categorical: ``"concentration"`` of Dirichlet distributions, column by column; counts and
        waiting times: those of gamma (``"shape"``, ``"rate"``) or beta distributions.

    weight_concentration_ : ndarray of shape (n_components,) or tuple of two
        Parameters of the weights' posterior: a Dirichlet distribution's, or those of the beta
        distributions of the sticks.

    weight_concentration_prior_ : float
        The concentration that was used.

    expected_counts_ : ndarray of shape (n_components,)
        Summed responsibilities of the rows.

    effective_n_components_ : int
        Number of components that have rows.

    kinds_ : dict
        What each column was taken for, by its name (of arrays: its position).

    {converged_}
    {n_iter_}

    lower_bound_ : float
        Evidence lower bound of the whole table, in nats. With one component it is the evidence.

    {lower_bounds_}

    {resolution_}

    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMMixture : Maximum likelihood, for every kind.
    VariationalGaussianMixture : For tables of measurements alone; its priors can be set.

    Notes
    -----
    Priors are weak, and no unit of a column changes them: for a Bernoulli column Jeffreys' beta
    distribution, for a categorical one of L categories a Dirichlet distribution with parameters
    1 / L, for rates a gamma distribution that counts as one row, for Gaussian blocks of d columns
    one row at the mean and d degrees of freedom with the covariance of all rows plus
    `reg_covar`.

    References
    ----------
    .. [1] Bishop, C. M. (2006). Pattern Recognition and Machine Learning, chapter 10. Springer.
    .. [2] Blei, D. M. & Jordan, M. I. (2006). Variational inference for Dirichlet process
       mixtures. Bayesian Analysis 1, 121-143.

    Examples
    --------
    >>> import pandas as pd
    >>> from skem import VariationalMixture
    >>> X = pd.DataFrame(
    ...     {"smokes": ["no", "no", "yes", "yes", "yes", None], "visits": [0, 1, 9, 12, 10, 0]}
    ... )
    >>> columns = [("bernoulli", ["smokes"]), ("poisson", ["visits"])]
    >>> mixture = VariationalMixture(4, columns=columns, random_state=0).fit(X)
    >>> mixture.effective_n_components_
    2
    """

    _kind = BLOCK_VARIATIONAL

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = BLOCK_PARAMETERS | {
        "weight_concentration_prior_type": (one_of(WEIGHT_PRIORS),),
        "weight_concentration_prior": (real(0.0, open_left=True), none),
        "handle_unknown": (one_of(("error", "missing")),),
    }

    posterior_: list[dict[str, Any]]

    def __init__(
        self,
        n_components: int = 1,
        *,
        columns: Any = "auto",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str | Tree | ArrayLike = "auto",
        weight_concentration_prior_type: str = "dirichlet_process",
        weight_concentration_prior: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_jobs: int | None = None,
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
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_jobs = n_jobs
        self.learning_decay = learning_decay
        self.learning_offset = learning_offset
        self.block_size = block_size
        self.assignment = assignment
        self.acceleration = acceleration
        self.resolution = resolution
        self.handle_unknown = handle_unknown

    @with_callbacks
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Estimate the posterior from rows.

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
        self : VariationalMixture

        Raises
        ------
        ValueError
            For a parameter or input out of its range, a column in no block or in two, a value
            that its column's kind can't have, and a kind without a conjugate prior.

        Warns
        -----
        ConvergenceWarning
            If no restart converged, or a column of a Gaussian block is constant.
        """
        fit(BLOCK_VARIATIONAL, self, X, y, sample_weight)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        total_weight: float | None = None,
    ) -> Self:
        """Take one step of stochastic variational inference on a batch (Hoffman et al. 2013).

        See `VariationalGaussianMixture.partial_fit`. Kinds, categories, units and priors of the
        columns are those of the first batch, or of `fit`.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
        total_weight : float, default=None
            Weight (number of rows) of the population that batches are drawn from. None: that of
            all batches so far, so that the posterior narrows as rows come in.

        Returns
        -------
        self : VariationalMixture
            ``lower_bound_`` and `elbo_terms` are estimates for the population by this batch,
            ``lower_bounds_`` has one for each step, and ``n_iter_`` counts the steps.
        """
        given = {"total_weight": total_weight}
        allowed = {"total_weight": (real(0.0, open_left=True), none)}
        check_parameters("partial_fit", given, allowed)
        step(BLOCK_VARIATIONAL, self, X, sample_weight, total_weight)
        return self

    def prune(self) -> VariationalMixture:
        """Drop the components that are not effective.

        Returns
        -------
        pruned : VariationalMixture
            A fitted estimator with ``effective_n_components_`` components; see
            `VariationalGaussianMixture.prune`.
        """
        check_is_fitted(self)
        return BLOCK_VARIATIONAL.prune(self)

    def score_samples(self, X: ArrayLike) -> NDArray[np.floating]:
        """Compute the log predictive density of each row, over parameters and components.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats. Gaussian and log-normal columns: Student's t; Poisson: negative binomial;
            geometric: beta-geometric; exponential: Lomax; categories: their expected shares.
        """
        if is_collection(X):
            return self._lazily("score_samples", X)
        rows = self._check_rows(X)
        return log_predictive(self, rows).astype(rows.dtype, copy=False)

    def elbo_terms(self) -> ElboTerms:
        """Return the parts of the evidence lower bound, in nats; their sum is `lower_bound_`.

        Returns
        -------
        terms : ElboTerms
        """
        check_is_fitted(self)
        terms = self._record.elbo_terms
        assert terms is not None
        return terms
