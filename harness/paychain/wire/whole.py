"""Messages that came whole and in a plain form: read without a parser, exactly as it reads them.

    bytes ─> plain, and nothing missing or left over? ─ yes ─> message
                                                      └ no ──> the parser (requests.py, answer.py)

Nearly all messages of a chain are such, and a parser calls back for each part of each of them.
"""

from __future__ import annotations

import re

from paychain.wire.http import HttpRequest, ServerLimits

MAX_HEADS_KEPT = 256  # of answers: those of one link differ in their body's size only
MAX_HEAD_BYTES = 1_024  # of a head that is kept
END = b"\r\n\r\n"
# Less than a parser takes: no line that could be read in two ways.
_HEAD = re.compile(
    r"(POST|GET) (/[A-Za-z0-9/_.~?=&%:-]*) HTTP/1\.1"
    r"(?:\r\n[A-Za-z][A-Za-z0-9-]*: [!-~](?:[ -~]*[!-~])?)+"
)
_PARSERS = frozenset({"transfer-encoding", "upgrade", "expect", "proxy-connection"})
_MAX_LENGTH_DIGITS = 9

Head = tuple[int, dict[str, str], int]  # of an answer: status, headers, size of the body
_heads: dict[bytes, Head] = {}


def whole_request(data: bytes, limits: ServerLimits) -> HttpRequest | None:
    """The request that these bytes are, after which more may follow; None: a parser has to look."""
    end = data.find(END)
    if not 0 < end <= limits.header_bytes:
        return None
    text = data[:end].decode("latin-1")
    plain = _HEAD.fullmatch(text)
    if plain is None:
        return None
    method, target = plain.groups()
    lines = text.split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    # One that came twice is a list, or a mistake.
    if len(headers) != len(lines) - 1 or "host" not in headers:
        return None
    if not _PARSERS.isdisjoint(headers) or headers.get("connection", "keep-alive") != "keep-alive":
        return None
    length = headers.get("content-length", "0")
    if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        return None
    body = data[end + len(END) :]
    if int(length) != len(body) or len(body) > limits.body_bytes:
        return None
    return HttpRequest(method, target, headers, body)


def known_head(data: bytes) -> tuple[Head, bytes] | None:
    """The head of an answer that a parser has read before, and its body; None: it has to look."""
    end = data.find(END)
    if end < 0:
        return None
    head = _heads.get(data[:end])
    if head is None or head[2] != len(data) - end - len(END):
        return None
    return head, data[end + len(END) :]


def keep_head(data: bytes, status: int, headers: dict[str, str]) -> None:
    """Know the head of an answer that was read from these bytes and no others.

    Its connection can be used again.
    """
    end = data.find(END)
    size = len(data) - end - len(END)
    is_sized = headers.get("content-length") == str(size) and "transfer-encoding" not in headers
    if not 0 < end <= MAX_HEAD_BYTES or not is_sized:
        return
    if len(_heads) >= MAX_HEADS_KEPT:
        _heads.clear()
    _heads[data[:end]] = (status, headers.copy(), size)
