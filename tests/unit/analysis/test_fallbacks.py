"""Fallbacks against numbers computed by hand: used, useful, how late, at what cost."""

from __future__ import annotations

import msgspec
import pytest

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.measures import FallbackMeasure
from paychain.payments.journal import DecisionKind, PaymentRecord
from paychain.report.text.wording import fallback_name
from tests.support.recorded import Analysed, Recorded, ns


def only(analysis: Analysed) -> FallbackMeasure:
    (found,) = analysis.fallbacks
    return found


def outage(*, from_s: float = 10, served_from_s: float = 11, until_s: float = 20) -> Recorded:
    """Ten payments a second for 40 s. From `from_s` A is refused, from `served_from_s` B serves,
    until `until_s`; 100 ms over A, 160 ms over B."""
    run = Recorded(ends_s=40)
    for number in range(400):
        at_s = number / 10
        if at_s < from_s or at_s >= until_s:
            run.pay(at_s, took_ms=100)
        elif at_s < served_from_s:
            run.pay(at_s, "unknown", took_ms=10, route=None)
        else:
            run.pay(at_s, took_ms=160, route=1, amount=2_000)
    return run


def test_nothing_used_is_no_row_at_all() -> None:
    run = Recorded()
    for number in range(30):
        run.pay(number)
    assert run.analysed().fallbacks == []


def test_a_failover_is_measured_from_the_faults_start_and_heal() -> None:
    run = outage(until_s=22)
    run.fault("down-1", 10, 20)
    found = only(run.analysed(technical_success={"during": ">= 95%"}))
    # 11.0 s to 21.9 s: 110 payments, each 20.00, each once
    assert (found.activations, found.payments, found.succeeded, found.success) == (
        110,
        110,
        110,
        1.0,
    )
    assert (found.amount_saved, found.amount_lost) == (220_000, 0)
    # 160 ms against the 100 ms of phase before
    assert found.added_p50_ms == pytest.approx(60, abs=1)
    assert found.added_p95_ms == pytest.approx(60, abs=1)
    # the first payment it served was offered at 11.0 s and answered at 11.16 s
    assert found.detection_s == pytest.approx(1.16)
    # the last unanswered payment was offered at 10.9 s
    assert found.failover_s == pytest.approx(1.0, abs=0.11)
    # until 21.9 s payments went over B: 2 s after the heal they went over A again
    assert found.failback_s == pytest.approx(2.0, abs=0.21)
    assert found.first_use_s == 11
    (response,) = found.responses
    assert (response.fault, response.payments) == ("down-1", 90)  # 11.0 s to 19.9 s


def test_another_node_that_was_asked_in_place_of_one_is_a_fallback() -> None:
    run = Recorded()
    for number in range(40):
        paid = run.pay(number)
        if number < 25:
            run.decide(paid, "re_picked", number, "processor-b")
            run.hop(
                paid, "gateway", "authorise", "processor-b", ns(number), ns(number + 1), "approved"
            )
    found = only(run.analysed())
    assert (found.kind, found.to, found.activations) == ("re_picked", "processor-b", 25)
    assert fallback_name(found) == "re-pick to processor-b"


def test_fewer_than_twenty_payments_have_no_share_of_success() -> None:
    run = outage(served_from_s=11, until_s=12)
    run.fault("down-1", 10, 20)
    found = only(run.analysed())
    assert (found.payments, found.succeeded, found.success) == (10, 10, None)
    assert found.added_p50_ms is None


def test_a_fallback_is_judged_by_its_own_call_and_lost_money_by_the_payment() -> None:
    run = Recorded()
    for number in range(40):
        # 10 payments B declined, 10 it did not answer, 10 it served but the customer had gone,
        # 10 it approved: served 30 of 40; saved are the 20 answered ones, lost the other 20.
        end = ("declined", "unknown", "approved", "approved")[number % 4]
        name = run.pay(number, end, route=1, amount=100)
        if number % 4 == 2:
            run.records = [
                msgspec.structs.replace(record, technical=True)
                if isinstance(record, PaymentRecord) and record.payment == name
                else record
                for record in run.records
            ]
    found = only(run.analysed())
    assert (found.payments, found.succeeded, found.success) == (40, 30, 0.75)
    assert (found.amount_saved, found.amount_lost) == (2_000, 2_000)


