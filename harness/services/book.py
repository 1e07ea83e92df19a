"""A link's book of authorisations: approved, captured, refunded, undone, expired, in flight.

A reversal may arrive before, during or after the authorisation it reverses; each must end with
nothing held. Source: domain.md §1.4 (late answers, a reversal that overtakes its original).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from harness.payments.codes import APPROVED, INVALID_AMOUNT, NOT_FOUND
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
    EXPIRED = "expired"


@dataclass(slots=True)
class Entry:
    """One authorisation. Amounts are minor units."""

    state: State
    reversed: bool = False  # a reversal arrived: nothing may be held when all is done
    request: PaymentRequest | None = None  # as it was booked
    decided_by: str = ""
    captured_minor: int = 0
    refunded_minor: int = 0
    is_final: bool = False  # the last capture was made: the rest is released
    settled: asyncio.Event | None = None  # for a reversal that waits for what is in flight

    @property
    def rest_minor(self) -> int:
        """Held and not captured."""
        if self.request is None or self.is_final:
            return 0
        return self.request.amount_minor - self.captured_minor


class Book:
    """The authorisations of one link by reference. `expires_after_s`: how long one is held."""

    def __init__(self, context: Context, expires_after_s: float | None = None) -> None:
        self._context = context
        self._expires_after_s = expires_after_s
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        """How many authorisations are in it: all there ever were."""
        return len(self._entries)

    def begin(self, reference: str) -> Entry | None:
        """Open an entry before working; None when a reversal came first (then decline)."""
        known = self._entries.get(reference)
        if known is not None and known.reversed:
            return None
        entry = Entry(State.IN_FLIGHT)
        self._entries[reference] = entry
        return entry

    def settle(
        self, entry: Entry, request: PaymentRequest, answer: Answer,
        kind: MovementKind = MovementKind.AUTHORISED,
    ) -> None:  # fmt: skip
        """Book the answer of an entry: an approval holds money from now on."""
        if answer.outcome is Outcome.APPROVED:
            self.hold(entry, request, answer.decided_by, kind)
        else:
            entry.state = State.NOT_AUTHORISED
        if entry.settled is not None:
            entry.settled.set()

    def hold(
        self, entry: Entry, request: PaymentRequest, decided_by: str,
        kind: MovementKind = MovementKind.AUTHORISED,
    ) -> None:  # fmt: skip
        """Write the approval into the journal."""
        entry.state = State.AUTHORISED
        entry.request, entry.decided_by = request, decided_by
        self._context.moved(kind, request, decided_by)
        if self._expires_after_s is not None:
            asyncio.get_running_loop().call_later(self._expires_after_s, self._expire, entry)

    def capture(self, asked: PaymentRequest) -> str:
        """Take (a part of) what is held. Returns a response code; APPROVED when it is booked."""
        entry = self._entries.get(asked.reference)
        if entry is None or entry.state is not State.AUTHORISED:
            return NOT_FOUND
        if asked.amount_minor > entry.rest_minor:
            return INVALID_AMOUNT
        entry.captured_minor += asked.amount_minor
        self._moved(MovementKind.CAPTURED, entry, asked.amount_minor, asked.item)
        if asked.is_final:
            self._release(MovementKind.VOIDED, entry)
        return APPROVED

    def refund(self, asked: PaymentRequest) -> str:
        """Give back (a part of) what was taken. Returns a response code as `capture` does."""
        entry = self._entries.get(asked.reference)
        if entry is None or entry.request is None:
            return NOT_FOUND
        if asked.amount_minor > entry.captured_minor - entry.refunded_minor:
            return INVALID_AMOUNT
        entry.refunded_minor += asked.amount_minor
        self._moved(MovementKind.REFUNDED, entry, asked.amount_minor, asked.item)
        return APPROVED

    async def reverse(self, reference: str) -> Entry:
        """Undo an authorisation whatever its state; what was in flight is waited for.

        An unknown reference is remembered, so that an original which arrives late is declined.
        What is captured stays captured: it is refunded, not reversed.
        """
        entry = self._entries.get(reference)
        if entry is None:
            entry = Entry(State.NOT_AUTHORISED, reversed=True)
            self._entries[reference] = entry
            return entry
        entry.reversed = True
        if entry.state is State.IN_FLIGHT:
            entry.settled = entry.settled or asyncio.Event()
            await entry.settled.wait()
        if entry.state is State.AUTHORISED and entry.rest_minor > 0:
            entry.state = State.VOIDED
            self._release(MovementKind.VOIDED, entry)
        return entry

    def entry(self, reference: str) -> Entry | None:
        """An authorisation, None when this link never heard of it."""
        return self._entries.get(reference)

    def _expire(self, entry: Entry) -> None:
        if entry.state is State.AUTHORISED and entry.rest_minor > 0:
            entry.state = State.EXPIRED
            self._release(MovementKind.EXPIRED, entry)

    def _release(self, kind: MovementKind, entry: Entry) -> None:
        rest_minor = entry.rest_minor
        entry.is_final = True
        if rest_minor > 0:
            self._moved(kind, entry, rest_minor)

    def _moved(self, kind: MovementKind, entry: Entry, amount_minor: int, item: str = "") -> None:
        assert entry.request is not None  # nothing moves that was never held
        moved = msgspec.structs.replace(entry.request, amount_minor=amount_minor, item=item)
        self._context.moved(kind, moved, entry.decided_by)
