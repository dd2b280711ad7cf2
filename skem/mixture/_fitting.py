"""What `fit` of a Gaussian mixture does, from rows to attributes."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any, TypeAlias

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from skem._callbacks import FRAMES, Task, root_task, with_callbacks
from skem._collections import is_collection
from skem._parameters import (
    check_parameters,
    check_sample_weight,
    check_shape,
    float_dtypes,
)
from skem.engine import (
    AnyTable,
    Partitions,
    Threads,
    TilePlan,
    count_threads,
    has_gaps,
    make_engine,
    make_table,
    plan_tiles,
)
from skem.families import GaussianFamily
from skem.inference import (
    SEARCH,
    Earlier,
    MixtureParameters,
    MixturePosterior,
    Passes,
    Run,
    Start,
    Tree,
    find_start,
)
from skem.inference.rules import with_floor
from skem.mixture._floor import find_floor, measure_steps
from skem.mixture._gaps import never_together, single_gaussian
from skem.mixture._problem import EstimatorKind, FitProblem, narrow
from skem.mixture._progress import Progress
from skem.mixture._protocols import MixtureSettings
from skem.mixture._reading import make_family
from skem.mixture._record import FitRecord
from skem.mixture._units import check_enough_rows, measure

__all__ = [
    "check",
    "diagnose",
    "fit",
    "fit_quietly",
    "go_on",
    "make_problem",
    "parameter_attributes",
    "publish",
    "start",
]

Array: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = EstimatorKind[Any, Any]


def check(
    estimator: MixtureSettings, X: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
) -> tuple[NDArray[np.floating] | Partitions, Array | None]:
    """Check parameters, rows and weights; partitions, of a Dask collection, hold their weights."""
    name, given = type(estimator).__name__, estimator.get_params(deep=False)
    check_parameters(name, given, estimator._allowed)
    if given["acceleration"] is not None and given["assignment"] == "hard":
        raise ValueError(
            f"acceleration={given['acceleration']!r} needs assignment='soft', but got "
            "assignment='hard': its steps jump, and have no direction. Set acceleration=None"
        )
    if is_collection(X):
        from skem.mixture._lazy import read_collection

        return read_collection(estimator, X, sample_weight, reset=reset), None
    rows = validate_data(
        estimator, X, reset=reset, dtype=float_dtypes(X), ensure_all_finite="allow-nan"
    )
    return rows, check_sample_weight(sample_weight, len(rows))


def publish(
    estimator: MixtureSettings, attributes: dict[str, Any], messages: list[str], depth: int
) -> None:
    """Set fitted attributes, and warn where the caller stands, ``depth`` calls above this one's."""
    for name, value in attributes.items():
        setattr(estimator, name, value)
    for message in messages:
        warnings.warn(message, ConvergenceWarning, stacklevel=depth + 2)


