"""Webhooks between a processor and a gateway: late, twice, badly signed, and what they are for."""

from __future__ import annotations

import pytest

from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Decision, HopRecord
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import Event
from paychain.services.in_link_faults import ActiveFault
from paychain.services.state.webhooks import secret_of
from tests.support.virtual_links import VirtualLinks, on_links, paid

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
    webhooks: {{to: gateway, delay: {{median: 20ms, p99: 20ms}}, backoff: 20ms{notifies}}}
    calls: {{authorise: {{to: issuer, timeout: 200ms}}}}
  issuer: {{role: issuer, {QUICK}}}
"""


def taken(links: VirtualLinks) -> list[str]:
    """What the gateway recorded of the webhooks it received."""
    events = [
        decision
        for decision in links.of(Decision)
        if decision.link == "gateway" and decision.operation == "notify"
    ]
    return [f"{each.kind}: {each.detail}" for each in events]


def test_every_step_has_one_webhook() -> None:
    gateway = "captures: {after: 10ms}\n    refunds: {share: 100%, after: 10ms}"
    links, _ = paid(chain(gateway=gateway))
    assert taken(links) == [
        "webhook_accepted: authorised p1-1",
        "webhook_accepted: captured p1-1",
        "webhook_accepted: refunded p1-1",
    ]
    assert links.broken() == {}


def test_a_repeated_webhook_is_known_by_its_id_and_has_no_effect() -> None:
    links, _ = paid(chain(", duplicates: 100%", gateway="captures: {on: webhook, after: 5ms}"))
    assert taken(links)[:2] == [
        "webhook_accepted: authorised p1-1",
        "webhook_duplicate: authorised p1-1",
    ]
    assert links.book("issuer") == ["authorised 1000", "captured 1000 c1"]
    assert links.broken() == {}


def test_without_deduplication_webhooks_capture_twice_where_the_processor_knows_no_keys() -> None:
    gateway = "deduplicates: false\n    captures: {on: webhook, after: 100ms, parts: 2}"
    text = chain(", duplicates: 100%", gateway=gateway, processor="idempotency: none")
    links, _ = paid(text)
    # 5.00 by the first event, 5.00 by its repeat: the second part of either finds nothing left
    assert links.book("processor") == [
        "authorised 1000",
        "captured 500 c1",
        "captured 500 c1~processor.2",
    ]
    assert "repeats_without_effect" in links.broken()


def test_a_bad_signature_is_refused_and_the_event_is_sent_again() -> None:
    links, _ = paid(chain(", bad_signatures: 60%, give_up_after: 5s", gateway=""))
    events = taken(links)
    assert events[-1] == "webhook_accepted: authorised p1-1"
    assert set(events[:-1]) <= {"webhook_rejected: authorised p1-1"}
    sent = [hop for hop in links.of(HopRecord) if hop.operation == "notify"]
    assert len(sent) == len(events)


@pytest.mark.parametrize("field", ["amount_minor", "reference", "event", "at_ns"])
def test_a_signature_covers_what_the_gateway_acts_on(field: str) -> None:
    native = DIALECTS["paychain"]
    event = native.sign(
        Event("p1", 100, "EUR", TEST_CARDS[0], reference="p1-1", key="e1"), "secret"
    )
    other = {"amount_minor": 101, "reference": "p2-1", "event": "refunded", "at_ns": 1}[field]
    assert native.is_signed(event, "secret")
    setattr(event, field, other)
    assert not native.is_signed(event, "secret")
    assert secret_of("processor", 1) != secret_of("other", 1)


async def _lost(links: VirtualLinks) -> HopResult:
    parameters = KINDS["lost_answer"].model_validate({})
    fault = ActiveFault(
        id="f", parameters=parameters, spots=(InLinkPlace("processor", operation="authorise"),)
    )
    links.host.faults.apply(fault)
    reply = await links.pay()
    await links.drain()
    return reply.result


def test_an_authorisation_that_was_given_up_is_reversed_when_its_webhook_comes() -> None:
    links, result = on_links(chain(), _lost)
    assert result is HopResult.UNKNOWN
    assert links.book("issuer") == ["authorised 1000", "voided 1000"]
    assert links.broken() == {}


def test_without_webhooks_it_stays_orphaned() -> None:
    text = "\n".join(line for line in chain().splitlines() if "webhooks:" not in line)
    links, _ = on_links(text, _lost)
    assert set(links.broken()) == {"no_orphaned_authorisation", "unknowns_resolved"}


def test_a_webhook_that_comes_before_the_answer_waits_for_it() -> None:
    async def slow(links: VirtualLinks) -> HopResult:
        parameters = KINDS["slow_answer"].model_validate({"delay": "150ms"})
        fault = ActiveFault(
            id="f", parameters=parameters, spots=(InLinkPlace("processor", operation="authorise"),)
        )
        links.host.faults.apply(fault)
        reply = await links.pay()
        await links.drain()
        return reply.result

    links, result = on_links(chain(gateway="captures: {after: 5ms}"), slow)
    assert result is HopResult.APPROVED
    assert links.book("issuer") == ["authorised 1000", "captured 1000 c1"]
    assert links.broken() == {}


@pytest.mark.parametrize(
    ("clocks", "is_taken"),
    [
        ("clock_skew: 4m", True),
        ("clock_skew: 6m", False),
        ("clock_skew: 6m, max_age: 10m", True),
        ("clock_skew: 40s, max_age: 30s", False),
    ],
)
def test_a_clock_that_is_further_off_than_a_signature_may_be_old_stops_all_webhooks(
    clocks: str, is_taken: bool
) -> None:
    text = chain(f", give_up_after: 500ms, {clocks}", gateway="captures: {on: webhook, after: 5ms}")
    links, reply = paid(text)
    assert reply.result is HopResult.APPROVED
    kinds = {record.partition(":")[0] for record in taken(links)}
    assert kinds == {"webhook_accepted" if is_taken else "webhook_rejected"}
    captured = [line for line in links.book("issuer") if line.startswith("captured")]
    assert captured == (["captured 1000 c1"] if is_taken else [])
