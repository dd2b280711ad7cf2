"""Posteriors of mixtures of blocks of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from skem.engine import PartitionedTable, Partitions
from skem.families import (
    GaussianFamily,
    Sticks,
    conjugate_names,
    draw_components,
    empirical_scale,
    make_prior,
    predictive_scorer,
    sample_predictive,
)
from skem.families.kinds.family import KindFamily
from skem.families.product import Block, ProductFamily
from skem.inference import (
    MixtureParameters,
    MixturePosterior,
    Passes,
    Run,
    VariationalRule,
)
from skem.inference.tasks import ComputeScores
from skem.mixture._bayes import VARIATIONAL, posterior_of
from skem.mixture._block_reader import BlockReader
from skem.mixture._evaluating import evaluate
from skem.mixture._held import warn_of_held
from skem.mixture._layout import Layout
from skem.mixture._mixed import with_seen_lines
from skem.mixture._posteriors import VariationalEstimates
from skem.mixture._problem import FitProblem, Outcome
from skem.mixture._reading import check_complete
from skem.mixture._rows import statistics_of_all_rows
from skem.mixture._units import Units
from skem.scoring import Scorer

__all__ = ["BLOCK_VARIATIONAL", "log_predictive"]

Array: TypeAlias = NDArray[np.float64]

# Rows whose predictive densities are made at a time.
_ROWS = 4096


class BlockVariationalKind(BlockReader, VariationalEstimates):
    """Variational posteriors; see `skem.mixture._problem.EstimatorKind`."""

    @property
    def parameter_draws(self) -> Mapping[str, Callable[..., MixtureParameters]]:
        """Draw from the posterior."""
        return {"posterior": self.draw_parameters}

    def draw_parameters(
        self, estimator: Any, family: ProductFamily, rng: np.random.RandomState
    ) -> MixtureParameters:
        """Draw weights, and each block's parameters."""
        theta = self.read(estimator, family)
        each = zip(family.blocks, theta.posterior, theta.components, strict=True)
        components = tuple(
            draw_components(block.family, posterior, own, rng)
            if block.is_gaussian
            else block.family.kind.draw(posterior, rng)
            for block, posterior, own in each
        )
        return MixtureParameters(self.weights(estimator).draw(theta.weights, rng), components)

    def read_rows(self, estimator: Any, X: Any, *, reset: bool) -> NDArray[np.floating]:
        """Return rows as numbers; a kind without a conjugate prior is an error."""
        rows = super().read_rows(estimator, X, reset=reset)
        if reset:
            _check_conjugate(estimator._layout)
        return rows

    def read_partitions(
        self, estimator: Any, X: Any, sample_weight: Any, *, reset: bool
    ) -> Partitions:
        """Return the rows of a Dask collection; a kind without a conjugate prior is an error."""
        partitions = super().read_partitions(estimator, X, sample_weight, reset=reset)
        _check_conjugate(estimator._layout)
        return partitions

    def rule(
        self,
        estimator: Any,
        family: ProductFamily,
        passes: Passes,
        units: Units,
        prior: tuple[Any, ...] | None,
    ) -> VariationalRule:
        """Make the rule; its priors come from the rows."""
        if prior is None:
            all_rows = statistics_of_all_rows(family, passes)
            each = zip(family.blocks, all_rows.parts, strict=True)
            prior = tuple(_make_prior(block, own, units) for block, own in each)
        hard = estimator.assignment == "hard"
        return VariationalRule(self.weights(estimator), family, prior, hard=hard)

    def log_base(self, problem: FitProblem) -> float:
        """Return what rows have for all components alike, in nats, summed."""
        base = problem.family.base
        if base is None:
            return 0.0
        table = problem.table
        if isinstance(table, PartitionedTable):
            return table.sum_line(base)
        line = np.asarray(table.lines[:, base], dtype=np.float64)
        return float(line.sum() if table.weights is None else table.weights @ line)

    def read(self, estimator: Any, family: ProductFamily) -> MixturePosterior:
        """Read the fitted attributes back, in the user's units."""
        components = self.read_parameters(estimator, family)
        check_complete(estimator, ("weight_concentration_", "posterior_"))
        given = estimator.weight_concentration_
        weights: Any = np.asarray(given, dtype=np.float64)
        if isinstance(given, tuple):
            weights = Sticks(*(np.asarray(part, dtype=np.float64) for part in given))
        posterior = tuple(
            posterior_of(own, entry["mean_precision"], entry["degrees_of_freedom"])
            if block.is_gaussian
            else type(prior)(*(entry[field] for field in prior._fields))
            for block, own, entry, prior in zip(
                family.blocks,
                components,
                estimator.posterior_,
                estimator._record.prior,
                strict=True,
            )
        )
        return MixturePosterior(weights, posterior, components)

    def to_table(
        self, family: ProductFamily, theta: MixturePosterior, origin: Array, scale: Array
    ) -> MixturePosterior:
        """Bring a posterior in the user's units to a table's."""
        components = family.standardise(theta.components, origin, scale)
        posterior = tuple(
            posterior_of(own, given.mean_precision, given.degrees_of_freedom)
            if block.is_gaussian
            else given
            for block, own, given in zip(family.blocks, components, theta.posterior, strict=True)
        )
        return MixturePosterior(theta.weights, posterior, components)

    def assigner(self, estimator: Any, family: ProductFamily, theta: MixturePosterior) -> Scorer:
        """Score by expected log joint densities: the variational responsibilities."""
        log_weights = self.weights(estimator).expected_log(theta.weights)
        return family.expected_scorer(theta.posterior, theta.components, log_weights)

    # Rows' densities are `log_predictive`, which no scorer of lines has.
    density = assigner

    def draw(
        self,
        family: ProductFamily,
        theta: MixturePosterior,
        labels: NDArray[np.int64],
        rng: np.random.RandomState,
    ) -> Array:
        """Draw rows from the predictive densities."""
        rows = np.empty((len(labels), family.n_columns))
        each = zip(family.blocks, theta.posterior, theta.components, strict=True)
        for block, posterior, own in each:
            if block.is_gaussian:
                drawn = sample_predictive(block.family, posterior, own, labels, rng)
            else:
                kind = block.family.kind
                parameters = kind.draw(kind.take(posterior, labels), rng)
                drawn = kind.sample(parameters, np.arange(len(labels)), rng)
            rows[:, block.columns] = drawn
        return rows

    def attributes(self, problem: FitProblem, theta: MixturePosterior) -> dict[str, Any]:
        """Return the posterior, and its means in the user's units."""
        units, family, rule = problem.units, problem.family, problem.rule
        user = family.restore(theta.components, units.origin, units.scale)
        weights = theta.weights
        return {
            "weights_": rule.weights.expected(weights),
            "parameters_": self.publish_parameters(problem.layout, user),
            "posterior_": _publish_posterior(family, problem.layout, theta.posterior),
            "weight_concentration_": tuple(weights) if isinstance(weights, Sticks) else weights,
            "weight_concentration_prior_": rule.weights.concentration,
        }

    def outcome(self, problem: FitProblem, run: Run[MixturePosterior]) -> Outcome:
        """Return the same; steps may go on with rows that have missing cells."""
        outcome = super().outcome(problem, run)
        stats = with_seen_lines(problem.family, outcome.record["statistics"])
        return outcome._replace(record=outcome.record | {"statistics": stats})

    def taken(
        self, estimator: Any, family: Any, theta: MixturePosterior, index: NDArray[np.intp]
    ) -> dict[str, Any]:
        """Return what is published of some of the components, weights and counts apart."""
        layout = estimator._layout
        components = family.take(theta.components, index)
        posterior = family.take(theta.posterior, index)
        return {
            "parameters_": self.publish_parameters(layout, components),
            "posterior_": _publish_posterior(family, layout, posterior),
        }

    def diagnose(
        self, estimator: Any, problem: FitProblem, theta: MixturePosterior, n_rows: float
    ) -> list[str]:
        """Name components at the floor in Gaussian blocks."""
        shown, units = problem.shown, problem.units
        weights = problem.rule.weights.expected(theta.weights)
        messages = []
        for block, own in zip(problem.family.blocks, theta.components, strict=True):
            if block.is_gaussian:
                of_block = units.of_columns(block.columns)
                own_shown = shown.of_columns(block.columns)
                messages += warn_of_held(block.family, weights, own, n_rows, of_block, own_shown)
        return messages


