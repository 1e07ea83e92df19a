"""A link that speaks a vendor's API in virtual time, with the shop that gets its webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement, Record
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.simulation.simulate import simulate
from paychain.wire.client import HttpPool
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer
from tests.support.chains import checked
from tests.support.vendor_links import PREFIX, PSP, chain_of

DRAIN_S = 60.0


class VendorVirtual:
    """The running links. `webhooks` are what came to the shop."""

    def __init__(self, text: str) -> None:
        self.journal: list[Record] = []
        self.webhooks: list[HttpRequest] = []
        self.host = Host(
            checked(text),
            [PSP, "issuer"],
            seed=1,
            now_ns=lambda: int(asyncio.get_running_loop().time() * 1e9),
            journal=self.journal,
            id_prefix=PREFIX,
        )
        self._shop = HttpServer(self._receive)
        self._pools: dict[str, HttpPool] = {}

    async def _receive(self, http: HttpRequest) -> HttpResponse:
        self.webhooks.append(http)
        return HttpResponse(200)

    async def ask(
        self, method: str, target: str, body: bytes, headers: dict[str, str], timeout_s: float = 5.0
    ) -> HttpResponse:
        """One request; a header `host` names the link as a service in a container may."""
        named = {name: value for name, value in headers.items() if name != "host"}
        pool = self._pools.setdefault(headers.get("host", ""), HttpPool("127.0.0.1", self._port))
        pool._authority = headers.get("host", pool._authority)
        return await pool.request(method, target, body, headers=named, timeout_s=timeout_s)

    def inject(self, kind: str, *, link: str = PSP, **parameters: Any) -> None:
        declared = KINDS[kind].model_validate(parameters)
        self.host.faults.apply(
            ActiveFault(id=kind, parameters=declared, spots=(InLinkPlace(link=link),))  # type: ignore[arg-type]  # declared above
        )

    def heal(self, kind: str) -> None:
        self.host.faults.heal(kind)

    async def settle(self) -> None:
        """Wait until nothing is on its way between the links."""
        await self.host.drain(DRAIN_S)

    def booked(self, link: str = "issuer") -> list[tuple[str, int]]:
        return [
            (move.kind.value, move.amount_minor)
            for move in self.journal
            if isinstance(move, Movement) and move.link == link
        ]

    def hops(self) -> list[HopRecord]:
        """Requests at the vendor's API."""
        return [hop for hop in self.journal if isinstance(hop, HopRecord) and hop.callee == PSP]

    def decided(self) -> set[DecisionKind]:
        return {record.kind for record in self.journal if isinstance(record, Decision)}

    def assert_books_keep_the_law(self) -> None:
        """Nothing is taken beyond what is held, nothing returned beyond what was taken."""
        for link in (PSP, "issuer"):
            sums: dict[str, dict[str, int]] = {}
            for move in self.journal:
                if not isinstance(move, Movement) or move.link != link:
                    continue
                of = sums.setdefault(move.reference, {})
                kind = move.kind.value
                of[kind] = of.get(kind, 0) + move.amount_minor
                held, taken = of.get("authorised", 0), of.get("captured", 0)
                released = of.get("voided", 0) + of.get("expired", 0)
                assert taken + released <= held, (link, move)
                assert of.get("refunded", 0) <= taken, (link, move)
        assert self._totals(PSP) == self._totals("issuer")
        assert DecisionKind.FOLLOW_UP_REFUSED not in self.decided()

    def _totals(self, link: str) -> dict[str, int]:
        totals: dict[str, int] = {}
        for kind, amount_minor in self.booked(link):
            totals[kind] = totals.get(kind, 0) + amount_minor
        return totals

    async def run(self, scenario: Callable[[Any], Awaitable[None]]) -> None:
        ports = await self.host.start()
        shop = await self._shop.start("127.0.0.1", 0)
        operations = ("authorise", "void", "capture", "refund")
        self.host.connect(
            {
                "psp.notify.shop": ("127.0.0.1", shop),
                f"issuer.dispute.{PSP}": ("127.0.0.1", ports[PSP]),
                **{f"psp.{name}.issuer": ("127.0.0.1", ports["issuer"]) for name in operations},
            }
        )
        self._port = ports[PSP]
        try:
            await scenario(self)
            await self.settle()
        finally:
            for pool in self._pools.values():
                await pool.close()
            await self.host.stop()
            await self._shop.stop(0.0)


def on_vendor(
    links: Callable[[str], Any],
    scenario: Callable[[Any], Awaitable[None]],
    dialect: str,
    **further: str,
) -> Any:
    """Run a scenario on the chain of `chain_of` in virtual time, until all of it has ended."""

    async def whole() -> Any:
        made = links(chain_of(dialect, **further))
        await made.run(scenario)
        return made

    return simulate(lambda _loop: whole())
