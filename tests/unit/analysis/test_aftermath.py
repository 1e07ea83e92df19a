"""Stalls beside faults and bursts: neither a false failure nor a false pass comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import Stall
from tests.support.recorded import Recorded, ns


def stalled(on_s: float, off_s: float, process: str = "mock services") -> Stall:
    return Stall(process, ns(on_s), ns(off_s), pays=process == "load process")


def refused(run: Recorded, due_s: float, sent_s: float) -> None:
    """A payment whose call to processor-a was refused."""
    late_ms = (sent_s - due_s) * 1000
    name = run.pay(due_s, "technical", took_ms=late_ms + 1, late_ms=late_ms, route=None)
    at_ns = ns(sent_s)
    above = f"{name}c"
    run.hop(name, "gateway", "authorise", "processor-a", at_ns, at_ns + 1, "refused", parent=above)


@pytest.mark.parametrize("process", ["load process", "mock services"])
def test_what_a_stall_held_up_until_a_fault_was_on_does_not_fail_the_chain(process: str) -> None:
    # 60 s of ten payments a second, down for 1 s: 10 of 600 fail, and 30 of the 3 s before.
    run = Recorded(ends_s=60)
    run.fault("down-1", 20, 21)
    run.records.append(stalled(17, 20.2, process))
    for number in range(600):
        at_s = number / 10
        if 17 <= at_s < 21:
            refused(run, at_s, max(at_s, 20.2))
        else:
            run.pay(at_s)
    analysis = run.analysed(technical_success=">= 97%")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    # Those that were due while it was on break this limit on any machine.
    assert run.analysed(technical_success=">= 98.5%").verdict is Verdict.FAIL


def test_a_fault_that_a_stall_hid_from_the_load_is_no_pass() -> None:
    run = Recorded(ends_s=60)
    run.fault("down-1", 20, 21)
    run.records.append(stalled(20.05, 21, "load process"))
    for number in range(600):
        late = 200 < number < 210
        run.pay(number / 10, late_ms=(210 - number) * 100 if late else 0)
    assert run.analysed(technical_success=">= 90%").verdict is Verdict.INCONCLUSIVE


def burst(
    end_s: float,
    *,
    from_s: float = 10.5,
    stall: tuple[float, float] = (8, 9),
    took_ms: float = 0,
    failed_ms: float = 100,
    ends_s: int = 60,
) -> Recorded:
    """A stall, and payments that fail, or take so long, from the end of its rush on."""
    run = Recorded(ends_s=ends_s)
    for number in range(ends_s * 10):
        if not from_s <= number / 10 < end_s:
            run.pay(number / 10)
        elif took_ms:
            run.pay(number / 10, took_ms=took_ms)
        else:
            run.pay(number / 10, "technical", took_ms=failed_ms)
    run.records.append(stalled(*stall))
    return run


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        # A burst that overloads a link for 30 s, or for good.
        (burst(40), Verdict.INCONCLUSIVE),
        (burst(60), Verdict.INCONCLUSIVE),
        # It failed as much before; it recovered, and broke by itself later; the stall was short.
        (burst(60, from_s=6), Verdict.FAIL),
        (burst(60, from_s=15), Verdict.FAIL),
        (burst(60, stall=(9.8, 10.2)), Verdict.FAIL),
    ],
)
def test_a_chain_that_works_off_a_burst_is_not_broken_by_itself(
    run: Recorded, verdict: Verdict
) -> None:
    assert run.analysed(technical_success=">= 95%").verdict is verdict


@pytest.mark.parametrize(("from_s", "verdict"), [(10.5, Verdict.INCONCLUSIVE), (6, Verdict.FAIL)])
def test_a_queue_that_a_burst_left_makes_payments_wait(from_s: float, verdict: Verdict) -> None:
    run = burst(40, from_s=from_s, took_ms=900)
    assert run.analysed(latency_p95="<= 300ms").verdict is verdict


def test_what_a_fault_explains_after_a_burst_is_broken() -> None:
    run = Recorded(ends_s=60)
    run.fault("down-1", 9.5, 39.5)
    for number in range(600):
        at_s = number / 10
        refused(run, at_s, at_s) if 9.5 <= at_s < 39.5 else run.pay(at_s)
    run.records.append(stalled(8, 9))
    assert run.analysed(technical_success=">= 95%").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("on_s", "off_s", "verdict"),
    [
        # From the first failure on; before it, so that they come of it; just before the stall.
        (10.5, 40, Verdict.FAIL),
        (10.2, 10.4, Verdict.FAIL),
        (7.5, 8.5, Verdict.FAIL),
        (5, 6.5, Verdict.FAIL),
        # Long over, and after a part of the failures: 15 of 200 are due before it.
        (2, 4, Verdict.INCONCLUSIVE),
        (12, 14, Verdict.INCONCLUSIVE),
    ],
)
def test_no_aftermath_is_left_once_a_fault_was_on_whatever_it_does(
    on_s: float, off_s: float, verdict: Verdict
) -> None:
    # What fails is the call to the issuer, which the fault of processor-a does not explain.
    run = burst(12, ends_s=20)
    run.fault("f-1", on_s, off_s)
    assert run.analysed(technical_success=">= 95%").verdict is verdict


def test_a_payment_that_met_a_fault_later_on_is_not_worse_for_the_stall() -> None:
    run = burst(12, ends_s=20, failed_ms=2_000)
    run.fault("f-1", 12.3, 14)
    assert run.analysed(technical_success=">= 95%").verdict is Verdict.FAIL


def test_a_slow_fault_after_a_stall_is_no_queue() -> None:
    run = burst(40, took_ms=900)
    run.fault("slow-1", 10.5, 40)
    assert run.analysed(latency_p95="<= 300ms").verdict is Verdict.FAIL


def test_every_stall_has_its_aftermath_and_payments_are_read_once_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scans: list[str] = []
    select = RunStore.select

    def noted(store: RunStore, sql: str, values: Sequence[Any]) -> Iterator[Any]:
        plan = select(store, f"EXPLAIN QUERY PLAN {sql}", values)
        scans.extend(step for *_, step in plan if step.startswith("SCAN txn"))
        return select(store, sql, values)

    monkeypatch.setattr(RunStore, "select", noted)
    run = Recorded(ends_s=20)
    for number in range(200):
        run.pay(number / 10, "technical" if 6 <= number / 10 < 8 or number >= 160 else "approved")
    run.records.append(stalled(4, 5))
    assert run.analysed(technical_success=">= 95%").verdict is Verdict.FAIL
    for_one = len(scans)
    run.records.append(stalled(14, 15))
    assert run.analysed(technical_success=">= 95%").verdict is Verdict.INCONCLUSIVE
    assert len(scans) == 2 * for_one


def test_a_stalled_conductor_excuses_nothing() -> None:
    run = burst(40, stall=(70, 71))
    run.records.append(stalled(8, 9, "conductor"))
    assert run.analysed(technical_success=">= 95%").verdict is Verdict.FAIL
