"""What a front end requests before a payment: `/paymentMethods`. No money moves."""

from __future__ import annotations

from typing import Any

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.adyen import bodies, stored
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

_USED = frozenset(
    {"amount", "merchantAccount", "reference", "returnUrl", "metadata", "shopperReference"}
)
_USED_DETAILS = frozenset(
    {"merchantAccount", "cardNumber", "encryptedCardNumber", "supportedBrands"}
)
BRANDS = ["visa", "mc", "amex", "discover"]
BIN_DIGITS = 6
# How the numbers of a brand begin (ISO/IEC 7812).
_BEGINNINGS = {
    "visa": ("4",),
    "mc": ("51", "52", "53", "54", "55", *(str(each) for each in range(2221, 2721))),
    "amex": ("34", "37"),
    "discover": ("6011", "644", "645", "646", "647", "648", "649", "65"),
}


async def payment_methods(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /paymentMethods`."""
    body = bodies.read(call.http.body, "PaymentMethodsRequest")
    bodies.account(body, account.merchant)
    account.ignored.note(call, body, _USED)
    await execute_nothing(call, about_nothing(call, account, body), is_keyed=True)
    methods = [{"brands": BRANDS, "name": "Cards", "type": "scheme"}]
    shown: dict[str, Any] = {"paymentMethods": methods}
    if cards := stored.of_shopper(account, str(body.get("shopperReference") or "")):
        shown["storedPaymentMethods"] = [stored.shown_of(card) for card in cards]
    return json_response(200, shown)


async def card_details(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /cardDetails`: the brands of a card, of whose number six digits are enough.

    Raises Invalid.
    """
    body = bodies.read(call.http.body, "CardDetailsRequest")
    bodies.account(body, account.merchant)
    account.ignored.note(call, body, _USED_DETAILS)
    given = str(body.get("cardNumber") or body.get("encryptedCardNumber") or "")
    number = given.removeprefix(bodies.ENCRYPTED).replace(" ", "")
    if len(number) < BIN_DIGITS or not number.isdecimal():
        raise Invalid("card_number")
    wanted = body.get("supportedBrands") or BRANDS
    if not isinstance(wanted, list):
        raise Invalid("wrong_type", fields="supportedBrands")
    await execute_nothing(call)
    brands = [
        {"supported": brand in wanted, "type": brand}
        for brand, beginnings in _BEGINNINGS.items()
        if number.startswith(beginnings)
    ]
    shown: dict[str, Any] = {"brands": brands} if brands else {}
    return json_response(200, {**shown, "isCardCommercial": False})


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
