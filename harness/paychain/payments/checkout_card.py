"""What a checkout asks of a test card beside its number: expiry, security code, holder, token.

Expiry and security code are those that Adyen publishes for its test cards (03/2030, 737, amex
7373); Stripe takes any.
Source: https://docs.adyen.com/development-resources/test-cards-and-credentials
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from paychain.payments.cards import Card

EXPIRY_MONTH, EXPIRY_YEAR = "03", "2030"
HOLDER = "Test Customer"
_CVC, _AMEX_CVC = "737", "7373"
_NONE: Mapping[str, str] = MappingProxyType({})


class CheckoutCard(msgspec.Struct, frozen=True):
    """A card as a customer types it into a checkout."""

    number: str
    scheme: str
    token: str
    cvc: str
    expiry_month: str = EXPIRY_MONTH
    expiry_year: str = EXPIRY_YEAR
    holder: str = HOLDER


def token_of(card: Card) -> str:
    """What stands for a card without its number: `tok_visa_4242`. Every mock provider knows it."""
    return f"tok_{card.scheme}_{card.number[-4:]}"


def checkout_card(card: Card, tokens: Mapping[str, str] = _NONE) -> CheckoutCard:
    """A test card with all of its data. `tokens`: by number or by scheme, in place of ours."""
    token = tokens.get(card.number) or tokens.get(card.scheme) or token_of(card)
    cvc = _AMEX_CVC if card.scheme == "amex" else _CVC
    return CheckoutCard(card.number, card.scheme, token, cvc)
