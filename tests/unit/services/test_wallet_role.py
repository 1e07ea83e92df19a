"""What a wallet signs again: what was reverted, what has expired, and what it should not."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from paychain.faults.kind import RequestFaultKind, StateFaultKind
from paychain.faults.kinds.drops import Drops
from paychain.faults.kinds.fork import Fork
from paychain.faults.kinds.halt import Halt
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.faults.kinds.reverts import Reverts
from paychain.model.places import InLinkPlace
from paychain.payments.instrument import published
from paychain.payments.journal import Decision, DecisionKind, Movement, MovementKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import PaymentRequest
from paychain.services.in_link_faults import ActiveFault
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
        wallet = links.role("wallet")
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


EXPIRING = (
    CHAIN.replace("    idempotency: none\n", "    valid_until: 2s\n")
    .replace("to: node, on_unknown", "to: node, timeout: 300ms, on_unknown")
    .replace(
        "final: {after: 2}}", "final: {after: 1}, messages: {delay: {median: 60ms, p99: 300ms}}}"
    )
)


def signed(links: VirtualLinks) -> list[float]:
    """When the wallet signed, in seconds."""
    return [each.at_ns / 1e9 for each in links.of(Decision) if each.kind is DecisionKind.SIGNED]


def paid_while(
    text: str, fault: StateFaultKind | RequestFaultKind, link: str, lasts_s: float
) -> VirtualLinks:
    """A payout during a fault in a link."""

    async def work(links: VirtualLinks) -> None:
        fault_on = ActiveFault(id="f", parameters=fault, spots=(InLinkPlace(link),))
        links.host.faults.apply(fault_on)
        paying = asyncio.create_task(links.pay(card=published("base")[0], timeout_s=60.0))
        await asyncio.sleep(lasts_s)
        links.host.faults.heal("f")
        assert (await paying).result is HopResult.UNKNOWN or lasts_s < 5
        await asyncio.sleep(max(60.0, lasts_s))
        await links.drain()

    links, _ = on_links(text, work)
    return links


def test_what_no_block_had_in_its_time_is_signed_again_with_its_number() -> None:
    """The node takes the transfer and passes it on to nobody: nobody can include it after 2 s."""
    links = paid_while(EXPIRING, Drops(), "node", 4.0)
    first, *again = signed(links)
    # Not before a block shows that it has expired, and not more often than that.
    assert all(later - sooner >= 2.0 for sooner, later in pairwise([first, *again]))
    assert len(again) in (1, 2)
    renewed = [each for each in links.of(Decision) if each.kind is DecisionKind.RENEWED]
    assert len(renewed) == len(again)
    assert [each.kind for each in links.of(Movement) if each.link == "base"] == [
        MovementKind.TRANSFERRED
    ]
    assert links.broken() == {}


def test_a_transfer_whose_answers_are_lost_is_not_signed_again() -> None:
    """A block has it long before it expires, and the wallet sees that as soon as a node answers."""
    links = paid_while(EXPIRING, LostAnswer(), "node", 4.0)
    assert len(signed(links)) == 1
    assert links.broken() == {}


def test_a_wallet_that_does_not_wait_until_a_transfer_has_expired_sends_it_twice() -> None:
    naive = EXPIRING.replace("valid_until: 2s", "valid_until: 2s\n    nonces: each_try")
    links = paid_while(naive, LostAnswer(), "node", 4.0)
    first, second, *_ = signed(links)
    assert second - first < 2.0
    assert set(links.broken()) == {"sent_once"}


def test_what_expires_during_a_halt_is_signed_again_after_it() -> None:
    """Without a block nothing shows that it has expired, whatever the clock says."""
    links = paid_while(EXPIRING, Halt(), "base", 30.0)
    _, second = signed(links)
    assert second > 30.0
    assert links.broken() == {}


def test_a_transfer_that_expires_again_and_again_is_signed_ever_more_rarely() -> None:
    """That no block has it is no news, whichever signature it is about: some day people look."""
    links = paid_while(EXPIRING, Drops(), "node", 300.0)
    times = signed(links)
    during = [at_s for at_s in times if at_s < 300.0]
    assert during[-1] - during[-2] > 4 * (during[1] - during[0])
    assert len(during) < 50  # of 150 windows of two seconds
    assert links.broken() == {}


def test_what_was_made_is_found_although_a_node_on_a_fork_had_it_signed_again() -> None:
    """The wallet reads at a node whose branch does not have what it sent to another one."""
    other = "  other: {role: node, calls: {transfer: {to: base}, read: {to: base}}}\n"
    text = EXPIRING.replace("read: {to: node}}\n", "read: {to: other}}\n")
    text = text.replace("  base: {role: ledger", f"{other}  base: {{role: ledger")
    reading = PaymentRequest("p9", 1, "USDC", published("base")[0], reference="p9", key="p9")

    async def work(links: VirtualLinks) -> None:
        fault_on = ActiveFault(id="f", parameters=Fork(), spots=(InLinkPlace("other"),))
        links.host.faults.apply(fault_on)
        await links.role("other").operations()["read"](
            reading, "s"
        )  # its branch begins with the first request
        paying = asyncio.create_task(links.pay(card=published("base")[0], timeout_s=60.0))
        await asyncio.sleep(10)
        links.host.faults.heal("f")
        await paying
        await asyncio.sleep(60)
        await links.drain()

    links, _ = on_links(text, work)
    assert len(signed(links)) > 1
    moves = [(each.kind, each.reference) for each in links.of(Movement)]
    assert moves[1:] == [
        (MovementKind.TRANSFERRED, "p1-1.wallet.1"),
        (MovementKind.SPENT, "p1-1"),
    ]
    assert links.broken() == {}
