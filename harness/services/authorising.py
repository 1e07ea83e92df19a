"""Links that authorise, capture, refund and reverse: relays pass on, the issuer decides.

A relay books what it is asked and passes it on by itself, as it does with reversals: the caller is
not kept waiting for the issuer. Advices say what was approved in the issuer's place (0120).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from harness.payments.codes import (
    APPROVED,
    AUTHENTICATION_REQUIRED,
    INSUFFICIENT_FUNDS,
    ISSUER_INOPERATIVE,
    LATE_RESPONSE,
    NOT_FOUND,
    PARTIAL_APPROVAL,
    asks_for_authentication,
    table,
)
from harness.payments.journal import MovementKind
from harness.payments.outcome import Outcome
from harness.services.book import Entry, State
from harness.services.call_end import CallEnd, Sent
from harness.services.message import Answer, PaymentRequest, as_approved
from harness.services.role import Role, Work

CHALLENGE = "challenge"
_PAST = {"capture": "captured", "refund": "refunded"}


@dataclass
class Authorising(Role):
    """Authorise, capture and refund once per key, reverse what was authorised, answer queries."""

    once = frozenset({"authorise", "capture", "refund", "advise"})

    def operations(self) -> dict[str, Work]:
        """The whole life of an authorisation."""
        return {
            "authorise": self._authorise, "capture": self._capture, "refund": self._refund,
            "void": self._void, "advise": self._advise, "query": self.query,
        }  # fmt: skip

    async def _authorise(self, request: PaymentRequest, parent: str) -> Answer:
        entry = self.book.begin(request.reference)
        if entry is None:  # its reversal came first (a late original)
            return self.decline(LATE_RESPONSE, request.reference)
        answer = self.decline(ISSUER_INOPERATIVE)
        try:
            answer = await self.decide(request, parent)
        finally:
            self.settle(entry, request, answer)
        if answer.outcome is not Outcome.UNKNOWN:
            self.tell("authorised" if answer.outcome is Outcome.APPROVED else "declined", request)
        return answer

    def settle(self, entry: Entry, request: PaymentRequest, answer: Answer) -> None:
        """Write the answer into the book, as it was approved: another route has its reference."""
        booked, kind = request, MovementKind.AUTHORISED
        if answer.outcome is Outcome.APPROVED:
            booked = as_approved(request, answer)
            kind = self.decided_as(request)
        self.book.settle(entry, booked, answer, kind)

    def tell(self, event: str, request: PaymentRequest) -> None:
        """Notify whoever wants to know."""
        if self.notifier is not None:
            self.notifier.tell(event, request)

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """The answer to a new authorisation."""
        raise NotImplementedError

    def decided_as(self, request: PaymentRequest) -> MovementKind:  # noqa: ARG002
        """How an approval is booked: decided in the ordinary way, or in another link's place."""
        return MovementKind.AUTHORISED

    def forget(self, reference: str) -> None:
        """Undo behind this link what is undone here."""

    def pass_on(self, operation: str, request: PaymentRequest) -> None:
        """Tell the link behind of a capture, refund or advice that is booked here."""

    async def _capture(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        return self._booked("capture", request, self.book.capture(request))

    async def _refund(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        return self._booked("refund", request, self.book.refund(request))

    def _booked(self, operation: str, request: PaymentRequest, code: str) -> Answer:
        if code != APPROVED:
            return self.decline(code, request.reference)
        self.pass_on(operation, request)
        self.tell(_PAST[operation], request)
        return self.approve(request)

    async def _advise(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        """Take over what was approved elsewhere; refused only when it was undone before."""
        entry = self.book.begin(request.reference)
        if entry is None:
            return self.decline(LATE_RESPONSE, request.reference)
        answer = self.approve(request, request.decided_by)
        self.book.settle(entry, request, answer, MovementKind.ADVISED)
        self.pass_on("advise", request)
        return answer

    async def _void(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        entry = await self.book.reverse(request.reference)
        if entry.state is State.AUTHORISED:
            return self.decline(NOT_FOUND, request.reference)  # taken: a refund is what it needs
        self.forget(request.reference)
        code = APPROVED if entry.request is not None else NOT_FOUND
        # A reversal of what nobody knows is acknowledged too (domain.md §1.4).
        return Answer(Outcome.APPROVED, code, self.name, request.reference)


@dataclass
class Relay(Authorising):
    """Passes the authorisation on; takes over what follows of what it passed on."""

    _standing: dict[str, tuple[Sent, ...]] = field(default_factory=dict, init=False)
    _approved_at: dict[str, Sent] = field(default_factory=dict, init=False)
    _alone: dict[str, MovementKind] = field(default_factory=dict, init=False)

    def decided_as(self, request: PaymentRequest) -> MovementKind:
        """Stood in or stored when the issuer was not reached."""
        return self._alone.get(request.reference, MovementKind.AUTHORISED)

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """The answer of the link behind, or a technical decline for the caller."""
        before = self._standing.get(request.reference, ())
        onward = self._anew(request)
        # Written down before it is sent: a link that dies meanwhile still knows what to reverse.
        sent = Sent(self.link.calls["authorise"].to, onward)
        self._standing[request.reference] = (*before, sent)
        end = await self.calls["authorise"].execute(onward, parent)
        self._standing[request.reference] = (*before, *end.standing)
        if end.is_stood_in or end.is_queued:
            return self._decide_alone(request, end)
        answer = end.reply.answer
        if answer is not None and end.reply.result.worked:
            if answer.outcome is Outcome.APPROVED:
                self._approved_at[request.reference] = end.standing[-1]
            return answer
        if end.is_unresolved:
            return Answer(Outcome.UNKNOWN, LATE_RESPONSE, self.name, request.reference)
        if answer is not None:
            return answer
        return self.decline(ISSUER_INOPERATIVE, request.reference)

    def _anew(self, request: PaymentRequest) -> PaymentRequest:
        """The request as it goes on: under another reference when the last one was reversed.

        A reversal may still be on its way, and must not undo what is authorised after it.
        """
        before = self._standing.get(request.reference, ())
        if not before or self.link.calls["authorise"].on_unknown != "reverse":
            return request
        reference = f"{request.reference}+{self.context.mark}{len(before) + 1}"
        return msgspec.structs.replace(request, reference=reference, key=reference)

    def _decide_alone(self, request: PaymentRequest, end: CallEnd) -> Answer:
        """Approve in the issuer's place: stand in and advise, or store and forward."""
        sent = Sent(self.link.calls["authorise"].to, end.request)
        before = self._standing.get(request.reference, ())
        self._standing[request.reference] = (*before, sent)
        self._approved_at[request.reference] = sent
        self._alone[request.reference] = MovementKind.STORED
        if end.is_stood_in:
            self._alone[request.reference] = MovementKind.STOOD_IN
            self.advise(end)
        return self.approve(end.request)

    def pass_on(self, operation: str, request: PaymentRequest) -> None:
        """To the link that approved it, under the reference it knows."""
        sent = self._approved_at.get(request.reference)
        if operation == "advise":
            sent = Sent(self.link.calls["authorise"].to, request)
            self._standing[request.reference] = (sent,)
            self._approved_at[request.reference] = sent
        if sent is not None:
            self.follow(operation, sent, request)

    def forget(self, reference: str) -> None:
        """Reverse whatever may stand behind this link."""
        for sent in self._standing.pop(reference, ()):
            self.calls["authorise"].void(sent)


@dataclass
class Processor(Relay):
    """An acquirer's processor."""


@dataclass
class Scheme(Relay):
    """A card scheme's switch."""


@dataclass
class Issuer(Authorising):
    """The cardholder's bank: it decides, and its book says where the money is."""

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        """Approve, ask for a challenge, approve a part, or decline for business reasons."""
        code = self.declines(request)
        if code is not None:
            return self.decline(code, request.reference)
        if self._wants_challenge(request):
            return self.decline(soft_decline(request.card.scheme), request.reference)
        partial = self.link.partial_approvals
        if partial is None or not self.drawn("partial", request, partial.share):
            return self.approve(request)
        if not request.accepts_partial:
            return self.decline(INSUFFICIENT_FUNDS, request.reference)
        part = max(1, int(request.amount_minor * partial.of))
        return Answer(Outcome.APPROVED, PARTIAL_APPROVAL, self.name, request.reference, part)

    def _wants_challenge(self, request: PaymentRequest) -> bool:
        soft = self.link.soft_declines
        return (
            soft is not None
            and request.three_ds != CHALLENGE
            and self.drawn("soft", request, soft.share)
        )


def soft_decline(scheme: str) -> str:
    """The code by which a scheme's issuers ask for authentication."""
    theirs = (code for code, entry in table().items() if scheme in entry.schemes)
    return next(
        (code for code in theirs if asks_for_authentication(code, scheme)), AUTHENTICATION_REQUIRED
    )
