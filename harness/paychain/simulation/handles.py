"""Handles, timers and tasks of the virtual loop: asyncio's own, without what debugging keeps."""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import events
from collections.abc import Callable
from typing import Any

from paychain.simulation.clock import SimulatedClock


class ReadyHandle(events.Handle):
    """A callback that is ready."""

    __slots__ = ()
    _repr = _source_traceback = None

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        """Keep the callback from running."""
        self._cancelled = True


class Timer(events.TimerHandle):
    """A callback with a time, in seconds of the loop."""

    __slots__ = ()
    _repr = _source_traceback = None
    _loop: SimulatedClock

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: SimulatedClock,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._when = when
        self._scheduled = True

    def cancel(self) -> None:
        """Keep the timer from firing. It stays in the heap until the loop drops it."""
        if not self._cancelled:
            self._cancelled = True
            if self._scheduled:
                self._callback = self._args = None  # type: ignore[assignment]  # as asyncio does
                self._loop.forget_timer()


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash is its number.

    Sets of tasks, such as a task group's, are iterated in the same order in every process; the
    usual hash is an address. A task is numbered when its hash is first asked for, which asyncio
    does while it makes the task.
    """

    __slots__ = ("_number",)
    _loop: SimulatedClock

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number: int = self._loop.number_task()
            return self._number
