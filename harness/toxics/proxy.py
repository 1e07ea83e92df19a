"""One proxy: a listening address, an upstream, its toxics and its live connections."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.toxics.link import Endpoint, Link
from harness.toxics.toxic import Toxic, strikes

DIAL_S = 10.0
BACKLOG = 1024


class Proxy:
    """Accepts on `listen` and relays to `upstream`, both as host:port."""

    def __init__(self, name: str, listen: str, upstream: str, seed: int) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.toxics: list[Toxic] = []
        self.accepted = 0
        self.refused = 0
        self._seed = seed
        self._links: dict[Link, None] = {}
        self._dials: dict[asyncio.Task[None], Endpoint] = {}
        self._server: asyncio.AbstractServer | None = None

    @property
    def live(self) -> int:
        """Connections that stand now."""
        return len(self._links) + len(self._dials)

    @property
    def is_refusing(self) -> bool:
        """A `refuse` toxic strikes every new connection: nothing listens."""
        return any(toxic.type == "refuse" and toxic.toxicity >= 1 for toxic in self.toxics)

    async def start(self) -> None:
        """Listen; `listen` becomes the real address. Raises OSError or ValueError."""
        if self._server is not None:
            return
        if not self.is_refusing:
            await self._listen()
        self.enabled = True

    async def _listen(self) -> None:
        host, port = split_address(self.listen)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Endpoint(self._accept), host, port, backlog=BACKLOG
        )
        self._server = server
        self.listen = "{}:{}".format(*server.sockets[0].getsockname()[:2])

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def stop(self) -> None:
        """Stop listening and drop every connection; the address is kept."""
        self._unlisten()
        self.enabled = False
        for task, client in list(self._dials.items()):
            task.cancel()
            client.close()
        for link in list(self._links):
            link.close()

    async def toxics_changed(self, was_refusing: bool) -> None:
        """Let live connections, and the listener, follow the list of toxics."""
        for link in list(self._links):
            link.rebuild(self.toxics)
        if self.enabled and self.is_refusing != was_refusing:
            if self.is_refusing:
                self._unlisten()
            else:
                await self._listen()

    def toxic_updated(self, toxic: Toxic) -> None:
        """A toxic has new attributes or toxicity."""
        for link in list(self._links):
            link.rebuild(self.toxics)
            link.updated(toxic)

    def _accept(self, client: Endpoint) -> None:
        self.accepted += 1
        number = self.accepted
        for toxic in self.toxics:
            if toxic.type == "refuse" and strikes(self._seed, self.name, number, toxic):
                toxic.hits += 1
                self.refused += 1
                client.reset()
                return
        task = asyncio.get_running_loop().create_task(self._dial(client, number))
        self._dials[task] = client
        task.add_done_callback(self._dials.pop)

    async def _dial(self, client: Endpoint, number: int) -> None:
        """Connect upstream without holding up other clients; a failure closes the client."""
        loop = asyncio.get_running_loop()
        host, port = split_address(self.upstream)
        upstream = Endpoint()
        dialling = loop.create_task(loop.create_connection(lambda: upstream, host, port))
        timer = loop.call_later(DIAL_S, dialling.cancel)
        try:
            await dialling
        except OSError:
            client.close()
            return
        except asyncio.CancelledError:
            dialling.cancel()
            client.close()
            return
        finally:
            timer.cancel()
        link = Link(loop, self._seed, self.name, number, client, upstream, self._forget)
        self._links[link] = None
        if client.is_lost:
            link.close()
            return
        link.start(self.toxics)

    def _forget(self, link: Link) -> None:
        self._links.pop(link, None)

    def described(self) -> dict[str, Any]:
        """As the API shows it. `Logger` is a stray key of the original that clients expect."""
        ordered = sorted(self.toxics, key=lambda toxic: toxic.stream != "upstream")
        return {
            "name": self.name, "listen": self.listen, "upstream": self.upstream,
            "enabled": self.enabled, "Logger": {},
            "toxics": [toxic.described() for toxic in ordered],
        }  # fmt: skip


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises ValueError as the original words it."""
    host, colon, port = address.rpartition(":")
    if not colon:
        raise ValueError(f"listen tcp: address {address}: missing port in address")
    if not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"listen tcp: address {port}: invalid port")
    return host or "127.0.0.1", int(port)
