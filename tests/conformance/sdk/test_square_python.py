"""Square's Python SDK meets the mock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.sdk_results import rows_of
from tests.support.square_further import FURTHER
from tests.support.square_scenarios import DIALECT, SCENARIOS, VENDOR, Shop
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Failed, judge

square = pytest.importorskip("square")
httpx = pytest.importorskip("httpx")
from square.core import http_client  # noqa: E402  (once the package is there)
from square.core.api_error import ApiError  # noqa: E402  (once the package is there)
from square.utils.webhooks_helper import verify_signature  # noqa: E402  (once the package is there)
from square.version import __version__  # noqa: E402  (once the package is there)

ONCE: dict[str, Any] = {"max_retries": 0}


class PythonClient:
    language = "python"
    sdk = f"squareup {__version__}"
    sends_anything = True

    def __init__(self, url: str) -> None:
        client = square.Square(base_url=url, token="test")
        payments, refunds = client.payments, client.refunds
        self._calls: dict[str, Callable[..., Any]] = {
            "pay": lambda body, _name: payments.create(**_sent(body, ONCE)),
            "pay with retries": lambda body, _name: payments.create(**_sent(body, {})),
            "complete": lambda _body, name: payments.complete(name, request_options=ONCE),
            "cancel": lambda _body, name: payments.cancel(name, request_options=ONCE),
            "cancel by key": lambda body, _name: payments.cancel_by_idempotency_key(**body),
            "update": lambda body, name: payments.update(name, **body),
            "details": lambda _body, name: payments.get(name),
            "list": lambda body, _name: list(payments.list(**body)),
            "list refunds": lambda body, _name: list(refunds.list(**body)),
            "refund": lambda body, _name: refunds.refund_payment(**body),
            "refund details": lambda _body, name: refunds.get(name),
            **_of_customers(client),
        }

    def ask(
        self, operation: str, body: dict[str, Any] | None = None, name: str = "", key: str = ""
    ) -> Any:
        assert not key, "Square's keys are in the body"
        try:
            return _plain(self._calls[operation](body or {}, name))
        except ApiError as error:
            codes = [each.code for each in error.errors]
            raise Failed(type(error).__name__, error.status_code or 0, codes) from error
        except httpx.HTTPError as error:
            raise Failed(f"httpx.{type(error).__name__}", 0, []) from error

    def is_genuine(self, body: str, signature: str, key: str, url: str) -> bool:
        return bool(
            verify_signature(
                request_body=body,
                signature_header=signature,
                signature_key=key,
                notification_url=url,
            )
        )


def _of_customers(client: Any) -> dict[str, Callable[..., Any]]:
    """Operations about customers, their cards, and the links that they pay by."""
    customers, cards, links = client.customers, client.cards, client.checkout.payment_links
    return {
        "create customer": lambda body, _name: customers.create(**body),
        "update customer": lambda body, name: customers.update(name, **body),
        "customer": lambda _body, name: customers.get(name),
        "search customers": lambda body, _name: customers.search(**body),
        "delete customer": lambda _body, name: customers.delete(name),
        "list customers": lambda body, _name: list(customers.list(**body)),
        "create card": lambda body, _name: cards.create(**body),
        "list cards": lambda body, _name: list(cards.list(**body)),
        "disable card": lambda _body, name: cards.disable(name),
        "create link": lambda body, _name: links.create(**body),
        "link": lambda _body, name: links.get(name),
        "list links": lambda body, _name: list(links.list(**body)),
        "delete link": lambda _body, name: links.delete(name),
        "order": lambda _body, name: client.orders.get(name),
        "create order": lambda body, _name: client.orders.create(**body),
        "pay order": lambda body, name: client.orders.pay(name, **body),
        "search orders": lambda body, _name: client.orders.search(**body),
        "locations": lambda _body, _name: client.locations.list(),
    }


def _sent(body: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a payment: what the SDK does not know goes by its way for such fields."""
    known = {name: value for name, value in body.items() if name != "colour"}
    if "colour" in body:
        options = {**options, "additional_body_parameters": {"colour": body["colour"]}}
    return {**known, "request_options": options}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump(exclude_none=True, by_alias=True)


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("square"))
def test_the_python_sdk_of_square(
    name: str, links: VendorLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long it waits between its tries is of no interest here, only that it tries.
    monkeypatch.setattr(http_client, "INITIAL_RETRY_DELAY_SECONDS", 0.01)
    judge(VENDOR, name, ALL[name], Shop(links, PythonClient(links.url)))
