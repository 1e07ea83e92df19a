"""Gateway: screens, authenticates and authorises a payment, and keeps the merchant's book."""

from __future__ import annotations

import msgspec

from harness.payments.codes import ISSUER_INOPERATIVE, LATE_RESPONSE, SYSTEM_MALFUNCTION
from harness.payments.outcome import Outcome
from harness.services.message import Answer, PaymentRequest
from harness.services.policy import CallEnd
from harness.services.role import Role, Work


class Gateway(Role):
    """The payment service provider's gateway, which orchestrates one payment."""

    once = frozenset({"pay", "forward"})

    def operations(self) -> dict[str, Work]:
        """Takes payments, from an edge or straight from the customer."""
        return {"pay": self._pay, "forward": self._pay}

    async def _pay(self, request: PaymentRequest, parent: str) -> Answer:
        for operation in ("screen", "authenticate"):
            if operation not in self.calls:
                continue
            end = await self.calls[operation].execute(request, parent)
            if end.reply.result.worked:
                answer = end.reply.answer
                if answer is not None and answer.outcome is Outcome.DECLINED:
                    return answer
            elif not (end.is_skipped or end.is_exempt):
                return self.decline(SYSTEM_MALFUNCTION)
            if operation == "authenticate":
                request = msgspec.structs.replace(
                    request, authenticated=end.reply.result.worked, exempt=end.is_exempt
                )
        return await self._authorise(request, parent)

    async def _authorise(self, request: PaymentRequest, parent: str) -> Answer:
        reference = f"{request.payment}-1"
        first = msgspec.structs.replace(request, reference=reference, key=reference)
        end = await self.calls["authorise"].execute(first, parent)
        answer = end.reply.answer
        if answer is not None and end.reply.result.worked:
            if answer.outcome is Outcome.APPROVED:
                self._book(end, answer)
            return answer
        if end.is_unresolved:
            return Answer(Outcome.UNKNOWN, LATE_RESPONSE, self.name)
        return self.decline(answer.code if answer is not None else ISSUER_INOPERATIVE)

    def _book(self, end: CallEnd, answer: Answer) -> None:
        booked = msgspec.structs.replace(
            end.request, reference=answer.reference, amount_minor=answer.amount_minor
        )
        entry = self.book.begin(booked.reference)
        assert entry is not None  # nobody reverses an authorisation of the gateway's own
        self.book.settle(entry, booked, answer)
