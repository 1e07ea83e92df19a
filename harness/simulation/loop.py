"""A deterministic asyncio loop in virtual time.

Nothing waits: when no callback is ready, the clock jumps to the next timer. Time is an integer of
nanoseconds and timers are ordered by (when, number), so that one program with one seed has one
history, whatever the process, the hash seed and the Python version.

It overrides private names of asyncio (`_run_once`, `_ready`, `Handle`): those are the same in
every supported Python, and the tests compare it with the stock loop on each.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from asyncio import base_events, events
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.simulation.forbidden import only_virtual
from harness.simulation.network import Network

MOST_STEPS = 50_000_000  # callbacks in one simulation: far above any run, finite all the same
MOST_STEPS_AT_ONE_MOMENT = 1_000_000  # callbacks without the clock moving: a livelock
MOST_TASKS_NAMED = 20  # in a report
NEVER_NS = 1 << 62  # timers at or after this do not count as something to wait for

_ASYNCIO = Path(asyncio.__file__).parent

# Which of `n` events that may happen next does: the number of one of them.
Choose = Callable[[int], int]


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is left, but the program has not ended."""


class Livelock(RuntimeError):
    """The program goes on and on: more steps than the limit allows."""


class _Handle(events.Handle):
    """A callback that is ready. Lighter than asyncio's: it asks nobody about debugging."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop, context: contextvars.Context | None,
    ) -> None:  # fmt: skip
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class _Timer(events.TimerHandle):
    """A callback with a time."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop, context: contextvars.Context | None,
    ) -> None:  # fmt: skip
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = True


