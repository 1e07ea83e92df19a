"""The trace numbers of one hop: each request has one, its repeats the same."""

from __future__ import annotations

from paychain.model.trace import Trace
from paychain.payments.bounded import BoundedDict

MAX_KNOWN = 100_000  # requests whose repeats get their number: a repeat comes within minutes
_NS = 1_000_000_000


class TraceNumbers:
    """Counts the requests of `caller`; what it counts outlives a crash, as it does on disk."""

    def __init__(self, declared: Trace, caller: str) -> None:
        self._declared = declared
        self._caller = caller
        self._sent = 0
        self._known: BoundedDict[str, str] = BoundedDict(MAX_KNOWN)  # by the request's own key

    def of(self, key: str, now_ns: int) -> str:
        """What a request is recognised by, from its own key; `now_ns`: the caller's clock."""
        known = self._known.get(key)
        if known is not None:
            return known
        number = f"{self._sent % self._declared.numbers:0{self._declared.digits}d}"
        self._sent += 1
        at = f" {now_ns // _NS}" if self._declared.with_time else ""
        known = self._known[key] = f"{self._caller}{at} {number}"
        return known
