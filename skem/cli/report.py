"""Reports: the summaries that a person reads."""

import math
import shutil
import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd

from skem.cli.files import Table
from skem.cli.messages import one_line
from skem.cli.model import Model, Scores
from skem.cli.search import Fit, Search

__all__ = ["bic_table", "cluster_table", "first_rows", "plus_minus", "score_summary", "summary"]

ROWS_SHOWN = 10


def summary(
    table: Table, found: Search, scores: Scores, *, weight: str | None = None, remark: str = ""
) -> str:
    """Describe a search: what was fitted, BIC by k, and the chosen mixture.

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
        What else to say below the table of BIC.

    Returns
    -------
    str
        Several lines, no wider than the terminal where that is possible.
    """
    model, best = found.model, found.best
    types = {fit.covariance_type for fit in found.fits}
    parts = [
        _count(len(table.frame), "row"),
        _count(len(model.columns), "column") + (" (standardised)" if model.standardised else ""),
        f"{best.covariance_type} covariance" if len(types) == 1 else f"{len(types)} models",
        *([f"weights from {one_line(weight)}"] if weight else []),
    ]
    state = "converged" if best.converged else "NOT CONVERGED"
    state += f" after {_count(best.iterations, 'iteration')}"
    choice = f" of model {best.covariance_type}" if len(types) > 1 else ""
    choice += ", chosen by BIC" if len(found.fits) > 1 else ""
    return "\n".join(
        [
            f"{one_line(table.path.name)}: {', '.join(parts)}",
            "",
            (bic_table if len(types) == 1 else bic_grid)(found.fits, best),
            *([f"  {remark}"] if remark else []),
            "",
            f"{_count(best.k, 'cluster')}{choice}; {state}; {found.seconds:.2f} s in all",
            "",
            cluster_table(model, scores),
            "  (mean ± standard deviation of each column, in the table's units)",
        ]
    )


def bic_table(fits: Sequence[Fit], best: Fit) -> str:
    """Tabulate the fits, with what they warned of below.

    Parameters
    ----------
    fits : sequence of Fit
        The fits.
    best : Fit
        The one to mark.

    Returns
    -------
    str
        One line for each fit, then one or more for each remark.
    """
    texts = [f"{fit.bic:,.1f}" if not fit.failure else "failed" for fit in fits]
    width = max(len(text) for text in ["BIC", *texts])
    lines = [f"     k  {'BIC':>{width}}  iterations  seconds"]
    remarks: dict[str, list[str]] = {}
    for fit, text in zip(fits, texts, strict=True):
        iterations = "-" if fit.failure else str(fit.iterations)
        end = _state(fit) + ("  <- chosen" if fit is best and len(fits) > 1 else "")
        lines.append(f"  {fit.k:4d}  {text:>{width}}  {iterations:>10}  {fit.seconds:7.2f}{end}")
        for remark in [*fit.remarks, *([f"failed: {fit.failure}"] if fit.failure else [])]:
            remarks.setdefault(remark, []).append(str(fit.k))
    said = [
        f"{'every k' if len(ks) == len(fits) > 1 else 'k = ' + ', '.join(ks)}: {remark}"
        for remark, ks in remarks.items()
    ]
    return "\n".join(lines + _wrap(said + _notes(fits, best)))


