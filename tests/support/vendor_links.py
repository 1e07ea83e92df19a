"""A mock chain whose first link speaks a vendor's API, on real sockets, for the vendor's own SDKs.

The links run on an event loop in a thread of their own, so that a test may call a synchronous SDK:

    with vendor_links("stripe") as links:
        client = SomeSdk(base_url=links.url)
        links.inject("http_error", status=503)

The shop in the chain is the test itself: only its webhooks' receiver listens (`links.received`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.places import InLinkPlace
from paychain.payments.journal import Decision, HopRecord, Movement, Record
from paychain.protocol.dialects.vendors import VENDORS
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.services.state.webhooks import secret_of
from paychain.wire.http import HttpRequest, HttpResponse, json_response
from paychain.wire.server import HttpServer
from tests.support.chains import checked

PREFIX = "pk3fa"  # of the run's payment ids
PSP = "psp"
SEED = 1
WAIT_S = 10.0
_T = TypeVar("_T")

CHAIN = """
chain: shop
currency: EUR
deadline: 10s
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
    answers_in: {{median: 1ms, p99: 2ms}}
    webhooks: {{to: shop, delay: {{median: 1ms, p99: 2ms}}{webhooks}}}
    calls: {{authorise: {{to: issuer{authorise}}}}}{psp}
  issuer: {{role: issuer, answers_in: {{median: 1ms, p99: 2ms}}{issuer}}}
