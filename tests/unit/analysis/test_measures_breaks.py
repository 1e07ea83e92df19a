"""The break point of a payment: the deepest failure of the last attempt that nobody made good."""

from __future__ import annotations

from paychain.analysis.measures.breaks import break_point, failed_ends
from paychain.payments.journal import Decision, DecisionKind, HopRecord
from paychain.payments.outcome import HopResult
from tests.support.recorded import Recorded, ns


def hop(
    span: str,
    parent: str,
    result: str,
    *,
    attempt: int = 1,
    ended: int = 1,
    started: int = 0,
    call: str = "",
) -> HopRecord:
    caller, _, operation = (call or f"caller-{span}.authorise").partition(".")
    return HopRecord(
        payment="p1",
        attempt=attempt,
        span=span,
        parent=parent,
        caller=caller,
        operation=operation,
        callee=f"callee-{span}",
        route=0,
        try_number=1,
        started_ns=started,
        ended_ns=ended,
        result=HopResult(result),
        code="",
    )


def point(hops: list[HopRecord], *decisions: Decision) -> str | None:
    found = break_point(hops, decisions)
    return found.span if found is not None else None


def test_it_is_the_deepest_failure_of_the_last_attempt() -> None:
    hops = [
        hop("1", "", "technical", ended=9),
        hop("2", "1", "timeout", ended=3, call="gateway.authorise"),
        hop("3", "2", "refused", ended=2),
        hop("4", "1", "technical", attempt=2, ended=8, call="gateway.authorise"),
        hop("5", "4", "reset", attempt=2, ended=7),
    ]
    assert point(hops) == "5"
    assert [end.span for end in failed_ends(hops)] == ["3", "5"]  # the earlier attempt is listed


def test_a_payment_without_a_failed_hop_has_none() -> None:
    assert point([hop("1", "", "approved")]) is None


def test_what_another_target_made_good_is_not_where_it_broke() -> None:
    # A was refused, B approved, but too late for the customer: it broke at the customer's wait.
    hops = [
        hop("1", "", "timeout", ended=9),
        hop("2", "1", "refused", call="gateway.authorise", started=1),
        hop("3", "1", "approved", call="gateway.authorise", started=2, ended=10),
    ]
    assert point(hops) == "1"


def test_what_was_skipped_is_not_where_it_broke() -> None:
    skip = Decision(
        link="gateway",
        kind=DecisionKind.SKIP,
        at_ns=2,
        payment="p1",
        attempt=1,
        operation="screen",
        target="",
        detail="timeout",
    )
    hops = [
        hop("1", "", "timeout", ended=9),
        hop("2", "1", "timeout", call="gateway.screen", ended=2),
        hop("3", "1", "approved", call="gateway.authorise", started=3, ended=10),
    ]
    assert point(hops, skip) == "1"
    assert point(hops) == "2"


def test_a_decline_in_place_of_an_answer_makes_nothing_good() -> None:
    decline = Decision(
        link="gateway",
        kind=DecisionKind.DECLINE,
        at_ns=2,
        payment="p1",
        attempt=1,
        operation="authorise",
        target="",
        detail="timeout",
    )
    hops = [
        hop("1", "", "technical", ended=9),
        hop("2", "1", "timeout", call="gateway.authorise", ended=2),
    ]
    assert point(hops, decline) == "2"


def test_a_failed_reversal_is_not_where_it_broke() -> None:
    hops = [
        hop("1", "", "technical", ended=3),
        hop("2", "1", "timeout", ended=2),
        hop("3", "1", "timeout", ended=9, call="gateway.void"),
    ]
    assert point(hops) == "2"


def test_hops_that_lead_in_a_circle_do_not_hang_it() -> None:
    assert point([hop("1", "2", "timeout"), hop("2", "1", "timeout")]) is None


def test_breaks_add_up_to_the_technically_failed_payments() -> None:
    run = Recorded(ends_s=20, warm_up_s=1)
    run.pay(0.5, "unknown")  # warm-up
    for number in range(30):
        # 10 fail at the issuer, 10 are never taken further, 10 are approved
        at_s = 2 + number / 2
        if number % 3 == 0:
            run.pay(at_s, "unknown", amount=100)
        elif number % 3 == 1:
            run.pay(at_s, "unknown", amount=300, route=None)
        else:
            run.pay(at_s)
    run.fault("down-1", 11.95, 30)  # payments from 12 s on: 5 of each ten
    analysis = run.analysed()
    found = {
        (place.callee, place.phase): (place.payments, place.amount) for place in analysis.breaks
    }
    # numbers 0, 3, …, 27 are offered at 2.0, 3.5, …, 15.5 s: 7 before 12 s, 3 after; numbers
    # 1, 4, …, 28 at 2.5, 4.0, …, 16.0 s: 7 before 12 s, 3 after
    assert found == {
        ("issuer", "outside"): (7, 700),
        ("issuer", "during"): (3, 300),
        ("gateway", "outside"): (7, 2_100),
        ("gateway", "during"): (3, 900),
    }
    whole = next(phase for phase in analysis.phases if phase.name == "all")
    assert sum(place.payments for place in analysis.breaks) == whole.technical + whole.unknown
    assert sum(place.amount for place in analysis.breaks) == whole.amount_at_risk


def test_earlier_attempts_are_listed_with_the_break() -> None:
    run = Recorded()
    name = run.pay(1, "unknown", route=None)
    start = ns(1)
    for attempt, callee, result in ((1, "processor-a", "timeout"), (2, "processor-b", "reset")):
        run.hop(
            name,
            "gateway",
            "authorise",
            callee,
            start,
            start + attempt,
            result,
            parent=f"{name}c",
            attempt=attempt,
        )
    (found,) = run.analysed().breaks
    assert (found.callee, found.failure) == ("processor-b", "reset")
    assert found.earlier == {"gateway.authorise processor-a timeout": 1}
