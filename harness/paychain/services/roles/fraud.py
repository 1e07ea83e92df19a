"""Screening for fraud or sanctions: says yes or no before any money moves."""

from __future__ import annotations

from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.role import Role, Work


class Fraud(Role):
    """Approves all but its declared share of business declines; holds no money, keeps no book."""

    def operations(self) -> dict[str, Work]:
        """Screens payments under each name that a call to it has."""
        return dict.fromkeys(self.asked_as("screen"), self._decide)

    async def _decide(self, request: PaymentRequest, parent: str) -> Answer:
        code = self.declines(request)
        return self.approve(request) if code is None else self.decline(code)
