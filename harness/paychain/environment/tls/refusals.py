"""Connections that came to a TLS near end, and could not be secured: by hop, and why."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from paychain.payments.journal import EngineEvent

MAX_COUNTED = 10_000  # connections: who tries that often is wrong every time
NO_TLS = "without TLS, which tls: true asks for; use the address with https"
UNTRUSTED = "the service does not trust the authority in PAYCHAIN_CA"
HUNG_UP = "hung up in the handshake: the service may not trust the authority in PAYCHAIN_CA"
UNREADABLE = "unreadable"  # the kind of event, as of the fault engine's own
# What the client says of our certificate, or what came in place of a handshake (RFC 8446 §6.2).
_UNTRUSTED = ("UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED")
_NO_TLS = ("HTTP_REQUEST", "WRONG_VERSION_NUMBER")


class Refusals:
    """Adds each to a file, a line for each, for the run to read.

    That happens in the loop that passes all bytes on, so that a line costs one short write, and
    there are no more than MAX_COUNTED.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._counted = 0

    def note(self, hop: str, error: BaseException | None) -> None:
        """A connection has failed; what is no mistake of the client's is not noted."""
        if why := why_refused(error):
            self.count(hop, why)

    def count(self, hop: str, why: str) -> None:
        """A connection was not secured."""
        if self._path is None or self._counted >= MAX_COUNTED:
            return
        self._counted += 1
        with self._path.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode((hop, why)) + b"\n")


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
    # What follows the last end of a line is still being written.
    *lines, _ = path.read_bytes().split(b"\n")
    rows = (msgspec.json.decode(line, type=tuple[str, str]) for line in lines)
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
        for hop, why in rows
    ]
