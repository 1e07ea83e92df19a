"""Links that authorise and reverse: processor and scheme pass on, the issuer decides."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from harness.payments.codes import APPROVED, ISSUER_INOPERATIVE, LATE_RESPONSE, NOT_FOUND
from harness.payments.outcome import Outcome
from harness.services.book import Entry
from harness.services.message import Answer, PaymentRequest
from harness.services.policy import Sent
from harness.services.role import Role, Work


@dataclass
class Authorising(Role):
    """Authorise once per key, reverse whatever was authorised, answer queries."""

    once = frozenset({"authorise"})
    _standing: dict[str, tuple[Sent, ...]] = field(default_factory=dict, init=False)

    def operations(self) -> dict[str, Work]:
        """Authorise, void, query."""
        return {"authorise": self._authorise, "void": self._void, "query": self.query}

    async def _authorise(self, request: PaymentRequest, parent: str) -> Answer:
        entry = self.book.begin(request.reference)
        if entry is None:  # its reversal came first (a late original)
            return self.decline(LATE_RESPONSE, request.reference)
        answer = self.decline(ISSUER_INOPERATIVE)
        try:
            answer = await self.decide(request, parent)
        finally:
            self.settle(entry, request, answer)
        return answer

    def settle(self, entry: Entry, request: PaymentRequest, answer: Answer) -> None:
        """Write the answer into the book, as it was approved: another route has its reference."""
        booked = request
        if answer.outcome is Outcome.APPROVED:
            booked = msgspec.structs.replace(
                request, reference=answer.reference, amount_minor=answer.amount_minor
            )
        self.book.settle(entry, booked, answer)

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """The answer to a new authorisation."""
        raise NotImplementedError

    async def _void(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        entry = await self.book.reverse(request.reference)
        for sent in self._standing.pop(request.reference, ()):
            self.calls["authorise"].void(sent)
        code = APPROVED if entry.request is not None else NOT_FOUND
        # A reversal of what nobody knows is acknowledged too (domain.md §1.4).
        return Answer(Outcome.APPROVED, code, self.name, request.reference)


class Relay(Authorising):
    """Passes the authorisation on; takes over the reversal of what it passed on."""

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """The answer of the link behind, or a technical decline for the caller."""
        end = await self.calls["authorise"].execute(request, parent)
        if end.standing:
            self._standing[request.reference] = end.standing
        if end.reply.answer is not None and end.reply.result.worked:
            return end.reply.answer
        if end.is_unresolved:
            return Answer(Outcome.UNKNOWN, LATE_RESPONSE, self.name, request.reference)
        if end.reply.answer is not None:
            return end.reply.answer
        return self.decline(ISSUER_INOPERATIVE, request.reference)


class Processor(Relay):
    """An acquirer's processor."""


class Scheme(Relay):
    """A card scheme's switch."""


class Issuer(Authorising):
    """The cardholder's bank: it decides, and its book says where the money is."""

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        """Approve, or decline the declared share for business reasons."""
        code = self.declines(request)
        return self.approve(request) if code is None else self.decline(code, request.reference)
