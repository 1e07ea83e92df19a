"""Chargebacks: what the merchant learns of them, and what a lost report costs."""

from __future__ import annotations

import asyncio

import pytest

from paychain.faults.kinds.http_error import HttpError
from paychain.model.places import InLinkPlace
from paychain.payments.journal import Decision
from paychain.protocol.message import PaymentRequest
from paychain.services.in_link_faults import ActiveFault
from paychain.services.roles.relay import Relay
from tests.support.chains import checked
from tests.support.virtual_links import VirtualLinks, on_links, paid

QUICK = "answers_in: {median: 0s, p99: 0s}"
WEBHOOKS = "webhooks: {to: gateway, delay: {median: 20ms, p99: 20ms}, give_up_after: 2s}"


def chain(
    *,
    webhooks: str = WEBHOOKS,
    checks: str = "false",
    refund_after: str = "3s",
    scheme: str = "",
    fallback: str = "",
    captures: str = "after: 10ms",
    refunds: str = "",
) -> str:
    """The cardholder disputes each payment one second after its capture; then it is refunded."""
    behind = "scheme" if scheme else "issuer"
    acquirer = f"""
    role: processor
    {QUICK}
    {webhooks}
    calls: {{authorise: {{to: {behind}, timeout: 1s}}}}"""
    return f"""\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    {QUICK}
    captures: {{{captures}}}
    refunds: {{share: 100%, after: {refund_after}{refunds}}}
    calls: {{authorise: {{to: processor, timeout: 2s, on_unknown: reverse{fallback}}}}}
  processor: {acquirer}
{scheme}
  issuer:
    role: issuer
    {QUICK}
    checks_refunds: {checks}
    disputes: {{share: 100%, after: 1s}}
"""


SCHEME = f"  scheme: {{role: scheme, {QUICK}, calls: {{authorise: {{to: issuer, timeout: 1s}}}}}}"
GIVEN_UP_S = 90.0  # a link repeats what it has to report for a minute
REFUNDED_TOO = ["charged_back 1000 d1", "refunded 1000 r1"]


def events(links: VirtualLinks) -> list[str]:
    """The webhooks that the gateway accepted."""
    return [
        made.detail.partition(" ")[0]
        for made in links.of(Decision)
        if made.link == "gateway" and made.kind == "webhook_accepted"
    ]


@pytest.mark.parametrize("scheme", ["", SCHEME])
def test_a_merchant_who_is_told_of_a_charge_back_does_not_refund(scheme: str) -> None:
    links, _ = paid(chain(scheme=scheme))
    assert events(links) == ["authorised", "captured", "disputed"]
    assert links.book("issuer")[-1] == "charged_back 1000 d1"
    assert "follow_up_cancelled" in links.decisions("gateway")
    assert links.broken() == {}


def test_a_merchant_without_webhooks_refunds_what_was_charged_back() -> None:
    links, _ = paid(chain(webhooks=""))
    assert links.book("issuer")[-2:] == REFUNDED_TOO
    assert set(links.broken()) == {"refunded_within_captured"}


# The second half is captured when the first one has been charged back.
IN_PARTS = "after: 1200ms, parts: 2"
IN_THREE = "after: 1200ms, parts: 3"


@pytest.mark.parametrize(
    ("captures", "refunds", "given"),
    [
        (IN_PARTS, "", ["refunded 500 r1"]),
        # Two refunds of all together: what was charged back is missing in the second.
        (IN_THREE, ", of: 50%, times: 2", ["refunded 500 r1", "refunded 167 r2"]),
        (IN_PARTS, ", of: 50%, times: 2", ["refunded 500 r1"]),
        # No more was to be given back than the cardholder has got already.
        (IN_PARTS, ", of: 50%", []),
        (IN_PARTS, ", of: 60%, times: 2", ["refunded 100 r1"]),
    ],
)
def test_after_a_charge_back_of_a_part_the_merchant_refunds_the_rest(
    captures: str, refunds: str, given: list[str]
) -> None:
    links, _ = paid(chain(checks="true", captures=captures, refunds=refunds))
    book = links.book("issuer")
    refunded = [line for line in book if line.startswith("refunded")]
    assert sorted(refunded, key=lambda line: line[-2:]) == given
    assert any(line.startswith("charged_back") for line in book)
    assert links.broken() == {}


