"""LatentDisplay and TrainingCurveDisplay: the codes of rows, and how training went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem.display._plotting import BESIDE, point_size, pyplot, sample_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

__all__ = ["LatentDisplay", "TrainingCurveDisplay"]

_NUMBERS = (int, float, np.number)
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 200)


class LatentDisplay:
    """Picture of the codes of rows over two dimensions.

    It is recommended to use :meth:`from_estimator` to make one. All parameters are
    stored as attributes.

    Parameters
    ----------
    codes : array-like of shape (n_samples, 2)
        Codes of the rows in the two dimensions.
    labels : array-like of shape (n_samples,), default=None
        A class or a number for each row, shown by color. Rows without one (None or NaN) are
        grey.
    xlabel, ylabel : str, default=None
        Labels of the axes.
    prior : bool, default=True
        Whether the codes have a standard normal prior, drawn as circles.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure that contains it.
    points_ : list of matplotlib PathCollection
        The points, of each label if there are few different ones, else all together; those
        without a label first.
    circles_ : list of matplotlib Line2D
        The circles of the prior.

    See Also
    --------
    TrainingCurveDisplay : How training went.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    points_: list[PathCollection]
    circles_: list[Line2D]

    def __init__(
        self,
        *,
        codes: ArrayLike,
        labels: ArrayLike | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        prior: bool = True,
    ) -> None:
        self.codes = codes
        self.labels = labels
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.prior = prior

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        dimensions: tuple[int, int] | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> LatentDisplay:
        """Draw the codes of rows.

        Parameters
        ----------
        estimator : fitted transformer
            A :class:`~skem.VAE`, or anything with ``transform``.
        X : array-like of shape (n_samples, n_features)
            Rows to encode.
        y : array-like of shape (n_samples,), default=None
            A class or a number for each row, shown by color. Rows without one (None or NaN)
            are grey.
        dimensions : (int, int), default=None
            The dimensions of the code on the x-axis and the y-axis. If None, the two that say
            most about the rows (of the largest ``kl_per_dimension_``), or else the first two.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **kwargs : dict
            The other parameters of :meth:`plot`.

        Returns
        -------
        display : LatentDisplay
            The picture.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If a code has fewer than two dimensions, or ``dimensions`` does not name two
            different ones of them.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        codes = np.asarray(estimator.transform(X))
        n_latent = codes.shape[1]
        if n_latent < 2:
            raise ValueError(f"The code must have at least two dimensions, but has {n_latent}.")
        kl = getattr(estimator, "kl_per_dimension_", None)
        gaussian = kl is not None and len(kl) == n_latent
        if dimensions is None:
            order = np.argsort(-np.asarray(kl), kind="stable") if gaussian else np.arange(n_latent)
            dimensions = (int(order[0]), int(order[1]))
        first, second = dimensions
        if first == second or not all(0 <= place < n_latent for place in dimensions):
            raise ValueError(
                f"dimensions must be two different ints in the range [0, {n_latent - 1}], got "
                f"{dimensions!r}."
            )
        display = cls(
            codes=codes[:, [first, second]],
            labels=y,
            xlabel=f"code {first}",
            ylabel=f"code {second}",
            prior=gaussian,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        max_points: int = 5000,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> LatentDisplay:
        """Draw the points, and the prior at 1 and 2 standard deviations.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        max_points : int, default=5000
            Of more rows a random sample of this size is drawn, the same each time; the title
            says so.
        scatter_kwargs : dict, default=None
            Passed to :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : LatentDisplay
            The same object, with the artists as attributes.
        """
        plt = pyplot("LatentDisplay")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        n_rows = len(np.asarray(self.codes))
        rows = sample_rows(n_rows, max_points)
        if len(rows) < n_rows:
            ax.set_title(f"{len(rows):,} of {n_rows:,} rows", fontsize="small")
        self.points_ = self._draw_points(plt, rows, scatter_kwargs or {})
        self.circles_ = []
        for radius in (1.0, 2.0) if self.prior else ():
            x, y = radius * np.cos(_CIRCLE), radius * np.sin(_CIRCLE)
            self.circles_ += ax.plot(x, y, color="0.4", linewidth=0.8, linestyle="dashed")
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel, aspect="equal")
        return self

    def _draw_points(
        self, plt: Any, rows: NDArray[np.intp], kwargs: dict[str, Any]
    ) -> list[PathCollection]:
        """Scatter the codes: by class, if these are at most ten or names, or by number."""
        codes = np.asarray(self.codes)[rows]
        style: dict[str, Any] = {"s": point_size(len(rows), 10.0), "alpha": 0.7, "linewidths": 0}
        grey: dict[str, Any] = {"color": "0.7"} | style | kwargs
        style |= kwargs
        if self.labels is None:
            return [self.ax_.scatter(codes[:, 0], codes[:, 1], **({"c": "0.4"} | style))]
        labels = np.asarray(self.labels)[rows]
        missing = _is_missing(labels)
        drawn = []
        if missing.any():
            none = codes[missing]
            drawn.append(self.ax_.scatter(none[:, 0], none[:, 1], **(grey | {"label": "missing"})))
        codes, labels = codes[~missing], labels[~missing]
        classes = np.unique(labels)
        if len(classes) > 10 and all(isinstance(value, _NUMBERS) for value in classes):
            numbers = labels.astype(np.float64)
            drawn.append(self.ax_.scatter(codes[:, 0], codes[:, 1], **({"c": numbers} | style)))
            self.figure_.colorbar(drawn[-1], ax=self.ax_)
            return drawn
        if len(classes) <= 10:
            palette = plt.get_cmap("tab10")(np.arange(len(classes)))
        else:
            palette = plt.get_cmap("turbo")(np.linspace(0.0, 1.0, len(classes)))
        for color, name in zip(palette, classes, strict=True):
            mine = codes[labels == name]
            label = f"{name:g}" if isinstance(name, float) else str(name)
            own = {"color": color, "label": label} | style
            drawn.append(self.ax_.scatter(mine[:, 0], mine[:, 1], **own))
        self.ax_.legend(markerscale=2, fontsize="small", **BESIDE)
        return drawn


def _is_missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Say where there is no label: NaN, NaT, None or pandas' NA."""
    if labels.dtype.kind in "fcmM":
        return np.isnan(labels)
    if labels.dtype.kind != "O":
        return np.zeros(len(labels), dtype=bool)
    names = ("NAType", "NaTType")
    return np.array(
        [
            value is None or type(value).__name__ in names or bool(value != value)
            for value in labels
        ],
        dtype=bool,
    )