"""


def payment(number: int) -> str:
    """The id of a payment of the run."""
    return f"{PREFIX}{number:07d}"


def chain_of(
    dialect: str, *, webhooks: str = "", psp: str = "", authorise: str = "", issuer: str = ""
) -> str:
    """A shop, a processor that speaks a vendor's API, and an issuer.

    The others are further YAML: `issuer="declines: {share: 100%, code: '51'}"`.
    """
    return CHAIN.format(
        dialect=dialect,
        webhooks=f", {webhooks}" if webhooks else "",
        psp=f"\n    {psp}" if psp else "",
        authorise=f", {authorise}" if authorise else "",
        issuer=f", {issuer}" if issuer else "",
    )


class CuttingProxy:
    """Passes bytes on to a port; on demand it resets the connection in place of an answer."""

    def __init__(self, port: int) -> None:
        self.cuts = 0
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Drop every connection."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {back, forth}
        try:
            await asyncio.gather(self._pass(near, forth), self._pass(far, back, may_cut=True))
        except OSError:
            pass
        finally:
            for writer in (back, forth):
                writer.transport.abort()
                self._writers.discard(writer)

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, may_cut: bool = False
    ) -> None:
        while data := await source.read(65_536):
            if may_cut and self.cuts:
                self.cuts -= 1
                raise ConnectionResetError
            target.write(data)
            await target.drain()
        target.write_eof()


@dataclass
class VendorLinks:
    """The running links. What it returns of journals and webhooks is a copy."""

    chain: Chain
    loop: asyncio.AbstractEventLoop
    url: str = ""
    control_url: str = ""  # for tests in other languages: see `_control`
    port: int = 0
    own_port: int = 0  # the link's own, behind what can cut its connections
    _host: Host = field(init=False)
    _journal: list[Record] = field(default_factory=list)
    _received: list[HttpRequest] = field(default_factory=list)
    answer_to_webhooks: int = 200
    # What came to the vendor's API and what left it, None where no answer did.
    exchanges: list[tuple[HttpRequest, HttpResponse | None]] = field(default_factory=list)

    def of(self, kind: type[_T]) -> list[_T]:
        """The journal's records of one kind."""
        return [record for record in list(self._journal) if isinstance(record, kind)]

    def booked(self, link: str = "issuer") -> list[tuple[str, str, int]]:
        """What a link's book moved: kind, reference, amount in minor units."""
        return [
            (move.kind.value, move.reference, move.amount_minor)
            for move in self.of(Movement)
            if move.link == link
        ]

    def hops(self) -> list[HopRecord]:
        """Requests at the vendor's API, as the mock noted them."""
        return [hop for hop in self.of(HopRecord) if hop.callee == PSP]

    def decisions(self) -> list[Decision]:
        """What links decided."""
        return self.of(Decision)

    @property
    def received(self) -> list[HttpRequest]:
        """The webhooks that came to the shop."""
        return list(self._received)

    def wait_for_webhooks(self, number: int) -> list[HttpRequest]:
        """The first webhooks, as soon as so many have come."""
        until_s = time.monotonic() + WAIT_S
        while len(self._received) < number and time.monotonic() < until_s:
            time.sleep(0.005)
        assert len(self._received) >= number, f"{len(self._received)} webhooks of {number}"
        return self.received

    def wait_until_at_work(self, of_payment: str, link: str = "issuer") -> None:
        """Wait until a link works on a request of a payment."""
        (service,) = [each for each in self._host.services if each.name == link]
        until_s = time.monotonic() + WAIT_S
        while of_payment not in dict(service.pending) and time.monotonic() < until_s:
            time.sleep(0.005)

    def secret(self) -> str:
        """What the vendor signs its webhooks with."""
        return VENDORS[self.chain.links[PSP].dialect.name].secret(secret_of(PSP, SEED))

    def inject(self, kind: str, *, link: str = PSP, **parameters: Any) -> None:
        """Let a fault apply to a link's requests from now on."""
        self._in_loop(self._host.faults.apply, _active(kind, link, parameters))

    def heal(self, kind: str) -> None:
        """End a fault."""
        self._in_loop(self._host.faults.heal, kind)

    def settle(self) -> None:
        """Wait until nothing is on its way between the links."""
        self._await(self._host.drain(WAIT_S))

    def _in_loop(self, call: Any, *arguments: Any) -> None:
        async def called() -> None:
            call(*arguments)

        self._await(called())

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S)

    def cut_next(self, times: int = 1) -> None:
        """Cut the connection instead of the next answers, after the work behind them."""
        self._cutting.cuts = times

    async def _receive(self, http: HttpRequest) -> HttpResponse:
        self._received.append(http)
        return HttpResponse(self.answer_to_webhooks)

    async def _control(self, http: HttpRequest) -> HttpResponse:
        """What an SDK's test in another language asks of the links: `POST /cut {"times": 1}`."""
        asked = msgspec.json.decode(http.body or b"{}")
        match http.target.strip("/"):
            case "inject":
                kind, link = asked.pop("kind"), asked.pop("link", PSP)
                self._host.faults.apply(_active(kind, link, asked))
            case "heal":
                self._host.faults.heal(asked["kind"])
            case "cut":
                self._cutting.cuts = asked["times"]
            case "booked":
                await self._host.drain(WAIT_S)
                return json_response(200, self._booked_for(asked["order"]))
            case "requests":
                return json_response(200, sum(hop.payment == asked["order"] for hop in self.hops()))
            case "exchanges":
                last = self.exchanges[-asked["last"] :]
                return json_response(200, [_shown(http, answer) for http, answer in last])
            case "webhooks":
                shown = [
                    {"headers": each.headers, "body": each.body.decode()} for each in self.received
                ]
                return json_response(200, {"secret": self.secret(), "received": shown})
        return json_response(200, {})

    def _booked_for(self, order: str) -> dict[str, list[int]]:
        booked: dict[str, list[int]] = {}
        for kind, reference, amount_minor in self.booked():
            if reference.startswith(order):
                booked.setdefault(kind, []).append(amount_minor)
        return booked

    def _record_exchanges(self) -> None:
        (service,) = [each for each in self._host.services if each.name == PSP]
        assert service._front is not None
        server = service._front._server
        answer = server.handler

        async def recorded(http: HttpRequest) -> HttpResponse | None:
            response = await answer(http)
            self.exchanges.append((http, response))
            return response

        server.handler = recorded

    async def _start(self) -> None:
        began_ns = time.monotonic_ns()
        wall_epoch_ns = time.time_ns()
        links = [name for name in self.chain.links if name != "shop"]
        self._host = Host(
            self.chain,
            links,
            seed=SEED,
            now_ns=lambda: time.monotonic_ns() - began_ns,
            journal=self._journal,
            id_prefix=PREFIX,
            wall_epoch_ns=wall_epoch_ns,
        )
        self._record_exchanges()
        self._controls = HttpServer(self._control)
        self.control_url = f"http://127.0.0.1:{await self._controls.start('127.0.0.1')}"
        self._shop = HttpServer(self._receive)
        ports = {**await self._host.start(), "shop": await self._shop.start("127.0.0.1")}
        self._host.connect(
            {hop.name: ("127.0.0.1", ports[hop.callee]) for hop in self.chain.hops()}
        )
        self.own_port = ports[PSP]
        self._cutting = CuttingProxy(self.own_port)
        self.port = await self._cutting.start()
        self.url = f"http://127.0.0.1:{self.port}"

    async def _stop(self) -> None:
        self._cutting.stop()
        await self._host.stop()
        await self._shop.stop(0.0)
        await self._controls.stop(0.0)


def _shown(http: HttpRequest, answer: HttpResponse | None) -> dict[str, Any]:
    """A request as an SDK sent it, and the status of its answer, 0 where none left the mock."""
    return {
        "method": http.method,
        "target": http.target,
        "headers": http.headers,
        "body": http.body.decode(),
        "status": answer.status if answer is not None else 0,
    }


def _active(kind: str, link: str, parameters: dict[str, Any]) -> ActiveFault:
    declared = KINDS[kind].model_validate(parameters)
    return ActiveFault(id=kind, parameters=declared, spots=(InLinkPlace(link=link),))  # type: ignore[arg-type]  # declared above


@contextmanager
def vendor_links(dialect: str, **further: str) -> Iterator[VendorLinks]:
    """The chain of `chain_of`, running."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="vendor links", daemon=True)
    thread.start()
    links = VendorLinks(checked(chain_of(dialect, **further)), loop)
    links._await(links._start())
    try:
        yield links
    finally:
        links._await(links._stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
