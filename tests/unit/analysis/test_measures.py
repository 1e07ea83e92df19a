"""Measures against numbers computed by hand: phases, seconds, hops, punctuality."""

from __future__ import annotations

import msgspec
import pytest

from paychain.analysis.measures.measures import HopMeasure, Phase
from paychain.payments.journal import FaultSwitch, Movement, MovementKind
from tests.support.recorded import Analysed, Recorded, ns


def phases(analysis: Analysed) -> dict[str, Phase]:
    return {phase.name: phase for phase in analysis.phases}


def hop(analysis: Analysed, caller: str, callee: str) -> HopMeasure:
    (found,) = (each for each in analysis.hops if (each.caller, each.callee) == (caller, callee))
    return found


def test_success_and_approval_are_shares_of_what_was_offered_and_answered() -> None:
    run = Recorded()
    # 40 payments of 10.00: 24 approved, 8 declined by the issuer, 4 declined for a technical
    # reason, 4 unanswered. Success (24 + 8) / 40 = 80 %; approval 24 / (24 + 8) = 75 %.
    ends = ["approved"] * 24 + ["declined"] * 8 + ["technical"] * 4 + ["unknown"] * 4
    for number, end in enumerate(ends):
        run.pay(number * 0.1, end)
    measured = phases(run.analysed())["all"]
    assert (measured.offered, measured.technical_success, measured.approval_rate) == (40, 0.8, 0.75)
    assert (measured.approved, measured.declined) == (24, 8)
    assert (measured.technical, measured.unknown) == (4, 4)
    assert (measured.amount_offered, measured.amount_at_risk) == (40_000, 8_000)


def test_the_approval_rate_in_amount_weighs_each_payment_by_its_money() -> None:
    run = Recorded()
    # 10 approved of 30.00 and 10 declined of 10.00: half in count, 300 / 400 = 75 % in amount.
    for number in range(10):
        run.pay(number, "approved", amount=3_000)
        run.pay(number, "declined", amount=1_000)
    measured = phases(run.analysed())["all"]
    assert (measured.approval_rate, measured.approval_rate_amount) == (0.5, 0.75)


def test_fewer_than_twenty_payments_say_nothing() -> None:
    run = Recorded()
    for number in range(19):
        run.pay(number)
    measured = phases(run.analysed())["all"]
    assert measured.offered == 19
    assert measured.technical_success is measured.approval_rate is measured.p50_ms is None
    assert measured.approval_rate_amount is None


def test_no_payment_at_all_is_nothing_and_not_zero() -> None:
    analysis = Recorded().analysed()
    measured = phases(analysis)["all"]
    assert (measured.offered, measured.technical_success, measured.max_ms) == (0, None, None)
    assert analysis.hops == analysis.fallbacks == analysis.breaks == analysis.risks == []
    assert analysis.recovery.recovery_s is analysis.recovery.drain_s is None
    assert analysis.recovery.absent == {"recovery_s": "no faults", "drain_s": "no payments"}


def test_quantiles_are_nearest_ranks_of_latency_from_the_intended_start() -> None:
    run = Recorded()
    # 1, 2, …, 100 ms: the 50th value is 50 ms, the 95th 95 ms, the 99th 99 ms. That each payment
    # started 500 ms late does not shorten them.
    for number in range(1, 101):
        run.pay(number * 0.5, took_ms=number, late_ms=500)
    measured = phases(run.analysed())["all"]
    assert measured.p50_ms == pytest.approx(50, rel=0.005)
    assert measured.p95_ms == pytest.approx(95, rel=0.005)
    assert measured.p99_ms == pytest.approx(99, rel=0.005)
    assert measured.max_ms == 100


def test_warm_up_is_in_no_other_phase_and_in_no_hop() -> None:
    run = Recorded(warm_up_s=3)
    for number in range(60):  # one every 0.1 s: 30 in warm-up, the rest after it
        run.pay(number * 0.1, "unknown" if number < 30 else "approved")
    analysis = run.analysed()
    assert phases(analysis)["warm-up"].offered == 30
    assert phases(analysis)["all"].offered == phases(analysis)["before"].offered == 30
    assert phases(analysis)["all"].technical_success == 1.0
    assert (hop(analysis, "customer", "gateway").executions, analysis.breaks) == (30, [])


def test_calls_of_warm_up_payments_count_nowhere_however_late_they_come() -> None:
    run = Recorded(warm_up_s=3)
    paid = [run.pay(number * 0.1) for number in range(60)]  # 30 in warm-up, 30 after it
    for payment in paid:
        # All are captured at 10 s; of the last three of the warm-up twice, one answer was lost.
        again = payment in paid[27:30]
        for _ in range(1 + again):
            run.hop(payment, "gateway", "capture", "processor-a", ns(10), ns(10.1), "approved")
    for payment in paid:
        run.decide(payment, "reversal_sent", 11)
    run.hop(paid[0], "gateway", "query", "processor-a", ns(10), ns(10.1), "timeout")
    analysis = run.analysed()
    (captured,) = (hop for hop in analysis.hops if hop.operation == "capture")
    assert (captured.executions, captured.payments, captured.amplification) == (30, 30, 1.0)
    assert captured.p50_ms == pytest.approx(100, rel=0.005)
    assert "query" not in {hop.operation for hop in analysis.hops}
    assert analysis.recovery.reversals_sent == 30


