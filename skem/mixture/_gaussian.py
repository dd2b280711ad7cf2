"""What fitted Gaussian mixtures can do besides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skem._collections import is_collection
from skem.mixture._base import BaseMixture, narrow_to
from skem.mixture._clustering import Floats
from skem.mixture._explain import explain_density
from skem.mixture._impute import check_draws, impute
from skem.mixture._lazy import impute_lazily
from skem.mixture._summary import Summarised, as_frames

__all__ = ["GaussianMixtureMethods"]


class GaussianMixtureMethods(Summarised, BaseMixture):
    """Samples, missing cells and summaries of a fitted Gaussian mixture."""

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        as_frame: bool = False,
    ) -> tuple[Any, Any]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int or RandomState instance, default=None
            None goes on with a generator that the fit seeded from the estimator's own
            ``random_state``: calls differ from each other, and a program run twice draws the
            same rows.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame, with the names of the columns that were fitted,
            and a Series.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            In random order.
        y : ndarray or Series of shape (n_samples,), int64
            The component of each row; -1 for noise, whose rows are drawn from its box.
        """
        drawn, labels = self._draw(n_samples, random_state)
        dtype = np.asarray(self.means_).dtype
        rows = narrow_to(drawn, dtype if dtype == np.float32 else np.dtype(np.float64))
        return as_frames(self, rows, labels) if as_frame else (rows, labels)

    def impute(
        self,
        X: ArrayLike,
        method: str = "mean",
        *,
        n_draws: int = 1,
        parameters: str = "fixed",
        random_state: int | np.random.RandomState | None = None,
    ) -> Floats:
        """Fill missing cells (NaN) with what the mixture says of them, given the seen ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Missing cells are NaN. Rows may have any of them missing, or all.
        method : {'mean', 'draw', 'mode'}, default='mean'
            What is put there:

            - 'mean': the conditional mean, over all components: the best guess by squared error;
            - 'draw': a draw from the conditional mixture. It keeps spreads and correlations,
              which means narrow, and several draws tell how uncertain a cell is;
            - 'mode': the conditional mean of the most probable component. Where clusters lie
              apart, it does not fall between them.
        n_draws : int, default=1
            Number of tables that are drawn.
        parameters : {'fixed', 'bootstrap', 'posterior'}, default='fixed'
            Whose draws they are:

            - 'fixed': those of the fitted weights, means and covariances, which are taken for
              certain. Intervals from such draws are too narrow;
            - 'bootstrap': for each draw the mixture is fitted anew, to the rows of `X` with
              random weights (Newton & Raftery 1994), from their responsibilities. `X` is then
              the table of the fit;
            - 'posterior': each draw has parameters of its own from the posterior. Of
              `VariationalGaussianMixture` only.
        random_state : int or RandomState instance, default=None
            None goes on with the generator that `sample` draws from, too.

        Returns
        -------
        filled : ndarray of shape (n_samples, n_features), of the dtype of X
            Or of shape (n_draws, n_samples, n_features) if `n_draws` is more than 1. Seen cells
            are unchanged.

        Raises
        ------
        ValueError
            If a parameter is out of its range, and for several draws, or parameters that are
            not fixed, with another method than 'draw'.

        Examples
        --------
        >>> import numpy as np
        >>> from skem import EMGaussianMixture
        >>> X = np.array([[1.0, 2.1], [2.0, 3.9], [3.0, 6.0], [4.0, np.nan]])
        >>> EMGaussianMixture().fit(X).impute(X).round(1)[3]
        array([4. , 7.9])
        """
        if is_collection(X):
            # What is wrong is to be said now, not when rows are asked for.
            check_draws(method, n_draws, "fixed", random_state, ["fixed"])
            return impute_lazily(self, X, method, n_draws, parameters, random_state)
        return impute(self, self._check_rows(X), method, n_draws, parameters, random_state)

    def explain_density(self, X: ArrayLike) -> Any:
        """Say which cells make a row probable or odd, and what would have been expected there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Missing cells are NaN.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_samples, 3 n_features)
            With the rows' index, if X is a frame. ``frame["alone"]``, ``frame["given_rest"]`` and
            ``frame["expected"]`` are frames with a column for each column of X:

            - 'alone': ``-log p(x_j)``, of the cell by itself;
            - 'given_rest': ``-log p(x_j | the row's other seen cells)``. A cell may be usual by
              itself and odd beside the others; the values of a row do not add up to its log
              density;
            - 'expected': the cell's mean given the row's other seen cells, in the component that
              is the most probable by them; of missing cells, too, whose first two values are NaN.

        Notes
        -----
        Both values are marginals and ratios of marginals of the mixture itself, in nats, per unit
        of the column: of columns in other units they differ by a constant. To compare columns,
        take from each its median over many rows. The ratio is a difference of two log densities,
        so its error is about 1e-15 of the row's log density.

        Examples
        --------
        >>> import numpy as np
        >>> from skem import EMGaussianMixture
        >>> X = np.array([[1.0, 2.1], [2.0, 3.9], [3.0, 6.0], [4.0, 8.1], [5.0, 9.9]])
        >>> explained = EMGaussianMixture().fit(X).explain_density([[4.0, 2.0]])
        >>> explained["expected"].round(1).to_numpy()
        array([[0.9, 8. ]])
        """
        return explain_density(self, X)
