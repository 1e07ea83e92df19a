"""Run a program in virtual time, guarded, and see that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from harness.simulation.forbidden import ForbiddenInSimulation
from harness.simulation.guard import guarded
from harness.simulation.loop import MOST_STEPS, Choose, Deadlock, Livelock, VirtualLoop

T = TypeVar("T")
SETTLE_S = 0.01  # virtual: closed connections tell each other


class Leaked(RuntimeError):
    """The program ended and left tasks, generators, listeners or transports behind."""


class Unhandled(RuntimeError):
    """An error in a callback or a task reached nobody."""


FAILURES = (Deadlock, Livelock, ForbiddenInSimulation, Leaked, Unhandled)


def simulate(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], *, seed: int = 0,
    choose: Choose | None = None, window_s: float = 0.0, most_steps: int = MOST_STEPS,
) -> T:  # fmt: skip
    """Run `main(loop)` to its end and return what it returns.

    Raises what it raises, Deadlock, Livelock, ForbiddenInSimulation, Unhandled or Leaked.
    """
    loop = VirtualLoop(
        seed=seed, choose=choose, window_ns=round(window_s * 1e9), most_steps=most_steps
    )
    with guarded(), _collecting_by_steps():
        try:
            result = loop.run_until_complete(main(loop))
            loop.run_until_complete(asyncio.sleep(SETTLE_S))
            left = loop.leaks()
        finally:
            _close(loop)
    if loop.unhandled:
        raise Unhandled("; ".join(loop.unhandled))
    if left:
        raise Leaked("left behind:\n" + "\n".join(f"  {line}" for line in left))
    return result


@contextmanager
def _collecting_by_steps() -> Iterator[None]:
    """Python collects no cycles by itself meanwhile: the loop does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def memory_kept() -> Iterator[None]:
    """Over many simulations, what is there before them is not searched for garbage again and
    again: it is far more than one of them makes."""
    if gc.get_freeze_count():  # somebody else's matter
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _close(loop: VirtualLoop) -> None:
    """End whatever still runs."""
    loop.renew_budget()
    try:
        tasks = asyncio.all_tasks(loop)
        for task in sorted(tasks, key=lambda task: task.get_name()):
            task.cancel()
        with suppress(Deadlock, Livelock):
            loop.run_until_complete(_ended(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
