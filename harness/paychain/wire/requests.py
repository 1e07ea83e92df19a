"""From a client's bytes to whole requests, or to the status that rejects them.

Framing follows RFC 9112 §6; what two readers could understand differently is rejected, as §11.2
(request smuggling) advises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools

from paychain.wire.http import (
    HttpRequest,
    ServerLimits,
    header_key,
    keep_header,
    origin_form,
    raised_in,
)

OFFER = "upgrade"  # the header that offers another protocol


class Rejected(Exception):
    """A request that is answered with an error instead of being handled."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestReader:
    """Reads one connection. `deliver` gets each whole request and whether more may follow it."""

    def __init__(self, limits: ServerLimits, deliver: Callable[[HttpRequest, bool], None]) -> None:
        self.begun = 0  # requests whose first bytes have come
        self.is_inside = False  # a request has begun and is not whole
        self.expects_continue = False  # the client waits for "100 Continue" (RFC 9110 §10.1.1)
        self._limits = limits
        self._deliver = deliver
        self._parser: Any = httptools.HttpRequestParser(self)
        self._stalled = 0  # bytes since the parser last got anywhere
        self._offered = ""  # the protocol that the request which is read offers

    def feed(self, data: bytes) -> None:
        """Read more bytes. Raises Rejected; nothing may be fed after that."""
        self._stalled += len(data)
        try:
            while data:
                data = self._parse(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = raised_in(error)
            raise cause if isinstance(cause, Rejected) else Rejected(400) from None
        if self._stalled > self._limits.header_bytes:
            raise Rejected(431)

    def _parse(self, data: bytes) -> bytes:
        """Read bytes; returns those that are to be read in their place.

        An offer of another protocol is not taken (RFC 9110 §7.8): Java's client makes it with each
        request to an address without TLS. The parser stops at one, so that another one goes on,
        with the same head but for the offer.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if not self._is_offer:
                raise
            (length,) = offer.args
            self._offered = self._headers[OFFER]
            method = self._parser.get_method() + b" " + self._target
            lines = [f"{name}: {value}" for name, value in self._headers.items() if name != OFFER]
            head = [b"%b HTTP/%b" % (method, self._version.encode()), *map(_encoded, lines)]
            self._parser = httptools.HttpRequestParser(self)
            self.begun -= 1
            return b"\r\n".join([*head, b"", data[length:]])
        return b""

    def on_message_begin(self) -> None:
        self.begun += 1
        self.is_inside = True
        self._is_head_whole = self._is_offer = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._stalled = 0
        self._target += url
        self._head_bytes += len(url)
        if self._head_bytes > self._limits.header_bytes:
            raise Rejected(431)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._stalled = 0
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._limits.header_bytes:
            raise Rejected(431)
        if self._is_head_whole:
            return  # a trailer must not change the head (RFC 9110 §6.5.1)
        headers, key = self._headers, header_key(name)
        if key == "host" and "host" in headers:
            raise Rejected(400)
        keep_header(headers, key, value)

    def on_headers_complete(self) -> None:
        self._is_head_whole = True
        headers = self._headers
        version = self._version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Rejected(505)
        if version == "1.1" and "host" not in headers:
            raise Rejected(400)
        if self._parser.should_upgrade():
            if OFFER not in headers:  # CONNECT
                raise Rejected(501)
            self._is_offer = True
            return
        # Both a coding and a length, or a coding in HTTP/1.0: two readers could disagree on where
        # the request ends (RFC 9112 §6.1).
        coding, length = headers.get("transfer-encoding"), headers.get("content-length", "0")
        if coding is not None and ("content-length" in headers or version == "1.0"):
            raise Rejected(400)
        if coding is not None and coding.lower() != "chunked":
            raise Rejected(501)
        if int(length) > self._limits.body_bytes:
            raise Rejected(413)
        self.expects_continue = (
            "expect" in headers
            and headers["expect"].lower() == "100-continue"
            and version == "1.1"
            and (coding is not None or int(length) > 0)
        )

    def on_body(self, data: bytes) -> None:
        self._stalled = 0
        self.expects_continue = False
        self._body_bytes += len(data)
        if self._body_bytes > self._limits.body_bytes:
            raise Rejected(413)
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self._stalled = 0
        self.is_inside = self.expects_continue = False
        if self._offered:
            self._headers[OFFER], self._offered = self._offered, ""
        target, server = origin_form(self._target.decode("latin-1"))
        if server:
            self._headers["host"] = server  # instead of what the header says (RFC 9112 §3.2.2)
        request = HttpRequest(
            self._parser.get_method().decode("latin-1"),
            target,
            self._headers,
            b"".join(self._body),
        )
        # Keep-alive with HTTP/1.0 needs headers of its own; its connections are closed instead.
        self._deliver(request, self._parser.should_keep_alive() and self._version == "1.1")


def _encoded(line: str) -> bytes:
    return line.encode("latin-1")
