"""A deterministic asyncio loop in virtual time.

    timers (a heap by time and number)            ready (a queue)
    ┌──────────────────────────────┐   due now   ┌──────────────────┐
    │ 12.3 ms #7 · 12.3 ms #9 · …  │ ──────────> │ callback, event  │ ──> run
    └──────────────────────────────┘             └──────────────────┘
                └── nothing ready: move the clock to the earliest timer

Nothing waits in real time. Time is an integer of nanoseconds and never goes back; timers are
ordered by (time, number), so one program with one seed has one history, whatever the process, the
hash seed and the Python version.

It overrides private names of asyncio (`_run_once`, `_ready`, `Handle`): they are the same in every
supported Python, and the tests compare it with the stock loop on each.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
from asyncio import base_events
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from paychain.simulation.clock import SimulatedClock, TimedEvent
from paychain.simulation.forbidden import only_virtual
from paychain.simulation.handles import NumberedTask, ReadyHandle, Timer
from paychain.simulation.network import FreePort, Network
from paychain.simulation.unfinished import generator_lines, task_lines

MAX_STEPS = 50_000_000  # callbacks in one simulation: far above any run, finite all the same
CHECK_STEPS = 250_000  # steps between two checks; as many at one moment are a livelock
MIN_CANCELLED = 256  # cancelled timers in the heap before dropping them is worth a pass
NEVER_NS = 1 << 62  # timers at or after this do not count as something to wait for

# Which of `n` events that may happen next does: the number of one of them, 0 to n - 1.
Choose = Callable[[int], int]


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is left, but the program has not ended."""


class Livelock(RuntimeError):
    """The program goes on and on: more steps than the limit allows."""


