"""The client's side of an observed hop: an endpoint whose bytes an observer reads, both ways."""

from __future__ import annotations

from typing import Any

from paychain.toxics.endpoint import Endpoint
from paychain.toxics.observer import Observer


class ObservedEndpoint(Endpoint):
    """The client's side of an observed hop."""

    observer: Observer | None = None

    def observe(self, observer: Observer) -> None:
        """Read beside the bytes from now on."""
        self.observer = observer
        self.transport = Tap(self.transport, observer)

    def data_received(self, data: bytes) -> None:
        observer = self.observer
        if observer is None:
            super().data_received(data)
            return
        # The link behind must not seem to have them before they came.
        at_ns = observer.now_ns()
        # Straight bytes leave first. Those that a toxic takes may end the connection at once, and a
        # request must be known by then.
        if self.straight is not None:
            size = len(data)
            self.received += size
            self.relayed += size
            self.straight(data)
            observer.requested(data, at_ns)
        else:
            observer.requested(data, at_ns)
            super().data_received(data)

    def eof_received(self) -> bool:
        if self.observer is not None:
            self.observer.client_left()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.observer is not None:
            self.observer.client_left()
        super().connection_lost(exc)

    def end(self) -> None:
        super().end()
        if self.observer is not None:
            self.observer.server_closed()


class Tap:
    """A client's transport whose writes are read, too. Everything else is the transport's."""

    def __init__(self, transport: Any, observer: Observer) -> None:
        self._transport = transport
        self._send = transport.write
        self._answered = observer.answered

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._send(data)
        self._answered(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
