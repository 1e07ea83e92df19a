"""A repeat without an idempotency key is a risk, even when nothing went wrong."""

from __future__ import annotations

from pathlib import Path

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.risks import risks
from paychain.analysis.store.facts import RunFacts
from paychain.model.experiment import Times
from tests.support.observed_runs import CHAIN, A, B, ObservedRun


def found(run: ObservedRun, path: Path) -> list[tuple[str, str, int, int]]:
    times = Times(load_start_s=0.0, before_start_s=0.0, faults_start_s=0.0, load_end_s=100.0)
    facts = RunFacts(times=times, seed=1, drained_s=100.0)
    measured = MeasuredRun(run.store(path), CHAIN, run.experiment, facts)[risks]
    return [(risk.text, risk.call, risk.payments, risk.amount) for risk in measured]


def test_a_repeat_without_a_key_is_a_risk(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1, status=503, result="http_error")
    run.asked("p1", 1.3)
    assert found(run, tmp_path) == [
        ("approved after a repeat without an idempotency key", "shop.authorise", 1, 1_000)
    ]


def test_what_the_provider_can_know_for_a_repeat_or_is_none_is_no_risk(tmp_path: Path) -> None:
    run = ObservedRun()
    for payment in ("keyed", "elsewhere", "answered"):
        run.pay(payment, 1.0)
    run.asked("keyed", 1.1, status=503, result="http_error", key="k")
    run.asked("keyed", 1.3, key="k")
    run.asked("elsewhere", 1.1, status=503, result="http_error")
    run.asked("elsewhere", 1.3, to=B)
    run.asked("answered", 1.1, result="declined")
    run.asked("answered", 1.3, to=A)  # another card, say: the first was refused for good
    assert found(run, tmp_path) == []
