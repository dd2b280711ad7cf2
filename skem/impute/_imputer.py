"""A transformer that fills missing cells by a mixture."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import MissingIndicator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skem._collections import check_in_memory
from skem._parameters import (
    Allowed,
    boolean,
    check_parameters,
    check_rows,
    check_sample_weight,
    none,
    one_of,
    random_state,
)
from skem.families import GAUSSIAN_FAMILIES
from skem.impute._choice import choose_mixture
from skem.mixture._fitting import fit_quietly
from skem.mixture._point import POINT
from skem.mixture._units import measure

__all__ = ["MixtureImputer"]

Floats: TypeAlias = NDArray[np.floating]

_imputing = Allowed(
    lambda value: (
        not isinstance(value, type) and hasattr(value, "fit") and hasattr(value, "impute")
    ),
    "an estimator that has `impute`, such as an EMGaussianMixture",
)


class MixtureImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill missing cells with what a Gaussian mixture expects there, given the seen ones.

    The mixture is fitted to the seen cells alone, exactly: no cell is filled before it. All
    columns and rows are modelled together, so each cell is predicted from whatever its row has.

    Read more in the :ref:`user guide <missing>`.

    Parameters
    ----------
    estimator : EMGaussianMixture, VariationalGaussianMixture or GaussianMixtureIC, default=None
        The mixture. It is not changed; a clone is fitted. None: an `EMGaussianMixture` with one to
        four components and 'full' or 'tied' covariances, which are chosen by cross-validation:
        each seen cell is hidden once, in one of five folds, and those fits win that impute the
        hidden cells best, by squared error in units of the columns' standard deviations. (BIC
        may choose components that describe the density better and impute worse.) Of more than
        4096 rows, 4096 are taken at random for the choice.

    method : {'mean', 'draw', 'mode'}, default='mean'
        What cells are filled with: conditional means, draws from the conditional mixture, or the
        conditional means of each row's most probable component. See `EMGaussianMixture.impute`.

    add_indicator : bool, default=False
        Whether columns are added that say where cells were missing: those of
        `sklearn.impute.MissingIndicator`.

    keep_empty_features : bool, default=False
        Whether columns without any value in `fit` are kept, and filled with zeros. They are
        dropped otherwise, with a warning.

    random_state : int, RandomState instance or None, default=None
        Source of the random numbers of the default mixture's fit and of draws. With an int each
        call of `transform` draws the same.

    Attributes
    ----------
    estimator_ : estimator
        The fitted mixture, of the columns that have values.
    indicator_ : sklearn.impute.MissingIndicator or None
        None if ``add_indicator=False``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during `fit`, where all of them are strings.

    See Also
    --------
    EMGaussianMixture.impute : Several draws at once, and draws that are wide enough for multiple
        imputation.
    sklearn.impute.IterativeImputer : One regression for each column, in turns.

    Notes
    -----
    Cells must be missing at random: given the seen cells of a row, which ones are missing may not
    depend on what they would have been.

    References
    ----------
    .. [1] Ghahramani, Z. & Jordan, M. I. (1994). Supervised learning from incomplete data via an
       EM approach. NIPS 6.
    .. [2] Little, R. J. A. & Rubin, D. B. (2019). Statistical Analysis with Missing Data, 3rd
       edition. Wiley.

    Examples
    --------
    >>> import numpy as np
    >>> from skem import MixtureImputer
    >>> X = np.array([[1.0, 2.1], [2.0, 3.9], [3.0, 6.0], [4.0, 8.1], [5.0, np.nan]])
    >>> MixtureImputer(random_state=0).fit_transform(X)[4].round(1)
    array([ 5., 10.])
    """

    _allowed: ClassVar[dict[str, tuple[Allowed, ...]]] = {
        "estimator": (_imputing, none),
        "method": (one_of(["draw", "mean", "mode"]),),
        "add_indicator": (boolean,),
        "keep_empty_features": (boolean,),
        "random_state": (random_state, none),
    }

    estimator_: Any
    indicator_: MissingIndicator | None
    _kept: NDArray[np.bool_]

    def __init__(
        self,
        estimator: Any = None,
        *,
        method: str = "mean",
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the mixture to the seen cells.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Missing cells are NaN.
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a weight of 2 counts as the row twice.

        Returns
        -------
        self : MixtureImputer

        Raises
        ------
        ValueError
            For a parameter or input out of its range, and if no column has any value.

        Warns
        -----
        UserWarning
            If columns without any value are dropped.
        ConvergenceWarning
            What the mixture warns of.
        """
        rows = self._check(X, reset=True)
        weights = check_sample_weight(sample_weight, len(rows))
        names = getattr(self, "feature_names_in_", None)
        for category, message in self._fit(rows, weights, names):
            warnings.warn(message, category, stacklevel=2)
        return self

    def _fit(
        self, rows: Floats, weights: NDArray[np.float64] | None, names: NDArray[Any] | None
    ) -> list[tuple[type[Warning], str]]:
        """Fit to checked rows, whose columns may have names; return what to warn of."""
        check_parameters(type(self).__name__, self.get_params(deep=False), self._allowed)
        said: list[tuple[type[Warning], str]] = []
        there = ~np.isnan(rows)
        if weights is not None:
            there = there[weights > 0]
        seen: NDArray[np.bool_] = np.any(there, axis=0)
        if not seen.any():
            raise ValueError("No column of X has any value, so there is nothing to impute from")
        self._kept = seen
        if names is None:
            names = np.arange(len(seen))
        if not (seen.all() or self.keep_empty_features):
            text = (
                f"Column(s) {names[~seen].tolist()} of X have no value at all and are dropped. Set "
                "keep_empty_features=True to keep them, filled with zeros"
            )
            said.append((UserWarning, text))
        self.indicator_ = None
        if self.add_indicator:
            self.indicator_ = MissingIndicator(error_on_new=False).fit(rows)
        rows = rows[:, seen]
        if self.estimator is not None:
            given = {} if weights is None else {"sample_weight": weights}
            self.estimator_ = clone(self.estimator).fit(rows, **given)
            return said
        # Errors of the whole fit name the columns; a choice among fits knows nothing of names.
        measure(
            rows, weights, GAUSSIAN_FAMILIES["full"](0.0), gappy=True, names=names[seen].tolist()
        )
        mixture = choose_mixture(rows, weights, check_random_state(self.random_state))
        mixture.feature_names_in_ = names[seen]
        said += [(ConvergenceWarning, text) for text in fit_quietly(mixture, POINT, rows, weights)]
        # Rows without names follow.
        del mixture.feature_names_in_
        self.estimator_ = mixture
        return said

    def transform(self, X: ArrayLike) -> Floats:
        """Fill the missing cells.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Cells may be missing where none were in `fit`.

        Returns
        -------
        filled : ndarray of shape (n_samples, n_features_out), of the dtype of X
            Seen cells are unchanged. Without the columns that had no value in `fit`, unless they
            are kept; with those of the indicator, if asked for.
        """
        check_is_fitted(self)
        rows = self._check(X, reset=False)
        rng = check_random_state(self.random_state)
        kept = self._kept
        filled = self.estimator_.impute(rows[:, kept], self.method, random_state=rng)
        if self.keep_empty_features:
            whole = np.where(np.isnan(rows), np.zeros(1, rows.dtype), rows)
            whole[:, kept] = filled
            filled = whole
        if self.indicator_ is not None:
            filled = np.hstack([filled, self.indicator_.transform(rows).astype(filled.dtype)])
        return filled

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Those of the columns, if the table of `fit` had none.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        every = super().get_feature_names_out(input_features)
        names = every if self.keep_empty_features else every[self._kept]
        if self.indicator_ is not None:
            names = np.concatenate([names, self.indicator_.get_feature_names_out(every)])
        return names

    def _check(self, X: ArrayLike, *, reset: bool) -> Floats:
        check_in_memory(
            X, type(self).__name__, "Fill the cells of a collection by a fitted mixture's impute"
        )
        return check_rows(X, self, reset=reset)