def make_problem(
    kind: Kind,
    estimator: MixtureSettings,
    X: NDArray[np.floating] | Partitions,
    weights: Array | None,
    state: FitRecord | None = None,
) -> FitProblem:
    """Measure the table, and make the rule; in a state's units and with its prior, if given."""
    family = make_family(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    gappy = has_gaps(X)
    units = state.units if state else measure(X, weights, family, names)
    table = make_table(X, weights, units.origin, units.scale, gappy=gappy)
    if gappy:
        family = family.with_gaps(single_gaussian(family, table))
    plan = _plan(estimator, family, table)
    with make_engine(table, 1) as alone:
        prior = state.prior if state else None
        passes = Passes(table, plan, alone)
        rule = kind.rule(estimator, family, passes, units, prior)
        if not state:
            steps = measure_steps(estimator.resolution, X, weights, units)
            floor = find_floor(steps, family, rule, passes, units)
            units = units._replace(steps=steps, floor=floor)
    family = replace(family, floor=units.floor)
    return FitProblem(family, with_floor(rule, units.floor), units, table, plan)


def _plan(estimator: MixtureSettings, family: GaussianFamily, table: AnyTable) -> TilePlan:
    n_products = family.n_products(table.n_features)
    return plan_tiles(
        table.n_rows, table.n_features, estimator.n_components, n_products, estimator.block_size
    )


def fit(
    kind: Kind,
    estimator: MixtureSettings,
    X: ArrayLike,
    y: object,
    sample_weight: ArrayLike | None,
) -> None:
    """Fit from one or several starts and publish the best.

    To be called by the estimator's own `fit`, which `with_callbacks` wraps.
    """
    rows, weights = check(estimator, X, sample_weight, reset=True)
    attributes, messages = _fit(kind, estimator, rows, y, weights)
    publish(estimator, attributes, messages, depth=2 + FRAMES)


@with_callbacks
def fit_quietly(
    estimator: MixtureSettings, kind: Kind, X: NDArray[np.floating], weights: Array | None
) -> list[str]:
    """Fit to rows and weights that have been checked; return what `fit` would warn of.

    Filters of warnings belong to the process, so fits side by side can't catch their own.
    """
    attributes, messages = _fit(kind, estimator, X, None, weights)
    publish(estimator, attributes | {"n_features_in_": X.shape[1]}, [], depth=0)
    return messages


def _fit(
    kind: Kind,
    estimator: MixtureSettings,
    X: NDArray[np.floating] | Partitions,
    y: object,
    weights: Array | None,
) -> tuple[dict[str, Any], list[str]]:
    n_init = 1 if _goes_on(estimator) or _is_certain(kind, estimator) else estimator.n_init
    problem = make_problem(kind, estimator, X, weights)
    shown, shown_weights = X.given if isinstance(X, Partitions) else (X, weights)
    metadata = None if shown_weights is None else {"sample_weight": shown_weights}
    single = n_init == 1
    root = root_task(
        estimator,
        estimator.max_iter if single else n_init,
        sequential=single,
        X=shown,
        y=y,
        metadata=metadata,
        n_rows=len(X),
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
        with make_engine(problem.table, share) as engine:
            passes = Passes(problem.table, problem.plan, engine)
            run = _run(kind, estimator, problem, passes, generators[number], number, task)
        if not single:
            task.end(lambda: parameter_attributes(kind, problem, run.theta))
        return run

    with Threads(1):
        jobs = (joblib.delayed(restart)(number) for number in range(n_init))
        runs = joblib.Parallel(n_jobs=min(n_threads, n_init), backend="threading")(jobs)
    run = max(runs, key=lambda run: run.bound)
    if not _goes_on(estimator):
        run = kind.numbered(estimator, problem, run)
    sampler = np.random.RandomState(rng.randint(2**31 - 1))
    attributes = _fitted_attributes(kind, estimator, problem, run, sampler)
    root.end(lambda: attributes)
    messages = diagnose(kind, estimator, problem, run.theta, problem.table.n_positive)
    names = getattr(estimator, "feature_names_in_", None)
    messages += never_together(problem.family, problem.table, names)
    if not run.converged and 0 < estimator.max_iter == run.n_iter:
        messages.append(
            f"{kind.algorithm} did not converge in max_iter={estimator.max_iter} iterations: the "
            f"bound still rose by tol={estimator.tol:g} or more. Increase max_iter or tol, try "
            "other init_params, or check for degenerate data."
        )
    return attributes, messages


def _fitted_attributes(
    kind: Kind,
    estimator: MixtureSettings,
    problem: FitProblem,
    run: Run[Any],
    sampler: np.random.RandomState,
) -> dict[str, Any]:
    more, record = kind.outcome(problem, run)
    return {
        **parameter_attributes(kind, problem, run.theta),
        "converged_": run.converged,
        "n_iter_": run.n_iter,
        "lower_bound_": kind.bound(problem, run.bound),
        "lower_bounds_": [kind.bound(problem, bound) for bound in run.bounds],
        "resolution_": problem.units.steps,
        **narrow(more, problem.table.X.dtype),
        "_record": FitRecord(
            estimator.covariance_type,
            sampler,
            problem.units,
            problem.table.total_weight,
            bound=run.bound,
            gains=tuple(run.gains),
            **record,
        ),
    }


def _goes_on(estimator: MixtureSettings) -> bool:
    """Say whether a fit starts from what was fitted before."""
    return estimator.warm_start and hasattr(estimator, "converged_")


def _is_certain(kind: Kind, estimator: MixtureSettings) -> bool:
    """Say whether every start would be the same: nothing of it is drawn."""
    method = kind.start_method(estimator)
    return not isinstance(method, str) or method == "hierarchical"


def _run(
    kind: Kind,
    estimator: MixtureSettings,
    problem: FitProblem,
    passes: Passes,
    rng: np.random.RandomState,
    number: int,
    task: Task,
) -> Run[Any]:
    progress = Progress(estimator.verbose, estimator.verbose_interval, number)
    earlier = None
    if _goes_on(estimator):
        check_enough_rows(problem.table, estimator.n_components)
        theta = go_on(kind, estimator, problem)
        if hasattr(estimator, "_record"):
            earlier = Earlier(estimator._record.bound, estimator._record.gains)
    else:
        theta = start(kind, estimator, problem, passes, rng, SEARCH)

    def after_iteration(n_iter: int, theta: Any, bound: float, gain: float) -> bool:
        progress.iteration(n_iter, gain)
        iteration = task.subtask("em iteration")
        return iteration.end(lambda: parameter_attributes(kind, problem, theta))

    run: Run[Any] = kind.loop(
        passes,
        problem.rule,
        theta,
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        after_iteration=after_iteration,
        acceleration=estimator.acceleration,
        earlier=earlier,
    )
    progress.end(kind.bound(problem, run.bound), run.converged)
    return run


def start(
    kind: Kind,
    estimator: MixtureSettings,
    problem: FitProblem,
    passes: Passes,
    rng: np.random.RandomState,
    automatic: str,
) -> MixtureParameters | MixturePosterior:
    """Return where a new fit starts; ``init_params='auto'`` stands for ``automatic``."""
    table, units, k = problem.table, problem.units, estimator.n_components
    check_enough_rows(table, k)
    theta = None
    method = kind.start_method(estimator)
    if method is not None:
        if isinstance(method, str):
            method = automatic if method == SEARCH else method
        elif not isinstance(method, Tree):
            method = _check_responsibilities(method, len(table.X), k)
        how = Start(method, k, rng, table, units.origin, units.column_scale, problem.family.fill)
        theta = find_start(passes, problem.rule, how)
    result: MixtureParameters | MixturePosterior = kind.complete(estimator, problem, theta)
    return result


def go_on(
    kind: Kind, estimator: MixtureSettings, problem: FitProblem
) -> MixtureParameters | MixturePosterior:
    """Start from what was fitted before."""
    fitted = estimator.means_.shape
    asked = (estimator.n_components, problem.table.n_features)
    theta = kind.read(estimator, problem.family)
    if fitted != asked:
        raise ValueError(
            f"The fitted means have the shape {fitted}, but n_components={asked[0]} and the "
            f"{asked[1]} features of X ask for {asked}: a fit that goes on (warm_start=True, "
            "partial_fit) can't change them. Fit a new estimator, or set warm_start=False"
        )
    units = problem.units
    result: MixtureParameters | MixturePosterior = kind.to_table(
        problem.family, theta, units.origin, units.scale
    )
    return result


def _check_responsibilities(resp: Any, n_rows: int, n_components: int) -> Array:
    resp = check_shape("init_params", resp, (n_rows, n_components))
    if resp.min() < 0 or np.abs(resp.sum(axis=1) - 1).max() > 1e-6:
        raise ValueError(
            "The parameter 'init_params' should have non-negative rows that sum to one where it "
            "is an array of responsibilities"
        )
    return resp


def parameter_attributes(kind: Kind, problem: FitProblem, theta: Any) -> dict[str, Any]:
    """Return the fitted attributes that parameters make, in the dtype of the rows."""
    values = kind.attributes(problem, theta)
    with np.errstate(over="ignore"):
        narrowed = narrow(values, problem.table.X.dtype)
    for name, value in narrowed.items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError(
                f"{name} has values out of the range of {problem.table.X.dtype}: rescale the "
                "columns of X or increase reg_covar"
            )
    return narrowed


def diagnose(
    kind: Kind, estimator: MixtureSettings, problem: FitProblem, theta: Any, n_rows: float
) -> list[str]:
    """Return what the user should be warned of, after so many rows were seen."""
    messages = []
    constant = np.flatnonzero(problem.family.values_by_decree(problem.units.constant))
    if len(constant):
        names = getattr(estimator, "feature_names_in_", np.arange(problem.table.n_features))
        messages.append(
            f"Column(s) {names[constant].tolist()} of X are constant: their variance is "
            f"reg_covar={estimator.reg_covar:g} by decree, and densities depend on it. Drop them."
        )
    return messages + kind.diagnose(estimator, problem, theta, n_rows)
