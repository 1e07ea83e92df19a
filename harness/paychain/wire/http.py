"""HTTP/1.1 as the mock links speak it: messages, limits and what can go wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.1")
MAX_LINES_KEPT, MAX_NAMES_KEPT = 256, 256  # first lines and header names that repeat
# The wire frames messages itself: a second length would let two readers disagree (RFC 9112 §6.3).
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(slots=True)
class HttpRequest:
    """A whole request. Header names are lower case. `peer_port`: the client's, 0 when unknown.

    `is_secure`: the client speaks TLS with what stands before this server.
    """

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer_port: int = 0
    is_secure: bool = False


@dataclass(slots=True)
class HttpResponse:
    """A whole response. `close`: end the connection after it; `copies`: how often it is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False
    copies: int = 1


def json_response(status: int, value: object) -> HttpResponse:
    """A response whose body is a value as JSON."""
    return HttpResponse(status, msgspec.json.encode(value), {"content-type": "application/json"})


# None: no answer ever leaves; the connection stays until the peer closes it.
Handler = Callable[[HttpRequest], Awaitable[HttpResponse | None]]
Undeliverable = Callable[[HttpRequest, HttpResponse], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What a client may cost a server. Sizes in bytes, times in seconds."""

    header_bytes: int = 32_768
    body_bytes: int = 1_048_576
    connections: int = 10_000
    pipelined: int = 32  # requests read ahead of their answers
    request_s: float = 15.0  # to send a request (slowloris), and to take an answer
    idle_s: float = 75.0
    linger_s: float = 1.0  # how long a rejected client may still send, so that it reads the error
    # How long after an answer a reset still means that the answer was not read, and by how long
    # the last byte is delayed for a client that has ended its side.
    telltale_s: float = 0.05


class WireError(Exception):
    """An exchange that brought no answer. `sent`: the request may have reached the peer."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ConnectRefused(WireError):
    """No connection was made: nothing was sent."""


class CallTimeout(WireError):
    """No whole answer came in time."""


class ConnectionBroken(WireError):
    """The connection was reset or closed before the answer was whole."""


class MalformedHttp(WireError):
    """The answer is not HTTP, or larger than the limits allow."""


def header_lines(headers: Mapping[str, str]) -> str:
    """The lines of a message's own headers.

    Raises ValueError for a header that would end its line early (RFC 9112 §11.1, response
    splitting) or that frames the message, which is the wire's own business.
    """
    many = len(headers)
    if _can_be_sent(*headers):
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        # All are checked at once; more ends of lines than headers mean that a value holds a line.
        if lines.count("\n") == lines.count("\r") == many and "\0" not in lines:
            return lines
    if many == 1:
        raise ValueError(f"header {next(iter(headers))!r} cannot be sent")
    return "".join(header_lines({name: value}) for name, value in headers.items())


@lru_cache(maxsize=MAX_NAMES_KEPT)
def _can_be_sent(*names: str) -> bool:
    return all(_NAME.fullmatch(name) and name.lower() not in _FRAMING for name in names)


@lru_cache(maxsize=MAX_LINES_KEPT)
def request_line(method: str, target: str) -> str:
    """The first line of a request. Raises ValueError for a method or target that breaks it."""
    line = f"{method} {target} HTTP/1.1"
    if _REQUEST_LINE.fullmatch(line) is None:
        raise ValueError(f"cannot ask {method!r} for {target!r}")
    return f"{line}\r\n"


def origin_form(target: str) -> tuple[str, str]:
    """A target without the server that it names, and that server, "" for none.

    `POST http://api.example/graphql` asks for the path /graphql: a server has to understand it
    (RFC 9112 §3.2.2), and Braintree's Node SDK asks for its GraphQL API so.
    """
    if target.startswith("/"):  # nearly every target
        return target, ""
    scheme, has_server, rest = target.partition("://")
    if not has_server or scheme.lower() not in ("http", "https"):
        return target, ""
    end = next((at for at, letter in enumerate(rest) if letter in "/?"), len(rest))
    path = rest[end:]
    return (path if path.startswith("/") else f"/{path}"), rest[:end]


def request_head(
    method: str, target: str, host: str, length: int, headers: Mapping[str, str]
) -> bytes:
    """Everything of a request before its body of `length` bytes.

    Raises ValueError for a method, target or header that cannot be written.
    """
    head = f"{request_line(method, target)}host: {host}\r\ncontent-length: {length}\r\n"
    return f"{head}{header_lines(headers)}\r\n".encode("latin-1")


def raised_in(error: Exception) -> BaseException | None:
    """The error of our own callback behind a parser's error; None when the parser found it.

    Raises what is not an Exception, such as a KeyboardInterrupt while a callback ran.
    """
    cause = error.__context__
    if cause is not None and not isinstance(cause, Exception):
        raise cause
    return cause


def keep_header(headers: dict[str, str], key: str, value: bytes) -> None:
    """Add a received header; a repeated one becomes a list, as RFC 9110 §5.3 reads it."""
    text = value.decode("latin-1").strip(" \t")
    headers[key] = f"{headers[key]}, {text}" if key in headers else text


@lru_cache(maxsize=MAX_NAMES_KEPT)
def header_key(name: bytes) -> str:
    """The name of a received header, in lower case."""
    return name.decode("latin-1").lower()
