"""What `fit` and `partial_fit` of a Gaussian mixture do, from checked rows to attributes."""

from __future__ import annotations

import copy
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skem._callbacks import Task, root_task
from skem._parameters import check_shape
from skem.engine import Table, Threads, TilePlan, count_threads
from skem.families import GaussianFamily, GaussianPrior, GaussianStatistics
from skem.inference import (
    MixtureParameters,
    PointRule,
    Run,
    Start,
    Visit,
    batch_em,
    blend,
    find_start,
)
from skem.mixture._setup import (
    Standard,
    check_enough_rows,
    fitted_parameters,
    given_parameters,
    make_family,
    make_prior,
    make_weights,
    standardise,
    to_table,
    to_user,
)

if TYPE_CHECKING:
    from skem.mixture._em import EMGaussianMixture

__all__ = ["Outcome", "Stepwise", "fit", "step"]

Array: TypeAlias = NDArray[np.float64]

# A component with a smaller weight than this has lost all its rows.
_EMPTIED = 1e-12


class Outcome(NamedTuple):
    """Fitted attributes, and what the user should be warned of."""

    attributes: dict[str, Any]
    messages: list[str]


class Stepwise(NamedTuple):
    """Where stepwise EM stands.

    Attributes
    ----------
    statistics : GaussianStatistics
        Per unit of weight, in the units of `standard`.
    standard : Standard
    steps : int
    weight : float
        Total weight of the batches seen.
    prior : GaussianPrior or None
        In the units of `standard`; made from the first batch where the user left it open.
    warned : tuple of str
        What the user has been warned of.
    """

    statistics: GaussianStatistics
    standard: Standard
    steps: int
    weight: float
    prior: GaussianPrior | None
    warned: tuple[str, ...]


class _Problem(NamedTuple):
    """One estimator's task on one table."""

    estimator: EMGaussianMixture
    family: GaussianFamily
    rule: PointRule
    standard: Standard
    table: Table
    plan: TilePlan

    @property
    def offset(self) -> float:
        """What turns a bound in the table's units into one in the user's."""
        log_scale = np.log(self.standard.scale)
        k = self.plan.n_components
        jacobian = self.family.log_prior_jacobian(self.rule.prior, log_scale, k)
        return -float(log_scale.sum()) - jacobian / self.table.total_weight


def _standing(estimator: EMGaussianMixture) -> Stepwise | None:
    """Say where stepwise EM stands; after a fit at no steps, with the statistics of its rows."""
    state: Stepwise | None = getattr(estimator, "_stepwise", None)
    if state is not None or not hasattr(estimator, "_seen"):
        return state
    family = make_family(estimator)
    weight, *standard = estimator._seen
    origin, scale = standard[:2]
    theta = to_table(family, fitted_parameters(estimator, family), origin, scale)
    expected = family.expected(theta.weights, theta.components)
    return Stepwise(expected, Standard(*standard), 0, weight, None, ())


def _pose(
    estimator: EMGaussianMixture,
    X: NDArray[np.floating],
    weights: Array | None,
    state: Stepwise | None = None,
) -> _Problem:
    family = make_family(estimator)
    standard = state.standard if state else standardise(X, weights, family)
    table = Table(X, weights, standard.origin, standard.scale)
    n_pairs = len(family.pairs(X.shape[1])[0])
    plan = TilePlan(len(X), X.shape[1], estimator.n_components, n_pairs, estimator.block_size)
    with Threads(1) as alone:
        prior = state.prior if state else None
        prior = prior or make_prior(estimator, family, Visit(table, plan, alone))
    rule = PointRule(make_weights(estimator), family, prior)
    return _Problem(estimator, family, rule, standard, table, plan)


