"""A late heartbeat shows for how long the process stalled."""

from __future__ import annotations

import asyncio
import time

from paychain.processes.stalls import EVERY_S, WORTH_S, StallDetector

MS = 1_000_000


def test_only_a_heartbeat_that_is_late_by_enough_is_reported() -> None:
    clock, report = [0], list[tuple[int, int]]()
    detector = StallDetector(lambda: clock[0], lambda *span: report.append(span))
    every_ns, worth_ns = round(EVERY_S * 1e9), round(WORTH_S * 1e9)
    for late_ns in (0, 10 * MS, worth_ns - 1):
        clock[0] += every_ns + late_ns
        detector.heartbeat()
    assert report == []
    due_ns = clock[0] + every_ns
    clock[0] = due_ns + worth_ns
    detector.heartbeat()
    assert report == [(due_ns, due_ns + worth_ns)]
    clock[0] += every_ns  # in time again: counted from the heartbeat that came late
    detector.heartbeat()
    assert len(report) == 1


def beats(late_ms: list[int]) -> list[int]:
    """How late each reported heartbeat was, in milliseconds, of these."""
    clock, report = [0], list[int]()
    detector = StallDetector(lambda: clock[0], lambda due, at: report.append((at - due) // MS))
    for late in late_ms:
        clock[0] += round(EVERY_S * 1e9) + late * MS
        detector.heartbeat()
    return report


def test_a_process_that_runs_in_slices_is_reported_although_no_slice_is_long() -> None:
    # Each heartbeat is 20 ms + 30 ms after the one before: ten of them are late by 300 ms in 0.5 s.
    assert beats([30] * 9) == []
    assert beats([30] * 10) == [30] * 10
    assert beats([30] * 19) == [30] * 10
    assert beats([30] * 20) == [30] * 20


def test_small_delays_now_and_then_are_not_reported() -> None:
    # 5 ms late each time is 40 heartbeats and 200 ms in a second; 40 ms once in 10 is 40 in 240 ms.
    assert beats([5] * 500) == []
    assert beats(([0] * 9 + [40]) * 50) == []


def test_a_stalled_loop_is_reported() -> None:
    report: list[float] = []

    async def work() -> None:
        StallDetector(time.monotonic_ns, lambda a, b: report.append((b - a) / 1e9)).keep()
        await asyncio.sleep(2 * EVERY_S)
        time.sleep(EVERY_S + 2 * WORTH_S)  # what a busy machine does to a loop
        await asyncio.sleep(2 * EVERY_S)

    asyncio.run(work())
    assert max(report) >= WORTH_S
