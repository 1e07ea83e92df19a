"""What the sound services of the examples do when an account denies a capture that it has done.

The account is a few lines here, so that it can say what it says at the moment that matters: the
search on mocks seldom meets it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from paychain.processes.loopback import free_port
from tests.support.fetched import CACHE, tool
from tests.support.paths import ROOT
from tests.support.waiting import settled, wait_until

SECRET = "whsec_test"
ORDER = {"order": "o-1", "amount": 9230, "currency": "EUR", "card": "pm_card_visa"}
INTENT = "pi_1"
# Where a service listens when it is told to: by HOST. Elsewhere than on Linux there is only one.
HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
SWEEPS_S = 2.0  # several: a service sweeps every 500 ms


class Account:
    """An account at Stripe that captures, answers with an error, and denies it when it is asked.

    `denials` are the states that it names then, one for each query; `on_denial` is called before
    each. The first refund is an error, stored for its key as Stripe stores it; any further one is
    done.
    """

    def __init__(
        self,
        on_denial: Callable[[], None] = lambda: None,
        denials: Sequence[str] = ("requires_payment_method",),
    ) -> None:
        self._on_denial = on_denial
        self._is_captured = False
        self.denials = list(denials)
        self._stored: set[str] = set()
        self.refund_requests = self.refunded = 0

    def answer(self, method: str, path: str, key: str) -> tuple[int, dict[str, Any]]:
        action = path.rsplit("/", 1)[-1]
        if path == "/v1/payment_intents":
            return 200, self._intent("requires_confirmation")
        if action == "confirm":
            return 200, self._intent("requires_capture")
        if action == "capture":
            self._is_captured = True
            return 500, {"error": {"type": "api_error"}}
        if action == "cancel":
            return 400, {"error": {"type": "invalid_request_error"}}
        if path == "/v1/refunds":
            return self._refund(key)
        assert (method, action) == ("GET", INTENT)
        if self._is_captured and self.denials:
            denied = self.denials.pop(0)
            self._on_denial()
            return 200, self._intent(denied)
        return 200, self._intent("succeeded" if self._is_captured else "requires_capture")

    def _refund(self, key: str) -> tuple[int, dict[str, Any]]:
        self.refund_requests += 1
        if not self._stored or key in self._stored:
            self._stored.add(key)
            return 500, {"error": {"type": "api_error"}}
        self.refunded += 1
        made = {"id": "re_1", "object": "refund", "payment_intent": INTENT, "status": "succeeded"}
        return 200, made

    @staticmethod
    def _intent(status: str) -> dict[str, Any]:
        return {
            "id": INTENT,
            "object": "payment_intent",
            "status": status,
            "amount_received": ORDER["amount"] if status == "succeeded" else 0,
            "metadata": {"order": ORDER["order"]},
        }

    def event(self) -> dict[str, Any]:
        """The webhook of the capture."""
        intent = self._intent("succeeded")
        return {
            "id": "evt_1",
            "object": "event",
            "type": "payment_intent.succeeded",
            "data": {"object": intent},
        }


@contextmanager
def answering(account: Account) -> Iterator[str]:
    """The address of the account."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            # Go sends an empty body in chunks: what ends it is a line without anything.
            while self.headers.get("transfer-encoding") and self.rfile.readline() != b"\r\n":
                pass
            key = self.headers.get("idempotency-key", "")
            status, body = account.answer(self.command, self.path.partition("?")[0], key)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def built(example: str, folder: Path) -> list[str]:
    """How to start a sound service, built in a folder."""
    shutil.copytree(ROOT / "examples" / example, folder, dirs_exist_ok=True)
    if example == "gateway-go":
        command, needed = ["go", "build", "-o", "bin/sound", "./sound"], "go"
        started = [str(folder / "bin" / "sound")]
    else:
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
        needed, started = "npm", [tool("node", f"examples/{example}"), "sound.js"]
    command[0] = tool(needed, f"examples/{example}")
    env = {**os.environ, "npm_config_cache": str(CACHE / "npm")}
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, timeout=280)
    return started


