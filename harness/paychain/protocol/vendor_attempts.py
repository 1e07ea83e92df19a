"""Attempts to pay one page or order, and which of them may yet be approved.

An attempt is in no book before the link has worked on it, and may wait for the customer's bank
(3-D Secure) while another one is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from paychain.protocol.vendor import Backend


@dataclass(slots=True)
class Attempts:
    """`references`: ours of the payments that were attempted, the first one first.

    `_in_progress`: of those that requests are working on; it may be there more than once.
    """

    references: list[str] = field(default_factory=list)
    _in_progress: list[str] = field(default_factory=list)

    @contextmanager
    def working_on(self, reference: str) -> Iterator[None]:
        """While a request works on an attempt."""
        if reference not in self.references:
            self.references.append(reference)
        self._in_progress.append(reference)
        try:
            yield
        finally:
            self._in_progress.remove(reference)

    def begun(self, backend: Backend, besides: str = "") -> list[str]:
        """Those, other than `besides`, that may yet be approved."""
        found = []
        for reference in self.references:
            entry = backend.entry(reference)
            is_open = reference in self._in_progress
            if entry is not None:
                is_open = entry.state == "in_flight"
            if is_open and reference != besides:
                found.append(reference)
        return found