def test_what_the_next_fallback_saved_is_not_this_ones_success() -> None:
    run = Recorded()
    for number in range(20):
        name = run.pay(number, route=1)  # served over B …
        run.decide(name, "failover", number, "processor-c")  # … after C, which did not answer
        run.hop(name, "gateway", "authorise", "processor-c", ns(number), ns(number) + 9, "reset")
    found = {fallback.to: fallback for fallback in run.analysed().fallbacks}
    assert found["processor-c"].success == 0.0
    assert (found["processor-c"].amount_saved, found["processor-c"].amount_lost) == (0, 0)
    assert found["processor-b"].success == 1.0


def test_a_retry_that_was_sent_twice_counts_its_payment_once() -> None:
    run = Recorded()
    for number in range(20):
        name = run.pay(number)
        run.decide(name, "retry", number - 0.2, "processor-a")
        run.decide(name, "retry", number - 0.1, "processor-a")
    found = only(run.analysed())
    assert (found.activations, found.payments, found.success) == (40, 20, 1.0)
    # A retry stands in for nothing: there is no failover and no fail-back to measure.
    assert found.failover_s is found.failback_s is None
    assert found.absent == {"detection_s": "no fault was active"}


def test_warm_up_is_left_out() -> None:
    run = Recorded(warm_up_s=10)
    run.pay(5, route=1)
    assert run.analysed().fallbacks == []


def test_every_fault_has_its_own_detection_and_the_longest_is_the_whole() -> None:
    run = Recorded(ends_s=60)
    for number in range(600):
        at_s = number / 10
        on = 11 <= at_s < 20 or 33 <= at_s < 40
        run.pay(at_s, route=1 if on else 0, took_ms=100)
    run.fault("first", 10, 20)
    run.fault("second", 30, 40)
    found = only(run.analysed())
    first, second = found.responses
    assert first.detection_s == pytest.approx(1.1)  # 11.0 s + 100 ms
    assert second.detection_s == pytest.approx(3.1)
    assert found.detection_s == pytest.approx(3.1)
    assert first.payments + second.payments == found.payments


def test_a_fallback_in_use_when_a_second_fault_starts_detects_nothing_new() -> None:
    run = Recorded(ends_s=60)
    for number in range(600):
        at_s = number / 10
        run.pay(at_s, route=1 if 11 <= at_s < 30 else 0)
    run.fault("first", 10, 20)
    run.fault("second", 15, 30)
    found = only(run.analysed())
    first, second = found.responses
    assert first.detection_s == pytest.approx(1.1)
    assert (second.detection_s, second.absent["detection_s"]) == (None, "already in use")
    # The way back can be seen after the second heal only.
    assert first.absent["failback_s"] == "another fault was still active"
    assert second.failback_s == pytest.approx(0, abs=0.21)
    assert (found.detection_s, found.failback_s) == (first.detection_s, second.failback_s)


def test_a_fault_that_made_nobody_fall_back_has_no_response() -> None:
    run = outage()
    run.fault("harmless", 2, 4)
    run.fault("down-1", 10, 20)
    assert [response.fault for response in only(run.analysed()).responses] == ["down-1"]


def test_a_payment_that_fell_back_before_the_fault_is_not_its() -> None:
    run = outage()
    run.pay(4.0, route=1, took_ms=100)
    run.fault("down-1", 10, 20)
    (response,) = only(run.analysed()).responses
    assert response.detection_s == pytest.approx(1.16)
    assert response.payments == 90  # 11.0 s to 19.9 s


def test_success_below_the_goal_until_the_heal_never_failed_over() -> None:
    run = outage(served_from_s=19, until_s=20)
    run.fault("down-1", 10, 20)
    found = only(run.analysed())
    assert (found.failover_s, found.absent["failover_s"]) == (None, "never")


def test_a_fault_shorter_than_the_streak_is_marked() -> None:
    run = outage(from_s=10, served_from_s=10, until_s=13)
    run.fault("down-1", 10, 13)
    words = only(run.analysed()).absent["failover_s"]
    assert words == "only 3.0 s observed, 5 s needed"


