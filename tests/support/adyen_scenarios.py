"""What is asked of the mock that speaks Adyen, whichever of Adyen's libraries asks it.

A library is driven through an `AdyenClient`; its own exceptions and checks are the assertions.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from tests.support.sdk_results import FAILED, NOT_OFFERED, PASSED, Cell, Column, keep
from tests.support.vendor_shop import Failed as AnyFailed
from tests.support.vendor_shop import Scenarios
from tests.support.vendor_shop import Shop as AnyShop

MERCHANT = "ShopEU"
DIALECT = f"{{adyen: {{merchant: {MERCHANT}, capture: manual}}}}"
FAULTS = ("http_error", "lost_answer", "malformed", "rate_limit", "slow_answer")


class Failed(AnyFailed):
    """What a library raised: the name of its exception, and what that says."""

    def __init__(self, name: str, status: int, code: str, headers: dict[str, str]) -> None:
        super().__init__(name, status, [code])
        self.code = code
        self.headers = headers


class AdyenClient(Protocol):
    """One of Adyen's libraries. Not `sends_anything`: it drops what its models do not know.

    `sends_on_503`: how often it sends one request that is answered with 503 or 429.
    """

    language: str
    sdk: str
    sends_anything: bool
    sends_on_503: int

    def ask(
        self, operation: str, body: dict[str, Any], psp: str = "", key: str = ""
    ) -> dict[str, Any]:
        """The answer to a request. Raises Failed."""

    def is_genuine(self, item: dict[str, Any], key: str) -> bool:
        """Whether the library takes the signature of a notification item for right."""


class Shop(AnyShop):
    """Payments with a card."""

    client: AdyenClient

    def other(self) -> Shop:
        """Another order of the same shop."""
        return Shop(self.links, self.client)

    def asked(self, amount: int = 1000, **more: Any) -> dict[str, Any]:
        """The body of a payment."""
        return {
            "amount": {"value": amount, "currency": "EUR"},
            "merchantAccount": MERCHANT,
            "reference": self.order,
            "returnUrl": "https://shop.example/return",
            "paymentMethod": {
                "type": "scheme",
                "encryptedCardNumber": "test_4111111111111111",
                "encryptedExpiryMonth": "test_03",
                "encryptedExpiryYear": "test_2030",
                "encryptedSecurityCode": "test_737",
                "holderName": "John Smith",
            },
            **more,
        }

    def pay(self, amount: int = 1000, key: str = "", **more: Any) -> dict[str, Any]:
        return self.client.ask("payments", self.asked(amount, **more), key=key)

    def details(self, **details: Any) -> dict[str, Any]:
        return self.client.ask("details", details)

    def modify(
        self, what: str, psp: str, amount: int | None = None, key: str = ""
    ) -> dict[str, Any]:
        """Capture, cancel, refund or reverse; what it answers while the outcome is not known."""
        body: dict[str, Any] = {"merchantAccount": MERCHANT}
        if amount is not None:
            body["amount"] = {"value": amount, "currency": "EUR"}
        message = self.client.ask(what, body, psp, key)
        assert message["status"] == "received"
        return message

    def outcome(self, message: dict[str, Any], code: str) -> bool:
        """Whether what was received was done: what the webhook says."""
        own = message["pspReference"]
        until_s = time.monotonic() + 10.0
        while time.monotonic() < until_s:
            for item in self.notified():
                if (item["pspReference"], item["eventCode"]) == (own, code):
                    return bool(item["success"] == "true")
            time.sleep(0.005)
        raise AssertionError(f"no {code} of {own}")

    def notified(self) -> list[dict[str, Any]]:
        """The notification items that came to the shop."""
        return [
            each["NotificationRequestItem"]
            for http in self.links.received
            for each in json.loads(http.body)["notificationItems"]
        ]


SCENARIOS = Scenarios()


@SCENARIOS.add("authorise")
def authorise(shop: Shop) -> str:
    held = shop.pay()
    assert (held["resultCode"], held["merchantReference"]) == ("Authorised", shop.order)
    assert len(held["pspReference"]) == 16
    assert held["additionalData"]["cardSummary"] == "1111"
    method = {"type": "scheme", "storedPaymentMethodId": "tok_mastercard_4444"}
    sale = shop.pay(700, captureDelayHours=0, paymentMethod=method)
    assert sale["paymentMethod"] == {"brand": "mc", "type": "scheme"}
    assert shop.booked("authorised") == [1000, 700]
    assert shop.booked("captured") == [700]
    return "Authorised; captured at once with captureDelayHours 0"


@SCENARIOS.add("decline")
def decline(shop: Shop) -> str:
    for holder, result, reason, code in (
        ("DECLINED", "Refused", "Refused", "2"),
        ("NOT_ENOUGH_BALANCE", "Refused", "Not enough balance", "12"),
        ("CARD_EXPIRED", "Refused", "Expired Card", "6"),
        ("ERROR", "Error", "Acquirer Error", "4"),
    ):
        body = shop.asked()
        body["paymentMethod"]["holderName"] = holder
        refused = shop.client.ask("payments", body)
        assert refused["resultCode"] == result
        assert (refused["refusalReason"], refused["refusalReasonCode"]) == (reason, code)
        assert not shop.outcome(refused, "AUTHORISATION")
    assert shop.booked("authorised") == []
    return "HTTP 200 with resultCode Refused or Error; AUTHORISATION with success false"


@SCENARIOS.add("authentication")
def authentication(shop: Shop) -> str:
    asked = {
        "attemptAuthentication": "always",
        "threeDSRequestData": {"nativeThreeDS": "preferred"},
    }
    first = shop.pay(authenticationData=asked)
    assert first["resultCode"] == "IdentifyShopper"
    fingerprint = base64.b64encode(b'{"threeDSCompInd":"Y"}').decode()
    second = shop.details(
        details={"threeds2.fingerprint": fingerprint}, paymentData=first["action"]["paymentData"]
    )
    assert second["resultCode"] == "ChallengeShopper"
    outcome = {"transStatus": "Y", "authorisationToken": second["action"]["authorisationToken"]}
    result = base64.b64encode(json.dumps(outcome).encode()).decode()
    third = shop.details(details={"threeDSResult": result})
    assert third["resultCode"] == "Authorised"
    assert shop.booked("authorised") == [1000]
    redirected = shop.other()
    sent = redirected.pay(additionalData={"executeThreeD": "true"})
    assert sent["resultCode"] == "RedirectShopper"
    back = sent["action"]["url"].partition("redirectResult=")[2]
    done = redirected.details(details={"redirectResult": back})
    assert (done["resultCode"], done["pspReference"]) == ("Authorised", sent["pspReference"])
    return "IdentifyShopper, ChallengeShopper, Authorised; RedirectShopper, Authorised"


@SCENARIOS.add("capture in parts")
def capture_in_parts(shop: Shop) -> str:
    psp = shop.pay()["pspReference"]
    assert shop.outcome(shop.modify("capture", psp, 400), "CAPTURE")
    assert shop.outcome(shop.modify("capture", psp, 300), "CAPTURE")
    assert not shop.outcome(shop.modify("capture", psp, 301), "CAPTURE")
    assert shop.booked("captured") == [400, 300]
    return "received; CAPTURE per part; too much is received and fails by webhook"


@SCENARIOS.add("void")
def void(shop: Shop) -> str:
    psp = shop.pay()["pspReference"]
    assert shop.outcome(shop.modify("cancel", psp), "CANCELLATION")
    assert not shop.outcome(shop.modify("capture", psp, 1000), "CAPTURE")
    assert shop.booked("voided") == [1000]
    other = shop.other()
    other.pay()
    body = {"merchantAccount": MERCHANT, "paymentReference": other.order}
    cancelled = other.client.ask("cancel by reference", body)
    assert cancelled["paymentReference"] == other.order
    assert other.outcome(cancelled, "TECHNICAL_CANCEL")
    assert other.booked("voided") == [1000]
    with pytest.raises(Failed) as caught:
        shop.modify("cancel", "NQ3ZKH5TJ8MJ7S82")
    assert (caught.value.status, caught.value.code) == (422, "167")
    return "CANCELLATION by pspReference, TECHNICAL_CANCEL by own reference"


@SCENARIOS.add("refund")
def refund(shop: Shop) -> str:
    psp = shop.pay()["pspReference"]
    assert not shop.outcome(shop.modify("refund", psp, 100), "REFUND")
    assert shop.outcome(shop.modify("capture", psp, 1000), "CAPTURE")
    assert shop.outcome(shop.modify("refund", psp, 300), "REFUND")
    assert shop.outcome(shop.modify("reverse", psp), "CANCEL_OR_REFUND")
    assert not shop.outcome(shop.modify("refund", psp, 1), "REFUND")
    assert shop.booked("refunded") == [300, 700]
    return "REFUND; a reversal refunds the rest as CANCEL_OR_REFUND"


@SCENARIOS.add("query")
def query(shop: Shop) -> str:
    return "Checkout has no query: the same key, the webhook or /cancels clear an unknown outcome"


@SCENARIOS.add("repeat")
def repeat(shop: Shop) -> str:
    first = shop.pay(key=f"{shop.order}-1")
    assert shop.pay(key=f"{shop.order}-1") == first
    psp = first["pspReference"]
    capture = shop.modify("capture", psp, 600, key=f"{shop.order}-2")
    assert shop.modify("capture", psp, 600, key=f"{shop.order}-2") == capture
    assert shop.booked("authorised") == [1000]
    assert shop.booked("captured") == [600]
    return "the same pspReference"


@SCENARIOS.add("mismatch")
def mismatch(shop: Shop) -> str:
    shop.pay(key=shop.order)
    with pytest.raises(Failed) as caught:
        shop.pay(999, key=shop.order)
    assert (caught.value.status, caught.value.code) == (422, "704")
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name} 422, errorCode 704"


@SCENARIOS.add("in flight")
def in_flight(shop: Shop) -> str:
    shop.links.inject("slow_answer", link="issuer", delay="500ms")
    first = threading.Thread(target=shop.pay, kwargs={"key": shop.order})
    first.start()
    time.sleep(0.2)
    with pytest.raises(Failed) as caught:
        shop.pay(key=shop.order)
    first.join()
    assert (caught.value.status, caught.value.code) == (409, "704")
    assert caught.value.headers["transient-error"] == "true"
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name} 409, errorCode 704, transient-error: true"


@SCENARIOS.add("http 503")
def http_503(shop: Shop) -> str:
    shop.links.inject("http_error", status=503)
    with pytest.raises(Failed) as caught:
        shop.pay()
    assert (caught.value.status, caught.value.code) == (503, "")
    sent = shop.client.sends_on_503
    assert shop.requests() == sent
    shop.links.heal("http_error")
    shop.links.inject("http_error", status=500)
    with pytest.raises(Failed) as internal:
        shop.pay()
    assert (internal.value.status, internal.value.code) == (500, "000")
    if sent == 1:
        return f"{caught.value.name}; tries once"
    # A repeat by itself and without a key: what the first request did, the second does again.
    twice = shop.other()
    shop.links.heal("http_error")
    shop.links.inject("http_error", status=503, after_work=True)
    with pytest.raises(Failed):
        twice.pay()
    assert twice.booked("authorised") == [1000] * sent
    return f"{caught.value.name}; sends {sent} times, without a key it holds the money each time"


@SCENARIOS.add("rate limit")
def rate_limit(shop: Shop) -> str:
    shop.links.inject("rate_limit", rate="6/min")
    with pytest.raises(Failed) as caught:
        for _ in range(4):
            shop.pay()
    assert caught.value.status == 429
    return f"{caught.value.name} 429"


@SCENARIOS.add("cut connection")
def cut_connection(shop: Shop) -> str:
    shop.links.cut_next()
    with pytest.raises(Failed) as caught:
        shop.pay(key=shop.order)
    assert caught.value.status == 0
    assert shop.requests() == 1
    assert shop.pay(key=shop.order)["resultCode"] == "Authorised"
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name}, not retried; the same key brings the stored answer"


@SCENARIOS.add("unknown parameter")
def unknown_parameter(shop: Shop) -> str:
    seen = []
    if shop.client.sends_anything:
        with pytest.raises(Failed) as unknown:
            shop.pay(colour="red")
        assert (unknown.value.status, unknown.value.code) == (400, "702")
        seen.append(f"{unknown.value.name} 702")
    body = shop.asked()
    del body["reference"]
    with pytest.raises(Failed) as missing:
        shop.client.ask("payments", body)
    assert (missing.value.status, missing.value.code) == (422, "130")
    with pytest.raises(Failed) as other:
        shop.pay(merchantAccount="SomebodyElse")
    assert (other.value.status, other.value.code) == (403, "901")
    assert shop.pay(shopperIP="192.0.2.1")["resultCode"] == "Authorised"
    ignored = {each.detail for each in shop.links.decisions() if each.kind == "parameter_ignored"}
    assert "shopperIP" in ignored
    return ", ".join([*seen, f"{missing.value.name} 130", f"{other.value.name} 901"])


@SCENARIOS.add("webhook")
def webhook(shop: Shop) -> str:
    paid = shop.pay()
    assert shop.outcome(paid, "AUTHORISATION")
    assert shop.outcome(shop.modify("capture", paid["pspReference"], 1000), "CAPTURE")
    key = shop.links.secret()
    own = [item for item in shop.notified() if item["merchantReference"] == shop.order]
    assert {item["eventCode"] for item in own} == {"AUTHORISATION", "CAPTURE"}
    assert not shop.client.is_genuine({**own[0], "success": "false"}, key)
    for item in own:
        assert shop.client.is_genuine(item, key)
        forged = {**item, "amount": {**item["amount"], "value": 1}}
        assert not shop.client.is_genuine(forged, key)
        assert not shop.client.is_genuine(item, "00" * 32)
    return "its HMAC check; another amount or key is refused"


def judge(name: str, check: Callable[[Shop], str], shop: Shop) -> None:
    """Run a scenario and keep what became of it; the links are whole again afterwards."""
    client = shop.client
    cell = Cell(scenario=name, result=FAILED)
    column = Column(vendor="adyen", language=client.language, sdk=client.sdk, cells=[cell])
    try:
        cell.detail = check(shop)
        cell.result = NOT_OFFERED if name == "query" else PASSED
    finally:
        keep(column)
        for kind in FAULTS:
            shop.links.heal(kind)
        shop.links.cut_next(0)
