"""Who may use the board: pure checks of one request. A refusal is a sentence, None lets it pass.

A foreign page can make a browser send requests here, but it cannot read a page of ours, set a
header of its own on such a request, or send our Origin. A name that somebody points at this machine
(DNS rebinding) is not one of ours.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

HEADER = "X-Paychain"  # what every request that changes something carries
COOKIE = "paychain"
READING = ("GET", "HEAD")
LEAST_TOKEN = 16  # characters of a token that somebody chose


@dataclass(frozen=True)
class Guard:
    """What a session asks of a request. `token` is empty where the board is on loopback only."""

    host: str  # where the board listens
    key: str  # in our own pages: what changes something sends it back
    token: str = ""
    session: str = ""  # value of the cookie that the token is exchanged for

    def refusal(self, method: str, headers: Mapping[str, str], cookie: str) -> str | None:
        """Why a request is refused."""
        host = headers.get("Host", "")
        if not self._is_ours(host):
            return f"'{host[:100]}' is not this board's address"
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "this request came from another page"
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not (
            method in READING
            and headers.get("Sec-Fetch-Mode") == "navigate"
            and headers.get("Sec-Fetch-Dest", "document") == "document"
        ):
            return "this request came from another page"
        if self.token and not _same(cookie, self.session):
            return "give the token that paychain load printed"
        if method not in READING and not _same(headers.get(HEADER, ""), self.key):
            return f"a request that changes something needs the header {HEADER}"
        return None

    def accepts(self, token: str) -> bool:
        """Whether this is the token."""
        return bool(self.token) and _same(token, self.token)

    def _is_ours(self, host: str) -> bool:
        """An address is always ours: only a name can be pointed at somebody else."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in ("localhost", self.host.lower()):
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return bool(self.token) or address.is_loopback


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _same(given: str, wanted: str) -> bool:
    """Takes as long whatever is given."""
    return hmac.compare_digest(given.encode(), wanted.encode())
