"""One proxy: a listening address, an upstream, its toxics and its live connections.

    client ──> listen ──┬── refuse ─────> reset
                        ├── blackhole ──> nothing, until the toxic is removed
                        └── dial upstream ──> ToxicLink (link.py)

Counterpart in Toxiproxy: proxy.go, toxic_collection.go.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any

from paychain.processes.loopback import LOOPBACK
from paychain.toxics.address import BadAddress, joined, resolved, split
from paychain.toxics.endpoint import Endpoint
from paychain.toxics.events import EventLog, Kind
from paychain.toxics.link import ToxicLink
from paychain.toxics.memory import HeldBytes
from paychain.toxics.observation import Observation
from paychain.toxics.observed_endpoint import ObservedEndpoint
from paychain.toxics.observer import Observer, ProxyFaults
from paychain.toxics.toxic import Toxic
from paychain.wire.ports import Port, hold

DIAL_S = 10.0  # seconds until an upstream connection that is not made counts as failed
BACKLOG = 1024  # connections the system may hold before they are accepted
STOPPED = "proxy stopped"
MAX_CONNECTIONS = 20_000  # of one proxy; further ones are reset

Label = tuple[str, str, str]  # direction, listen, upstream


class CannotListen(Exception):
    """The address is not available; in Go's words."""


