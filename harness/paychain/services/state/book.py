"""A link's book of authorisations: approved, captured, refunded, undone, expired, in flight.

    IN_FLIGHT ── approved ──▶ AUTHORISED ── reversed ──▶ VOIDED
        │                         └─────── not captured in time ──▶ EXPIRED
        └─────── declined ──▶ NOT_AUTHORISED

A reversal may arrive before, during or after the authorisation it reverses; each must end with
nothing held. Source: docs/domain.md §1.4 (late answers, a reversal that overtakes its original).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

import msgspec

from paychain.payments.codes import APPROVED, INVALID_AMOUNT, NOT_FOUND, PARTIAL_APPROVAL
from paychain.payments.journal import MovementKind
from paychain.payments.money import share_of
from paychain.payments.outcome import Outcome
from paychain.payments.rules.position import REPEAT
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.state.kept import Retention
from paychain.services.state.retained import Retained

# The rest of a capture that was not final is over by itself when its hold expires: a run waits for
# that, as for anything under way, unless it takes longer than this.
EXPIRY_AWAITED_S = 10.0


class AuthorisationState(StrEnum):
    """Of one authorisation in one link's book."""

    IN_FLIGHT = "in_flight"
    AUTHORISED = "authorised"
    NOT_AUTHORISED = "not_authorised"
    VOIDED = "voided"
    EXPIRED = "expired"


# Untracked (gc=False), as there is one for every authorisation: a full collection would look at all
# of them, and every payment under way would wait for it.
class Entry(msgspec.Struct, kw_only=True, gc=False):
    """One authorisation. Amounts are minor units."""

    state: AuthorisationState
    reversed: bool = False  # a reversal arrived: nothing may be held when all is done
    request: PaymentRequest | None = None  # as it was booked
    decided_by: str = ""
    is_partial: bool = False  # approved for less than was asked
    captured_minor: int = 0
    refunded_minor: int = 0
    charged_back_minor: int = 0
    items: tuple[str, ...] = ()  # captures and refunds that another link acknowledged
    is_final: bool = False  # the last capture was made: the rest is released
    is_past_expiry: bool = False  # what is held again from now on expires at once
    settled: asyncio.Event | None = None  # for a reversal that waits for what is in flight
    earlier: Entry | None = None  # an execution of the same request, under another name

    @property
    def rest_minor(self) -> int:
        """Held and not captured."""
        if self.request is None or self.is_final:
            return 0
        return max(0, self.request.amount_minor - self.captured_minor)


