"""HTTP/1.1 as the mock links speak it: messages, limits and what can go wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.1")
LINES_KEPT, NAMES_KEPT = 256, 256  # first lines and header names that come again and again
# Framing is the wire's own: a second length or a second end would let two readers disagree.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(slots=True)
class HttpRequest:
    """A whole request. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class HttpResponse:
    """A whole response. `close`: end the connection after it; `copies`: how often it is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False
    copies: int = 1


# None: no answer ever leaves; the connection stays until the peer closes it.
Handler = Callable[[HttpRequest], Awaitable[HttpResponse | None]]
Undeliverable = Callable[[HttpRequest, HttpResponse], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may cost a server. Sizes in bytes, times in seconds."""

    header_bytes: int = 32_768
    body_bytes: int = 1_048_576
    connections: int = 10_000
    pipelined: int = 32  # requests read ahead of their answers
    request_s: float = 15.0  # to send a request (slowloris), and to take an answer
    idle_s: float = 75.0
    linger_s: float = 1.0  # how long a rejected client may still send, so that it reads why
    # How long after an answer a reset still means that the answer was not read, and how long the
    # last byte is held back from a client that has ended its side.
    telltale_s: float = 0.05


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


def header_lines(headers: Mapping[str, str]) -> str:
    """The lines of a message's own headers.

    Raises ValueError for one that would end its line early or say where the message ends.
    """
    many = len(headers)
    if all(map(_can_be_sent, headers)):
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        # More ends of lines than headers: one of them holds a line of its own.
        if lines.count("\n") == lines.count("\r") == many and "\0" not in lines:
            return lines
    if many == 1:
        raise ValueError(f"header {next(iter(headers))!r} cannot be sent")
    return "".join(header_lines({name: value}) for name, value in headers.items())


@lru_cache(maxsize=NAMES_KEPT)
def _can_be_sent(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _FRAMING


@lru_cache(maxsize=LINES_KEPT)
def request_line(method: str, target: str) -> str:
    """The first line of a request. Raises ValueError for a method or target that breaks it."""
    line = f"{method} {target} HTTP/1.1"
    if _REQUEST_LINE.fullmatch(line) is None:
        raise ValueError(f"cannot ask {method!r} for {target!r}")
    return f"{line}\r\n"


def request_head(
    method: str, target: str, host: str, length: int, headers: Mapping[str, str]
) -> bytes:
    """Everything of a request before its body. Raises ValueError for what cannot be written."""
    head = f"{request_line(method, target)}host: {host}\r\ncontent-length: {length}\r\n"
    return f"{head}{header_lines(headers)}\r\n".encode("latin-1")


def raised_in(error: Exception) -> BaseException | None:
    """What one of our callbacks raised, of an error of the parser; None when it found one itself.

    Raises what is no Exception, such as a Ctrl-C that came while a callback ran.
    """
    cause = error.__context__
    if cause is not None and not isinstance(cause, Exception):
        raise cause
    return cause


def keep_header(headers: dict[str, str], name: bytes, value: bytes) -> None:
    """Add a received header; a repeated one becomes a list, as RFC 9110 §5.3 reads it."""
    key, text = _received(name), value.decode("latin-1").strip(" \t")
    headers[key] = f"{headers[key]}, {text}" if key in headers else text


@lru_cache(maxsize=NAMES_KEPT)
def _received(name: bytes) -> str:
    return name.decode("latin-1").lower()
