"""An outlier detector on top of any model that gives log densities."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skem._collections import check_in_memory
from skem._parameters import (
    Allowed,
    check_parameters,
    check_rows,
    check_sample_weight,
    none,
    one_of,
    random_state,
    real,
)
from skem._refitting import kept_on_failure
from skem.outliers._model import density_of_samples, explainer_of, fit_clone, log_density
from skem.outliers._robust import fit_robust

__all__ = ["MixtureOutlierDetector"]

Array: TypeAlias = NDArray[np.float64]

# 'auto': the share of the model's own samples below the threshold, and how many are drawn.
_SHARE, _SAMPLES = 0.01, 10_000

_scoring = Allowed(
    lambda value: (
        not isinstance(value, type) and hasattr(value, "fit") and hasattr(value, "score_samples")
    ),
    "an estimator that has `score_samples`, such as an EMGaussianMixture",
)


def _explains(detector: MixtureOutlierDetector) -> bool:
    model = getattr(detector, "estimator_", detector.estimator)
    if model is not None and explainer_of(model) is None:
        raise AttributeError(
            "explain_density needs a mixture of the table's own columns as the estimator, but got "
            f"{model!r}"
        )
    return True


class MixtureOutlierDetector(OutlierMixin, BaseEstimator):
    """Detect outliers as rows to which a fitted model gives a low density.

    Read more in the :ref:`user guide <outliers>`.

    Parameters
    ----------
    estimator : estimator with `score_samples`, default=None
        The model: a mixture, a `GaussianMixtureIC`, an autoencoder with `score_samples`, or a
        Pipeline that ends in one. It is not changed; a clone is fitted. A fitted model in
        scikit-learn's `FrozenEstimator` is used as it is. None: a mixture of one to three
        Gaussians that outliers can neither bend nor have a component of:

        - its number of components is the last of 1, 2, 3 for which ICL falls and each component
          has at least 30 % of the rows. Up to 300 rows, drawn at random, are looked at;
        - the 10 % least probable rows, and those that lie far below, are held off, and the fit
          is repeated without them until they remain the same;
        - the precision matrices are pooled with those of independent columns, 4 to 1. So a row is
          odd if its cells don't go together, and also if many are far from their columns' middle.

        Of more than 5 000 rows, 5 000 are drawn at random. Columns may be in any units.

    contamination : 'auto' or float in (0, 0.5], default='auto'
        Where the threshold is:

        - 'auto': rows of which the fitted model would draw less than 1 % are outliers: the
          threshold is the quantile of the log density of 10 000 of the model's own samples. It
          means the same on each table, and where the model describes the inliers, 1 % of them
          are taken for outliers. Models that can't draw samples need a float;
        - a float: this share of the training rows are outliers. A number of rows that is no
          integer is rounded down, and rows with the same density are not told apart.

    random_state : int, RandomState instance or None, default=None
        Source of the random numbers of the default model and of samples. An `estimator` has one
        of its own.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model. That of ``estimator=None`` is an `EMGaussianMixture`.
    offset_ : float
        The threshold, in nats: ``decision_function`` is ``score_samples - offset_``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during `fit`, where all of them are strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Isolates rows by random cuts; scores are no densities.
    sklearn.neighbors.LocalOutlierFactor : Compares a row's neighbourhood with its neighbours'.

    Notes
    -----
    A missing cell (NaN) is allowed where the estimator takes it. The density of fewer cells is in
    other units, so a mixture scores a row with gaps as if it was complete: with what its most
    probable component expects in the gaps, less half a nat for each, which is what a Gaussian
    cell loses on average. Where columns are of other kinds (`EMMixture`), it is the mean over fifty
    completed rows that are drawn, always with the same random numbers.

    References
    ----------
    .. [1] Rousseeuw, P. J. & Van Driessen, K. (1999). A fast algorithm for the minimum covariance
       determinant estimator. Technometrics 41, 212-223.
    .. [2] Croux, C. & Haesbroeck, G. (1999). Influence function and efficiency of the minimum
       covariance determinant scatter matrix estimator. Journal of Multivariate Analysis 71,
       161-190.
    .. [3] Genest, C. & Zidek, J. V. (1986). Combining probability distributions: a critique and
       an annotated bibliography. Statistical Science 1, 114-135.
    .. [4] Biernacki, C., Celeux, G. & Govaert, G. (2000). Assessing a mixture model for clustering
       with the integrated completed likelihood. IEEE PAMI 22, 719-725.

    Examples
    --------
    >>> import numpy as np
    >>> from skem import MixtureOutlierDetector
    >>> x = np.linspace(-2, 2, 60)
    >>> X = np.column_stack([x, 3 * x + np.sin(40 * x)])
    >>> detector = MixtureOutlierDetector(random_state=0).fit(X)
    >>> detector.predict([[1.0, 3.0], [1.0, -3.0]])
    array([ 1, -1])
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        "estimator": (_scoring, none),
        "contamination": (one_of(["auto"]), real(0.0, 0.5, open_left=True)),
        "random_state": (random_state, none),
    }

    estimator_: Any
    offset_: float

    def __init__(
        self,
        estimator: Any = None,
        *,
        contamination: str | float = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is None:
            tags.input_tags.allow_nan = True
        else:
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model, and find the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The default model takes numbers; others what they take.
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice. Only if the estimator
            takes them.

        Returns
        -------
        self : MixtureOutlierDetector

        Raises
        ------
        ValueError
            For a parameter or input out of its range, and if all rows are equal.

        Warns
        -----
        UserWarning
            Of the default model: if columns are constant, or the rows are no more than the columns.
        """
        check_parameters(type(self).__name__, self.get_params(deep=False), self._allowed)
        check_in_memory(X, type(self).__name__, "Fit it to a sample of the rows")
        rng = check_random_state(self.random_state)
        with kept_on_failure(self):
            if self.estimator is None:
                self._fit_default(X, sample_weight, rng)
            else:
                validate_data(self, X, skip_check_array=True)
                self.estimator_ = fit_clone(self.estimator, X, y, sample_weight)
            self._fit_threshold(X, sample_weight, rng.randint(2**31 - 1))
        return self

    def _fit_threshold(self, X: ArrayLike, sample_weight: ArrayLike | None, seed: int) -> None:
        """Find the density below which rows are outliers of the fitted model."""
        if self.contamination == "auto":
            samples = density_of_samples(self.estimator_, _SAMPLES, seed)
            self.offset_ = float(np.quantile(samples, _SHARE))
            return
        scores = log_density(self.estimator_, X)
        weights = check_sample_weight(sample_weight, len(scores))
        self.offset_ = _threshold(scores, weights, float(self.contamination))

    def _fit_default(
        self, X: ArrayLike, sample_weight: ArrayLike | None, rng: np.random.RandomState
    ) -> None:
        """Fit the robust mixture to checked rows."""
        rows = check_rows(X, self, takes_text="estimator=EMMixture(...)")
        if len(rows) < 2:
            raise ValueError(
                f"MixtureOutlierDetector needs two rows or more, but got n_samples = {len(rows)}"
            )
        weights = check_sample_weight(sample_weight, len(rows))
        names = getattr(self, "feature_names_in_", None)
        mixture, constant, n_rows = fit_robust(rows, weights, rng, names)
        if constant.all():
            raise ValueError("All rows of X are equal, so there is nothing to tell outliers by")
        if constant.any():
            listed = np.flatnonzero(constant) if names is None else names[constant]
            warnings.warn(
                f"Column(s) {listed.tolist()} of X are constant, so no row tells how far off "
                "another value there is, and scores of such rows depend on the column's unit. "
                "Drop them",
                stacklevel=3,
            )
        if n_rows <= rows.shape[1]:
            warnings.warn(
                f"{n_rows} rows of X are too few for the covariances of {rows.shape[1]} columns, "
                "which are shrunk towards independent columns: scores of new rows are rough. Take "
                "more rows, or fewer columns",
                stacklevel=3,
            )
        if names is not None:
            mixture.feature_names_in_ = names
        self.estimator_ = mixture

    def score_samples(self, X: ArrayLike) -> Array:
        """Compute the log density of each row; the lower, the odder.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats; the model's own. For a mixture's rows with missing cells see the notes.
        """
        check_is_fitted(self)
        check_in_memory(X, type(self).__name__, "Give it some of the rows at a time")
        return log_density(self.estimator_, X)

    def decision_function(self, X: ArrayLike) -> Array:
        """Compute how far each row is above the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        excess : ndarray of shape (n_samples,), float64
            ``score_samples(X) - offset_``, in nats; negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Say which rows are outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            -1 for outliers, 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1).astype(np.int64)

    @available_if(_explains)
    def explain_density(self, X: ArrayLike) -> Any:
        """Say which cells make a row odd; see `EMGaussianMixture.explain_density`.

        Only if the model is a mixture of the table's own columns, not the end of a pipeline; for
        columns of other kinds see `EMMixture.explain_density`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, 3 n_features)
        """
        check_is_fitted(self)
        return explainer_of(self.estimator_).explain_density(X)


def _threshold(scores: Array, weights: Array | None, share: float) -> float:
    """Return what at most the share of the weight is below, halfway to the next lower score."""
    weights = np.ones(len(scores)) if weights is None else weights
    values, place = np.unique(scores[weights > 0], return_inverse=True)
    below = np.cumsum(np.bincount(place, weights[weights > 0]))
    count = int(np.searchsorted(below, share * below[-1] * (1 + 1e-12), side="right"))
    if count == 0:
        return float(values[0])
    return float(values[count - 1] / 2 + values[min(count, len(values) - 1)] / 2)
