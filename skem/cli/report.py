"""Reports: the summaries that a person reads."""

import os
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from skem.cli.files import Table
from skem.cli.messages import count, one_line, terminal_width
from skem.cli.mixed_model import MixedModel
from skem.cli.model import Model, Scores
from skem.cli.remarks import tell_failures, tell_remarks
from skem.cli.search import Fit, Search

__all__ = [
    "criterion_grid",
    "criterion_table",
    "score_summary",
    "summary",
]


class Criterion(NamedTuple):
    """How a criterion is spoken of.

    Attributes
    ----------
    title : str
        Its name in a table.
    places : int
        Decimal places.
    better : str
        A better value.
    higher : bool
        Whether higher is better.
    """

    title: str
    places: int
    better: str
    higher: bool = False

    def write(self, fit: Fit) -> str:
        """Write a fit's value."""
        return "failed" if fit.failure else f"{fit.value:,.{self.places}f}"


CRITERIA = {
    "bic": Criterion("BIC", 1, "a lower BIC"),
    "icl": Criterion("ICL", 1, "a lower ICL"),
    "aic": Criterion("AIC", 1, "a lower AIC"),
    "cv": Criterion("held-out", 4, "a higher held-out log density", higher=True),
}


def summary(
    table: Table, found: Search, scores: Scores, *, weight: str | None = None, remark: str = ""
) -> str:
    """Describe a search: what was fitted, the criterion by k, and the chosen mixture.

    Parameters
    ----------
    table : Table
        The table that was read.
    found : Search
        The fits.
    scores : Scores
        The rows' clusters under the best fit.
    weight : str, default=None
        Name of the column of weights.
    remark : str, default=""
        What else to say below the table of the criterion.

    Returns
    -------
    str
        Several lines, no wider than the terminal where that is possible.
    """
    model, best, criterion = found.model, found.best, CRITERIA[found.criterion]
    types = {fit.covariance_type for fit in found.fits}
    scored = len(scores.cluster)
    rows = count(table.n_rows, "row")
    parts = [
        rows if scored == table.n_rows else f"{scored:,} of {rows}",
        model.contents,
        *_say_models(model, types),
        *([f"weights from {one_line(weight)}"] if weight else []),
    ]
    state = "converged" if best.converged else "NOT CONVERGED"
    state += f" after {count(best.iterations, 'iteration')}"
    choice = f" of model {best.covariance_type}" if len(types) > 1 else ""
    by = "held-out log density" if criterion.higher else criterion.title
    choice += f", chosen by {by}" if len(found.fits) > 1 else ""
    heading = f"{count(best.k, 'cluster')}{choice}; {state}; {found.seconds:.2f} s in all"
    tabulate = criterion_table if len(types) == 1 else criterion_grid
    return "\n".join(
        [
            f"{one_line(os.path.basename(table.name))}: {', '.join(parts)}",
            "",
            tabulate(found.fits, best, criterion),
            *_wrap([remark] if remark else []),
            "",
            repr(replace(model.summary(), title=heading)),
        ]
    )


def _say_models(model: Model | MixedModel, types: set[str]) -> list[str]:
    """Say which models were fitted, if the columns don't say so."""
    if len(types) > 1:
        return [f"{len(types)} models"]
    return [f"{name} covariance" for name in types if isinstance(model, Model)]


def criterion_table(fits: Sequence[Fit], best: Fit, criterion: Criterion) -> str:
    """Tabulate the fits, with what they warned of below.

    Parameters
    ----------
    fits : sequence of Fit
        The fits.
    best : Fit
        The one to mark.
    criterion : Criterion
        What their values are.

    Returns
    -------
    str
        One line for each fit, then one or more for each remark.
    """
    texts = [criterion.write(fit) for fit in fits]
    width = max(len(text) for text in [criterion.title, *texts])
    lines = [f"     k  {criterion.title:>{width}}  iterations  seconds"]
    for fit, text in zip(fits, texts, strict=True):
        iterations = "-" if fit.failure else str(fit.iterations)
        end = _state(fit) + ("  <- chosen" if fit is best and len(fits) > 1 else "")
        lines.append(f"  {fit.k:4d}  {text:>{width}}  {iterations:>10}  {fit.seconds:7.2f}{end}")
    said = [*tell_remarks(fits, best), *tell_failures(fits, types=False)]
    return "\n".join(lines + _wrap(said + _notes(fits, best, criterion)))


