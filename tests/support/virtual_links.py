"""A chain's links on one virtual loop, without processes and proxies, for tests of the roles.

What a whole chain does, proxies and all, `paychain.testing.start_chain` shows; here a test also
reaches into the links: their books, their faults, their servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile
from paychain.analysis.store.store import RecordedPayment
from paychain.model.operations import CUSTOMER, ENTRY_OPERATION
from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.journal import Decision, HopRecord, Movement, PaymentRecord, Record
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rules import RULES
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.channel import Channel
from paychain.services.context import Context
from paychain.services.host import Host
from paychain.services.roles.role import Role
from paychain.services.transport import Caller
from paychain.simulation.simulate import simulate
from tests.support.chains import checked

Done = TypeVar("Done")
DRAIN_S = 10.0
HOST = "127.0.0.1"


class VirtualLinks:
    """Pays on a chain and holds every record in `journal`."""

    def __init__(self, text: str, seed: int = 1) -> None:
        self.chain = checked(text)
        self.journal: list[Record] = []
        self.host = Host(
            self.chain, list(self.chain.links), seed=seed, now_ns=self.now_ns, journal=self.journal
        )
        self._customer = Context(
            link=CUSTOMER,
            seed=seed,
            now_ns=self.now_ns,
            journal=self.journal,
            span_prefix="ffff0000",
        )
        self._ports: dict[str, int] = {}

    def now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    async def __aenter__(self) -> VirtualLinks:
        self._ports = await self.host.start()
        hops = self.chain.hops()
        self.host.connect({hop.name: (HOST, self._ports[hop.callee]) for hop in hops})
        entry = self.chain.entries[0]
        dialect = DIALECTS[self.chain.links[entry].dialect.name]
        self._caller = Caller(dialect, HOST, self._ports[entry])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._caller.close()
        await self.host.stop()

    async def pay(
        self,
        payment: str = "p1",
        amount: int = 1_000,
        card: Card = TEST_CARDS[0],
        timeout_s: float = 5.0,
    ) -> Reply:
        """One payment as its customer makes it, recorded as the load process does."""
        request = PaymentRequest(payment, amount, self.chain.currency, card, "shop", key=payment)
        channel = Channel(self._customer, ENTRY_OPERATION, self.chain.entries[0], self._caller)
        started_ns = self.now_ns()
        reply = await channel.send(request, "", timeout_s=timeout_s)
        approved = reply.result is HopResult.APPROVED
        outcome = Outcome.APPROVED if approved else Outcome.DECLINED
        if not approved and (reply.answer is None or reply.answer.outcome is Outcome.UNKNOWN):
            outcome = Outcome.UNKNOWN  # as the load process does: pending is no decline
        reported_minor = reply.answer.amount_minor if approved and reply.answer is not None else 0
        self.journal.append(
            PaymentRecord(
                payment=payment,
                intended_ns=started_ns,
                started_ns=started_ns,
                ended_ns=self.now_ns(),
                outcome=outcome,
                technical=not reply.result.worked,
                code=reply.code,
                shown=outcome.value,
                amount_minor=amount,
                currency=self.chain.currency,
                scheme=card.scheme,
                instrument=card.masked,
                merchant="shop",
                decided_by=reply.answer.decided_by if reply.answer is not None else "",
                error=None,
                warm_up=False,
                approved_minor=reported_minor,
            )
        )
        return reply

    def role(self, link: str) -> Role:
        """What a link does, to be asked beside the wire."""
        (service,) = (each for each in self.host.services if each.name == link)
        return service._role

    async def drain(self) -> None:
        assert await self.host.drain(DRAIN_S) == []

    def of(self, kind: type[Done], payment: str = "p1") -> list[Done]:
        return [
            record
            for record in self.journal
            if isinstance(record, kind) and record.payment == payment  # type: ignore[attr-defined]  # of every kind
        ]

    def book(self, link: str, payment: str = "p1") -> list[str]:
        """A link's movements as text: `captured 500 c1`."""
        return [
            f"{move.kind} {move.amount_minor} {move.item}".rstrip()
            for move in self.of(Movement, payment)
            if move.link == link
        ]

    def decisions(self, link: str, payment: str = "p1") -> list[str]:
        return [str(made.kind) for made in self.of(Decision, payment) if made.link == link]

    def broken(self, payment: str = "p1") -> dict[str, str]:
        """Money rules that the payment breaks, with their sentences."""
        story = RecordedPayment(
            payment,
            self.of(PaymentRecord, payment)[0],
            self.of(HopRecord, payment),
            self.of(Movement, payment),
            self.of(Decision, payment),
        )
        reconciled = reconcile(story, Parties.of(self.chain))
        found = {name: rule(reconciled) for name, rule in RULES.items()}
        return {name: each.text for name, each in found.items() if each is not None}


def on_links(
    text: str, work: Callable[[VirtualLinks], Coroutine[Any, Any, Done]], seed: int = 1
) -> tuple[VirtualLinks, Done]:
    """Run `work` on the links of a chain, in virtual time; their records stay."""

    async def run() -> tuple[VirtualLinks, Done]:
        async with VirtualLinks(text, seed) as links:
            return links, await work(links)

    return simulate(lambda _: run())


def paid(
    text: str, *, amount: int = 1_000, card: Card = TEST_CARDS[0]
) -> tuple[VirtualLinks, Reply]:
    """One payment, and everything that follows it."""

    async def work(links: VirtualLinks) -> Reply:
        reply = await links.pay(amount=amount, card=card)
        await links.drain()
        return reply

    return on_links(text, work)
