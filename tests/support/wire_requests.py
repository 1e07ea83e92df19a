"""Requests as bytes: valid ones, and valid ones with something done to them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

METHODS = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"]
MEANINGFUL = {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"}
targets = st.text(st.sampled_from("abz019/?&=%-._~:;,@!$'()*+"), max_size=12).map("/{}".format)
names = st.text(st.sampled_from("abzXY019-_!#$%&'*+.^`|~"), min_size=1, max_size=8).filter(
    lambda name: name.lower() not in MEANINGFUL
)
values = st.text(
    st.sampled_from(" \t")
    | st.characters(min_codepoint=0x21, max_codepoint=0x7E)
    | st.characters(min_codepoint=0xA0, max_codepoint=0xFF),
    max_size=12,
)
spaces = st.sampled_from(["", " ", "\t", "  "])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One valid request."""
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    headers = [("Host", "a"), *draw(st.lists(st.tuples(names, values), max_size=4))]
    connection = draw(st.sampled_from(["", "", "", "", "close", "keep-alive", "x"]))
    if connection:
        headers.append(("Connection", connection))
    body, tail = draw(st.binary(max_size=20)), b""
    framing = draw(st.sampled_from(["none", "length", "chunks"]))
    if framing == "length":
        headers.append(("Content-Length", str(len(body))))
        tail = body
    elif framing == "chunks" and version == "1.1":
        headers.append(("Transfer-Encoding", draw(st.sampled_from(["chunked", "Chunked"]))))
        tail = draw(chunked(body))
    lines = [f"{draw(st.sampled_from(METHODS))} {draw(targets)} HTTP/{version}"]
    for name, value in draw(st.permutations(headers)):
        after = draw(spaces) if name != "Transfer-Encoding" else ""
        lines.append(f"{name}:{draw(spaces)}{value}{after}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + tail


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks cut anywhere, with an extension or a trailer now and then."""
    cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=3))})
    extension = draw(st.sampled_from([b"", b"", b";a=b"]))
    chunks = [
        b"%x%s\r\n%s\r\n" % (end - start, extension, body[start:end])
        for start, end in pairwise(cuts)
    ]
    return b"".join(chunks) + b"0\r\n" + draw(st.sampled_from([b"", b"", b"x: y\r\n"])) + b"\r\n"


PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b"\0",
    b",",
    b"\xff",
    b"0",
    b"+",
    b"-",
    b"0x1",
    b"\r\n\r\n",
    b";a=b",
    b"zz",
    b"HTTP/1.1",
    b"HTTP/1.2",
    b"HTTP/0.9",
    b"CONNECT",
    b"Host: b\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: +3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Transfer-Encoding: chunked, x\r\n",
    b"Connection: close\r\n",
    b"Upgrade: a\r\nConnection: upgrade\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid requests, with pieces cut out, put in or put over."""
    data = bytearray(b"".join(draw(st.lists(requests(), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 5])))
        data[start:end] = draw(st.sampled_from(PIECES) | st.binary(max_size=2))
    return bytes(data)


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces."""
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=8))})
    return [data[start:end] for start, end in pairwise(cuts)]