class Proxy:
    """Accepts on `listen` and relays to `upstream`, both as host:port.

    `seed` keys which connections a toxic affects; `dial_s` bounds an upstream connection in
    seconds. Always true: a disabled proxy listens nowhere and has no connections; an enabled one
    listens unless a `refuse` toxic affects every connection. `observation`: the HTTP exchanges of
    its connections are recorded; None: nothing of the bytes is looked at. `held`: what all proxies
    of an engine hold back together.
    """

    def __init__(
        self,
        name: str,
        listen: str,
        upstream: str,
        seed: int,
        *,
        events: EventLog | None = None,
        dial_s: float = DIAL_S,
        observation: Observation | None = None,
        held: HeldBytes | None = None,
    ) -> None:
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
        self._links: dict[ToxicLink, None] = {}
        self._dials: dict[asyncio.Task[None], Endpoint] = {}
        self._blackholed: dict[int, Endpoint] = {}  # by connection number
        self._observation = observation
        self._held = held or HeldBytes()
        self._switched = ProxyFaults()
        self._observers: dict[int, Observer] = {}  # of open connections, by number
        self._server: asyncio.AbstractServer | None = None
        self._port: Port | None = None  # held from the first start on, while disabled, too
        self._received: Counter[Label] = Counter()  # bytes of closed connections
        self._sent: Counter[Label] = Counter()

    @property
    def live(self) -> int:
        """Connections that are open now."""
        return len(self._links) + len(self._dials) + len(self._blackholed)

    @property
    def is_refusing(self) -> bool:
        """Whether a `refuse` toxic affects every new connection: then nothing listens."""
        return any(toxic.type == "refuse" and toxic.toxicity >= 1 for toxic in self.toxics)

    async def start(self) -> None:
        """Listen; `listen` becomes the real address. Raises CannotListen."""
        if self.enabled:
            return
        await self._hold()
        if not self.is_refusing:
            await self._listen()
        self.enabled = True
        self.record("proxy_enabled", detail=self.listen)

    async def _hold(self) -> None:
        if self._port is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            host, port = await resolved(self.listen, loop)
        except BadAddress as error:
            raise CannotListen(f"listen tcp: {error}") from error
        host = host or LOOPBACK
        try:
            self._port = hold(loop, host, port)
        except (OSError, OverflowError) as error:
            raise _cannot_listen(joined(host, port), error) from error
        self.listen = joined(*self._port.address)

    async def _listen(self) -> None:
        assert self._port is not None
        kind = Endpoint if self._observation is None else ObservedEndpoint
        loop = asyncio.get_running_loop()
        try:
            self._server = await self._port.serve(loop, lambda: kind(self._accept), BACKLOG)
        except OSError as error:
            self.release()
            raise _cannot_listen(self.listen, error) from error
        self.listen = joined(*self._port.address)

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._port is not None:
            self._port.refuse()

    def release(self) -> None:
        """Stop, and give the address away."""
        self.stop()
        if self._port is not None:
            self._port.release()
            self._port = None

    def stop(self, reason: str = STOPPED) -> None:
        """Stop listening and drop every connection, but keep the address reserved."""
        self._unlisten()
        was_enabled, self.enabled = self.enabled, False
        for task, client in list(self._dials.items()):
            task.cancel()
            client.drop()
        for number in list(self._observers):
            self._end_observing(number, reason)
        for number, client in list(self._blackholed.items()):
            self._abandon(number, reason)
            client.drop()
        for link in list(self._links):
            link.drop(reason)
        if was_enabled:
            self.record("proxy_disabled")

    async def set_toxics(self, toxics: list[Toxic], *, is_share_change: bool = False) -> None:
        """Apply another list of toxics to the listener and to live connections.

        Raises CannotListen when the address is no longer available after a refusal; the proxy is
        disabled then.
        """
        self.toxics = toxics
        self._switched.toxics = " ".join(toxic.name for toxic in toxics)
        for link in list(self._links):
            link.rebuild(toxics, is_share_change=is_share_change)
        for number, client in list(self._blackholed.items()):
            # Freed from the blackhole: it goes on as if its packets had been delayed.
            if self._affecting("blackhole", number) is None:
                del self._blackholed[number]
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

    def _affecting(self, kind: str, number: int) -> Toxic | None:
        for toxic in self.toxics:
            if toxic.type == kind and toxic.affects(self._seed, self.name, number):
                return toxic
        return None

    def _accept(self, client: Endpoint) -> None:
        # Four cases: accepted before the listener closed; refused, by a toxic or by the limit;
        # swallowed by a blackhole; relayed.
        if self._server is None:
            client.reset()
            return
        self.accepted += 1
        number = self.accepted
        refuse = self._affecting("refuse", number)
        if refuse is not None or self.live >= MAX_CONNECTIONS:
            self.refused += 1
            client.reset()
            if refuse is not None:
                refuse.connections += 1
                refuse.hits += 1
            self.record("refused", number, refuse, "" if refuse else "too many connections")
            return
        if self._observation is not None and isinstance(client, ObservedEndpoint):
            self._observe(client, number, self._observation)
        blackhole = self._affecting("blackhole", number)
        if blackhole is not None:
            blackhole.connections += 1
            blackhole.hits += 1
            self._blackholed[number] = client
            client.on_early_loss = lambda: self._abandon(number)
            client.on_early_end = client.drop  # the client has given up
            self.record("toxic_hit", number, blackhole)
            return
        self._start_dial(client, number)

    def _abandon(self, number: int, reason: str = "reset by client") -> None:
        """Forget a connection in a blackhole: it is over."""
        if self._blackholed.pop(number, None) is not None:
            self._end_observing(number, reason)
            self.record("closed", number, None, "never answered")

    def _start_dial(self, client: Endpoint, number: int) -> None:
        client.on_early_end = None
        task = asyncio.get_running_loop().create_task(self._dial(client, number))
        client.on_early_loss = task.cancel  # the client has given up
        self._dials[task] = client
        task.add_done_callback(self._dials.pop)

    async def _dial(self, client: Endpoint, number: int) -> None:
        """Connect upstream, apart from other clients; a failure closes the client's connection."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None  # `_start_dial` runs this in a task
        timer = loop.call_later(self._dial_s, task.cancel)
        upstream = Endpoint()
        try:
            await loop.create_connection(lambda: upstream, *split(self.upstream))
        except (OSError, ValueError) as error:  # ValueError: not an address at all
            client.close()
            self._dial_failed(number, f"dial tcp {self.upstream}: {error}")
            return
        except asyncio.CancelledError:
            # Cancelled by the timer, or because the client is gone or the proxy was stopped.
            upstream.drop()
            if client.is_lost or not self.enabled:
                self._dial_failed(number, "abandoned")
            else:
                client.close()
                self._dial_failed(number, f"dial tcp {self.upstream}: no answer")
            return
        finally:
            timer.cancel()
        link = ToxicLink(
            loop=loop,
            seed=self._seed,
            proxy=self.name,
            number=number,
            client=client,
            upstream=upstream,
            on_close=self._forget,
            on_hit=self._first_hit,
            held=self._held,
        )
        assert self.enabled, "stopping a proxy cancels what it dials"
        if number in self._observers:
            self._observers[number].port = upstream.port
        self._links[link] = None
        self.record("connected", number)
        link.start(self.toxics)

    def _dial_failed(self, number: int, detail: str) -> None:
        self.dials_failed += 1
        self._end_observing(number, detail)
        self.record("dial_failed", number, None, detail)

    def _first_hit(self, number: int, toxic: Toxic) -> None:
        self.record("toxic_hit", number, toxic)

    def _forget(self, link: ToxicLink, reason: str) -> None:
        self._links.pop(link, None)
        self._end_observing(link.number, reason)
        self._count(link, self._received, self._sent)
        self.record(
            "closed", link.number, None, f"{reason}; {link.up.sent} B up, {link.down.sent} B down"
        )

    def _observe(self, client: ObservedEndpoint, number: int, observation: Observation) -> None:
        """Record the HTTP exchanges of a connection, until they cannot be read any more."""

        def gave_up(reason: str) -> None:
            self.record("unreadable", number, None, reason)

        observer = observation.observer(self.name, number, self._switched, gave_up)
        self._observers[number] = observer
        client.observe(observer)

    def _end_observing(self, number: int, reason: str) -> None:
        observer = self._observers.pop(number, None)
        if observer is not None:
            observer.cut(reason)

    def record(
        self, kind: Kind, number: int | None = None, toxic: Toxic | None = None, detail: str = ""
    ) -> None:
        """Record an event of the proxy, or of a connection or toxic if given."""
        if self._events is not None:
            self._events.add(kind, self.name, number, toxic.name if toxic else None, detail)

    def _count(self, link: ToxicLink, received: Counter[Label], sent: Counter[Label]) -> None:
        for pipeline in (link.up, link.down):
            label = (pipeline.stream, self.listen, self.upstream)
            received[label] += pipeline.received
            sent[label] += pipeline.sent

    def traffic(self) -> tuple[Counter[Label], Counter[Label]]:
        """Bytes received and sent so far, live connections included."""
        received, sent = Counter(self._received), Counter(self._sent)
        for link in self._links:
            self._count(link, received, sent)
        return received, sent

    def counters(self) -> dict[str, Any]:
        """What it has done so far, as the API shows it."""
        received, sent = self.traffic()
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "live": self.live,
            "dial_failed": self.dials_failed,
            "bytes": {
                stream: {
                    "received": sum(size for label, size in received.items() if label[0] == stream),
                    "sent": sum(size for label, size in sent.items() if label[0] == stream),
                }
                for stream in ("upstream", "downstream")
            },
            "toxics": {toxic.name: toxic.counters() for toxic in self.toxics},
        }

    def describe(self) -> dict[str, Any]:
        """The proxy as the API shows it.

        Toxiproxy exposes `Logger` by accident, and its clients expect the key.
        """
        ordered = sorted(self.toxics, key=lambda toxic: toxic.direction != "upstream")
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "Logger": {},
            "toxics": [toxic.describe() for toxic in ordered],
        }


def _cannot_listen(address: str, error: OSError | OverflowError) -> CannotListen:
    reason = str(error)
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.strerror:
        reason = error.strerror.lower()
    return CannotListen(f"listen tcp {address}: bind: {reason}")
