"""Deposits at an exchange: what it reports of a payment with more than one transfer."""

from __future__ import annotations

import asyncio

from paychain.faults.kinds.reorg import Reorg
from paychain.faults.kinds.reverts import Reverts
from paychain.model.places import InLinkPlace
from paychain.payments.journal import Decision, DecisionKind, Movement, MovementKind
from paychain.payments.outcome import HopResult
from paychain.services.in_link_faults import ActiveFault
from tests.support.virtual_links import VirtualLinks, on_links

CHAIN = """\
chain: deposits
currency: USDC
deadline: 20s
entry: wallets
links:
  wallets:
    role: depositor
    idempotency: none
    calls:
      transfer: {to: node, on_unknown: resend}
      read: {to: node}
      forward: {to: exchange, timeout: 7s}
  exchange:
    role: exchange
    funding: 5000
    credits: {after: 6}
    calls: {scan: {to: node}, read: {to: node}, transfer: {to: hot, on_unknown: query}}
  hot: {role: wallet, calls: {transfer: {to: node, on_unknown: resend}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}, scan: {to: base}}}
  base: {role: ledger, blocks: {every: 100ms}, final: {after: 6}}
"""


def test_a_deposit_is_reported_as_credited_when_the_transfer_before_it_was_reverted() -> None:
    """The first one was in a block, which was replaced; the next one had it as failed."""

    async def work(links: VirtualLinks) -> list[HopResult]:
        spots = (InLinkPlace("base"),)
        faults = links.host.faults
        first = asyncio.ensure_future(links.pay(timeout_s=30.0))
        await asyncio.sleep(0.4)
        faults.apply(ActiveFault(id="reverts", parameters=Reverts(), spots=spots))
        faults.apply(
            ActiveFault(id="reorg", parameters=Reorg(depth=30, returns="100%"), spots=spots)
        )
        ended = [(await first).result]
        faults.heal("reorg")
        faults.heal("reverts")
        ended.append((await links.pay(timeout_s=30.0)).result)
        await links.drain()
        return ended

    links, ended = on_links(CHAIN, work)
    reverted = [each for each in links.of(Decision) if each.kind is DecisionKind.REVERTED]
    credits = [each for each in links.of(Movement) if each.kind is MovementKind.CREDITED]
    assert (len(reverted), len(credits)) == (1, 1)
    assert ended == [HopResult.DECLINED, HopResult.APPROVED]
