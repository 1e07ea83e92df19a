"""What a front end requests before a payment: `/paymentMethods`. No money moves."""

from __future__ import annotations

from typing import Any

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.adyen import bodies, stored
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

_USED = frozenset(
    {"amount", "merchantAccount", "reference", "returnUrl", "metadata", "shopperReference"}
)


async def payment_methods(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /paymentMethods`."""
    body = bodies.read(call.http.body, "PaymentMethodsRequest")
    bodies.account(body, account.merchant)
    account.ignored.note(call, body, _USED)
    await execute_nothing(call, about_nothing(call, account, body), is_keyed=True)
    brands = ["visa", "mc", "amex", "discover"]
    methods = [{"brands": brands, "name": "Cards", "type": "scheme"}]
    shown: dict[str, Any] = {"paymentMethods": methods}
    if cards := stored.of_shopper(account, str(body.get("shopperReference") or "")):
        shown["storedPaymentMethods"] = [stored.shown_of(card) for card in cards]
    return json_response(200, shown)


def about_nothing(call: VendorCall, account: Account, body: dict[str, Any]) -> PaymentRequest:
    """A request attributed to the payment that a body may name, on which it has no effect."""
    found = call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=(str(body.get("reference", "")), *bodies.texts(body.get("metadata"))),
            key=account.key(call.http),
            makes_attempt=False,
        )
    )
    return PaymentRequest(
        found.payment,
        0,
        "EUR",
        TEST_CARDS[0],
        attempt=found.attempt,
        reference=found.reference if found.payment else "",
    )
