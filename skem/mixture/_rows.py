"""Statistics of all rows together."""

from __future__ import annotations

from skem.families import GaussianFamily, GaussianStatistics
from skem.inference import Passes
from skem.inference.initialisation import OneForAll

__all__ = ["statistics_of_all_rows"]


def statistics_of_all_rows(family: GaussianFamily, passes: Passes) -> GaussianStatistics:
    """Return the statistics of one component that has all rows."""
    one, source = passes.with_components(1), passes.source
    stats = one.summarise(family, family.summer(1, source.n_features), OneForAll())
    assert isinstance(stats, GaussianStatistics)
    return stats
