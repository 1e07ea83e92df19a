"""What is asked of the mock that speaks Square, whichever of its SDKs asks it."""

from __future__ import annotations

import threading
import time
from itertools import count
from typing import Any, Protocol

import pytest

from tests.support.vendor_shop import Client, Failed, NotOffered, Scenarios
from tests.support.vendor_shop import Shop as AnyShop

VENDOR = "square"
NOTIFICATION_URL = "https://shop.example/webhooks/square"
DIALECT = f"{{square: {{notification_url: {NOTIFICATION_URL}}}}}"
_keys = count(1)


class SquareClient(Client, Protocol):
    """Bodies have Square's names. `sends_anything`: it passes on what it does not know.

    Each operation tries once; "pay with retries" does what the SDK does by default.
    """

    sends_anything: bool

    def is_genuine(self, body: str, signature: str, key: str, url: str) -> bool:
        """Whether the SDK takes a webhook's signature for right."""


class Shop(AnyShop):
    """Payments with a card."""

    client: SquareClient

    def other(self) -> Shop:
        return Shop(self.links, self.client)

    def new_key(self) -> str:
        return f"{self.order}-{next(_keys)}"

    def asked(self, amount: int = 1000, key: str = "", **more: Any) -> dict[str, Any]:
        return {
            "source_id": "cnon:card-nonce-ok",
            "idempotency_key": key or self.new_key(),
            "amount_money": {"amount": amount, "currency": "USD"},
            "autocomplete": False,
            "reference_id": self.order,
            **more,
        }

    def pay(self, amount: int = 1000, key: str = "", **more: Any) -> dict[str, Any]:
        body = self.asked(amount, key, **more)
        paid: dict[str, Any] = self.client.ask("pay", body)["payment"]
        return paid

    def change(self, name: str, amount: int) -> dict[str, Any]:
        wanted = {"amount_money": {"amount": amount, "currency": "USD"}}
        body = {"idempotency_key": self.new_key(), "payment": wanted}
        changed: dict[str, Any] = self.client.ask("update", body, name)["payment"]
        return changed

    def refund(self, name: str, amount: int, key: str = "") -> dict[str, Any]:
        """A refund; it is pending until its webhook reports it."""
        body = {
            "idempotency_key": key or self.new_key(),
            "payment_id": name,
            "amount_money": {"amount": amount, "currency": "USD"},
            "reason": "returned",
        }
        made: dict[str, Any] = self.client.ask("refund", body)["refund"]
        assert made["status"] == "PENDING"
        for kind, status in (("created", "PENDING"), ("updated", "COMPLETED")):
            own = self.event(
                lambda event, kind=kind: bool(
                    event["type"] == f"refund.{kind}" and event["data"]["id"] == made["id"]
                )
            )
            assert own["data"]["object"]["refund"]["status"] == status
        return made

    def shown(self, name: str) -> dict[str, Any]:
        payment: dict[str, Any] = self.client.ask("details", name=name)["payment"]
        return payment


SCENARIOS = Scenarios()


@SCENARIOS.add("authorise")
def authorise(shop: Shop) -> str:
    held = shop.pay(tip_money={"amount": 50, "currency": "USD"})
    assert (held["status"], held["reference_id"]) == ("APPROVED", shop.order)
    assert held["total_money"] == {"amount": 1050, "currency": "USD"}
    assert held["card_details"]["status"] == "AUTHORIZED"
    sale = shop.pay(700, autocomplete=True, source_id="tok_mastercard_4444")
    assert (sale["status"], sale["card_details"]["card"]["card_brand"]) == (
        "COMPLETED",
        "MASTERCARD",
    )
    assert shop.booked("authorised") == [1050, 700]
    assert shop.booked("captured") == [700]
    return "APPROVED; COMPLETED at once unless autocomplete is false"


@SCENARIOS.add("decline")
def decline(shop: Shop) -> str:
    for source, code in (
        ("cnon:card-nonce-declined", "GENERIC_DECLINE"),
        ("cnon:card-nonce-rejected-cvv", "CVV_FAILURE"),
        ("cnon:card-nonce-rejected-postalcode", "ADDRESS_VERIFICATION_FAILURE"),
    ):
        with pytest.raises(Failed) as caught:
            shop.pay(source_id=source)
        assert (caught.value.status, caught.value.codes) == (402, [code])
    failed = shop.event(
        lambda event: event["data"]["object"].get("payment", {}).get("status") == "FAILED"
    )
    assert failed["type"] == "payment.updated"
    assert shop.shown(failed["data"]["id"])["status"] == "FAILED"
    assert shop.booked("authorised") == []
    return f"{caught.value.name} 402 with the code of the decline; the payment is FAILED"


