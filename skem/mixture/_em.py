"""Gaussian mixtures by expectation-maximisation."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem._callbacks import with_callbacks
from skem._docstrings import fill_docstring
from skem._parameters import (
    Allowed,
    array,
    infinity,
    none,
    one_of,
    real,
)
from skem.families import GAUSSIAN_FAMILIES
from skem.inference import Tree
from skem.mixture._fitting import fit
from skem.mixture._gaussian import GaussianMixtureMethods
from skem.mixture._given import FromParameters
from skem.mixture._point import POINT
from skem.mixture._shared import ENTRIES, SHARED_PARAMETERS
from skem.mixture._stepwise import step

__all__ = ["EMGaussianMixture"]


@fill_docstring(ENTRIES)
class EMGaussianMixture(FromParameters, GaussianMixtureMethods):
    """Gaussian mixture fitted by expectation-maximisation.

    Clusters rows and estimates their density. Takes the parameters of
    `sklearn.mixture.GaussianMixture` with the same names, order, defaults and meaning, so that
    changing the import is enough, and adds sample weights, MAP estimation under conjugate
    priors, stepwise EM over batches, parallel restarts and threads.

    Read more in the :ref:`user guide <em>`.

    {cells_and_collections}

    Parameters
    ----------
    n_components : int, default=1
        Number of components K.

    covariance_type : {'full', 'tied', 'diag', 'spherical', 'EII', 'VII', 'EEI', 'VEI', 'EVI', \
'VVI', 'EEE', 'VEE', 'EVE', 'VVE', 'EEV', 'VEV', 'EVV', 'VVV'}, default='full'
        Structure of the covariances (D features):

        - 'full': each component has its own covariance matrix;
        - 'tied': all components share one covariance matrix;
        - 'diag': each component has its own variance for each feature;
        - 'spherical': each component has one variance for all features;
        - mclust's names of the fourteen models of Celeux & Govaert (1995), 'EII' to 'VVV': whether
          volume, shape and orientation are equal, variable or the identity's; 'VVV' is 'full',
          'EEE' 'tied', 'VVI' 'diag' and 'VII' 'spherical'. See :ref:`parsimonious`.

    tol : float, default=1e-3
        The fit has converged when an iteration raises the bound by less than this, in nats per
        unit of weight.

    reg_covar : float, default=1e-6
        Added to the variances, relative to the data's own: to the variance of feature j of each
        component, ``reg_covar`` times the weighted variance of feature j over all rows is added
        ('spherical': times the mean of those variances). A constant column counts as if its
        variance were 1 ('spherical': only where all columns are constant). scikit-learn adds
        the number itself, which is the same on standardised rows and depends on the features'
        units otherwise.

    max_iter : int, default=100
        Largest number of EM iterations.

    {n_init}

    init_params : {'auto', 'kmeans', 'k-means++', 'hierarchical', 'random', 'random_from_data'}, \
