"""A loopback network in memory: ports, connections, and the time bytes take between them."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import cycle
from random import Random
from typing import Any

from paychain.simulation.clock import SimulatedClock
from paychain.simulation.fake_socket import Address, FakeSocket
from paychain.simulation.forbidden import forbidden
from paychain.simulation.transport import ConnectionEnd

# One way over loopback, with what real processes add of their own. Measured beside real runs on a
# quiet machine (steady, 40 payments/s): with 50 µs a payment took 3.6 ms less than in a real run,
# over 5 hops in a row as over 7, each four ways long: 0.4 ms a hop for the work of the processes
# and for timers that are late by up to 1 ms, and 1.7 ms for the customer's side (Locust). With
# 200 µs both are within 0.7 ms of the real run's median and 0.3 ms of its mean.
HOP_NS = 200_000
JITTER_NS = 150_000  # either way: the real run's timers are late by anything up to 1 ms
DELAYS = 251  # different delays of one seed
MAX_SEEDS_KEPT = 8  # a run has one, and a search stays with it
MAX_RINGS_KEPT = 2 * DELAYS  # a search makes those of one seed again and again
FIRST_PORT, LAST_PORT = 49_152, 65_535
LOCAL_HOSTS = ("127.0.0.1", "localhost", "0.0.0.0", "", None)  # noqa: S104  (names, nothing is bound)

Factory = Callable[[], asyncio.BaseProtocol]


class Network:
    """The ports of one simulated machine. Every address is 127.0.0.1."""

    def __init__(self, loop: SimulatedClock, seed: int) -> None:
        self._loop = loop
        self._listeners: dict[int, SimulatedServer] = {}
        self._ends: dict[ConnectionEnd, None] = {}
        self._seed = seed
        self._directions = 0
        self._next_port = FIRST_PORT
        self._known: set[int] = set()  # ports where somebody has listened

    def knows(self, host: Any, port: int) -> bool:
        """Whether anybody has ever listened there."""
        return host in LOCAL_HOSTS and port in self._known

    async def listen(
        self,
        factory: Factory,
        host: Any = None,
        port: int | None = None,
        *,
        sock: Any = None,
        ssl: Any = None,
        start_serving: bool = True,
        **_: Any,
    ) -> SimulatedServer:
        """As loop.create_server. Raises OSError when the port is taken."""
        _require_plain(sock, ssl)
        _require_local(host)
        number = port or self.free_port()
        if number in self._listeners:
            raise _error(errno.EADDRINUSE, f"127.0.0.1:{number}")
        listener = SimulatedServer(self, self._loop, factory, ("127.0.0.1", number))
        self._listeners[number] = listener
        self._known.add(number)
        if start_serving:
            await listener.start_serving()
        return listener

    async def connect(
        self,
        factory: Factory,
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        ssl: Any = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """As loop.create_connection. Raises ConnectionRefusedError where nothing listens."""
        _require_plain(sock, ssl)
        _require_local(host)
        handshake = Handshake(self._loop, self, factory, int(port))
        try:
            await handshake.is_done
        except BaseException:  # refused, or the caller was cancelled: its socket is closed
            handshake.abandon()
            raise
        assert handshake.client is not None  # it is done
        return handshake.client, handshake.client.get_protocol()

    def direction(self) -> Iterator[int]:
        """The delays in nanoseconds of the items of one more direction, from end to end."""
        start = self._directions * 7 % DELAYS
        self._directions += 1
        return cycle(_delays_ns(self._seed, start))

    def open_connection(
        self, port: int, forth: Iterator[int], back: Iterator[int]
    ) -> ConnectionEnd | None:
        """Answer a connection request at a port.

        Returns the client's end, None where nothing listens. `forth` and `back` are the delays of
        the two directions.
        """
        listener = self._listeners.get(port)
        if listener is None or not listener.is_serving():
            return None
        near, far = ("127.0.0.1", self.free_port()), listener.address
        client = ConnectionEnd(self._loop, self, forth, near, far)
        server = ConnectionEnd(self._loop, self, back, far, near)
        client.peer, server.peer = server, client
        self._ends[client] = self._ends[server] = None
        listener.accept(server)
        return client

    def free_port(self) -> int:
        """A port where nobody listens, and which nobody else is given soon. Raises OSError."""
        for _ in range(LAST_PORT - FIRST_PORT + 1):
            port = self._next_port
            self._next_port = port + 1 if port < LAST_PORT else FIRST_PORT
            if port not in self._listeners:
                return port
        raise _error(errno.EADDRNOTAVAIL, "no port is free")

    def unlisten(self, port: int) -> None:
        """Free a port."""
        self._listeners.pop(port, None)

    def forget(self, end: ConnectionEnd) -> None:
        """An end of a connection is closed."""
        self._ends.pop(end, None)

    def open(self) -> list[str]:
        """What is still open: listeners and transports."""
        listeners = [f"listener 127.0.0.1:{port}" for port in self._listeners]
        return [*listeners, *(f"transport {end.describe()}" for end in self._ends)]


@lru_cache(maxsize=MAX_RINGS_KEPT)
def _delays_ns(seed: int, start: int) -> tuple[int, ...]:
    """The delays of a seed as a ring that begins with number `start`."""
    delays = _ring_ns(seed)
    return (*delays[start:], *delays[:start])


@lru_cache(maxsize=MAX_SEEDS_KEPT)
def _ring_ns(seed: int) -> tuple[int, ...]:
    """The delays of a seed: every direction has the same ones, each from a place of its own."""
    chance = Random(seed)  # noqa: S311  (seeded: it has to repeat)
    shortest_ns = HOP_NS - JITTER_NS
    return tuple(shortest_ns + int(chance.random() * (2 * JITTER_NS + 1)) for _ in range(DELAYS))


class Handshake:
    """The event that makes one connection: it happens twice.

        caller ── request ──> port           first: is there a listener? accept
        caller <── answer ─── port           second: start the client's end, or refuse

    `is_done` is the future of the caller. `client`: the client's end, once there is one.
    """

    __slots__ = (
        "_back",
        "_cancelled",
        "_factory",
        "_forth",
        "_has_arrived",
        "_loop",
        "_network",
        "_port",
        "_scheduled",
        "client",
        "is_done",
    )
    _context = None

    def __init__(self, loop: SimulatedClock, network: Network, factory: Factory, port: int) -> None:
        self._loop, self._network, self._factory, self._port = loop, network, factory, port
        self._forth, self._back = network.direction(), network.direction()
        self._has_arrived = self._cancelled = False
        self.client: ConnectionEnd | None = None
        self.is_done: asyncio.Future[None] = loop.create_future()
        self._travel(self._forth)

    def _travel(self, delays_ns: Iterator[int]) -> None:
        self._scheduled = True
        self._loop.at_ns(self._loop.now_ns + next(delays_ns), self)

    def happen(self) -> None:
        """The request has arrived, or its answer is back."""
        if not self._has_arrived:
            self._has_arrived = True
            self.client = self._network.open_connection(self._port, self._forth, self._back)
            self._travel(self._back)
        elif self.client is None:
            self.is_done.set_exception(_error(errno.ECONNREFUSED, f"127.0.0.1:{self._port}"))
        else:
            try:
                self.client.start(self._factory(), self.is_done)
            except Exception as error:
                self.is_done.set_exception(error)

    def abandon(self) -> None:
        """Close the caller's socket: it no longer waits for the connection."""
        self._cancelled = True
        if self._scheduled:
            self._loop.forget_timer()
        if self.client is not None:
            self.client.give_up()


