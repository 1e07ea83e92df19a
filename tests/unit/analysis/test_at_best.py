"""What stalls of the machine may excuse: only what would be otherwise without them."""

from __future__ import annotations

import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.payments.journal import Decision, DecisionKind, Stall
from tests.support.recorded import Recorded, ns


def stalled(on_s: float, off_s: float) -> Stall:
    return Stall("mock services", ns(on_s), ns(off_s))


def outage(broken: int) -> Recorded:
    """20 s of ten payments a second, of which this many fail from 5 s on; a stall from 6 s on."""
    run = Recorded(ends_s=20)
    for number in range(200):
        at_s = number / 10
        run.pay(at_s, "technical" if 50 <= number < 50 + broken else "approved")
    run.records.append(stalled(6, 6.3))
    return run


def test_a_chain_that_plainly_fails_fails_whatever_stalled() -> None:
    # 150 of 200 fail; six of them began in the stall or within its length after it.
    analysis = outage(150).analysed(technical_success=">= 95%")
    assert analysis.stalls[0].affected > 0
    assert analysis.verdict is Verdict.FAIL
    assert analysis.reasons[0].startswith("technical success was 25.0 %")


@pytest.mark.parametrize(
    ("stall_s", "limit", "verdict"),
    [
        (0.5, ">= 95%", Verdict.FAIL),
        # What held may have held for that reason alone.
        (0.5, ">= 20%", Verdict.INCONCLUSIVE),
        # Whatever made it late, it was no stall: then it is another load than the declared one.
        (0.1, ">= 95%", Verdict.INCONCLUSIVE),
    ],
)
def test_a_load_that_only_a_stall_made_late_leaves_a_plain_failure_one(
    stall_s: float, limit: str, verdict: Verdict
) -> None:
    run = Recorded(ends_s=20)
    for number in range(200):
        late_ms = max(0, 6_500 - 100 * number) if number >= 60 else 0
        run.pay(number / 10, "technical" if number >= 50 else "approved", late_ms=late_ms)
    run.records.append(Stall("load process", ns(6), ns(6 + stall_s), pays=True))
    analysis = run.analysed(technical_success=limit)
    assert analysis.verdict is verdict
    assert any("the load fell behind its schedule" in reason for reason in analysis.reasons)


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        (">= 88%", Verdict.PASS),  # 176 of 200: it holds as it was
        (">= 90%", Verdict.INCONCLUSIVE),  # six began from 6.0 s to 6.5 s: 91 % at best
        (">= 91%", Verdict.INCONCLUSIVE),
        (">= 91.5%", Verdict.FAIL),
    ],
)
def test_a_limit_is_excused_as_far_as_the_affected_payments_reach(
    limit: str, verdict: Verdict
) -> None:
    # From 5.0 s to 7.3 s 24 payments fail: 88 %.
    assert outage(24).analysed(technical_success=limit).verdict is verdict


def test_a_limit_that_is_broken_anyhow_fails_a_run_in_which_another_is_excused() -> None:
    analysis = outage(24).analysed(technical_success=">= 90%", latency_p50="<= 50ms")
    assert analysis.verdict is Verdict.FAIL
    found = {limit.measure: (limit.passed, limit.margin_text) for limit in analysis.tolerances}
    assert found == {"technical_success": (None, ""), "latency_p50": (False, "0.05 s over")}


def test_a_latency_limit_that_only_waiting_for_a_stall_broke_is_excused() -> None:
    run = Recorded(ends_s=20)
    for number in range(200):
        run.pay(number / 10, took_ms=400 if number in (60, 61, 62) else 100)
    assert run.analysed(latency_p99="<= 300ms").verdict is Verdict.FAIL
    run.records.append(stalled(6, 6.2))  # and as long again to work off what piled up
    analysis = run.analysed(latency_p99="<= 300ms")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert analysis.reasons[0].startswith("host stalled: mock services was stalled for up to 200")
    # 100 ms is what they would all take: the chain is too slow for this one by itself.
    assert run.analysed(latency_p99="<= 50ms").verdict is Verdict.FAIL


def test_a_call_that_only_passes_a_failure_on_is_not_affected() -> None:
    run = outage(0)
    run.pay(15, "technical", route=None)
    name = f"p{run.payments:05d}"
    run.hop(name, "gateway", "screen", "fraud", ns(6), ns(6.3), "timeout", span="above")
    run.hop(
        name, "fraud", "screen", "vendor", ns(5), ns(5.1), "refused", parent="above", span="below"
    )
    assert run.analysed(technical_success=">= 100%").verdict is Verdict.FAIL


@pytest.mark.parametrize(("down_s", "verdict"), [(5, Verdict.FAIL), (8, Verdict.INCONCLUSIVE)])
def test_a_stall_does_not_excuse_a_call_that_a_fault_made_fail(
    down_s: int, verdict: Verdict
) -> None:
    run = outage(0)
    for number in range(24):
        at_s = 5 + number / 10
        name = run.pay(at_s, "technical", route=None)
        began = ns(at_s) + 1
        above = f"{name}c"
        run.hop(name, "gateway", "authorise", "processor-a", began, began, "refused", parent=above)
    run.fault("down-1", down_s, down_s + 3)  # either while they fail, or when all is over
    assert run.analysed(technical_success=">= 91%").verdict is verdict


def breaker(kind: DecisionKind, at_s: float) -> Decision:
    return Decision(
        link="gateway",
        kind=kind,
        at_ns=ns(at_s),
        payment="",
        attempt=0,
        operation="screen",
        target="fraud",
        detail="",
    )


@pytest.mark.parametrize(("others", "verdict"), [(0, Verdict.INCONCLUSIVE), (2, Verdict.FAIL)])
def test_what_a_breaker_short_circuits_that_a_stall_opened_is_affected(
    others: int, verdict: Verdict
) -> None:
    run = Recorded(ends_s=20)
    for number in range(200):
        run.pay(number / 10, "technical" if 70 <= number < 90 else "approved")
    run.records.append(stalled(6, 6.3))
    run.hop("p00061", "gateway", "screen", "fraud", ns(6), ns(6.3), "timeout")
    # With more of these, which failed before the stall, the breaker would have opened anyhow.
    for _ in range(others):
        run.hop("p00050", "gateway", "screen", "fraud", ns(5.5), ns(5.9), "timeout")
    run.records.append(breaker(DecisionKind.BREAKER_OPENED, 6.3))
    for number in range(70, 90):
        at_s = number / 10
        name = f"p{number + 1:05d}"
        run.hop(name, "gateway", "screen", "fraud", ns(at_s), ns(at_s) + 1, "not_tried")
    run.records.append(breaker(DecisionKind.BREAKER_HALF_OPEN, 9.2))
    assert run.analysed(technical_success=">= 95%").verdict is verdict
