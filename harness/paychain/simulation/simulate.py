"""Run a program in virtual time, guarded, and check that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from paychain.simulation.forbidden import ForbiddenInSimulation
from paychain.simulation.guard import guarded
from paychain.simulation.loop import MAX_STEPS, Choose, Deadlock, Livelock, VirtualLoop

T = TypeVar("T")
SETTLE_S = 0.01  # virtual: ends and resets of closed connections reach their peers
MIDDLE, OLD = 10, 500  # simulations between two collections of what outlived one, or several


class Leaked(RuntimeError):
    """The program ended and left tasks, generators, listeners or transports behind."""


class Unhandled(RuntimeError):
    """An error in a callback or a task reached nobody."""


FAILURES = (Deadlock, Livelock, ForbiddenInSimulation, Leaked, Unhandled)


def simulate(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    choose: Choose | None = None,
    window_s: float = 0.0,
    max_steps: int = MAX_STEPS,
) -> T:
    """Run `main(loop)` to its end and return what it returns.

    `choose` picks among timers due within `window_s` virtual seconds of each other (see
    VirtualLoop); `max_steps` bounds the callbacks. Raises what `main` raises, Deadlock, Livelock,
    ForbiddenInSimulation, Unhandled or Leaked.
    """
    loop = VirtualLoop(
        seed=seed, choose=choose, window_ns=round(window_s * 1e9), max_steps=max_steps
    )
    with guarded(), collecting_by_steps():
        try:
            result = loop.run_until_complete(main(loop))
            loop.run_until_complete(asyncio.sleep(SETTLE_S))
            left = loop.leaks()
        finally:
            close_loop(loop)
    if loop.unhandled:
        raise Unhandled("; ".join(loop.unhandled))
    if left:
        raise Leaked("left behind:\n" + "\n".join(f"  {line}" for line in left))
    return result


@contextmanager
def collecting_by_steps() -> Iterator[None]:
    """Keep Python from collecting cycles by itself meanwhile: the loop does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def frozen_memory() -> Iterator[None]:
    """Keep what exists before many simulations out of every collection during them.

    It is far more than one simulation makes. Where something is frozen already, that stays as it
    is: unfreezing would undo somebody else's decision.

    Cycles are collected only when `Cycles` are asked to, once a simulation is over. Python would do
    so when the simulation's loop has ended and all that it ran on is still there: it would look at
    everything, free little, and look at it again later.
    """
    is_ours = not gc.get_freeze_count()
    if is_ours:
        gc.collect()
        gc.freeze()
    try:
        with collecting_by_steps():
            yield
    finally:
        if is_ours:
            gc.unfreeze()


class Cycles:
    """Frees what simulations leave behind in cycles, one simulation after the other."""

    def __init__(self) -> None:
        self._simulations = 0

    def collect(self) -> None:
        """Collect what is new since the last simulation; seldom, what has outlived that as well."""
        self._simulations += 1
        if self._simulations % OLD == 0:
            gc.collect()
        else:
            gc.collect(int(self._simulations % MIDDLE == 0))


def close_loop(loop: VirtualLoop) -> None:
    """Cancel whatever still runs and close the loop."""
    loop.reset_steps()
    try:
        tasks = asyncio.all_tasks(loop)
        for task in sorted(tasks, key=lambda task: task.get_name()):
            task.cancel()
        with suppress(Deadlock, Livelock):
            loop.run_until_complete(_end(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
