"""The table of a choice's fits: their order, and what is said of those that can't be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skem.mixture._grid import NOT_FITTED, Cell, Outcome

__all__ = [
    "COLUMNS",
    "MODEL_COLUMNS",
    "Columns",
    "describe_failures",
    "describe_set_aside",
    "model_column",
    "rank",
    "say_alone",
    "set_aside",
    "tabulate",
]

Array: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = dict[str, NDArray[Any]]

# By criterion, the column that it is in.
COLUMNS = {"bic": "bic", "icl": "icl", "aic": "aic", "cv": "mean_test_score"}
# By the column that names a fit's model, what is in it.
MODEL_COLUMNS = {"covariance_type": "Covariance types", "kinds": "Kinds"}
# With fewer rows than these for each component a criterion says nothing of their number.
_ROWS_OF_A_COMPONENT = 5


def tabulate(
    cells: Sequence[Cell], outcomes: Sequence[Outcome], n_rows: float, model_column: str
) -> Columns:
    """Put outcomes judged by all criteria in columns.

    Parameters
    ----------
    cells : sequence of Cell
    outcomes : sequence of Outcome
    n_rows : float
        How many rows there are, repeated ones counted.
    model_column : str
        Name of the column that has the names of models.
    """
    mixtures = [outcome.mixture for outcome in outcomes]
    values = [outcome.values for outcome in outcomes]
    numbers = [cell.n_components for cell in cells]
    columns = {
        model_column: [cell.model.name for cell in cells],
        "n_components": numbers,
        **{
            name: [value.get(name, np.nan) for value in values]
            for name in ("bic", "icl", "aic", "log_likelihood")
        },
        "n_parameters": [cell.count_parameters() for cell in cells],
        "converged": [mixture is not None and mixture.converged_ for mixture in mixtures],
        "n_iter": [0 if mixture is None else mixture.n_iter_ for mixture in mixtures],
        "collapsed": [
            o.error.startswith(NOT_FITTED) or any("collapsed" in text for text in o.warnings)
            for o in outcomes
        ],
        "crowded": [1 < k > n_rows // _ROWS_OF_A_COMPONENT for k in numbers],
        "fit_time": [outcome.seconds for outcome in outcomes],
        "warnings": ["\n".join(outcome.warnings) for outcome in outcomes],
        "error": [outcome.error for outcome in outcomes],
    }
    # Texts as objects, as pandas has them.
    texts = (model_column, "warnings", "error")
    return {
        name: np.array(column, dtype=object if name in texts else None)
        for name, column in columns.items()
    }


def set_aside(results: Columns, criterion: str) -> NDArray[np.bool_]:
    """Say which fits rank after all others: their criterion has no limit, unless held out."""
    aside: NDArray[np.bool_] = results["collapsed"] | results["crowded"]
    return aside & (criterion != "cv")


def rank(losses: Array, aside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank from 1, the lowest loss first; those set aside come later, and NaN comes last."""
    failed = ~np.isfinite(losses)
    order = np.lexsort((np.where(failed, 0.0, losses), aside, failed))
    result = np.empty(len(order), dtype=np.int64)
    result[order] = np.arange(1, len(order) + 1)
    return result


def describe_failures(results: Columns, failed: NDArray[np.bool_]) -> str:
    """Name the cells that failed, by what they failed for."""
    reasons: dict[str, list[str]] = {}
    for index in np.flatnonzero(failed):
        reasons.setdefault(results["error"][index], []).append(_name(results, index))
    listed = "; ".join(f"{', '.join(cells)}: {reason}" for reason, cells in reasons.items())
    return (
        f"{failed.sum()} of {len(failed)} fits failed and can't be chosen. "
        f"{_what_names(results)}: {listed}"
    )


def describe_set_aside(results: Columns, aside: NDArray[np.bool_], criterion: str) -> str:
    """Name the cells that rank after all others, by why."""
    causes = {
        f"{criterion.upper()} says more of reg_covar than of the rows, for a component collapsed "
        "(increase reg_covar to have them compared)": results["collapsed"],
        f"there are fewer than {_ROWS_OF_A_COMPONENT} rows for each component": (
            results["crowded"] & ~results["collapsed"]
        ),
    }
    listed = "; ".join(
        f"{', '.join(_name(results, index) for index in np.flatnonzero(aside & which))}: {cause}"
        for cause, which in causes.items()
        if (aside & which).any()
    )
    return (
        f"{aside.sum()} of {len(aside)} fits rank after all others. {_what_names(results)}: "
        f"{listed}. With criterion='cv' none is set aside."
    )


def model_column(results: Columns) -> str:
    """Return the name of the column that has the names of models."""
    return next(name for name in MODEL_COLUMNS if name in results)


def _what_names(results: Columns) -> str:
    return f"{MODEL_COLUMNS[model_column(results)]} and numbers of components"


def _name(results: Columns, index: np.intp) -> str:
    return f"{results[model_column(results)][index]} with {results['n_components'][index]}"


def say_alone(results: Columns) -> str:
    """Say why there is no choice but one component, where more were asked for."""
    several = results["n_components"] > 1
    usable = ~results["collapsed"] & ~results["crowded"] & (results["error"] == "")
    if not several.any() or not (~several).any() or (usable & several).any():
        return ""
    causes = [
        error or text
        for error, text in zip(results["error"][several], results["warnings"][several], strict=True)
    ]
    collapsed = [line for cause in causes for line in cause.splitlines() if "collapsed" in line]
    return (
        "There was no choice but one component: every fit of more has collapsed, failed, was not "
        f"worth fitting or has fewer than {_ROWS_OF_A_COMPONENT} rows for each component. The "
        f"first: {(collapsed or causes)[0] or 'too few rows'}"
    )
