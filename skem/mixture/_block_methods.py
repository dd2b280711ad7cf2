"""What fitted mixtures of blocks of columns can do besides."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem._collections import check_in_memory, is_collection
from skem._parameters import check_sample_weight
from skem._tables import without_mask
from skem.columns import ColumnInfo, fill_cells, library_of
from skem.inference import ComputeResponsibilities
from skem.mixture._base import BaseMixture
from skem.mixture._block_impute import impute_blocks, impute_tables
from skem.mixture._explain import as_explanation, explain_cells
from skem.mixture._impute import check_draws
from skem.mixture._layout import Layout
from skem.mixture._lazy import impute_lazily
from skem.mixture._profiles import BlockSummary, summarise_blocks
from skem.mixture._residuals import pair_residuals

__all__ = ["BlockMixtureMethods"]


class BlockMixtureMethods(BaseMixture):
    """Samples, criteria and summaries of a fitted mixture of blocks."""

    parameters_: list[dict[str, Any]]
    kinds_: dict[Any, str]
    _layout: Layout

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        as_frame: bool | None = None,
    ) -> tuple[Any, Any]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int or RandomState instance, default=None
            None goes on with a generator that the fit seeded from the estimator's own
            ``random_state``: calls differ from each other, and a program run twice draws the
            same rows.
        as_frame : bool, default=None
            Whether to return a frame; None: if the fit was to one.

        Returns
        -------
        X : frame or ndarray of shape (n_samples, n_features)
            As what was fitted: a table of the same library, with the same dtypes and categories.
            Where a Gaussian or positive column's dtype is one of whole numbers, draws are rounded
            to the nearest that it has, as its values were when they were recorded. Of an array,
            an array of floats; of objects, if there are categories that are no numbers.
        y : ndarray of shape (n_samples,), int64
            The component of each row.
        """
        values, labels = self._draw(n_samples, random_state)
        encoding = self._layout.encoding
        if as_frame is None:
            as_frame = encoding.library != "numpy"
        return encoding.decode(values.astype(np.float64, copy=False), as_frame=as_frame), labels

    def relative_entropy(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Say how clearly rows belong to components, from 0 to 1 (Ramaswamy et al. 1993).

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        entropy : float
            ``1 - sum_n w_n H(resp_n) / (log K sum_n w_n)`` for the entropies H of the rows'
            responsibilities: 1 where every row is certain to be one component's, 0 where nothing
            is known. 1 for K = 1.
        """
        entropy, total = self._entropy(X, sample_weight)
        if len(self.weights_) == 1:
            return 1.0
        return float(1.0 - entropy / (total * np.log(len(self.weights_))))

    def _entropy(self, X: ArrayLike, sample_weight: ArrayLike | None) -> NDArray[np.float64]:
        """Return the weighted sum of the entropies of rows' responsibilities, and of weights."""
        if is_collection(X):
            return self._summed("_entropy", X, sample_weight)
        resp = self.predict_proba(X).astype(np.float64)
        weights = check_sample_weight(sample_weight, len(resp))
        weights = np.ones(len(resp)) if weights is None else weights
        entropy = -np.where(resp > 0, resp * np.log(np.where(resp > 0, resp, 1.0)), 0.0).sum(axis=1)
        return np.array([weights @ entropy, weights.sum()])

    def summary(self) -> BlockSummary:
        """Describe the components: shares, and what each column is like in each of them.

        Returns
        -------
        summary : BlockSummary
            It prints as a table: means and standard deviations of Gaussian columns, shares of
            categories, rates. ``summary().to_frame()`` has the numbers as a pandas frame. Where
            ``columns='auto'`` took columns of few whole numbers for measurements, notes say which
            other kinds are likelier.
        """
        check_is_fitted(self)
        return summarise_blocks(self)

    def bivariate_residuals(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Say which pairs of columns are still dependent within components.

        Within a component columns of different blocks should be independent. Where a pair is not,
        more components are needed, or a block that has both (``'full'``).

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            The rows that were fitted, say.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        residuals : DataFrame or ndarray of shape (n_features, n_features)
            The squared canonical correlations of both columns within components, times the weight
            of the rows that have both cells, divided by their degrees of freedom. About 1 for
            columns that are independent there, or less; values above 4 or so are suspicious. With
            one component and two categorical columns it is Pearson's chi-squared statistic
            divided by its degrees of freedom. NaN on the diagonal, and within blocks that have
            covariances. A frame, with the columns'
            names, if a pandas frame was fitted.
        """
        values = self._check_rows(X).astype(np.float64)
        resp = self.predict_proba(X).astype(np.float64)
        weights = check_sample_weight(sample_weight, len(values))
        weights = np.ones(len(values)) if weights is None else weights
        encoding = self._layout.encoding
        features = [_features(values[:, j], info) for j, info in enumerate(encoding.columns)]
        result = pair_residuals(features, weights, resp)
        result[self._kind.family(self).related_columns(len(features))] = np.nan
        if encoding.library != "pandas":
            return result
        import pandas as pd

        names = self._layout.names
        return pd.DataFrame(result, index=names, columns=names)

    def impute(
        self,
        X: ArrayLike,
        method: str = "mean",
        *,
        n_draws: int = 1,
        parameters: str = "fixed",
        random_state: int | np.random.RandomState | None = None,
    ) -> Any:
        """Fill missing cells with what the mixture says of them, given the seen ones.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
        method : {'mean', 'draw', 'mode'}, default='mean'
            What is put there:

            - 'mean': the expected value over all components, of a category the most probable;
            - 'draw': a draw from the conditional mixture;
            - 'mode': the same as 'mean', of the row's most probable component alone.
        n_draws : int, default=1
            Number of tables that are drawn.
        parameters : {'fixed', 'bootstrap', 'posterior'}, default='fixed'
            Whose draws they are; 'posterior' of `VariationalMixture` only. See
            `EMGaussianMixture.impute`.
        random_state : int or RandomState instance, default=None
            None goes on with the generator that `sample` draws from, too.

        Returns
        -------
        filled : frame or ndarray of shape (n_samples, n_features)
            X with its missing cells filled: a table of the same library, with the same dtypes and
            categories. Into columns whose dtype is one of whole numbers the nearest of these is
            put; a column of floats gets expected counts as they are. If `n_draws` is more than 1,
            a list of so many frames, or an array of shape (n_draws, n_samples, n_features).

        Raises
        ------
        ValueError
            If a parameter is out of its range, and for several draws, or parameters that are
            not fixed, with another method than 'draw'.
        """
        if is_collection(X):
            check_draws(method, n_draws, "fixed", random_state, ["fixed"])
            return impute_lazily(self, X, method, n_draws, parameters, random_state)
        values = self._check_rows(X)
        tables = impute_tables(self, values, method, n_draws, parameters, random_state)
        infos, gaps = self._layout.encoding.columns, np.isnan(values)
        X = without_mask(X)
        filled = [fill_cells(X, infos, table, gaps) for table in tables]
        if n_draws == 1:
            return filled[0]
        return np.stack(filled) if library_of(X) == "numpy" else filled

    def explain_density(self, X: ArrayLike) -> Any:
        """Say which cells make a row probable or odd, and what would have been expected there.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, 3 n_features)
            With the rows' index, if X is a pandas frame. ``frame["alone"]``,
            ``frame["given_rest"]`` and ``frame["expected"]`` are frames with a column for each
            column of X:

            - 'alone': ``-log p(x_j)``, of the cell by itself;
            - 'given_rest': ``-log p(x_j | the row's other seen cells)``. A cell may be usual by
              itself and odd beside the others; the values of a row do not add up to its log
              density;
            - 'expected': the cell's mean, or its most probable category, given the row's other
              seen cells, in the component that is the most probable by them; of missing cells,
              too, whose first two values are NaN.

        Notes
        -----
        Both values are marginals and ratios of marginals of the mixture itself, in nats. Those of
        categories and counts are minus log probabilities, those of other columns minus log
        densities, per unit of the column: compare them with those of other rows in the same column.
        """
        check_in_memory(X, "explain_density", "Give it the rows that are to be explained")
        rows = self._check_rows(X).astype(np.float64)
        cells = explain_cells(self, rows, self._fill_by_mode)
        infos = self._layout.encoding.columns
        expected = self._layout.encoding.decode(cells["expected"], as_frame=False)
        values = {name: list(array.T) for name, array in cells.items()}
        values["expected"] = [
            expected[:, j] if info.categories is not None else cells["expected"][:, j]
            for j, info in enumerate(infos)
        ]
        return as_explanation(values, self._layout.names, X)

    def _fill_by_mode(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        ask = partial(ComputeResponsibilities, dtype=values.dtype)
        resp = self._evaluate(values, self._kind.assigner, ask)[0]
        return impute_blocks(self, values, resp, "mode", np.random.RandomState(0))


def _features(values: NDArray[np.float64], info: ColumnInfo) -> NDArray[np.float64]:
    """Return indicators of categories, or the values (logarithms of log-normal ones), (n, p)."""
    if info.categories is None:
        values = np.log(values) if info.kind == "lognormal" else values
        return values[:, None]
    codes = np.arange(len(info.categories))
    return np.where(np.isnan(values)[:, None], np.nan, values[:, None] == codes)
