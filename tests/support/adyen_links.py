"""A mock that speaks Adyen in virtual time, with the shop's receiver of its webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.payments.journal import Movement, Record
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.simulation.simulate import simulate
from paychain.wire.client import HttpPool
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer
from tests.support.chains import checked

CHAIN = """
chain: adyen
entry: shop
links:
  shop:
    role: gateway
    service: {{command: shop}}
    receives: {{path: /webhooks/psp}}
    dialect: paychain
    calls: {{authorise: {{to: psp}}}}
  psp:
    role: processor
    dialect: {dialect}
    webhooks: {{to: shop, delay: {{median: 10ms, p99: 20ms}}}}
    calls: {{authorise: {{to: issuer{call}}}}}
    {psp}
  issuer: {{role: issuer, {issuer}}}
"""
PREFIX = "pab1x"
MERCHANT = "ShopEU"
MANUAL = "{adyen: {merchant: ShopEU, capture: manual}}"
CARD = "4111111111111111"


def payment_id(number: int) -> str:
    return f"{PREFIX}{number:07d}"


def payment(reference: str, value: int = 1000, **fields: Any) -> dict[str, Any]:
    """The body of a card payment; `fields` replace or add to it."""
    return {
        "amount": {"value": value, "currency": "EUR"},
        "merchantAccount": MERCHANT,
        "reference": reference,
        "returnUrl": "https://shop.example/return",
        "paymentMethod": {
            "type": "scheme",
            "number": CARD,
            "expiryMonth": "03",
            "expiryYear": "2030",
            "cvc": "737",
            "holderName": "J. Smith",
        },
        **fields,
    }


class Answered(msgspec.Struct):
    """One answer: status, headers and the JSON of the body."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    raw: bytes = b""


class AdyenLinks:
    """The PSP and its issuer; `webhooks` are the notification items that the shop received."""

    def __init__(
        self, dialect: str = MANUAL, psp: str = "", issuer: str = "", call: str = ""
    ) -> None:
        self.journal: list[Record] = []
        self.webhooks: list[dict[str, Any]] = []
        self.posted: list[HttpRequest] = []
        self.answers: list[tuple[str, Answered]] = []
        self.host = Host(
            checked(CHAIN.format(dialect=dialect, psp=psp, issuer=issuer, call=call)),
            ["psp", "issuer"],
            seed=1,
            now_ns=lambda: int(asyncio.get_running_loop().time() * 1e9),
            journal=self.journal,
            id_prefix=PREFIX,
        )
        self.receiver = HttpServer(self._receive)

    async def _receive(self, http: HttpRequest) -> HttpResponse:
        self.posted.append(http)
        for item in msgspec.json.decode(http.body)["notificationItems"]:
            self.webhooks.append(item["NotificationRequestItem"])
        return HttpResponse(200, b"[accepted]")

    async def post(
        self,
        path: str,
        body: dict[str, Any] | bytes,
        key: str = "",
        timeout_s: float = 5.0,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        sent = {"x-api-key": "test", "content-type": "application/json"}
        if key:
            sent["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self._asked("POST", path, raw, sent if headers is None else headers, timeout_s)

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answered:
        """A request that is no POST."""
        raw = msgspec.json.encode(body) if body is not None else b""
        sent = {"x-api-key": "test", "content-type": "application/json"}
        return await self._asked(method, path, raw, sent, 5.0)

    async def visit(self, url: str, query: str = "") -> HttpResponse:
        """What a shopper's browser gets at a page."""
        path = "/" + url.partition("//")[2].partition("/")[2] if "//" in url else url
        return await self.pool.request("GET", path + query, b"", headers={}, timeout_s=5.0)

    async def _asked(
        self, method: str, path: str, raw: bytes, headers: dict[str, str], timeout_s: float
    ) -> Answered:
        response = await self.pool.request(
            method, f"/v72{path}", raw, headers=headers, timeout_s=timeout_s
        )
        try:
            decoded = msgspec.json.decode(response.body)
        except msgspec.MsgspecError:
            decoded = {}
        answered = Answered(response.status, decoded, response.headers, response.body)
        self.answers.append((path, answered))
        return answered

    async def modify(
        self, psp: str, what: str, value: int | None = None, key: str = "", **fields: Any
    ) -> Answered:
        """Capture, cancel, reverse or refund a payment."""
        body: dict[str, Any] = {"merchantAccount": MERCHANT, **fields}
        if value is not None:
            body["amount"] = {"value": value, "currency": "EUR"}
        return await self.post(f"/payments/{psp}/{what}", body, key)

    async def settle(self) -> None:
        """Wait until the links have nothing left to do."""
        await self.host.drain(60.0)

    def inject(self, kind: str, *, link: str = "psp", **parameters: Any) -> None:
        declared = KINDS[kind].model_validate(parameters)
        self.host.faults.apply(
            ActiveFault(id=kind, parameters=declared, spots=(InLinkPlace(link=link),))  # type: ignore[arg-type]  # declared above
        )

    def events(self) -> list[tuple[str, str]]:
        """Event code and success of each webhook, in the order of their codes."""
        return sorted((item["eventCode"], item["success"]) for item in self.webhooks)

    def booked(self, link: str = "issuer") -> list[tuple[str, int]]:
        return [
            (move.kind.value, move.amount_minor)
            for move in self.journal
            if isinstance(move, Movement) and move.link == link
        ]


@asynccontextmanager
async def running(links: AdyenLinks) -> AsyncIterator[AdyenLinks]:
    ports = await links.host.start()
    shop = await links.receiver.start("127.0.0.1", 0)
    operations = ("authorise", "void", "capture", "refund")
    links.host.connect(
        {
            "psp.notify.shop": ("127.0.0.1", shop),
            **{f"psp.{name}.issuer": ("127.0.0.1", ports["issuer"]) for name in operations},
            "issuer.dispute.psp": ("127.0.0.1", ports["psp"]),
        }
    )
    links.pool = HttpPool("127.0.0.1", ports["psp"])
    try:
        yield links
        await links.settle()
    finally:
        await links.pool.close()
        await links.host.stop()
        await links.receiver.stop(0.0)


def on_adyen(
    scenario: Callable[[AdyenLinks], Awaitable[None]],
    dialect: str = MANUAL,
    psp: str = "",
    issuer: str = "",
    call: str = "",
) -> AdyenLinks:
    """Run a scenario in virtual time, until everything that it began has ended."""

    async def whole() -> AdyenLinks:
        async with running(AdyenLinks(dialect, psp, issuer, call)) as links:
            await scenario(links)
        return links

    return simulate(lambda _loop: whole())
