"""A user's wallet: a process that signs with web3.py, and is asked for transfers in our own JSON.

`NODE` is the address of its node, `PORT` its own. With `NAIVE` it takes an error for a transfer
that was not made, and signs the payment once more with the next nonce.
"""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_account import Account
from web3 import Web3

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # Anvil publishes it
GWEI = 10**9
CONFIRMATIONS = 4
IS_NAIVE = bool(os.environ.get("NAIVE"))
KNOWN = ("already known", "nonce too low")
_account = Account.from_key(KEY)
_lock = threading.Lock()
_transfers: dict[str, threading.Event] = {}  # by reference; set once it is final
_next_nonce = 0


def connected() -> Web3:
    return Web3(Web3.HTTPProvider(os.environ["NODE"], request_kwargs={"timeout": 2}))


def signed(web3: Web3, asked: dict[str, Any]) -> Any:
    global _next_nonce
    with _lock:
        nonce, _next_nonce = _next_nonce, _next_nonce + 1
    fields = {
        "chainId": 31337,
        "nonce": nonce,
        "to": Web3.to_checksum_address(asked["instrument"]["number"]),
        "value": asked["amount_minor"] * GWEI,
        "gas": 21_000,
        "maxFeePerGas": 2 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    return web3.eth.account.sign_transaction(fields, KEY)


def broadcast(web3: Web3, asked: dict[str, Any]) -> Any:
    """Send until a node has it; the hash of what was sent last."""
    transaction = signed(web3, asked)
    for _ in range(50):
        try:
            return web3.eth.send_raw_transaction(transaction.raw_transaction)
        except Exception as error:
            if IS_NAIVE:
                transaction = signed(web3, asked)
            elif any(known in str(error) for known in KNOWN):
                return transaction.hash
        time.sleep(0.1)
    return transaction.hash


def deliver(asked: dict[str, Any]) -> None:
    web3 = connected()
    sent = broadcast(web3, asked)
    while True:
        try:
            receipt = web3.eth.get_transaction_receipt(sent)
            if web3.eth.block_number - receipt["blockNumber"] >= CONFIRMATIONS:
                break
        except Exception:
            time.sleep(0.1)
        time.sleep(0.05)
    _transfers[asked["reference"]].set()


class Wallet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer({"up": True})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        reference = asked["reference"]
        with _lock:
            is_new = reference not in _transfers and self.path == "/transfer"
            final = _transfers.setdefault(reference, threading.Event()) if is_new else None
        if is_new:
            threading.Thread(target=deliver, args=(asked,), daemon=True).start()
        final = _transfers.get(reference)
        if final is None:
            self._answer({"outcome": "declined", "code": "25", "reference": reference})
        elif final.wait(2.0):
            amount = asked["amount_minor"]
            approved = {"outcome": "approved", "code": "00", "amount_minor": amount}
            self._answer({**approved, "decided_by": "wallet", "reference": reference})
        else:
            self._answer({"outcome": "unknown", "code": "09", "reference": reference})

    def _answer(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Wallet).serve_forever()