def test_a_merchant_without_webhooks_has_its_refund_refused_and_the_rest_is_missing() -> None:
    links, _ = paid(chain(webhooks="", checks="true", captures=IN_PARTS))
    assert links.broken()["completed"] == ("approved, but refund of p1-1 r1 to issuer, refused")


def test_a_refused_refund_of_what_was_charged_back_promised_nothing() -> None:
    links, _ = paid(chain(webhooks="", checks="true"))
    assert links.book("issuer")[-1] == "charged_back 1000 d1"
    assert "completed" not in links.broken()


def without(link: str, operation: str) -> VirtualLinks:
    """A payment while a link answers an operation with 503, from the capture on."""

    async def work(links: VirtualLinks) -> None:
        await links.pay()
        await asyncio.sleep(0.5)
        down = HttpError(status=503)
        fault = ActiveFault(
            id="f", parameters=down, spots=(InLinkPlace(link, operation=operation),)
        )
        links.host.faults.apply(fault)
        await asyncio.sleep(GIVEN_UP_S)
        await links.drain()

    links, _ = on_links(chain(), work)
    return links


def test_a_lost_webhook_about_a_charge_back_is_found_with_the_refund_that_it_costs() -> None:
    links = without("gateway", "notify")
    assert links.book("issuer")[-2:] == REFUNDED_TOO
    found = links.broken()
    assert set(found) == {"authorisations_settled", "refunded_within_captured"}
    assert found["authorisations_settled"] == (
        "never completed: notify of p1-1 disputed to gateway, abandoned"
    )


def test_a_lost_report_of_the_issuer_is_found() -> None:
    links = without("processor", "dispute")
    assert "disputed" not in events(links)
    assert "dispute of p1-1 d1-processor to processor" in links.broken()["authorisations_settled"]


def test_who_acknowledges_the_report_and_tells_nobody_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = Relay.send_webhook

    def keeps_it(self: Relay, event: str, request: PaymentRequest) -> None:
        if event != "disputed":
            sent(self, event, request)

    monkeypatch.setattr(Relay, "send_webhook", keeps_it)
    links, _ = paid(chain())
    assert links.book("issuer")[-2:] == REFUNDED_TOO
    assert links.broken()["authorisations_settled"] == (
        "never completed: report of the chargeback of p1-1 by processor, never sent"
    )


def test_only_who_captured_a_payment_reports_its_charge_back() -> None:
    standby = f"""
  processor-b:
    role: processor
    {QUICK}
    {WEBHOOKS}
    calls: {{authorise: {{to: issuer, timeout: 1s}}}}"""
    text = chain(fallback=", fallback: [{to: processor-b}]") + standby

    async def work(links: VirtualLinks) -> None:
        slow = HttpError(status=500, after_work=True)
        fault = ActiveFault(id="f", parameters=slow, spots=(InLinkPlace("processor"),))
        links.host.faults.apply(fault)
        await links.pay()
        links.host.faults.heal("f")
        await links.drain()

    links, _ = on_links(text, work)
    senders = {made.link for made in links.of(Decision) if made.detail.endswith(" disputed")}
    assert senders == {"processor-b"}
    assert events(links).count("disputed") == 1
    assert "charged_back 1000 d1" in links.book("issuer")
    assert links.broken() == {}


def test_the_hops_of_reports_are_there_for_disputes_only() -> None:
    text = chain(scheme=SCHEME)
    hops = [str(hop) for hop in checked(text).hops()]
    assert hops[-1] == "issuer -> processor (dispute)"
    without_disputes = text.replace("    disputes: {share: 100%, after: 1s}\n", "")
    assert [str(hop) for hop in checked(without_disputes).hops()] == hops[:-1]
