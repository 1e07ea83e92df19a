"""Several load processes, each in a line: on the terminal, on the page, in the document."""

from __future__ import annotations

import msgspec

from paychain.analysis.store.facts import WorkerFacts
from paychain.report.html.page import render
from paychain.report.result import LoadFacts, Result
from paychain.report.text.terminal import WIDTH, terminal_lines
from paychain.report.text.workers import worker_lines
from tests.support.report_results import result

WHOLE = WorkerFacts(
    name="worker-1",
    planned=600,
    started=600,
    recorded=600,
    missing=0,
    lag_p99_ms=1.24,
    lag_max_ms=9.0,
    clock_offset_ms=-0.021,
    clock_uncertainty_ms=0.154,
    clock_drift_ms=0.009,
    clock_drift_uncertainty_ms=0.4,
)
LOST = WorkerFacts(
    name="far-2",
    planned=600,
    started=45,
    recorded=43,
    missing=557,
    lag_p99_ms=None,
    lag_max_ms=None,
    clock_offset_ms=None,
    clock_uncertainty_ms=None,
    clock_drift_ms=None,
    clock_drift_uncertainty_ms=None,
    lost="silent for 10 s",
)


def spread() -> Result:
    load = LoadFacts(
        rate=40.0,
        planned=1200,
        offered=645,
        recorded=643,
        lag_p99_ms=3.0,
        lag_max_ms=9.0,
        workers=[WHOLE, LOST],
    )
    return msgspec.structs.replace(result(), load=load)


def test_a_worker_says_its_share_its_lag_and_its_clock() -> None:
    assert worker_lines(spread())[0] == (
        "worker-1",
        "600 of 600 payments recorded, 1.2 ms late (p99), clock −0.02 ± 0.15 ms",
    )


def test_a_drift_is_shown_when_it_exceeds_the_uncertainty_of_its_measurement() -> None:
    moved = msgspec.structs.replace(WHOLE, clock_drift_ms=-3.5, clock_drift_uncertainty_ms=0.4)
    load = msgspec.structs.replace(spread().load, workers=[moved])
    ((_, line),) = worker_lines(msgspec.structs.replace(result(), load=load))
    assert line.endswith(", clock −0.02 ± 0.15 ms, drift −3.50 ms")


def test_a_lost_worker_says_why_and_what_there_is_of_its_share() -> None:
    assert worker_lines(spread())[1] == (
        "far-2",
        "lost (silent for 10 s), 43 of 600 payments recorded",
    )


def test_every_worker_is_named_on_the_terminal_and_on_the_page() -> None:
    lines = terminal_lines(spread())
    assert "   far-2: lost (silent for 10 s), 43 of 600 payments recorded" in lines
    assert max(map(len, lines)) <= WIDTH
    page = render(spread())
    assert '<th scope="row">Worker worker-1</th>' in page
    assert "43 of 600 payments recorded" in page


def test_a_run_of_one_process_speaks_of_no_workers() -> None:
    assert worker_lines(result()) == []
    assert "Load workers" not in terminal_lines(result())
