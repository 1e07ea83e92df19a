"""Failure scripts in links, in virtual time: which request meets what, and which webhook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paychain.environment.simulated_run import simulate_run
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import load_chain, load_experiment
from paychain.model.scripts import AssignedScripts, Script, encode_script
from paychain.payments.errors import UserError
from paychain.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord
from paychain.payments.outcome import Outcome
from paychain.services.scripts import PaymentScripts
from paychain.testing import start_chain
from paychain.testing.chain import ChainUnderTest

LOST_AND_FAILED = [
    {"link": "processor-a", "operation": "authorise", "lost_answer": {}},
    {"link": "processor-b", "operation": "authorise", "http_error": {"status": "503"}},
]


def calls(chain: ChainUnderTest, payment: str, callee: str) -> list[str]:
    return [
        record.result.value
        for record in chain.records()
        if isinstance(record, HopRecord)
        and record.payment == payment
        and (record.callee, record.operation) == (callee, "authorise")
    ]


def hits(chain: ChainUnderTest) -> list[tuple[str, str]]:
    return [(hit.payment, hit.detail) for hit in chain.decisions("fault_hit")]


def events(chain: ChainUnderTest, payment: str) -> list[str]:
    """Which events the gateway received for a payment, in the order in which they came."""
    kinds = {DecisionKind.WEBHOOK_ACCEPTED, DecisionKind.WEBHOOK_DUPLICATE}
    return [
        decision.detail.partition(" ")[0]
        for decision in chain.decisions()
        if decision.kind in kinds and decision.payment == payment
    ]


def test_only_the_scripted_payment_meets_the_steps_of_its_script() -> None:
    with start_chain("card-gives-up") as chain:
        (scripted,) = chain.pay(script=LOST_AND_FAILED)
        (other,) = chain.pay()
        assert scripted.outcome is Outcome.UNKNOWN
        assert other.outcome is Outcome.APPROVED
        assert hits(chain) == [(scripted.payment, "script-1/1"), (scripted.payment, "script-1/2")]
        # Both hold the money of the first payment: the chain does not reverse what is unknown.
        assert any(
            rule.rule == "no_orphaned_authorisation" and rule.findings == 1
            for rule in chain.money().rules
        )


def test_a_step_is_for_the_request_of_its_number() -> None:
    second = [{"link": "processor-a", "operation": "authorise", "request": 2, "decline": {}}]
    with start_chain("card-gives-up") as chain:
        chain.pay(script=second)
        assert hits(chain) == []  # there was one request only
    with start_chain("card-eager-retries") as chain:
        steps = [
            {"link": "processor-a", "operation": "authorise", "http_error": {}},
            {"link": "processor-a", "operation": "authorise", "request": 2, "http_error": {}},
        ]
        (paid,) = chain.pay(script=steps)
        assert [detail for _, detail in hits(chain)] == ["script-1/1", "script-1/2"]
        assert calls(chain, paid.payment, "processor-a")[:3] == [
            "http_error",
            "http_error",
            "approved",
        ]


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        ({"decline": {"code": "51"}}, Outcome.DECLINED),
        ({"wrong_answer": {"says": "declined", "code": "51"}}, Outcome.DECLINED),
        ({"slow_answer": {"delay": "300ms"}}, Outcome.APPROVED),
        ({"duplicate_answer": {}}, Outcome.APPROVED),
        ({"duplicate_request": {}}, Outcome.APPROVED),
        # Refused at once, and paid at the other processor.
        ({"rate_limit": {"rate": "1/s"}}, Outcome.APPROVED),
        ({"late_answer": {"delay": "300ms"}}, Outcome.APPROVED),
        ({"stuck_pending": {}, "for": "30s"}, Outcome.APPROVED),
        ({"malformed": {}}, Outcome.APPROVED),
    ],
)
def test_every_kind_of_one_request_can_be_a_step(step: dict[str, Any], outcome: Outcome) -> None:
    with start_chain("card-gives-up") as chain:
        (paid,) = chain.pay(
            script=[{"link": "processor-a", "operation": "authorise", **step}], cards=("visa",)
        )
        assert [detail for _, detail in hits(chain)] == ["script-1/1"]
        assert paid.outcome is outcome
        chain.drain()  # what was stuck is worked on once its time is over


def test_requests_are_counted_over_all_payments_of_an_order() -> None:
    """A retry with a new key goes on where the first payment was: its request is the second."""
    steps: list[Mapping[str, Any]] = [
        {"link": "gateway", "lost_answer": {}},
        {"customer": {"retry": {"after": "5s", "key": "new"}}},
    ]
    with start_chain("card-gives-up") as chain:
        paid = chain.pay(script=steps)
        # The answer to the first payment is lost, the second is answered.
        assert [payment.payment[-2:] for payment in paid] == ["01", "r2"]
        assert [payment.outcome for payment in paid] == [Outcome.UNKNOWN, Outcome.APPROVED]
        assert {payment.order for payment in paid} == {paid[0].payment}
        assert [detail for _, detail in hits(chain)] == ["script-1/1"]
        broken = {rule.rule for rule in chain.money().rules if rule.findings}
        assert "no_double_charge" in broken


def test_a_customer_presses_twice_or_leaves() -> None:
    with start_chain("card-sound") as chain:
        pressed = chain.pay(
            script=[{"customer": {"presses_twice": {"after": "20ms", "key": "new"}}}]
        )
        assert len(pressed) == 2
        assert len({payment.order for payment in pressed}) == 1
        (left,) = chain.pay(
            script=[
                {"link": "gateway", "slow_answer": {"delay": "3s"}},
                {"customer": {"leaves": {"after": "1s"}}},
            ]
        )
        assert left.shown == "no answer"
        assert left.ended_ns - left.intended_ns == pytest.approx(1e9, rel=0.01)


@pytest.mark.parametrize("card", ["same", "another"])
def test_a_customer_pays_again_after_a_decline_and_not_after_an_approval(card: str) -> None:
    again = {"customer": {"pays_again": {"after": "2s", "card": card}}}
    decline = {"link": "processor-a", "operation": "authorise", "decline": {"code": "51"}}
    with start_chain("card-sound") as chain:
        declined, approved = chain.pay(script=[decline, again], cards=("visa",))
        assert [declined.shown, approved.shown] == ["declined", "approved"]
        assert (approved.payment, approved.order) == (f"{declined.payment}r2", declined.payment)
        assert approved.intended_ns - declined.ended_ns == pytest.approx(2e9, rel=0.01)
        assert (approved.instrument == declined.instrument) is (card == "same")
        assert approved.scheme == "visa"
        assert len(chain.pay(script=[again])) == 1
        # Who is declined once more gives up.
        declines = [{**decline, "request": number} for number in (1, 2, 3)]
        twice = chain.pay(script=[*declines, again])
        assert [payment.shown for payment in twice] == ["declined", "declined"]
        chain.assert_money_right()


def test_a_webhook_is_dropped_or_sent_twice_or_late() -> None:
    with start_chain("card-naive-webhooks", seed=3) as chain:
        (usual,) = chain.pay(cards=("visa",))
        chain.drain()
        was = events(chain, usual.payment)
        assert was
        (dropped,) = chain.pay(script=[{"webhook": "processor-a", "dropped": {}}], cards=("visa",))
        (twice,) = chain.pay(script=[{"webhook": "processor-a", "twice": {}}], cards=("visa",))
        (late,) = chain.pay(
            script=[{"webhook": "processor-a", "late": {"by": "5s"}}], cards=("visa",)
        )
        chain.drain()
        assert len(events(chain, dropped.payment)) < len(was)
        assert events(chain, twice.payment).count(was[0]) >= 2
        accepted = [
            each.at_ns
            for each in chain.decisions("webhook_accepted")
            if each.payment == late.payment
        ]
        assert accepted[0] > late.ended_ns + 4e9
        # Nobody is to blame for a webhook that a script dropped.
        assert not [
            each
            for each in chain.decisions("follow_up_due")
            if each.payment == dropped.payment and each.operation == "notify"
        ]


def test_a_webhook_arrives_before_its_answer() -> None:
    with start_chain("card-naive-webhooks", seed=3) as chain:
        (paid,) = chain.pay(
            script=[{"webhook": "processor-a", "before_answer": {}}], cards=("visa",)
        )
        chain.drain()
        assert [detail for _, detail in hits(chain)] == ["script-1/1"]
        arrived = min(
            record.started_ns
            for record in chain.records()
            if isinstance(record, HopRecord) and record.operation == "notify"
        )
        answered = min(
            record.ended_ns
            for record in chain.records()
            if isinstance(record, HopRecord)
            and (record.callee, record.operation) == ("processor-a", "authorise")
        )
        assert paid.outcome is Outcome.APPROVED
        assert arrived < answered


def test_a_webhook_arrives_after_the_next_one() -> None:
    with start_chain("card-lifecycle", seed=3) as chain:
        (usual,) = chain.pay(cards=("visa",))
        chain.drain()
        first, second, *_ = dict.fromkeys(events(chain, usual.payment))
        (paid,) = chain.pay(
            script=[{"webhook": "processor-a", "out_of_order": {}}], cards=("visa",)
        )
        chain.drain()
        order = list(dict.fromkeys(events(chain, paid.payment)))
        assert order.index(second) < order.index(first)


def test_a_webhook_arrives_during_a_request() -> None:
    with start_chain("card-lifecycle", seed=3) as chain:
        (paid,) = chain.pay(
            script=[{"webhook": "processor-a", "during": {"operation": "capture"}}],
            cards=("visa",),
        )
        chain.drain()
        hops = [record for record in chain.records() if isinstance(record, HopRecord)]
        arrived, captured = (
            min((hop for hop in hops if hop.operation == name), key=lambda hop: hop.started_ns)
            for name in ("notify", "capture")
        )
        assert paid.outcome is Outcome.APPROVED
        assert captured.started_ns < arrived.started_ns < arrived.ended_ns < captured.ended_ns


def test_an_answer_waits_until_the_webhook_has_arrived_not_until_it_is_accepted() -> None:
    refused = [
        {"link": "gateway", "operation": "notify", "request": number, "http_error": {"status": 503}}
        for number in range(1, 5)
    ]
    with start_chain("card-naive-webhooks", seed=3) as chain:
        (paid,) = chain.pay(
            script=[{"webhook": "processor-a", "before_answer": {}}, *refused], cards=("visa",)
        )
        chain.drain()
        notified = [
            record
            for record in chain.records()
            if isinstance(record, HopRecord) and record.operation == "notify"
        ]
        first, *_, last = sorted(notified, key=lambda hop: hop.started_ns)[:4]
        assert first.ended_ns < paid.ended_ns < last.started_ns


def test_a_script_that_the_chain_cannot_have_is_a_mistake_of_the_test() -> None:
    with start_chain("card-sound") as chain:
        with pytest.raises(UserError, match="step 2: unknown link 'nobody'"):
            chain.pay(script=[LOST_AND_FAILED[0], {"link": "nobody", "lost_answer": {}}])
        with pytest.raises(UserError, match=r"step 1: .*lost_answers"):
            chain.pay(script=[{"link": "processor-a", "lost_answers": {}}])
        with pytest.raises(UserError, match=r"step 1: .*must be a mapping, not 'lost_answer'"):
            chain.pay(script=["lost_answer"])  # type: ignore[list-item]  # a mistake


# -- in an experiment ---------------------------------------------------------------------------
LOAD = "experiment: scripted\nload: {arrivals: 20/s, warm_up: 0s, before: 2s, after: 2s}\n"
MAGIC = """\
scripts:
  - id: magic
    payments: {amount: 25.00}
    steps: [{link: processor-a, operation: authorise, decline: {code: "51"}}]
  - id: fifth
    payments: {every: 5}
    steps: [{customer: {presses_twice: {after: 10ms}}}, {link: issuer, slow_answer: {delay: 1ms}}]
