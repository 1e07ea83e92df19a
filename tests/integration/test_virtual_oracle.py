"""The loop against others: a stock asyncio loop with a patched clock, and detangle's."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from paychain.simulation.simulate import simulate

Trace = list[str]


class Jumping(selectors.BaseSelector):
    """A selector that waits for nothing: the clock jumps by the wait it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += timeout or 0.0
        return self._real.select(0)

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return self._real.unregister(fileobj)

    def get_map(self) -> Any:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def on_stock_loop(program: Callable[[], Coroutine[Any, Any, Trace]]) -> Trace:
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]  # in place of the real one
    try:
        return loop.run_until_complete(program())
    finally:
        loop.close()


def on_detangle(program: Callable[[], Coroutine[Any, Any, Trace]]) -> Trace:
    detangle = pytest.importorskip("detangle", reason="detangle is not installed")
    trace: Trace = detangle.run(program, reorder=False, seed_random=False)
    return trace


def program(seed: int) -> Callable[[], Coroutine[Any, Any, Trace]]:
    """A crowd of tasks with timeouts, retries, cancellation, queues, locks and groups.

    Times are sums of odd fractions of a second, so that no two timers tie by accident: the order
    of ties is the one thing asyncio leaves open.
    """

    async def main() -> Trace:
        chance = random.Random(seed)
        loop = asyncio.get_running_loop()
        seen: Trace = []
        queue: asyncio.Queue[int] = asyncio.Queue(3)
        lock = asyncio.Lock()
        opened = asyncio.Event()

        def note(text: str) -> None:
            seen.append(f"{loop.time():.3f} {text}")

        async def work(number: int, takes: list[float]) -> int:
            try:
                async with lock:
                    await asyncio.sleep(takes[0])
                async with asyncio.timeout(takes[1]):
                    await asyncio.sleep(takes[2])
                note(f"{number} done")
                await queue.put(number)
            except TimeoutError:
                note(f"{number} too late")
            except asyncio.CancelledError:
                note(f"{number} cancelled")
                raise
            return number

        async def reader() -> None:
            while True:
                note(f"read {await queue.get()}")
                await asyncio.sleep(chance.random() / 7)

        reading = loop.create_task(reader())
        loop.call_later(0.777, opened.set)
        tasks = []
        for number in range(40):
            takes = [chance.random() / 11, chance.random(), chance.random()]
            tasks.append(loop.create_task(work(number, takes)))
        loop.call_later(1.2345, tasks[30].cancel)
        await opened.wait()
        note("opened")
        tasks[39].cancel()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(work(100, [0.0123, 0.5, 0.321]))
                group.create_task(asyncio.wait_for(asyncio.Event().wait(), 0.4567))
        except* TimeoutError:
            note("group failed")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        note(str([type(each).__name__ for each in results]))
        while not queue.empty():
            await asyncio.sleep(0.0123)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return seen

    return main


@pytest.mark.parametrize("seed", range(20))
def test_the_stock_loop_with_a_jumping_clock_has_the_same_history(seed: int) -> None:
    ours = simulate(lambda _: program(seed)())
    assert len(ours) > 50
    assert ours == on_stock_loop(program(seed))
    assert ours == on_detangle(program(seed))