@SCENARIOS.add("authentication")
def authentication(shop: Shop) -> str:
    assert shop.pay(verification_token="verf:1")["status"] == "APPROVED"
    raise NotOffered("Square's front end authenticates before it: the payment has its token")


@SCENARIOS.add("capture in parts")
def capture_in_parts(shop: Shop) -> str:
    name = shop.pay()["id"]
    assert shop.change(name, 700)["amount_money"]["amount"] == 700
    with pytest.raises(Failed) as caught:
        shop.change(name, 1001)
    assert caught.value.codes == ["VALUE_TOO_HIGH"]
    done = shop.client.ask("complete", name=name)["payment"]
    assert (done["status"], done["total_money"]["amount"]) == ("COMPLETED", 700)
    with pytest.raises(Failed) as again:
        shop.client.ask("complete", name=name)
    assert again.value.codes == ["DELAYED_TRANSACTION_CAPTURED"]
    assert shop.booked("captured") == [700]
    assert shop.booked("voided") == [300]
    return "one capture: UpdatePayment lowers it, and the rest is released"


@SCENARIOS.add("void")
def void(shop: Shop) -> str:
    name = shop.pay()["id"]
    assert shop.client.ask("cancel", name=name)["payment"]["status"] == "CANCELED"
    with pytest.raises(Failed) as caught:
        shop.client.ask("complete", name=name)
    assert (caught.value.status, caught.value.codes) == (400, ["DELAYED_TRANSACTION_CANCELED"])
    assert shop.booked("voided") == [1000]
    other = shop.other()
    held = other.pay(key=other.order)
    assert other.client.ask("cancel by key", {"idempotency_key": other.order}) == {}
    assert other.shown(held["id"])["status"] == "CANCELED"
    assert other.booked("voided") == [1000]
    assert other.client.ask("cancel by key", {"idempotency_key": "never came"}) == {}
    return "CANCELED, by id or by the key of the payment; an unknown key is no error"


@SCENARIOS.add("refund")
def refund(shop: Shop) -> str:
    name = shop.pay()["id"]
    with pytest.raises(Failed) as early:
        shop.refund(name, 100)
    assert early.value.codes == ["REFUND_ERROR_PAYMENT_NEEDS_COMPLETION"]
    shop.client.ask("complete", name=name)
    first = shop.refund(name, 300)
    assert shop.client.ask("refund details", name=first["id"])["refund"]["status"] == "COMPLETED"
    with pytest.raises(Failed) as over:
        shop.refund(name, 701)
    assert over.value.codes == ["REFUND_AMOUNT_INVALID"]
    second = shop.refund(name, 700)
    shown = shop.shown(name)
    assert shown["refunded_money"]["amount"] == 1000
    assert shown["refund_ids"] == [first["id"], second["id"]]
    assert shop.booked("refunded") == [300, 700]
    return "PENDING, then COMPLETED by refund.updated; too much is REFUND_AMOUNT_INVALID"


@SCENARIOS.add("query")
def query(shop: Shop) -> str:
    name = shop.pay()["id"]
    assert shop.shown(name)["status"] == "APPROVED"
    listed = shop.client.ask("list")
    assert [each["id"] for each in listed if each.get("reference_id") == shop.order] == [name]
    with pytest.raises(Failed) as caught:
        shop.shown("bP9mAsEMYPUGjjGNaNO5ZDVyLhSZY")
    assert (caught.value.status, caught.value.codes) == (404, ["NOT_FOUND"])
    return "by id, and in the list, where reference_id names the order"


@SCENARIOS.add("repeat")
def repeat(shop: Shop) -> str:
    first = shop.pay(key=f"{shop.order}-a", autocomplete=True)
    again = shop.pay(key=f"{shop.order}-a", autocomplete=True)
    assert again == first
    back = shop.refund(first["id"], 600, key=f"{shop.order}-b")
    assert shop.refund(first["id"], 600, key=f"{shop.order}-b") == back
    assert shop.booked("authorised") == [1000]
    assert shop.booked("refunded") == [600]
    return "the same payment and refund"


@SCENARIOS.add("mismatch")
def mismatch(shop: Shop) -> str:
    shop.pay(key=shop.order)
    with pytest.raises(Failed) as caught:
        shop.pay(999, key=shop.order)
    assert (caught.value.status, caught.value.codes) == (400, ["IDEMPOTENCY_KEY_REUSED"])
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name} 400, IDEMPOTENCY_KEY_REUSED"


