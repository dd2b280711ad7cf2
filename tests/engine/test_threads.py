"""Folding in order: the same additions for every number of threads, and errors that get out."""

import threading
import time

import numpy as np
import pytest

from skem.engine import Threads


def join(total, result):
    return total + result


def fold_all(n_threads, visit, n_tasks, at_once=1, add=join, space=list):
    with Threads(n_threads) as threads:
        return threads.fold_in_order(visit, add, n_tasks, space, at_once)


@pytest.mark.core
@pytest.mark.parametrize("n_threads", [1, 2, 3, 4])
@pytest.mark.parametrize("at_once", [1, 2, 7, 40])
@pytest.mark.parametrize("n_tasks", [1, 2, 25])
def test_results_are_added_in_the_order_of_tasks(n_threads, at_once, n_tasks):
    rng = np.random.default_rng(0)
    pauses = rng.choice([0.0, 0.002], n_tasks)

    def visit(task, space):
        time.sleep(pauses[task])
        return [task]

    assert fold_all(n_threads, visit, n_tasks, at_once) == list(range(n_tasks))


@pytest.mark.core
@pytest.mark.parametrize("at_once", [1, 3])
def test_same_bits_for_every_number_of_threads(at_once):
    values = 10.0 ** np.random.default_rng(0).uniform(-8, 8, 200)

    def visit(task, space):
        return values[task]

    one = fold_all(1, visit, 200, at_once)
    total = values[0]
    for value in values[1:]:
        total = total + value
    assert one == total
    assert values[::-1].cumsum()[-1] != total  # the order matters here
    for n_threads in (2, 3, 4):
        assert fold_all(n_threads, visit, 200, at_once) == one


def test_each_thread_works_in_its_own_space():
    seen = {}
    together = threading.Barrier(3, timeout=10)

    def visit(task, space):
        if not space:
            together.wait()  # all three threads are at work
        space.append(task)
        seen[id(space)] = space
        return [threading.get_ident()]

    idents = fold_all(3, visit, 30)
    assert len(seen) == len(set(idents)) == 3
    assert sorted(task for tasks in seen.values() for task in tasks) == list(range(30))


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_tasks_are_taken_in_turns_of_at_once(at_once):
    turns = []

    def visit(task, space):
        turns.append((threading.get_ident(), task))
        return [task]

    assert fold_all(2, visit, 41, at_once) == list(range(41))
    for first in range(0, 41, at_once):
        whole = range(first, min(first + at_once, 41))
        assert len({thread for thread, task in turns if task in whole}) == 1


def test_one_task_needs_no_helper():
    assert fold_all(4, lambda task, space: [threading.current_thread()], 1) == [
        threading.main_thread()
    ]


@pytest.mark.core
@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_error_of_a_visit_gets_out(n_threads):
    def visit(task, space):
        if task == 5:
            raise FloatingPointError("task 5")
        return [task]

    with pytest.raises(FloatingPointError, match="task 5"):
        fold_all(n_threads, visit, 20)


@pytest.mark.parametrize("failing", ["caller", "helper"])
def test_after_an_error_nobody_takes_another_turn(failing):
    n_tasks, done, failed = 300, [], threading.Event()

    def visit(task, space):
        mine = "caller" if threading.current_thread() is threading.main_thread() else "helper"
        if mine == failing:
            failed.set()
            raise FloatingPointError(mine)
        assert failed.wait(10)
        time.sleep(0.002)
        done.append(task)
        return [task]

    with pytest.raises(FloatingPointError, match=failing):
        fold_all(2, visit, n_tasks)
    assert len(done) < n_tasks // 2


def test_error_while_adding_gets_out():
    def add(total, result):
        raise ArithmeticError("no sum")

    with pytest.raises(ArithmeticError, match="no sum"):
        fold_all(2, lambda task, space: [task], 20, add=add)


def test_error_while_making_a_space_gets_out():
    def space():
        raise MemoryError("no space")

    with pytest.raises(MemoryError, match="no space"):
        fold_all(3, lambda task, space: [task], 20, space=space)


def test_a_team_can_fold_again_after_an_error():
    def visit(task, space):
        if task == 3:
            raise ValueError("once")
        return [task]

    with Threads(2) as threads:
        with pytest.raises(ValueError, match="once"):
            threads.fold_in_order(visit, join, 9, list)
        assert threads.fold_in_order(lambda task, space: [task], join, 9, list) == list(range(9))


def test_interrupt_of_the_caller_gets_out():
    def visit(task, space):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        time.sleep(0.001)
        return [task]

    with pytest.raises(KeyboardInterrupt):
        fold_all(2, visit, 50)


def test_nested_teams():
    def outer(task, space):
        return [fold_all(2, lambda inner, _: [10 * task + inner], 3)]

    assert fold_all(2, outer, 4) == [[10 * t, 10 * t + 1, 10 * t + 2] for t in range(4)]
