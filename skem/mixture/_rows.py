"""Statistics of all rows together."""

from __future__ import annotations

from typing import Any

from skem.families.contract import AnyFamily
from skem.inference import Passes
from skem.inference.shares import OneForAll

__all__ = ["statistics_of_all_rows"]


def statistics_of_all_rows(family: AnyFamily, passes: Passes) -> Any:
    """Return the statistics of one component that has all rows."""
    one, source = passes.with_components(1), passes.source
    return one.summarise(family, family.summer(1, source.n_features), OneForAll())