def fit(
    estimator: EMGaussianMixture, X: NDArray[np.floating], y: object, weights: Array | None
) -> Outcome:
    """Fit from one or several starts and return the best."""
    warm = estimator.warm_start and hasattr(estimator, "converged_")
    n_init = 1 if warm else estimator.n_init
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

    def restart(number: int) -> Run:
        task = root
        if not single:
            task = root.subtask("initialization", estimator.max_iter, number=number)
        with Threads(share) as threads:
            return _run(problem, threads, generators[number], number, task, single)

    with Threads(1):
        jobs = (joblib.delayed(restart)(number) for number in range(n_init))
        runs = joblib.Parallel(n_jobs=min(n_threads, n_init), backend="threading")(jobs)
    run = max(runs, key=lambda run: run.bound)
    attributes = _attributes(problem, run.theta)
    offset = problem.offset
    attributes |= {
        "converged_": run.converged,
        "n_iter_": run.n_iter,
        "lower_bound_": run.bound + offset,
        "lower_bounds_": [bound + offset for bound in run.bounds],
        "_stepwise": None,
        "_seen": (problem.table.total_weight, *problem.standard),
        "_sampler": np.random.RandomState(rng.randint(2**31 - 1)),
    }
    root.end(lambda: attributes)
    messages = _diagnose(problem, run.theta)
    if not run.converged and 0 < estimator.max_iter == run.n_iter:
        messages.append(
            f"EM did not converge in max_iter={estimator.max_iter} iterations: the bound still "
            f"rose by tol={estimator.tol:g} or more. Increase max_iter or tol, try other "
            "init_params, or check for degenerate data."
        )
    return Outcome(attributes, messages)


def _run(
    problem: _Problem,
    threads: Threads,
    rng: np.random.RandomState,
    number: int,
    task: Task,
    single: bool,
) -> Run:
    estimator = problem.estimator
    visit = Visit(problem.table, problem.plan, threads)
    progress = _Progress(estimator, number)
    theta = _start(problem, visit, rng)

    def after_iteration(n_iter: int, theta: MixtureParameters, bound: float, gain: float) -> bool:
        progress.iteration(n_iter, gain)
        iteration = task.subtask("em iteration")
        return iteration.end(lambda: _attributes(problem, theta))

    run = batch_em(
        visit,
        problem.rule,
        theta,
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        after_iteration=after_iteration,
    )
    progress.end(run.bound + problem.offset, run.converged)
    if not single:
        task.end(lambda: _attributes(problem, run.theta))
    return run


def _start(problem: _Problem, visit: Visit, rng: np.random.RandomState) -> MixtureParameters:
    estimator, family, table = problem.estimator, problem.family, problem.table
    k, standard = estimator.n_components, problem.standard
    check_enough_rows(table.X, table.weights, k)
    if estimator.warm_start and hasattr(estimator, "converged_"):
        return _go_on(problem)
    given = (estimator.weights_init, estimator.means_init, estimator.precisions_init)
    theta_or_none = None
    if any(value is None for value in given):
        method = estimator.init_params
        if not isinstance(method, str):
            method = _check_responsibilities(method, len(table.X), k)
        start = Start(method, k, rng, standard.origin, standard.column_scale)
        theta_or_none = find_start(visit, problem.rule, start)
    return given_parameters(estimator, family, theta_or_none, table)


def _go_on(problem: _Problem) -> MixtureParameters:
    """Start from what was fitted before."""
    estimator, standard = problem.estimator, problem.standard
    theta = fitted_parameters(estimator, problem.family)
    fitted = theta.components.means.shape
    asked = (estimator.n_components, problem.plan.n_features)
    if fitted != asked:
        raise ValueError(
            f"The fitted means have the shape {fitted}, but n_components={asked[0]} and the "
            f"{asked[1]} features of X ask for {asked}: a fit that goes on (warm_start=True, "
            "partial_fit) can't change them. Fit a new estimator, or set warm_start=False"
        )
    return to_table(problem.family, theta, standard.origin, standard.scale)


def _check_responsibilities(resp: Any, n_rows: int, n_components: int) -> Array:
    resp = check_shape("init_params", resp, (n_rows, n_components))
    if resp.min() < 0 or np.abs(resp.sum(axis=1) - 1).max() > 1e-6:
        raise ValueError(
            "The parameter 'init_params' should have non-negative rows that sum to one where it "
            "is an array of responsibilities"
        )
    return resp


