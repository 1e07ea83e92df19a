"""Checkout.com's Python SDK meets the mock."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.checkout_further import FURTHER
from tests.support.checkout_scenarios import DIALECT, SCENARIOS, SECRET_KEY, VENDOR, Shop
from tests.support.sdk_results import rows_of
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Failed, judge

checkout_sdk = pytest.importorskip("checkout_sdk")
requests = pytest.importorskip("requests")
from checkout_sdk.environment import Environment  # noqa: E402  (once the package is there)
from checkout_sdk.exception import CheckoutApiException, CheckoutException  # noqa: E402  (once the package is there)
from checkout_sdk.properties import VERSION  # noqa: E402  (once the package is there)


class PythonClient:
    language = "python"
    sdk = f"checkout-sdk {VERSION}"

    def __init__(self, url: str) -> None:
        urls = dict.fromkeys(
            (
                "base_uri",
                "authorization_uri",
                "files_uri",
                "transfers_uri",
                "balances_uri",
                "forward_uri",
                "identity_uri",
            ),
            f"{url}/",
        )
        builder = checkout_sdk.CheckoutSdk.builder().secret_key(SECRET_KEY)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the only way to another base URL is deprecated
            builder = builder.environment(Environment(**urls, is_sandbox=True))
            api = builder.use_legacy_domain().build()
        payments = api.payments
        self._calls: dict[str, Callable[..., Any]] = {
            "pay": lambda body, _name, key: payments.request_payment(body, key),
            "capture": lambda body, name, key: payments.capture_payment(name, body, key),
            "void": lambda body, name, key: payments.void_payment(name, body, key),
            "refund": lambda body, name, key: payments.refund_payment(name, body, key),
            "reverse": lambda body, name, key: payments.reverse_payment(name, body, key),
            "details": lambda _body, name, _key: payments.get_payment_details(name),
            "actions": lambda _body, name, _key: payments.get_payment_actions(name),
            "list": lambda body, _name, _key: payments.get_payments_list(body),
            **_of_customers(api),
        }

    def ask(
        self, operation: str, body: dict[str, Any] | None = None, name: str = "", key: str = ""
    ) -> Any:
        try:
            return _plain(self._calls[operation](body, name, key or None))
        except CheckoutApiException as error:
            status = error.http_metadata.status_code
            raise Failed(type(error).__name__, status, error.error_details or []) from error
        except requests.exceptions.JSONDecodeError as error:
            raise Failed("requests.JSONDecodeError", 0, []) from error
        except CheckoutException as error:
            raise Failed(type(error).__name__, 0, []) from error


def _of_customers(api: Any) -> dict[str, Callable[..., Any]]:
    """Operations about customers, their cards, and the pages where they pay."""
    customers, instruments, pages = api.customers, api.instruments, api.hosted_payments
    links, sessions = api.payments_links, api.payment_sessions
    return {
        "create customer": lambda body, _name, _key: customers.create(body),
        "update customer": lambda body, name, _key: customers.update(name, body),
        "customer": lambda _body, name, _key: customers.get(name),
        "delete customer": lambda _body, name, _key: customers.delete(name),
        "create instrument": lambda body, _name, _key: instruments.create(body),
        "update instrument": lambda body, name, _key: instruments.update(name, body),
        "instrument": lambda _body, name, _key: instruments.get(name),
        "delete instrument": lambda _body, name, _key: instruments.delete(name),
        "create page": lambda body, _name, _key: pages.create_hosted_payments_page_session(body),
        "page": lambda _body, name, _key: pages.get_hosted_payments_page_details(name),
        "create link": lambda body, _name, _key: links.create_payment_link(body),
        "link": lambda _body, name, _key: links.get_payment_link(name),
        "create session": lambda body, _name, _key: sessions.create_payment_sessions(body),
        "submit session": lambda body, name, _key: sessions.submit_payment_session(name, body),
        "session with payment": lambda body, _name, _key: (
            sessions.create_payment_session_with_payment(body)
        ),
    }


def _plain(value: Any) -> Any:
    """The SDK's wrapper of an answer as the values that it wraps."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not hasattr(value, "__dict__"):
        return value
    shown = {name: _plain(item) for name, item in vars(value).items() if name != "http_metadata"}
    return shown["items"] if list(shown) == ["items"] else shown


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("checkout"))
def test_the_python_sdk_of_checkout(name: str, links: VendorLinks) -> None:
    judge(VENDOR, name, ALL[name], Shop(links, PythonClient(links.url)))
