"""What `fit` and `partial_fit` of a Gaussian mixture do, from rows to attributes."""

from __future__ import annotations

import copy
import warnings
from time import perf_counter
from typing import Any, TypeAlias

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from skem._callbacks import Task, root_task, with_callbacks
from skem._parameters import (
    check_parameters,
    check_sample_weight,
    check_shape,
    float_dtypes,
)
from skem.engine import Table, Threads, TilePlan, count_threads
from skem.engine.resolution import recording_units
from skem.families import GaussianStatistics
from skem.inference import SEARCH, Run, Start, Tree, Visit, blend, find_start
from skem.mixture._floor import find_floor
from skem.mixture._forms import GaussianEstimator, Problem, Stepwise, narrow
from skem.mixture._setup import Standard, check_enough_rows, make_family, standardise

__all__ = ["fit", "fit_quietly", "step"]

Array: TypeAlias = NDArray[np.float64]


def _check(
    estimator: Any, X: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
) -> tuple[NDArray[np.floating], Array | None]:
    name, given = type(estimator).__name__, estimator.get_params(deep=False)
    check_parameters(name, given, estimator._allowed)
    if given["acceleration"] is not None and given["assignment"] == "hard":
        raise ValueError(
            f"acceleration={given['acceleration']!r} needs assignment='soft', but got "
            "assignment='hard': its steps jump, and have no direction. Set acceleration=None"
        )
    rows = validate_data(estimator, X, reset=reset, dtype=float_dtypes(X))
    return rows, check_sample_weight(sample_weight, len(rows))


def _publish(estimator: Any, attributes: dict[str, Any], messages: list[str], depth: int) -> None:
    for name, value in attributes.items():
        setattr(estimator, name, value)
    for message in messages:
        warnings.warn(message, ConvergenceWarning, stacklevel=depth + 2)


def _pose(
    estimator: GaussianEstimator,
    X: NDArray[np.floating],
    weights: Array | None,
    state: Stepwise | None = None,
) -> Problem:
    family = make_family(estimator)
    standard = state.standard if state else standardise(X, weights, family)
    table = Table(X, weights, standard.origin, standard.scale)
    n_pairs = len(family.pairs(X.shape[1])[0])
    plan = TilePlan(len(X), X.shape[1], estimator.n_components, n_pairs, estimator.block_size)
    with Threads(1) as alone:
        visit = Visit(table, plan, alone)
        rule = estimator._form.rule(estimator, family, visit, state.prior if state else None)
        if not state:
            units = _measure(estimator.resolution, X, weights, standard)
            floor = None if units is None else find_floor(units, rule, visit, standard)
            standard = standard._replace(units=units, floor=floor)
    rule = rule.with_floor(standard.floor)
    return Problem(estimator, rule.family, rule, standard, table, plan)


def _measure(
    resolution: str | ArrayLike | None,
    X: NDArray[np.floating],
    weights: Array | None,
    standard: Standard,
) -> Array | None:
    """Return the steps that the columns were recorded in, found or given."""
    if resolution is None:
        return None
    if isinstance(resolution, str):
        return recording_units(X, weights, np.where(standard.constant, 0.0, standard.column_scale))
    units = check_shape("resolution", resolution, (X.shape[1],))
    if units.min() < 0:
        raise ValueError(
            "The parameter 'resolution' should have no negative steps, but got "
            f"min value {units.min():g}"
        )
    return units


def fit(
    estimator: GaussianEstimator, X: ArrayLike, y: object, sample_weight: ArrayLike | None
) -> None:
    """Fit from one or several starts and publish the best.

    To be called by the estimator's own `fit`, which `with_callbacks` wraps.
    """
    rows, weights = _check(estimator, X, sample_weight, reset=True)
    attributes, messages = _fit(estimator, rows, y, weights)
    _publish(estimator, attributes, messages, depth=3)


@with_callbacks
def fit_quietly(
    estimator: GaussianEstimator, X: NDArray[np.floating], weights: Array | None
) -> list[str]:
    """Fit to rows and weights that have been checked; return what `fit` would warn of.

    Filters of warnings belong to the process, so fits side by side can't catch their own.
    """
    attributes, messages = _fit(estimator, X, None, weights)
    _publish(estimator, attributes | {"n_features_in_": X.shape[1]}, [], depth=0)
    return messages