@SCENARIOS.add("in flight")
def in_flight(shop: Shop) -> str:
    shop.links.inject("slow_answer", link="issuer", delay="500ms")
    first = threading.Thread(target=shop.pay, kwargs={"key": shop.order})
    first.start()
    time.sleep(0.2)
    with pytest.raises(Failed) as caught:
        shop.pay(key=shop.order)
    first.join()
    assert (caught.value.status, caught.value.codes) == (409, ["CONFLICT"])
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name} 409, CONFLICT"


@SCENARIOS.add("http 503")
def http_503(shop: Shop) -> str:
    shop.links.inject("http_error", status=503)
    with pytest.raises(Failed) as caught:
        shop.client.ask("pay with retries", shop.asked())
    assert (caught.value.status, caught.value.codes) == (503, ["SERVICE_UNAVAILABLE"])
    assert shop.requests() == 3
    shop.links.heal("http_error")
    # The key is in the body, so that each of its own tries has it: the money is held once.
    once = shop.other()
    shop.links.inject("http_error", status=500, after_work=True)
    with pytest.raises(Failed) as internal:
        once.pay(key=once.order)
    assert internal.value.codes == ["INTERNAL_SERVER_ERROR"]
    shop.links.heal("http_error")
    assert once.shown(once.pay(key=once.order)["id"])["status"] == "APPROVED"
    assert once.booked("authorised") == [1000]
    return f"{caught.value.name}; sends 3 times with one key, which holds the money once"


@SCENARIOS.add("rate limit")
def rate_limit(shop: Shop) -> str:
    shop.links.inject("rate_limit", rate="6/min")
    with pytest.raises(Failed) as caught:
        for _ in range(4):
            shop.pay()
    assert (caught.value.status, caught.value.codes) == (429, ["RATE_LIMITED"])
    return f"{caught.value.name} 429"


@SCENARIOS.add("cut connection")
def cut_connection(shop: Shop) -> str:
    shop.links.cut_next()
    with pytest.raises(Failed) as caught:
        shop.client.ask("pay with retries", shop.asked(key=shop.order))
    assert caught.value.status == 0
    assert shop.requests() == 1
    assert shop.pay(key=shop.order)["status"] == "APPROVED"
    assert shop.booked("authorised") == [1000]
    return f"{caught.value.name}, not retried; the same key brings the payment"


@SCENARIOS.add("unknown parameter")
def unknown_parameter(shop: Shop) -> str:
    seen = []
    if shop.client.sends_anything:
        with pytest.raises(Failed) as unknown:
            shop.pay(colour="red")
        assert (unknown.value.status, unknown.value.codes) == (400, ["UNKNOWN_BODY_PARAMETER"])
        seen.append("UNKNOWN_BODY_PARAMETER")
    with pytest.raises(Failed) as missing:
        shop.client.ask("pay", {**shop.asked(), "amount_money": None})
    assert (missing.value.status, missing.value.codes) == (400, ["MISSING_REQUIRED_PARAMETER"])
    with pytest.raises(Failed) as token:
        shop.pay(source_id="cnon:nothing")
    assert (token.value.status, token.value.codes) == (404, ["NOT_FOUND"])
    assert shop.pay(statement_description_identifier="shop")["status"] == "APPROVED"
    ignored = {each.detail for each in shop.links.decisions() if each.kind == "parameter_ignored"}
    assert "statement_description_identifier" in ignored
    return ", ".join([*seen, "MISSING_REQUIRED_PARAMETER"])


@SCENARIOS.add("webhook")
def webhook(shop: Shop) -> str:
    name = shop.pay(autocomplete=True)["id"]
    shop.links.settle()
    own = [
        http
        for http, event in zip(shop.links.received, shop.events(), strict=False)
        if event["data"]["id"] == name
    ]
    types = {event["type"] for event in shop.events() if event["data"]["id"] == name}
    assert types == {"payment.created", "payment.updated"}
    key, genuine = shop.links.secret(), shop.client.is_genuine
    for http in own:
        body, signature = http.body.decode(), http.headers["x-square-hmacsha256-signature"]
        assert genuine(body, signature, key, NOTIFICATION_URL)
        assert not genuine(body.replace("1000", "1001"), signature, key, NOTIFICATION_URL)
        assert not genuine(body, signature, "another key", NOTIFICATION_URL)
        assert not genuine(body, signature, key, "https://shop.example/elsewhere")
    return "its own check; another body, key or notification URL is refused"
