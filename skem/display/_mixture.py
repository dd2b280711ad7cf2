"""MixtureDisplay: ellipses, density contours and points of a fitted mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem.display._fitted import mixture_of, with_rows
from skem.display._marginal import (
    cholesky_2d,
    content_levels,
    log_density,
    marginal,
    select_features,
)
from skem.display._plotting import BESIDE, palette_of, point_size, pyplot, sample_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend
    from matplotlib.patches import Polygon

__all__ = ["MixtureDisplay"]

_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 100, endpoint=False)
_MOST_IN_LEGEND = 20


class MixtureDisplay:
    """Picture of a Gaussian or Student's t mixture over two features.

    It is recommended to use :meth:`from_estimator` to make one. All parameters are
    stored as attributes.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Mixing weights. A component of weight 0 is not drawn.
    means : array-like of shape (n_components, 2)
        Means over the two features.
    covariances : array-like of shape (n_components, 2, 2)
        Covariances of the two features; scale matrices, where `df` is given.
    X : array-like of shape (n_samples, 2), default=None
        Points to draw.
    labels : array-like of shape (n_samples,), default=None
        The component of each point, from 0 to n_components - 1; -1, noise, is grey. If
        None, all points are grey.
    xlabel, ylabel : str, default=None
        Labels of the axes.
    shown : array-like of shape (n_components,), default=None
        Which components have ellipses; the density is that of all. If None, those of
        positive weight.
    df : array-like of shape (n_components,), default=None
        Degrees of freedom of Student's t components. If None, they are Gaussian.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of those axes.
    points_ : matplotlib PathCollection or None
        The points.
    contours_ : matplotlib QuadContourSet or None
        The contours of the density.
    ellipses_ : list of matplotlib Polygon
        The ellipses, those of the first component first.
    legend_ : matplotlib Legend or None
        The legend, if the figure is the display's own and has at most 20 components.

    See Also
    --------
    skem.EMGaussianMixture : The mixture.

    Notes
    -----
    Two features of a mixture of D are again a Gaussian mixture, with the same weights
    and with the matching entries of the means and covariances. So the ellipses and the
    contours are those of the exact marginal density, not of a slice.

    A picture needs two features: estimators fitted on one are refused.

    Examples
    --------
    >>> from skem import EMGaussianMixture
    >>> from skem.datasets import load_faithful
    >>> from skem.display import MixtureDisplay
    >>> X = load_faithful().data
    >>> mixture = EMGaussianMixture(2, random_state=0).fit(X)
    >>> display = MixtureDisplay.from_estimator(mixture, X)
    >>> len(display.ellipses_)
    4
    """

    ax_: Axes
    figure_: Figure | SubFigure
    points_: PathCollection | None
    contours_: QuadContourSet | None
    ellipses_: list[Polygon]
    legend_: Legend | None

    def __init__(
        self,
        *,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        X: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        shown: ArrayLike | None = None,
        df: ArrayLike | None = None,
    ) -> None:
        self.weights = weights
        self.means = means
        self.covariances = covariances
        self.X = X
        self.labels = labels
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.shown = shown
        self.df = df

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        features: Sequence[int | str] = (0, 1),
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> MixtureDisplay:
        """Draw a fitted mixture and rows of a table.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`~skem.EMGaussianMixture` or :class:`~skem.EMStudentMixture`,
            or any fitted estimator with
            ``weights_``, ``means_``, ``covariances_``, ``covariance_type`` and
            ``predict`` as scikit-learn's mixtures have them; or a fitted choice among
            such, :class:`~skem.GaussianMixtureIC` or a search, whose best one is drawn.
            Of a pipeline pass the last step, and the rows that reach it.
        X : array-like or DataFrame of shape (n_samples, n_features), or None
            Rows to draw, each coloured by its label. None draws the mixture alone.
        features : (int or str, int or str), default=(0, 1)
            The features on the x-axis and the y-axis, by index or, if the estimator
            was fitted on a frame, by column name.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **kwargs : dict
            The other parameters of :meth:`plot`.

        Returns
        -------
        display : MixtureDisplay
            The picture.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator is no Gaussian mixture (a pipeline, for example), or a choice
            without ``best_estimator_``.
        ValueError
            If the estimator has one feature, or ``features`` does not name two
            different features of it.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skem import EMGaussianMixture
        >>> from skem.display import MixtureDisplay
        >>> X = load_iris(as_frame=True).data
        >>> mixture = EMGaussianMixture(3, random_state=0).fit(X)
        >>> display = MixtureDisplay.from_estimator(
        ...     mixture, X, features=("petal length (cm)", "petal width (cm)")
        ... )
        >>> display.ax_.get_xlabel()
        'petal length (cm)'
        """
        check_is_fitted(estimator)
        estimator = mixture_of(estimator)
        n_features = np.shape(estimator.means_)[1]
        names = getattr(estimator, "feature_names_in_", None)
        pair = select_features(features, n_features, names)
        df = getattr(estimator, "df_", None)
        matrices = estimator.covariances_ if df is None else estimator.scale_matrices_
        means, covariances = marginal(estimator.means_, matrices, estimator.covariance_type, pair)
        labels = None if X is None else np.asarray(estimator.predict(X))
        display = cls(
            weights=np.asarray(estimator.weights_),
            means=means,
            covariances=covariances,
            X=None if X is None else np.asarray(X)[:, list(pair)],
            labels=labels,
            xlabel=f"feature {pair[0]}" if names is None else str(names[pair[0]]),
            ylabel=f"feature {pair[1]}" if names is None else str(names[pair[1]]),
            shown=with_rows(estimator, labels),
            df=df,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        ellipse_std: Sequence[float] = (1.0, 2.0),
        contents: Sequence[float] = (0.5, 0.9, 0.99),
        grid_resolution: int = 200,
        colors: Sequence[Any] | None = None,
        max_points: int = 5000,
        scatter_kwargs: dict[str, Any] | None = None,
        ellipse_kwargs: dict[str, Any] | None = None,
        contour_kwargs: dict[str, Any] | None = None,
    ) -> MixtureDisplay:
        """Draw the points, the contours of the density and the ellipses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made, with a legend beside the axes;
            on given axes, ``ax.legend()`` makes one.
        ellipse_std : sequence of float, default=(1.0, 2.0)
            An ellipse is drawn at each of these Mahalanobis distances from each mean,
            in standard deviations. Distance s holds ``1 - exp(-s**2 / 2)`` of the
            component: 39 % for 1, 86 % for 2. Of Student's t components the distance is
            by the scale matrix, and holds ``1 - (1 + s**2 / df) ** (-df / 2)``. Empty: no
            ellipses.
        contents : sequence of float, default=(0.5, 0.9, 0.99)
            A contour of the mixture's density is drawn around the smallest region
            that holds each of these shares of its probability. Empty: no contours.
        grid_resolution : int, default=200
            Points on each side of the grid for the contours. A component narrower
            than a cell of the grid needs more.
        colors : sequence of matplotlib colors, default=None
            A color for each component. If None, those of ``tab10`` for up to 10
            components, else evenly spaced ones of ``turbo``.
        max_points : int, default=5000
            Of more rows a random sample of this size is drawn, the same each time; the
            legend says so.
        scatter_kwargs : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.scatter`.
        ellipse_kwargs : dict, default=None
            Passed to :class:`matplotlib.patches.Polygon`.
        contour_kwargs : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.contour`.

        Returns
        -------
        display : MixtureDisplay
            The same object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of its range.
        """
        plt = pyplot("MixtureDisplay")
        own = ax is None
        n_components = len(np.asarray(self.weights))
        _check_positive("ellipse_std", ellipse_std, np.inf)
        _check_positive("contents", contents, 1.0)
        if grid_resolution < 2:
            raise ValueError(f"grid_resolution must be at least 2, got {grid_resolution}.")
        palette = palette_of(plt, n_components, colors)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.points_ = self._draw_points(palette, max_points, scatter_kwargs or {})
        self.contours_ = self._draw_contours(contents, grid_resolution, contour_kwargs or {})
        self.ellipses_ = self._draw_ellipses(palette, ellipse_std, ellipse_kwargs or {})
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel)
        ax.autoscale_view()
        self.legend_ = self._draw_legend(palette, contents) if own else None
        return self

    def _mixture(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return indices, weights, means and Cholesky factors of components with weight."""
        weights = np.asarray(self.weights, dtype=np.float64)
        alive = np.flatnonzero(weights > 0)
        means = np.asarray(self.means, dtype=np.float64)[alive]
        covariances = np.asarray(self.covariances, dtype=np.float64)[alive]
        return alive, weights[alive], means, cholesky_2d(covariances)

    def _freedom(self) -> NDArray[Any] | None:
        """Return the degrees of freedom of components with weight; None if they are Gaussian."""
        if self.df is None:
            return None
        df: NDArray[Any] = np.asarray(self.df, dtype=np.float64)[np.asarray(self.weights) > 0]
        return df

    def _is_shown(self, component: int) -> bool:
        return self.shown is None or bool(np.asarray(self.shown)[component])

    def _draw_points(
        self, palette: NDArray[Any], max_points: int, kwargs: dict[str, Any]
    ) -> PathCollection | None:
        """Scatter the points, or a sample of them, in the colors of their labels."""
        if self.X is None:
            return None
        X = np.asarray(self.X)
        rows = sample_rows(len(X), max_points)
        style: dict[str, Any] = {"s": point_size(len(rows), 16.0), "alpha": 0.6, "linewidths": 0}
        style["c"] = "0.5" if self.labels is None else _colours(palette, self.labels, rows)
        seen = f"{len(rows):,} of {len(X):,} rows" if len(rows) < len(X) else "_all rows"
        style |= {"zorder": 1, "label": seen}
        return self.ax_.scatter(X[rows, 0], X[rows, 1], **(style | kwargs))

    def _draw_legend(self, palette: NDArray[Any], contents: Sequence[float]) -> Legend | None:
        """Name the components that are drawn, the contours, and how many rows are seen."""
        from matplotlib.lines import Line2D

        found = [k for k in self._mixture()[0] if self._is_shown(k)]
        if len(found) > _MOST_IN_LEGEND:
            return None
        mark: dict[str, Any] = {"marker": "o", "linestyle": "none"}
        handles = [Line2D([], [], color=palette[k], label=f"component {k}", **mark) for k in found]
        if self.contours_ is not None:
            shares = ", ".join(f"{100 * share:g}" for share in sorted(set(contents)))
            line: dict[str, Any] = {"color": "0.25", "linewidth": 0.8, "linestyle": "dashed"}
            handles.append(Line2D([], [], label=f"density: {shares} %", **line))
        seen = "_" if self.points_ is None else str(self.points_.get_label())
        if not seen.startswith("_"):
            handles.append(Line2D([], [], linestyle="none", label=seen))
        return self.ax_.legend(handles=handles, fontsize="small", **BESIDE)

    def _draw_contours(
        self, contents: Sequence[float], resolution: int, kwargs: dict[str, Any]
    ) -> QuadContourSet | None:
        """Draw the contours of the log density that enclose the given probabilities."""
        if len(contents) == 0:
            return None
        _, weights, means, factors = self._mixture()
        spread = 3.5 * np.linalg.norm(factors, axis=2)  # (K, 2), in standard deviations
        corners = np.vstack([means - spread, means + spread])
        if self.X is not None:
            corners = np.vstack([corners, np.asarray(self.X, dtype=np.float64)])
        low, high = corners.min(axis=0), corners.max(axis=0)
        x, y = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
        grid = np.stack(np.meshgrid(x, y), axis=-1)
        df = self._freedom()
        values = log_density(grid.reshape(-1, 2), weights, means, factors, df)
        levels = content_levels(np.unique(contents)[::-1], weights, means, factors, df)
        style: dict[str, Any] = {"colors": "0.25", "linewidths": 0.8, "zorder": 2}
        style["linestyles"] = "dashed"
        return self.ax_.contour(x, y, values.reshape(grid.shape[:2]), levels, **(style | kwargs))

    def _draw_ellipses(
        self, palette: NDArray[Any], stds: Sequence[float], kwargs: dict[str, Any]
    ) -> list[Polygon]:
        """Draw each component's ellipses, as polygons: exact however the axes are scaled."""
        from matplotlib.patches import Polygon

        ellipses = []
        indices, _, means, factors = self._mixture()
        circle = np.column_stack([np.cos(_CIRCLE), np.sin(_CIRCLE)])
        for k, mean, factor in zip(indices, means, factors, strict=True):
            for i, std in enumerate(stds if self._is_shown(k) else ()):
                style: dict[str, Any] = {"fill": False, "linewidth": 2.0, "zorder": 3}
                style |= {"edgecolor": palette[k], "label": f"component {k}" if i == 0 else None}
                polygon = Polygon(mean + std * circle @ factor.T, **(style | kwargs))
                self.ax_.add_patch(polygon)
                ellipses.append(polygon)
        return ellipses


def _colours(
    palette: NDArray[Any], labels: ArrayLike, rows: NDArray[np.intp] | slice
) -> NDArray[Any]:
    """Return the colors of labelled rows; noise, labelled -1, is grey."""
    chosen = np.asarray(labels)[rows]
    colours: NDArray[Any] = np.where(
        chosen[:, np.newaxis] < 0, [0.5, 0.5, 0.5, 1.0], palette[chosen]
    )
    return colours


def _check_positive(name: str, values: Sequence[float], upper: float) -> None:
    """Raise ValueError unless all values lie strictly between 0 and upper."""
    for value in values:
        if not 0 < value < upper:
            raise ValueError(f"{name} must lie strictly between 0 and {upper}, got {value!r}.")
