"""Adyen's Python library meets the mock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.adyen_further import FURTHER
from tests.support.adyen_scenarios import DIALECT, SCENARIOS, AdyenClient, Failed, Shop, judge
from tests.support.sdk_results import rows_of
from tests.support.vendor_links import VendorLinks, vendor_links

Adyen = pytest.importorskip("Adyen")
requests = pytest.importorskip("requests")


_STATUSES = {
    **dict.fromkeys(("payments", "details", "stored", "session result"), 200),
    **dict.fromkeys(("show link", "expire link"), 200),
    **dict.fromkeys(("card details", "payment methods"), 200),
    **dict.fromkeys(("recurring details", "disable recurring"), 200),
    "forget": 204,
}


class PythonClient:
    language = "python"
    sdk = f"Adyen {Adyen.settings.LIB_VERSION}"
    sends_anything = True
    sends_on_503 = 1

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        client = Adyen.Adyen(xapikey="test", platform="test", http_timeout=timeout_s)
        payments = client.checkout.payments_api
        modifications = client.checkout.modifications_api
        stored, links = client.checkout.recurring_api, client.checkout.payment_links_api
        for api in (payments, modifications, stored, links):
            api.baseUrl = f"{url}/v72"
        recurring = client.recurring.recurring_api
        recurring.baseUrl = f"{url}/pal/servlet/Recurring/v68"
        self._calls: dict[str, Any] = {
            "payments": payments.payments,
            "details": payments.payments_details,
            "capture": modifications.capture_authorised_payment,
            "cancel": modifications.cancel_authorised_payment_by_psp_reference,
            "cancel by reference": modifications.cancel_authorised_payment,
            "refund": modifications.refund_captured_payment,
            "reverse": modifications.refund_or_cancel_payment,
            "store": stored.stored_payment_methods,
            "session": payments.sessions,
            "link": links.payment_links,
            "expire link": links.update_payment_link,
            "card details": payments.card_details,
            "payment methods": payments.payment_methods,
            "recurring details": recurring.list_recurring_details,
            "disable recurring": recurring.disable,
        }
        # These have no body.
        self._reads: dict[str, Any] = {
            "stored": stored.get_tokens_for_stored_payment_details,
            "forget": stored.delete_token_for_stored_payment_details,
            "session result": payments.get_result_of_payment_session,
            "show link": links.get_payment_link,
        }

    def ask(
        self, operation: str, body: dict[str, Any], psp: str = "", key: str = ""
    ) -> dict[str, Any]:
        named = (psp,) if psp else ()
        try:
            if operation in self._reads:
                answer = self._reads[operation](*named, query_parameters=body)
            else:
                answer = self._calls[operation](body, *named, idempotency_key=key or None)
        except Adyen.exceptions.AdyenAPIResponseError as error:
            headers = {name.lower(): value for name, value in error.headers.items()}
            name = type(error).__name__
            raise Failed(name, error.status_code, error.error_code or "", headers) from error
        except requests.exceptions.RequestException as error:
            raise Failed(f"requests.{type(error).__name__}", 0, "", {}) from error
        assert answer.status_code == _STATUSES.get(operation, 201)
        message: dict[str, Any] = answer.message
        return message

    def is_genuine(self, item: dict[str, Any], key: str) -> bool:
        return bool(Adyen.util.is_valid_hmac_notification(item, key))


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("adyen"))
def test_the_python_library_of_adyen(name: str, links: VendorLinks) -> None:
    client: AdyenClient = PythonClient(links.url)
    judge(name, ALL[name], Shop(links, client))


def test_a_caller_that_waits_no_longer_gets_its_answer_by_the_same_key(links: VendorLinks) -> None:
    shop = Shop(links, PythonClient(links.url, timeout_s=0.3))
    links.inject("lost_answer")
    with pytest.raises(Failed, match="ReadTimeout"):
        shop.pay(key=shop.order)
    links.heal("lost_answer")
    assert shop.pay(key=shop.order)["resultCode"] == "Authorised"
    assert shop.booked("authorised") == [1000]