def _fit(
    estimator: GaussianEstimator, X: NDArray[np.floating], y: object, weights: Array | None
) -> tuple[dict[str, Any], list[str]]:
    warm = estimator.warm_start and hasattr(estimator, "converged_")
    n_init = 1 if warm or _is_certain(estimator) else estimator.n_init
    problem = _pose(estimator, X, weights)
    metadata = None if weights is None else {"sample_weight": weights}
    single = n_init == 1
    root = root_task(
        estimator,
        estimator.max_iter if single else n_init,
        sequential=single,
        X=X,
        y=y,
        metadata=metadata,
    )
    rng = check_random_state(estimator.random_state)
    # The first start is that of a single one: more starts never end lower.
    seeds = copy.deepcopy(rng)
    generators = [rng]
    generators += [np.random.RandomState(seeds.randint(2**31 - 1)) for _ in range(n_init - 1)]
    n_threads = count_threads(estimator.n_jobs)
    share = max(1, n_threads // n_init)

    def restart(number: int) -> Run[Any]:
        task = root
        if not single:
            task = root.subtask("initialization", estimator.max_iter, number=number)
        with Threads(share) as threads:
            return _run(problem, threads, generators[number], number, task, single)

    with Threads(1):
        jobs = (joblib.delayed(restart)(number) for number in range(n_init))
        runs = joblib.Parallel(n_jobs=min(n_threads, n_init), backend="threading")(jobs)
    run = max(runs, key=lambda run: run.bound)
    form = estimator._form
    attributes = _attributes(problem, run.theta)
    attributes |= {
        "converged_": run.converged,
        "n_iter_": run.n_iter,
        "lower_bound_": form.bound(problem, run.bound),
        "lower_bounds_": [form.bound(problem, bound) for bound in run.bounds],
        "_sampler": np.random.RandomState(rng.randint(2**31 - 1)),
        "resolution_": problem.standard.units,
    }
    attributes |= narrow(form.outcome(problem, run), X.dtype)
    root.end(lambda: attributes)
    messages = _diagnose(problem, run.theta, problem.table.n_positive)
    if not run.converged and 0 < estimator.max_iter == run.n_iter:
        messages.append(
            f"{form.algorithm} did not converge in max_iter={estimator.max_iter} iterations: the "
            f"bound still rose by tol={estimator.tol:g} or more. Increase max_iter or tol, try "
            "other init_params, or check for degenerate data."
        )
    return attributes, messages


def _is_certain(estimator: GaussianEstimator) -> bool:
    """Say whether every start would be the same: nothing of it is drawn."""
    method = estimator._form.start_method(estimator)
    return not isinstance(method, str) or method == "hierarchical"


def _run(
    problem: Problem,
    threads: Threads,
    rng: np.random.RandomState,
    number: int,
    task: Task,
    single: bool,
) -> Run[Any]:
    estimator = problem.estimator
    visit = Visit(problem.table, problem.plan, threads)
    progress = _Progress(estimator, number)
    theta = _start(problem, visit, rng, SEARCH)

    def after_iteration(n_iter: int, theta: Any, bound: float, gain: float) -> bool:
        progress.iteration(n_iter, gain)
        iteration = task.subtask("em iteration")
        return iteration.end(lambda: _attributes(problem, theta))

    run = estimator._form.loop(
        visit,
        problem.rule,
        theta,
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        after_iteration=after_iteration,
        acceleration=estimator.acceleration,
    )
    progress.end(estimator._form.bound(problem, run.bound), run.converged)
    if not single:
        task.end(lambda: _attributes(problem, run.theta))
    return run


def _start(problem: Problem, visit: Visit, rng: np.random.RandomState, automatic: str) -> Any:
    """Return where a fit starts; ``init_params='auto'`` stands for ``automatic``."""
    estimator, table, standard = problem.estimator, problem.table, problem.standard
    k, form = estimator.n_components, estimator._form
    check_enough_rows(table, k)
    if estimator.warm_start and hasattr(estimator, "converged_"):
        return _go_on(problem)
    theta = None
    method = form.start_method(estimator)
    if method is not None:
        if isinstance(method, str):
            method = automatic if method == SEARCH else method
        elif not isinstance(method, Tree):
            method = _check_responsibilities(method, len(table.X), k)
        start = Start(method, k, rng, standard.origin, standard.column_scale)
        theta = find_start(visit, problem.rule, start)
    return form.complete(problem, theta)


def _go_on(problem: Problem) -> Any:
    """Start from what was fitted before."""
    estimator, family, standard = problem.estimator, problem.family, problem.standard
    theta = estimator._form.read(estimator, family)
    fitted = theta.components.means.shape
    asked = (estimator.n_components, problem.plan.n_features)
    if fitted != asked:
        raise ValueError(
            f"The fitted means have the shape {fitted}, but n_components={asked[0]} and the "
            f"{asked[1]} features of X ask for {asked}: a fit that goes on (warm_start=True, "
            "partial_fit) can't change them. Fit a new estimator, or set warm_start=False"
        )
    return estimator._form.to_table(family, theta, standard.origin, standard.scale)


def _check_responsibilities(resp: Any, n_rows: int, n_components: int) -> Array:
    resp = check_shape("init_params", resp, (n_rows, n_components))
    if resp.min() < 0 or np.abs(resp.sum(axis=1) - 1).max() > 1e-6:
        raise ValueError(
            "The parameter 'init_params' should have non-negative rows that sum to one where it "
            "is an array of responsibilities"
        )
    return resp


def _attributes(problem: Problem, theta: Any) -> dict[str, Any]:
    values = problem.estimator._form.attributes(problem, theta)
    with np.errstate(over="ignore"):
        narrowed = narrow(values, problem.table.X.dtype)
    for name, value in narrowed.items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError(
                f"{name} has values out of the range of {problem.table.X.dtype}: rescale the "
                "columns of X or increase reg_covar"
            )
    return narrowed | {"_fitted_type": problem.estimator.covariance_type}


def _subject(message: str) -> str:
    """Return what a message is about, without numbers that change from batch to batch."""
    return message.partition(": ")[0]


def _diagnose(problem: Problem, theta: Any, n_rows: float) -> list[str]:
    messages = []
    constant = np.flatnonzero(problem.standard.constant)
    # One variance for all features is reg_covar's only if no feature varies.
    if len(constant) and not (
        problem.family.one_variance and len(constant) < problem.plan.n_features
    ):
        names = getattr(problem.estimator, "feature_names_in_", np.arange(problem.plan.n_features))
        messages.append(
            f"Column(s) {names[constant].tolist()} of X are constant: their variance is "
            f"reg_covar={problem.estimator.reg_covar:g} by decree, and densities depend on it. "
            "Drop them."
        )
    return messages + problem.estimator._form.diagnose(problem, theta, n_rows)


class _Progress:
    """Prints what `verbose` asks for, in scikit-learn's words."""

    def __init__(self, estimator: GaussianEstimator, number: int) -> None:
        self.verbose = int(estimator.verbose)
        self.interval = estimator.verbose_interval
        self.began = self.last = perf_counter()
        if self.verbose:
            print(f"Initialization {number}")

    def iteration(self, n_iter: int, gain: float) -> None:
        """Report one iteration, if it is its turn."""
        if not self.verbose or n_iter % self.interval:
            return
        now = perf_counter()
        detail = f"\t time lapse {now - self.last:.5f}s\t ll change {gain:.5f}"
        print(f"  Iteration {n_iter}" + (detail if self.verbose > 1 else ""))
        self.last = now

    def end(self, bound: float, converged: bool) -> None:
        """Report the end of a start."""
        if self.verbose:
            words = "converged" if converged else "did not converge"
            time = f" time lapse {perf_counter() - self.began:.5f}s\t lower bound {bound:.5f}."
            print(f"Initialization {words}." + (time if self.verbose > 1 else ""))


def step(
    estimator: GaussianEstimator,
    X: ArrayLike,
    sample_weight: ArrayLike | None,
    total_weight: float | None = None,
) -> None:
    """Take one step of stepwise EM or stochastic variational inference, and publish it.

    To be called by the estimator's own `partial_fit`. ``total_weight`` is that of the population
    that batches are drawn from; None: the weight of the batches so far.
    """
    fitted = hasattr(estimator, "weights_")
    rows, weights = _check(estimator, X, sample_weight, reset=not fitted)
    attributes, messages = _step(estimator, rows, weights, total_weight, fitted)
    _publish(estimator, attributes, messages, depth=2)


def _step(
    estimator: GaussianEstimator,
    X: NDArray[np.floating],
    weights: Array | None,
    total_weight: float | None,
    fitted: bool,
) -> tuple[dict[str, Any], list[str]]:
    form = estimator._form
    state = form.standing(estimator)
    rng = check_random_state(estimator.random_state)
    problem = _pose(estimator, X, weights, state)
    family, rule = problem.family, problem.rule
    with Threads(count_threads(estimator.n_jobs)) as threads:
        visit = Visit(problem.table, problem.plan, threads)
        # A batch is not what is to be fitted: nothing is searched for in it.
        theta = _go_on(problem) if fitted else _start(problem, visit, rng, "kmeans")
        local = visit.expect(family, rule.scorer(theta))
        assert local.statistics is not None
        new = family.scale(local.statistics, 1.0 / problem.table.total_weight)
        state = _take_in(problem, state, new)
        population = total_weight or state.weight
        theta = rule.update(family.scale(state.statistics, population), theta)
        bound, outcome = form.outcome_of_batch(problem, visit, theta, population)
    earlier = estimator.lower_bounds_ if state.steps > 1 else []
    found = _diagnose(problem, theta, state.weight)
    messages = [text for text in found if _subject(text) not in map(_subject, state.warned)]
    attributes = _attributes(problem, theta) | {
        "converged_": False,
        "n_iter_": state.steps,
        "lower_bound_": bound,
        "lower_bounds_": [*earlier, bound],
        "resolution_": state.standard.units,
        "_stepwise": state._replace(warned=(*state.warned, *messages)),
    }
    if not hasattr(estimator, "_sampler"):
        attributes["_sampler"] = np.random.RandomState(rng.randint(2**31 - 1))
    return attributes | narrow(outcome, X.dtype), messages


def _take_in(problem: Problem, state: Stepwise | None, new: GaussianStatistics) -> Stepwise:
    """Blend a batch's statistics per unit of weight with those before."""
    weight = problem.table.total_weight
    if state is None:
        ordered = problem.rule.ordered(new)
        return Stepwise(ordered, problem.standard, 1, weight, problem.rule.prior, ())
    estimator, steps = problem.estimator, state.steps + 1
    rate = (estimator.learning_offset + steps) ** -estimator.learning_decay
    return state._replace(
        statistics=blend(problem.family, state.statistics, new, rate),
        steps=steps,
        weight=state.weight + weight,
        prior=problem.rule.prior,
    )
