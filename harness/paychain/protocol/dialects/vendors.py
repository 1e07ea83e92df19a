"""The payment providers whose API a mock link can speak. A new one is one package and one line."""

from __future__ import annotations

from paychain.protocol.dialects.adyen import Adyen
from paychain.protocol.dialects.braintree import Braintree
from paychain.protocol.dialects.checkout import Checkout
from paychain.protocol.dialects.paypal import PayPal
from paychain.protocol.dialects.square import Square
from paychain.protocol.dialects.stripe import Stripe
from paychain.protocol.vendor import VendorApi

# Whose API cannot be asked what became of a payment.
WITHOUT_QUERY = frozenset({"adyen"})

VENDORS: dict[str, type[VendorApi]] = {
    "adyen": Adyen,
    "braintree": Braintree,
    "checkout": Checkout,
    "paypal": PayPal,
    "square": Square,
    "stripe": Stripe,
}
