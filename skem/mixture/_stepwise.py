"""What `partial_fit` of a Gaussian mixture does."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from skem._collections import check_in_memory
from skem._refitting import kept_on_failure
from skem.engine import Partitions, Table, Threads, count_threads
from skem.inference import Passes, blend
from skem.mixture._fitting import (
    check,
    diagnose,
    make_problem,
    parameter_attributes,
    publish,
)
from skem.mixture._problem import EstimatorKind, FitProblem, narrow
from skem.mixture._protocols import MixtureSettings
from skem.mixture._record import FitRecord
from skem.mixture._starting import go_on, start
from skem.mixture._units import check_reach

__all__ = ["step"]

Array: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = EstimatorKind[Any, Any]


def step(
    kind: Kind,
    estimator: MixtureSettings,
    X: ArrayLike,
    sample_weight: ArrayLike | None,
    total_weight: float | None = None,
) -> None:
    """Take one step of stepwise EM or stochastic variational inference, and publish it.

    To be called by the estimator's own `partial_fit`. ``total_weight`` is that of the population
    that batches are drawn from; None: the weight of the batches so far.
    """
    check_in_memory(X, "partial_fit", "Give it batches that fit into memory, one after the other")
    fitted = hasattr(estimator, "weights_")
    with kept_on_failure(estimator):
        rows, weights = check(kind, estimator, X, sample_weight, reset=not fitted)
        attributes, messages = _step(kind, estimator, rows, weights, total_weight, fitted)
    publish(estimator, attributes, messages, depth=2)


def _step(
    kind: Kind,
    estimator: MixtureSettings,
    X: NDArray[np.floating] | Partitions,
    weights: Array | None,
    total_weight: float | None,
    fitted: bool,
) -> tuple[dict[str, Any], list[str]]:
    state = kind.resume_point(estimator)
    rng = check_random_state(estimator.random_state)
    problem = make_problem(kind, estimator, X, weights, state, stepwise=True)
    table = problem.table
    if state is not None:
        assert isinstance(table, Table)
        check_reach(table, state.units, kind.column_names(estimator, X.shape[1]))
    family, rule = problem.family, problem.rule
    with Threads(count_threads(estimator.n_jobs)) as threads:
        passes = Passes(problem.table, problem.plan, threads)
        if fitted:
            theta = go_on(kind, estimator, problem)
        else:
            # A batch is not what is to be fitted: nothing is searched for in it.
            theta = start(kind, estimator, problem, passes, rng, "kmeans")
        expected = passes.expect(family, rule.scorer(theta)).statistics
        new = family.scale(expected, 1.0 / problem.table.total_weight)
        if state is None:
            seed = rng.randint(2**31 - 1)
            state = _first_state(kind.structure(estimator), problem, new, seed)
        else:
            state = _take_in(estimator, problem, state, new)
        population = total_weight or state.weight
        theta = rule.update(family.scale(state.statistics, population), theta)
        bound, outcome = kind.outcome_of_batch(problem, passes, theta, population)
    earlier = estimator.lower_bounds_ if state.steps > 1 else []
    said = diagnose(kind, estimator, problem, theta, state.weight)
    messages = [text for text in said if _subject(text) not in map(_subject, state.warned)]
    record = state._replace(
        covariance_type=kind.structure(estimator),
        warned=(*state.warned, *messages),
        bound=float("-inf"),
        gains=(),
        **outcome.record,
    )
    attributes = {
        **parameter_attributes(kind, problem, theta),
        "converged_": False,
        "n_iter_": state.steps,
        "lower_bound_": bound,
        "lower_bounds_": [*earlier, bound],
        "resolution_": problem.units.steps,
        **narrow(outcome.attributes, X.dtype),
        "_record": record,
    }
    return attributes, messages


def _subject(message: str) -> str:
    """Return what a message is about, without numbers that change from batch to batch."""
    return message.partition(": ")[0]


def _first_state(
    structure: str,
    problem: FitProblem,
    new: Any,
    seed: int,
) -> FitRecord:
    """Begin with a batch's statistics per unit of weight."""
    return FitRecord(
        structure,
        seed,
        problem.units,
        problem.table.total_weight,
        steps=1,
        statistics=problem.rule.ordered(new),
        prior=problem.rule.prior,
    )


def _take_in(
    estimator: MixtureSettings, problem: FitProblem, state: FitRecord, new: Any
) -> FitRecord:
    """Blend a batch's statistics per unit of weight with those before."""
    steps = state.steps + 1
    rate = (estimator.learning_offset + steps) ** -estimator.learning_decay
    return state._replace(
        statistics=blend(problem.family, state.statistics, new, rate),
        steps=steps,
        weight=state.weight + problem.table.total_weight,
        prior=problem.rule.prior,
    )
