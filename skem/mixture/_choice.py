"""The number of components and the model of the covariances, chosen by a criterion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from skem._docstrings import fill_docstring
from skem._parameters import Allowed
from skem.mixture._choosing import CHOICE_PARAMETERS, COVARIANCE_TYPES, StructureChoice
from skem.mixture._em import EMGaussianMixture
from skem.mixture._shared import CHOICE_ENTRIES, SHARED_PARAMETERS

__all__ = ["GaussianMixtureIC"]


@fill_docstring(CHOICE_ENTRIES)
class GaussianMixtureIC(StructureChoice):
    """Gaussian mixture whose number of components and covariances a criterion chooses.

    Fits `EMGaussianMixture` for every pair of a covariance type and a number of components, all
    from one start, and keeps the best: the model-based clustering of Fraley & Raftery (2002),
    with the fourteen models of Celeux & Govaert (1995).

    Read more in the :ref:`user guide <choice>`.

    NaN in `X` is a missing cell: the fit and all answers are those of the seen cells, see
    :ref:`missing`.

    Parameters
    ----------
    n_components : int or sequence of int, default=(1, 2, 3, 4, 5, 6, 7, 8, 9)
        Numbers of components K to try.

    covariance_type : {'all'} or a covariance type or a sequence of them, default='all'
        Covariance types to try, of those that `EMGaussianMixture` takes. 'all' are mclust's
        fourteen models; of one feature, where these come to two, 'EII' and 'VII' (mclust's E
        and V).

    {criterion}

    {cv}

    {refit}

    tol : float, default=1e-5
        As in `EMGaussianMixture`. The defaults of this, of `max_iter` and of `acceleration` go
        nearer to the maximum than there: criteria of fits that stopped early would be compared
        with those of fits that did not.

    reg_covar
        As in `EMGaussianMixture`.

    max_iter : int, default=1000
        Most iterations of each fit.

    n_init
        As in `EMGaussianMixture`.

    acceleration : {None, 'squarem', 'anderson'}, default='squarem'
        As in `EMGaussianMixture`.

    init_params : {'hierarchical', 'auto', 'kmeans', 'k-means++', 'random', 'random_from_data'}, \
default='hierarchical'
        As in `EMGaussianMixture`. With the same number of components all covariance types start
        from the same responsibilities. By 'hierarchical' one tree is grown and cut for all
        numbers of components. Of several types the best fits (a twelfth, at least three) are
        then made again from a search and from the best two fits of other types, the best one and
        those with one component more or fewer also from each other, and what ends higher is kept
        (not for 'cv'). By 'auto' each fit searches for a start of its own.

    {random_state}

    {n_jobs}

    resolution : 'auto', None or array-like of shape (n_features,), default='auto'
        As in `EMGaussianMixture`. Without it (None) a column of few values, as a year or a count,
        lets components collapse, and no number of components but one can be chosen.

    {verbose}

    noise : bool or float, default=False
        As in `EMGaussianMixture`: every fit has noise, or none.

    Attributes
    ----------
    {results_}

    best_estimator_ : EMGaussianMixture
        The best fit, to all rows.

    best_params_ : dict
        Its ``covariance_type`` and ``n_components``.
    {best_index_}
    {best_score_}

    {n_iter_}

    {n_features_in_}

    {feature_names_in_}

    See Also
    --------
    EMGaussianMixture : A single fit.
    skem.display.ModelSelectionDisplay : The criterion of all fits in one picture.
    skem.mixture.bootstrap_likelihood_ratio : A test of K components against K + 1.

    References
    ----------
    .. [1] Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics 6,
       461-464.
    .. [2] Biernacki, C., Celeux, G. & Govaert, G. (2000). Assessing a mixture model for
       clustering with the integrated completed likelihood. IEEE PAMI 22, 719-725.
    .. [3] Fraley, C. & Raftery, A. E. (2002). Model-based clustering, discriminant analysis, and
       density estimation. JASA 97, 611-631.
    .. [4] Celeux, G. & Govaert, G. (1995). Gaussian parsimonious clustering models. Pattern
       Recognition 28, 781-793.
    .. [5] Smyth, P. (2000). Model selection for probabilistic clustering using cross-validated
       likelihood. Statistics and Computing 10, 63-72.

    Examples
    --------
    >>> from skem import GaussianMixtureIC
    >>> from skem.datasets import load_faithful
    >>> choice = GaussianMixtureIC(range(1, 5), random_state=0).fit(load_faithful().data)
    >>> choice.best_params_
    {'covariance_type': 'EEE', 'n_components': 3}
    """

    _fitted = EMGaussianMixture
    _passed_on = ("tol", "reg_covar", "max_iter", "n_init", "acceleration", "resolution", "noise")

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = CHOICE_PARAMETERS | {
        "covariance_type": COVARIANCE_TYPES,
        "noise": SHARED_PARAMETERS["noise"],
    }

    def __init__(
        self,
        n_components: int | Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8, 9),
        *,
        covariance_type: str | Sequence[str] = "all",
        criterion: str = "bic",
        cv: Any = None,
        refit: bool = True,
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        acceleration: str | None = "squarem",
        init_params: str = "hierarchical",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        resolution: str | ArrayLike | None = "auto",
        verbose: int = 0,
        noise: bool | float = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.criterion = criterion
        self.cv = cv
        self.refit = refit
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.acceleration = acceleration
        self.init_params = init_params
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.resolution = resolution
        self.verbose = verbose
        self.noise = noise
