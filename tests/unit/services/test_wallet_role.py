"""A wallet that knows no request again: what becomes of a transfer that was reverted."""

from __future__ import annotations

from paychain.faults.kinds.reverts import Reverts
from paychain.model.places import InLinkPlace
from paychain.payments.instrument import published
from paychain.payments.journal import Movement
from paychain.payments.outcome import Outcome
from paychain.protocol.message import PaymentRequest
from paychain.services.in_link_faults import ActiveFault
from paychain.services.roles.wallet import Wallet
from tests.support.virtual_links import VirtualLinks, on_links

CHAIN = """\
chain: payouts
currency: USDC
entry: payouts
links:
  payouts: {role: exchange, funding: 5000, calls: {transfer: {to: wallet, on_unknown: query}}}
  wallet:
    role: wallet
    idempotency: none
    calls: {transfer: {to: node, on_unknown: resend}, read: {to: node}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}}}
  base: {role: ledger, blocks: {every: 100ms}, final: {after: 2}}
"""


def test_a_repeat_of_what_was_reverted_is_answered_when_it_is_made() -> None:
    asking = PaymentRequest("p1", 1_000, "USDC", published("base")[0], reference="p1-1", key="p1-1")

    async def work(links: VirtualLinks) -> list[Outcome]:
        (wallet,) = (
            service._role for service in links.host.services if isinstance(service._role, Wallet)
        )
        spots = (InLinkPlace("base"),)
        links.host.faults.apply(ActiveFault(id="f", parameters=Reverts(), spots=spots))
        transfer = wallet.operations()["transfer"]
        reverted = await transfer(asking, "s")
        links.host.faults.heal("f")
        made = await transfer(asking, "s")
        query = await wallet.operations()["query"](asking, "s")
        await links.drain()
        answers = (reverted, made, query)
        return [answer.outcome for answer in answers]

    links, outcomes = on_links(CHAIN, work)
    assert outcomes == [Outcome.DECLINED, Outcome.APPROVED, Outcome.APPROVED]
    assert [move.reference for move in links.of(Movement)] == ["p1-1.wallet.2"]
