"""A link's book of authorisations: what it approved, what it undid, what is still in flight.

A reversal may arrive before, during or after the authorisation it reverses; each must end with
nothing held. Source: domain.md §1.4 (late answers, a reversal that overtakes its original).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from harness.payments.journal import MovementKind
from harness.payments.outcome import Outcome
from harness.services.context import Context
from harness.services.message import Answer, PaymentRequest


class State(StrEnum):
    """Of one authorisation in one link's book."""

    IN_FLIGHT = "in_flight"
    AUTHORISED = "authorised"
    NOT_AUTHORISED = "not_authorised"
    VOIDED = "voided"


@dataclass(slots=True)
class Entry:
    """One authorisation. `route` is the link it was sent on to, "" when it went nowhere."""

    state: State
    route: str = ""
    reversed: bool = False  # a reversal arrived: nothing may be held when all is done
    request: PaymentRequest | None = None  # as it was booked
    decided_by: str = ""
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Book:
    """The authorisations of one link by reference."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._entries: dict[str, Entry] = {}

    def begin(self, reference: str) -> Entry | None:
        """Open an entry before working; None when a reversal came first (then decline)."""
        known = self._entries.get(reference)
        if known is not None and known.reversed:
            return None
        entry = Entry(State.IN_FLIGHT)
        self._entries[reference] = entry
        return entry

    def settle(self, entry: Entry, request: PaymentRequest, answer: Answer) -> None:
        """Book the answer of an entry: an approval holds money from now on."""
        if answer.outcome is Outcome.APPROVED:
            self.hold(entry, request, answer.decided_by)
        else:
            entry.state = State.NOT_AUTHORISED
        entry.settled.set()

    def hold(self, entry: Entry, request: PaymentRequest, decided_by: str) -> None:
        """Write the approval into the journal."""
        entry.state = State.AUTHORISED
        entry.request, entry.decided_by = request, decided_by
        self._context.moved(MovementKind.AUTHORISED, request, decided_by)

    async def reverse(self, reference: str) -> Entry:
        """Undo an authorisation whatever its state; what was in flight is waited for.

        An unknown reference is remembered, so that an original which arrives late is declined.
        """
        entry = self._entries.get(reference)
        if entry is None:
            entry = Entry(State.NOT_AUTHORISED, reversed=True)
            self._entries[reference] = entry
            return entry
        entry.reversed = True
        if entry.state is State.IN_FLIGHT:
            await entry.settled.wait()
        if entry.state is State.AUTHORISED and entry.request is not None:
            entry.state = State.VOIDED
            self._context.moved(MovementKind.VOIDED, entry.request, entry.decided_by)
        return entry

    def state_of(self, reference: str) -> State | None:
        """The state of an authorisation, None when this link never heard of it."""
        entry = self._entries.get(reference)
        return entry.state if entry is not None else None
