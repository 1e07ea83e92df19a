"""Several load processes, each in a line: on the terminal, on the page, in the document."""

from __future__ import annotations

import msgspec
from report_results import result

from harness.report.html import render
from harness.report.result import LoadFacts, Result, WorkerFacts
from harness.report.terminal import WIDTH, terminal_lines
from harness.report.workers import worker_lines

WHOLE = WorkerFacts("worker-1", 600, 600, 600, 0, 1.24, 9.0, -0.021, 0.154, 0.009, 0.4)
LOST = WorkerFacts(
    "far-2", 600, 45, 43, 557, None, None, None, None, None, None, "not heard for 10 s"
)


def spread() -> Result:
    load = LoadFacts(40.0, 1200, 645, 643, 3.0, 9.0, workers=[WHOLE, LOST])
    return msgspec.structs.replace(result(), load=load)


def test_a_worker_says_its_share_its_lag_and_its_clock() -> None:
    assert worker_lines(spread())[0] == (
        "worker-1",
        "600 of 600 payments recorded, 1.2 ms late (p99), clock −0.02 ± 0.15 ms",
    )


def test_a_drift_is_told_when_it_is_more_than_the_doubt_of_the_measure() -> None:
    moved = msgspec.structs.replace(WHOLE, clock_drift_ms=-3.5, clock_drift_within_ms=0.4)
    load = msgspec.structs.replace(spread().load, workers=[moved])
    ((_, line),) = worker_lines(msgspec.structs.replace(result(), load=load))
    assert line.endswith(", clock −0.02 ± 0.15 ms, drift −3.50 ms")


def test_a_lost_worker_says_why_and_what_there_is_of_its_share() -> None:
    assert worker_lines(spread())[1] == (
        "far-2", "lost (not heard for 10 s), 43 of 600 payments recorded"
    )  # fmt: skip


def test_every_worker_is_named_on_the_terminal_and_on_the_page() -> None:
    lines = terminal_lines(spread())
    assert "   far-2: lost (not heard for 10 s), 43 of 600 payments recorded" in lines
    assert max(map(len, lines)) <= WIDTH
    page = render(spread())
    assert '<th scope="row">Worker worker-1</th>' in page
    assert "43 of 600 payments recorded" in page


def test_a_run_of_one_process_speaks_of_no_workers() -> None:
    assert worker_lines(result()) == []
    assert "Load workers" not in terminal_lines(result())
