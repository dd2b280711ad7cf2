"""scikit-learn's callbacks, where this scikit-learn has them (1.9 and later)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np

try:
    from sklearn.callback import CallbackSupportMixin as _ScikitSupport
    from sklearn.callback import with_callbacks

    FRAMES = 1

    class CallbackSupportMixin(_ScikitSupport):
        """scikit-learn's, which also tells whether there are any callbacks.

        A context for each iteration that nobody looks at takes a tenth of the iteration's time.
        """

        _is_watched = False

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Set callbacks for the estimator.

            Parameters
            ----------
            *callbacks : callback instances

            Returns
            -------
            self : estimator instance
            """
            super().set_callbacks(*callbacks)
            self._is_watched = bool(callbacks)
            return self

        def __sklearn_clone__(self) -> Self:
            result: Self = super().__sklearn_clone__()
            result._is_watched = self._is_watched
            return result
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to mix in before scikit-learn 1.9."""

        _is_watched = False

    FRAMES = 0
    F = TypeVar("F", bound=Callable[..., Any])

    def with_callbacks(method: F) -> F:
        """Return the method as it is."""
        return method


__all__ = ["FRAMES", "CallbackSupportMixin", "Task", "root_task", "with_callbacks"]


# FRAMES counts what `with_callbacks` adds to the stack, for the `stacklevel` of warnings.


class Task:
    """A fit, a restart or an iteration as callbacks see it; a no-op where there are none.

    Parameters
    ----------
    estimator : estimator
    context : sklearn.callback.CallbackContext or None
    data : dict
        ``X``, ``y`` and ``metadata`` that hooks may ask for.
    """

    def __init__(self, estimator: Any, context: Any, data: dict[str, Any]) -> None:
        self.estimator = estimator
        self.context = context
        self.data = data

    def begin(self) -> Task:
        """Tell callbacks that the task begins."""
        if self.context is not None:
            self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self

    def end(self, attributes: Callable[[], dict[str, Any] | None]) -> bool:
        """Tell callbacks that the task has ended; return whether one of them asks to stop.

        Parameters
        ----------
        attributes : callable
            Returns the fitted attributes so far, if a callback wants to score them; None if there
            are none.
        """
        if self.context is None:
            return False
        return bool(
            self.context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes=attributes, **self.data
            )
        )

    def subtask(self, name: str, max_subtasks: int = 0, *, number: int | None = None) -> Task:
        """Begin a task inside this one; numbered if its siblings run side by side."""
        context = self.context
        if context is not None:
            context = context.subcontext(task_name=name, task_id=number, max_subtasks=max_subtasks)
        return Task(self.estimator, context, self.data).begin()


def root_task(
    estimator: Any,
    max_subtasks: int,
    *,
    sequential: bool,
    X: Any,
    y: Any,
    metadata: dict[str, Any] | None,
    n_rows: int | None = None,
) -> Task:
    """Begin the task of a whole fit; ``n_rows`` is needed where ``len(X)`` does not tell."""
    if not estimator._is_watched:
        return Task(estimator, None, {})
    context = estimator._init_callback_context(
        max_subtasks=max_subtasks, sequential_subtasks=sequential
    )
    # `ScoringMonitor` scores only where there is a y. A density has none: stand in for it.
    if y is None:
        y = np.broadcast_to(np.float64(0), (len(X) if n_rows is None else n_rows,))
    return Task(estimator, context, {"X": X, "y": y, "metadata": metadata}).begin()
