"""A small shop of a user: a process that takes orders and asks a payment provider.

It needs the standard library only, and speaks our own JSON: customers pay it with `POST /pay`, and
it asks each address in `PROVIDERS` (separated by spaces) with `POST /authorise` until an answer
comes. `POST /orders` does the same for a shop's own JSON. What it does wrong is switched on by
variables, so that a test can declare it under `env`:

    SHOP_TIMEOUT_S   how long it waits for a provider
    SHOP_STARTS_IN_S how long it takes until it listens
    SHOP_DIES_AFTER  the number of payments after which it ends with exit code 7
    SHOP_LOGS_CARDS  it writes the number of each card to its log
    SHOP_CHILD       it runs as a child of a wrapper, as under npm, and the wrapper waits
    SHOP_IGNORES     it ignores SIGTERM
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TIMEOUT_S = float(os.environ.get("SHOP_TIMEOUT_S", "2"))
DIES_AFTER = int(os.environ.get("SHOP_DIES_AFTER", "0"))
_paid = itertools.count(1)
_events: list[dict[str, object]] = []


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {"up": True})
        elif self.path == "/events":
            self._answer(200, {"events": _events})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        asked = json.loads(body)
        if self.path.startswith("/webhooks/"):
            _events.append({"path": self.path, "signature": asked.get("signature", "")})
            self._answer(204, None)
            return
        number = next(_paid)
        if DIES_AFTER and number > DIES_AFTER:
            print(f"the pool is empty after {DIES_AFTER} payments", flush=True)
            os._exit(7)
        if os.environ.get("SHOP_LOGS_CARDS") and "instrument" in asked:
            print(f"paying with {asked['instrument']['number']}", flush=True)
        answer = _authorise(asked)
        if self.path != "/orders":
            self._answer(200, answer)
        elif answer["outcome"] == "approved":
            self._answer(201, {"state": "paid", "charged": answer.get("amount_minor")})
        else:
            self._answer(402, {"state": "refused", "reason": answer.get("code", "")})

    def _answer(self, status: int, value: object) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _authorise(asked: dict[str, object]) -> dict[str, object]:
    """Ask one provider after the other, each under a reference of its own."""
    for attempt, url in enumerate(os.environ["PROVIDERS"].split(), start=1):
        reference = f"{asked['payment']}-{attempt}"
        request = {**asked, "attempt": attempt, "reference": reference, "key": reference}
        answer = _ask(url, request)
        if answer is not None:
            return answer
    return {"outcome": "declined", "code": "91"}


def _ask(url: str, request: dict[str, object]) -> dict[str, object] | None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/authorise", json.dumps(request))
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return json.loads(body) if response.status == 200 else None


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    if os.environ.get("SHOP_CHILD"):
        child = {name: value for name, value in os.environ.items() if name != "SHOP_CHILD"}
        # It waits for its child, as npm does. What is ignored, the child would ignore as well.
        signal.signal(signal.SIGTERM, lambda *_: None)
        subprocess.run([sys.executable, __file__], env=child, check=False)
        return
    if os.environ.get("SHOP_IGNORES"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(os.environ.get("SHOP_STARTS_IN_S", "0")))
    server = _Server((os.environ["HOST"], int(os.environ["PORT"])), Shop)
    print(f"shop {os.getpid()} listens on {os.environ['PORT']}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
