"""`POST /v1/traces` on loopback, for own services with `telemetry: true`.

What it does not support it refuses: metrics and logs (404), gRPC, other encodings (415).
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping

from paychain.environment.otlp.protobuf import MalformedProtobuf
from paychain.environment.otlp.spans import ClientSpan, from_json, from_protobuf
from paychain.payments.exchanges import HttpExchange
from paychain.payments.whole_number import whole_number
from paychain.processes.http_thread import HttpThread, QuietHandler

PATH = "/v1/traces"
MAX_BYTES = 16_000_000  # of one request, also when it is unpacked
MAX_WAITING = 100_000  # exchanges not yet taken; further ones are refused, to be sent again
_READERS: Mapping[str, Callable[[bytes], list[ClientSpan]]] = {
    "application/json": from_json,
    "application/x-protobuf": from_protobuf,
}
# An empty ExportTraceServiceResponse.
_TAKEN = {"application/json": b"{}", "application/x-protobuf": b""}


class RequestRefused(Exception):
    """A request that is not taken. `status`: of the answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class SpanReceiver:
    """Listens from the moment it is made; `exchange` makes the record of a span."""

    def __init__(self) -> None:
        self._server = HttpThread(_handler(self))
        self._lock = threading.Lock()
        self._waiting: list[HttpExchange] = []
        self.exchange: Callable[[ClientSpan], HttpExchange | None] = lambda _: None
        self.taken = 0  # spans of calls over a hop of the run
        self._server.start()

    @property
    def url(self) -> str:
        """The endpoint, without the path."""
        return self._server.url

    def take(self) -> list[HttpExchange]:
        """What came since the last call."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting

    def stop(self) -> None:
        """Stop listening. What came can still be taken."""
        self._server.stop()

    def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Take one request; the body of its answer. Raises RequestRefused."""
        if path.partition("?")[0] != PATH:
            raise RequestRefused(404, f"only {PATH} is served; send no metrics or logs")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        reader = _READERS.get(kind)
        if reader is None:
            raise RequestRefused(415, f"{kind or 'no content type'}: send {' or '.join(_READERS)}")
        try:
            spans = reader(_unpacked(headers.get("content-encoding", ""), body))
        except MalformedProtobuf as error:
            raise RequestRefused(400, str(error)) from error
        found = [exchange for span in spans if (exchange := self.exchange(span)) is not None]
        with self._lock:
            if len(self._waiting) + len(found) > MAX_WAITING:
                raise RequestRefused(503, "too many spans are waiting")
            self._waiting += found
            self.taken += len(found)
        return _TAKEN[kind]


def _unpacked(encoding: str, body: bytes) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise RequestRefused(415, f"content-encoding {encoding}: send gzip or none")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise MalformedProtobuf(f"this is not gzip: {error}") from error
    if unpacker.unconsumed_tail:
        raise RequestRefused(413, f"more than {MAX_BYTES:,} bytes")
    return whole


def _handler(receiver: SpanReceiver) -> type[QuietHandler]:
    class SpanHandler(QuietHandler):
        timeout = 60.0  # seconds that a connection may be idle

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            given = headers.get("content-length", "")
            number = whole_number(given)
            size = -1 if number is None else number
            try:
                if not 0 <= size <= MAX_BYTES:
                    self.close_connection = True  # its body is not read
                    raise RequestRefused(
                        413 if size > 0 else 411, f"send a content-length of at most {MAX_BYTES:,}"
                    )
                body = receiver.receive(self.path, headers, self.rfile.read(size))
                self.reply(200, headers.get("content-type", ""), body)
            except RequestRefused as refused:
                self.reply(refused.status, "text/plain; charset=utf-8", str(refused).encode())

    return SpanHandler
