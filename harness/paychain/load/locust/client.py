"""The customers' HTTP client under gevent, as paychain.wire.client is under asyncio.

It sends once, measures its patience over waiting, connecting, sending and reading together, and
classifies what goes wrong as the links' own client does. Locust's FastHttpUser costs twice its CPU.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from gevent import socket
from gevent.lock import BoundedSemaphore
from gevent.monkey import get_original

from paychain.payments.errors import UserError
from paychain.payments.web_addresses import split_address
from paychain.wire.answer import AnswerReader
from paychain.wire.http import (
    CallTimeout,
    ConnectionBroken,
    ConnectRefused,
    HttpResponse,
    request_head,
)

READ_BYTES = 16_384
_poll = get_original("select", "poll")  # never waits: gevent's own would switch to its hub


class CustomerPool:
    """Kept-alive connections to one address. A connection whose exchange was cut short is closed,
    so that a late answer is never matched to a later payment.
    """

    def __init__(self, url: str, *, max_connections: int) -> None:
        """At most `max_connections` are open at once. Raises UserError for no http:// address."""
        parts = split_address(url)
        if parts.scheme != "http" or not parts.hostname:
            raise UserError(f"customers cannot pay at {url!r}", hint="give an http:// address")
        self._address = (parts.hostname, parts.port or 80)
        self._host = parts.netloc
        self._free = BoundedSemaphore(max_connections)
        self._idle: list[_Connection] = []

    def request(
        self, method: str, target: str, body: bytes, *, headers: dict[str, str], timeout_s: float
    ) -> HttpResponse:
        """One exchange. Raises WireError."""
        until = time.monotonic() + timeout_s
        data = request_head(method, target, self._host, len(body), headers) + body
        if not self._free.acquire(timeout=timeout_s):
            raise CallTimeout("no connection in time", sent=False)
        connection: _Connection | None = None
        try:
            connection = self._reuse() or _Connection(self._address, until)
            return connection.exchange(data, until)
        finally:
            if connection is not None and connection.is_usable:
                self._idle.append(connection)
            elif connection is not None:
                connection.close()
            self._free.release()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _reuse(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_readable():
                return connection
            connection.close()  # the peer closed it, or sent what was not requested
        return None


class _Connection:
    """One connection; usable again once a whole answer came and the peer keeps it."""

    def __init__(self, address: tuple[str, int], until: float) -> None:
        self.is_usable = False
        try:
            self._socket = _connected(address, _left_s(until))
        except TimeoutError as error:
            raise CallTimeout("no connection in time", sent=False) from error
        except OSError as error:
            raise ConnectRefused(str(error), sent=False) from error
        self._poll = _poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)

    def is_readable(self) -> bool:
        """There are bytes, or the end: neither may be there between two exchanges."""
        return bool(self._poll.poll(0))

    def exchange(self, data: bytes, until: float) -> HttpResponse:
        """Send a request and read its answer."""
        self.is_usable = False
        reader = AnswerReader()
        answer: HttpResponse | None = None
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # an early answer may be there
                self._socket.settimeout(_left_s(until))
                self._socket.sendall(data)
            while answer is None:
                self._socket.settimeout(_left_s(until))
                received = self._socket.recv(READ_BYTES)
                answer = reader.feed(received) if received else reader.end()
        except TimeoutError as error:
            raise CallTimeout("no answer in time", sent=True) from error
        except OSError as error:
            raise ConnectionBroken(str(error), sent=True) from error
        self.is_usable = reader.can_stay
        return answer

    def close(self) -> None:
        """Close it; a peer that is still sending is reset."""
        self._socket.close()


def _connected(address: tuple[str, int], within_s: float) -> socket.socket:
    """A socket that is connected to an address. Raises OSError.

    What is a number already needs no look-up: gevent would have a thread make it, each time, for
    more than the rest of the connection costs. Where a fault ends connections, many are made.
    """
    try:
        is_v6 = isinstance(ip_address(address[0]), IPv6Address)
    except ValueError:  # a name
        return socket.create_connection(address, within_s)
    made = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET)
    try:
        made.settimeout(within_s)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _left_s(until: float) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
