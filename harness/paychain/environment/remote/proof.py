"""The proof on every request to a waiting machine, in one header (see processes/tokens.py)."""

from __future__ import annotations

import requests
from requests.auth import AuthBase

from paychain.payments.web_addresses import split_address
from paychain.processes.tokens import Authenticator, MessageMac, MessageProof
from paychain.wire.http import HttpRequest

HEADER = "x-paychain-proof"


class ProvingAuth(AuthBase):
    """Proves the requests of one thread to one process. `session`: the process' name for itself.

    Requests of one thread arrive in the order they are sent, and their numbers must go up. So each
    thread has its own.
    """

    def __init__(self, token: str, session: str) -> None:
        self._mac = MessageMac(token, session)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the proof to a request that is about to be sent."""
        assert request.url is not None
        parts = split_address(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        message = _message(
            request.method or "", target, body if isinstance(body, bytes) else body.encode()
        )
        request.headers[HEADER] = self._mac.prove(message).encode().hex()
        return request


def check(authenticator: Authenticator, http: HttpRequest) -> None:
    """Raises Unauthenticated unless a request proves that its sender knows the token, once."""
    try:
        proof = bytes.fromhex(http.headers.get(HEADER, ""))
    except ValueError:
        proof = b""
    authenticator.check(MessageProof.decode(proof), _message(http.method, http.target, http.body))


def _message(method: str, target: str, body: bytes) -> bytes:
    return f"{method} {target}\n".encode() + body
