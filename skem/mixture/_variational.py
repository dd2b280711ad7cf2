"""Gaussian mixtures by variational inference."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem._callbacks import with_callbacks
from skem._docstrings import fill_docstring
from skem._parameters import (
    Allowed,
    check_parameters,
    none,
    one_of,
    real,
)
from skem.families import GAUSSIAN_FAMILIES
from skem.inference import Tree
from skem.mixture._bayes import VARIATIONAL
from skem.mixture._fitting import fit
from skem.mixture._gaussian import GaussianMixtureMethods
from skem.mixture._posteriors import WEIGHT_PRIORS
from skem.mixture._record import ElboTerms
from skem.mixture._shared import ENTRIES, SHARED_PARAMETERS
from skem.mixture._stepwise import step

__all__ = ["VariationalGaussianMixture"]


@fill_docstring(ENTRIES)
class VariationalGaussianMixture(GaussianMixtureMethods):
    """Gaussian mixture with full posteriors, fitted by mean-field variational inference.

    Clusters rows and estimates their density without choosing the number of components by hand:
    components that the rows do not need are left with their prior, and `lower_bound_`, the whole
    evidence lower bound, compares models. Takes the parameters of
    `sklearn.mixture.BayesianGaussianMixture` with the same names, order and defaults.

    Read more in the :ref:`user guide <variational>`.

    {cells_and_collections}

    Parameters
    ----------
    n_components : int, default=1
        Number of components K; an upper limit where the weights' prior empties some.

    covariance_type : {'full', 'tied', 'diag', 'spherical', 'EEI', 'EII'}, default='full'
        Structure of the precisions, the inverses of the covariances (D features). Each is a model
        of its own, with the conjugate prior that belongs to it:

        - 'full': each component has a precision matrix, with a Wishart prior;
        - 'tied': all components share one precision matrix, with a Wishart prior;
        - 'diag': each component has a precision for each feature, with gamma priors;
        - 'spherical': each component has one precision for all features, with a gamma prior;
        - 'EEI': all components share a precision for each feature, with gamma priors;
        - 'EII': all components and features share one precision, with a gamma prior.

        'VVV', 'EEE', 'VVI' and 'VII' are mclust's names of the first four.

    tol : float, default=1e-3
        The fit has converged when the last two iterations raised the bound by less than this
        each, and what is to follow at their pace is less too, in nats per unit of weight
        (scikit-learn: one iteration, in nats in all).

    reg_covar : float, default=1e-6
        Added to the variances of the default `covariance_prior`, relative to each feature's own.
        It is part of the prior, so that the bound stays one. A `covariance_prior` that you give
        is taken as it is.

    max_iter : int, default=100
        Largest number of iterations.

    {n_init}

    init_params : {'auto', 'kmeans', 'k-means++', 'hierarchical', 'random', 'random_from_data'}, \
Tree or array-like of shape (n_samples, n_components), default='auto'
        Where the fit starts; see `EMGaussianMixture`.

    weight_concentration_prior_type : {'dirichlet_process', 'dirichlet_distribution'}, \
