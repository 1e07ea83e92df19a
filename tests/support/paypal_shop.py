"""A shop that pays with PayPal's own Python SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.vendor_links import VendorLinks, payment, vendor_links

sdk = pytest.importorskip("paypalserversdk.paypal_serversdk_client")
auth = pytest.importorskip("paypalserversdk.http.auth.o_auth_2")
configuration = pytest.importorskip("paypalserversdk.configuration")
raised = pytest.importorskip("paypalserversdk.exceptions.error_exception")
ErrorException = raised.ErrorException
CARD = {"number": "4012888888881881", "expiry": "2030-03", "security_code": "123"}
WHOLE = "return=representation"
_numbers = iter(range(1, 10_000))


class Shop:
    """A client of the SDK, and an order that is the test's own."""

    def __init__(self, links: VendorLinks) -> None:
        self.links = links
        self.order = payment(next(_numbers))
        self._keys = 0
        credentials = auth.ClientCredentialsAuthCredentials("client", "secret")
        self.client = sdk.PaypalServersdkClient(client_credentials_auth_credentials=credentials)
        self.orders, self.payments = self.client.orders, self.client.payments

    def key(self) -> str:
        self._keys += 1
        return f"{self.order}-{self._keys}"

    def create(
        self,
        intent: str = "CAPTURE",
        value: str = "10.00",
        source: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        unit = {
            "amount": {"currency_code": "EUR", "value": value},
            "custom_id": self.order,
            "invoice_id": f"inv-{self.order}",
        }
        body: dict[str, Any] = {"intent": intent, "purchase_units": [unit]}
        if source is not None:
            body["payment_source"] = source
        options.setdefault("paypal_request_id", self.key())
        return self.orders.create_order({"body": body, "prefer": WHOLE, **options})

    def charge(self, intent: str = "CAPTURE", value: str = "10.00", **options: Any) -> Any:
        """The order that a card pays at once."""
        return self.create(intent, value, {"card": CARD}, **options).body

    def authorised(self, value: str = "10.00") -> Any:
        return paid(self.charge("AUTHORIZE", value)).authorizations[0]

    def captured(self, value: str = "10.00") -> Any:
        return paid(self.charge(value=value)).captures[0]

    def capture(self, name: str, value: str = "", **more: Any) -> Any:
        body = {**more, **({"amount": money(value)} if value else {})}
        asked = {"authorization_id": name, "prefer": WHOLE, "body": body}
        return self.payments.capture_authorized_payment(
            {**asked, "paypal_request_id": self.key()}
        ).body

    def refund(self, name: str, value: str = "", key: str = "") -> Any:
        asked = {"capture_id": name, "prefer": WHOLE, "paypal_request_id": key or self.key()}
        if value:
            asked["body"] = {"amount": money(value)}
        return self.payments.refund_captured_payment(asked)

    def booked(self, kind: str) -> list[int]:
        self.links.settle()
        return [
            amount
            for what, reference, amount in self.links.booked()
            if what == kind and reference.startswith(self.order)
        ]

    def requests(self) -> int:
        return sum(hop.payment == self.order for hop in self.links.hops())


def money(value: str) -> dict[str, str]:
    return {"currency_code": "EUR", "value": value}


def paid(order: Any) -> Any:
    return order.purchase_units[0].payments


def issue_of(work: Callable[[], Any], status: int = 422) -> str:
    """The issue of the SDK's exception."""
    with pytest.raises(ErrorException) as caught:
        work()
    assert caught.value.response_code == status
    return str(caught.value.details[0].issue)


@contextmanager
def paypal_links() -> Iterator[VendorLinks]:
    """A chain whose link the SDK takes for PayPal."""
    environment = configuration.Environment.SANDBOX
    servers = configuration.Configuration.environments[environment]
    real = dict(servers)
    with vendor_links("paypal") as running:
        servers[configuration.Server.DEFAULT] = running.url
        try:
            yield running
        finally:
            servers.update(real)
