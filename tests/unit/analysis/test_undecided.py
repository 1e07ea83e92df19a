"""Runs that do not show everything: payments still in progress, and faults that met no traffic."""

from __future__ import annotations

import msgspec
import pytest

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.measures import Verdict
from paychain.analysis.measures.money import money
from paychain.payments.journal import EngineEvent, HopRecord, Movement, MovementKind, PaymentRecord
from paychain.payments.outcome import HopResult
from paychain.payments.rules import AT_ANY_TIME
from tests.support.chains import checked, shop
from tests.support.recorded import Recorded, ns


def in_progress(payments: int = 100, pending: int = 3) -> Recorded:
    """Payments of which the last ones were still in progress 15 s after the load."""
    run = Recorded(ends_s=20, waits_s=15)
    paid = [run.pay(number / 10) for number in range(payments)]
    run.pending = paid[-pending:] if pending else []
    return run


def charge_again(run: Recorded, payment: str) -> None:
    run.records.append(
        Movement(
            link="issuer",
            payment=payment,
            attempt=2,
            kind=MovementKind.AUTHORISED,
            amount_minor=1_000,
            currency="EUR",
            reference="again",
            at_ns=ns(1),
            decided_by="issuer",
        )
    )


def test_a_run_with_payments_in_progress_does_not_pass_and_names_them() -> None:
    analysis = in_progress().analysed(technical_success=">= 99%")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert analysis.reasons == [
        "3 payments not decided: still in progress when the drain ended (settles_within)"
    ]
    assert analysis.money.undecided_payments == ["p00098", "p00099", "p00100"]
    open_rules = {rule.rule for rule in analysis.money.rules if rule.passed is None}
    assert open_rules
    assert not open_rules & AT_ANY_TIME


def notified(run: Recorded, payment: str, at_s: float, result: HopResult, code: str) -> None:
    run.records.append(
        HopRecord(
            payment=payment,
            attempt=1,
            span=f"{payment}-{at_s}",
            parent="",
            caller="processor",
            operation="notify",
            callee="shop",
            route=0,
            try_number=1,
            started_ns=ns(at_s),
            ended_ns=ns(at_s + 0.1),
            result=result,
            code=code,
        )
    )


def test_a_call_that_went_on_failing_is_named_beside_them() -> None:
    run = in_progress(pending=3)
    # Two payments in progress, each told twice after the load; and what does not count: a payment
    # that is done, a webhook during the load, and how one failed that has been sent again since.
    for payment in run.pending[:2]:
        for at_s in (21.0, 25.0):
            notified(run, payment, at_s, HopResult.HTTP_ERROR, "404")
    for payment in run.pending:
        notified(run, payment, 20.5, HopResult.RESET, "")
    for number in range(5):
        notified(run, f"p0000{number + 1}", 23.0, HopResult.TIMEOUT, "")
        notified(run, run.pending[0], 10.0 + number, HopResult.TIMEOUT, "")
    # This one was taken: something else keeps the payment in progress.
    notified(run, run.pending[2], 23.0, HopResult.APPROVED, "00")
    assert run.analysed(technical_success=">= 99%").reasons == [
        "3 payments not decided: still in progress when the drain ended (settles_within)",
        "after the load, processor → shop (notify) went on failing for 2 payments in progress: "
        "HTTP 404",
    ]


def test_a_broken_tolerance_fails_a_run_that_did_not_come_to_rest() -> None:
    run = in_progress()
    run.pay(15, "technical")
    analysis = run.analysed(technical_success=">= 100%")
    assert analysis.verdict is Verdict.FAIL
    assert analysis.reasons[0].startswith("technical success was 99.0 %")
    assert analysis.reasons[1].startswith("3 payments not decided")


def test_customers_whom_nobody_understood_are_all_that_is_said() -> None:
    run = in_progress()
    charge_again(run, "p00005")
    run.pay(15, "technical")
    run.misfit = "shop.yaml:7:3: no answer to POST /pay is approved or declined; the first: 404"
    analysis = run.analysed(run.misfit, technical_success=">= 100%", double_charges=0)
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert analysis.reasons == [run.misfit]
    assert {limit.passed for limit in analysis.tolerances} == {None}
    assert not any(rule.findings or rule.is_judged for rule in analysis.money.rules)


