"""One proxy: a listening address, an upstream, its toxics and its live connections."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

from harness.toxics.address import LOOPBACK, BadAddress, joined, resolved, split
from harness.toxics.endpoint import Endpoint
from harness.toxics.events import EventLog, Kind
from harness.toxics.link import Link
from harness.toxics.toxic import Toxic

DIAL_S = 10.0
BACKLOG = 1024
MOST_CONNECTIONS = 20_000  # of one proxy; those that come then are reset

Label = tuple[str, str, str]  # direction, listen, upstream


class CannotListen(Exception):
    """The address cannot be had; in Go's words."""


class Proxy:
    """Accepts on `listen` and relays to `upstream`, both as host:port."""

    def __init__(
        self, name: str, listen: str, upstream: str, seed: int,
        events: EventLog | None = None, dial_s: float = DIAL_S,
    ) -> None:  # fmt: skip
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.toxics: list[Toxic] = []
        self.accepted = 0
        self.refused = 0
        self.dials_failed = 0
        self._seed = seed
        self._events = events
        self._dial_s = dial_s
        self._links: dict[Link, None] = {}
        self._dials: dict[asyncio.Task[None], Endpoint] = {}
        self._unanswered: dict[int, Endpoint] = {}  # in a blackhole, by connection
        self._server: asyncio.AbstractServer | None = None
        self._received: Counter[Label] = Counter()  # bytes of closed connections
        self._sent: Counter[Label] = Counter()

    @property
    def live(self) -> int:
        """Connections that stand now."""
        return len(self._links) + len(self._dials) + len(self._unanswered)

    @property
    def is_refusing(self) -> bool:
        """A `refuse` toxic strikes every new connection: nothing listens."""
        return any(toxic.type == "refuse" and toxic.toxicity >= 1 for toxic in self.toxics)

    # -- listening ------------------------------------------------------------------------------
    async def start(self) -> None:
        """Listen; `listen` becomes the real address. Raises CannotListen."""
        if self.enabled:
            return
        if not self.is_refusing:
            await self._listen()
        self.enabled = True
        self.tell("proxy_enabled", detail=self.listen)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            host, port = await resolved(self.listen, loop)
        except BadAddress as error:
            raise CannotListen(f"listen tcp: {error}") from error
        host = host or LOOPBACK
        try:
            server = await loop.create_server(
                lambda: Endpoint(self._accept), host, port, backlog=BACKLOG
            )
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise CannotListen(f"listen tcp {joined(host, port)}: bind: {reason}") from error
        self._server = server
        self.listen = joined(*server.sockets[0].getsockname()[:2])

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def stop(self) -> None:
        """Stop listening and drop every connection; the address is kept."""
        self._unlisten()
        was_enabled, self.enabled = self.enabled, False
        for task, client in list(self._dials.items()):
            task.cancel()
            client.drop()
        for number, client in list(self._unanswered.items()):
            self._abandon(number)
            client.drop()
        for link in list(self._links):
            link.drop("proxy stopped")
        if was_enabled:
            self.tell("proxy_disabled")

    # -- toxics ---------------------------------------------------------------------------------
    async def set_toxics(self, toxics: list[Toxic], *, is_share_change: bool = False) -> None:
        """Let live connections, and the listener, follow another list of toxics.

        Raises CannotListen when a lifted refusal does not get its address back; the proxy is
        disabled then.
        """
        self.toxics = toxics
        for link in list(self._links):
            link.rebuild(toxics, is_share_change=is_share_change)
        for number, client in list(self._unanswered.items()):
            if self._struck_by("blackhole", number) is None:
                del self._unanswered[number]
                self._start_dial(client, number)
        if not self.enabled:
            return
        if self.is_refusing:
            self._unlisten()
        elif self._server is None:
            try:
                await self._listen()
            except CannotListen:
                self.stop()
                raise

    async def toxic_updated(self, toxic: Toxic) -> None:
        """A toxic has new attributes or another share. Raises CannotListen."""
        await self.set_toxics(self.toxics, is_share_change=True)
        for link in list(self._links):
            link.updated(toxic)

    def _struck_by(self, kind: str, number: int) -> Toxic | None:
        for toxic in self.toxics:
            if toxic.type == kind and toxic.strikes(self._seed, self.name, number):
                return toxic
        return None

    # -- connections ----------------------------------------------------------------------------
    def _accept(self, client: Endpoint) -> None:
        if self._server is None:  # it was accepted before the listener closed
            client.reset()
            return
        self.accepted += 1
        number = self.accepted
        refusing = self._struck_by("refuse", number)
        if refusing is not None or self.live >= MOST_CONNECTIONS:
            self.refused += 1
            client.reset()
            if refusing is not None:
                refusing.connections += 1
                refusing.hits += 1
            self.tell("refused", number, refusing, "" if refusing else "too many connections")
            return
        unanswering = self._struck_by("blackhole", number)
        if unanswering is not None:
            unanswering.connections += 1
            unanswering.hits += 1
            self._unanswered[number] = client
            client.on_early_loss = lambda: self._abandon(number)
            client.on_early_end = client.drop  # it waits no longer
            self.tell("toxic_hit", number, unanswering)
            return
        self._start_dial(client, number)

    def _abandon(self, number: int) -> None:
        """A connection in a blackhole is over."""
        if self._unanswered.pop(number, None) is not None:
            self.tell("closed", number, None, "never answered")

    def _start_dial(self, client: Endpoint, number: int) -> None:
        client.on_early_end = None
        task = asyncio.get_running_loop().create_task(self._dial(client, number))
        client.on_early_loss = task.cancel  # nobody waits for it any more
        self._dials[task] = client
        task.add_done_callback(self._dials.pop)

    async def _dial(self, client: Endpoint, number: int) -> None:
        """Connect upstream without holding up other clients; a failure closes the client."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # it is one
        timer = loop.call_later(self._dial_s, task.cancel)
        upstream = Endpoint()
        try:
            await loop.create_connection(lambda: upstream, *split(self.upstream))
        except (OSError, ValueError) as error:  # ValueError: no such address can be
            client.close()
            self._dial_failed(number, f"dial tcp {self.upstream}: {error}")
            return
        except asyncio.CancelledError:
            upstream.drop()
            if client.is_lost or not self.enabled:
                self._dial_failed(number, "abandoned")
            else:
                client.close()
                self._dial_failed(number, f"dial tcp {self.upstream}: no answer")
            return
        finally:
            timer.cancel()
        link = Link(
            loop, self._seed, self.name, number, client, upstream, self._forget, self._first_hit
        )
        self._links[link] = None
        self.tell("connected", number)
        link.start(self.toxics)

    def _dial_failed(self, number: int, detail: str) -> None:
        self.dials_failed += 1
        self.tell("dial_failed", number, None, detail)

    def _first_hit(self, number: int, toxic: Toxic) -> None:
        self.tell("toxic_hit", number, toxic)

    def _forget(self, link: Link, why: str) -> None:
        self._links.pop(link, None)
        self._count(link, self._received, self._sent)
        self.tell(
            "closed", link.number, None, f"{why}; {link.up.sent} B up, {link.down.sent} B down"
        )

    # -- evidence -------------------------------------------------------------------------------
    def tell(
        self, kind: Kind, number: int | None = None, toxic: Toxic | None = None, detail: str = ""
    ) -> None:
        """Put an event on record."""
        if self._events is not None:
            self._events.add(kind, self.name, number, toxic.name if toxic else None, detail)

    def _count(self, link: Link, received: Counter[Label], sent: Counter[Label]) -> None:
        for one in (link.up, link.down):
            label = (one.stream, self.listen, self.upstream)
            received[label] += one.received
            sent[label] += one.sent

    def traffic(self) -> tuple[Counter[Label], Counter[Label]]:
        """Bytes received and sent so far, those of live connections included."""
        received, sent = Counter(self._received), Counter(self._sent)
        for link in self._links:
            self._count(link, received, sent)
        return received, sent

    def counted(self) -> dict[str, Any]:
        """What it has done, as the API shows it."""
        received, sent = self.traffic()
        return {
            "accepted": self.accepted, "refused": self.refused, "live": self.live,
            "dial_failed": self.dials_failed,
            "bytes": {
                stream: {
                    "received": sum(n for label, n in received.items() if label[0] == stream),
                    "sent": sum(n for label, n in sent.items() if label[0] == stream),
                }
                for stream in ("upstream", "downstream")
            },
            "toxics": {toxic.name: toxic.counted() for toxic in self.toxics},
        }  # fmt: skip

    def described(self) -> dict[str, Any]:
        """As the API shows it. `Logger` is a stray key of the original that clients expect."""
        ordered = sorted(self.toxics, key=lambda toxic: toxic.direction != "upstream")
        return {
            "name": self.name, "listen": self.listen, "upstream": self.upstream,
            "enabled": self.enabled, "Logger": {},
            "toxics": [toxic.described() for toxic in ordered],
        }  # fmt: skip
