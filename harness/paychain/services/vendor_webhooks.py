"""The webhooks of a link that speaks a vendor's API, in the vendor's own shape."""

from __future__ import annotations

from msgspec.structs import replace

from paychain.payments.outcome import HopResult
from paychain.protocol.message import Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.vendor_front import VendorFront
from paychain.wire.http import HttpRequest, HttpResponse


class VendorWebhooks:
    """How the webhooks of a vendor's link are made and read: a dialect, as far as they need one."""

    def __init__(self, front: VendorFront, path: str) -> None:
        """`path`: where their receiver takes them; signing needs none."""
        self._front = front
        self._path = path

    def sign(self, event: Event, secret: str) -> Event:
        """The vendor signs the bytes: the secret goes along to where they are made."""
        return replace(event, signature=secret)

    def ask(self, operation: str, request: PaymentRequest) -> HttpRequest:
        """The bytes that report an event."""
        assert operation == "notify"
        assert isinstance(request, Event)
        # A sender whose clock is behind signs with its own time.
        signed_s = (self._front.context.wall_epoch_ns + request.at_ns) // 1_000_000_000
        return self._front.api.webhook(request, self._path, request.signature, signed_s)

    def classify(self, response: HttpResponse) -> Reply:
        """Any 2xx acknowledges a webhook; the vendor sends it again after anything else."""
        if 200 <= response.status < 300:
            return Reply(HopResult.APPROVED, str(response.status))
        return Reply(HopResult.HTTP_ERROR, str(response.status))