class Book:
    """The authorisations of one link by reference.

    `expires_after_s`: how long an authorisation is held when nobody captures it, None forever.
    `overcapture`: how much more than the hold may be captured, as a share of it; None: a capture is
    not compared with the hold while there is one. `checks_refunds`: a refund is compared with what
    was captured; without it, each is booked whatever was refunded before. `on_expired` is given the
    authorisation whose rest nobody captured in time. `retention`: when it may forget one.

    What is asked of a book is checked, so that without these exceptions 0 ≤ refunded ≤ captured ≤
    authorised after every change. What another link has acknowledged is booked as it is.
    """

    def __init__(
        self,
        context: Context,
        retention: Retention,
        expires_after_s: float | None = None,
        *,
        overcapture: float | None = 0.0,
        checks_refunds: bool = True,
        on_expired: Callable[[PaymentRequest], None] = lambda _request: None,
    ) -> None:
        self._context = context
        self._overcapture = overcapture
        self._checks_refunds = checks_refunds
        self._expires_after_s = expires_after_s
        self._on_expired = on_expired
        self._entries: Retained[Entry] = Retained(retention, self._is_over)
        self._awaited: dict[str, str] = {}  # payments whose rest will expire soon, by reference

    def __len__(self) -> int:
        """How many authorisations are in it: those that are over are forgotten in time."""
        return len(self._entries)

    @property
    def awaited(self) -> list[str]:
        """The payments that were captured in part and whose rest is about to expire."""
        return list(self._awaited.values())

    def begin(self, reference: str) -> Entry | None:
        """Open an entry before working; None when a reversal came first (then decline)."""
        known = self._entries.get(reference)
        if known is not None and known.reversed:
            return None
        entry = Entry(state=AuthorisationState.IN_FLIGHT)
        # Worked on once more: what was booked for it under another name is undone with it.
        if known is not None and known.request is not None and known.request.reference != reference:
            entry.earlier = known
        self._entries[reference] = entry
        return entry

    def settle(
        self,
        entry: Entry,
        request: PaymentRequest,
        answer: Answer,
        kind: MovementKind = MovementKind.AUTHORISED,
    ) -> None:
        """Book the answer of an entry: an approval holds money from now on."""
        if answer.outcome is Outcome.APPROVED:
            entry.is_partial = answer.code == PARTIAL_APPROVAL
            self.hold(entry, request, answer.decided_by, kind)
        else:
            entry.state = AuthorisationState.NOT_AUTHORISED
        if entry.settled is not None:
            entry.settled.set()

    def hold(
        self,
        entry: Entry,
        request: PaymentRequest,
        decided_by: str,
        kind: MovementKind = MovementKind.AUTHORISED,
    ) -> None:
        """Write the approval into the journal."""
        assert request.amount_minor >= 0
        entry.state = AuthorisationState.AUTHORISED
        entry.request, entry.decided_by = request, decided_by
        self._context.moved(kind, request, decided_by)
        if self._expires_after_s is not None:
            asyncio.get_running_loop().call_later(self._expires_after_s, self._expire, entry)

    def deliver(self, reference: str, answer: Answer | None) -> None:
        """What was stored is approved; where that is for less, no more than that is held."""
        entry = self._entries.get(reference)
        if answer is None or entry is None or entry.state is not AuthorisationState.AUTHORISED:
            return
        assert entry.request is not None  # it is held
        less_minor = entry.request.amount_minor - answer.amount_minor
        if less_minor > 0:
            entry.is_partial = answer.code == PARTIAL_APPROVAL
            entry.request = msgspec.structs.replace(entry.request, amount_minor=answer.amount_minor)
            self._moved(MovementKind.REDUCED, entry, less_minor)

    def capture(self, request: PaymentRequest) -> str:
        """Take (a part of) what is held. Returns a response code; APPROVED when it is booked.

        `request.amount_minor` is what to take; with `request.is_final` the rest is released.
        """
        entry = self._entries.get(request.reference)
        if (
            entry is None
            or entry.request is None
            or entry.state is not AuthorisationState.AUTHORISED
        ):
            return NOT_FOUND
        if request.amount_minor > self._capturable_minor(entry, request):
            return INVALID_AMOUNT
        self._capture(entry, request)
        return APPROVED

    def uncapture(self, request: PaymentRequest) -> None:
        """Hold again what was captured: a link behind has refused it, and it may be captured anew.

        What was refunded or charged back of it meanwhile is not there to hold, and once the hold
        was released or has expired there is none: then it stays as it is booked.
        """
        entry = self._entries.get(request.reference)
        if entry is None or entry.state is not AuthorisationState.AUTHORISED:
            return
        if not 0 < request.amount_minor <= self._returnable_minor(entry):
            return
        assert entry.request is not None  # it was captured
        if entry.is_final:  # the last capture has released the rest: only what it took is left
            taken_minor = min(entry.request.amount_minor, entry.captured_minor)
            entry.request = msgspec.structs.replace(entry.request, amount_minor=taken_minor)
            entry.is_final = False
        entry.captured_minor -= request.amount_minor
        entry.reversed = False  # a reversal that came meanwhile was refused
        self._moved(MovementKind.UNCAPTURED, entry, request.amount_minor, request.item)
        self._await_expiry(entry)
        if entry.is_past_expiry:
            asyncio.get_running_loop().call_soon(self._expire, entry)

    def refund(self, request: PaymentRequest) -> str:
        """Give back (a part of) what was taken. Returns a response code as `capture` does."""
        entry = self._entries.get(request.reference)
        if entry is None or entry.request is None:
            return NOT_FOUND
        returnable_minor = self._returnable_minor(entry)
        if self._checks_refunds and request.amount_minor > returnable_minor:
            return INVALID_AMOUNT
        self._refund(entry, request)
        return APPROVED

    def charge_back(self, reference: str, item: str) -> int:
        """Return what was captured although no merchant asked for it: the cardholder disputes.

        A book that checks returns what was not refunded before, any other one all of it. The result
        is how much that is, in minor units.
        """
        entry = self._entries[reference]
        amount_minor = self._returnable_minor(entry)
        if not self._checks_refunds:
            amount_minor = entry.captured_minor - entry.charged_back_minor
        if amount_minor > 0:
            entry.charged_back_minor += amount_minor
            self._moved(MovementKind.CHARGED_BACK, entry, amount_minor, item)
        return amount_minor

    def _returnable_minor(self, entry: Entry) -> int:
        return entry.captured_minor - entry.refunded_minor - entry.charged_back_minor

    def acknowledged(self, operation: str, request: PaymentRequest) -> None:
        """Book a capture or refund as another link has carried it out, each item once.

        Two triggers that send one capture under the same key both get its answer.
        """
        entry = self._entries[request.reference]
        if request.item in entry.items:
            return
        entry.items = (*entry.items, request.item)
        if operation == "capture":
            self._capture(entry, request)
        else:
            self._refund(entry, request)

    async def reverse(self, reference: str) -> Entry:
        """Undo an authorisation whatever its state; what was in flight is waited for.

        An unknown reference is remembered, so that an original which arrives late is declined.
        What is captured stays captured: it is refunded, not reversed.
        """
        entry = self._entries.get(reference)
        if entry is None:
            entry = Entry(state=AuthorisationState.NOT_AUTHORISED, reversed=True)
            self._entries[reference] = entry
            return entry
        entry.reversed = True
        # The outcome of what is in flight is not known yet: an approval that is booked while the
        # reversal waits is undone below.
        if entry.state is AuthorisationState.IN_FLIGHT:
            entry.settled = entry.settled or asyncio.Event()
            await entry.settled.wait()
        undone: Entry | None = entry
        while undone is not None:
            if undone.state is AuthorisationState.AUTHORISED and undone.rest_minor > 0:
                undone.state = AuthorisationState.VOIDED
                self._release(MovementKind.VOIDED, undone)
            undone = undone.earlier
        return entry

    def entry(self, reference: str) -> Entry | None:
        """An authorisation, None when this link does not know it."""
        return self._entries.get(reference)

    def _is_over(self, reference: str, entry: Entry) -> bool:
        """Whether nothing is going on for an authorisation."""
        will_expire = (
            self._expires_after_s is not None
            and entry.state is AuthorisationState.AUTHORISED
            and entry.rest_minor > 0
        )
        is_open = entry.state is AuthorisationState.IN_FLIGHT or reference in self._awaited
        return not is_open and not will_expire

    def _expire(self, entry: Entry) -> None:
        entry.is_past_expiry = True
        if entry.state is AuthorisationState.AUTHORISED and entry.rest_minor > 0:
            entry.state = AuthorisationState.EXPIRED
            self._release(MovementKind.EXPIRED, entry)
            assert entry.request is not None  # it was held
            self._on_expired(entry.request)

    def _capturable_minor(self, entry: Entry, request: PaymentRequest) -> int:
        """The most that a capture may take now."""
        assert entry.request is not None  # it is held
        # The last capture was made, or none was declared to go beyond the hold.
        if entry.is_final or self._overcapture == 0.0:
            return entry.rest_minor
        held_minor = entry.request.amount_minor
        if self._overcapture is not None:
            allowed_minor = held_minor + share_of(held_minor, self._overcapture)
            return max(0, allowed_minor - entry.captured_minor)
        # Nobody declared a limit: whatever is asked while something is held. What comes again under
        # a key of its own is compared all the same.
        is_repeat = REPEAT in request.item
        return entry.rest_minor if is_repeat or not entry.rest_minor else request.amount_minor

    def _capture(self, entry: Entry, request: PaymentRequest) -> None:
        entry.captured_minor += request.amount_minor
        self._moved(MovementKind.CAPTURED, entry, request.amount_minor, request.item)
        if request.is_final:
            self._release(MovementKind.VOIDED, entry)
        self._await_expiry(entry)

    def _await_expiry(self, entry: Entry) -> None:
        expires_after_s = self._expires_after_s
        is_soon = expires_after_s is not None and expires_after_s <= EXPIRY_AWAITED_S
        self._await(entry, is_awaited=is_soon and entry.rest_minor > 0)

    def _await(self, entry: Entry, *, is_awaited: bool) -> None:
        assert entry.request is not None  # it was held
        if is_awaited:
            self._awaited[entry.request.reference] = entry.request.payment
        else:
            self._awaited.pop(entry.request.reference, None)

    def _refund(self, entry: Entry, request: PaymentRequest) -> None:
        entry.refunded_minor += request.amount_minor
        self._moved(MovementKind.REFUNDED, entry, request.amount_minor, request.item)

    def _release(self, kind: MovementKind, entry: Entry) -> None:
        rest_minor = entry.rest_minor
        entry.is_final = True
        self._await(entry, is_awaited=False)
        assert entry.rest_minor == 0  # nothing is held after a release
        if rest_minor > 0:
            self._moved(kind, entry, rest_minor)

    def _moved(self, kind: MovementKind, entry: Entry, amount_minor: int, item: str = "") -> None:
        assert entry.request is not None  # nothing moves that was never held
        moved = msgspec.structs.replace(entry.request, amount_minor=amount_minor, item=item)
        self._context.moved(kind, moved, entry.decided_by)
