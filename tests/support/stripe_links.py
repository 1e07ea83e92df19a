"""A mock that speaks Stripe's API in virtual time, with the shop's receiver of its webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec

from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.payments.journal import HopRecord, Movement, Record
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.services.state.book import Entry
from paychain.simulation.simulate import simulate
from paychain.wire.client import HttpPool
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer
from tests.support.chains import checked
from tests.support.vendor_links import PREFIX, PSP, chain_of, payment

LINKS = [PSP, "issuer"]


class Shown(msgspec.Struct):
    """One answer: status, the JSON of its body, headers."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        return dict(self.body["error"])


class StripeLinks:
    """The PSP and its issuer; `events` are those that the shop received."""

    dialect = "stripe"

    def __init__(self, **further: str) -> None:
        self.journal: list[Record] = []
        self.received: list[HttpRequest] = []
        self.webhook_status = 200
        self._declared = checked(self.chain(self.dialect, **further))
        self.host = Host(
            self._declared,
            LINKS,
            seed=1,
            now_ns=lambda: int(asyncio.get_running_loop().time() * 1e9),
            journal=self.journal,
            id_prefix=PREFIX,
        )
        self.shop = HttpServer(self._receive)

    @staticmethod
    def chain(dialect: str, **further: str) -> str:
        """The chain of the links as YAML; `further` as of `chain_of`."""
        return chain_of(dialect, **further)

    async def _receive(self, http: HttpRequest) -> HttpResponse:
        self.received.append(http)
        return HttpResponse(self.webhook_status)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of the webhooks, in order of arrival."""
        return [msgspec.json.decode(http.body) for http in self.received]

    async def start(self) -> None:
        ports = {**await self.host.start(), "shop": await self.shop.start("127.0.0.1")}
        hops = [f"{PSP}.{what}.issuer" for what in ("authorise", "void", "capture", "refund")]
        addresses = dict.fromkeys(hops, ("127.0.0.1", ports["issuer"]))
        addresses[f"issuer.dispute.{PSP}"] = ("127.0.0.1", ports[PSP])
        if self._declared.links[PSP].webhooks is not None:
            addresses[f"{PSP}.notify.shop"] = ("127.0.0.1", ports["shop"])
        self.host.connect(addresses)
        self.pool = HttpPool("127.0.0.1", ports[PSP])

    async def stop(self) -> None:
        await self.pool.close()
        await self.host.drain(30.0)
        await self.host.stop()
        await self.shop.stop(0.0)

    async def ask(
        self,
        method: str,
        path: str,
        fields: dict[str, Any] | None = None,
        *,
        key: str = "",
        timeout_s: float = 5.0,
        **headers: str,
    ) -> Shown:
        """One request with form fields, as they are named on the wire: `metadata[order]`."""
        sent = {"authorization": "Bearer sk_test_1", **headers}
        if key:
            sent["idempotency-key"] = key
        form = urlencode(fields or {}).encode()
        if method != "POST" and form:
            path, form = f"{path}?{form.decode()}", b""
        response = await self.pool.request(method, path, form, headers=sent, timeout_s=timeout_s)
        body = msgspec.json.decode(response.body) if response.body else {}
        return Shown(response.status, body, dict(response.headers))

    async def post(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Shown:
        return await self.ask("POST", f"/v1/{path}", fields, **more)

    async def get(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Shown:
        return await self.ask("GET", f"/v1/{path}", fields, **more)

    async def pay(
        self, number: int = 1, key: str = "", timeout_s: float = 5.0, **more: Any
    ) -> Shown:
        """Make and confirm an intent; `more` are further fields, `__` in place of brackets."""
        fields = {
            "amount": 1000,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "metadata[order]": payment(number),
        }
        fields |= {
            name.replace("__", "[") + "]" * ("__" in name): each for name, each in more.items()
        }
        return await self.post("payment_intents", fields, key=key, timeout_s=timeout_s)

    def entry(self, reference: str, link: str = PSP) -> Entry | None:
        """A link's book on an authorisation."""
        (service,) = [each for each in self.host.services if each.name == link]
        return service.entry(reference)

    def inject(self, kind: str, *, link: str = PSP, **parameters: Any) -> None:
        declared = KINDS[kind].model_validate(parameters)
        fault = ActiveFault(id=kind, parameters=declared, spots=(InLinkPlace(link=link),))  # type: ignore[arg-type]  # declared above
        self.host.faults.apply(fault)

    def heal(self, kind: str) -> None:
        self.host.faults.heal(kind)

    def hops(self) -> list[tuple[str, int, str, str]]:
        """Payment, attempt, operation and result of each request at the PSP."""
        return [
            (hop.payment, hop.attempt, hop.operation, hop.result.value)
            for hop in self.journal
            if isinstance(hop, HopRecord) and hop.callee == PSP
        ]

    def booked(self, link: str = "issuer") -> list[tuple[str, str, int]]:
        """What a link's book moved: kind, reference, amount in minor units."""
        return [
            (move.kind.value, move.reference, move.amount_minor)
            for move in self.journal
            if isinstance(move, Movement) and move.link == link
        ]


def on_stripe(
    scenario: Callable[[StripeLinks], Awaitable[None]],
    after_s: float = 1.0,
    links_of: type[StripeLinks] = StripeLinks,
    **further: str,
) -> StripeLinks:
    """Run a scenario in virtual time, and what it leaves behind for some seconds."""

    async def whole() -> StripeLinks:
        links = links_of(**further)
        await links.start()
        try:
            await scenario(links)
            await asyncio.sleep(after_s)
        finally:
            await links.stop()
        return links

    return simulate(lambda _loop: whole())