class SimulatedServer(asyncio.AbstractServer):
    """A listening port, as asyncio's Server."""

    def __init__(
        self, network: Network, loop: SimulatedClock, factory: Factory, address: Address
    ) -> None:
        self.address = address
        self._network, self._loop = network, loop
        self._factory = factory
        self._is_serving = self._is_closed = False
        self._ends: dict[ConnectionEnd, None] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None

    def accept(self, end: ConnectionEnd) -> None:
        """A connection has come."""
        self._ends[end] = None
        end.listener = self
        try:
            protocol = self._factory()
        except Exception as error:
            message = "Error on transport creation for incoming connection"
            self._loop.call_exception_handler({"message": message, "exception": error})
            end.close_socket()
            return
        end.start(protocol)

    def forget(self, end: ConnectionEnd) -> None:
        """A connection of this listener is over."""
        self._ends.pop(end, None)
        if self._is_closed and not self._ends:
            self._wake()

    @property
    def sockets(self) -> tuple[FakeSocket, ...]:
        """One socket while it is open."""
        return () if self._is_closed else (FakeSocket(self.address),)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs on."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it accepts."""
        return self._is_serving

    async def start_serving(self) -> None:
        """Accept from now on."""
        self._is_serving = not self._is_closed

    async def serve_forever(self) -> None:
        """Accept until it is closed or cancelled."""
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()

    def close(self) -> None:
        """Stop accepting; open connections go on."""
        if self._is_closed:
            return
        self._is_closed, self._is_serving = True, False
        self._network.unlisten(self.address[1])
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        if not self._ends:
            self._wake()

    def close_clients(self) -> None:
        """Close every connection, after what was written."""
        for end in list(self._ends):
            end.close()

    def abort_clients(self) -> None:
        """Close every connection at once."""
        for end in list(self._ends):
            end.abort()

    async def wait_closed(self) -> None:
        """Wait until it is closed and its last connection is over (as since Python 3.12)."""
        if self._is_closed and not self._ends:
            return
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()


class FreePort:
    """An address to listen on now and then. No other program could take it meanwhile."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)

    async def serve(
        self, loop: asyncio.AbstractEventLoop, factory: Factory, backlog: int
    ) -> asyncio.AbstractServer:
        """Listen. Raises OSError."""
        server = await loop.create_server(factory, *self.address, backlog=backlog)
        self.address = server.sockets[0].getsockname()[:2]
        return server

    def refuse(self) -> None:
        """Nothing to refuse: the server is closed."""

    def release(self) -> None:
        """Nothing to release: the server is closed."""


def _require_plain(sock: Any, ssl: Any) -> None:
    if sock is not None:
        raise forbidden("a socket made by the caller", "give host and port")
    if ssl is not None:
        raise forbidden("TLS", "the simulated network is plain")


def _require_local(host: Any) -> None:
    if host not in LOCAL_HOSTS:
        raise _error(errno.ENETUNREACH, f"{host}: a simulation has loopback only")


def _error(number: int, about: str) -> OSError:
    return OSError(number, f"{os.strerror(number)} ({about})")
