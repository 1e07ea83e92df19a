"""What an exchange asks a node about its ledger, beside payments: new blocks, what came in."""

from __future__ import annotations

from typing import Any

from paychain.payments.instrument import published
from paychain.payments.outcome import HopResult
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall

MAX_ALIKE = 100  # looks that are told apart


class LedgerLooks:
    """Numbered looks of one link through a call with its policy; `what` is in their names."""

    def __init__(
        self, context: Context, call: PolicyCall, *, what: str, currency: str, network: str
    ) -> None:
        self._context, self._call = context, call
        self._what, self._currency = what, currency
        self._anybody = published(network)[0]  # what no request is without
        self._looks = 0

    async def look(self, parent: str, **asked: Any) -> Answer | None:
        """What a node says, which names a sighting; None when none says anything of this look.

        `asked`: further fields of the request.
        """
        self._looks += 1
        name = f"{self._context.link}-{self._what}-{self._looks}"
        request = PaymentRequest(
            "",
            0,
            self._currency,
            self._anybody,
            # What is drawn for a request depends on its attempt: no two in a row are alike.
            attempt=1 + self._looks % MAX_ALIKE,
            reference=name,
            key=name,
            **asked,
        )
        end = await self._call.execute(request, parent)
        answer = end.reply.answer
        if end.reply.result is not HopResult.APPROVED or answer is None:
            return None
        return answer if answer.reference == name and answer.sighting is not None else None
