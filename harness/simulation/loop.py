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
import gc
from asyncio import base_events, events
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any, Protocol

from harness.simulation.forbidden import only_virtual
from harness.simulation.network import Network

MOST_STEPS = 50_000_000  # callbacks in one simulation: far above any run, finite all the same
STOCK_STEPS = 250_000  # so many without the clock moving are a livelock
MOST_TASKS_NAMED = 20  # in a report
NEVER_NS = 1 << 62  # timers at or after this do not count as something to wait for

_ASYNCIO = Path(asyncio.__file__).parent

# Which of `n` events that may happen next does: the number of one of them.
Choose = Callable[[int], int]


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is left, but the program has not ended."""


class Livelock(RuntimeError):
    """The program goes on and on: more steps than the limit allows."""


class Event(Protocol):
    """Something other than a callback that happens at a time, with asyncio's names of its state."""

    _cancelled: bool
    _scheduled: bool
    _context: None

    def happen(self) -> None:
        """Happen now. It handles its own errors."""


class _Handle(events.Handle):
    """A callback that is ready. Lighter than asyncio's: nothing is kept for debugging."""

    __slots__ = ()
    _repr = _source_traceback = None

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:  # fmt: skip
        self._context = contextvars.copy_context() if context is None else context
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        """Let it not run."""
        self._cancelled = True


class _Timer(events.TimerHandle):
    """A callback with a time."""

    __slots__ = ()
    _repr = _source_traceback = None
    _loop: VirtualLoop

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...],
        loop: VirtualLoop, context: contextvars.Context | None,
    ) -> None:  # fmt: skip
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._when = when
        self._scheduled = True

    def cancel(self) -> None:
        """Let it not fire."""
        if not self._cancelled:
            self._cancelled = True
            if self._scheduled:
                self._callback = self._args = None  # type: ignore[assignment]
                self._loop.forget_timer()


class _Task(asyncio.Task[Any]):
    """A task whose hash is its number: sets of tasks, such as a task group's, are walked in the
    same order in every process, and not by address. It is numbered when its hash is first asked
    for, which asyncio does as it makes the task."""

    __slots__ = ("_number",)
    _loop: VirtualLoop

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number: int = self._loop.number_task()
            return self._number