def test_the_way_back_of_a_skip_is_that_the_call_itself_works_again() -> None:
    run = Recorded(ends_s=40)
    for number in range(400):
        at_s = number / 10
        name = run.pay(at_s, took_ms=50)
        start = ns(at_s)
        if 10 <= at_s < 23:  # screening is skipped until 3 s after the heal
            run.hop(name, "gateway", "screen", "fraud", start, start + 5, "refused")
            run.decide(name, "skip", at_s, operation="screen")
        else:
            run.hop(name, "gateway", "screen", "fraud", start, start + 5, "approved")
    run.fault("down-1", 10, 20)
    analysis = run.analysed()
    found = only(analysis)
    assert (found.kind, found.risk) == ("skip", "approved without fraud screening")
    assert found.failback_s == pytest.approx(3.0, abs=0.11)
    assert analysis.risks[0].payments == 130  # 10.0 s to 22.9 s


def test_every_kind_in_the_table_is_measured_alike() -> None:
    run = Recorded()
    for number in range(20):
        name = run.pay(number)
        for kind in FALLBACKS:
            run.decide(name, kind.value, number)
    found = run.analysed().fallbacks
    assert {each.kind for each in found} == {kind.value for kind in FALLBACKS}
    assert all((each.payments, each.success) == (20, 1.0) for each in found)


# What is decided without anything falling back: the way a call ended, cleaning up, telling.
OTHERS = {
    "booked_paid",
    "booked_unpaid",
    "key_reused",
    "key_shared",
    "refused_later",
    "repeated_without_key",
    "captured_again",
    "refunded_again",
    "webhook_forged",
    "duplicate_refused",
    "parameter_ignored",
    "not_served",
    "follow_up_due",
    "quoted",
    "queue_delivered",
    "queue_expired",
    "queue_cancelled",
    "hedge_lost",
    "suppressed",
    "deadline_too_short",
    "bulkhead_rejected",
    "exhausted",
    "gave_up",
    "query",
    "resend",
    "reversal_sent",
    "reversal_acknowledged",
    "reversal_abandoned",
    "breaker_opened",
    "breaker_half_open",
    "breaker_closed",
    "breaker_rejected",
    "answer_undeliverable",
    "reauthenticate",
    "follow_up_sent",
    "follow_up_acknowledged",
    "follow_up_refused",
    "follow_up_abandoned",
    "follow_up_cancelled",
    "webhook_accepted",
    "webhook_duplicate",
    "webhook_rejected",
    "authentication_lost",
    "fault_hit",
    "card_given",
    "left_out",
    "reported",
    "signed",
    "replaced",
    "renewed",
    "agreed",
    "too_few",
    "reverted",
    "revert_undone",
}


def test_every_decision_is_known_as_a_fallback_or_as_none() -> None:
    unsaid = {kind.value for kind in DecisionKind} - {kind.value for kind in FALLBACKS} - OTHERS
    assert not unsaid, "the decision of a step if it is a fallback, else a word in OTHERS"


def test_a_queued_payment_is_served_when_it_is_delivered() -> None:
    run = Recorded()
    for number in range(40):  # all are reported approved; every other one is delivered later
        name = run.pay(number, route=None)
        run.decide(name, "queue", number, "processor-a")
        if number % 2:
            later = ns(number + 5)
            run.hop(name, "gateway", "authorise", "processor-a", later, later + 9, "approved")
    analysis = run.analysed()
    assert (only(analysis).payments, only(analysis).success) == (40, 0.5)
    assert only(analysis).amount_saved == 20_000
    assert [(risk.text, risk.payments, risk.share) for risk in analysis.risks] == [
        ("approved before any authorisation", 40, 1.0)
    ]


def test_a_queued_payment_that_is_declined_on_delivery_is_not_served() -> None:
    run = Recorded()
    for number in range(40):  # the customers of all were shown an approval
        name = run.pay(number, route=None)
        run.decide(name, "queue", number, "processor-a")
        later, result = ns(number + 5), "approved" if number % 4 else "declined"
        run.hop(name, "gateway", "authorise", "processor-a", later, later + 9, result)
    found = only(run.analysed())
    assert (found.payments, found.succeeded, found.success) == (40, 30, 0.75)
    assert found.amount_saved == 30_000
