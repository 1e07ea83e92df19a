"""Parameters that a provider knows and its mock ignores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paychain.protocol.vendor import VendorCall

_NOTHING: tuple[object, ...] = (None, "", {}, [])  # asks for nothing


class Ignored:
    """Names each of them once: a service sends them with every request."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def note(self, call: VendorCall, given: Mapping[str, Any], used: frozenset[str]) -> None:
        """Report what of a request's parameters is none of those that are used."""
        for name, value in given.items():
            if name not in used and name not in self._named and value not in _NOTHING:
                self._named.add(name)
                call.ignored(name)