def test_a_payment_with_nothing_in_progress_is_decided() -> None:
    run = in_progress()
    charge_again(run, "p00005")
    charge_again(run, "p00099")  # its reversal may still come
    analysis = run.analysed(double_charges=0)
    assert analysis.verdict is Verdict.FAIL
    found = {rule.rule: rule for rule in analysis.money.rules}
    (charged,) = found["no_double_charge"].payments
    assert charged.payment == "p00005"


def test_records_that_were_not_judged_by_every_rule_prove_nothing_for_their_like() -> None:
    run = Recorded(ends_s=20, waits_s=15)
    alike = [run.pay(number / 10) for number in range(20)]
    for payment in alike:
        charge_again(run, payment)
    run.pending = alike[:5]  # the first ones that are judged
    found = {rule.rule: rule for rule in run.analysed().money.rules}
    assert found["no_double_charge"].findings == 15


@pytest.mark.parametrize(
    ("most", "findings", "passed"),
    [
        (0, 1, False),  # whatever else is found
        (0, 0, None),
        (2, 0, None),  # 3 in progress
        (3, 0, True),  # even if all of them were
        (3, 1, None),
    ],
)
def test_a_count_is_judged_as_far_as_it_is_certain(
    most: int, findings: int, passed: bool | None
) -> None:
    run = in_progress()
    for number in range(findings):
        charge_again(run, f"p{number + 1:05d}")
    (limit,) = run.analysed(double_charges=most).tolerances
    assert limit.passed is passed


@pytest.mark.parametrize(("limit", "passed"), [("<= 10s", False), ("<= 60s", None)])
def test_a_drain_that_did_not_end_is_longer_than_what_was_waited(
    limit: str, passed: bool | None
) -> None:
    (drain,) = in_progress().analysed(drain=limit).tolerances
    assert (drain.passed, drain.observed_text) == (passed, "more than 15.0 s")
    (drain,) = in_progress(pending=0).analysed(drain=limit).tolerances
    assert drain.passed


def missed(*, may_miss: bool = False) -> Recorded:
    """All payments are over before the fault begins, and the engine reports nothing of it."""
    run = Recorded(ends_s=20, may_miss=may_miss)
    for number in range(100):
        run.pay(number / 20)
    run.fault("down-1", 10, 15)
    run.records.append(
        EngineEvent(
            seq=1,
            at_ns=0,
            kind="connected",
            proxy="gateway.authorise.processor-a",
            connection=1,
            toxic=None,
            detail="",
        )
    )
    return run


def test_a_fault_that_affected_nothing_is_no_pass() -> None:
    analysis = missed().analysed(technical_success=">= 99%")
    assert (analysis.verdict, analysis.faults[0].hits) == (Verdict.INCONCLUSIVE, 0)
    assert analysis.reasons == [
        "fault down-1 affected no traffic: its effect on the chain was not exercised "
        "(may_miss: true on the fault accepts that)"
    ]


def test_a_fault_that_affected_nothing_excuses_no_failure() -> None:
    run = missed()
    run.pay(1, "technical")
    analysis = run.analysed(technical_success=">= 100%")
    assert analysis.verdict is Verdict.FAIL
    assert "fault down-1 affected no traffic" in analysis.reasons[-1]


def test_a_fault_that_may_miss_can_pass_and_is_reported() -> None:
    analysis = missed(may_miss=True).analysed(technical_success=">= 99%")
    assert analysis.verdict is Verdict.PASS
    assert analysis.reasons == ["fault down-1 affected no traffic (may_miss)"]


def test_connections_that_nobody_used_are_no_traffic() -> None:
    run = missed()
    run.records.append(
        EngineEvent(
            seq=2,
            at_ns=ns(10),
            kind="closed",
            proxy="gateway.authorise.processor-a",
            connection=1,
            toxic=None,
            detail="proxy stopped; 0 B up, 0 B down",
        )
    )
    assert run.analysed().faults[0].hits == 0
    run.pay(9.95)  # in flight until 10.05 s
    assert run.analysed().faults[0].hits == 1


