"""A chain's links on one loop, without processes and proxies, for tests of the roles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

import yaml

from harness.analysis.reconcile import Parties, reconcile
from harness.analysis.store import Story
from harness.model.chain import CUSTOMER, ENTRY_OPERATION, Chain
from harness.model.checks import check_chain
from harness.payments.cards import TEST_CARDS, Card
from harness.payments.journal import Decision, HopRecord, Movement, PaymentRecord, Record
from harness.payments.outcome import HopResult, Outcome
from harness.payments.rules import RULES
from harness.services.channel import Channel, Reply
from harness.services.context import Context
from harness.services.host import Host
from harness.services.message import PaymentRequest
from harness.simulation.simulate import simulate
from harness.wire.client import HttpPool

Done = TypeVar("Done")
DRAIN_S = 10.0
HOST = "127.0.0.1"


class World:
    """Pays on a chain and knows every record. `journal` is a journal's list."""

    def __init__(self, text: str, seed: int = 1) -> None:
        self.chain = Chain.model_validate(yaml.load(text, Loader=yaml.BaseLoader))
        assert check_chain(self.chain) == []
        self.journal: list[Record] = []
        self.host = Host(
            self.chain, list(self.chain.links), seed=seed, now_ns=self.now_ns, journal=self.journal
        )
        self._customer = Context(CUSTOMER, seed, self.now_ns, self.journal, "ffff0000")
        self._ports: dict[str, int] = {}

    def now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    async def __aenter__(self) -> World:
        self._ports = await self.host.start()
        hops = self.chain.hops()
        self.host.connect({hop.name: (HOST, self._ports[hop.callee]) for hop in hops})
        self._pool = HttpPool(HOST, self._ports[self.chain.entry])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self._pool.close()
        await self.host.stop()

    async def pay(
        self, payment: str = "p1", amount: int = 1_000, card: Card = TEST_CARDS[0],
        timeout_s: float = 5.0,
    ) -> Reply:  # fmt: skip
        """One payment as its customer makes it, written down as the load process does."""
        request = PaymentRequest(payment, amount, self.chain.currency, card, "shop", key=payment)
        channel = Channel(self._customer, ENTRY_OPERATION, self.chain.entry, self._pool)
        started_ns = self.now_ns()
        reply = await channel.send(request, "", timeout_s=timeout_s)
        approved = reply.result is HopResult.APPROVED
        outcome = Outcome.APPROVED if approved else Outcome.DECLINED
        if not approved and reply.answer is None:
            outcome = Outcome.UNKNOWN
        told = reply.answer.amount_minor if approved and reply.answer is not None else 0
        self.journal.append(
            PaymentRecord(
                payment, started_ns, started_ns, self.now_ns(), outcome, not reply.result.worked,
                reply.code, outcome.value, amount, self.chain.currency, card.scheme, card.masked,
                "shop", reply.answer.decided_by if reply.answer is not None else "", None, False,
                told,
            )
        )  # fmt: skip
        return reply

    async def drain(self) -> None:
        assert await self.host.drain(DRAIN_S) == 0

    def of(self, kind: type[Done], payment: str = "p1") -> list[Done]:
        return [
            one
            for one in self.journal
            if isinstance(one, kind) and one.payment == payment  # type: ignore[attr-defined]
        ]

    def book(self, link: str, payment: str = "p1") -> list[str]:
        """A link's movements as text: `captured 500 c1`."""
        return [
            f"{move.kind} {move.amount_minor} {move.item}".rstrip()
            for move in self.of(Movement, payment)
            if move.link == link
        ]

    def decisions(self, link: str, payment: str = "p1") -> list[str]:
        return [str(one.kind) for one in self.of(Decision, payment) if one.link == link]

    def broken(self, payment: str = "p1") -> dict[str, str]:
        """Money rules that the payment breaks, with what they say."""
        story = Story(
            payment, self.of(PaymentRecord, payment)[0], self.of(HopRecord, payment),
            self.of(Movement, payment), self.of(Decision, payment),
        )  # fmt: skip
        reconciled = reconcile(story, Parties.of(self.chain))
        assert reconciled is not None
        found = {name: rule(reconciled) for name, (_, rule) in RULES.items()}
        return {name: one.text for name, one in found.items() if one is not None}


def in_world(
    text: str, work: Callable[[World], Coroutine[Any, Any, Done]], seed: int = 1
) -> tuple[World, Done]:
    """Run `work` in a world of its own, in virtual time; the world's records stay."""

    async def run() -> tuple[World, Done]:
        async with World(text, seed) as world:
            return world, await work(world)

    return simulate(lambda _: run())


def paid(text: str, *, amount: int = 1_000, card: Card = TEST_CARDS[0]) -> tuple[World, Reply]:
    """One payment, and everything that follows it."""

    async def work(world: World) -> Reply:
        reply = await world.pay(amount=amount, card=card)
        await world.drain()
        return reply

    return in_world(text, work)
