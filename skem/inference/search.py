"""A start that is searched for: a short run, then moves that split one component and merge two.

A run ends at the nearest maximum, and typically one component there covers two clusters while two
others share one. A move mends both at once (Ueda, Nakano, Ghahramani & Hinton 2000, "SMEM
algorithm for mixture models").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skem import kernels
from skem.engine import Table
from skem.families import SingularCovarianceError
from skem.families.contract import searchable
from skem.inference.initialisation import ROW_METHODS, Start, draw_rows, start_by_rows
from skem.inference.leaving_out import describes_better, score_left_out
from skem.inference.loops import Run, batch_em
from skem.inference.moves import Scene, promising_moves
from skem.inference.passes import Passes
from skem.inference.rules import PointRule, Rule, Theta, has_noise
from skem.inference.thresholds import cut_at_thresholds

__all__ = ["SEARCH", "START_METHODS", "find_start"]

Array: TypeAlias = NDArray[np.float64]

SEARCH = "auto"
START_METHODS = (SEARCH, *ROW_METHODS)

# The search looks at no more rows than these, or than so many for each parameter of the means; but
# it makes a dozen arrays of a number for each row and component, of 40 MB at most.
_ROWS = 4096
_ROWS_PER_MEAN = 10
_SCORES = 400_000
# The time that a tree takes grows as the square of its rows: 30 ms for the first, 0.5 s for the
# others. With more rows moves need no help.
_ROWS_OF_A_TREE = 600
_ROWS_WITH_A_TREE = _ROWS_OF_A_LARGE_TREE = 2000
# Starts whose ends a search must not end below.
_COMPARED = ("kmeans", "hierarchical")
# With fewer rows for each parameter a higher likelihood is no guide.
_ROWS_PER_PARAMETER = 10.0
# Iterations and gains per unit of weight, in nats, at which runs end: before the first move, of a
# move that has raised the bound, of one that may yet, and when no move is left: most end soon then,
# and the others go on with extrapolation, which costs as much again as an iteration.
_FIRST = (30, 1e-2)
_LONG = (50, 1e-4)
_FROM_AFAR = (100, 1e-7)
_SHORT = (20, 1e-4)
_BRIEF = (8, 1e-6)
_LAST = (60, 1e-6)
# Iterations are kept for the fit where covariances have no more numbers than these: 13 MB in all.
_TRAIL = 4096
# A move that lowers the bound by more at once is not tried; one is kept if it raises it by this.
_HOPE = 0.3
_GAIN = 5e-4
_SAME = 1e-5
_GUESSES, _TRIES = 8, 3
# Gains that a move may still make: so many times the last one, in each iteration that is left.
_LARGER = 20.0
_MOVES = 30
# Where rows are told apart by features: runs from nearly equal components, and by random axes.
_RANDOM, _BY_AXES = 2, 4
_TURNS, _FAR = 3, 2e-3
# A component is no spike if it has so many times the rows that determine a covariance.
_TIMES_DETERMINED = 3.0
_NOTHING = 1e-12  # a share of the rows


def find_start(passes: Passes, rule: Rule[Theta], start: Start) -> Theta:
    """Return the parameters that a start method leads to.

    Parameters
    ----------
    passes : Passes
    rule : Rule
    start : Start
        By one of `START_METHODS`, or responsibilities.

    Raises
    ------
    SingularCovarianceError
    """
    searched = isinstance(start.method, str) and start.method == SEARCH
    return (_search if searched else start_by_rows)(passes, rule, start)


def _search(passes: Passes, rule: Rule[Theta], start: Start) -> Theta:
    """Return the parameters that a search over some of the rows ends with."""
    family = searchable(rule.family, f"init_params={SEARCH!r}")
    table, k = start.table, start.n_components
    n_features = table.n_features
    most = max(_ROWS, _ROWS_PER_MEAN * (n_features + 1) * k)
    most = max(min(most, _SCORES // k), k)
    n_rows = table.n_positive
    if most < min(n_rows, k * _TIMES_DETERMINED * family.rows_needed(n_features)):
        # Of so few of the rows most components would be spikes.
        return start_by_rows(passes, rule, replace(start, method="kmeans"))
    sample = draw_rows(table, most, start.rng)
    start = replace(start, table=sample)
    scene = _set(passes, rule, start, sample)
    if k == 1 and not has_noise(rule):
        return _all_as_one(scene, start)
    trials = _first(scene, start)
    chosen = _best_of(scene, trials)
    if most < n_rows:
        # Moves are enough: the fit itself goes to the end, which is not that of a sample.
        return _move_on(scene, chosen.run).theta
    if _has_few_rows(scene):
        return _search_few_rows(scene, start, trials, chosen)
    moved = _move_on(scene, chosen.run)
    run = _climb(scene, moved)
    # Without a move the climb has been to the end of the chosen one already.
    done = chosen if moved is chosen.run else None
    others = [trial for trial in trials if trial.method in _COMPARED and trial is not done]
    return _outdone(scene, run, others).theta


class _Trial(NamedTuple, Generic[Theta]):
    """A start, and a short run from there."""

    method: str
    start: Theta
    run: Run[Theta]


def _has_few_rows(scene: Scene[Theta]) -> bool:
    """Say whether rows are so few that likelihood is no guide; only where they ask for that."""
    rule, k = scene.rule, scene.n_components
    if not isinstance(rule, PointRule) or rule.hard:
        return False
    family = searchable(rule.family, f"init_params={SEARCH!r}")
    n_parameters = family.parameters_that_overfit(k, scene.rows.shape[1])
    return n_parameters > 0 and len(scene.rows) < _ROWS_PER_PARAMETER * (k - 1 + n_parameters)


def _search_few_rows(
    scene: Scene[Theta], start: Start, trials: list[_Trial[Theta]], chosen: _Trial[Theta]
) -> Theta:
    """Return where a search ends, if it describes rows left out better; else k-means' start.

    Ends need not be exact for that: the fit goes on from here. From k-means' start the fit follows
    what the search has run from there.
    """
    plain = next((trial for trial in trials if trial.method == "kmeans"), chosen)
    try:
        end = _run(scene, chosen.run.theta, _LONG, leave_trail=chosen is plain)
        run = _move_on(scene, end)

        def not_outdone(n_iter: int, theta: Theta, bound: float, gain: float) -> bool:
            return run.bound < bound + _GAIN

        if plain is not chosen:
            end = _run(scene, plain.run.theta, _LONG, stop=not_outdone, leave_trail=True)
        if not_outdone(end.n_iter, end.theta, end.bound, 0.0):
            return plain.start
        scores, others = score_left_out(scene.passes, scene.rule, (run.theta, end.theta), start)
    except SingularCovarianceError:
        return plain.start
    return run.theta if describes_better(scores, others, scene.weights) else plain.start


def _climb(scene: Scene[Theta], moved: Run[Theta]) -> Run[Theta]:
    """Go to the end from where no move is left; where that is far, make moves there."""
    run = _to_the_end(scene, moved)
    for _ in range(_TURNS - 1):
        if run.bound < moved.bound + _FAR:
            break
        moved = _move_on(scene, run)
        run = _to_the_end(scene, moved)
    return run


def _to_the_end(scene: Scene[Theta], run: Run[Theta]) -> Run[Theta]:
    run = _run(scene, run.theta, _BRIEF)
    if run.converged or scene.rule.hard:
        return run
    return _run(scene, run.theta, _LAST, "anderson")


def _outdone(scene: Scene[Theta], run: Run[Theta], trials: list[_Trial[Theta]]) -> Run[Theta]:
    """Return a run that ends higher, without more spikes, or the same one.

    A search may end below what a start leads to by itself.
    """
    for trial in trials:
        try:
            end = _to_the_end(scene, trial.run)
        except SingularCovarianceError:
            continue
        gain = end.bound - run.bound
        if gain > _SAME and _count_spikes(scene, end) <= _count_spikes(scene, run):
            run = _climb(scene, _move_on(scene, end)) if gain > _GAIN else end
    return run


def _set(passes: Passes, rule: Rule[Theta], start: Start, table: Table) -> Scene[Theta]:
    k = start.n_components
    passes = passes.over(table)
    rows = start.standardised(table)
    np.clip(rows, -kernels.rows.FARTHEST, kernels.rows.FARTHEST, out=rows)
    weights = np.ones(len(rows)) if table.weights is None else table.weights
    family = searchable(rule.family, f"init_params={SEARCH!r}")
    needed = float(family.rows_needed(rows.shape[1]))
    if needed > 1.0:
        # What all components share makes no spike of any.
        needed *= _TIMES_DETERMINED
    least = needed * float(weights.mean())
    return Scene(passes, passes.with_components(2 * k), rows, weights, rule, least)


def _all_as_one(scene: Scene[Theta], start: Start) -> Theta:
    """Return the parameters of one component."""
    ones = replace(start, method=np.ones((len(scene.rows), 1)))
    return _run(scene, start_by_rows(scene.passes, scene.rule, ones), _FIRST).theta


def _first(scene: Scene[Theta], start: Start) -> list[_Trial[Theta]]:
    """Make short runs (Biernacki, Celeux & Govaert 2003).

    One of them from a tree, which finds long and narrow clusters. It is grown on some of the rows
    where nothing asks for the highest bound of all; where something does, one run starts from
    thresholds of single columns, too. Of two components there is none to split while
    they are merged, so other starts take the place of moves. Where rows are told apart by features,
    of categories mostly, few of them differ and distances say little: there some runs start from
    components that have nearly equal shares of all rows, or shares drawn at random for each kind of
    row.
    """
    methods = ["kmeans"]
    few_rows = _has_few_rows(scene)
    some_will_do = few_rows or not isinstance(scene.rule, PointRule)
    if start.n_components > 1 and len(scene.rows) <= _ROWS_WITH_A_TREE:
        methods.append("hierarchical")
    from_afar: list[tuple[str, str | Array]] = []
    if start.n_components > 1 and start.by_features:
        from_afar += [("random", "random")] * _RANDOM
        from_afar += [("axes", _by_random_axes(scene.rows, start)) for _ in range(_BY_AXES)]
    elif start.n_components == 2:
        methods += ["k-means++", "random_from_data", "random_from_data"]
    cut = None if some_will_do or start.by_features else _by_thresholds(scene, start)
    quick = None if scene.rule.hard else "anderson"
    tries: list[tuple[str, str | Array, tuple[int, float], str | None]]
    tries = [(method, method, _FIRST, None) for method in methods]
    tries += [(name, method, _FROM_AFAR, quick) for name, method in from_afar]
    if cut is not None:
        tries.append(("thresholds", cut, _FIRST, None))
    trials = []
    for name, method, limits, acceleration in tries:
        given = replace(start, method=method)
        if name == "hierarchical":
            most = _ROWS_OF_A_TREE if some_will_do else _ROWS_OF_A_LARGE_TREE
            some = draw_rows(start.table, most, 0)
            given = replace(given, table=some)
        try:
            theta = start_by_rows(scene.passes, scene.rule, given)
            # A fit may start there: see `_search_few_rows`.
            leave_trail = few_rows and name == "kmeans"
            run = _run(scene, theta, limits, acceleration, leave_trail=leave_trail)
            trials.append(_Trial(name, theta, run))
        except SingularCovarianceError as error:
            singular = error
    if not trials:
        raise singular
    return trials


def _by_random_axes(rows: Array, start: Start) -> Array:
    """Draw responsibilities that are the same for equal rows, (n, K).

    Log odds are linear in the rows' features, with slopes drawn from a normal distribution.
    """
    n_features = rows.shape[1]
    slopes = start.rng.standard_normal((n_features, start.n_components))
    odds = (rows - start.column_mean) / start.column_scale @ slopes / np.sqrt(n_features)
    shares: Array = softmax(odds, axis=1)
    return shares


def _by_thresholds(scene: Scene[Theta], start: Start) -> Array | None:
    """Return responsibilities of parts between thresholds of single columns, (n, K), if any."""
    k = start.n_components
    if k == 1 or has_noise(scene.rule):
        return None
    spread = start.column_scale / start.table.scale
    labels = cut_at_thresholds(scene.rows / spread, scene.weights, k, scene.least)
    return None if labels is None else np.eye(k)[labels]


def _best_of(scene: Scene[Theta], trials: list[_Trial[Theta]]) -> _Trial[Theta]:
    """Return the one with the fewest spikes, and of these that with the highest bound."""
    chosen = trials[0]
    for trial in trials[1:]:
        more = _count_spikes(scene, trial.run) - _count_spikes(scene, chosen.run)
        # Where two lead to the same end, rounding must not choose the order of components.
        if more < 0 or (more == 0 and trial.run.bound > chosen.run.bound + _GAIN):
            chosen = trial
    return chosen


def _never(n_iter: int, theta: Any, bound: float, gain: float) -> bool:
    return False


def _run(
    scene: Scene[Theta],
    theta: Theta,
    limits: tuple[int, float],
    acceleration: str | None = None,
    stop: Callable[[int, Theta, float, float], bool] = _never,
    *,
    leave_trail: bool = False,
) -> Run[Theta]:
    return batch_em(
        scene.passes,
        scene.rule,
        theta,
        max_iter=limits[0],
        tol=limits[1],
        after_iteration=stop,
        keep_statistics=True,
        leave_trail=leave_trail and scene.n_components * scene.rows.shape[1] ** 2 <= _TRAIL,
        acceleration=acceleration,
    )


def _move_on(scene: Scene[Theta], run: Run[Theta]) -> Run[Theta]:
    """Make moves until none raises the bound; of two components there is none to make."""
    for _ in range(_MOVES if scene.n_components > 2 else 0):
        better = _move(scene, run)
        if better is None:
            break
        run = better
    return run


def _move(scene: Scene[Theta], run: Run[Theta]) -> Run[Theta] | None:
    """Return where the best move leads to that raises the bound, or None.

    No move may lead to more spikes than there are: components on so few rows that they are close
    together by chance, whose likelihood has no limit.
    """
    spikes, goal = _count_spikes(scene, run), run.bound + _GAIN
    for moves in promising_moves(scene, run, _HOPE, _GUESSES):
        for gain, theta in moves[:_TRIES]:
            limits = _LONG if gain > _GAIN else _SHORT
            try:
                tried = _run(scene, theta, limits, stop=_hopeless(goal, limits[0]))
            except SingularCovarianceError:
                continue
            if tried.bound > goal and _count_spikes(scene, tried) <= spikes:
                return tried
    return None


def _hopeless(goal: float, max_iter: int) -> Callable[[int, Any, float, float], bool]:
    """Return what says whether a run would not reach a bound even by far larger gains."""
    return lambda n_iter, theta, bound, gain: bound + _LARGER * gain * (max_iter - n_iter) < goal


def _count_spikes(scene: Scene[Theta], run: Run[Theta]) -> int:
    """Count the components that have rows, but too few for their covariance."""
    assert run.statistics is not None
    weight = run.statistics.weight[: scene.n_components]
    return int(((weight > _NOTHING * scene.weights.sum()) & (weight < scene.least)).sum())
