"""Which requests the board accepts: pure checks. A refusal is a sentence; None accepts.

A page of another site can make a browser send requests here, but it cannot read our pages, set a
header on such a request, or send our Origin. A host name that another site points at this machine
(DNS rebinding) is refused. Other accounts of this machine reach loopback, too, and read what is
given to everybody: nothing is, without the token that the command printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from paychain.payments.web_addresses import split_address
from paychain.processes.loopback import is_loopback
from paychain.processes.tokens import MISSING, is_token

HEADER = "X-Paychain"  # on every request that changes something
COOKIE = "paychain"
READING = ("GET", "HEAD")


@dataclass(frozen=True)
class RequestGuard:
    """What a session requires of a request."""

    host: str  # that the board listens on
    key: str  # in our own pages, which send it with every change
    token: str
    session: str  # value of the cookie that the token is exchanged for

    def refusal(self, method: str, headers: Mapping[str, str], cookie: str) -> str | None:
        """Why a request is refused."""
        host = headers.get("Host", "")
        if not self._is_ours(host):
            return f"'{host[:100]}' is not an address of this board"
        origin = headers.get("Origin")
        if origin is not None and split_address(origin).netloc.lower() != host.lower():
            return "requests from other sites are refused"
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not (
            method in READING
            and headers.get("Sec-Fetch-Mode") == "navigate"
            and headers.get("Sec-Fetch-Dest", "document") == "document"
        ):
            return "requests from other sites are refused"
        if not is_token(cookie, self.session):
            return f"{MISSING}; open the address that paychain load printed"
        if method not in READING and not is_token(headers.get(HEADER, ""), self.key):
            return f"a request that changes something requires the header {HEADER}"
        return None

    def accepts(self, token: str) -> bool:
        """Whether this is the board's token."""
        return is_token(token, self.token)

    def _is_ours(self, host: str) -> bool:
        """Whether a host is this board. Addresses are: only a name can be pointed elsewhere."""
        name = (split_address(f"//{host}").hostname or "").lower()
        if name in ("localhost", self.host.lower()):
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self.host)


def cookie_name(host: str) -> str:
    """What the board at a Host calls its cookie: all ports of a machine share their cookies."""
    port = host.rpartition(":")[2]
    return f"{COOKIE}-{port}" if port.isdigit() else COOKIE