def test_a_payment_in_flight_when_a_fault_starts_is_the_faults() -> None:
    run = Recorded(ends_s=20)
    run.pay(9.95, took_ms=100)  # answered at 10.05 s
    run.pay(9.80, took_ms=100)  # answered at 9.90 s
    run.pay(14.95, took_ms=100)  # offered before the heal
    run.pay(15.00, took_ms=100)  # offered at the heal
    run.fault("down-1", 10, 15)
    found = phases(run.analysed())
    assert found["before"].offered == 1
    assert found["during"].offered == found["down-1"].offered == 2
    assert found["recovery"].offered == 1


def test_overlapping_faults_share_payments_and_during_has_each_once() -> None:
    run = Recorded(ends_s=40)
    for second in range(40):
        run.pay(second + 0.5, took_ms=10)
    run.fault("one", 10, 20)  # seconds 10 to 19
    run.fault("two", 15, 25)  # seconds 15 to 24
    run.fault("three", 30, 32)  # seconds 30 and 31
    found = phases(run.analysed())
    assert [found[name].offered for name in ("one", "two", "three")] == [10, 10, 2]
    assert found["during"].offered == 17  # 10 to 24, 30 and 31
    assert found["before"].offered == 10  # 0 to 9
    assert found["between"].offered == 5  # 25 to 29
    assert found["recovery"].offered == 8  # 32 to 39


def test_a_fault_that_is_named_like_a_phase_does_not_take_its_place() -> None:
    run = Recorded(ends_s=20)
    for number in range(200):
        run.pay(number * 0.1, "unknown" if 100 <= number < 150 else "approved", took_ms=10)
    run.fault("before", 10, 15)
    analysis = run.analysed(technical_success={"before": ">= 99%"})
    assert [tolerance.passed for tolerance in analysis.tolerances] == [True]


def test_a_fault_that_could_not_be_put_on_never_held() -> None:
    run = Recorded(ends_s=20)
    run.pay(12)
    run.fault("down-1", 10, 15)
    run.records = [
        msgspec.structs.replace(record, error="lost") if isinstance(record, FaultSwitch) else record
        for record in run.records
    ]
    analysis = run.analysed()
    assert (analysis.faults[0].applied_s, analysis.faults[0].healed_s) == (None, None)
    assert "fault down-1 never took effect" in analysis.reasons
    assert "during" not in phases(analysis)


def test_each_second_has_its_own_payments_and_fallbacks() -> None:
    run = Recorded(ends_s=3)
    for number in range(20):
        run.pay(1 + number * 0.05, took_ms=40)
    run.pay(2.5, "unknown")
    run.pay(2.6, "declined", route=1)
    seconds = run.analysed().seconds
    assert [second.at_s for second in seconds] == [0, 1, 2, 3]
    assert [second.offered for second in seconds] == [0, 20, 2, 0]
    assert (seconds[1].approved, seconds[1].p50_ms) == (20, pytest.approx(40, rel=0.005))
    assert (seconds[2].succeeded, seconds[2].declined, seconds[2].broke) == (1, 1, 1)
    assert seconds[2].p50_ms is None  # two payments say nothing about a quantile
    assert [second.fallbacks for second in seconds] == [
        {},
        {},
        {"gateway.authorise failover processor-b": 1},
        {},
    ]


def test_amplification_is_executions_of_a_call_by_payments_that_needed_it() -> None:
    run = Recorded()
    for number in range(30):
        run.pay(number, route=1 if number < 10 else 0)
    # 30 payments; 10 of them were refused at A and went to B: (20 + 10 + 10) / 30 executions.
    analysis = run.analysed()
    for callee, executions, payments in (("processor-a", 30, 30), ("processor-b", 10, 10)):
        found = hop(analysis, "gateway", callee)
        assert (found.executions, found.payments) == (executions, payments)
        assert found.amplification == pytest.approx(40 / 30)
    assert hop(analysis, "gateway", "processor-a").failed == 10
    assert hop(analysis, "customer", "gateway").amplification == 1.0


def test_a_call_that_was_not_sent_amplifies_nothing() -> None:
    run = Recorded()
    for number in range(20):
        name = run.pay(number, route=1)
        run.hop(name, "gateway", "authorise", "processor-a", number, number, "not_tried")
    # A was tried once, suppressed once, B tried once: 2 executions a payment, not 3.
    analysis = run.analysed()
    assert hop(analysis, "gateway", "processor-b").amplification == 2.0
    # 20 refused and 20 suppressed; the latency is that of the 20 that were sent: 1 ns
    found = hop(analysis, "gateway", "processor-a")
    assert (found.executions, found.failed, found.p50_ms) == (40, 40, 1e-6)
    assert (found.sent, found.short_circuited, found.failed_sent) == (20, 20, 20)


