"""Whose API a mock link can speak: payment providers, nodes. A new one is a package and a line."""

from __future__ import annotations

from collections import ChainMap

from paychain.protocol.dialects.adyen import Adyen
from paychain.protocol.dialects.braintree import Braintree
from paychain.protocol.dialects.checkout import Checkout
from paychain.protocol.dialects.json_rpc import JsonRpc
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
NODES: dict[str, type[VendorApi]] = {"json-rpc": JsonRpc}
APIS = ChainMap(VENDORS, NODES)  # all of them
