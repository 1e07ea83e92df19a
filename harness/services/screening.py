"""Links that say yes or no before any money moves: fraud screening and authentication."""

from __future__ import annotations

from harness.services.message import Answer, PaymentRequest
from harness.services.role import Role, Work


class Screening(Role):
    """Approves all but its declared share of business declines; holds no money, keeps no book."""

    async def _decide(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        code = self.declines(request)
        return self.approve(request) if code is None else self.decline(code)


class Fraud(Screening):
    """Fraud screening."""

    def operations(self) -> dict[str, Work]:
        """Screens payments."""
        return {"screen": self._decide}


class Authentication(Screening):
    """Cardholder authentication (3-D Secure), frictionless."""

    def operations(self) -> dict[str, Work]:
        """Authenticates cardholders."""
        return {"authenticate": self._decide}
