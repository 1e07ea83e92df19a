"""A third party that a page asks before or beside a payment: captcha, login, flags, support."""

from __future__ import annotations

from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.role import Role, Work


class Service(Role):
    """Says yes to all but its declared share of declines (a captcha that was not solved, say)."""

    def operations(self) -> dict[str, Work]:
        """Serves under each name that a call to it has."""
        return dict.fromkeys(self.asked_as("serve"), self._serve)

    async def _serve(self, request: PaymentRequest, parent: str) -> Answer:
        code = self.declines(request)
        return self.approve(request) if code is None else self.decline(code)