Tree or array-like of shape (n_samples, n_components), default='auto'
        Where the fit starts. scikit-learn's default is 'kmeans'.

        - 'auto': where a search over some of the rows ends: a short run from 'kmeans' (up to 2000
          rows also from 'hierarchical', of two components from others, too), then moves that
          merge two components and split a third one for as long as they raise the bound (Ueda et
          al. 2000), then a run to convergence. With fewer than ten rows for each parameter it is
          'kmeans' unless the search's end describes rows left out better, see :ref:`few_rows`.
          It looks at no more than 4096 rows, or
          ``10 n_components (n_features + 1)`` if that is more, or ``400 000 / n_components`` if
          that is less. No move may add a component on fewer than three times the rows that
          determine its covariance ('full': 3 (D + 1)): such spikes raise the likelihood by
          chance. It is 'kmeans' where those rows are too few for so many components, or one of
          `weights_init`, `means_init` and `precisions_init` is given;
        - 'kmeans': by k-means on the features divided by their standard deviations, so that no
          feature's unit rules the start; on a random sample of the rows where they are many
          (more than 524 288 values, or 50 rows for each component if that is more);
        - 'k-means++': rows chosen by k-means++, equally scaled, each wholly one component's;
        - 'hierarchical': by model-based agglomeration; rows are merged so that the likelihood of
          Gaussian clusters with covariances of their own falls least. Nothing is drawn: every
          fit, and every one of `n_init`, starts the same. Of more than 2 000 rows (of positive
          weight) 2 000 are taken, one from each equal stretch of the table, always the same;
        - 'random': at random;
        - 'random_from_data': rows chosen at random, each wholly one component's;
        - a `skem.inference.Tree`: what `skem.inference.grow_tree` made of the same rows (and
          weights), as 'hierarchical' does. One tree serves fits of every `n_components`;
        - an array: these responsibilities; its rows are non-negative and sum to one.

    weights_init : array-like of shape (n_components,), default=None
        Weights to start from, non-negative with sum one.

    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from.

    precisions_init : array-like, default=None
        Precisions (inverse covariances) to start from, of the shape of ``precisions_``. What is
        not given of weights, means and precisions follows from `init_params`.

    {random_state}

    {warm_start}

    {verbose}
    {verbose_interval}

    {n_jobs}

    weight_concentration_prior : float, default=None
        Parameter of a symmetric Dirichlet prior on the weights, at least 1. None: flat.
        ``float("inf")`` holds the weights of all components that have rows equal; they are then
        no free parameters, and the prior is no part of the bound.

    mean_prior : array-like of shape (n_features,), default=None
        Mean m0 of the normal prior on the means, ``N(m0, covariance / mean_precision_prior)``.
        If only `mean_precision_prior` is given: the weighted mean of the rows.

    mean_precision_prior : float, default=None
        How many rows at `mean_prior` the prior counts for. If only `mean_prior` is given: 1.

    covariance_prior : array-like, default=None
        Scale of the inverse-Wishart ('diag', 'spherical', 'EEI', 'EII': inverse-gamma) prior on
        each covariance, of the shape of one component's covariance ('EII': a number). If only
        `degrees_of_freedom_prior` is given: the weighted covariance of all rows. The other
        models of mclust have none.

    degrees_of_freedom_prior : float, default=None
        Degrees of freedom of that prior, more than ``n_features - 1`` for matrices. If only
        `covariance_prior` is given: ``n_features``.

        With any prior given the fit is a MAP estimate, the joint mode over weights, means and
        covariances (Fraley & Raftery 2007); a part without a prior stays flat.

    {learning_decay}
    {learning_offset}

    {block_size}

    assignment : {'soft', 'hard'}, default='soft'
        What the E-step makes of the components' posterior probabilities:

        - 'soft': responsibilities; the fit maximises the likelihood;
        - 'hard': each row is wholly its most probable component's, the first of equals
          (classification EM, Celeux & Govaert 1992). The fit maximises the classification
          likelihood, and has converged, too, when no row changes its component. With
          ``covariance_type="EII"`` and ``weight_concentration_prior=float("inf")`` it is
          Lloyd's k-means.

        Either way the result is a mixture, and `predict_proba`, `score_samples` and the criteria
        are that mixture's.

    acceleration : {'squarem', 'anderson'}, default=None
        Whether some iterations start from extrapolated statistics, which takes far fewer of them
        where `tol` is small, see :ref:`acceleration`:

        - None: none do;
        - 'anderson': damped Anderson acceleration with restarts (Henderson & Varadhan 2019);
        - 'squarem': squared extrapolation, scheme S3 (Varadhan & Roland 2008).

        An iteration that would lower the bound is undone and counted. `tol` is compared with the
        gain of plain iterations, once an extrapolated one, too, gains less. With hard assignments
        there is nothing to extrapolate: an error.

    {resolution}

    {noise}

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weights of the components.

    means_ : ndarray of shape (n_components, n_features)
        Means.

    covariances_ : ndarray
        Covariances: (n_components, n_features, n_features) for 'full', (n_features, n_features)
        for 'tied', (n_components, n_features) for 'diag', (n_components,) for 'spherical'. The
        models of mclust ending in I have the shape of 'diag', others that of 'full'.

    precisions_ : ndarray
        Inverses of the covariances, of the same shape.

    precisions_cholesky_ : ndarray
        Upper triangular C with precision C C' (square roots of the precisions for 'diag' and
        'spherical'). With ``weights_`` and ``means_`` it is what rows are scored by.

    {converged_}
    {n_iter_}

    lower_bound_ : float
        Mean weighted log-likelihood in nats per unit of weight, at the parameters that were
        returned: ``score(X, sample_weight=w)``, to a relative 1e-10. Under MAP, plus the log
        prior divided by the sum of the weights. With ``assignment='hard'`` the classification
        log-likelihood is in the log-likelihood's place: of each row the log joint density with
        its most probable component, which is less than its log density.

    {lower_bounds_}

    {noise_weight_}

    {resolution_}

    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    sklearn.mixture.GaussianMixture : The estimator whose place this one takes.

    Notes
    -----
    A component that loses all its rows keeps its last mean and covariance with a weight of zero;
    one that collapses, on rows that no recorded step explains, or on too few rows, is held up by
    `reg_covar`. Both are named in a `ConvergenceWarning`. With ``reg_covar=0`` a singular
    covariance is an error.

    A fit numbers components by decreasing weight. Where a start is given that has an order
    (`weights_init`, `means_init`, `precisions_init`, responsibilities, `warm_start`), they keep
    it, and steps of `partial_fit` keep that of the first.

    References
    ----------
    .. [1] Dempster, A. P., Laird, N. M. & Rubin, D. B. (1977). Maximum likelihood from
       incomplete data via the EM algorithm. JRSS B 39, 1-38.
    .. [2] Bishop, C. M. (2006). Pattern Recognition and Machine Learning, chapter 9. Springer.
    .. [3] Fraley, C. & Raftery, A. E. (2007). Bayesian regularization for normal mixture
       estimation and model-based clustering. Journal of Classification 24, 155-181.
    .. [4] Cappé, O. & Moulines, E. (2009). On-line expectation-maximization algorithm for latent
       data models. JRSS B 71, 593-613.
    .. [5] Celeux, G. & Govaert, G. (1992). A classification EM algorithm for clustering and two
       stochastic versions. Computational Statistics & Data Analysis 14, 315-332.
    .. [6] Varadhan, R. & Roland, C. (2008). Simple and globally convergent methods for
       accelerating the convergence of any EM algorithm. Scandinavian Journal of Statistics 35,
       335-353.
    .. [7] Henderson, N. C. & Varadhan, R. (2019). Damped Anderson acceleration with restarts and
       monotonicity control for accelerating EM and EM-like algorithms. Journal of Computational
       and Graphical Statistics 28, 834-846.
    .. [8] Ueda, N., Nakano, R., Ghahramani, Z. & Hinton, G. E. (2000). SMEM algorithm for mixture
       models. Neural Computation 12, 2109-2128.

    Examples
    --------
    >>> import numpy as np
    >>> from skem import EMGaussianMixture
    >>> X = np.array([[1, 2], [1.5, 4], [1, 0], [2, 2], [10, 2], [10.5, 4], [9, 0]])
    >>> mixture = EMGaussianMixture(n_components=2, covariance_type="tied", random_state=0).fit(X)
    >>> mixture.predict([[0, 0], [12, 3]])
    array([0, 1])
    """

    covariances_: NDArray[np.floating]

    _kind = POINT

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = SHARED_PARAMETERS | {
        "covariance_type": (one_of(GAUSSIAN_FAMILIES),),
        "weights_init": (array, none),
        "means_init": (array, none),
        "precisions_init": (array, none),
        "weight_concentration_prior": (real(1.0), infinity, none),
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
        self.assignment = assignment
        self.acceleration = acceleration
        self.resolution = resolution
        self.noise = noise

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
        self : EMGaussianMixture

        Raises
        ------
        ValueError
            For a parameter or input out of its range, and, with ``reg_covar=0``, for a
            component whose covariance is singular.

        Warns
        -----
        ConvergenceWarning
            If no restart converged, a component emptied or collapsed, a column is constant
            ('spherical': all are), or no row has values in both of two columns.
        """
        fit(POINT, self, X, y, sample_weight)
        return self

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Take one step of stepwise EM on a batch of rows (Cappé & Moulines 2009).

        The statistics per unit of weight become ``(1 - rate) old + rate new`` with
        ``rate = (learning_offset + t) ** -learning_decay`` at step t = 1, 2, ...; the first
        batch, from which the start is made ('auto' stands for 'kmeans' there), counts wholly.
        After `fit`, steps go on from what was fitted. `reg_covar` stays relative to the variances
        of the rows of that fit, or else of the first batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : EMGaussianMixture
            ``lower_bound_`` is that of this batch at the new parameters, ``lower_bounds_`` has
            one for each step, and ``n_iter_`` counts the steps.
        """
        step(POINT, self, X, sample_weight)
        return self
