"""Our reading of requests against h11's, a strict and independent one."""

from __future__ import annotations

import re

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.wire.http import HttpRequest, ServerLimits, header_key, keep_header
from paychain.wire.requests import Rejected, RequestReader
from tests.support.laws import examples
from tests.support.wire_requests import mutated, requests

Read = tuple[str, str, dict[str, str], bytes]
# What is left when the bytes are used up.
WHOLE, PARTIAL, LAST, BAD = "whole", "partial", "last", "bad"


def ours(data: bytes) -> tuple[list[Read], str]:
    read: list[Read] = []
    is_open = True

    def take(request: HttpRequest, keep_alive: bool) -> None:
        nonlocal is_open
        if is_open:
            headers = dict(request.headers)
            if "transfer-encoding" in headers:
                headers["transfer-encoding"] = headers["transfer-encoding"].lower()  # as h11 does
            read.append((request.method, request.target, headers, request.body))
            is_open = keep_alive

    reader = RequestReader(ServerLimits(), take)
    try:
        reader.feed(data)
    except Rejected:
        return read, BAD if is_open else LAST
    if not is_open:
        return read, LAST
    return read, PARTIAL if reader.is_inside else WHOLE


def theirs(data: bytes) -> tuple[list[Read], str]:
    """h11 on the same bytes, after allowing what RFC 9112 lets a server overlook, as our parser
    does: empty lines before a request (§2.2) and runs of spaces in its first line (§3)."""
    read: list[Read] = []
    while True:
        data = data.lstrip(b"\r\n")
        data = re.sub(rb"\A([A-Z]+) +(\S+) +(HTTP/)", rb"\1 \2 \3", data)
        if not data:
            return read, WHOLE
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=32_768)
        connection.receive_data(data)
        try:
            head = connection.next_event()
            if head is h11.NEED_DATA:
                return read, PARTIAL
            body = b""
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    return read, PARTIAL
                body += event.data
        except h11.RemoteProtocolError:
            return read, BAD
        headers: dict[str, str] = {}
        for name, value in head.headers.raw_items():
            keep_header(headers, header_key(name), value)
        read.append((head.method.decode(), head.target.decode("latin-1"), headers, body))
        if connection.their_state is h11.MUST_CLOSE:
            return read, LAST
        data = connection.trailing_data[0]


@examples(80)
@given(st.lists(requests(), min_size=1, max_size=4))
def test_valid_requests_are_read_alike(parts: list[bytes]) -> None:
    data = b"".join(parts)
    read, left = ours(data)
    assert (read, left) == theirs(data)
    assert read
    assert left in (WHOLE, LAST)


@examples(250)
@given(mutated())
def test_what_h11_rejects_is_rejected_and_what_both_accept_is_read_alike(data: bytes) -> None:
    read, left = ours(data)
    expected, their_left = theirs(data)
    if left == BAD:  # sooner than h11, or stricter: see below
        assert read == expected[: len(read)]
    else:
        assert (read, left) == (expected, their_left)


HEAD = b" / HTTP/1.1\r\nhost: a\r\n"
STRICTER = {
    "a method that no RFC names": b"PAY" + HEAD + b"\r\n",
    "CONNECT: a mock link is no tunnel": b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
    "a length beside chunks: two readers could disagree on the end": (
        b"POST" + HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunks in HTTP/1.0: likewise": (
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "the same length twice: likewise": (
        b"POST" + HEAD + b"content-length: 1\r\ncontent-length: 1\r\n\r\nx"
    ),
    "a tab behind the coding: the parser takes it for another coding": (
        b"POST" + HEAD + b"transfer-encoding: chunked\t\r\n\r\n0\r\n\r\n"
    ),
    "a version that HTTP/1.1 does not know": b"GET / HTTP/1.2\r\nhost: a\r\n\r\n",
    "a bare line feed as the end of a line": b"GET / HTTP/1.1\nhost: a\n\n",
    "a folded header: deprecated since RFC 7230": b"GET" + HEAD + b"x: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("reason", STRICTER)
def test_we_are_stricter_than_h11_only_here(reason: str) -> None:
    assert ours(STRICTER[reason]) == ([], BAD)
    read, left = theirs(STRICTER[reason])
    assert len(read) == 1, reason
    assert left in (WHOLE, LAST)
