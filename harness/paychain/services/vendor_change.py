"""What a request at a vendor's API changes of the API's own objects.

A client that gives up repeats its request under the same key while the first try is still at work:
what they have made before the work is the same, and either may do it.

    first ──────────── fails ┐ nothing is taken back: the repeat has done it, or still may
       repeat ──── is done   ┘
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, AnswerOrError


def _nothing(*_: object) -> None:
    """Where there is nothing to make, or to take back."""


class Overlap:
    """The requests under one key that are in progress at the same time."""

    def __init__(self) -> None:
        self.at_work = 0
        self.is_done = False  # by one of them, or before
        self._undos: list[Callable[[], object]] = []

    def join(self, undo: Callable[[], object] | None) -> None:
        """One more begins. `undo`: takes back what it has made before its work."""
        self.at_work += 1
        if undo is not None:
            self._undos.append(undo)

    def leave(self) -> None:
        """One has ended; the last one takes everything back unless one of them has done it."""
        self.at_work -= 1
        if self.at_work or self.is_done:
            return
        undos, self._undos = self._undos, []
        for undo in reversed(undos):
            undo()


class Overlaps:
    """The overlaps of one link, by operation and key."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Overlap] = {}

    @contextmanager
    def joined(
        self, operation: str, key: str, undo: Callable[[], object] | None
    ) -> Generator[Overlap]:
        """Count a request as in progress; one without a key is always alone."""
        overlap = self._known.setdefault((operation, key), Overlap()) if key else Overlap()
        overlap.join(undo)
        try:
            yield overlap
        finally:
            overlap.leave()
            if not overlap.at_work and self._known.get((operation, key)) is overlap:
                del self._known[operation, key]


class ApiChange:
    """One change, made once however often the link does the work of the request."""

    def __init__(
        self,
        operation: str,
        make: Callable[[], object] | None,
        note: Callable[[Answer], object] | None,
        overlap: Overlap,
        *,
        has_last: bool = True,
    ) -> None:
        """`has_last`: there is an answer to an earlier request of the kind."""
        self.has_last = has_last
        # A decline of what follows a payment says that nothing is done.
        self._is_followup = operation in ("capture", "void", "refund")
        self._make = make or _nothing
        self._note = note or _nothing
        self._overlap = overlap
        self._is_made = self._is_worked_on = False

    def __call__(self, answer: Answer) -> None:
        """Make it, unless what the request asks of a payment was declined."""
        self._overlap.is_done = True
        if not self._is_worked_on:
            self._is_worked_on = True
            self._note(answer)
        if not self._is_made and not (self._is_followup and answer.outcome is Outcome.DECLINED):
            self._is_made = True
            self._make()

    def was_made(self) -> None:
        """The link did the work of an earlier request with the same key, and this was made then."""
        self._overlap.is_done = self._is_worked_on = self._is_made = True

    def end(self, given: AnswerOrError | None) -> None:
        """What the link says of it: a fault that answers in place of the work says it is done."""
        if isinstance(given, Answer) and not given.replayed:
            self(given)
        elif isinstance(given, Answer) or (given is not None and given.is_after_work):
            self._overlap.is_done = True
