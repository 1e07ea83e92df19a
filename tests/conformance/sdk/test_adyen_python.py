"""Adyen's Python library meets the mock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.adyen_links import payment as body_of
from tests.support.adyen_scenarios import DIALECT, SCENARIOS, AdyenClient, Failed, Shop, judge
from tests.support.vendor_links import VendorLinks, payment, vendor_links

Adyen = pytest.importorskip("Adyen")
requests = pytest.importorskip("requests")


class PythonClient:
    language = "python"
    sdk = f"Adyen {Adyen.settings.LIB_VERSION}"
    sends_anything = True
    sends_on_503 = 1

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        client = Adyen.Adyen(xapikey="test", platform="test", http_timeout=timeout_s)
        payments = client.checkout.payments_api
        modifications = client.checkout.modifications_api
        payments.baseUrl = modifications.baseUrl = f"{url}/v72"
        self._calls = {
            "payments": payments.payments,
            "details": payments.payments_details,
            "capture": modifications.capture_authorised_payment,
            "cancel": modifications.cancel_authorised_payment_by_psp_reference,
            "cancel by reference": modifications.cancel_authorised_payment,
            "refund": modifications.refund_captured_payment,
            "reverse": modifications.refund_or_cancel_payment,
        }

    def ask(
        self, operation: str, body: dict[str, Any], psp: str = "", key: str = ""
    ) -> dict[str, Any]:
        named = (psp,) if psp else ()
        try:
            answer = self._calls[operation](body, *named, idempotency_key=key or None)
        except Adyen.exceptions.AdyenAPIResponseError as error:
            headers = {name.lower(): value for name, value in error.headers.items()}
            name = type(error).__name__
            raise Failed(name, error.status_code, error.error_code or "", headers) from error
        except requests.exceptions.RequestException as error:
            raise Failed(f"requests.{type(error).__name__}", 0, "", {}) from error
        assert answer.status_code == (200 if operation in ("payments", "details") else 201)
        message: dict[str, Any] = answer.message
        return message

    def is_genuine(self, item: dict[str, Any], key: str) -> bool:
        return bool(Adyen.util.is_valid_hmac_notification(item, key))


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_python_library_of_adyen(name: str, links: VendorLinks) -> None:
    client: AdyenClient = PythonClient(links.url)
    judge(name, Shop(links, client))


def test_a_caller_that_waits_no_longer_gets_its_answer_by_the_same_key(links: VendorLinks) -> None:
    shop = Shop(links, PythonClient(links.url, timeout_s=0.3))
    links.inject("lost_answer")
    with pytest.raises(Failed, match="ReadTimeout"):
        shop.pay(key=shop.order)
    links.heal("lost_answer")
    assert shop.pay(key=shop.order)["resultCode"] == "Authorised"
    assert shop.booked("authorised") == [1000]


def test_the_python_library_stores_a_card_pays_with_it_and_forgets_it(links: VendorLinks) -> None:
    client = Adyen.Adyen(xapikey="test", platform="test", http_timeout=10.0)
    payments, stored = client.checkout.payments_api, client.checkout.recurring_api
    payments.baseUrl = stored.baseUrl = f"{links.url}/v72"
    shopper = {"merchantAccount": "ShopEU", "shopperReference": "ada"}
    body = {
        **body_of(payment(9_001)),
        "shopperReference": "ada",
        "storePaymentMethod": True,
        "recurringProcessingModel": "CardOnFile",
    }
    first = payments.payments(body).message["additionalData"]
    token = first["tokenization.storedPaymentMethodId"]
    listed = stored.get_tokens_for_stored_payment_details(query_parameters=shopper).message
    assert [each["id"] for each in listed["storedPaymentMethods"]] == [token]
    again = {
        **body_of(payment(9_002)),
        "shopperReference": "ada",
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "CardOnFile",
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": token},
    }
    assert payments.payments(again).message["resultCode"] == "Authorised"
    gone = stored.delete_token_for_stored_payment_details(token, query_parameters=shopper)
    assert gone.status_code == 204
    with pytest.raises(Adyen.exceptions.AdyenAPIUnprocessableEntity) as refused:
        payments.payments({**again, "reference": payment(9_003)})
    assert refused.value.error_code == "800"
