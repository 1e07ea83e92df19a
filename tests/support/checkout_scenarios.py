"""What is asked of the mock that speaks Checkout.com, whichever of its SDKs asks it."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import urllib.request
from typing import Any

import pytest

from tests.support.vendor_shop import Failed, NotOffered, Scenarios
from tests.support.vendor_shop import Shop as AnyShop

VENDOR = "checkout"
DIALECT = "{checkout: {test_amounts: simulate}}"
SECRET_KEY = "sk_sbox_m73dzbpy7cf3gfd46xr4yj5xo4e"


class Shop(AnyShop):
    """Payments with a card."""

    def other(self) -> Shop:
        return Shop(self.links, self.client)

    def asked(self, amount: int = 1000, **more: Any) -> dict[str, Any]:
        return {
            "source": {
                "type": "card",
                "number": "4242424242424242",
                "expiry_month": 12,
                "expiry_year": 2099,
                "cvv": "100",
            },
            "amount": amount,
            "currency": "EUR",
            "capture": False,
            "reference": self.order,
            **more,
        }

    def pay(self, amount: int = 1000, key: str = "", **more: Any) -> dict[str, Any]:
        paid: dict[str, Any] = self.client.ask("pay", self.asked(amount, **more), key=key)
        return paid

    def act(
        self, what: str, name: str, amount: int | None = None, key: str = "", **more: Any
    ) -> dict[str, Any]:
        """Capture, void, refund or reverse; what is taken is reported by its own webhook."""
        body = dict(more) if amount is None else {"amount": amount, **more}
        taken: dict[str, Any] = self.client.ask(what, body, name, key)
        own = taken["action_id"]
        reported = self.event(lambda event: bool(event["data"]["action_id"] == own))
        assert reported["type"] == _REPORTED[what]
        return taken

    def status(self, name: str) -> str:
        return str(self.client.ask("details", name=name)["status"])


_REPORTED = {
    "capture": "payment_captured",
    "refund": "payment_refunded",
    "void": "payment_voided",
}
SCENARIOS = Scenarios()


@SCENARIOS.add("authorise")
def authorise(shop: Shop) -> str:
    held = shop.pay()
    assert (held["approved"], held["status"]) == (True, "Authorized")
    assert (held["response_code"], held["reference"]) == ("10000", shop.order)
    assert held["source"]["last4"] == "4242"
    sale = shop.pay(700, capture=True, source={"type": "token", "token": "tok_mastercard_4444"})
    assert sale["source"]["scheme"] == "Mastercard"
    assert shop.status(sale["id"]) == "Captured"
    assert shop.booked("authorised") == [1000, 700]
    assert shop.booked("captured") == [700]
    return "201 Authorized; captured at once unless capture is false"


@SCENARIOS.add("decline")
def decline(shop: Shop) -> str:
    for amount, code in ((10_005, "20005"), (10_051, "20051"), (10_014, "20014")):
        declined = shop.pay(amount)
        assert (declined["approved"], declined["status"]) == (False, "Declined")
        assert declined["response_code"] == code
        name = declined["id"]
        reported = shop.event(lambda event, name=name: bool(event["data"]["id"] == name))
        assert (reported["type"], reported["data"]["response_code"]) == ("payment_declined", code)
        assert shop.status(name) == "Declined"
    assert shop.booked("authorised") == []
    return "201 with approved false and its response_code; payment_declined"


@SCENARIOS.add("authentication")
def authentication(shop: Shop) -> str:
    asked = {"3ds": {"enabled": True}}
    pending = shop.pay(**asked)
    assert pending["status"] == "Pending"
    assert shop.status(pending["id"]) == "Pending"
    with urllib.request.urlopen(pending["_links"]["redirect"]["href"], timeout=5.0) as page:
        session = page.read().decode().partition("=")[2]
    assert session.startswith("sid_")
    done = shop.client.ask("details", name=session)
    assert (done["id"], done["status"]) == (pending["id"], "Authorized")
    assert shop.booked("authorised") == [1000]
    failing = shop.other()
    failed = failing.pay(**asked)
    url = f"{failed['_links']['redirect']['href']}?outcome=failed"
    urllib.request.urlopen(url, timeout=5.0).close()
    assert failing.status(failed["id"]) == "Declined"
    assert failing.booked("authorised") == []
    return "202 Pending with a redirect; read back by cko-session-id as Authorized"


@SCENARIOS.add("capture in parts")
def capture_in_parts(shop: Shop) -> str:
    name = shop.pay()["id"]
    shop.act("capture", name, 400, capture_type="NonFinal")
    assert shop.status(name) == "Partially Captured"
    with pytest.raises(Failed) as caught:
        shop.act("capture", name, 601)
    assert (caught.value.status, caught.value.codes) == (
        422,
        ["capture_value_greater_than_remaining_authorized"],
    )
    shop.act("capture", name, 300)
    with pytest.raises(Failed) as over:
        shop.act("capture", name, 1)
    assert over.value.status == 403
    assert shop.booked("captured") == [400, 300]
    assert shop.booked("voided") == [300]
    shown = shop.client.ask("actions", name=name)
    assert [(each["type"], each["amount"]) for each in shown] == [
        ("Capture", 300),
        ("Capture", 400),
        ("Authorization", 1000),
    ]
    return "202; NonFinal, then Final, which releases the rest; too much is 422 at once"


@SCENARIOS.add("void")
def void(shop: Shop) -> str:
    name = shop.pay()["id"]
    shop.act("void", name)
    assert shop.status(name) == "Voided"
    with pytest.raises(Failed) as caught:
        shop.act("capture", name, 1000)
    assert (caught.value.status, caught.value.codes) == (403, [])
    assert shop.booked("voided") == [1000]
    other = shop.other()
    held = other.pay()
    taken = shop.client.ask("reverse", {}, held["id"])
    assert taken["action_id"].startswith("act_")
    assert other.booked("voided") == [1000]
    with pytest.raises(Failed) as unknown:
        shop.act("void", "pay_y3oqhf46pyzuxjbcn2giaqnb44")
    assert unknown.value.status == 404
    return "202 and payment_voided; a reversal voids what is not captured"


@SCENARIOS.add("refund")
def refund(shop: Shop) -> str:
    name = shop.pay(capture=True)["id"]
    shop.act("refund", name, 300)
    assert shop.status(name) == "Partially Refunded"
    with pytest.raises(Failed) as caught:
        shop.act("refund", name, 701)
    assert caught.value.codes == ["refund_amount_exceeds_balance"]
    shop.client.ask("reverse", {}, name)
    assert shop.status(name) == "Refunded"
    with pytest.raises(Failed) as over:
        shop.act("refund", name, 1)
    assert over.value.status == 403
    assert shop.booked("refunded") == [300, 700]
    return "202 and payment_refunded; a reversal refunds the rest"


@SCENARIOS.add("query")
def query(shop: Shop) -> str:
    name = shop.pay()["id"]
    shown = shop.client.ask("details", name=name)
    assert (shown["status"], shown["amount"]) == ("Authorized", 1000)
    assert shown["balances"]["available_to_capture"] == 1000
    listed = shop.client.ask("list", {"reference": shop.order})
    assert [each["id"] for each in listed["data"]] == [name]
    assert shop.client.ask("list", {"reference": "unknown"})["data"] == []
    return "by id, and by the merchant's reference"


@SCENARIOS.add("repeat")
def repeat(shop: Shop) -> str:
    first = shop.pay(key=f"{shop.order}-1")
    assert shop.pay(key=f"{shop.order}-1") == first
    capture = shop.act("capture", first["id"], 600, key=f"{shop.order}-2", capture_type="NonFinal")
    again = shop.act("capture", first["id"], 600, key=f"{shop.order}-2", capture_type="NonFinal")
    assert again == capture
    assert shop.booked("authorised") == [1000]
    assert shop.booked("captured") == [600]
    return "the same payment and action"


@SCENARIOS.add("mismatch")
def mismatch(shop: Shop) -> str:
    first = shop.pay(key=shop.order)
    assert shop.pay(999, key=shop.order) == first
    assert shop.booked("authorised") == [1000]
    raise NotOffered("bodies are not compared: the same key brings the first payment")


@SCENARIOS.add("in flight")
def in_flight(shop: Shop) -> str:
    shop.links.inject("slow_answer", link="issuer", delay="500ms")
    first = threading.Thread(target=shop.pay, kwargs={"key": shop.order})
    first.start()
    time.sleep(0.2)
    with pytest.raises(Failed) as caught:
        shop.pay(key=shop.order)
    first.join()
    assert (caught.value.status, caught.value.codes) == (429, ["duplicate_request"])
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name} 429, duplicate_request"


@SCENARIOS.add("http 503")
def http_503(shop: Shop) -> str:
    shop.links.inject("http_error", status=503)
    with pytest.raises(Failed) as caught:
        shop.pay(key=shop.order)
    assert caught.value.status == 503
    assert shop.requests() == 1
    shop.links.heal("http_error")
    assert shop.pay(key=shop.order)["approved"]
    assert shop.booked("authorised") == [1000]
    # Only a 2xx is kept for a key: after a 500 that came after the work, it is done once more.
    twice = shop.other()
    shop.links.inject("http_error", status=500, after_work=True)
    with pytest.raises(Failed) as internal:
        twice.pay(key=twice.order)
    assert (internal.value.status, internal.value.codes) == (500, ["internal_error"])
    shop.links.heal("http_error")
    again = twice.pay(key=twice.order)
    assert twice.status(again["id"]) == "Authorized"
    assert twice.booked("authorised") == [1000, 1000]
    return f"{caught.value.name}; tries once; the key is executed again and may hold money twice"


@SCENARIOS.add("rate limit")
def rate_limit(shop: Shop) -> str:
    shop.links.inject("rate_limit", rate="6/min")
    with pytest.raises(Failed) as caught:
        for _ in range(4):
            shop.pay()
    assert (caught.value.status, caught.value.codes) == (429, ["api_calls_quota_exceeded"])
    return f"{caught.value.name} 429"


@SCENARIOS.add("cut connection")
def cut_connection(shop: Shop) -> str:
    first = shop.other().pay(key=f"{shop.order}-warm")  # a connection that is kept open
    assert first["approved"]
    shop.links.cut_next()
    with pytest.raises(Failed) as caught:
        shop.pay(key=shop.order)
    assert caught.value.status == 0
    assert shop.requests() == 1
    assert shop.pay(key=shop.order)["approved"]
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name}, not retried; the same key brings the stored answer"


@SCENARIOS.add("unknown parameter")
def unknown_parameter(shop: Shop) -> str:
    body = shop.asked()
    del body["source"]["expiry_month"]
    with pytest.raises(Failed) as missing:
        shop.client.ask("pay", body)
    assert (missing.value.status, missing.value.codes) == (422, ["card_expiry_month_required"])
    body = shop.asked()
    body["source"]["number"] = "4242424242424241"
    with pytest.raises(Failed) as number:
        shop.client.ask("pay", body)
    assert number.value.codes == ["card_number_invalid"]
    assert shop.pay(colour="red", payment_ip="192.0.2.1")["approved"]
    ignored = {each.detail for each in shop.links.decisions() if each.kind == "parameter_ignored"}
    assert {"colour", "payment_ip"} <= ignored
    return "unknown fields are ignored; a missing one is 422 card_expiry_month_required"


@SCENARIOS.add("webhook")
def webhook(shop: Shop) -> str:
    name = shop.pay()["id"]
    shop.act("capture", name, 1000)
    own = [
        (http, event)
        for http, event in zip(shop.links.received, shop.events(), strict=False)
        if event["data"]["id"] == name
    ]
    types = {event["type"] for _, event in own}
    assert types == {"payment_approved", "payment_captured"}
    secret = shop.links.secret().encode()
    for http, _ in own:
        signed = hmac.digest(secret, http.body, hashlib.sha256).hex()
        assert http.headers["cko-signature"] == signed
        assert signed != hmac.digest(secret, http.body + b" ", hashlib.sha256).hex()
    return "the SDK has no check; Cko-Signature is HMAC-SHA256 of the body in hex digits"