@only_virtual
class VirtualLoop(base_events.BaseEventLoop):
    """Runs callbacks in order of registration and timers in order of time.

    With `choose`, a search decides which timer fires next among those due within `window_ns` of the
    earliest; the others fire late, as on a busy machine. Callbacks that are ready keep their order,
    which asyncio promises.
    """

    _ready: deque[Any]  # asyncio's own, as are the next two
    _stopping: bool
    _asyncgens: Any

    def __init__(
        self, *, seed: int = 0, choose: Choose | None = None, window_ns: int = 0,
        most_steps: int = MOST_STEPS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.now_ns = 0
        self.steps = 0
        self.unhandled: list[str] = []  # errors that reached nobody
        self.network = Network(self, seed)
        self._choose = choose
        self._window_ns = window_ns
        self._most_steps = most_steps
        self._steps_before_moment = 0
        self._timers: list[tuple[int, int, Any]] = []
        self._number = 0
        self._cancelled_timers = 0
        self.set_exception_handler(lambda _, context: self._note_unhandled(context))

    # -- time -----------------------------------------------------------------------------------
    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_ns / 1e9

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:  # fmt: skip
        """Run a callback after those that are ready."""
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Run a callback at a time; never before it, and ties in order of registration."""
        timer = _Timer(when, callback, args, self, context)
        self.at_ns(_nanoseconds(when), timer)
        return timer

    async def until(self, when_ns: int) -> None:
        """Sleep until exactly that moment."""
        waiter = self.create_future()
        timer = self.call_at(when_ns / 1e9, waiter.set_result, None)
        try:
            await waiter
        finally:
            timer.cancel()

    def at_ns(self, when_ns: int, event: Any) -> None:
        """Run an event's `_run` at a time, unless its `_cancelled` is set by then."""
        self._number += 1
        heapq.heappush(self._timers, (when_ns, self._number, event))

    def _timer_handle_cancelled(self, handle: Any) -> None:
        if not handle._scheduled:
            return
        # Timers of calls that were answered in time are most of the heap: drop them in bulk.
        self._cancelled_timers += 1
        if self._cancelled_timers > 256 and self._cancelled_timers * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2]._cancelled]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    # -- running --------------------------------------------------------------------------------
    def _run_once(self) -> None:
        ready = self._ready
        if self._choose is None:
            self._release_due()
        if not ready:
            if self._stopping:
                return
            self._jump()
        count = len(ready)
        self.steps += count
        if self.steps - self._steps_before_moment > MOST_STEPS_AT_ONE_MOMENT:
            raise Livelock(
                f"{MOST_STEPS_AT_ONE_MOMENT} steps at {self.time():g} s and the clock does not "
                f"move; unfinished:\n{self._unfinished()}"
            )
        if self.steps > self._most_steps:
            raise Livelock(
                f"more than {self._most_steps} steps; at {self.time():g} s unfinished:\n"
                f"{self._unfinished()}"
            )
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def renew_budget(self) -> None:
        """Count steps from zero again."""
        self.steps = self._steps_before_moment = 0

    def _release_due(self) -> None:
        timers, now_ns = self._timers, self.now_ns
        while timers and timers[0][0] <= now_ns:
            self._release(heapq.heappop(timers)[2])

    def _release(self, event: Any) -> None:
        event._scheduled = False
        if event._cancelled:
            self._cancelled_timers -= 1
        else:
            self._ready.append(event)

    def _jump(self) -> None:
        """Move the clock to the next timer and make what is due ready."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            self._release(heapq.heappop(timers)[2])
        if not timers or timers[0][0] >= NEVER_NS:
            raise Deadlock(
                f"at {self.time():g} s nothing is ready and no timer is left; waiting:\n"
                f"{self._unfinished()}"
            )
        if self._choose is not None:
            self._jump_to_chosen(self._choose)
        else:
            self._move_clock(timers[0][0])
            self._release_due()

    def _jump_to_chosen(self, choose: Choose) -> None:
        timers = self._timers
        latest_ns = timers[0][0] + self._window_ns
        possible = []
        while timers and timers[0][0] <= latest_ns:
            entry = heapq.heappop(timers)
            if entry[2]._cancelled:
                self._release(entry[2])
            else:
                possible.append(entry)
        chosen = possible.pop(choose(len(possible)) if len(possible) > 1 else 0)
        for entry in possible:
            heapq.heappush(timers, entry)
        self._move_clock(chosen[0])
        self._release(chosen[2])

    def _move_clock(self, when_ns: int) -> None:
        if when_ns > self.now_ns:
            self.now_ns = when_ns
            self._steps_before_moment = self.steps

    # -- what is left -----------------------------------------------------------------------------
    def _unfinished(self) -> str:
        return "\n".join(f"  {line}" for line in self._tasks_left()) or "  no task"

    def _tasks_left(self) -> list[str]:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: _natural(task.get_name()))
        lines = [
            f"task {task.get_name()} ({_place(task.get_coro())})"
            for task in tasks[:MOST_TASKS_NAMED]
        ]
        if len(tasks) > MOST_TASKS_NAMED:
            lines.append(f"and {len(tasks) - MOST_TASKS_NAMED} more tasks")
        return lines

    def leaks(self) -> list[str]:
        """What the program left behind: tasks, async generators, listeners, transports."""
        generators = [each for each in self._asyncgens if each.ag_frame is not None]
        lines = sorted(f"async generator {each.__qualname__}" for each in generators)
        return [*self._tasks_left(), *lines, *self.network.open()]

    def _note_unhandled(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        about = f"{type(error).__name__}: {error}" if error is not None else "no exception"
        self.unhandled.append(f"{context.get('message', 'an error')} ({about})")

    # -- connections ------------------------------------------------------------------------------
    async def create_server(self, *args: Any, **keywords: Any) -> Any:
        """Listen in memory."""
        return await self.network.listen(*args, **keywords)

    async def create_connection(self, *args: Any, **keywords: Any) -> Any:
        """Connect in memory."""
        return await self.network.connect(*args, **keywords)


def _nanoseconds(when: float) -> int:
    """The first nanosecond at which `time() >= when`."""
    if when >= NEVER_NS / 1e9:
        return NEVER_NS
    when_ns = round(when * 1e9)
    return when_ns if when_ns / 1e9 >= when else when_ns + 1


def _natural(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdigit() else (name, 0)


def _place(coroutine: Any) -> str:
    """What a coroutine is, and the innermost line outside asyncio where it waits."""
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    place = "not started" if getattr(coroutine, "cr_await", None) is None else "waits in asyncio"
    while (frame := getattr(coroutine, "cr_frame", None)) is not None and coroutine.cr_await:
        if Path(frame.f_code.co_filename).parent != _ASYNCIO:
            place = f"waits at {frame.f_code.co_filename}:{frame.f_lineno}"
        coroutine = coroutine.cr_await
    return f"{name}, {place}"
