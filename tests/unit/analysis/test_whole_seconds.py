"""Payments that are counted by whole seconds are those that are counted one by one."""

from __future__ import annotations

from random import Random

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.payments import measured, payments
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.store.queries import paid
from tests.support.recorded import CHAIN, Recorded


def busy_run() -> MeasuredRun:
    """Faults that overlap, begin and end within a second, under payments that last longer."""
    run, drawn = Recorded(ends_s=60, warm_up_s=2), Random(1)
    for _ in range(500):
        run.pay(
            drawn.randrange(600) / 10,
            drawn.choice(["approved", "approved", "declined", "technical", "unknown"]),
            took_ms=drawn.choice([20, 400, 3_000]),
            amount=drawn.randrange(1, 1_000),
            late_ms=drawn.choice([0, 0, 5, 900]),
        )
    for name, on_s, off_s in (("a", 10.25, 12.75), ("b", 12.5, 20.0), ("c", 24.1, 24.4)):
        run.fault(name, on_s, off_s)
    store = run.store()
    return MeasuredRun(store, CHAIN, run.experiment(latency_p95="<= 400ms"), run.facts())


def test_payments_counted_by_whole_seconds_are_those_counted_one_by_one() -> None:
    run = busy_run()
    phases, punctuality = run[payments]
    one_by_one, as_punctual = measured(run, lambda: paid(run.store))
    assert phases == one_by_one
    assert {phase.kind for phase in phases if phase.offered} >= {"during", "between", "recovery"}
    assert numbers(punctuality) == numbers(as_punctual)
    run.store.close()


def numbers(punctuality: Punctuality) -> list[float | None]:
    return [
        punctuality.recorded,
        punctuality.longest_ms,
        punctuality.p99_ms,
        punctuality.rate_reached,
    ]
