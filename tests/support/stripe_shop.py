"""A shop that pays with Stripe's own Python SDK."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vendor_links import VendorLinks, payment

stripe = pytest.importorskip("stripe")
stripe.enable_telemetry = False  # it would leave a file in the home directory
_numbers = iter(range(1, 10_000))


class Shop:
    """A client, and payments that are the test's own."""

    def __init__(self, links: VendorLinks, retries: int = 0) -> None:
        self.links = links
        self.order = payment(next(_numbers))
        self.client = stripe.StripeClient(
            "sk_test_paychain", base_addresses={"api": links.url}, max_network_retries=retries
        )
        self.intents = self.client.v1.payment_intents
        self.refunds = self.client.v1.refunds

    def pay(
        self, amount: int = 1000, method: str = "pm_card_visa", key: str = "", **more: Any
    ) -> Any:
        params = {
            "amount": amount,
            "currency": "eur",
            "payment_method": method,
            "confirm": True,
            "metadata": {"order": self.order},
            **more,
        }
        return self.intents.create(params, {"idempotency_key": key} if key else None)

    def booked(self, kind: str) -> list[int]:
        """Amounts of the order that the issuer has booked."""
        self.links.settle()
        return [
            amount
            for what, reference, amount in self.links.booked()
            if what == kind and reference.startswith(self.order)
        ]

    def requests(self) -> int:
        """Requests of the order at the mock."""
        return sum(hop.payment == self.order for hop in self.links.hops())
