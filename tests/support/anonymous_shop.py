"""A shop that shows its provider whose request it is in one way only, and logs what was right.

`SHOP_SHOWS`: trace, reference, key, amount (nothing but card and amount) or object (its captures
name the provider's object alone). Each payment writes a line `PAYMENT INTENT` to its output.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

PSP = urlsplit(os.environ["PSP"]).netloc
SHOWS = os.environ["SHOP_SHOWS"]
pools = threading.local()


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(200, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        order = asked["order"]
        named = order if SHOWS in ("reference", "object") else str(uuid.uuid4())
        fields = {
            "amount": asked["amount"],
            "currency": "eur",
            "confirm": "true",
            "capture_method": "manual" if SHOWS == "object" else "automatic",
            "payment_method": asked["card"],
            "payment_method_types[0]": "card",
            "metadata[order]": named,
        }
        key = f"order-{order}" if SHOWS == "key" else str(uuid.uuid4())
        trace = self.headers["traceparent"] if SHOWS == "trace" else ""
        intent = ask("/v1/payment_intents", fields, key, trace)
        if intent.get("status") == "requires_capture":
            intent = ask(f"/v1/payment_intents/{intent['id']}/capture", {}, str(uuid.uuid4()), "")
        if intent.get("status") != "succeeded":
            self.answer(402, {"state": "refused"})
            return
        # In one piece: what several threads print at once is torn between its arguments.
        print(f"{order} {intent['id']}\n", end="", flush=True)
        self.answer(200, {"state": "paid"})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def ask(path: str, fields: dict[str, Any], key: str, trace: str) -> dict[str, Any]:
    headers = {
        "authorization": "Bearer sk_test_shop",
        "content-type": "application/x-www-form-urlencoded",
        "idempotency-key": key,
        **({"traceparent": trace} if trace else {}),
    }
    connection = http.client.HTTPConnection(PSP, timeout=10)
    connection.request("POST", path, urlencode(fields), headers)
    response = connection.getresponse()
    answer: dict[str, Any] = json.loads(response.read())
    connection.close()
    return answer


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    _Server((os.environ["HOST"], int(os.environ["PORT"])), Shop).serve_forever()
