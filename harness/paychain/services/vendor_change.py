"""What a request at a vendor's API changes of the API's own objects."""

from __future__ import annotations

from collections.abc import Callable

from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer


def _nothing(*_: object) -> None:
    """Where there is nothing to make, or to take back."""


class ApiChange:
    """One change, made once however often the link does the work of the request."""

    def __init__(
        self,
        operation: str,
        make: Callable[[], object] | None,
        undo: Callable[[], object] | None,
        note: Callable[[Answer], object] | None,
    ) -> None:
        # A decline of what follows a payment says that nothing is done.
        self._is_followup = operation in ("capture", "void", "refund")
        self._make, self._undo = make or _nothing, undo or _nothing
        self._note = note or _nothing
        self._is_made = self._is_worked_on = False

    def __call__(self, answer: Answer) -> None:
        """Make it, unless what the request asks of a payment was declined."""
        if not self._is_worked_on:
            self._is_worked_on = True
            self._note(answer)
        if not self._is_made and not (self._is_followup and answer.outcome is Outcome.DECLINED):
            self._is_made = True
            self._make()

    def fail(self) -> None:
        """No answer comes: take back what was made before the work, unless that is done."""
        if not self._is_worked_on:
            self._undo()
