"""The search for a mixture of columns of every kind."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from skem import MixtureIC
from skem.cli.kinds import Kinds
from skem.cli.mixed import MixedFeatures
from skem.cli.mixed_model import MixedModel, Units, jacobian, measure, standardise
from skem.cli.search import Search, list_fits, run_choice
from skem.families import GAUSSIAN_FAMILIES
from skem.mixture._grid import list_types
from skem.mixture._results import COLUMNS
from skem.mixture._units import Shown

__all__ = ["search_mixed"]


def search_mixed(
    features: MixedFeatures,
    kinds: Kinds,
    ks: Sequence[int],
    *,
    scale: bool,
    covariance_type: str,
    **options: Any,
) -> Search:
    """Fit a mixture with each number of components, and choose one.

    Parameters
    ----------
    features : MixedFeatures
    kinds : Kinds
    ks : sequence of int
        Numbers of components to try, in increasing order.
    scale : bool
        Whether to standardise the columns of Gaussian blocks.
    covariance_type : str
        Of the block of measurements; 'all' tries mclust's models.
    **options
        Passed to `MixtureIC`.

    Returns
    -------
    Search
    """
    start = perf_counter()
    gaussian = [kind in GAUSSIAN_FAMILIES for kind, _ in kinds.declared]
    measured = [
        *kinds.numbers,
        *(
            name
            for one, (_, names) in zip(gaussian, kinds.declared, strict=True)
            if one
            for name in names
        ),
    ]
    units = measure(features, measured if scale else [])
    columns: list[Any] = [(kind, list(names)) for kind, names in kinds.declared]
    if kinds.categories:
        columns.insert(0, ("categorical", list(kinds.categories)))
    if kinds.numbers:
        types = list_types(covariance_type, len(kinds.numbers))
        columns.insert(0, (types, list(kinds.numbers)))
    choice = MixtureIC(list(ks), columns=columns, **options)
    shown = Shown(features.columns, units.origin, units.scale)
    run_choice(choice, ks, standardise(features.rows, units), features.weights, shown)
    shift = _shift(features, units, choice.criterion)
    fits = list_fits(choice.results_, COLUMNS[choice.criterion], shift)
    model = MixedModel(choice.best_estimator_, features.columns, units)
    best = fits[choice.best_index_]
    return Search(fits, best, model, perf_counter() - start, choice.criterion)


def _shift(features: MixedFeatures, units: Units, criterion: str) -> float:
    """Return what brings a criterion to the table's units: a sum over all rows, or their mean."""
    added = jacobian(features, units)
    w = np.ones(len(added)) if features.weights is None else features.weights
    total = float(w @ added)
    return -total / float(w.sum()) if criterion == "cv" else 2.0 * total
