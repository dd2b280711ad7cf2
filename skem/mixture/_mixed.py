"""Point estimates of mixtures of blocks of columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skem.families import GaussianFamily, GaussianPrior
from skem.families.kinds.family import KindFamily
from skem.families.product import Block, ProductFamily, ProductStatistics
from skem.inference import (
    SEARCH,
    MixtureParameters,
    Passes,
    PointRule,
    Run,
    Tree,
    batch_em,
)
from skem.mixture._block_reader import BlockReader
from skem.mixture._given_blocks import read_given
from skem.mixture._held import describe_held
from skem.mixture._point import (
    PointEstimates,
    check_weights,
    number_by_weight,
    point_prior,
    warn_of_emptied,
)
from skem.mixture._problem import FitProblem, Outcome
from skem.mixture._record import FitRecord
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units

__all__ = ["BLOCK_POINT", "describe_blocks", "with_seen_lines"]

Array: TypeAlias = NDArray[np.float64]


class BlockPointKind(BlockReader, PointEstimates):
    """Maximum likelihood and MAP; see `skem.mixture._problem.EstimatorKind`."""

    @property
    def loop(self) -> Callable[..., Run[Any]]:
        """Expectation-maximisation; steps of `partial_fit` go on from its statistics."""
        return partial(batch_em, keep_statistics=True)

    def rule(
        self,
        estimator: Any,
        family: ProductFamily,
        passes: Passes,
        units: Units,
        prior: tuple[Any, ...] | None,
    ) -> PointRule:
        """Make the rule; `pseudo_count` rows are the prior of what is not Gaussian."""
        if prior is None:
            all_rows = statistics_of_all_rows(family, passes)
            count = float(estimator.pseudo_count)
            prior = tuple(
                block.family.kind.pseudo_rows(own, count)
                if isinstance(block.family, KindFamily)
                else _gaussian_prior(estimator, block, own, units)
                for block, own in zip(family.blocks, all_rows.parts, strict=True)
            )
        hard = estimator.assignment == "hard"
        return PointRule(self.weights(estimator), family, prior, hard=hard)

    def start_method(self, estimator: Any) -> str | Tree | ArrayLike | None:
        """Return `init_params`; 'kmeans' for a search where a part is given, None where all is."""
        weights, entries = estimator.weights_init, estimator.parameters_init
        if weights is not None and entries is not None and all(e is not None for e in entries):
            return None
        method: str | Tree | ArrayLike = estimator.init_params
        is_search = isinstance(method, str) and method == SEARCH
        return "kmeans" if is_search and _has_given(estimator) else method

    def complete(
        self, estimator: Any, problem: FitProblem, theta: MixtureParameters | None
    ) -> MixtureParameters:
        """Put `weights_init` and `parameters_init` in their places; nothing of them is changed."""
        k, units, family = estimator.n_components, problem.units, problem.family
        weights = None if theta is None else theta.weights
        if estimator.weights_init is not None:
            weights = check_weights("weights_init", estimator.weights_init, k)
        components = (None,) * len(family.blocks) if theta is None else theta.components
        if estimator.parameters_init is not None:
            given = estimator.parameters_init
            components = read_given(given, problem.layout, family, units, k)
            if theta is not None:
                pairs = zip(components, theta.components, strict=True)
                components = tuple(old if new is None else new for new, old in pairs)
        assert weights is not None
        return MixtureParameters(weights, components)

    def numbered(
        self, estimator: Any, problem: FitProblem, run: Run[MixtureParameters]
    ) -> Run[MixtureParameters]:
        """Order components by decreasing weight, unless a start was given that has an order."""
        has_order = _has_given(estimator) or not isinstance(estimator.init_params, str | Tree)
        return run if has_order else number_by_weight(problem.family, run)

    def read(self, estimator: Any, family: ProductFamily) -> MixtureParameters:
        """Read the fitted attributes back, in the user's units."""
        weights = np.asarray(estimator.weights_, dtype=np.float64)
        return MixtureParameters(weights, self.read_parameters(estimator, family))

    def attributes(self, problem: FitProblem, theta: MixtureParameters) -> dict[str, Any]:
        """Return weights, and parameters in the user's units."""
        units, family = problem.units, problem.family
        user = family.restore(theta.components, units.origin, units.scale)
        return {
            "weights_": theta.weights,
            "parameters_": self.publish_parameters(problem.layout, user),
        }

    def outcome(self, problem: FitProblem, run: Run[MixtureParameters]) -> Outcome:
        """Return where steps may go on."""
        family = problem.family
        stats = family.scale(run.statistics, 1.0 / problem.table.total_weight)
        record = {
            "statistics": with_seen_lines(family, stats),
            "prior": with_seen_lines(family, problem.rule.prior),
        }
        return Outcome({}, record)

    def resume_point(self, estimator: Any) -> FitRecord | None:
        """Say where stepwise EM stands."""
        record: FitRecord | None = getattr(estimator, "_record", None)
        return record

    def diagnose(
        self, estimator: Any, problem: FitProblem, theta: MixtureParameters, n_rows: float
    ) -> list[str]:
        """Name components that emptied, or collapsed in a Gaussian block."""
        return warn_of_emptied(theta.weights) + describe_blocks(problem, theta, n_rows)


BLOCK_POINT = BlockPointKind()


def _has_given(estimator: Any) -> bool:
    return estimator.weights_init is not None or estimator.parameters_init is not None


def _gaussian_prior(estimator: Any, block: Block, stats: Any, units: Units) -> GaussianPrior:
    """Make a Gaussian block's prior from the statistics of one component that has all rows."""
    assert isinstance(block.family, GaussianFamily)
    return point_prior(
        block.family,
        units.of_columns(block.columns),
        mean=None,
        mean_precision=estimator.mean_precision_prior,
        covariance=None,
        degrees_of_freedom=estimator.degrees_of_freedom_prior,
        all_rows=lambda: stats,
    )


def with_seen_lines(family: ProductFamily, data: Any) -> Any:
    """Return statistics, or priors, as they are where any cell may be missing."""
    if isinstance(data, ProductStatistics):
        return data._replace(parts=with_seen_lines(family, data.parts))
    return tuple(
        block.family.with_seen_lines(own) if isinstance(block.family, KindFamily) else own
        for block, own in zip(family.blocks, data, strict=True)
    )


def describe_blocks(problem: FitProblem, theta: MixtureParameters, n_rows: float) -> list[str]:
    """Return what a user should know of components that are held up in Gaussian blocks."""
    messages = []
    units, rule = problem.units, problem.rule
    each = zip(problem.family.blocks, rule.prior, theta.components, strict=True)
    for block, prior, own in each:
        if not block.is_gaussian:
            continue
        columns = block.columns
        of_block, shown = units.of_columns(columns), problem.shown.of_columns(columns)
        messages += describe_held(block.family, prior, theta.weights, own, n_rows, of_block, shown)
    return messages