@only_virtual
class VirtualLoop(base_events.BaseEventLoop):
    """Runs callbacks in order of registration and timers in order of time.

    With `choose`, a search decides which timer fires next among those due within `window_ns` of the
    earliest; the others fire late, as on a busy machine. Callbacks that are ready keep their order,
    which asyncio promises.
    """

    _ready: deque[Any]  # asyncio's own, as are the next three
    _stopping: bool
    _asyncgens: Any
    _task_factory: Any

    def __init__(
        self, *, seed: int = 0, choose: Choose | None = None, window_ns: int = 0,
        most_steps: int = MOST_STEPS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.now_ns = 0
        self.steps = self._pause_at = 0
        self._stock_ns = -1  # when stock was taken last
        self.unhandled: list[str] = []  # errors that reached nobody
        self.network = Network(self, seed)
        self._choose = choose
        self._window_ns = window_ns
        self._most_steps = most_steps
        self._timers: list[tuple[int, int, Any]] = []
        self._number = 0
        self._tasks_made = 0
        self._cancelled_timers = 0
        self.renew_budget()
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
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Run a callback at a time; never before it, and ties in order of registration."""
        return self._set_timer(when, callback, args, context)

    def _set_timer(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> _Timer:  # fmt: skip
        timer = _Timer(when, callback, args, self, context)
        # The first nanosecond at which `time() >= when`.
        when_ns = round(when * 1e9) if when < NEVER_NS / 1e9 else NEVER_NS
        if when_ns / 1e9 < when:
            when_ns += 1
        self._number += 1
        heappush(self._timers, (when_ns, self._number, timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:  # fmt: skip
        """Run a callback after a delay in seconds."""
        return self._set_timer(self.now_ns / 1e9 + delay, callback, args, context)

    def create_task(self, coro: Any, **keywords: Any) -> asyncio.Task[Any]:
        """Run a coroutine."""
        if self._task_factory is not None:
            return super().create_task(coro, **keywords)
        return _Task(coro, loop=self, **keywords)

    def number_task(self) -> int:
        """The number of one more task."""
        self._tasks_made += 1
        return self._tasks_made

    def close(self) -> None:
        """Nothing more runs; what was still to happen is let go of."""
        super().close()
        self._timers.clear()

    async def until(self, when_ns: int) -> None:
        """Sleep until exactly that moment."""
        waiter = self.create_future()
        timer = self.call_at(when_ns / 1e9, waiter.set_result, None)
        try:
            await waiter
        finally:
            timer.cancel()

    def at_ns(self, when_ns: int, event: Event) -> None:
        """Let an event happen at a time."""
        self._number += 1
        heappush(self._timers, (when_ns, self._number, event))

    def forget_timer(self) -> None:
        """A timer was cancelled. They are most of the heap (calls answered in time): now and then
        they are dropped in bulk."""
        self._cancelled_timers += 1
        if self._cancelled_timers > 256 and self._cancelled_timers * 2 > len(self._timers):
            self._timers[:] = [entry for entry in self._timers if not entry[2]._cancelled]
            heapify(self._timers)
            self._cancelled_timers = 0

    # -- running --------------------------------------------------------------------------------
    def _run_once(self) -> None:
        """Rounds of the loop until it is stopped; asyncio calls this in a loop of its own."""
        ready, timers = self._ready, self._timers
        left = 0  # of this round
        while True:
            if left:
                left -= 1
                handle = ready.popleft()
            else:
                if self._choose is None:
                    while timers and timers[0][0] <= self.now_ns:
                        self._release(heappop(timers)[2])
                left = len(ready)
                if left:
                    self.steps += left
                    if self.steps > self._pause_at:
                        self._take_stock()
                    continue
                if self._stopping:
                    return
                handle = self._jump()
                if handle is None:
                    continue
            if handle._cancelled:
                continue
            if handle._context is None:
                handle.happen()
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                message = f"Exception in callback {handle!r}"
                self.call_exception_handler({"message": message, "exception": error})
            if self._stopping and not left:
                return

    def _release(self, event: Any) -> None:
        event._scheduled = False
        if event._cancelled:
            self._cancelled_timers -= 1
        else:
            self._ready.append(event)

    def _jump(self) -> Any:
        """Move the clock to the next event and return it; None when it is among the ready ones,
        because others are due with it."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            self._release(heappop(timers)[2])
        if not timers or timers[0][0] >= NEVER_NS:
            raise Deadlock(
                f"at {self.time():g} s nothing is ready and no timer is left; waiting:\n"
                f"{self._unfinished()}"
            )
        self.steps += 1
        if self.steps > self._pause_at:
            self._take_stock()
        if self._choose is not None:
            return self._chosen(self._choose)
        self.now_ns, _, event = heappop(timers)
        event._scheduled = False
        if timers and timers[0][0] <= self.now_ns:
            self._ready.append(event)
            return None
        return event

    def _chosen(self, choose: Choose) -> Any:
        timers = self._timers
        latest_ns = timers[0][0] + self._window_ns
        possible = []
        while timers and timers[0][0] <= latest_ns:
            entry = heappop(timers)
            if entry[2]._cancelled:
                self._release(entry[2])
            else:
                possible.append(entry)
        when_ns, _, event = possible.pop(choose(len(possible)) if len(possible) > 1 else 0)
        for entry in possible:
            heappush(timers, entry)
        self.now_ns = max(self.now_ns, when_ns)
        event._scheduled = False
        return event

    def _take_stock(self) -> None:
        """Every so many steps: look for endless loops, and let go of cycles.

        Memory is collected here and not when Python would, so that finalisers run at the same step
        in every repetition.
        """
        if self.now_ns == self._stock_ns:
            raise Livelock(
                f"over {STOCK_STEPS:,} steps at {self.time():g} s and the clock does not move; "
                f"unfinished:\n{self._unfinished()}"
            )
        if self.steps > self._most_steps:
            raise Livelock(
                f"more than {self._most_steps:,} steps; at {self.time():g} s unfinished:\n"
                f"{self._unfinished()}"
            )
        gc.collect(1)
        self._stock_ns = self.now_ns
        self._pause_at = min(self.steps + STOCK_STEPS, self._most_steps)

    def renew_budget(self) -> None:
        """Count steps from zero again."""
        self.steps, self._stock_ns = 0, -1
        self._pause_at = min(STOCK_STEPS, self._most_steps)

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
