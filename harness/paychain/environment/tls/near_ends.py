"""TLS near ends and a forward proxy, in front of the plain near ends of hops.

    service ══ TLS ══▶ TLS near end ── plain ──▶ near end of the hop ─▶ …
    service ─ CONNECT api.stripe.com:443 ─▶ proxy, then the same

A TLS near end connects to the plain one before the handshake, so that a hop that is down is felt as
a broken connection. Faults act behind it, on the plaintext: they never delay a handshake.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from socket import MSG_PEEK, SO_LINGER, SOL_SOCKET, create_server, socket

from paychain.environment.tls.authority import Authority
from paychain.environment.tls.plan import NearEnd
from paychain.environment.tls.refusals import HUNG_UP, Refusals
from paychain.payments.web_hosts import of_host
from paychain.processes.loopback import LOOPBACK
from paychain.toxics.endpoint import LINGER_ZERO

HANDSHAKE_S = 10.0
CLOSING_S = 1.0  # for what was written last, and TLS's close_notify
_BACKLOG = 1_024  # connections the system may hold before they are accepted
CHUNK_BYTES = 65_536
MAX_HEAD_BYTES = 8_192  # of a CONNECT request
_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Enter = Callable[[socket], Awaitable[None]]


class TlsNearEnds:
    """All near ends of a run that speak TLS."""

    def __init__(self, authority: Authority, refusals: Refusals | None = None) -> None:
        self._authority = authority
        self._refusals = refusals or Refusals()
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._listening: list[asyncio.Task[None]] = []
        self._open: set[asyncio.Task[None]] = set()

    async def open(self, plain: NearEnd) -> int:
        """TLS in front of a plain near end; the port that it listens on."""

        async def enter(near: socket) -> None:
            await self._secure(near, plain, (LOOPBACK, "localhost"))

        return await self._listen(enter)

    async def open_proxy(self, hosts: Mapping[str, NearEnd]) -> int:
        """A forward proxy for host names that stand for plain near ends; its port."""

        async def enter(near: socket) -> None:
            loop = asyncio.get_running_loop()
            host = await asyncio.wait_for(_connect_target(near), HANDSHAKE_S)
            plain = of_host(host, hosts)
            if plain is None:
                await loop.sock_sendall(near, _refusal(host))
                return
            await loop.sock_sendall(near, b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._secure(near, plain, (host,))

        return await self._listen(enter)

    async def close(self) -> None:
        """Stop listening, end every connection."""
        tasks = [*self._listening, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, enter: _Enter) -> int:
        # Sockets, not streams: a stream reads the client's hello before TLS can.
        listener = create_server((LOOPBACK, 0), backlog=_BACKLOG)
        listener.setblocking(False)
        self._listening.append(asyncio.create_task(self._accept(listener, enter)))
        return int(listener.getsockname()[1])

    async def _accept(self, listener: socket, enter: _Enter) -> None:
        with listener:
            while True:
                near, _ = await asyncio.get_running_loop().sock_accept(listener)
                near.setblocking(False)
                task = asyncio.create_task(self._enter(near, enter))
                self._open.add(task)
                task.add_done_callback(self._open.discard)

    async def _enter(self, near: socket, enter: _Enter) -> None:
        with near, suppress(OSError, ssl.SSLError, TimeoutError, ValueError):
            await enter(near)

    async def _secure(self, near: socket, plain: NearEnd, names: tuple[str, ...]) -> None:
        host, _, port = plain.upstream.rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            near.setsockopt(SOL_SOCKET, SO_LINGER, LINGER_ZERO)
            return
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            has_spoken = await _has_spoken(near)
            handed_over = socket(fileno=near.detach())  # the transport closes it
            try:
                transport, _ = await loop.connect_accepted_socket(
                    lambda: protocol,
                    handed_over,
                    ssl=self._context(names),
                    ssl_handshake_timeout=HANDSHAKE_S,
                )
            except ConnectionError as error:
                # Node and clients in asyncio do not say why they refuse a certificate. It is
                # aborted when a client took too long, who has refused nothing.
                if has_spoken and not isinstance(error, ConnectionAbortedError):
                    self._refusals.count(plain.name, HUNG_UP)
                raise
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            try:
                # A client of TLS 1.3 refuses a certificate after our side of the handshake.
                failed = await _splice((reader, writer), (far_reader, far_writer))
                self._refusals.note(plain.name, failed)
            finally:
                transport.abort()
        except ssl.SSLError as error:
            self._refusals.note(plain.name, error)
            raise
        finally:
            far_writer.transport.abort()

    def _context(self, names: tuple[str, ...]) -> ssl.SSLContext:
        if names not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])  # what our links speak
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "near-end.pem")  # ssl reads keys from files only
                path.touch(mode=0o600)
                path.write_text(self._authority.sign(names), "ascii")
                context.load_cert_chain(path)
            self._contexts[names] = context
        return self._contexts[names]


async def _has_spoken(near: socket) -> bool:
    """Wait for a client's first byte, and leave it there; False for one who only connects."""
    loop, is_readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(near, is_readable.set)
    try:
        await asyncio.wait_for(is_readable.wait(), HANDSHAKE_S)
        return bool(near.recv(1, MSG_PEEK))
    finally:
        loop.remove_reader(near)


async def _splice(near: _Ends, far: _Ends) -> BaseException | None:
    """Pass bytes both ways until either side has ended; a reset on one side is one on the other.

    Returns how the near side failed, None if it did not.
    """
    ways = [
        asyncio.ensure_future(_pass(near[0], far[1])),
        asyncio.ensure_future(_pass(far[0], near[1])),
    ]
    # TLS knows no half-closed connection: when the far side ends, so does the near one.
    _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    if ways[0] in pending:
        was_reset = isinstance(ways[1].exception(), OSError)
        ways[0].cancel()
        if was_reset:
            _reset(near[1])
    else:
        # The service has closed its side: an answer to its request would have no reader.
        ways[1].cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    with suppress(OSError, ssl.SSLError, TimeoutError):
        near[1].close()
        await asyncio.wait_for(near[1].wait_closed(), CLOSING_S)
    return None if ways[0].cancelled() else ways[0].exception()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset, as the kernel of a crashed host does."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(SOL_SOCKET, SO_LINGER, LINGER_ZERO)
    writer.transport.abort()


async def _connect_target(near: socket) -> str:
    """The host of a CONNECT request. Raises ValueError for anything else."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # the client says nothing more before it is answered
        data = await asyncio.get_running_loop().sock_recv(near, MAX_HEAD_BYTES)
        head += data
        if not data or len(head) > MAX_HEAD_BYTES:
            raise ValueError("no CONNECT request")
    method, _, rest = head.decode("latin-1").partition(" ")
    if method != "CONNECT":
        raise ValueError(f"the forward proxy accepts only CONNECT, not {method}")
    return rest.partition(" ")[0].rpartition(":")[0].lower()


def _refusal(host: str) -> bytes:
    body = f"no link of this chain represents {host}\n".encode()
    return b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
