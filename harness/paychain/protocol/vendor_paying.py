"""Which payment a request that pays is for."""

from __future__ import annotations

from msgspec.structs import replace

from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall


def attributed(
    call: VendorCall, request: PaymentRequest, *, texts: tuple[str, ...], key: str
) -> PaymentRequest:
    """The request with the payment, the attempt and the reference that it is attributed to.

    `texts`: what the merchant wrote about it (reference, metadata, description). `key`: its
    idempotency key, "" when it has none.
    """
    found = call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=texts,
            key=key,
            instrument=request.instrument,
            amount_minor=request.amount_minor,
            currency=request.currency,
        )
    )
    return replace(request, payment=found.payment, attempt=found.attempt, reference=found.reference)
