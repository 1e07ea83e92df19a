"""A proof on every order that its sender knows the token that both machines were given.

HMAC-SHA256 over which process it is for, who sends it, its number, what is asked and the body: it
is of no use a second time, nor to another process. Nothing is hidden by it: who can listen on the
network can read the orders and the records.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from itertools import count
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

SENDER, NUMBER, PROOF = "x-paychain-sender", "x-paychain-number", "x-paychain-proof"
MOST_SENDERS = 1_000  # of one run: a handful


def _proof(
    token: str, session: str, sender: str, number: str, method: str, target: str, body: bytes
) -> str:
    head = "\n".join((session, sender, number, method, target)).encode()
    return hmac.new(token.encode(), head + b"\n\n" + body, "sha256").hexdigest()


class Sender(AuthBase):
    """Proves the requests of one thread to one process. `session`: what that process is called."""

    def __init__(self, token: str, session: str) -> None:
        self._token, self._session = token, session
        self._sender = secrets.token_hex(8)
        self._numbers = count(1)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the proof to a request that is about to be sent."""
        assert request.url is not None
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        number = str(next(self._numbers))
        request.headers[SENDER], request.headers[NUMBER] = self._sender, number
        request.headers[PROOF] = _proof(
            self._token, self._session, self._sender, number, request.method or "", target,
            body if isinstance(body, bytes) else body.encode(),
        )  # fmt: skip
        return request


class Doorkeeper:
    """Lets in who knows the token, once with each number."""

    def __init__(self, token: str, session: str) -> None:
        self._token, self._session = token, session
        self._last: dict[str, int] = {}

    def admits(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a request comes from somebody who knows the token, and is new."""
        sender, number = headers.get(SENDER, ""), headers.get(NUMBER, "")
        right = _proof(self._token, self._session, sender, number, method, target, body)
        if not hmac.compare_digest(right, headers.get(PROOF, "")):
            return False
        if int(number) <= self._last.get(sender, 0) or len(self._last) > MOST_SENDERS:
            return False
        self._last[sender] = int(number)
        return True
