"""What fits warned of, each thing said once."""

import re
from collections.abc import Sequence

from skem.cli.search import Fit

__all__ = ["tell_failures", "tell_remarks"]

# What to do in the command's words, by what a remark says.
_ADVICE = {
    " collapsed": "A smaller -k, a simpler --covariance-type, or --exclude of such columns helps.",
    " are held at the width": (
        "The fit is sound. If such a column's values are categories or counts they may rule the "
        "clusters: say so by --kind, as in --kind categorical=NAME, or leave it out by --exclude."
    ),
    " depend on each other": "Leave one of them out by --exclude.",
    " emptied": "A smaller -k helps.",
}
# The reader of the table has noted that.
_NOTED = " are constant"


def tell_remarks(fits: Sequence[Fit], best: Fit) -> list[str]:
    """Say what fits of one covariance type warned of.

    The chosen fit's remarks come first, with what to do. Of remarks that differ in the components
    and columns alone, the first is told, and which other fits have such.

    Parameters
    ----------
    fits : sequence of Fit
    best : Fit
        The chosen one.

    Returns
    -------
    list of str
    """
    told: dict[str, tuple[Fit, str]] = {}
    ks: dict[str, list[int]] = {}
    for fit in [best, *(fit for fit in fits if fit is not best)]:
        for remark in fit.remarks:
            if _NOTED not in remark:
                told.setdefault(_sort(remark), (fit, remark))
                ks.setdefault(_sort(remark), []).append(fit.k)
    said = []
    for sort, (fit, remark) in told.items():
        others = [k for k in ks[sort] if k != fit.k]
        text = f"k = {fit.k}: {remark}" + (f"; likewise for k = {_runs(others)}" if others else "")
        said.append(f"{text}. {_advice(remark)}".rstrip() if fit is best else text)
    return said


def tell_failures(fits: Sequence[Fit], *, types: bool) -> list[str]:
    """Say which fits failed, and why.

    Parameters
    ----------
    fits : sequence of Fit
    types : bool
        Whether their covariance types are named.
    """
    reasons: dict[str, list[str]] = {}
    for fit in fits:
        if fit.failure:
            who = f"{fit.covariance_type}, k = {fit.k}" if types else str(fit.k)
            reasons.setdefault(fit.failure, []).append(who)
    if types:
        return [f"{'; '.join(who)}: failed: {reason}" for reason, who in reasons.items()]
    return [f"k = {', '.join(who)}: failed: {reason}" for reason, who in reasons.items()]


def _sort(remark: str) -> str:
    """Return a remark without the numbers of components, and its end in brackets."""
    return re.sub(r" \[[^\]]*\]", "", re.sub(r" \(.*\)$", "", remark))


def _advice(remark: str) -> str:
    return next((text for sort, text in _ADVICE.items() if sort in remark), "")


def _runs(ks: Sequence[int]) -> str:
    """Write ascending numbers, three and more that follow each other as a range."""
    runs: list[list[int]] = []
    for k in sorted(ks):
        if runs and k == runs[-1][-1] + 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    return ", ".join(parts)
