"""Addresses as services write them: in a Location header, or in a field of an answer."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from paychain.wire.http import HttpResponse

_VISIBLE = "".join(map(chr, range(33, 127)))
_CAN_BE_SENT = re.compile(r"[!-~]*")
_SCHEMES = frozenset({"", "http", "https"})
_SERVICE = "http://service.invalid"  # in place of the host that every path is relative to


class NoAddress(Exception):
    """A text is no address that a customer's browser could visit."""


class Address(NamedTuple):
    """Where a text leads. `host`: with its port as it is written; "" for the host that one is at.

    `target`: path and query.
    """

    host: str
    target: str


def sendable(text: str | bytes) -> str:
    """A target with everything that no request line may hold encoded, as browsers send it."""
    if isinstance(text, str) and _CAN_BE_SENT.fullmatch(text):
        return text
    return quote(text, safe=_VISIBLE)


def location_of(response: HttpResponse) -> str:
    """The Location of an answer; the bytes of a header are encoded as they are."""
    return sendable(response.headers.get("location", "").encode("latin-1", "replace"))


def address_of(text: str, at: str = "/") -> Address:
    """Where an address leads from a page with the target `at` (RFC 3986 §5). Raises NoAddress."""
    try:
        parts = urlsplit(text)
        if parts.scheme not in _SCHEMES:
            raise NoAddress(f"'{parts.scheme}:' is not http: or https:")
        found = urlsplit(urljoin(f"{_SERVICE}{at}", text))
    except ValueError as error:
        raise NoAddress(str(error)) from None
    path = found.path or "/"
    target = f"{path}?{found.query}" if found.query else path
    return Address(parts.netloc, sendable(target))
