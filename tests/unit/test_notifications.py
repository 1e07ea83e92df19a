"""Webhooks between a processor and a gateway: late, twice, badly signed, and what they are for."""

from __future__ import annotations

import pytest

from harness.model.fault import LINK_KINDS
from harness.payments.cards import TEST_CARDS
from harness.payments.journal import Decision, HopRecord
from harness.payments.outcome import HopResult
from harness.services.fault import ActiveFault
from harness.services.message import PaymentRequest
from harness.services.notifications import secret_of, signature
from tests.world import World, in_world, paid

QUICK = "answers_in: {median: 0s, p99: 0s}"


def chain(
    notifies: str = "", *, gateway: str = "", processor: str = "", on_unknown: str = "give_up"
) -> str:
    return f"""\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    {QUICK}
    {gateway}
    calls: {{authorise: {{to: processor, timeout: 300ms, on_unknown: {on_unknown}}}}}
  processor:
    role: processor
    {QUICK}
    {processor}
    notifies: {{to: gateway, delay: {{median: 20ms, p99: 20ms}}, backoff: 20ms{notifies}}}
    calls: {{authorise: {{to: issuer, timeout: 200ms}}}}
  issuer: {{role: issuer, {QUICK}}}
"""


def taken(world: World) -> list[str]:
    """What the gateway said of the notifications it got."""
    said = [
        one for one in world.of(Decision) if one.link == "gateway" and one.operation == "notify"
    ]
    return [f"{one.kind}: {one.detail}" for one in said]


def test_every_step_is_notified_once() -> None:
    gateway = "captures: {after: 10ms}\n    refunds: {share: 100%, after: 10ms}"
    world, _ = paid(chain(gateway=gateway))
    assert taken(world) == [
        "notified: authorised p1-1", "notified: captured p1-1", "notified: refunded p1-1",
    ]  # fmt: skip
    assert world.broken() == {}


def test_a_repeated_notification_is_known_by_its_id_and_has_no_effect() -> None:
    world, _ = paid(chain(", duplicates: 100%", gateway="captures: {on: notification, after: 5ms}"))
    assert taken(world)[:2] == [
        "notified: authorised p1-1", "notification_repeated: authorised p1-1",
    ]  # fmt: skip
    assert world.book("issuer") == ["authorised 1000", "captured 1000 c1"]
    assert world.broken() == {}


def test_who_forgets_notifications_captures_twice_where_the_processor_knows_no_keys() -> None:
    gateway = (
        "forgets_notifications: true\n    captures: {on: notification, after: 100ms, parts: 2}"
    )
    text = chain(", duplicates: 100%", gateway=gateway, processor="idempotency: none")
    world, _ = paid(text)
    # 5.00 by the first event, 5.00 by its repeat: the second part of either finds nothing left
    assert world.book("processor") == [
        "authorised 1000",
        "captured 500 c1",
        "captured 500 c1~processor.2",
    ]
    assert "repeats_without_effect" in world.broken()


def test_a_bad_signature_is_refused_and_the_event_is_sent_again() -> None:
    world, _ = paid(chain(", bad_signatures: 60%, give_up_after: 5s", gateway=""))
    said = taken(world)
    assert said[-1] == "notified: authorised p1-1"
    assert set(said[:-1]) <= {"notification_refused: authorised p1-1"}
    sent = [hop for hop in world.of(HopRecord) if hop.operation == "notify"]
    assert len(sent) == len(said)


@pytest.mark.parametrize("field", ["amount_minor", "reference", "event", "at_ns"])
def test_a_signature_covers_what_the_gateway_acts_on(field: str) -> None:
    event = PaymentRequest("p1", 100, "EUR", TEST_CARDS[0], reference="p1-1", key="e1")
    other = {"amount_minor": 101, "reference": "p2-1", "event": "refunded", "at_ns": 1}[field]
    proof = signature("secret", event)
    setattr(event, field, other)
    assert signature("secret", event) != proof
    assert secret_of("processor", 1) != secret_of("other", 1)


async def _lost(world: World) -> HopResult:
    parameters = LINK_KINDS["lost_answer"].model_validate({})
    fault = ActiveFault("f", parameters, frozenset({"processor"}), None, "authorise")
    world.host.faults.apply(fault)
    reply = await world.pay()
    await world.drain()
    return reply.result


def test_an_authorisation_that_was_given_up_is_reversed_when_its_notification_comes() -> None:
    world, result = in_world(chain(), _lost)
    assert result is HopResult.UNKNOWN
    assert world.book("issuer") == ["authorised 1000", "voided 1000"]
    assert world.broken() == {}


def test_without_notifications_it_stays_orphaned() -> None:
    text = "\n".join(line for line in chain().splitlines() if "notifies" not in line)
    world, _ = in_world(text, _lost)
    assert set(world.broken()) == {"no_orphaned_authorisation", "unknowns_resolved"}


def test_a_notification_that_comes_before_the_answer_waits_for_it() -> None:
    async def slow(world: World) -> HopResult:
        parameters = LINK_KINDS["slow_answer"].model_validate({"delay": "150ms"})
        fault = ActiveFault("f", parameters, frozenset({"processor"}), None, "authorise")
        world.host.faults.apply(fault)
        reply = await world.pay()
        await world.drain()
        return reply.result

    world, result = in_world(chain(gateway="captures: {after: 5ms}"), slow)
    assert result is HopResult.APPROVED
    assert world.book("issuer") == ["authorised 1000", "captured 1000 c1"]
    assert world.broken() == {}
