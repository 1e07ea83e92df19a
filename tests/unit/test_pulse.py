"""A beat that comes late says for how long the process stood still."""

from __future__ import annotations

import asyncio
import time

from harness.pulse import EVERY_S, WORTH_S, Pulse

MS = 1_000_000


def test_only_a_beat_that_is_late_by_enough_is_told() -> None:
    clock, told = [0], list[tuple[int, int]]()
    pulse = Pulse(lambda: clock[0], lambda *span: told.append(span))
    every_ns, worth_ns = round(EVERY_S * 1e9), round(WORTH_S * 1e9)
    for late_ns in (0, 10 * MS, worth_ns - 1):
        clock[0] += every_ns + late_ns
        pulse.beat()
    assert told == []
    due_ns = clock[0] + every_ns
    clock[0] = due_ns + worth_ns
    pulse.beat()
    assert told == [(due_ns, due_ns + worth_ns)]
    clock[0] += every_ns  # in time again: counted from the beat that came late
    pulse.beat()
    assert len(told) == 1


def test_a_loop_that_is_held_up_is_told_of() -> None:
    told: list[float] = []

    async def work() -> None:
        Pulse(time.monotonic_ns, lambda a, b: told.append((b - a) / 1e9)).keep()
        await asyncio.sleep(2 * EVERY_S)
        time.sleep(EVERY_S + 2 * WORTH_S)  # what a busy machine does to a loop
        await asyncio.sleep(2 * EVERY_S)

    asyncio.run(work())
    assert max(told) >= WORTH_S