def bic_grid(fits: Sequence[Fit], best: Fit) -> str:
    """Tabulate BIC by model and by k, with what the best fit warned of and failures below.

    Parameters
    ----------
    fits : sequence of Fit
        The fits, one model after the other.
    best : Fit
        The one to mark.

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
        (fit.covariance_type, fit.k): "failed " if fit.failure else f"{fit.bic:,.1f}{mark}"
        for fit, mark in zip(fits, marks, strict=True)
    }
    types = list(dict.fromkeys(fit.covariance_type for fit in fits))
    ks = sorted({fit.k for fit in fits})
    first = max(len(name) for name in ["BIC", *types])
    width = max(len(text) for text in cells.values())
    band = max(1, (_columns() - first - 2) // (width + 1))
    bands = []
    for start in range(0, len(ks), band):
        shown = ks[start : start + band]
        lines = [f"  {'BIC':<{first}}" + "".join(f" {f'k = {k} ':>{width}}" for k in shown)]
        for name in types:
            texts = "".join(f" {cells[name, k]:>{width}}" for k in shown)
            lines.append(f"  {name:<{first}}{texts}".rstrip())
        bands.append("\n".join(lines))
    words = {"*": "chosen", "c": "a component collapsed", "n": "not converged"}
    said = ["; ".join(f"{mark} {words[mark]}" for mark in words if mark in marks)]
    said += [f"{best.covariance_type}, k = {best.k}: {remark}" for remark in best.remarks]
    reasons: dict[str, list[str]] = {}
    for fit in fits:
        if fit.failure:
            reasons.setdefault(fit.failure, []).append(f"{fit.covariance_type}, k = {fit.k}")
    said += [f"{'; '.join(who)}: failed: {reason}" for reason, who in reasons.items()]
    return "\n".join(["\n\n".join(bands), *_wrap(said + _notes(fits, best))])


def _notes(fits: Sequence[Fit], best: Fit) -> list[str]:
    """Say what is special about the choice."""
    notes = []
    if any(fit.bic < best.bic for fit in fits):
        notes.append("A fit with a collapsed component is chosen only if there is no other.")
    several = [fit for fit in fits if fit.k > 1]
    if best.k == 1 and several and all(fit.collapsed or fit.failure for fit in several):
        notes.append("No other number of clusters could be used, for the reasons above.")
    if best.k == max(fit.k for fit in fits) > min(fit.k for fit in fits):
        notes.append("The largest k is chosen: a wider range may find a lower BIC.")
    return notes


def _wrap(texts: Sequence[str]) -> list[str]:
    lines = []
    for text in texts:
        lines += textwrap.wrap(text, _columns() - 2, initial_indent="  ", subsequent_indent="    ")
    return lines


def _state(fit: Fit) -> str:
    if fit.failure:
        return ""
    return ("  collapsed" if fit.collapsed else "") + ("" if fit.converged else "  not converged")


def cluster_table(model: Model, scores: Scores) -> str:
    """Tabulate the clusters: weight, rows, and mean ± standard deviation of each column.

    Parameters
    ----------
    model : Model
        The mixture.
    scores : Scores
        The rows' clusters.

    Returns
    -------
    str
        One row for each column of the table and one column for each cluster, in as many bands
        as the terminal's width asks for.
    """
    k = model.mixture.n_components
    rows = np.bincount(scores.cluster, minlength=k)
    names = ["cluster", "weight", "rows"] + [_short(name) for name in model.columns]
    cells = []
    for j in range(k):
        values = zip(model.means[j], model.deviations[j], strict=True)
        texts = [plus_minus(mean, deviation) for mean, deviation in values]
        cells.append([str(j), f"{model.mixture.weights_[j]:.3f}", f"{rows[j]:,}", *texts])
    first = max(len(name) for name in names)
    width = max(len(text) for column in cells for text in column)
    band = max(1, (_columns() - first - 2) // (width + 3))
    bands = []
    for start in range(0, k, band):
        columns = cells[start : start + band]
        lines = [
            f"  {name:<{first}}" + "".join(f"   {text:>{width}}" for text in texts)
            for name, *texts in zip(names, *columns, strict=True)
        ]
        bands.append("\n".join(lines))
    return "\n\n".join(bands)


def score_summary(table: Table, model: Model, scores: Scores) -> str:
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
        f"{one_line(table.path.name)}: {_count(len(table.frame), 'row')}, "
        f"{_count(len(rows), 'cluster')}, "
        f"mean log density {scores.log_density.mean():.4g} nats per row",
        "",
        "  cluster  weight in model  share of rows    rows",
    ]
    for j, (weight, count) in enumerate(zip(model.mixture.weights_, rows, strict=True)):
        share = count / len(scores.cluster)
        lines.append(f"  {j:7d}  {weight:15.3f}  {share:13.3f}  {count:6,d}")
    return "\n".join(lines)


def plus_minus(mean: float, deviation: float) -> str:
    """Write a mean and a standard deviation to the same decimal place.

    Parameters
    ----------
    mean, deviation : float
        The two numbers, in the same units.

    Returns
    -------
    str
        Such as ``54.5 ± 5.9``: the deviation has two significant digits.
    """
    rounded = float(f"{deviation:.1e}")
    places = 1 - math.floor(math.log10(rounded)) if rounded > 0 else 3
    if places > 5 or abs(mean) >= 1e7 or deviation >= 1e7:
        return f"{mean:.4g} ± {deviation:.2g}"
    places = max(places, 0)
    mean = round(mean, places) + 0.0  # which is never -0.0
    return f"{mean:.{places}f} ± {deviation:.{places}f}"


def first_rows(table: Table, scores: Scores) -> str:
    """Show the first rows of the table with the added columns.

    Parameters
    ----------
    table : Table
        The table.
    scores : Scores
        The rows' clusters.

    Returns
    -------
    str
        A heading and up to ten rows.
    """
    frame = table.frame.head(ROWS_SHOWN)
    frame = frame.assign(**{n: v[:ROWS_SHOWN] for n, v in scores._asdict().items()})
    added = [_lines(frame, name) for name in scores._fields]
    room = _columns() - sum(len(lines[0]) + 2 for lines in added) - len("  ...")
    shown = []
    for name in table.frame.columns:
        lines = _lines(frame, name)
        room -= len(lines[0]) + 2
        if room < 0:
            shown.append(["..."] * len(lines))
            break
        shown.append(lines)
    total = len(table.frame)
    heading = f"First {len(frame)} of {_count(total, 'row')} (-o FILE writes the whole table):"
    rows = ["  " + "  ".join(row) for row in zip(*shown, *added, strict=True)]
    return "\n".join([heading, "", *rows])


def _lines(frame: pd.DataFrame, name: str) -> list[str]:
    """Write one column, its name first, as lines of equal width."""
    texts = [_short(name)]
    for value in frame[name]:
        texts.append(f"{value:.6g}" if isinstance(value, float) else _short(str(value)))
    width = max(len(text) for text in texts)
    return [f"{text:>{width}}" for text in texts]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _short(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= 24 else name[:21] + "..."


def _columns() -> int:
    return shutil.get_terminal_size((100, 24)).columns
