"""A shop that pays with Braintree's own Python SDK."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vendor_links import VendorLinks, payment

braintree = pytest.importorskip("braintree")
_numbers = iter(range(1, 10_000))


class Shop:
    """A gateway of the SDK, and an order that is the test's own."""

    def __init__(self, links: VendorLinks, **options: Any) -> None:
        self.links = links
        self.order = payment(next(_numbers))
        environment = braintree.Environment(
            *("paychain", "127.0.0.1", str(links.port), links.url, False, None),
            *("127.0.0.1", str(links.port)),  # where its GraphQL API is
        )
        self.gateway = braintree.BraintreeGateway(
            braintree.Configuration(environment, "m", "paychain", links.secret(), **options)
        )
        self.transaction = self.gateway.transaction

    def pay(self, amount: str = "10.00", *, submit: bool = False, **more: Any) -> Any:
        return self.transaction.sale(
            {
                "amount": amount,
                "payment_method_nonce": "fake-valid-nonce",
                "order_id": self.order,
                "options": {"submit_for_settlement": submit},
                **more,
            }
        )

    def paid(self, amount: str = "10.00", **more: Any) -> Any:
        """The transaction of a sale that is approved."""
        result = self.pay(amount, **more)
        assert result.is_success, result.message
        return result.transaction

    def settled(self, amount: str = "10.00") -> Any:
        sale = self.paid(amount, submit=True)
        return self.gateway.testing.settle_transaction(sale.id).transaction

    def booked(self, kind: str) -> list[int]:
        self.links.settle()
        return [
            amount
            for what, reference, amount in self.links.booked()
            if what == kind and reference.startswith(self.order)
        ]

    def requests(self) -> int:
        return sum(hop.payment == self.order for hop in self.links.hops())


def code_of(result: Any) -> str:
    """The code of the only validation error of a result."""
    assert not result.is_success
    [error] = result.errors.deep_errors
    return str(error.code)
