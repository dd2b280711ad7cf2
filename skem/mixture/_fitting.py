"""What `fit` of a Gaussian mixture does, from rows to attributes."""

from __future__ import annotations

import copy
import warnings
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from skem._callbacks import FRAMES, Task, root_task, with_callbacks
from skem._collections import check_in_memory, is_collection
from skem._parameters import (
    check_parameters,
    check_sample_weight,
)
from skem._refitting import check_same_names, kept_on_failure
from skem._seeds import generator
from skem.engine import (
    AnyTable,
    Partitions,
    TilePlan,
    count_threads,
    has_gaps,
    make_block_table,
    make_engine,
    plan_tiles,
)
from skem.engine.threads import one_library_thread
from skem.inference import (
    SEARCH,
    Earlier,
    Passes,
    Run,
)
from skem.inference.rules import with_floor, with_noise
from skem.mixture._floor import find_floor, measure_steps
from skem.mixture._gaps import asked_once, never_together, single_component
from skem.mixture._noise import NoiseBox, measure_box
from skem.mixture._problem import EstimatorKind, FitProblem, narrow, out_of_range
from skem.mixture._progress import Progress
from skem.mixture._protocols import MixtureSettings
from skem.mixture._record import FitRecord
from skem.mixture._starting import go_on, start
from skem.mixture._units import Shown, check_enough_rows, measure

__all__ = [
    "Ended",
    "check",
    "diagnose",
    "fit",
    "fit_quietly",
    "make_problem",
    "parameter_attributes",
    "publish",
]

Array: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = EstimatorKind[Any, Any]


def check(
    kind: Kind,
    estimator: MixtureSettings,
    X: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    reset: bool,
) -> tuple[NDArray[np.floating] | Partitions, Array | None]:
    """Check parameters, rows and weights; partitions, of a Dask collection, hold their weights."""
    name = type(estimator).__name__
    given = {parameter: getattr(estimator, parameter) for parameter in estimator._allowed}
    check_parameters(name, given, estimator._allowed)
    if estimator.acceleration is not None and estimator.assignment == "hard":
        raise ValueError(
            f"acceleration={estimator.acceleration!r} needs assignment='soft', but got "
            "assignment='hard': its steps jump, and have no direction. Set acceleration=None"
        )
    if estimator.noise and estimator.weight_concentration_prior == np.inf:
        raise ValueError(
            f"noise={estimator.noise!r} has a weight of its own, but "
            "weight_concentration_prior=inf holds all weights equal: leave one of them out"
        )
    if estimator.noise:
        check_in_memory(X, f"{name} with noise={estimator.noise!r}", "Fit without noise")
    if is_collection(X):
        return kind.read_partitions(estimator, X, sample_weight, reset=reset), None
    rows = kind.read_rows(estimator, X, reset=reset)
    return rows, check_sample_weight(sample_weight, len(rows))


def publish(
    estimator: MixtureSettings, attributes: dict[str, Any], messages: list[str], depth: int
) -> None:
    """Set fitted attributes, and warn where the caller stands, ``depth`` calls above this one's."""
    if "noise_weight_" not in attributes:  # that of an earlier fit
        vars(estimator).pop("noise_weight_", None)
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
    *,
    stepwise: bool = False,
    shown: Shown | None = None,
) -> FitProblem:
    """Measure the table, and make the rule; in a state's units and with its prior, if given.

    ``stepwise`` says that other rows may follow, ``shown`` how messages show columns.
    """
    family = kind.family(estimator)
    shown = shown or Shown(kind.column_names(estimator, X.shape[1]))
    names, gappy = shown.names, has_gaps(X)
    units = state.units if state else measure(X, weights, family, gappy=gappy, names=names)
    asked = X if not isinstance(X, Partitions) or X.samples is None else X.samples
    family = family.for_rows(asked, gappy=gappy, more=stepwise)
    table: AnyTable = make_block_table(
        X, weights, units.origin, units.scale, family.maker, gappy=gappy
    )
    if table.has_gaps:
        start_of_rows = partial(single_component, family, table)
        family = family.with_gaps(asked_once(start_of_rows, table))
    plan = _plan(estimator, family, table)
    with make_engine(table, 1) as alone:
        prior = state.prior if state else None
        passes = Passes(table, plan, alone)
        rule = kind.rule(estimator, family, passes, units, prior)
        if not state:
            stepped = kind.stepped_columns(estimator, X.shape[1])
            steps, heaps = measure_steps(estimator.resolution, X, weights, units, stepped)
            floor = find_floor(steps, family, rule, passes, units)
            units = units._replace(steps=steps, heaps=heaps, floor=floor)
            if estimator.noise:
                assert not isinstance(X, Partitions)
                box = measure_box(estimator.noise, X, weights, units, names)
                units = units._replace(box=tuple(box))
    family, rule = family.with_floor(units.floor), with_floor(rule, units.floor)
    if units.box is not None:
        rule = with_noise(rule, NoiseBox(*units.box).log_widths - np.log(units.scale))
        family = rule.family
    return FitProblem(family, rule, units, table, plan, shown, kind.layout(estimator))


