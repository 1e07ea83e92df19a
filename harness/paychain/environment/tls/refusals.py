"""Connections that came to a TLS near end, and could not be secured: by hop, and why."""

from __future__ import annotations

import ssl
from collections import Counter
from pathlib import Path

import msgspec

from paychain.payments.journal import EngineEvent
from paychain.processes.files import write_atomically

MAX_COUNTED = 10_000  # connections: who tries that often is wrong every time
NO_TLS = "without TLS, which tls: true asks for; use the address with https"
UNTRUSTED = "the service does not trust the authority in PAYCHAIN_CA"
HUNG_UP = "hung up in the handshake: the service may not trust the authority in PAYCHAIN_CA"
UNREADABLE = "unreadable"  # the kind of event, as of the fault engine's own
# What the client says of our certificate, or what came in place of a handshake (RFC 8446 §6.2).
_UNTRUSTED = ("UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED")
_NO_TLS = ("HTTP_REQUEST", "WRONG_VERSION_NUMBER")


class Refusals:
    """Counts them, and writes each to a file for the run to read."""

    def __init__(self, path: Path | None = None) -> None:
        self.found: Counter[tuple[str, str]] = Counter()  # by hop and why
        self._path = path

    def note(self, hop: str, error: BaseException | None) -> None:
        """A connection has failed; what is no mistake of the client's is not noted."""
        if why := why_refused(error):
            self.count(hop, why)

    def count(self, hop: str, why: str) -> None:
        """A connection was not secured."""
        if self.found.total() >= MAX_COUNTED:
            return
        self.found[hop, why] += 1
        if self._path is not None:
            write_atomically(self._path, [(*each, n) for each, n in self.found.items()])


def why_refused(error: BaseException | None) -> str:
    """What the client did wrong, "" for nothing that is known."""
    if not isinstance(error, ssl.SSLError):
        return ""
    reason = error.reason or ""
    if any(name in reason for name in _UNTRUSTED):
        return UNTRUSTED
    return NO_TLS if any(name in reason for name in _NO_TLS) else ""


def refused(path: Path, at_ns: int) -> list[EngineEvent]:
    """What a file of refusals holds, as the events of connections that could not be read."""
    if not path.exists():
        return []
    rows = msgspec.json.decode(path.read_bytes(), type=list[tuple[str, str, int]])
    return [
        EngineEvent(
            seq=0,
            at_ns=at_ns,
            kind=UNREADABLE,
            proxy=hop,
            connection=None,
            toxic=None,
            detail=why,
        )
        for hop, why, n in rows
        for _ in range(n)
    ]
