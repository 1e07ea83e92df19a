"""The deterministic loop: order, time, and what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from paychain.simulation.forbidden import ForbiddenInSimulation
from paychain.simulation.loop import Deadlock, Livelock, VirtualLoop
from paychain.simulation.simulate import Leaked, Unhandled, simulate


def test_an_hour_passes_at_once_and_exactly() -> None:
    async def main(loop: VirtualLoop) -> int:
        await asyncio.sleep(3_600)
        await asyncio.sleep(0.1)
        return loop.now_ns

    assert simulate(main) == 3_600_100_000_000


def test_timers_fire_in_order_of_time_and_ties_in_order_of_registration() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []
        loop.call_later(0.2, seen.append, "late")
        for name in "abc":
            loop.call_later(0.1, seen.append, name)
        loop.call_at(loop.time() - 5, seen.append, "past")
        loop.call_soon(seen.append, "soon")
        await asyncio.sleep(0.3)
        return seen

    assert simulate(main) == ["soon", "past", "a", "b", "c", "late"]


def test_a_timer_never_fires_before_its_time_whatever_its_fraction() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        early: list[float] = []
        for number in range(1, 2_000):
            when = number / 7_919 * 1e-3

            def fire(when: float = when) -> None:
                if loop.time() < when:
                    early.append(when)

            loop.call_at(when, fire)
        await asyncio.sleep(1)
        return early

    assert simulate(main) == []


def test_a_cancelled_timer_does_not_fire_and_does_not_move_the_clock() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[str], int]:
        seen: list[str] = []
        for _ in range(1_000):  # enough for the heap to be swept
            loop.call_later(50, seen.append, "never").cancel()
        timer = loop.call_later(0.5, seen.append, "once")
        await asyncio.sleep(1)
        timer.cancel()  # too late: it has fired
        await asyncio.sleep(1)
        return seen, loop.now_ns

    assert simulate(main) == (["once"], 2_000_000_000)


def test_timeouts_task_groups_and_cancellation_work_as_in_asyncio() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []

        async def worker(name: str, seconds: float) -> None:
            try:
                await asyncio.sleep(seconds)
                seen.append(f"{name} done at {loop.time():g}")
            except asyncio.CancelledError:
                seen.append(f"{name} cancelled at {loop.time():g}")
                raise

        async def failing() -> None:
            await asyncio.sleep(2)
            raise ValueError("no")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker("slow", 10), 1)
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(worker("quick", 1))
                group.create_task(worker("long", 5))
                group.create_task(failing())
        async with asyncio.timeout(4):
            await worker("in time", 3)
        return seen

    assert simulate(main) == [
        "slow cancelled at 1",
        "quick done at 2",
        "long cancelled at 3",
        "in time done at 6",
    ]


def test_a_deadlock_names_the_tasks_and_the_lines_where_they_wait() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def main(_: VirtualLoop) -> None:
        await asyncio.sleep(2)
        await asyncio.create_task(waits_for_ever(), name="forgotten")

    with pytest.raises(Deadlock, match="at 2 s nothing is ready") as caught:
        simulate(main)
    assert "task forgotten (" in str(caught.value)
    assert f"waits at {__file__}:" in str(caught.value)


def test_a_program_that_spins_without_time_passing_is_a_livelock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("paychain.simulation.loop.CHECK_STEPS", 10_000)  # its own takes a second

    async def main(_: VirtualLoop) -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="the clock does not move"):
        simulate(main)


def test_a_program_that_never_ends_hits_its_budget_of_steps() -> None:
    async def main(_: VirtualLoop) -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(Livelock, match="more than 1,000 steps"):
        simulate(main, max_steps=1_000)


async def _leaves_a_task(_: VirtualLoop) -> None:
    kept.append(asyncio.create_task(asyncio.sleep(100), name="left"))


async def _leaves_a_listener(loop: VirtualLoop) -> None:
    await loop.create_server(asyncio.Protocol, "127.0.0.1", 8_080)


async def _leaves_a_connection(loop: VirtualLoop) -> None:
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 8_080)
    await loop.create_connection(asyncio.Protocol, "127.0.0.1", 8_080)
    server.close()


async def _leaves_a_generator(_: VirtualLoop) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    generator = numbers()
    kept.append(generator)
    await anext(generator)


kept: list[object] = []


@pytest.mark.parametrize(
    ("main", "left"),
    [
        (_leaves_a_task, "task left"),
        (_leaves_a_listener, "listener 127.0.0.1:8080"),
        (_leaves_a_connection, "transport 127.0.0.1:8080 -> 127.0.0.1:49152"),
        (_leaves_a_generator, "async generator _leaves_a_generator"),
    ],
)
def test_what_a_program_leaves_behind_is_named(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, None]], left: str
) -> None:
    with pytest.raises(Leaked, match=left):
        simulate(main)
    kept.clear()


def test_an_error_in_a_callback_reaches_the_caller() -> None:
    async def main(loop: VirtualLoop) -> None:
        loop.call_later(1, lambda: 1 / 0)
        await asyncio.sleep(2)

    with pytest.raises(Unhandled, match="ZeroDivisionError"):
        simulate(main)


def test_an_error_of_the_program_is_raised_and_its_tasks_are_ended() -> None:
    ended: list[str] = []

    async def worker() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("worker")

    async def main(_: VirtualLoop) -> None:
        task = asyncio.create_task(worker())
        await asyncio.sleep(1)
        assert not task.done()
        raise LookupError("the program's own")

    with pytest.raises(LookupError, match="own"):
        simulate(main)
    assert ended == ["worker"]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.add_signal_handler(15, print),
        lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
        lambda loop: loop.sock_connect(None, ("127.0.0.1", 80)),
        lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: asyncio.to_thread(print),
    ],
)
def test_what_leaves_virtual_time_is_forbidden_and_says_what_to_do_instead(
    attempt: Callable[[VirtualLoop], Any],
) -> None:
    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(ForbiddenInSimulation, match=r"is forbidden in a simulation: .+"):
            pending = attempt(loop)
            await pending

    simulate(main)


def test_a_search_chooses_among_timers_within_the_window_and_never_makes_one_early() -> None:
    # Due at 1.0, 1.1 and 2.0 s; a window of 0.5 s lets the second overtake the first, not the third
    def run(choices: list[int]) -> list[str]:
        given = iter(choices)

        async def main(loop: VirtualLoop) -> list[str]:
            seen: list[str] = []
            for name, when in (("first", 1.0), ("second", 1.1), ("third", 2.0)):
                loop.call_at(when, lambda n=name: seen.append(f"{n} {loop.time():g}"))
            done = loop.create_future()
            loop.call_at(3.0, done.set_result, None)
            await done
            return seen

        return simulate(main, choose=lambda _: next(given, 0), window_s=0.5)

    assert run([0]) == ["first 1", "second 1.1", "third 2"]
    assert run([1]) == ["second 1.1", "first 1.1", "third 2"]


def test_a_task_group_gives_up_its_tasks_in_the_same_order_whatever_their_addresses() -> None:
    async def main(_: VirtualLoop) -> list[int]:
        cancelled: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.sleep(10)
            finally:
                cancelled.append(number)

        async def fail() -> None:
            await asyncio.sleep(1)
            raise LookupError

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(wait(number))
                group.create_task(fail())
        return cancelled

    orders = []
    for size in range(1, 6):
        kept.append([bytearray(100) for _ in range(size * 1_000)])  # other addresses each time
        orders.append(simulate(main))
    kept.clear()
    assert sorted(orders[0]) == list(range(20))
    assert orders == [orders[0]] * 5
