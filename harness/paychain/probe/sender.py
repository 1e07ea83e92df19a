"""One HTTP exchange with a webhook handler, valid or malformed."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from paychain.payments.web_addresses import split_address
from paychain.processes.connecting import connect
from paychain.wire.answer import AnswerReader
from paychain.wire.http import HttpRequest, HttpResponse, MalformedHttp, WireError

SLOW_CHUNKS = 20  # pieces of a slow body
MAX_BODY_BYTES = 65_536  # of an answer: more is not looked at
READ_BYTES = 65_536
NO_ANSWER = "not an answer: "  # how the reader begins for what is no HTTP


@dataclass(frozen=True, kw_only=True)
class HandlerAnswer:
    """How the handler answered. `status`: 0 when it did not; `error` says how it failed then."""

    status: int
    body: str
    took_s: float
    error: str = ""

    @property
    def is_success(self) -> bool:
        """Any 2xx acknowledges a webhook."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """The handler says that the request is at fault."""
        return 400 <= self.status < 500

    def __str__(self) -> str:
        return str(self.status) if self.status else self.error


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends to one URL. `timeout_s`: how long an answer may take."""

    url: str
    timeout_s: float

    @property
    def path(self) -> str:
        """The target of a request, query included."""
        parts = split_address(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def send(
        self,
        request: HttpRequest,
        *,
        over_s: float = 0.0,
        on_begun: Callable[[], None] = lambda: None,
    ) -> HandlerAnswer:
        """Send a request whose body takes `over_s` seconds; `on_begun` is called when it begins."""
        began = time.monotonic()
        try:
            with closing(self._connection()) as connection:
                connection.putrequest(request.method, self.path, skip_accept_encoding=True)
                for name, value in request.headers.items():
                    connection.putheader(name, value)
                connection.putheader("content-length", str(len(request.body)))
                connection.endheaders()
                on_begun()
                self._send_body(connection, request.body, over_s)
                response = self._answer(connection.sock)
                body = response.body[:MAX_BODY_BYTES].decode("utf-8", "replace")
                return HandlerAnswer(
                    status=response.status, body=body, took_s=time.monotonic() - began
                )
        except (OSError, HTTPException, WireError) as error:
            took_s = time.monotonic() - began
            return HandlerAnswer(
                status=0, body="", took_s=took_s, error=_words(error, self.timeout_s)
            )

    def _answer(self, connection: socket.socket) -> HttpResponse:
        """The answer, whole and in time, read as the mocks read those to their webhooks."""
        reader, until_s = AnswerReader(), time.monotonic() + self.timeout_s
        answer: HttpResponse | None = None
        while answer is None:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            connection.settimeout(left_s)
            try:
                received = connection.recv(READ_BYTES)
            except ConnectionError as error:  # a reset, which ends no answer
                raise reader.broken() from error
            answer = reader.feed(received) if received else reader.end()
        return answer

    def _connection(self) -> HTTPConnection:
        parts = split_address(self.url)
        assert parts.hostname is not None  # the command has looked
        # Without a port http.client takes the end of an IPv6 address for one.
        if parts.scheme != "https":
            port = parts.port or HTTPConnection.default_port
            connection = HTTPConnection(parts.hostname, port, timeout=self.timeout_s)
            connection.sock = connect(connection.host, connection.port, self.timeout_s)
            return connection
        tls = ssl.create_default_context()
        port = parts.port or HTTPSConnection.default_port
        over_tls = HTTPSConnection(parts.hostname, port, timeout=self.timeout_s, context=tls)
        plain = connect(over_tls.host, over_tls.port, self.timeout_s)
        over_tls.sock = tls.wrap_socket(plain, server_hostname=over_tls.host)
        return over_tls

    @staticmethod
    def _send_body(connection: HTTPConnection, body: bytes, over_s: float) -> None:
        if not over_s:
            # A handler may answer and close before it has read all of a huge body.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)
            return
        size = max(1, -(-len(body) // SLOW_CHUNKS))
        for start in range(0, len(body), size):
            connection.send(body[start : start + size])
            time.sleep(over_s / SLOW_CHUNKS)


def _words(error: Exception, timeout_s: float) -> str:
    match error:
        case ssl.SSLError():
            return f"TLS failed: {error.reason}"
        case socket.gaierror():
            return "the host is not known"
        case TimeoutError():
            return f"no answer within {timeout_s:g} s"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionError():
            return "connection closed without an answer"
        case MalformedHttp() if str(error).startswith(NO_ANSWER):
            return f"no HTTP answer: {str(error).removeprefix(NO_ANSWER)}"
        case MalformedHttp():
            return f"the answer has {error}"
        case WireError():
            return str(error)
        case _:
            return f"no HTTP answer ({type(error).__name__})"
