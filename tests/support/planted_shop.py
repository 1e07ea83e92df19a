"""A user's shop with bugs: it pays at a Stripe mock, with the standard library alone.

Each bug affects payments of its own: the n-th bug those whose number leaves n when divided by the
number of bugs. Each is named after the money rule that finds it.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

BUGS = (
    "",
    "paid_orders_have_money",
    "money_has_its_order",
    "paid_orders_have_the_amount",
    "no_order_lost_with_its_webhook",
    "no_forged_webhook_acted_on",
    "one_key_for_one_payment",
    "no_charge_after_a_decline",
)
PSP = urlsplit(os.environ.get("PSP", "")).netloc
SECRET = os.environ.get("PSP_SECRET", "")
orders: dict[str, dict[str, Any]] = {}


def bug_of(payment: str) -> str:
    """The bug that affects a payment: by its number, behind the run's tag of five characters."""
    return BUGS[int(payment[5:12]) % len(BUGS)]


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path == "/health":
            self.answer(200, {})
        else:
            self.answer(200 if name in orders else 404, orders.get(name, {}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.path.startswith("/webhooks/"):
            self.answer(self.webhook(body), {})
        else:
            self.answer(*pay(json.loads(body)))

    def webhook(self, body: bytes) -> int:
        event = json.loads(body)
        found = re.search(r"p[0-9a-z]{4}\d{7}", body.decode())
        payment = found[0] if found else ""
        bug = bug_of(payment) if payment else ""
        if bug == "no_order_lost_with_its_webhook":
            return 500
        is_ours = is_signed(self.headers.get("stripe-signature", ""), body)
        if not is_ours and bug != "no_forged_webhook_acted_on":
            return 400
        is_lost = bug in (
            "money_has_its_order",
            "no_charge_after_a_decline",
        )  # it looks for the order under another id
        if event["type"] == "payment_intent.succeeded" and payment in orders and not is_lost:
            orders[payment]["state"] = "paid"
        return 200

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def is_signed(header: str, body: bytes) -> bool:
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    signed = f"{parts.get('t', '')}.".encode() + body
    right = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, parts.get("v1", ""))


def pay(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    payment, amount, bug = asked["order"], asked["amount"], bug_of(asked["order"])
    order = orders[payment] = {"state": "new", "charged": amount}
    if bug == "paid_orders_have_money":
        order["state"] = "paid"
        return 500, {"error": "the page broke after the order was stored"}
    key = payment
    if bug == "one_key_for_one_payment":
        key = f"basket-{int(payment[5:12]) // (2 * len(BUGS))}"
    # Who waits for no answer learns what came of it from the webhook alone.
    waits_s = 0.001 if bug == "no_forged_webhook_acted_on" else 3.0
    status = charge(payment, amount, asked["card"], key, waits_s)
    if bug in ("no_forged_webhook_acted_on", "no_order_lost_with_its_webhook"):
        return 202, {"state": "pending"}
    if status != 200 or bug == "no_charge_after_a_decline":
        return 402, {"state": "refused"}
    if bug != "money_has_its_order":
        order["state"] = "paid"
    if bug == "paid_orders_have_the_amount":
        order["charged"] = amount + 100
    return 200, {"state": "paid", "charged": amount}


def charge(payment: str, amount: int, card: str, key: str, waits_s: float) -> int:
    fields = {
        "amount": amount,
        "currency": "eur",
        "confirm": "true",
        "payment_method": card,
        "payment_method_types[0]": "card",
        "metadata[order]": payment,
    }
    headers = {
        "authorization": "Bearer sk_test_shop",
        "content-type": "application/x-www-form-urlencoded",
        "idempotency-key": key,
    }
    connection = http.client.HTTPConnection(PSP, timeout=waits_s)
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/v1/payment_intents", urlencode(fields), headers)
        status = connection.getresponse().status
        connection.close()
        return status
    connection.close()
    return 0


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    server = _Server((os.environ["HOST"], int(os.environ["PORT"])), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()
