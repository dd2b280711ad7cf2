"""Blocks of columns for which several kinds are to be tried."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from skem.columns.choose import GAUSSIAN_KINDS

__all__ = ["list_alternatives", "name_alternatives"]

# Kinds that give values a density; the others that have names give them a probability.
_DENSITIES = (*GAUSSIAN_KINDS, "lognormal", "gamma", "exponential")


def list_alternatives(columns: Sequence[Any]) -> list[list[tuple[Any, Any]]]:
    """Return all blocks that follow from pairs of a kind, or a list of kinds, and columns.

    Parameters
    ----------
    columns : list of (kind or list of kinds, columns)

    Returns
    -------
    alternatives : list of list of (kind, columns)
        The kinds of the last block change first.

    Raises
    ------
    ValueError
        If an item is no pair, a list of kinds is empty, or likelihoods by its kinds can't be
        compared.
    """
    choices = []
    for item in columns:
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(
                "The parameter 'columns' must be 'auto' or a list of pairs (kind or kinds, "
                f"columns). Got the item {item!r}"
            )
        kinds, which = item
        if not isinstance(kinds, list | tuple):
            kinds = [kinds]
        _check_comparable(kinds, which)
        choices.append([(kind, which) for kind in kinds])
    return [list(pairs) for pairs in product(*choices)]


def _check_comparable(kinds: Sequence[Any], which: Any) -> None:
    if not kinds:
        raise ValueError(f"'columns' has no kind for {which!r}: the list of kinds is empty")
    named = [kind for kind in kinds if isinstance(kind, str)]
    densities = [kind for kind in named if kind in _DENSITIES]
    others = [kind for kind in named if kind not in _DENSITIES]
    if densities and others:
        raise ValueError(
            f"'columns' tries {densities[0]!r} and {others[0]!r} for {which!r}, but one is a "
            "density and the other a probability, so their likelihoods can't be compared: choose "
            "between them by what the values are"
        )


def name_alternatives(alternatives: Sequence[Sequence[tuple[Any, Any]]]) -> list[str]:
    """Name each of several lists of blocks by its kinds: those that differ, or all.

    Parameters
    ----------
    alternatives : sequence of list of (kind, columns)
        Each with as many blocks.
    """
    kinds = [[_name(kind) for kind, _ in blocks] for blocks in alternatives]
    places = range(len(kinds[0]))
    varied = [j for j in places if len({names[j] for names in kinds}) > 1]
    return [", ".join(names[j] for j in varied or places) for names in kinds]


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else type(kind).__name__