@only_virtual
class VirtualLoop(SimulatedClock, base_events.BaseEventLoop):
    """Runs callbacks in order of registration and timers in order of time.

    With `choose`, a search decides which timer fires next among those due within `window_ns` of the
    earliest; the others fire late, as on a busy machine. Callbacks that are ready keep their order,
    which asyncio promises. run_until_complete raises Deadlock, and Livelock after `max_steps`
    callbacks.
    """

    _ready: deque[Any]  # asyncio's own, as are the next three
    _stopping: bool
    _asyncgens: Any
    _task_factory: Any

    def __init__(
        self,
        *,
        seed: int = 0,
        choose: Choose | None = None,
        window_ns: int = 0,
        max_steps: int = MAX_STEPS,
    ) -> None:
        super().__init__()
        self.now_ns = 0
        self.steps = self._next_check = 0
        self._checked_at_ns = -1  # virtual time of the last check
        self.unhandled: list[str] = []  # errors that reached nobody
        self.network = Network(self, seed)
        self._choose = choose
        self._window_ns = window_ns
        self._max_steps = max_steps
        self._timers: list[tuple[int, int, Any]] = []  # a heap of time in ns, number, event
        self._number = 0
        self._tasks_made = 0
        self._cancelled_timers = 0
        self.reset_steps()
        self.set_exception_handler(lambda _, context: self._note_unhandled(context))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_ns / 1e9

    def call_soon(  # type: ignore[override]  # typeshed ties args by type
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback after those that are ready."""
        handle = ReadyHandle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # typeshed ties args by type
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a time in seconds; never before it, ties in order of registration."""
        return self._set_timer(when, callback, args, context)

    def _set_timer(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> Timer:
        timer = Timer(when, callback, args, self, context)
        # The first nanosecond at which `time() >= when`: rounding alone may give one too early.
        when_ns = round(when * 1e9) if when < NEVER_NS / 1e9 else NEVER_NS
        if when_ns / 1e9 < when:
            when_ns += 1
        self._number += 1
        heappush(self._timers, (when_ns, self._number, timer))
        return timer

    def call_later(  # type: ignore[override]  # typeshed ties args by type
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback after a delay in seconds."""
        return self._set_timer(self.now_ns / 1e9 + delay, callback, args, context)

    def create_task(self, coro: Any, **keywords: Any) -> asyncio.Task[Any]:
        """Run a coroutine."""
        if self._task_factory is not None:
            return super().create_task(coro, **keywords)
        return NumberedTask(coro, loop=self, **keywords)

    def number_task(self) -> int:
        """A number for a new task, counted from the start of the loop."""
        self._tasks_made += 1
        return self._tasks_made

    def close(self) -> None:
        """Run nothing more and drop every timer."""
        super().close()
        self._timers.clear()

    async def until(self, when_ns: int) -> None:
        """Sleep until exactly that moment, in nanoseconds since the loop was made."""
        waiter = self.create_future()
        timer = self.call_at(when_ns / 1e9, waiter.set_result, None)
        try:
            await waiter
        finally:
            timer.cancel()

    def at_ns(self, when_ns: int, event: TimedEvent) -> None:
        """Let an event happen at a time, in nanoseconds since the loop was made."""
        self._number += 1
        heappush(self._timers, (when_ns, self._number, event))

    def forget_timer(self) -> None:
        """Note that a timer was cancelled; drop cancelled timers when they are most of the heap.

        Most timers bound a call that is answered in time, so most are cancelled. Removing each at
        once would search the heap for it.
        """
        self._cancelled_timers += 1
        is_worth_it = self._cancelled_timers > MIN_CANCELLED
        if is_worth_it and self._cancelled_timers * 2 > len(self._timers):
            self._timers[:] = [entry for entry in self._timers if not entry[2]._cancelled]
            heapify(self._timers)
            self._cancelled_timers = 0

    def _run_once(self) -> None:
        """Run rounds of the loop until it is stopped; asyncio calls this in a loop of its own.

        A round is what was ready when it began; what becomes ready meanwhile waits for the next
        round, as in asyncio. Many rounds run in one call because each call costs as much as a
        callback.
        """
        ready, timers = self._ready, self._timers
        left = 0  # callbacks of this round
        while True:
            if left:
                left -= 1
                handle = ready.popleft()
            else:
                # A new round: timers that are due join what is ready. While a search chooses, it
                # alone decides when a timer fires.
                if self._choose is None:
                    while timers and timers[0][0] <= self.now_ns:
                        self._release(heappop(timers)[2])
                if ready:
                    left = len(ready)
                    self.steps += left
                    if self.steps > self._next_check:
                        self._check_progress()
                    continue
                if self._stopping:
                    return
                handle = self._jump()
                if handle is None:
                    continue
            if handle._cancelled:
                continue
            # An event has no context: it is ours and runs nobody's code in one.
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
        """Move an event that left the heap to the ready ones, unless it was cancelled."""
        event._scheduled = False
        if event._cancelled:
            self._cancelled_timers -= 1
        else:
            self._ready.append(event)

    def _jump(self) -> Any:
        """Move the clock to the next event and return it.

        Returns None when others are due at the same time: then all of them are a round of their
        own, in order of registration. Raises Deadlock when there is no event to move to.
        """
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            self._release(heappop(timers)[2])
        if not timers or timers[0][0] >= NEVER_NS:
            raise Deadlock(
                f"at {self.time():g} s nothing is ready and no timer is left; waiting:\n"
                f"{self._unfinished()}"
            )
        self.steps += 1
        if self.steps > self._next_check:
            self._check_progress()
        if self._choose is not None:
            return self._chosen(self._choose)
        when_ns, _, event = heappop(timers)
        assert when_ns > self.now_ns, "time never goes back; what was due is ready already"
        self.now_ns = when_ns
        event._scheduled = False
        if timers and timers[0][0] <= when_ns:
            self._ready.append(event)
            return None
        return event

    def _chosen(self, choose: Choose) -> Any:
        """Let the search pick among the events within the window; the clock never goes back."""
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
        # An event that was passed over earlier is late: it happens now, not in the past.
        self.now_ns = max(self.now_ns, when_ns)
        event._scheduled = False
        return event

    def _check_progress(self) -> None:
        """Every CHECK_STEPS steps: look for endless loops, and let go of cycles.

        Memory is collected here and not when Python would, so that finalisers run at the same step
        in every repetition. Raises Livelock.
        """
        if self.now_ns == self._checked_at_ns:
            raise Livelock(
                f"over {CHECK_STEPS:,} steps at {self.time():g} s and the clock does not move; "
                f"unfinished:\n{self._unfinished()}"
            )
        if self.steps > self._max_steps:
            raise Livelock(
                f"more than {self._max_steps:,} steps; at {self.time():g} s unfinished:\n"
                f"{self._unfinished()}"
            )
        gc.collect(1)
        self._checked_at_ns = self.now_ns
        self._next_check = min(self.steps + CHECK_STEPS, self._max_steps)

    def reset_steps(self) -> None:
        """Count steps from zero again."""
        self.steps, self._checked_at_ns = 0, -1
        self._next_check = min(CHECK_STEPS, self._max_steps)

    def _unfinished(self) -> str:
        return "\n".join(f"  {line}" for line in task_lines(self)) or "  no task"

    def leaks(self) -> list[str]:
        """What the program left behind: tasks, async generators, listeners, transports."""
        return [*task_lines(self), *generator_lines(self._asyncgens), *self.network.open()]

    def _note_unhandled(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        about = f"{type(error).__name__}: {error}" if error is not None else "no exception"
        self.unhandled.append(f"{context.get('message', 'an error')} ({about})")

    def hold_port(self, host: str, port: int) -> FreePort:
        """A port of this network, on which a server may listen later (wire/ports.py)."""
        return FreePort(host, port)

    async def create_server(self, *args: Any, **keywords: Any) -> Any:
        """Listen in memory."""
        return await self.network.listen(*args, **keywords)

    async def create_connection(self, *args: Any, **keywords: Any) -> Any:
        """Connect in memory."""
        return await self.network.connect(*args, **keywords)