BLOCK_VARIATIONAL = BlockVariationalKind()


def _publish_posterior(
    family: ProductFamily, layout: Layout, posterior: tuple[Any, ...]
) -> list[dict[str, Any]]:
    """Return an entry for each block."""
    entries = []
    for block, placed, own in zip(family.blocks, layout.blocks, posterior, strict=True):
        entry: dict[str, Any] = {"kind": placed.name}
        if block.is_gaussian:
            entry["mean_precision"] = own.mean_precision
            entry["degrees_of_freedom"] = np.asarray(own.degrees_of_freedom)
        else:
            entry |= own._asdict()
        entries.append(entry)
    return entries


def _check_conjugate(layout: Layout) -> None:
    for block in layout.blocks:
        known = block.name in conjugate_names() if block.kind is None else block.kind
        if known is True or hasattr(known, "posterior"):
            continue
        names = [layout.names[j] for j in block.columns]
        raise ValueError(
            f"Column(s) {names} are of the kind {block.name!r}, which has no conjugate prior: "
            "VariationalMixture can't take it. Declare another kind, or use EMMixture"
        )


def _make_prior(block: Block, stats: Any, units: Units) -> Any:
    """Make a block's prior from the statistics of one component that has all rows."""
    family = block.family
    if isinstance(family, KindFamily):
        return family.kind.prior(stats)
    assert isinstance(family, GaussianFamily)
    return make_prior(
        family,
        units.origin[block.columns],
        units.scale[block.columns],
        mean=None,
        mean_precision=1.0,
        covariance=empirical_scale(family, stats),
        degrees_of_freedom=float(len(block.columns)),
    )


