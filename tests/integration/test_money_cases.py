"""Chains that strangers wrote in their first hour, played in virtual time: is their money right?"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from paychain.analysis.money.parties import Parties
from paychain.environment.simulated_run import simulate_run
from paychain.explore.checks import RuleBreak, broken
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import DecisionKind, Movement, MovementKind, PaymentRecord, Record
from paychain.payments.outcome import Outcome

TWO_GATEWAYS = """\
chain: two-gateways
deadline: 8s
entry: front
links:
  front: {role: edge, calls: {forward: {to: gateway-a, timeout: 3s,
      fallback: [{to: gateway-b}]SHARED}}}
  gateway-a: {role: gateway, captures: {after: 1s}, calls: {authorise: {to: psp-a, timeout: 2s,
      on_unknown: reverse}}}
  gateway-b: {role: gateway, captures: {after: 1s}, calls: {authorise: {to: psp-b, timeout: 2s,
      on_unknown: reverse}}}
  psp-a: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  psp-b: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  issuer: {role: issuer}
"""
STORE_AND_FORWARD = """\
chain: store-and-forward
deadline: 5s
entry: gateway
links:
  gateway: {role: gateway, captures: {after: 100ms}, calls: {authorise: {to: acquirer,
      timeout: 2s, on_unknown: reverse, fallback: [{queue: {up_to: 900.00}}]}}}
  acquirer: {role: processor, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  issuer: {role: issuerDECLINES}
"""
CAPTURES = """\
chain: captures
entry: gateway
links:
  gateway: {role: gateway, captures: {CAPTURED}, calls: {authorise: {to: processor-a,
      timeout: 3s, on_unknown: reverse}}}
  processor-a: {role: processor, webhooks: {to: gateway, give_up_after: 2s},
      calls: {authorise: {to: issuer, timeout: 2s, on_unknown: reverse}}}
  issuer: {role: issuerEXPIRES}
"""
FALLBACK = "fallback: [{to: gateway-b}]SHARED"
LOST_ANSWERS = {"at": "0s", "for": "2s", "target": {"link": "gateway-a"}, "lost_answer": {}}


def chain_of(text: str, **parts: str) -> Chain:
    for name, part in parts.items():
        text = text.replace(name, part)
    chain = Chain.model_validate(yaml.safe_load(text))
    assert check_chain(chain) == []
    return chain


def played(chain: Chain, *faults: dict[str, Any]) -> tuple[list[Record], dict[str, RuleBreak]]:
    """What a load of 10/s recorded, and the rules that it broke."""
    declared = {
        "experiment": "case",
        "load": {"arrivals": "10/s", "before": "1s", "after": "4s"},
        "faults": [{"id": f"f{number}", **fault} for number, fault in enumerate(faults)],
    }
    records = simulate_run(chain, Experiment.model_validate(declared), 1).records
    return records, {finding.rule: finding for finding in broken(records, Parties.of(chain), None)}


def booked(records: list[Record], link: str, kind: MovementKind) -> dict[str, int]:
    """What a link booked, by payment."""
    found: dict[str, int] = {}
    for record in records:
        if isinstance(record, Movement) and (record.link, record.kind) == (link, kind):
            found[record.payment] = found.get(record.payment, 0) + record.amount_minor
    return found


def approved(records: list[Record]) -> dict[str, int]:
    """The amounts of the payments that customers saw approved."""
    return {
        record.payment: record.amount_minor
        for record in records
        if isinstance(record, PaymentRecord) and record.outcome is Outcome.APPROVED
    }


def test_two_gateways_that_both_take_the_money_charge_twice() -> None:
    records, found = played(chain_of(TWO_GATEWAYS, SHARED=""), LOST_ANSWERS)
    at_a = booked(records, "psp-a", MovementKind.CAPTURED)
    at_b = booked(records, "psp-b", MovementKind.CAPTURED)
    twice = at_a.keys() & at_b.keys()
    assert len(twice) >= 15
    assert set(found) == {"no_double_charge"}
    assert found["no_double_charge"].payments == len(twice)
    assert found["no_double_charge"].amount_minor == sum(at_a[payment] for payment in twice)


def test_two_gateways_with_shared_keys_pay_the_merchant_twice_for_one_debit() -> None:
    chain = chain_of(TWO_GATEWAYS, SHARED=", shares_keys: true")
    records, found = played(chain, LOST_ANSWERS)
    twice = booked(records, "psp-a", MovementKind.CAPTURED).keys() & booked(
        records, "psp-b", MovementKind.CAPTURED
    )
    assert set(found) == {"money_conserved"}
    assert found["money_conserved"].payments == len(twice)


def test_two_gateways_with_shared_keys_and_a_bank_each_charge_twice() -> None:
    """What one reference holds at two banks is held twice: neither bank knows of the other."""
    bank = "  psp-b: {role: processor, calls: {authorise: {to: issuer"
    assert bank in TWO_GATEWAYS
    text = TWO_GATEWAYS.replace(bank, f"{bank}-b") + "  issuer-b: {role: issuer}\n"
    records, found = played(chain_of(text, SHARED=", shares_keys: true"), LOST_ANSWERS)
    at_a = booked(records, "issuer", MovementKind.AUTHORISED)
    twice = at_a.keys() & booked(records, "issuer-b", MovementKind.AUTHORISED).keys()
    assert len(twice) >= 15
    assert found["no_double_charge"].payments == len(twice)
    assert found["no_double_charge"].amount_minor == sum(at_a[payment] for payment in twice)


@pytest.mark.parametrize(
    ("fault", "after", "undone"),
    [
        # Reversed after 3 s, the time-out of the forward: by then captured, or not yet.
        ({"lost_answer": {}}, "1s", MovementKind.REFUNDED),
        ({"lost_answer": {}}, "5s", MovementKind.VOIDED),
        # It reaches the gateway after its reversal: it is declined.
        ({"late_answer": {"delay": "3500ms"}}, "1s", None),
    ],
    ids=["captured", "not-captured-yet", "late"],
)
def test_a_reversed_payment_is_charged_once(
    fault: dict[str, Any], after: str, undone: MovementKind | None
) -> None:
    text = TWO_GATEWAYS.replace("after: 1s", f"after: {after}")
    at = {"at": "0s", "for": "2s", "target": {"link": "gateway-a"}}
    records, found = played(chain_of(text, SHARED=", on_unknown: reverse"), at | fault)
    assert found == {}
    # 10/s for 2 s: every one of them is taken by the second gateway, and approved.
    at_b = booked(records, "psp-b", MovementKind.CAPTURED)
    assert len(at_b) == 20
    assert at_b.items() <= approved(records).items()
    for kind in (MovementKind.REFUNDED, MovementKind.VOIDED):
        assert booked(records, "psp-a", kind) == (at_b if kind is undone else {})
    at_a = booked(records, "psp-a", MovementKind.AUTHORISED).keys() & at_b.keys()
    assert len(at_a) == (20 if undone else 0)


def test_a_customer_who_pays_again_after_a_reversal_is_charged_once() -> None:
    text = TWO_GATEWAYS.replace("entry", "customer: {retry: {after: 3500ms, key: same}}\nentry")
    text = text.replace("deadline: 8s", "deadline: 15s")
    both = [
        {**LOST_ANSWERS, "for": lasts, "target": {"link": link}}
        for link, lasts in (("gateway-a", "2s"), ("gateway-b", "4s"))
    ]
    records, found = played(chain_of(text, SHARED=", on_unknown: reverse"), *both)
    assert found == {}
    # Both gateways took the first try, at 3 s and at 6 s, and their answers were lost. Sent again
    # after 9 s, the payment is another one for them.
    captured = {
        record.reference
        for record in records
        if isinstance(record, Movement)
        and (record.payment, record.link) == ("p0000030", "issuer")
        and record.kind is MovementKind.CAPTURED
    }
    assert captured == {"p0000030-1", "p0000030.front.1-1", "p0000030+front.2-3"}


def test_a_reversal_finds_what_a_dying_gateway_had_sent() -> None:
    chain = chain_of(TWO_GATEWAYS, SHARED=", on_unknown: reverse")
    slow = {
        "at": "0s",
        "for": "1s",
        "target": {"link": "issuer"},
        "slow_answer": {"delay": "500ms"},
    }
    dies = {"at": "450ms", "for": "200ms", "target": {"link": "gateway-a"}, "crash": {}}
    records, found = played(chain, slow, dies)
    # What was due of payments that had been approved before is lost with its memory.
    assert set(found) <= {"authorisations_settled"}
    # The five that were under way were approved at the first processor after the crash.
    undone = booked(records, "psp-a", MovementKind.VOIDED).keys()
    assert len(undone & booked(records, "psp-b", MovementKind.CAPTURED).keys()) == 5


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("on_unknown: query", "no link answers a query of a forwarded payment"),
        ("on_unknown: resend", "no link answers a resend of a forwarded payment"),
    ],
)
def test_a_forwarded_payment_is_reversed_or_left(how: str, what: str) -> None:
    text = TWO_GATEWAYS.replace("SHARED", f", {how}")
    problem = check_chain(Chain.model_validate(yaml.safe_load(text)))[0]
    assert (problem.path[-1], problem.what) == ("on_unknown", what)


def test_only_a_link_that_reads_payments_can_reverse_them() -> None:
    text = TWO_GATEWAYS.replace("SHARED", "").replace(
        "entry: front\nlinks:\n",
        "entry: cdn\nlinks:\n  cdn: {role: edge, calls: {forward: {to: front, timeout: 7s,\n"
        "      on_unknown: reverse}}}\n",
    )
    problem = check_chain(Chain.model_validate(yaml.safe_load(text)))[0]
    assert problem.what == "'front' only forwards: it has no payment to reverse"


def test_no_payment_is_reversed_at_an_own_service() -> None:
    text = TWO_GATEWAYS.replace("SHARED", ", on_unknown: reverse").replace(
        "gateway-b: {role: gateway, captures: {after: 1s}",
        'gateway-b: {role: gateway, service: {command: "true"}',
    )
    problems = {problem.what for problem in check_chain(Chain.model_validate(yaml.safe_load(text)))}
    assert "'gateway-b' is an own service: nothing can reverse a payment there" in problems


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (TWO_GATEWAYS.replace("reverse}}}", "reverse, shares_keys: true}}}"), "authorise"),
        (
            TWO_GATEWAYS.replace("fallback: [{to: gateway-b}]SHARED", "shares_keys: true"),
            "no other",
        ),
    ],
)
def test_keys_are_shared_only_where_a_payment_is_forwarded(text: str, what: str) -> None:
    chain = Chain.model_validate(yaml.safe_load(text.replace("SHARED", "")))
    problem = check_chain(chain)[0]
    assert problem.path[-1] == "shares_keys"
    assert what in problem.what


@pytest.mark.parametrize(("after", "is_refused"), [("1s", True), ("12s", False)])
def test_a_capture_that_overtakes_what_is_stored_is_refused(after: str, is_refused: bool) -> None:
    """As the review says of such a chain (captured_before_delivery)."""
    stores = ", fallback: [{queue: {up_to: 900.00}}]"
    text = STORE_AND_FORWARD.replace("after: 100ms", f"after: {after}").replace(stores, "")
    stores = stores.replace("900.00", "900.00, within: 8s")
    text = text.replace("timeout: 2s", "timeout: 3s").replace(
        "reverse}}}\n  i", f"reverse{stores}}}}}}}\n  i"
    )
    away = {"at": "0s", "for": "3s", "target": {"link": "issuer"}, "http_error": {"status": 503}}
    _, found = played(chain_of(text, DECLINES=""), away)
    assert ("completed" in found) == is_refused


def test_what_was_stored_and_delivered_later_is_charged_once() -> None:
    chain = chain_of(STORE_AND_FORWARD, DECLINES="")
    away = {
        "at": "0s",
        "for": "1500ms",
        "target": {"link": "issuer"},
        "http_error": {"status": 503},
    }
    records, found = played(chain, away)
    stored = booked(records, "gateway", MovementKind.STORED)
    # Some were delivered under a reference that the acquirer made after reversing earlier tries.
    delivered = [
        record.detail
        for record in records
        if getattr(record, "kind", "") is DecisionKind.QUEUE_DELIVERED
    ]
    assert len(stored) >= 10
    assert any(" as " in detail for detail in delivered)
    assert found == {}
    assert booked(records, "issuer", MovementKind.CAPTURED) == approved(records)


def test_what_was_stored_and_declined_later_is_approved_without_money() -> None:
    chain = chain_of(STORE_AND_FORWARD, DECLINES=", declines: {share: 30%}")
    down = {"at": "0s", "for": "2s", "target": {"link": "acquirer"}, "down": {}}
    records, found = played(chain, down)
    empty = approved(records).keys() - booked(records, "issuer", MovementKind.AUTHORISED).keys()
    assert len(empty) >= 3
    assert set(found) == {"no_approval_without_money"}
    assert found["no_approval_without_money"].payments == len(empty)


def test_a_capture_that_dies_with_its_gateway_is_found() -> None:
    crash = {"at": "1s", "for": "300ms", "target": {"link": "gateway"}, "crash": {}}
    chain = chain_of(CAPTURES, CAPTURED="after: 1s", EXPIRES="")
    records, found = played(chain, crash)
    lost = approved(records).keys() - booked(records, "issuer", MovementKind.CAPTURED).keys()
    assert len(lost) >= 8
    assert found["authorisations_settled"].payments == len(lost)
    assert found["authorisations_settled"].amount_minor == sum(approved(records)[p] for p in lost)


def test_a_webhook_that_is_given_up_leaves_the_payment_uncollected() -> None:
    cut = {"at": "0s", "for": "4s", "target": {"hop": "processor-a -> gateway"}, "down": {}}
    chain = chain_of(CAPTURES, CAPTURED="'on': webhook, after: 100ms", EXPIRES="")
    records, found = played(chain, cut)
    lost = approved(records).keys() - booked(records, "issuer", MovementKind.CAPTURED).keys()
    assert len(lost) >= 10
    assert set(found) == {"authorisations_settled"}
    assert found["authorisations_settled"].payments == len(lost)
    assert found["authorisations_settled"].amount_minor == sum(approved(records)[p] for p in lost)


def test_a_hold_that_expires_before_its_capture_is_never_collected() -> None:
    chain = chain_of(CAPTURES, CAPTURED="after: 1s", EXPIRES=", expires_after: 500ms")
    records, found = played(chain)
    assert booked(records, "issuer", MovementKind.CAPTURED) == {}
    # The processor has paid the merchant what the cardholder never paid.
    assert set(found) == {"completed", "money_conserved"}
    assert found["completed"].payments == len(approved(records)) > 0
    assert found["completed"].amount_minor == sum(approved(records).values())