default='dirichlet_process'
        Prior of the weights:

        - 'dirichlet_process': stick-breaking truncated at K: component k takes a share
          ``Beta(1, gamma)`` of what those before it leave, the last one all of it;
        - 'dirichlet_distribution': a symmetric Dirichlet with K parameters ``gamma``.

    weight_concentration_prior : float, default=None
        The ``gamma`` of that prior. None: ``1 / n_components``. Small values leave more
        components empty.

    mean_precision_prior : float, default=None
        How many rows at `mean_prior` the prior of each mean counts for (beta0). None: 1.

    mean_prior : array-like of shape (n_features,), default=None
        Mean of the normal prior on the means (m0). None: the weighted mean of the rows.

    degrees_of_freedom_prior : float, default=None
        Degrees of freedom nu0 of the precisions' prior, more than ``n_features - 1`` for
        matrices. None: ``n_features``.

    covariance_prior : array-like or float, default=None
        Scale Psi of the precisions' prior, of the shape of one component's covariance ('EII': a
        number): a precision is ``Wishart(inv(Psi), nu0)`` for matrices, ``Gamma(nu0 / 2,
        rate=Psi / 2)`` for numbers. None: the unbiased weighted covariance of the rows ('diag',
        'EEI': their variances, 'spherical', 'EII': the mean of those) plus `reg_covar`.

    {random_state}

    {warm_start}

    {verbose}
    {verbose_interval}

    {n_jobs}

    {learning_decay}
    {learning_offset}

    {block_size}

    assignment : {'soft', 'hard'}, default='soft'
        What is asked of the posterior of a row's component:

        - 'soft': nothing but independence of the parameters;
        - 'hard': certainty. Each row is wholly the component's of the highest expected log joint
          density, the first of equals (Kurihara & Welling 2009). The bound is then one without
          entropy, and lower.

        Either way `predict_proba` and `score_samples` are those of the parameters' posterior.

    acceleration : {'squarem', 'anderson'}, default=None
        Whether some iterations start from extrapolated statistics: by squared extrapolation [5]_
        or damped Anderson acceleration [6]_. See `EMGaussianMixture`. With hard assignments there
        is nothing to extrapolate: an error.

    {resolution}

    {noise}

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Expected weights.

    means_ : ndarray of shape (n_components, n_features)
        Expected means m.

    covariances_ : ndarray
        Inverses of the expected precisions, ``Psi_k / nu_k``: (n_components, n_features,
        n_features) for 'full', (n_features, n_features) for 'tied', (n_components,) for
        'spherical', (n_components, n_features) for the others.

    precisions_ : ndarray
        Expected precisions, of the same shape.

    precisions_cholesky_ : ndarray
        Upper triangular C with expected precision C C' (square roots of the expected precisions
        for 'diag' and 'spherical').

    weight_concentration_ : ndarray of shape (n_components,) or tuple of two such arrays
        Posterior of the weights: the parameters of the Dirichlet, or the pairs of those of the
        sticks' Beta distributions. The last stick takes all that is left: its second is zero
        (unless those after it were pruned).

    mean_precision_ : ndarray of shape (n_components,)
        beta of each component: the precision of its mean is beta times its own.

    degrees_of_freedom_ : ndarray of shape (n_components,); for 'tied' of shape ()
        nu of the precisions' posteriors.

    weight_concentration_prior_, mean_precision_prior_, degrees_of_freedom_prior_ : float
        The priors as they were used; ``mean_prior_`` and ``covariance_prior_``, arrays, too.

    {converged_}
    {n_iter_}

    lower_bound_ : float
        The evidence lower bound (ELBO) on the log evidence of all rows, in nats, with all
        constants, at the posterior that was returned. It compares numbers of components,
        priors and covariance types on the same rows. It is a sum over rows, not a mean.

    {lower_bounds_}

    expected_counts_ : ndarray of shape (n_components,)
        Summed responsibilities at the posterior that was returned.

    effective_n_components_ : int
        How many components have an expected count of at least ``1 / n_components`` (times the
        smallest positive weight of a row). One with less is no row's most probable component.

    {noise_weight_}

    {resolution_}

    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMGaussianMixture : Point estimates of the same models.
    sklearn.mixture.BayesianGaussianMixture : The estimator whose place this one takes.

    Notes
    -----
    A component that loses its rows is not reseeded. Its posterior becomes its prior, and its
    weight what the weights' prior leaves it; `prune` drops such components. Nothing collapses,
    because the prior holds covariances up.

    Components come by decreasing count (with ``max_iter=0``, as the start left them). To a
    Dirichlet process their order matters, and this one has the highest bound; but with a
    concentration above 1, a truncated process may prefer the last to be larger than those before
    it, and then it is. Steps of `partial_fit` keep the order.

    References
    ----------
    .. [1] Bishop, C. M. (2006). Pattern Recognition and Machine Learning, section 10.2. Springer.
    .. [2] Blei, D. M. & Jordan, M. I. (2006). Variational inference for Dirichlet process
       mixtures. Bayesian Analysis 1, 121-143.
    .. [3] Hoffman, M. D., Blei, D. M., Wang, C. & Paisley, J. (2013). Stochastic variational
       inference. JMLR 14, 1303-1347.
    .. [4] Kurihara, K. & Welling, M. (2009). Bayesian k-means as a "maximization-expectation"
       algorithm. Neural Computation 21, 1145-1172.
    .. [5] Varadhan, R. & Roland, C. (2008). Simple and globally convergent methods for
       accelerating the convergence of any EM algorithm. Scandinavian Journal of Statistics 35,
       335-353.
    .. [6] Henderson, N. C. & Varadhan, R. (2019). Damped Anderson acceleration with restarts and
       monotonicity control for accelerating EM and EM-like algorithms. Journal of Computational
       and Graphical Statistics 28, 834-846.

    Examples
    --------
    >>> from skem import VariationalGaussianMixture
    >>> from skem.datasets import load_faithful
    >>> mixture = VariationalGaussianMixture(5, random_state=0).fit(load_faithful().data)
    >>> mixture.effective_n_components_
    2
    >>> mixture.predict([[2.0, 55.0], [4.5, 80.0]])
    array([1, 0])
    """

    covariances_: NDArray[np.floating]

    _kind = VARIATIONAL

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = SHARED_PARAMETERS | {
        "covariance_type": (one_of(GAUSSIAN_FAMILIES),),
        "weight_concentration_prior_type": (one_of(WEIGHT_PRIORS),),
        "weight_concentration_prior": (real(0.0, open_left=True), none),
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str | Tree | ArrayLike = "auto",
        weight_concentration_prior_type: Literal[
            "dirichlet_process", "dirichlet_distribution"
        ] = "dirichlet_process",
        weight_concentration_prior: float | None = None,
        mean_precision_prior: float | None = None,
        mean_prior: ArrayLike | None = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: ArrayLike | None = None,
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
        noise: bool | float = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
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
        self.noise = noise

    @with_callbacks
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the posterior from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least as many rows of positive weight as components, and a value in each column.
        y : Ignored
            Only handed to callbacks.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice. Their sum is the
            number of observations that the posterior has seen, so the scale matters.

        Returns
        -------
        self : VariationalGaussianMixture

        Raises
        ------
        ValueError
            For a parameter or input out of its range.

        Warns
        -----
        ConvergenceWarning
            If no restart converged, a column is constant ('spherical': all are), or no row has
            values in both of two columns.
        """
        fit(VARIATIONAL, self, X, y, sample_weight)
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

        The posterior's natural parameters become ``(1 - rate) old + rate new`` with
        ``rate = (learning_offset + t) ** -learning_decay`` at step t = 1, 2, ..., where "new" is
        what the batch says, counted ``total_weight / (weight of the batch)`` times; the first
        batch, from which start, units and default priors are made, counts wholly. After `fit`,
        steps go on from what was fitted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
        total_weight : float, default=None
            Weight (number of rows) of the population that batches are drawn from. None: that of
            all batches so far, so that the posterior narrows as rows come in. At least the
            weight of a batch. For a single pass over the rows, ``learning_decay=1`` and
            ``learning_offset=0`` count all batches alike.

        Returns
        -------
        self : VariationalGaussianMixture
            ``lower_bound_`` and `elbo_terms` are estimates for the population by this batch,
            ``lower_bounds_`` has one for each step, and ``n_iter_`` counts the steps.
        """
        check_parameters("partial_fit", {"total_weight": total_weight}, self._of_a_step)
        step(VARIATIONAL, self, X, sample_weight, total_weight)
        return self

    _of_a_step: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        "total_weight": (real(0.0, open_left=True), none)
    }

    def elbo_terms(self) -> ElboTerms:
        """Read the bound part by part.

        Returns
        -------
        terms : ElboTerms
            A named tuple ``(expected_log_likelihood, negative_kl_weights,
            negative_kl_components, entropy)``, in nats. Their sum is ``lower_bound_``. The
            first is the expected log density of rows and assignments given the parameters,
            the last the entropy of the assignments.
        """
        check_is_fitted(self)
        terms = self._record.elbo_terms
        if terms is None:
            raise AttributeError(
                "A pruned estimator has no bound until it is fitted: set warm_start=True and "
                "fit it to the rows"
            )
        return terms

    def prune(self) -> VariationalGaussianMixture:
        """Drop the components that are not effective.

        Returns
        -------
        pruned : VariationalGaussianMixture
            A fitted estimator with ``effective_n_components_`` components. It assigns a row to
            the same component, unless a dropped one was the most probable there, which is so
            for no row of the fit. Components are renumbered, keeping their order. It has no
            ``lower_bound_``, which the rows are needed for: with ``warm_start=True``, `fit` goes
            on from it. Its ``weight_concentration_prior`` is the number that was used; an array
            `init_params` is kept as it is, and has too many columns for a new start.
        """
        check_is_fitted(self)
        return VARIATIONAL.prune(self)
