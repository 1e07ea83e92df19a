"""HTTP/1.1 as the mock links speak it: messages, limits and what can go wrong on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class HttpRequest:
    """A whole request. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class HttpResponse:
    """A whole response. `close`: end the connection after it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False


# None: no answer ever leaves; the connection stays until the peer closes it.
Handler = Callable[[HttpRequest], Awaitable[HttpResponse | None]]
Undeliverable = Callable[[HttpRequest, HttpResponse], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost. Sizes in bytes, times in seconds."""

    header_bytes: int = 32_768
    body_bytes: int = 1_048_576
    connections: int = 10_000
    pipelined: int = 32  # requests read ahead of their answers
    request_s: float = 15.0  # from a request's first byte to its last (slowloris)
    idle_s: float = 75.0


class WireError(Exception):
    """An exchange that brought no answer. `sent`: the request may have reached the peer."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Refused(WireError):
    """No connection was made: nothing was sent."""


class CallTimeout(WireError):
    """No whole answer came in time."""


class Broken(WireError):
    """The connection was reset or closed before the answer was whole."""


class Malformed(WireError):
    """What came back is not HTTP, or more than the limits allow."""