def criterion_grid(fits: Sequence[Fit], best: Fit, criterion: Criterion) -> str:
    """Tabulate the criterion by model and by k; what the best fit warned of and failures below.

    Parameters
    ----------
    fits : sequence of Fit
        The fits, one model after the other.
    best : Fit
        The one to mark.
    criterion : Criterion
        What their values are.

    Returns
    -------
    str
        One line for each model, in as many bands of k as the terminal's width asks for.
    """
    marks = [
        "*" if fit is best else "c" if fit.collapsed else " " if fit.converged else "n"
        for fit in fits
    ]
    cells = {
        (fit.covariance_type, fit.k): criterion.write(fit) + (" " if fit.failure else mark)
        for fit, mark in zip(fits, marks, strict=True)
    }
    types = list(dict.fromkeys(fit.covariance_type for fit in fits))
    ks = sorted({fit.k for fit in fits})
    first = max(len(name) for name in [criterion.title, *types])
    width = max(len(text) for text in cells.values())
    band = max(1, (terminal_width() - first - 2) // (width + 1))
    bands = []
    for start in range(0, len(ks), band):
        shown = ks[start : start + band]
        heading = "".join(f" {f'k = {k} ':>{width}}" for k in shown)
        lines = [f"  {criterion.title:<{first}}{heading}"]
        for name in types:
            texts = "".join(f" {cells[name, k]:>{width}}" for k in shown)
            lines.append(f"  {name:<{first}}{texts}".rstrip())
        bands.append("\n".join(lines))
    words = {"*": "chosen", "c": "a component collapsed", "n": "not converged"}
    said = ["; ".join(f"{mark} {words[mark]}" for mark in words if mark in marks)]
    said += [f"{best.covariance_type}, {text}" for text in tell_remarks([best], best)]
    said += tell_failures(fits, types=True)
    return "\n".join(["\n\n".join(bands), *_wrap(said + _notes(fits, best, criterion))])


def _notes(fits: Sequence[Fit], best: Fit, criterion: Criterion) -> list[str]:
    """Say what is special about the choice."""
    notes = []
    sign = -1.0 if criterion.higher else 1.0
    if any(sign * fit.value < sign * best.value for fit in fits):
        notes.append("A fit with a collapsed component is chosen only if there is no other.")
    several = [fit for fit in fits if fit.k > 1]
    if best.k == 1 and several and all(fit.collapsed or fit.failure for fit in several):
        notes.append("No other number of clusters could be used, for the reasons above.")
    if best.k == max(fit.k for fit in fits) > min(fit.k for fit in fits):
        notes.append(f"The largest k is chosen: a wider range may find {criterion.better}.")
    return notes


def _wrap(texts: Sequence[str]) -> list[str]:
    lines = []
    for text in texts:
        lines += textwrap.wrap(
            text, terminal_width() - 2, initial_indent="  ", subsequent_indent="    "
        )
    return lines


def _state(fit: Fit) -> str:
    if fit.failure:
        return ""
    return ("  collapsed" if fit.collapsed else "") + ("" if fit.converged else "  not converged")


def score_summary(table: Table, model: Model | MixedModel, scores: Scores) -> str:
    """Describe the scored rows: how many fell into each cluster, and how likely they are.

    Parameters
    ----------
    table : Table
        The table that was read.
    model : Model
        The model.
    scores : Scores
        The rows' clusters.

    Returns
    -------
    str
        Several lines.
    """
    rows = np.bincount(scores.cluster, minlength=model.mixture.n_components)
    lines = [
        f"{one_line(os.path.basename(table.name))}: {count(table.n_rows, 'row')}, "
        f"{count(len(rows), 'cluster')}, "
        f"mean log density {scores.log_density.mean():.4g} nats per row",
        "",
        "  cluster  weight in model  share of rows    rows",
    ]
    for j, (weight, members) in enumerate(zip(model.mixture.weights_, rows, strict=True)):
        share = members / len(scores.cluster)
        lines.append(f"  {j:7d}  {weight:15.3f}  {share:13.3f}  {members:6,d}")
    return "\n".join(lines)
