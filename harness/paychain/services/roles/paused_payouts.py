"""When an exchange begins no payout: its nodes have shown no new block for a while.

asked ─▶ how old is the last block? ─┬─ young enough: go on
                                     └─ too old, or no node says: not now

A caller who is refused knows that nothing was taken, and no payout begins that could only wait.
"""

from __future__ import annotations

from collections.abc import Mapping

from paychain.model.crypto import Pauses
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall
from paychain.services.roles.ledger_looks import LedgerLooks


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
        self._looks = LedgerLooks(
            context, calls["scan"], what="head", currency=currency, network=network
        )

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
        answer = await self._looks.look(parent)
        if answer is None or answer.sighting is None:
            return True
        age_ns = self._context.now_ns() - answer.sighting.made_ns
        return age_ns > self._declared.head_older_than * 1e9
