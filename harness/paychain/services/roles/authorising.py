"""What every link that authorises does: one book, one answer per key, a way back for each approval.

Subclasses decide (`decide`) and say what stands behind them (`forget`, `pass_on`): the issuer has
nothing behind it, a relay has the next link.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.payments.codes import APPROVED, ISSUER_INOPERATIVE, LATE_RESPONSE, NOT_FOUND
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.outcome import Outcome
from paychain.payments.rules.traces import OF_ANOTHER_ORDER
from paychain.protocol.message import Answer, PaymentRequest, as_approved
from paychain.services.roles.role import Role, Work
from paychain.services.state.book import AuthorisationState, Entry
from paychain.services.state.duplicates import DuplicateWindow

_PAST = {"capture": "captured", "refund": "refunded"}
_REFUSED = {"capture": "capture_refused", "refund": "refund_refused"}


@dataclass
class Authorising(Role):
    """Authorise, capture and refund once per key, reverse what was authorised, answer queries."""

    once = frozenset({"authorise", "capture", "refund", "advise"})
    _window: DuplicateWindow | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.link.duplicates is not None:
            self._window = DuplicateWindow(self.link.duplicates)

    def operations(self) -> dict[str, Work]:
        """The whole life of an authorisation."""
        return {
            "authorise": self._authorise,
            "capture": self._capture,
            "refund": self._refund,
            "void": self._void,
            "advise": self._advise,
            "query": self.query,
        }

    async def _authorise(self, request: PaymentRequest, parent: str) -> Answer:
        entry = self.book.begin(request.reference)
        # Its reversal came first: this is a late original, and nothing may be held for it.
        if entry is None:
            return self.decline(LATE_RESPONSE, request.reference)
        answer = self.decline(ISSUER_INOPERATIVE)
        try:
            repeated = self._refused_as_duplicate(request)
            alone = repeated or self._declined_test_card(request)
            answer = alone or await self.decide(request, parent)
        finally:
            self.settle(entry, request, answer)
            if self._window is not None and not repeated:
                self._note_original(self._window, request, answer)
        if answer.outcome is not Outcome.UNKNOWN:
            self.send_webhook(
                "authorised" if answer.outcome is Outcome.APPROVED else "declined", request
            )
        return answer

    def settle(self, entry: Entry, request: PaymentRequest, answer: Answer) -> None:
        """Write the answer into the book, as it was approved: another route has its reference."""
        booked, kind = request, MovementKind.AUTHORISED
        if answer.outcome is Outcome.APPROVED:
            booked = as_approved(request, answer)
            kind = self.decided_as(request)
        self.book.settle(entry, booked, answer, kind)

    def _refused_as_duplicate(self, request: PaymentRequest) -> Answer | None:
        """The refusal of a payment that repeats another one, None for the first of its kind.

        It names the original, with the amount that it holds.
        """
        if self._window is None:
            return None
        original = self._window.original(request, self.context.now_ns())
        if original is None:
            return None
        is_same = original.order == (request.order or request.payment)
        self.context.decided(
            DecisionKind.DUPLICATE_REFUSED,
            "authorise",
            "",
            payment=request.payment,
            attempt=request.attempt,
            detail=f"repeats {original.reference}" + ("" if is_same else OF_ANOTHER_ORDER),
            amount_minor=original.amount_minor,
        )
        assert self.link.duplicates is not None  # or there is no window
        code = self.link.duplicates.code
        return Answer(Outcome.DECLINED, code, self.name, original.reference, original.amount_minor)

    def _declined_test_card(self, request: PaymentRequest) -> Answer | None:
        """The decline that a provider's test card stands for; None for any other card."""
        if not request.declined_as:
            return None
        return self.decline(request.declined_as, request.reference)

    def _note_original(
        self, window: DuplicateWindow, request: PaymentRequest, answer: Answer
    ) -> None:
        """The outcome of the first of its kind. An unknown one may hold money, so it stays."""
        if answer.outcome is Outcome.APPROVED:
            window.approved(request, answer.amount_minor)
        elif answer.outcome is Outcome.DECLINED:
            window.forget(request)

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """The answer to a new authorisation."""
        raise NotImplementedError  # each role has its own

    def decided_as(self, request: PaymentRequest) -> MovementKind:
        """How an approval is booked: decided in the ordinary way, or in another link's place."""
        return MovementKind.AUTHORISED

    def forget(self, reference: str) -> None:
        """Undo behind this link what is undone here."""

    def pass_on(self, operation: str, request: PaymentRequest) -> None:
        """Pass a capture, refund or advice that is booked here on to the link behind."""

    def on_captured(self, request: PaymentRequest) -> None:
        """Act on a capture that is booked."""

    async def _capture(self, request: PaymentRequest, parent: str) -> Answer:
        code = self.book.capture(request)
        if code == APPROVED:
            self.on_captured(request)
        return self._booked("capture", request, code)

    async def _refund(self, request: PaymentRequest, parent: str) -> Answer:
        return self._booked("refund", request, self.book.refund(request))

    def _booked(self, operation: str, request: PaymentRequest, code: str) -> Answer:
        if code != APPROVED:
            self.send_webhook(_REFUSED[operation], request)
            return self.decline(code, request.reference)
        self.pass_on(operation, request)
        self.send_webhook(_PAST[operation], request)
        return self.approve(request)

    async def _advise(self, request: PaymentRequest, parent: str) -> Answer:
        """Take over what was approved elsewhere; refused only when it was undone before."""
        entry = self.book.begin(request.reference)
        if entry is None:
            return self.decline(LATE_RESPONSE, request.reference)
        answer = self.approve(request, request.decided_by)
        self.book.settle(entry, request, answer, MovementKind.ADVISED)
        self.pass_on("advise", request)
        return answer

    async def _void(self, request: PaymentRequest, parent: str) -> Answer:
        before = self.book.entry(request.reference)
        is_first = before is not None and not before.reversed
        entry = await self.book.reverse(request.reference)
        is_released = is_first and entry.state is AuthorisationState.VOIDED
        self.send_webhook("voided" if is_released else "void_refused", request)
        # Captured before the reversal came: only a refund can give it back.
        if entry.state is AuthorisationState.AUTHORISED:
            return self.decline(NOT_FOUND, request.reference)
        if self._window is not None:
            self._window.forget(request)
        self.forget(request.reference)
        code = APPROVED if entry.request is not None else NOT_FOUND
        # A reversal of an unknown authorisation is acknowledged too: its sender would repeat it
        # forever otherwise (docs/domain.md §1.4).
        return Answer(Outcome.APPROVED, code, self.name, request.reference)
