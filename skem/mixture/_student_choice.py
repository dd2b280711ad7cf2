"""The number of Student's t components and the model of their scales, chosen by a criterion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from skem._docstrings import fill_docstring
from skem._parameters import Allowed
from skem.mixture._choosing import CHOICE_PARAMETERS, COVARIANCE_TYPES, StructureChoice
from skem.mixture._clustering import Floats
from skem.mixture._grid import Model
from skem.mixture._shared import CHOICE_ENTRIES
from skem.mixture._student import EMStudentMixture
from skem.mixture._student_kind import check_bounds

__all__ = ["StudentMixtureIC"]


@fill_docstring(CHOICE_ENTRIES)
class StudentMixtureIC(StructureChoice):
    """Student's t mixture whose number of components and scale matrices a criterion chooses.

    Fits `EMStudentMixture` for every pair of a covariance type and a number of components, and
    keeps the best. Far rows, for which a Gaussian mixture needs components of their own, belong to
    the tails of the others here, so fewer are found.

    Read more in the :ref:`user guide <choice>`.

    NaN in `X` is a missing cell: the fit and all answers are those of the seen cells, see
    :ref:`missing`.

    Parameters
    ----------
    n_components : int or sequence of int, default=(1, 2, 3, 4, 5, 6, 7, 8, 9)
        Numbers of components K to try.

    covariance_type : {'all'} or a covariance type or a sequence of them, default='all'
        Structures of the scale matrices to try; see `GaussianMixtureIC`.

    df : {'component', 'shared'} or float, default='component'
        Degrees of freedom, as in `EMStudentMixture`: of each component, of all together, or given.

    df_bounds : pair of float, default=(1.0, 200.0)
        As in `EMStudentMixture`.

    {criterion}

    {cv}

    {refit}

    tol : float, default=1e-5
        As in `EMStudentMixture`. The defaults of this and of `max_iter` go nearer to the maximum
        than there: criteria of fits that stopped early would be compared with those of fits that
        did not.

    reg_covar
        As in `EMStudentMixture`.

    max_iter : int, default=1000
        Most iterations of each fit.

    n_init
        As in `EMStudentMixture`.

    acceleration : {None, 'squarem', 'anderson'}, default='anderson'
        As in `EMStudentMixture`.

    init_params : {'hierarchical', 'auto', 'kmeans', 'k-means++', 'random', 'random_from_data'}, \
default='hierarchical'
        As in `GaussianMixtureIC`: by 'hierarchical' all fits start from one tree, and the best
        ones are made again from a search.

    {random_state}

    {n_jobs}

    resolution : 'auto', None or array-like of shape (n_features,), default='auto'
        As in `EMStudentMixture`.

    {verbose}

    noise : bool or float, default=False
        As in `EMStudentMixture`: every fit has noise, or none.

    Attributes
    ----------
    {results_}

    best_estimator_ : EMStudentMixture
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
    GaussianMixtureIC : The same for Gaussian components.
    EMStudentMixture : A single fit.
    skem.display.ModelSelectionDisplay : The criterion of all fits in one picture.

    References
    ----------
    .. [1] Andrews, J. L. & McNicholas, P. D. (2012). Model-based clustering, classification, and
       discriminant analysis via mixtures of multivariate t-distributions. Statistics and Computing
       22, 1021-1029.

    Examples
    --------
    >>> from skem import StudentMixtureIC
    >>> from skem.datasets import load_faithful
    >>> choice = StudentMixtureIC(range(1, 4), covariance_type=["EEE", "VVV"], random_state=0)
    >>> choice.fit(load_faithful().data).best_params_
    {'covariance_type': 'EEE', 'n_components': 3}
    """

    _fitted = EMStudentMixture
    _passed_on = (
        *("df", "df_bounds", "tol", "reg_covar", "max_iter", "n_init", "acceleration"),
        *("resolution", "noise"),
    )

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = CHOICE_PARAMETERS | {
        "covariance_type": COVARIANCE_TYPES,
        **{name: EMStudentMixture._allowed[name] for name in ("df", "df_bounds", "noise")},
    }

    def __init__(
        self,
        n_components: int | Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8, 9),
        *,
        covariance_type: str | Sequence[str] = "all",
        df: str | float = "component",
        df_bounds: tuple[float, float] = (1.0, 200.0),
        criterion: str = "bic",
        cv: Any = None,
        refit: bool = True,
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        acceleration: str | None = "anderson",
        init_params: str = "hierarchical",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        resolution: str | ArrayLike | None = "auto",
        verbose: int = 0,
        noise: bool | float = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.df = df
        self.df_bounds = df_bounds
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

    def _models(self, X: ArrayLike, seed: int) -> list[Model]:
        check_bounds(self.df_bounds)
        return super()._models(X, seed)

    def scales(self, X: ArrayLike) -> Floats:
        """Compute the expected latent scale of each row under the best fit.

        See `EMStudentMixture.scales`: small ones are those of rows that were held off.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scales : ndarray of shape (n_samples,), of the dtype of X
        """
        scales: Floats = self._best(X).scales(X)
        return scales
