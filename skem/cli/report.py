"""Reports: the summaries that a person reads."""

import math
import shutil
import textwrap
from collections.abc import Sequence

import numpy as np

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
    parts = [
        _count(len(table.frame), "row"),
        _count(len(model.columns), "column") + (" (standardised)" if model.standardised else ""),
        f"{model.mixture.covariance_type} covariance",
        *([f"weights from {one_line(weight)}"] if weight else []),
    ]
    state = f"converged after {_count(best.mixture.n_iter_, 'iteration')}"
    if not best.mixture.converged_:
        state = f"NOT CONVERGED after {_count(best.mixture.n_iter_, 'iteration')}"
    choice = ", chosen by BIC" if len(found.fits) > 1 else ""
    return "\n".join(
        [
            f"{one_line(table.path.name)}: {', '.join(parts)}",
            "",
            bic_table(found.fits, best),
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
    remarks = []
    for fit, text in zip(fits, texts, strict=True):
        iterations = "-" if fit.failure else str(fit.mixture.n_iter_)
        end = "  <- lowest" if fit is best and len(fits) > 1 else ""
        if not fit.failure and not fit.mixture.converged_:
            end = f"  not converged{end}"
        lines.append(f"  {fit.k:4d}  {text:>{width}}  {iterations:>10}  {fit.seconds:7.2f}{end}")
        said = [*fit.remarks, *([f"failed: {fit.failure}"] if fit.failure else [])]
        remarks += [f"k = {fit.k}: {remark}" for remark in said]
    for remark in remarks:
        lines += textwrap.wrap(
            remark, _columns() - 2, initial_indent="  ", subsequent_indent="    "
        )
    return "\n".join(lines)


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
        cells.append([str(j), f"{model.mixture.weights_[j]:.3f}", str(rows[j]), *texts])
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
    places = 1 - math.floor(math.log10(deviation)) if deviation > 0 else 3
    if places > 5 or abs(mean) >= 1e7 or deviation >= 1e7:
        return f"{mean:.4g} ± {deviation:.2g}"
    places = max(places, 0)
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
    frame.columns = [one_line(name) for name in frame.columns]
    shown, total = len(frame), len(table.frame)
    heading = f"First {shown} of {_count(total, 'row')} (-o FILE writes them all):"
    text = frame.to_string(
        index=False, line_width=_columns(), max_colwidth=24, float_format="{:.6g}".format
    )
    return f"{heading}\n\n{textwrap.indent(text, '  ')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _short(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= 24 else name[:21] + "..."


def _columns() -> int:
    return shutil.get_terminal_size((100, 24)).columns
