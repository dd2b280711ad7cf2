"""Statistics of all rows together."""

from __future__ import annotations

import numpy as np

from skem.families import GaussianFamily, GaussianStatistics
from skem.inference import GivenShares, Passes

__all__ = ["statistics_of_all_rows"]


def statistics_of_all_rows(family: GaussianFamily, passes: Passes) -> GaussianStatistics:
    """Return the statistics of one component that has all rows."""
    one, source = passes.with_components(1), passes.source
    everything = GivenShares(np.broadcast_to(1.0, (source.n_rows, 1)))
    stats = one.summarise(family, family.summer(1, source.n_features), everything)
    assert isinstance(stats, GaussianStatistics)
    return stats
