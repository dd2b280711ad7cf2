"""ModelSelectionDisplay: a criterion by the number of components, a line for each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem.display._plotting import BESIDE, pyplot
from skem.mixture._results import COLUMNS, model_column, set_aside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

__all__ = ["ModelSelectionDisplay"]

# What to write beside a criterion's axis.
_LABELS = {
    "bic": "BIC (lower is better)",
    "icl": "ICL (lower is better)",
    "aic": "AIC (lower is better)",
    "cv": "held-out log density, nats per row (higher is better)",
}
_MARKERS = "osD^vPX*hd<>p8"
_FEW = 10  # sound fits that are all shown, however far from the best
_STRIP = 0.06  # share of the axes' height that crosses take


class ModelSelectionDisplay:
    """Picture of a criterion by the number of components, with a line for each model.

    It is recommended to use :meth:`from_estimator` to make one. All parameters are
    stored as attributes.

    Parameters
    ----------
    covariance_types : array-like of shape (n_fits,)
        The model of each fit. Models of mclust that differ only in whether volumes are
        equal (EEI and VEI, for example) share a color; those with equal volumes have
        open markers and dashed lines.
    n_components : array-like of shape (n_fits,)
        The number of components of each fit.
    values : array-like of shape (n_fits,)
        The criterion. NaN, for a fit that failed, leaves a gap.
    best_index : int
        The fit to mark.
    collapsed : array-like of shape (n_fits,), default=None
        Fits with a collapsed component. Their values can't be compared with others, so they
        are crosses in a strip of their own below the lines. If None, there are none.
    ylabel : str, default=None
        Name of the criterion.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of those axes.
    lines_ : list of matplotlib Line2D
        A line for each model, in the order in which models first appear.
    crosses_ : list of matplotlib Line2D
        The fits with a collapsed component, for each model that has any; side by side
        at each number of components.
    best_ : matplotlib Line2D
        The mark around the best fit.

    See Also
    --------
    skem.GaussianMixtureIC, skem.MixtureIC, skem.StudentMixtureIC : The estimators that choose.

    Examples
    --------
    >>> from skem import GaussianMixtureIC
    >>> from skem.datasets import load_faithful
    >>> from skem.display import ModelSelectionDisplay
    >>> X = load_faithful().data
    >>> choice = GaussianMixtureIC(range(1, 4), covariance_type=["EEE", "VVV"]).fit(X)
    >>> display = ModelSelectionDisplay.from_estimator(choice)
    >>> [line.get_label() for line in display.lines_]
    ['EEE', 'VVV']
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: list[Line2D]
    crosses_: list[Line2D]
    best_: Line2D

    def __init__(
        self,
        *,
        covariance_types: ArrayLike,
        n_components: ArrayLike,
        values: ArrayLike,
        best_index: int,
        collapsed: ArrayLike | None = None,
        ylabel: str | None = None,
    ) -> None:
        self.covariance_types = covariance_types
        self.n_components = n_components
        self.values = values
        self.best_index = best_index
        self.collapsed = collapsed
        self.ylabel = ylabel

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, **kwargs: Any
    ) -> ModelSelectionDisplay:
        """Draw the criterion by which a fitted estimator chose.

        Parameters
        ----------
        estimator : GaussianMixtureIC, MixtureIC or StudentMixtureIC
            A fitted one.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **kwargs : dict
            The other parameters of :meth:`plot`.

        Returns
        -------
        display : ModelSelectionDisplay
            The picture.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not choose among mixtures.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        missing = [name for name in ("results_", "criterion") if not hasattr(estimator, name)]
        if missing:
            raise TypeError(
                "estimator must be a fitted GaussianMixtureIC, MixtureIC or StudentMixtureIC, got "
                f"{type(estimator).__name__}, which has no {', '.join(missing)}"
            )
        results, criterion = estimator.results_, estimator.criterion
        display = cls(
            covariance_types=results[model_column(results)],
            n_components=results["n_components"],
            values=results[COLUMNS[criterion]],
            best_index=estimator.best_index_,
            collapsed=set_aside(results, criterion),
            ylabel=_LABELS[criterion],
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kwargs: dict[str, Any] | None = None,
        best_kwargs: dict[str, Any] | None = None,
    ) -> ModelSelectionDisplay:
        """Draw the lines, the mark and the legend.

        The axis of the criterion is chosen for the better fits: of more than ten, those
        farther from the best than four times the median distance are outside.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made. The legend stands to the right
            of the axes.
        line_kwargs : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.plot` for each model's line.
        best_kwargs : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.plot` for the mark.

        Returns
        -------
        display : ModelSelectionDisplay
            The same object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = pyplot("ModelSelectionDisplay")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        types, numbers, values, aside = self._columns()
        self.lines_, self.crosses_ = [], []
        styles = _styles(plt, list(dict.fromkeys(types)))
        for place, (name, style) in enumerate(styles.items()):
            mine = np.flatnonzero(types == name)
            mine = mine[np.argsort(numbers[mine], kind="stable")]
            sound = np.where(aside[mine], np.nan, values[mine])
            style |= {"label": name, "linewidth": 1.2, "markersize": 5, **(line_kwargs or {})}
            self.lines_ += ax.plot(numbers[mine], sound, **style)
            crosses = mine[aside[mine]]
            if len(crosses):
                shift = 0.6 * ((place + 0.5) / len(styles) - 0.5)
                self._draw_crosses(numbers[crosses] + shift, style["color"])
        best = self.best_index
        mark: dict[str, Any] = {"marker": "o", "markersize": 15, "markerfacecolor": "none"}
        mark |= {"color": "black", "linestyle": "none", "markeredgewidth": 1.5, "zorder": 3}
        mark |= {"label": f"best: {types[best]}, {numbers[best]}", **(best_kwargs or {})}
        (self.best_,) = ax.plot(numbers[best], values[best], **mark)
        if self.crosses_:
            self.crosses_[0].set_label("collapsed")
        ax.set(xlabel="components", ylabel=self.ylabel, xticks=np.unique(numbers))
        self._set_limits(values[~aside], float(values[best]))
        handles = [*self.lines_, *self.crosses_[:1], self.best_]
        ax.legend(handles=handles, markerscale=0.8, **BESIDE)
        return self

    def _draw_crosses(self, x: NDArray[Any], color: Any) -> None:
        """Draw crosses in the strip below the lines, and the strip's edge before the first."""
        if not self.crosses_:
            self.ax_.axhline(0.0, color="0.7", linewidth=0.8, label="_strip")
            self.ax_.lines[-1].set(transform=self.ax_.transAxes, ydata=[_STRIP, _STRIP])
        style: dict[str, Any] = {"color": color, "marker": "x", "linestyle": "none"}
        style |= {"markersize": 5, "transform": self.ax_.get_xaxis_transform()}
        self.crosses_ += self.ax_.plot(x, np.full(len(x), 0.5 * _STRIP), **style)

    def _set_limits(self, sound: NDArray[Any], best: float) -> None:
        """Let the better of the sound fits fill the axis, above the strip if there is one."""
        distances = np.abs(sound[np.isfinite(sound)] - best)
        if not distances.any():
            return
        span = float(distances.max())
        typical = float(np.median(distances))
        if len(distances) > _FEW and typical > 0:
            span = min(span, 4.0 * typical)
        far = sound[np.nanargmax(np.abs(sound - best))]
        low, high = sorted([best, best + np.copysign(span, far - best)])
        strip = _STRIP / (1.0 - _STRIP) * span if self.crosses_ else 0.0
        self.ax_.set_ylim(low - 0.08 * span - 1.16 * strip, high + 0.08 * span)

    def _columns(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        types = np.asarray(self.covariance_types, dtype=object)
        values = np.asarray(self.values, dtype=np.float64)
        aside = np.zeros(len(values)) if self.collapsed is None else np.asarray(self.collapsed)
        return types, np.asarray(self.n_components), values, aside.astype(bool)


def _styles(plt: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    """Give models that differ in their volumes alone one color and one marker."""
    kinds = {name: name[1:] if name.isupper() else name for name in names}
    order = list(dict.fromkeys(kinds.values()))
    palette = plt.get_cmap("tab10" if len(order) <= 10 else "tab20")
    styles = {}
    for name, kind in kinds.items():
        number = order.index(kind)
        equal = name.isupper() and name.startswith("E")
        style = {"color": palette(number), "marker": _MARKERS[number % len(_MARKERS)]}
        style |= {"linestyle": "--" if equal else "-"}
        styles[name] = style | ({"markerfacecolor": "none"} if equal else {})
    return styles