def log_predictive(estimator: Any, X: NDArray[np.floating]) -> Array:
    """Return log predictive densities of checked rows, in nats, (n_rows,)."""
    kind = BLOCK_VARIATIONAL
    family = kind.family(estimator)
    theta = kind.read(estimator, family)
    with np.errstate(divide="ignore"):
        log_weights = np.log(kind.weights(estimator).expected(theta.weights))
    scores = np.tile(log_weights, (len(X), 1))
    each = zip(family.blocks, theta.posterior, theta.components, strict=True)
    for block, posterior, own in each:
        values = X[:, block.columns]
        if block.is_gaussian:
            scores += _gaussian_scores(estimator, block.family, posterior, own, values)
            continue
        for start in range(0, len(X), _ROWS):
            rows = slice(start, start + _ROWS)
            scores[rows] += block.family.kind.log_predictive(values[rows], posterior)
    result: Array = logsumexp(scores, axis=1)
    return result


def _gaussian_scores(
    estimator: Any, family: GaussianFamily, posterior: Any, components: Any, X: Any
) -> Array:
    """Return log predictive densities under each component, (n_rows, K)."""
    theta = MixturePosterior(None, posterior, components)

    def make(_: Any, family: GaussianFamily, theta: MixturePosterior) -> Any:
        none = np.zeros(len(theta.components.means))
        return predictive_scorer(family, theta.posterior, theta.components, none)

    scores, offset = evaluate(estimator, VARIATIONAL, family, theta, X, make, ComputeScores)
    result: Array = scores + np.reshape(offset, (-1, 1))
    return result
