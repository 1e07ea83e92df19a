"""Cardholder authentication (3-D Secure): frictionless, challenge, attempted, unavailable, failed.

Which outcome means what for the payment: docs/domain.md §1.2. What a gateway does when
authentication is unavailable is its call's fallback: none is fail-closed, `retry` is once more,
`exempt` an exemption (also by the outage flag), `skip` is to send without (ECI 07), `decline`
another method.
"""

from __future__ import annotations

import asyncio

from paychain.payments.chance import log_normal
from paychain.payments.codes import AUTHENTICATION_REQUIRED, ISSUER_INOPERATIVE
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.role import Role, Work


class Authentication(Role):
    """The directory server and the issuer's access control server together."""

    def operations(self) -> dict[str, Work]:
        """Authenticates cardholders."""
        return {"authenticate": self._authenticate}

    async def _authenticate(self, request: PaymentRequest, parent: str) -> Answer:
        code = self.declines(request)
        if code is not None:
            return self.decline(code)
        match self._outcome(request):
            case "unavailable":
                return self._ended("unavailable", Outcome.DECLINED, ISSUER_INOPERATIVE)
            case "failed":
                return self._ended("failed", Outcome.DECLINED, AUTHENTICATION_REQUIRED)
            case "challenge":
                return await self._challenge(request)
            case passed:
                return self._ended(passed, Outcome.APPROVED, "00")

    def _outcome(self, request: PaymentRequest) -> str:
        """Drawn once per payment: on a retry it is the same cardholder."""
        declared = self.link.outcomes
        chance = self.context.draw("3ds", request.payment)
        if declared is not None:
            for outcome in ("unavailable", "failed", "challenge", "attempted"):
                share: float = getattr(declared, outcome)
                if chance < share:
                    return outcome if not self._steps_up(request, outcome) else "challenge"
                chance -= share
        return "challenge" if request.wants_challenge else "frictionless"

    def _steps_up(self, request: PaymentRequest, outcome: str) -> bool:
        """An issuer that was only attempted is challenged when that was not enough."""
        return request.wants_challenge and outcome == "attempted"

    async def _challenge(self, request: PaymentRequest) -> Answer:
        declared = self.link.challenge
        took = self.context.draw("challenge", request.payment)
        await asyncio.sleep(log_normal(took, declared.answers_in.median, declared.answers_in.p99))
        if self.drawn("challenge-fails", request, declared.fails):
            return self._ended("failed", Outcome.DECLINED, AUTHENTICATION_REQUIRED)
        return self._ended("challenge", Outcome.APPROVED, "00")

    def _ended(self, three_ds: str, outcome: Outcome, code: str) -> Answer:
        return Answer(outcome, code, self.name, three_ds=three_ds)
