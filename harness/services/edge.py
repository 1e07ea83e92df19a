"""Edge: forwards the customer's request, and answers 502 or 504 when what is behind it fails."""

from __future__ import annotations

from harness.payments.outcome import HopResult
from harness.services.message import Answer, PaymentRequest
from harness.services.role import Role, Work
from harness.wire.http import HttpResponse

BAD_GATEWAY = 502
GATEWAY_TIMEOUT = 504


class Edge(Role):
    """A CDN, WAF or load balancer in front of the chain; it knows nothing of payments."""

    def operations(self) -> dict[str, Work]:
        """Forwards whatever the customer asks."""
        return {"pay": self._forward, "forward": self._forward}

    async def _forward(self, request: PaymentRequest, parent: str) -> Answer | HttpResponse:
        end = await self.calls["forward"].execute(request, parent)
        if end.reply.answer is not None:
            return end.reply.answer
        if end.reply.result is HopResult.HTTP_ERROR:
            return HttpResponse(int(end.reply.code))
        timed_out = end.reply.result is HopResult.TIMEOUT
        return HttpResponse(GATEWAY_TIMEOUT if timed_out else BAD_GATEWAY)
