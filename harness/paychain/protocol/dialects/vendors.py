"""The payment providers whose API a mock link can speak. A new one is one package and one line."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

from paychain.protocol.vendor import VendorApi

# Whose API cannot be asked what became of a payment.
WITHOUT_QUERY = frozenset({"adyen"})


class _Vendors(MutableMapping[str, type[VendorApi]]):
    """The vendors' APIs by name. Each is imported when it is first looked up.

    Together they would be a fifth of what a command has to import, and a chain speaks one or two.
    """

    def __init__(self, **classes: str) -> None:
        """`classes`: in the package of that name beside this module."""
        self._known: dict[str, str | type[VendorApi]] = dict(classes)

    def __getitem__(self, name: str) -> type[VendorApi]:
        known = self._known[name]
        if isinstance(known, str):
            package = import_module(f"{__package__}.{name}")
            known = self._known[name] = getattr(package, known)
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


VENDORS = _Vendors(
    adyen="Adyen",
    braintree="Braintree",
    checkout="Checkout",
    paypal="PayPal",
    square="Square",
    stripe="Stripe",
)
