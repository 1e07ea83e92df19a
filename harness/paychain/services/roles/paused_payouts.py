"""When an exchange begins no payout: its nodes have shown no new block for a while.

asked ─▶ how old is the last block? ─┬─ young enough: go on
                                     └─ too old, or no node says: not now

A caller who is refused knows that nothing was taken, and no payout begins that could only wait.
"""

from __future__ import annotations

from collections.abc import Mapping

from paychain.model.crypto import Pauses
from paychain.payments.instrument import published
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall

MAX_ALIKE = 100  # looks that are told apart


class PausedPayouts:
    """The pauses of one exchange. `calls`: `scan`, with its policy."""

    def __init__(
        self,
        context: Context,
        declared: Pauses,
        currency: str,
        network: str,
        calls: Mapping[str, PolicyCall],
    ) -> None:
        self._context = context
        self._declared = declared
        self._scan = calls["scan"]
        self._currency = currency
        self._anybody = published(network)[0]  # what no request is without
        self._looks = 0

    @property
    def code(self) -> str:
        """The response code of what is refused meanwhile."""
        return self._declared.code

    @property
    def frees(self) -> bool:
        """Whether a pause frees the reservations of payouts that have begun."""
        return self._declared.begun == "freed"

    async def is_on(self, parent: str) -> bool:
        """Whether a payout may not begin now."""
        self._looks += 1
        name = f"{self._context.link}-head-{self._looks}"
        look = PaymentRequest(
            "",
            0,
            self._currency,
            self._anybody,
            # What is drawn for a request depends on its attempt: no two in a row are alike.
            attempt=1 + self._looks % MAX_ALIKE,
            reference=name,
            key=name,
        )
        end = await self._scan.execute(look, parent)
        answer = end.reply.answer
        if (
            end.reply.result is not HopResult.APPROVED
            or answer is None
            or answer.reference != name
            or answer.sighting is None
        ):
            return True
        age_ns = self._context.now_ns() - answer.sighting.made_ns
        return age_ns > self._declared.head_older_than * 1e9
