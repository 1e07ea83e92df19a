"""An answer as its bytes come in, read alike by every client (RFC 9112 §6, §7)."""

from __future__ import annotations

from typing import Any

import httptools

from paychain.wire.http import (
    ConnectionBroken,
    HttpResponse,
    MalformedHttp,
    header_key,
    keep_header,
    raised_in,
)

MAX_RESPONSE_BYTES = 4_194_304  # head, body, framing and everything informational before it


class _Surplus(Exception):
    """Bytes after the answer: whose they are cannot be known."""


class AnswerReader:
    """Reads one answer. Once it is whole, `can_stay` says whether the connection can be reused.

    `is_head`: it answers a HEAD and has no body, whatever its headers say (RFC 9110 §9.3.2).
    """

    def __init__(self, *, is_head: bool = False) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._is_head = is_head
        self._ends_with_connection = False
        self._size = 0
        self._answer: HttpResponse | None = None
        self.can_stay = False

    def feed(self, data: bytes) -> HttpResponse | None:
        """The answer, once it is whole. Raises MalformedHttp for bytes that are not one."""
        self._size += len(data)
        if self._size > MAX_RESPONSE_BYTES:
            raise MalformedHttp(f"more than {MAX_RESPONSE_BYTES:,} bytes", sent=True)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raised_in(error)
            self.can_stay = False
            if self._answer is None:
                is_other = isinstance(error, httptools.HttpParserUpgrade)
                what = "it changes to another protocol" if is_other else error
                raise MalformedHttp(f"not an answer: {what}", sent=True) from error
        if self._answer is not None:
            self._parser = None  # it refers back to this object: a cycle
        return self._answer

    def end(self) -> HttpResponse:
        """The connection has ended; return the answer that this completes.

        Raises ConnectionBroken when the answer is not whole.
        """
        if self._answer is None and self._ends_with_connection:
            self._complete()
        if self._answer is None:
            raise self.broken()
        self.can_stay = False
        return self._answer

    def broken(self) -> ConnectionBroken:
        """The error for a connection that was closed or reset at this place of the answer."""
        was = "before the answer was whole" if self._size else "without an answer"
        return ConnectionBroken(f"closed {was}", sent=True)

    # -- what the parser calls --------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self._answer is not None:
            raise _Surplus("bytes after the answer")
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._is_head_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_whole:  # trailers are read past
            keep_header(self._headers, header_key(name), value)

    def on_headers_complete(self) -> None:
        self._is_head_whole = True
        if self._parser.get_status_code() < 200:
            return  # informational (RFC 9110 §15.2): the answer is still to come
        # Without a frame of its own the body ends where the connection does (RFC 9112 §6.3).
        headers = self._headers
        if "transfer-encoding" in headers:
            is_framed = headers["transfer-encoding"].lower().endswith("chunked")
        else:
            is_framed = "content-length" in headers
        self._ends_with_connection = not is_framed
        if self._is_head:
            self._complete()

    def on_body(self, data: bytes) -> None:
        if self._answer is not None:
            raise _Surplus("a body where none can be")
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._answer is None and self._parser.get_status_code() >= 200:
            self._complete()

    def _complete(self) -> None:
        self.can_stay = self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        self._answer = HttpResponse(status, b"".join(self._body), self._headers)
