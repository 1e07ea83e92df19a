"""Conditions that stop an experiment early: as written, when they are met, what follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.measures.measures import Stopped, Verdict
from paychain.analysis.watch import Watch
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import FileMistakes, load_experiment
from paychain.payments.journal import Movement, MovementKind, PaymentRecord
from paychain.payments.outcome import Outcome
from tests.support.chains import checked
from tests.support.own_chains import own_shop
from tests.support.recorded import CHAIN, Recorded

EXPERIMENT = """\
experiment: watched
load: {arrivals: RATE/s, warm_up: 1s, before: 20s, after: 9s}
stop_when: WHEN
tolerances: {}
"""
STOPPED = Stopped(
    at_s=12.3,
    condition="technical_success < 20% for 10s",
    measure="technical_success",
    lasted_s=10,
    observed=0.04,
    observed_text="4.0 %",
)


def loaded(folder: Path, when: str, rate: int = 40) -> Experiment:
    path = folder / "watched.yaml"
    path.write_text(EXPERIMENT.replace("WHEN", when).replace("RATE", str(rate)))
    return load_experiment(str(path)).model


def mistakes(folder: Path, when: str, rate: int = 40) -> list[str]:
    with pytest.raises(FileMistakes) as caught:
        loaded(folder, when, rate)
    return [line.partition("watched.yaml:")[2] for line in caught.value.lines]


def watch(folder: Path, when: str, chain: Chain = CHAIN) -> Watch:
    return Watch(loaded(folder, when).stop_when, chain, 0.0)


def test_one_condition_or_several_are_read(tmp_path: Path) -> None:
    (condition,) = loaded(tmp_path, "technical_success  <  20% for 10s").stop_when
    assert condition.measure == "technical_success"
    assert (condition.limit.bound, condition.lasts) == (0.2, 10.0)
    assert condition.text == "technical_success < 20% for 10s"
    more = loaded(tmp_path, '["latency_p99 > 2s for 5s", double_charges >= 3 for 30s]').stop_when
    assert [(two.measure, two.limit.bound, two.lasts) for two in more] == [
        ("latency_p99", 2.0, 5.0),
        ("double_charges", 3.0, 30.0),
    ]
    assert loaded(tmp_path, "[]").stop_when == []


@pytest.mark.parametrize(
    ("when", "place", "what"),
    [
        ("technical_sucess < 20% for 10s", "3:12", "did you mean 'technical_success'?"),
        ("recovery > 10s for 5s", "3:12", "cannot be watched during a run; there are: t"),
        ("technical_success < 20%", "3:12", "is not a condition; write one such as"),
        ("technical_success < 20 for 10s", "3:12", "'20' has no unit; write it in percent"),
        ("latency_p99 > 2 for 10s", "3:12", "'2' has no unit; write 2s"),
        ("double_charges > 1% for 10s", "3:12", "'1%' is not a number of payments"),
        ("technical_success < 20% for 10", "3:12", "'10' has no unit; write 10s"),
        ("technical_success < 20% for 1500ms", "3:12", "'1500ms' is not a window"),
        ("technical_success < 20% for 20min", "3:12", "'20min' is not a window"),
        ("technical_success < 20% for 31s", "3:12", "the load ends after 30 s"),
        ("[unknown > 5% for 9s, unknown > 5% fr 9s]", "3:34", "is not a condition"),
        ("[unknown > 5% for 9s, unknown > 5% for 31s]", "3:34", "the load ends after 30 s"),
    ],
)
def test_a_mistake_is_reported_with_its_place(
    tmp_path: Path, when: str, place: str, what: str
) -> None:
    (line,) = mistakes(tmp_path, when)
    assert line.startswith(f"{place}: ")
    assert what in line


def test_a_window_that_never_has_enough_payments_is_a_mistake(tmp_path: Path) -> None:
    """At 2/s a window of 9 s has 18 payments; of 10 s it has 20."""
    (line,) = mistakes(tmp_path, "unknown > 5% for 9s", rate=2)
    assert "a window of 9 s has at most 18 payments; 20 are needed to judge it" in line
    assert loaded(tmp_path, "unknown > 5% for 10s", rate=2).stop_when
    assert loaded(tmp_path, "double_charges > 0 for 9s", rate=2).stop_when


def test_it_is_met_in_the_first_full_window_and_a_second_after_it(tmp_path: Path) -> None:
    """10/s, all fail at once. From 4 s to 7 s nobody is answered, before everybody."""
    run = Recorded()
    for number in range(100):
        at_s = number / 10
        run.pay(at_s + 0.01, "approved" if at_s < 4 else "unknown", took_ms=10)
    seen = watch(tmp_path, "technical_success < 20% for 3s")
    seen.add(run.records)
    assert seen.judge(7.9) is None  # the window from 4 s to 7 s has not settled
    met = seen.judge(8.0)
    assert met is not None
    assert (met.observed, met.at_s) == (0.0, 8.0)
    assert met.sentence == (
        "stopped at 8.0 s: technical success 0.0 % for 3 s "
        "(stop_when technical_success < 20% for 3s)"
    )


def test_a_payment_counts_when_its_customer_has_the_answer(tmp_path: Path) -> None:
    """30 are offered in the first second and given up 3 s later: nothing is known before."""
    run = Recorded()
    for number in range(30):
        run.pay(number / 30, "unknown", took_ms=3_000)
    seen = watch(tmp_path, "unknown > 90% for 1s")
    seen.add(run.records)
    assert seen.judge(4.9) is None
    assert seen.judge(5.1) is not None


@pytest.mark.parametrize(("payments", "is_met"), [(19, False), (20, True)])
def test_under_twenty_payments_say_nothing(tmp_path: Path, payments: int, is_met: bool) -> None:
    run = Recorded()
    for number in range(payments):
        run.pay(number / 10, "unknown", took_ms=10)
    seen = watch(tmp_path, "technical_success < 20% for 2s")
    seen.add(run.records)
    assert (seen.judge(3.5) is not None) is is_met


def test_a_window_that_is_not_full_is_not_judged(tmp_path: Path) -> None:
    run = Recorded()
    for number in range(50):
        run.pay(number / 10, "unknown", took_ms=10)
    seen = watch(tmp_path, "technical_success < 20% for 10s")
    seen.add(run.records)
    assert seen.judge(6.0) is None  # 5 s of failures are not 10 s


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("latency_p50 >= 300ms for 2s", "300 ms"),  # exact: a histogram would say 301 ms
        ("latency_p99 > 2s for 2s", "2.5 s"),
        ("approval_rate < 60% for 2s", "50.0 %"),  # 15 approved, 15 declined for business
        ("unknown > 10% for 2s", "25.0 %"),  # 10 of 40
    ],
)
def test_every_measure_is_the_one_of_the_tolerances(tmp_path: Path, when: str, text: str) -> None:
    run = Recorded()
    for number in range(15):
        run.pay(number / 100, "approved", took_ms=100)
        run.pay(number / 100, "declined", took_ms=300)
    for number in range(10):
        run.pay(-1.0 + number / 100, "unknown", took_ms=2_500)
    seen = watch(tmp_path, when)
    seen.add(run.records)
    met = seen.judge(3.0)
    assert met is not None
    assert met.observed_text == text
    assert met.condition == when


def hold(
    payment: str, reference: str, at_s: float, kind: str = "authorised", minor: int = 1_000
) -> Movement:
    return Movement(
        link="issuer",
        payment=payment,
        attempt=1,
        kind=MovementKind(kind),
        amount_minor=minor,
        currency="EUR",
        reference=reference,
        at_ns=int(at_s * 1e9),
        decided_by="issuer",
    )


def test_a_double_charge_counts_once_it_has_lasted(tmp_path: Path) -> None:
    """p1 is held twice from 2 s to 4 s, p2 from 5 s on: it has lasted 3 s at 8 s."""
    seen = watch(tmp_path, "double_charges > 0 for 3s")
    seen.add([hold("p1", "a", 1), hold("p1", "b", 2), hold("p1", "b", 4, "voided")])
    seen.add([hold("p2", "c", 3), hold("p2", "d", 5), hold("p3", "e", 5)])
    assert seen.judge(8.9) is None
    met = seen.judge(9.0)
    assert met is not None
    assert met.sentence.startswith("stopped at 9.0 s: double charges 1 for 3 s (stop_when ")


def paid(payment: str, order: str, at_s: float, amount: int = 1_000, of: int = 0) -> PaymentRecord:
    return PaymentRecord(
        payment=payment,
        intended_ns=0,
        started_ns=0,
        ended_ns=int(at_s * 1e9),
        outcome=Outcome.APPROVED,
        technical=False,
        code="00",
        shown="approved",
        amount_minor=amount,
        currency="EUR",
        scheme="visa",
        instrument="424242…4242",
        merchant="shop",
        decided_by="issuer",
        error=None,
        warm_up=False,
        approved_minor=amount,
        order=order,
        order_minor=of,
    )


def test_an_order_that_is_paid_twice_is_one_double_charge(tmp_path: Path) -> None:
    """p2 repeats the order of p1 and is held from 2 s on, which is known at 4 s: 3 s at 5 s."""
    seen = watch(tmp_path, "double_charges > 0 for 3s")
    seen.add([hold("p1", "a", 1), paid("p1", "p1", 1.5), hold("p2", "b", 2), paid("p2", "p1", 4)])
    seen.add([hold("p3", "c", 2), paid("p3", "p3", 2.5)])
    assert seen.judge(5.9) is None
    met = seen.judge(6.0)
    assert met is not None
    assert met.sentence.startswith("stopped at 6.0 s: double charges 1 for 3 s (stop_when ")


def test_an_order_that_is_paid_in_parts_is_no_double_charge(tmp_path: Path) -> None:
    """p1 and p2 are parts of an order of 20.00: together they take all of it, never more."""
    seen = watch(tmp_path, "double_charges > 0 for 1s")
    parts = [paid("p1", "o1", 1.5, of=2_000), paid("p2", "o1", 2.5, of=2_000)]
    seen.add([hold("p1", "a", 1), hold("p2", "b", 2), *parts])
    assert seen.judge(9.0) is None
    seen.add([hold("p1", "a", 10, "voided"), hold("p2", "c", 11)])
    assert seen.judge(20.0) is None
    seen.add([hold("p1", "d", 21)])
    assert seen.judge(30.0) is not None


def test_an_own_service_may_hold_parts_until_its_customer_has_an_answer(tmp_path: Path) -> None:
    """7.00 and 3.00 are parts of 10.00; 7.00 and 10.00 are more, once the customer is heard of."""
    own = checked(own_shop())
    seen = watch(tmp_path, "double_charges > 0 for 1s", own)
    seen.add([hold("p1", "a", 1, minor=700), hold("p1", "b", 2, minor=300)])
    assert seen.judge(9.0) is None
    seen.add([paid("p1", "p1", 9.0)])
    assert seen.judge(20.0) is None
    seen.add([hold("p2", "c", 20, minor=700), hold("p2", "d", 21, minor=1_000)])
    assert seen.judge(30.0) is None
    seen.add([paid("p2", "p2", 30.0)])
    assert seen.judge(40.0) is not None


def test_what_a_processor_holds_and_the_issuer_does_not_is_no_double_charge(
    tmp_path: Path,
) -> None:
    seen = watch(tmp_path, "double_charges > 0 for 1s")
    seen.add(
        [
            hold("p1", "a", 1),
            Movement(
                link="processor-b",
                payment="p1",
                attempt=1,
                kind=MovementKind.AUTHORISED,
                amount_minor=1_000,
                currency="EUR",
                reference="b",
                at_ns=int(1e9),
                decided_by="processor-b",
            ),
        ]
    )
    assert seen.judge(20.0) is None


def outage() -> Recorded:
    """4 s of 10/s, then A is down for 3 s and nobody is answered; 70 of 200 payments were made."""
    run = Recorded(ends_s=7, planned=200)
    for number in range(70):
        is_up = number < 40
        run.pay(
            number / 10, "approved" if is_up else "unknown", took_ms=10, route=0 if is_up else None
        )
    run.fault("down-1", 4, 7)
    return run


def test_a_stopped_run_fails_by_what_it_broke_and_is_inconclusive_otherwise() -> None:
    failed = outage().analysed(stopped=STOPPED, technical_success={"during": ">= 95%"})
    assert failed.verdict is Verdict.FAIL
    assert failed.reasons[:2] == [
        STOPPED.sentence,
        "technical success during the faults was 0.0 % (≥ 95 % required)",
    ]
    held = outage().analysed(stopped=STOPPED, technical_success={"before": ">= 99%"})
    assert (held.verdict, held.reasons[0]) == (Verdict.INCONCLUSIVE, STOPPED.sentence)
    assert held.tolerances[0].passed is True


def test_faults_that_were_still_to_come_are_no_failure_of_the_harness() -> None:
    run = outage()
    run.faults.append(("later", 30.0, 40.0))  # declared, never switched
    run.records = [record for record in run.records if getattr(record, "fault", "") != "later"]
    stopped = run.analysed(stopped=STOPPED, technical_success={"during": ">= 95%"})
    assert stopped.verdict is Verdict.FAIL
    run.ends_s = 50.0  # the load went on, and it was due
    whole = run.analysed(technical_success={"during": ">= 95%"})
    assert whole.verdict is Verdict.INCONCLUSIVE
    assert "fault later never took effect" in whole.reasons
    assert "200 payments planned, 70 recorded" in whole.reasons


def test_a_fault_of_the_harness_outweighs_the_stop() -> None:
    lost = outage().analysed("the engine died", stopped=STOPPED)
    assert lost.verdict is Verdict.INCONCLUSIVE
    assert lost.reasons[:2] == ["the engine died", STOPPED.sentence]