def test_drain_lasts_until_nothing_more_is_done_for_any_payment() -> None:
    run = Recorded(ends_s=10)
    name = run.pay(9.5, "unknown", took_ms=1_000)  # answered at 10.5 s
    run.decide(name, "reversal_sent", 10.5)
    run.decide(name, "reversal_acknowledged", 12.25)
    run.decide("", "breaker_closed", 20)  # concerns no payment
    recovery = run.analysed().recovery
    assert recovery.drain_s == pytest.approx(2.25)
    assert (recovery.reversals_sent, recovery.reversals_acknowledged) == (1, 1)
    assert recovery.reversals_abandoned == 0


def test_a_reversal_counts_once_however_many_links_pass_it_on() -> None:
    run = Recorded(ends_s=10)
    names = [run.pay(number, "unknown", took_ms=100) for number in range(4)]
    # All go from the gateway over a processor and a scheme; a reversal's reference is its identity.
    links = [("gateway", "processor-a"), ("processor-a", "scheme"), ("scheme", "issuer")]
    for name in names:
        for link, target in links:
            run.decide(name, "reversal_sent", 11, target, link=link, detail=f"{name}-1")

    def end(name: str, link: str, kind: str, at_s: float) -> None:
        detail = f"{name}-1 after 2 tries"
        run.decide(name, kind, at_s, dict(links)[link], link=link, detail=detail)

    everywhere, nearby, given_up, later = names
    for link, _ in links:
        end(everywhere, link, "reversal_acknowledged", 12)
    end(nearby, "gateway", "reversal_acknowledged", 12)  # the rest is still on its way
    for link, _ in links[:2]:
        end(given_up, link, "reversal_acknowledged", 12)
    end(given_up, "scheme", "reversal_abandoned", 19)
    for link, _ in links:
        end(later, link, "reversal_abandoned", 12)
        end(later, link, "reversal_acknowledged", 14)
    # The same payment's second attempt is another reversal.
    run.decide(everywhere, "reversal_sent", 11, "processor-a", detail=f"{everywhere}-2")
    recovery = run.analysed().recovery
    assert recovery.reversals_sent == 5
    assert recovery.reversals_acknowledged == 2
    assert recovery.reversals_abandoned == 1


def test_the_share_of_payments_approved_without_authentication_is_a_risk() -> None:
    run = Recorded()
    for number in range(40):
        end = "declined" if number >= 36 else "approved"
        name = run.pay(number, end, amount=500)
        if number % 4 == 0:  # 10 payments, of which number 36 was declined
            run.decide(name, "exempt", number, operation="authenticate")
    analysis = run.analysed()
    (risk,) = analysis.risks
    # 9 of 36 approved payments = 25 %, 9 × 5.00
    assert (risk.call, risk.text) == ("gateway.authenticate", "approved without authentication")
    assert (risk.payments, risk.share, risk.amount) == (9, 0.25, 4_500)


def test_a_flapping_fault_holds_from_its_first_on_to_its_last_off() -> None:
    run = Recorded(ends_s=40)
    for second in range(40):
        run.pay(second + 0.5, took_ms=10)
    for on_s in (10, 14, 18):  # on for two seconds, off for two
        run.fault("flap", on_s, on_s + 2)
    run.faults = run.faults[:1]  # one fault was declared
    analysis = run.analysed()
    assert (analysis.faults[0].applied_s, analysis.faults[0].healed_s) == (10, 20)
    assert analysis.faults[0].switches == 6
    assert phases(analysis)["flap"].offered == phases(analysis)["during"].offered == 10


def test_a_fault_that_stayed_on_after_its_last_flap_is_not_healed() -> None:
    run = Recorded(ends_s=40)
    run.pay(30)
    run.fault("flap", 10, 12)
    run.fault("flap", 14, None)
    run.faults = run.faults[:1]
    analysis = run.analysed()
    assert analysis.faults[0].healed_s is None
    assert analysis.faults[0].errors == ["no answer"]
    assert phases(analysis)["during"].offered == 1


def test_money_is_wrong_once_however_many_rules_say_so() -> None:
    run = Recorded()
    # 7.00 are held for an order of 10.00 whose customer never learned: 7.00 are orphaned, and 3.00
    # too little are booked; the larger counts. Another order of 20.00 is approved with no money.
    name = run.pay(0, "unknown")
    run.records += [
        Movement(
            link=link,
            payment=name,
            attempt=1,
            kind=MovementKind.AUTHORISED,
            amount_minor=700,
            currency="EUR",
            reference=f"{name}-0",
            at_ns=9,
            decided_by="issuer",
        )
        for link in ("processor-a", "issuer")
    ]
    run.pay(1, route=None, amount=2_000)
    money = run.analysed().money
    found = {rule.rule: rule.amount for rule in money.rules if rule.amount}
    assert found == {
        "no_orphaned_authorisation": 700,
        "amounts_equal": 300,
        "no_approval_without_money": 2_000,
    }
    assert money.wrong == 700 + 2_000