class TrainingCurveDisplay:
    """Picture of the loss after each epoch of training.

    It is recommended to use :meth:`from_estimator` to make one. All parameters are
    stored as attributes.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean loss of each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Loss of held-out rows after each epoch.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure that contains it.
    lines_ : list of matplotlib Line2D
        The curves, and the best epoch if rows were held out.

    See Also
    --------
    LatentDisplay : The codes of rows.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: list[Line2D]

    def __init__(
        self, *, loss_curve: ArrayLike, validation_loss_curve: ArrayLike | None = None
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, **kwargs: Any
    ) -> TrainingCurveDisplay:
        """Draw the curves of a fitted autoencoder.

        Parameters
        ----------
        estimator : fitted estimator
            With ``loss_curve_`` and, if rows were held out, ``validation_loss_curve_``.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The picture.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no ``loss_curve_``.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            raise TypeError(
                f"estimator must have a loss_curve_, got {type(estimator).__name__}, which has "
                "none. Of a pipeline, pass the step that was trained, `pipeline[-1]`."
            )
        display = cls(
            loss_curve=estimator.loss_curve_,
            validation_loss_curve=getattr(estimator, "validation_loss_curve_", None),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> TrainingCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **kwargs : dict
            Passed to :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The same object, with the artists as attributes.
        """
        plt = pyplot("TrainingCurveDisplay")
        if ax is None:
            _, ax = plt.subplots()
        self.ax_, self.figure_ = ax, ax.figure
        loss = np.asarray(self.loss_curve)
        self.lines_ = ax.plot(np.arange(1, len(loss) + 1), loss, **({"label": "training"} | kwargs))
        if self.validation_loss_curve is not None:
            held_out = np.asarray(self.validation_loss_curve)
            epochs = np.arange(1, len(held_out) + 1)
            self.lines_ += ax.plot(epochs, held_out, **({"label": "held-out rows"} | kwargs))
            best = int(np.argmin(held_out))
            style: dict[str, Any] = {"marker": "o", "linestyle": "none"}
            style["color"] = self.lines_[-1].get_color()
            label = f"best epoch ({best + 1})"
            self.lines_ += ax.plot([best + 1], [held_out[best]], **style, label=label)
            ax.legend()
        ax.set(xlabel="epoch", ylabel="loss (nats per row)")
        return self