@pytest.mark.parametrize(("limit", "passed"), [(">= 97%", True), (">= 98%", None), ("> 97%", None)])
def test_completion_is_judged_as_far_as_it_holds_for_any_end_of_what_is_not_decided(
    limit: str, passed: bool | None
) -> None:
    # 100 approved, of which 3 are not decided: 97 % to 100 % are completed.
    (completed,) = in_progress().analysed(completed=limit).tolerances
    assert completed.passed is passed


def collecting(*, is_refunded: bool = False) -> Recorded:
    """A payment that was charged twice and waits for its captures when the drain ends."""
    run = in_progress(pending=1)
    run.collecting = [] if is_refunded else list(run.pending)
    charge_again(run, run.pending[0])
    return run


def test_a_double_charge_that_waits_for_its_captures_alone_fails_the_run() -> None:
    analysis = collecting().analysed(technical_success=">= 99%")
    assert analysis.verdict is Verdict.FAIL
    (rule,) = (rule for rule in analysis.money.rules if rule.rule == "no_double_charge")
    assert (rule.findings, rule.undecided) == (1, 0)
    (completed,) = (rule for rule in analysis.money.rules if rule.rule == "completed")
    assert (completed.findings, completed.undecided) == (0, 1)


def test_one_that_may_yet_be_given_back_is_not_decided() -> None:
    assert (
        collecting(is_refunded=True).analysed(technical_success=">= 99%").verdict
        is Verdict.INCONCLUSIVE
    )


def test_an_order_is_open_while_one_of_its_payments_may_be_given_back() -> None:
    run = Recorded(ends_s=20, waits_s=15)
    run.pending = [run.pay(1.0), run.pay(3.0)]
    run.records = [
        msgspec.structs.replace(each, order="o1") if isinstance(each, PaymentRecord) else each
        for each in run.records
    ]
    run.collecting = run.pending[:1]
    assert run.analysed().verdict is Verdict.INCONCLUSIVE
    run.collecting = run.pending
    assert run.analysed().verdict is Verdict.FAIL


def test_what_captures_may_still_break_is_not_passed() -> None:
    run = in_progress(pending=3)
    run.collecting = list(run.pending)
    charge_again(run, run.pending[0])
    analysis = run.analysed(double_charges=1)
    found = {rule.rule: rule for rule in analysis.money.rules}
    # A capture that does not release the rest leaves an orphan: the rule is open for all three.
    assert (found["no_orphaned_authorisation"].passed, found["no_double_charge"].undecided) == (
        None,
        2,
    )
    (limit,) = analysis.tolerances
    assert (limit.passed, limit.observed_text) == (None, "1, and 2 payments not decided")


@pytest.mark.parametrize(
    ("captures", "verdict"),
    [
        ({"after": "60s"}, Verdict.FAIL),
        ({"after": "60s", "of": "120%"}, Verdict.FAIL),
        ({"after": "60s", "of": "50%"}, Verdict.INCONCLUSIVE),  # the last releases the rest
    ],
)
def test_captures_of_less_than_is_held_give_money_back(
    captures: dict[str, str], verdict: Verdict
) -> None:
    run = collecting()
    run.chain = checked(shop(gateway={"captures": captures}, issuer={"overcapture": "20%"}))
    assert run.analysed().verdict is verdict


def test_what_an_own_service_does_after_a_capture_is_not_known_before() -> None:
    forward = {"calls": {"forward": {"to": "gateway"}}}
    run = collecting()
    for edge, found in (({}, 1), ({"dialect": "paychain", "service": {"command": "shop"}}, 0)):
        chain = checked(
            shop(
                entry="edge",
                gateway={"captures": {"after": "60s"}},
                links={"edge": {"role": "edge", **edge, **forward}},
            )
        )
        judged = MeasuredRun(run.store(), chain, run.experiment(), run.facts())[money]
        (rule,) = (rule for rule in judged.rules if rule.rule == "no_double_charge")
        assert (rule.findings, rule.undecided) == (found, 1 - found)
