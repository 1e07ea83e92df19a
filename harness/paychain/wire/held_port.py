"""A port that stays ours while nobody listens on it.

    bound ──> listening ──> bound ──> listening …        one socket from hold() to release()
     refused   accepted      refused   accepted

A closed listener would give its port away: another program could answer in our place, or prevent
that we listen again. So the socket is kept, and shutdown(2) takes it out of the listening state.
Linux then refuses connections and the port stays bound. Where the system cannot do that, another
socket is bound in its place at once: the port is free for a moment only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

Factory = Callable[[], asyncio.BaseProtocol]

_REUSE = socket.SOL_SOCKET, socket.SO_REUSEADDR


class HeldPort:
    """One address of this machine. Always true: at most one socket, bound or listening.

    None of them means that it was released, or that another program took the port in the moment
    between two sockets; then the next use binds it or says so.
    """

    def __init__(self, bound: socket.socket) -> None:
        """`bound`: a socket that is bound and does not listen."""
        self.address: tuple[str, int] = bound.getsockname()[:2]
        self._family = bound.family
        self._socket: socket.socket | None = bound

    @classmethod
    def hold(cls, host: str, port: int) -> HeldPort:
        """Bind `port`, any free one when it is 0, and do not listen. Raises OSError."""
        return cls(_bound(socket.AF_INET6 if ":" in host else socket.AF_INET, host, port))

    @classmethod
    def inherited(cls, descriptor: int) -> HeldPort:
        """One that the process which started this one holds, too. Raises OSError."""
        return cls(socket.socket(fileno=descriptor))

    @property
    def descriptor(self) -> int:
        """The socket's number, for a child to inherit. Raises OSError."""
        return self._held().fileno()

    async def serve(
        self, loop: asyncio.AbstractEventLoop, factory: Factory, backlog: int
    ) -> asyncio.AbstractServer:
        """Listen. Raises OSError."""
        held = self._held()
        # Connections of earlier may still be open on this port, in either state.
        held.setsockopt(*_REUSE, 1)
        # The server closes the socket that it is given, so it is given another name of ours.
        return await loop.create_server(factory, sock=held.dup(), backlog=backlog)

    def refuse(self) -> None:
        """Listen no more, in this process or another that has the same socket: refused."""
        if self._socket is None:
            return
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # not Linux, or it never listened
            if self._is_listening:
                self.release()
                with suppress(OSError):
                    self._held()
                return
        # Nobody may share the port now, also who asks for it as a server does.
        self._socket.setsockopt(*_REUSE, 0)

    def release(self) -> None:
        """Give the port away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _held(self) -> socket.socket:
        if self._socket is None:
            self._socket = _bound(self._family, *self.address)
        return self._socket

    @property
    def _is_listening(self) -> bool:
        assert self._socket is not None
        with suppress(OSError):
            return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        return True


def _bound(family: int, host: str, port: int) -> socket.socket:
    """A bound socket. Raises OSError."""
    if not port:
        # The kernel lets a port that it chose itself go when the socket stops to listen; one that
        # was asked for stays. So a free one is found first and then asked for.
        finder = socket.socket(family)
        with finder:
            finder.setsockopt(*_REUSE, 1)
            finder.bind((host, 0))
            return _bound(family, host, finder.getsockname()[1])
    found = socket.socket(family)
    try:
        found.setsockopt(*_REUSE, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind((host, port))
        found.setsockopt(*_REUSE, 0)
    except BaseException:
        found.close()
        raise
    return found