tolerances: {}
"""


def experiment(tmp_path: Path, chain: Chain, text: str) -> Experiment:
    path = tmp_path / "scripted.yaml"
    path.write_text(LOAD + text)
    return load_experiment(str(path), chain).model


def test_an_experiment_picks_its_payments_by_number_and_by_purchase(tmp_path: Path) -> None:
    chain = load_chain("card-sound").model
    declared = experiment(tmp_path, chain, MAGIC)
    played = simulate_run(chain, declared, seed=1)
    paid = [record for record in played.records if isinstance(record, PaymentRecord)]
    # Of 80 payments every fifth is made twice; nobody pays 25.00 by chance with this seed.
    assert len(paid) == 80 + 16
    assert played.fault_hits == {"magic/1": 0, "fifth/1": 0, "fifth/2": 16}
    assert [record for record in paid if record.amount_minor == 2_500] == []


def test_a_magic_amount_forces_one_outcome(tmp_path: Path) -> None:
    chain = load_chain("card-sound").model
    amounts = LOAD.replace("after: 2s", "after: 2s, amounts: {least: 25, median: 25, most: 25}")
    path = tmp_path / "scripted.yaml"
    path.write_text(amounts + MAGIC)
    played = simulate_run(chain, load_experiment(str(path), chain).model, seed=1)
    paid = [record for record in played.records if isinstance(record, PaymentRecord)]
    assert {record.code for record in paid} == {"51"}
    assert played.fault_hits is not None
    assert played.fault_hits["magic/1"] == 80


def test_a_payment_keeps_its_script_when_a_later_request_shows_no_magic() -> None:
    from paychain.model.scripts import AssignedScripts, Script
    from paychain.payments.cards import TEST_CARDS
    from paychain.protocol.message import PaymentRequest
    from paychain.services.context import Context

    script = Script.model_validate(
        {
            "id": "m",
            "payments": {"amount": "92.30"},
            "steps": [{"link": "psp", "operation": "capture", "lost_answer": {}}],
        }
    )
    scripts = PaymentScripts(1, "p", "EUR")
    scripts.follow(AssignedScripts.of([script]))
    journal: list[Any] = []
    psp = Context(link="psp", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="00010000")
    whole = PaymentRequest("?psp-1", 9_230, "EUR", TEST_CARDS[0])
    part = PaymentRequest("?psp-1", 4_000, "EUR", TEST_CARDS[0])
    assert scripts.affecting(psp, "shop", "authorise", whole) == []
    assert [fault.id for fault in scripts.affecting(psp, "shop", "capture", part)] == ["m/1"]
    # Another payment of another amount has no script, and the second capture no step.
    assert scripts.affecting(psp, "shop", "capture", part) == []
    other = PaymentRequest("?psp-2", 4_000, "EUR", TEST_CARDS[0])
    assert scripts.affecting(psp, "shop", "capture", other) == []
    assert [record.detail for record in journal if isinstance(record, Decision)] == ["m/1"]


def test_scripts_of_payments_that_are_over_are_forgotten() -> None:
    """Otherwise a search of hours would fill the links with scripts that nobody follows."""
    texts = [
        encode_script(Script.model_validate({"id": name, "steps": [LOST_AND_FAILED[0]]}))
        for name in ("s1", "s2")
    ]
    first = AssignedScripts(scripts=texts[:1], assigned={"p0000001": "s1", "p0000003": "s1"})
    second = AssignedScripts(scripts=texts[1:], assigned={"p0000002": "s2"}, over=["p0000001"])
    last = AssignedScripts(over=["p0000002", "p0000003"])
    scripts = PaymentScripts(1, "p", "EUR")
    scripts.follow(first)
    scripts.follow(second)
    assert sorted(scripts.hits) == ["s1/1", "s2/1"]  # another payment follows the first one
    scripts.follow(last)
    assert scripts.hits == {}
    # A process that is started meanwhile hears of all at once.
    both = first.then(second)
    assert both.scripts == texts
    assert both.assigned == {"p0000003": "s1", "p0000002": "s2"}
    assert both.then(last) == AssignedScripts()
