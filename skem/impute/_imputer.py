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

from skem._parameters import (
    Allowed,
    boolean,
    check_parameters,
    check_sample_weight,
    none,
    one_of,
    random_state,
)
from skem._refitting import kept_on_failure
from skem.columns import add_columns, fill_zeros, put_columns, take_columns
from skem.families import GAUSSIAN_FAMILIES
from skem.impute._choice import choose_mixture
from skem.impute._mixed_choice import choose_mixed
from skem.impute._table import Table, check_empty, read, reads_text
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
    """Fill missing cells with what a mixture expects there, given the seen ones.

    The mixture is fitted to the seen cells alone, exactly: no cell is filled before it. All
    columns and rows are modelled together, so each cell is predicted from whatever its row has.
    Tables may have categories, text and truth values beside numbers; a frame of such columns
    keeps its dtypes and categories.

    Read more in the :ref:`user guide <missing>`.

    Parameters
    ----------
    estimator : mixture or GaussianMixtureIC, default=None
        The mixture. It is not changed; a clone is fitted. Columns that are not numbers need an
        `EMMixture` or `VariationalMixture`.

        None: of numbers an `EMGaussianMixture` with one to four components and 'full' or 'tied'
        covariances, which are chosen by cross-validation: each seen cell is hidden once, in one
        of five folds, and those fits win that impute the hidden cells best, by squared error in
        units of the columns' standard deviations. (BIC may choose components that describe the
        density better and impute worse.) Of more than 4096 rows, 4096 are taken at random for the
        choice.

        Where a column has text, categories or truth values, an `EMMixture` of one to ten
        components is chosen in the same way: numbers are one Gaussian block, the other columns
        categorical. The error of a hidden category is the squared distance of its indicator from
        the probabilities, divided by the sum of the indicators' variances, so that cells of both
        sorts count alike. 2048 rows are looked at. Counts are best declared:
        ``estimator=EMMixture(3, columns=[("poisson", ["visits"]), ...])``.

    method : {'mean', 'draw', 'mode'}, default='mean'
        What cells are filled with: conditional means (the most probable category), draws from the
        conditional mixture, or what the row's most probable component alone expects. See
        `EMGaussianMixture.impute` and `EMMixture.impute`.

    add_indicator : bool, default=False
        Whether columns are added that say where cells were missing: those of
        `sklearn.impute.MissingIndicator`.

    keep_empty_features : bool, default=False
        Whether columns without any value in `fit` are kept, and filled with zeros (an error where
        their dtype can't hold zeros). They are dropped otherwise, with a warning.

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

    >>> import pandas as pd
    >>> kilos = [4, 5, 4, 3, 5, 4, 20, 25, 30, 22, 26, 28.0]
    >>> X = pd.DataFrame({"pet": ["cat"] * 6 + ["dog"] * 6, "kg": kilos})
    >>> X.loc[[1, 9], "pet"] = None
    >>> MixtureImputer(random_state=0).fit_transform(X).loc[[1, 9]]
       pet    kg
    1  cat   5.0
    9  dog  22.0
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
    _of_every_kind: bool

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
        tags.input_tags.string = self.estimator is None or reads_text(self.estimator)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the mixture to the seen cells.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Missing cells are NaN, None or pandas' NA.
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
        check_parameters(type(self).__name__, self.get_params(deep=False), self._allowed)
        with kept_on_failure(self):
            table = read(self, X, reset=True)
            weights = check_sample_weight(sample_weight, len(table.missing))
            said = self._fit(table, weights, getattr(self, "feature_names_in_", None))
        for category, message in said:
            warnings.warn(message, category, stacklevel=2)
        return self

    def _fit(
        self, table: Table, weights: NDArray[np.float64] | None, names: NDArray[Any] | None
    ) -> list[tuple[type[Warning], str]]:
        """Fit to a checked table, whose columns may have names; return what to warn of."""
        said: list[tuple[type[Warning], str]] = []
        there = ~table.missing
        if weights is not None:
            there = there[weights > 0]
        seen: NDArray[np.bool_] = np.any(there, axis=0)
        if not seen.any():
            raise ValueError("No column of X has any value, so there is nothing to impute from")
        self._kept, self._of_every_kind = seen, table.raw is not None
        if names is None:
            names = np.arange(len(seen))
        if not seen.all():
            check_empty(table, seen, self.estimator, names, keep=self.keep_empty_features)
        if not (seen.all() or self.keep_empty_features):
            text = (
                f"Column(s) {names[~seen].tolist()} of X have no value at all and are dropped. Set "
                "keep_empty_features=True to keep them, filled with zeros"
            )
            said.append((UserWarning, text))
        self.indicator_ = None
        if self.add_indicator:
            self.indicator_ = MissingIndicator(error_on_new=False).fit(table.gaps)
        rows = take_columns(table.X, seen)
        if self.estimator is None and table.raw is None:
            return said + self._fit_default(rows, weights, names[seen])
        if self.estimator is not None:
            mixture = clone(self.estimator)
        else:
            raw = [column for column, kept in zip(table.raw or (), seen, strict=True) if kept]
            mixture = choose_mixed(rows, raw, weights, check_random_state(self.random_state))
        given = {} if weights is None else {"sample_weight": weights}
        self.estimator_ = mixture.fit(rows, **given)
        return said

    def _fit_default(
        self, rows: Floats, weights: NDArray[np.float64] | None, names: NDArray[Any]
    ) -> list[tuple[type[Warning], str]]:
        """Choose a Gaussian mixture and fit it; return what to warn of."""
        # Errors of the whole fit name the columns; a choice among fits knows nothing of names.
        measure(rows, weights, GAUSSIAN_FAMILIES["full"](0.0), gappy=True, names=names.tolist())
        mixture = choose_mixture(rows, weights, check_random_state(self.random_state))
        mixture.feature_names_in_ = names
        said = fit_quietly(mixture, POINT, rows, weights).remarks()
        # Rows without names follow.
        del mixture.feature_names_in_
        self.estimator_ = mixture
        return [(ConvergenceWarning, text) for text in said]

    def transform(self, X: ArrayLike) -> Any:
        """Fill the missing cells.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Cells may be missing where none were in `fit`.

        Returns
        -------
        filled : ndarray or frame of shape (n_samples, n_features_out)
            Seen cells are unchanged. Without the columns that had no value in `fit`, unless they
            are kept; with those of the indicator, if asked for. From Gaussian mixtures an array
            of the dtype of X. From mixtures of columns of every kind what X is: a frame of the
            same library with the same dtypes and categories, where whole numbers are filled with
            whole numbers; or an array, of objects if X has text.
        """
        check_is_fitted(self)
        table = read(self, X, reset=False)
        rng = check_random_state(self.random_state)
        kept = self._kept
        filled = self.estimator_.impute(take_columns(table.X, kept), self.method, random_state=rng)
        if self.keep_empty_features and not kept.all():
            filled = put_columns(fill_zeros(table.X, table.missing & ~kept), kept, filled)
        if self.indicator_ is not None:
            names = self.indicator_.get_feature_names_out(super().get_feature_names_out())
            there = self.indicator_.transform(table.gaps)
            filled = add_columns(filled, dict(zip(names.tolist(), there.T, strict=True)))
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