def _attributes(problem: _Problem, theta: MixtureParameters) -> dict[str, Any]:
    standard, dtype = problem.standard, problem.table.X.dtype
    user = to_user(problem.family, theta, standard.origin, standard.scale)
    values = {
        "weights_": user.weights,
        "means_": user.components.means,
        "covariances_": user.components.covariances,
        "precisions_": problem.family.precisions(user.components.factors),
        "precisions_cholesky_": user.components.factors,
    }
    with np.errstate(over="ignore"):
        narrow = {name: value.astype(dtype) for name, value in values.items()}
    for name, value in narrow.items():
        if not np.isfinite(value).all():
            raise ValueError(
                f"{name} has values out of the range of {dtype}: rescale the columns of X or "
                "increase reg_covar"
            )
    return narrow | {"_fitted_type": problem.estimator.covariance_type}


def _diagnose(problem: _Problem, theta: MixtureParameters) -> list[str]:
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
    emptied = np.flatnonzero(theta.weights <= _EMPTIED)
    if len(emptied):
        messages.append(
            f"Component(s) {emptied.tolist()} emptied: no row is left to them, their weight is "
            "zero and their means and covariances are the last they had. Decrease n_components "
            "or try other init_params."
        )
    collapsed = np.flatnonzero(problem.family.collapsed(theta.weights, theta.components))
    if len(collapsed):
        messages.append(
            f"Component(s) {collapsed.tolist()} collapsed onto too few distinct rows: their "
            f"covariances are held up by reg_covar={problem.estimator.reg_covar:g} alone, and the "
            "likelihood owes much to them. Decrease n_components, increase reg_covar, or use a "
            "simpler covariance_type."
        )
    return messages


class _Progress:
    """Prints what `verbose` asks for, in scikit-learn's words."""

    def __init__(self, estimator: EMGaussianMixture, number: int) -> None:
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


def step(estimator: EMGaussianMixture, X: NDArray[np.floating], weights: Array | None) -> Outcome:
    """Take one step of stepwise EM."""
    state = _standing(estimator)
    rng = check_random_state(estimator.random_state)
    problem = _pose(estimator, X, weights, state)
    family, rule = problem.family, problem.rule
    weight = problem.table.total_weight
    with Threads(count_threads(estimator.n_jobs)) as threads:
        visit = Visit(problem.table, problem.plan, threads)
        theta = _go_on(problem) if hasattr(estimator, "weights_") else _start(problem, visit, rng)
        local = visit.expect(family, rule.scorer(theta))
        assert local.statistics is not None
        state = _take_in(problem, state, family.scale(local.statistics, 1.0 / weight))
        theta = rule.update(family.scale(state.statistics, state.weight), theta)
        final = visit.expect(family, rule.scorer(theta), bound_only=True)
    bound = (final.log_normaliser + rule.regulariser(theta)) / weight + problem.offset
    earlier = estimator.lower_bounds_ if state.steps > 1 else []
    messages = [m for m in _diagnose(problem, theta) if m not in state.warned]
    attributes = _attributes(problem, theta) | {
        "converged_": False,
        "n_iter_": state.steps,
        "lower_bound_": bound,
        "lower_bounds_": [*earlier, bound],
        "_stepwise": state._replace(warned=(*state.warned, *messages)),
    }
    if not hasattr(estimator, "_sampler"):
        attributes["_sampler"] = np.random.RandomState(rng.randint(2**31 - 1))
    return Outcome(attributes, messages)


def _take_in(problem: _Problem, state: Stepwise | None, new: GaussianStatistics) -> Stepwise:
    """Blend a batch's statistics per unit of weight with those before."""
    weight = problem.table.total_weight
    if state is None:
        return Stepwise(new, problem.standard, 1, weight, problem.rule.prior, ())
    estimator, steps = problem.estimator, state.steps + 1
    rate = (estimator.learning_offset + steps) ** -estimator.learning_decay
    return state._replace(
        statistics=blend(problem.family, state.statistics, new, rate),
        steps=steps,
        weight=state.weight + weight,
        prior=problem.rule.prior,
    )
