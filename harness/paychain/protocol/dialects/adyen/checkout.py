"""What a front end asks for before it pays: `/paymentMethods` and `/sessions`. No money moves."""

from __future__ import annotations

from typing import Any

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dates import iso_utc
from paychain.protocol.dialects.adyen import bodies
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_ids import UPPER, encode
from paychain.wire.http import HttpResponse, json_response

SESSION_S = 3600  # how long a session can be paid, as at Adyen by default
_USED = frozenset({"amount", "merchantAccount", "reference", "returnUrl", "metadata"})


async def payment_methods(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /paymentMethods`."""
    body = bodies.read(call.http.body, "PaymentMethodsRequest")
    bodies.account(body, account.merchant)
    account.ignored.note(call, body, _USED)
    await account.execute_nothing(call, _about_nothing(call, account, body), is_keyed=True)
    brands = ["visa", "mc", "amex", "discover"]
    methods = [{"brands": brands, "name": "Cards", "type": "scheme"}]
    return json_response(200, {"paymentMethods": methods})


async def sessions(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /sessions`: a payment that the front end makes by itself, which nobody does here."""
    body = bodies.read(call.http.body, "CreateCheckoutSessionRequest")
    merchant = bodies.account(body, account.merchant)
    amount = bodies.money(body)
    reference = bodies.text(body, "reference", "no_reference")
    return_url = bodies.text(body, "returnUrl", "no_return_url")
    account.ignored.note(call, body, _USED)
    await account.execute_nothing(call, _about_nothing(call, account, body), is_keyed=True)
    expires_s = account.backend.now_s() + SESSION_S
    name = f"{account.backend.now_s()}-{reference}".encode("ascii", "replace").decode()[:40]
    shown: dict[str, Any] = {
        "amount": amount.shown(),
        "expiresAt": iso_utc(expires_s),
        "id": f"CS{encode(name, UPPER)}",
        "merchantAccount": merchant,
        "mode": body.get("mode", "embedded"),
        "reference": reference,
        "returnUrl": return_url,
        "sessionData": f"Ab02b4c0!{encode(name, UPPER)}",
    }
    return json_response(201, shown)


def _about_nothing(call: VendorCall, account: Account, body: dict[str, Any]) -> PaymentRequest:
    """A request for the payment that a body may name, which asks for nothing of it."""
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
