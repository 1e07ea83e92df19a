"""Nonces: made of a card in the vault, to be authenticated again, and what one shows of itself.

A nonce that is made here names its token and can be paid with more than once (Braintree's cannot).
Source: `PaymentMethodNonceGateway` and `ThreeDSecureInfo` of `braintree` (python 4.48.0); what a
nonce for testing shows is deduced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from paychain.payments.instrument import Instrument
from paychain.protocol.dialects.braintree.account import Account, nonce_of, token_in
from paychain.protocol.dialects.braintree.errors import Invalid, NotFound, document
from paychain.protocol.dialects.braintree.objects import authentication_shown, card_type
from paychain.protocol.dialects.braintree.sales import instrument_of
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse


async def create(call: VendorCall, account: Account, token: str) -> HttpResponse:
    """`POST /payment_methods/{token}/nonces`."""
    kept = account.vault.cards.get(token)
    if kept is None:
        raise NotFound
    await execute_nothing(call)
    account.vault.created += 1
    nonce = nonce_of(token, account.vault.created)
    return document(201, "payment_method_nonce", _shown(nonce, kept.instrument))


async def show(call: VendorCall, account: Account, nonce: str) -> HttpResponse:
    """`GET /payment_method_nonces/{nonce}`: whether its cardholder was authenticated."""
    kept = account.vault.cards.get(token_in(nonce))
    is_authenticated = False
    if kept is not None:
        instrument: Instrument = kept.instrument
    else:
        try:
            instrument, _, _, is_authenticated = instrument_of({"payment_method_nonce": nonce}, {})
        except Invalid:
            raise NotFound from None
    await execute_nothing(call)
    shown = _shown(nonce, instrument, is_authenticated=is_authenticated)
    return document(200, "payment_method_nonce", shown)


HANDLERS: dict[str, Callable[..., Awaitable[HttpResponse]]] = {
    "POST payment_methods/{token}/nonces": create,
    "GET payment_method_nonces/{nonce}": show,
}


def _shown(nonce: str, card: Instrument, *, is_authenticated: bool = False) -> dict[str, Any]:
    digits = card.identity
    return {
        "nonce": nonce,
        "type": "CreditCard",
        "consumed": False,
        "default": False,
        "description": f"ending in {digits[-2:]}",
        "details": {
            "bin": digits[:6],
            "card_type": card_type(card),
            "last_two": digits[-2:],
            "last_four": digits[-4:],
            "expiration_month": "12",
            "expiration_year": "2030",
        },
        "three_d_secure_info": authentication_shown() if is_authenticated else None,
        "authentication_insight": None,
    }
