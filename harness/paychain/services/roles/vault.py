"""A vault: keeps card data, and gives a token in its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.role import Role, Work


@dataclass
class Vault(Role):
    """Tokenises cards: the same card has the same token for as long as the vault lives."""

    _tokens: dict[str, str] = field(default_factory=dict, init=False)  # by card

    def operations(self) -> dict[str, Work]:
        """Tokenises."""
        return {"tokenise": self._tokenise}

    async def _tokenise(self, request: PaymentRequest, parent: str) -> Answer:
        code = self.declines(request)
        if code is not None:
            return self.decline(code)
        answer = self.approve(request)
        card = request.instrument.identity
        answer.reference = self._tokens.setdefault(card, f"{self.name}-{len(self._tokens) + 1}")
        return answer
