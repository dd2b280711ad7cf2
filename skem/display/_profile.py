"""ProfileDisplay: what each column is in each component of a fitted mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skem.display._fitted import with_rows
from skem.display._plotting import palette_of, pyplot
from skem.mixture._profiles import ColumnProfile, profile_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["ProfileDisplay"]

# Categories that are told apart; of more, the rarest are one segment.
_MOST_CATEGORIES = 8
# Characters that fit into a line of a panel's legend, with 4 for each key.
_LEGEND_WIDTH = 40


class ProfileDisplay:
    """Picture of a mixture's class profiles: a panel for each column, a line for each component.

    Numbers are drawn as mean and standard deviation within the component, categories as bars
    whose parts are their probabilities. Reading along a line tells what a component is; reading
    down a panel, what the column tells components apart by.

    It is recommended to use :meth:`from_estimator` to make one. All parameters are stored as
    attributes.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Mixing weights.
    profiles : list of tuple (column, categories, values, deviations)
        A name; names of categories, or None of numbers; probabilities of shape (n_components,
        n_categories), or means of shape (n_components,); standard deviations of numbers.
    shown : array-like of shape (n_components,), default=None
        Which components are drawn. If None, all.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each column.
    figure_ : matplotlib Figure
        The figure of those axes.

    See Also
    --------
    skem.EMMixture : The mixture; its ``summary()`` has the numbers.
    MixtureDisplay : Two columns of a Gaussian mixture, with their density.

    Examples
    --------
    >>> import pandas as pd
    >>> from skem import EMMixture
    >>> from skem.display import ProfileDisplay
    >>> X = pd.DataFrame({"pet": ["cat", "cat", "dog", "dog"] * 5, "kg": [4.0, 5, 20, 30] * 5})
    >>> mixture = EMMixture(2, random_state=0).fit(X)
    >>> display = ProfileDisplay.from_estimator(mixture)
    >>> [axes.get_title() for axes in display.axes_]
    ['pet', 'kg']
    """

    axes_: NDArray[Any]
    figure_: Figure | SubFigure

    def __init__(
        self,
        *,
        weights: ArrayLike,
        profiles: Sequence[tuple[str, tuple[str, ...] | None, Any, Any]],
        shown: ArrayLike | None = None,
    ) -> None:
        self.weights = weights
        self.profiles = profiles
        self.shown = shown

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        features: Sequence[int | str] | None = None,
        figure: Figure | SubFigure | None = None,
        **kwargs: Any,
    ) -> ProfileDisplay:
        """Draw a fitted mixture's profiles.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture of `skem`, or a choice among such, whose best one is drawn.
        features : sequence of int or str, default=None
            The columns to draw, by place or name, in this order. None: all.
        figure : matplotlib Figure or SubFigure, default=None
            What to draw into. None: a new figure.
        **kwargs : dict
            The other parameters of :meth:`plot`.

        Returns
        -------
        display : ProfileDisplay
            The picture.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is no mixture of `skem`.
        ValueError
            If ``features`` names a column that there is not.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        found = getattr(estimator, "best_estimator_", estimator)
        if not hasattr(found, "weights_") or not hasattr(found, "summary"):
            raise TypeError(
                "estimator must be a fitted mixture of skem or a choice among such, got "
                f"{type(found).__name__}. Of a pipeline, pass the last step"
            )
        profiles = profile_columns(found)
        if features is not None:
            profiles = [profiles[_place(feature, profiles)] for feature in features]
        shown = with_rows(found, None)
        display = cls(weights=np.asarray(found.weights_), profiles=profiles, shown=shown)
        return display.plot(figure=figure, **kwargs)

    def plot(
        self,
        figure: Figure | SubFigure | None = None,
        *,
        n_cols: int = 4,
        colors: Sequence[Any] | None = None,
        cmap: str = "Blues",
    ) -> ProfileDisplay:
        """Draw a panel for each column.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            What to draw into. None: a new figure.
        n_cols : int, default=4
            Largest number of panels side by side.
        colors : sequence of matplotlib colors, default=None
            A color for each component. If None, those of :class:`MixtureDisplay`.
        cmap : str, default='Blues'
            The colormap that the categories of a column take their colors from.

        Returns
        -------
        display : ProfileDisplay
            The same object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of its range.
        """
        plt = pyplot("ProfileDisplay")
        if n_cols < 1:
            raise ValueError(f"n_cols must be at least 1, got {n_cols}.")
        weights = np.asarray(self.weights, dtype=np.float64)
        palette = palette_of(plt, len(weights), colors)
        every = np.arange(len(weights))
        drawn = every if self.shown is None else every[np.asarray(self.shown, dtype=bool)]
        n = len(self.profiles)
        n_cols = min(n_cols, n)
        n_rows = -(-n // n_cols)
        if figure is None:
            size = (2.9 * n_cols + 0.8, n_rows * (1.5 + 0.32 * len(drawn)))
            figure = plt.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        grid = figure.subplots(n_rows, n_cols, squeeze=False, sharey=True).ravel()
        for axes in grid[n:]:
            axes.remove()
        self.axes_ = grid[:n]
        overall = weights[drawn] / weights[drawn].sum()
        for axes, profile in zip(self.axes_, self.profiles, strict=True):
            own = ColumnProfile(*profile)
            axes.set_title(own.column, fontsize="medium")
            if own.categories is None:
                _draw_numbers(axes, own, drawn, palette, overall)
            else:
                _draw_shares(axes, own, drawn, overall, plt.get_cmap(cmap))
        labels = [f"{k} ({weights[k]:.0%})" for k in drawn]
        self.axes_[0].set_yticks(np.arange(len(drawn)), labels)
        self.axes_[0].set_ylim(len(drawn) - 0.4, -0.6)  # the first on top
        for axes in self.axes_[::n_cols]:
            axes.set_ylabel("component (weight)")
        return self


def _place(feature: int | str, profiles: list[ColumnProfile]) -> int:
    names = [profile.column for profile in profiles]
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    if isinstance(feature, int | np.integer) and -len(names) <= feature < len(names):
        return int(feature)
    raise ValueError(f"features has {feature!r}, but the columns are {names}.")


def _draw_numbers(
    axes: Axes,
    profile: ColumnProfile,
    drawn: NDArray[np.intp],
    palette: NDArray[Any],
    overall: NDArray[np.float64],
) -> None:
    """Draw means and standard deviations, and the mean of all."""
    means = np.asarray(profile.values, dtype=np.float64)[drawn]
    spread = np.zeros(len(drawn))
    if profile.deviations is not None:
        spread = np.nan_to_num(np.asarray(profile.deviations)[drawn], posinf=0.0)
    axes.axvline(float(overall @ means), color="0.75", linewidth=1.0, zorder=0)
    for line, (k, mean, sd) in enumerate(zip(drawn, means, spread, strict=True)):
        axes.errorbar(mean, line, xerr=sd, fmt="o", color=palette[k], capsize=3.0, linewidth=2.0)
    axes.margins(x=0.08)


def _draw_shares(
    axes: Axes,
    profile: ColumnProfile,
    drawn: NDArray[np.intp],
    overall: NDArray[np.float64],
    cmap: Any,
) -> None:
    """Draw a bar of the categories' probabilities for each component."""
    assert profile.categories is not None
    names, shares = _merge_rare(
        list(profile.categories), np.asarray(profile.values, dtype=np.float64)[drawn], overall
    )
    left = np.zeros(len(drawn))
    for share, name, tone in zip(shares.T, names, np.linspace(0.2, 0.85, len(names)), strict=True):
        axes.barh(
            np.arange(len(drawn)),
            share,
            left=left,
            height=0.7,
            color=cmap(tone),
            edgecolor="white",
            linewidth=0.8,
            label=name,
        )
        left = left + share
    axes.set(xlim=(0.0, 1.0), xticks=[0.0, 0.5, 1.0])
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=2.6,
        ncols=len(names) if sum(map(len, names)) + 4 * len(names) <= _LEGEND_WIDTH else 2,
        fontsize="x-small",
        frameon=False,
        handlelength=1.0,
        columnspacing=1.0,
    )


def _merge_rare(
    names: list[str], shares: NDArray[np.float64], overall: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64]]:
    """Put the rarest of many categories together."""
    if len(names) <= _MOST_CATEGORIES:
        return names, shares
    order = np.argsort(-(overall @ shares), kind="stable")
    kept, rest = np.sort(order[: _MOST_CATEGORIES - 1]), order[_MOST_CATEGORIES - 1 :]
    merged = np.column_stack([shares[:, kept], shares[:, rest].sum(axis=1)])
    return [*(names[j] for j in kept), f"{len(rest)} others"], merged
