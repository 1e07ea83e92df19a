"""Whose API a mock link can speak: payment providers, nodes. A new one is a package and a line."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

from paychain.protocol.vendor import VendorApi

# Vendors whose API has no query for the outcome of a payment.
WITHOUT_QUERY = frozenset({"adyen"})


class _Apis(MutableMapping[str, type[VendorApi]]):
    """APIs by name. Each is imported when it is first looked up.

    Together they would be a fifth of what a command has to import, and a chain speaks one or two.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        """`classes`: `package.Class`, of a package beside this module."""
        self._known: dict[str, str | type[VendorApi]] = dict(classes)

    def __getitem__(self, name: str) -> type[VendorApi]:
        known = self._known[name]
        if isinstance(known, str):
            package, _, api = known.partition(".")
            known = self._known[name] = getattr(import_module(f"{__package__}.{package}"), api)
        return known

    def __setitem__(self, name: str, api: type[VendorApi]) -> None:
        self._known[name] = api

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known


VENDORS = _Apis(
    {
        "adyen": "adyen.Adyen",
        "braintree": "braintree.Braintree",
        "checkout": "checkout.Checkout",
        "paypal": "paypal.PayPal",
        "square": "square.Square",
        "stripe": "stripe.Stripe",
    }
)
NODES = _Apis({"json-rpc": "json_rpc.JsonRpc"})
APIS = ChainMap[str, type[VendorApi]](VENDORS, NODES)  # all of them