def _plan(estimator: MixtureSettings, family: Any, table: AnyTable) -> TilePlan:
    n_products = family.n_products(table.n_features)
    n_components = estimator.n_components + bool(estimator.noise)
    return plan_tiles(
        table.n_rows, table.n_features, n_components, n_products, estimator.block_size
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
    names = getattr(estimator, "feature_names_in_", None)
    # What is done before and after iterations, too: BLAS would share out each small matrix, which
    # took four fifths of a fit to 569 rows and 30 columns.
    with kept_on_failure(estimator), one_library_thread():
        rows, weights = check(kind, estimator, X, sample_weight, reset=True)
        if _goes_on(estimator):
            check_same_names(estimator, names)
        attributes, ended = _fit(kind, estimator, rows, y, weights)
        messages = ended.remarks()
    publish(estimator, attributes, messages, depth=2 + FRAMES)


class Ended(NamedTuple):
    """Where a fit ended, on the table that it was fitted to."""

    kind: Kind
    estimator: MixtureSettings
    problem: FitProblem
    run: Run[Any]

    def log_likelihood(self) -> float:
        """Return the weighted sum of the rows' log densities, in nats; of a point estimate."""
        problem, table = self.problem, self.problem.table
        scorer = self.kind.density(self.estimator, problem.family, self.run.theta)
        with make_engine(table, count_threads(self.estimator.n_jobs)) as engine:
            in_units = Passes(table, problem.plan, engine).log_normaliser(scorer)
        log_scale = float((table.seen_share * np.log(problem.units.scale)).sum())
        return in_units - table.total_weight * log_scale

    def remarks(self) -> list[str]:
        """Return what the user should be warned of."""
        kind, estimator, problem, run = self
        with one_library_thread():
            messages = diagnose(kind, estimator, problem, run.theta, problem.table.n_positive)
        messages += never_together(problem.family, problem.table, problem.shown.names)
        if not run.converged and 0 < estimator.max_iter == run.n_iter:
            messages.append(
                f"{kind.algorithm} did not converge in max_iter={estimator.max_iter} iterations: "
                f"the bound still rose by tol={estimator.tol:g} or more. Increase max_iter or "
                "tol, try other init_params, or check for degenerate data."
            )
        return messages


@with_callbacks
@one_library_thread()
def fit_quietly(
    estimator: MixtureSettings,
    kind: Kind,
    X: NDArray[np.floating],
    weights: Array | None,
    shown: Shown | None = None,
) -> Ended:
    """Fit to rows and weights that have been checked; what `fit` would warn of can be asked for.

    Filters of warnings belong to the process, so fits side by side can't catch their own.
    ``shown`` is how messages show columns of rows without names.
    """
    attributes, ended = _fit(kind, estimator, X, None, weights, shown)
    publish(estimator, attributes | {"n_features_in_": X.shape[1]}, [], depth=0)
    return ended


def _fit(
    kind: Kind,
    estimator: MixtureSettings,
    X: NDArray[np.floating] | Partitions,
    y: object,
    weights: Array | None,
    shown: Shown | None = None,
) -> tuple[dict[str, Any], Ended]:
    n_init = 1 if _goes_on(estimator) or _is_certain(kind, estimator) else estimator.n_init
    problem = make_problem(kind, estimator, X, weights, shown=shown)
    given, given_weights = X.given if isinstance(X, Partitions) else (X, weights)
    metadata = None if given_weights is None else {"sample_weight": given_weights}
    single = n_init == 1
    root = root_task(
        estimator,
        estimator.max_iter if single else n_init,
        sequential=single,
        X=given,
        y=y,
        metadata=metadata,
        n_rows=len(X),
    )
    rng = generator(estimator.random_state)
    generators = [rng]
    if not single:
        # The first start is that of a single one: more starts never end lower.
        seeds = copy.deepcopy(rng)
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

    if single:
        run = restart(0)
    else:
        jobs = (joblib.delayed(restart)(number) for number in range(n_init))
        runs = joblib.Parallel(n_jobs=min(n_threads, n_init), backend="threading")(jobs)
        run = max(runs, key=lambda run: run.bound)
    if not _goes_on(estimator):
        run = kind.numbered(estimator, problem, run)
    attributes = _fitted_attributes(kind, estimator, problem, run, rng.randint(2**31 - 1))
    root.end(lambda: attributes)
    return attributes, Ended(kind, estimator, problem, run)


def _fitted_attributes(
    kind: Kind,
    estimator: MixtureSettings,
    problem: FitProblem,
    run: Run[Any],
    seed: int,
) -> dict[str, Any]:
    more, record = kind.outcome(problem, run)
    *bounds, bound = kind.bound(problem, np.array([*run.bounds, run.bound])).tolist()
    return {
        **parameter_attributes(kind, problem, run.theta),
        "converged_": run.converged,
        "n_iter_": run.n_iter,
        "lower_bound_": bound,
        "lower_bounds_": bounds,
        "resolution_": problem.units.steps,
        **narrow(more, problem.table.X.dtype),
        "_record": FitRecord(
            kind.structure(estimator),
            seed,
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
    progress.end(lambda: kind.bound(problem, run.bound), run.converged)
    return run


def parameter_attributes(kind: Kind, problem: FitProblem, theta: Any) -> dict[str, Any]:
    """Return the fitted attributes that parameters make, in the dtype of the rows."""
    values = kind.attributes(problem, theta)
    with np.errstate(over="ignore"):
        narrowed = narrow(values, problem.table.X.dtype)
    for name, value in narrowed.items():
        if out_of_range(value):
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
        names = [problem.shown.names[j] for j in constant.tolist()]
        messages.append(
            f"Column(s) {names} of X are constant: their variance is "
            f"reg_covar={estimator.reg_covar:g} by decree, and densities depend on it. Drop them."
        )
    return messages + kind.diagnose(estimator, problem, theta, n_rows)