@contextmanager
def running(started: list[str], folder: Path, base: str, port: int) -> Iterator[str]:
    """The address of a sound service that pays at an account; it is killed in the end."""
    env = {
        **os.environ,
        "PORT": str(port),
        "HOST": HOST,
        **dict.fromkeys(("STRIPE_API_BASE", "BACKUP_API_BASE"), base),
        **dict.fromkeys(("STRIPE_SECRET", "BACKUP_SECRET"), SECRET),
        "SHOP_DB": str(folder / "shop.journal"),
        "GATEWAY_JOURNAL": str(folder / "gateway.journal"),
    }
    address = f"http://{HOST}:{port}"

    def is_up() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{address}/health", timeout=5).ok
        return False

    with subprocess.Popen(started, cwd=folder, env=env) as process:
        try:
            wait_until(is_up, f"{started} is up")
            yield address
        finally:
            process.kill()


def send(event: dict[str, Any], address: str) -> None:
    body = json.dumps(event)
    sent_s = int(time.time())
    proof = hmac.new(SECRET.encode(), f"{sent_s}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"stripe-signature": f"t={sent_s},v1={proof}", "content-type": "application/json"}
    answer = requests.post(f"{address}/webhooks/stripe", body, headers=headers, timeout=5)
    assert answer.ok, answer.text


def report_after_two_denials(account: Account, address: str) -> None:
    """An order is refused by then, and its intent is taken for cancelled."""
    requests.post(f"{address}/orders", json=ORDER, timeout=10)
    wait_until(lambda: not account.denials, "the capture is denied twice")
    assert settled(lambda: account.refund_requests, SWEEPS_S) == 0  # nobody knows of it
    send(account.event(), address)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", ["shop-node", "gateway-go"])
def test_what_was_captured_and_denied_is_given_back_although_an_error_is_stored_for_the_refund(
    example: str, tmp_path: Path
) -> None:
    account = Account()
    started = built(example, tmp_path)
    with answering(account) as base, running(started, tmp_path, base, free_port()) as address:
        requests.post(f"{address}/orders", json=ORDER, timeout=10)
        wait_until(lambda: account.refunded, "the capture is given back")
        assert requests.get(f"{address}/orders/o-1", timeout=5).json()["state"] == "refused"
    assert account.refunded == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", ["shop-node", "gateway-go"])
def test_what_a_webhook_reports_as_paid_during_a_query_that_denies_it_is_not_given_back(
    example: str, tmp_path: Path
) -> None:
    """The webhook comes while the service waits for the query's answer."""
    port = free_port()
    told = threading.Event()

    def tell() -> None:
        send(account.event(), f"http://{HOST}:{port}")
        told.set()

    account = Account(tell)
    started = built(example, tmp_path)
    with answering(account) as base, running(started, tmp_path, base, port) as address:
        requests.post(f"{address}/orders", json=ORDER, timeout=10)
        wait_until(told.is_set, "the webhook is taken")
        assert requests.get(f"{address}/orders/o-1", timeout=5).json()["state"] == "paid"
        assert settled(lambda: account.refund_requests, SWEEPS_S) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", ["shop-node", "gateway-go"])
def test_what_two_queries_denied_and_a_webhook_proves_is_given_back(
    example: str, tmp_path: Path
) -> None:
    account = Account(denials=("requires_payment_method", "canceled"))
    started = built(example, tmp_path)
    with answering(account) as base, running(started, tmp_path, base, free_port()) as address:
        report_after_two_denials(account, address)
        wait_until(lambda: account.refunded, "the capture is given back")
        assert requests.get(f"{address}/orders/o-1", timeout=5).json()["state"] == "refused"
        assert settled(lambda: account.refund_requests, SWEEPS_S) == 2  # the first was an error


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", ["shop-node", "gateway-go"])
def test_a_webhook_that_a_crash_interrupts_is_taken_when_it_comes_again(
    example: str, tmp_path: Path
) -> None:
    """Its id is noted with what it says; and a line that was torn does not take the next along."""
    account = Account(denials=("requires_payment_method", "canceled"))
    started = built(example, tmp_path)
    with answering(account) as base:
        with running(started, tmp_path, base, free_port()) as address:
            report_after_two_denials(account, address)
        (journal,) = tmp_path.glob("*.journal")
        lines = journal.read_text().splitlines(keepends=True)
        noted = next(n for n, line in enumerate(lines) if "evt_1" in line)
        journal.write_text("".join(lines[: noted + 1]) + '{"id":"o-1","sta')
        account.refunded = 0
        with running(started, tmp_path, base, free_port()) as address:
            send(account.event(), address)
            wait_until(lambda: account.refunded, "the capture is given back")
            requested = settled(lambda: account.refund_requests, SWEEPS_S)
        with running(started, tmp_path, base, free_port()):
            assert settled(lambda: account.refund_requests, SWEEPS_S) == requested
