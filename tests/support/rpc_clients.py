"""The clients that meet a node: web3.py here, ethers and viem each in a process of Node's.

Each is asked by `ask(operation, body)`, with amounts in wei, and raises `Failed` with its own name
of the error and with the texts that the error has.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
import requests

from tests.support.fetched import CACHE, fetched, tool
from tests.support.node_driver import node_client
from tests.support.paths import ROOT
from tests.support.vendor_shop import Failed

ETHERS, VIEM, ANVIL = "6.17.0", "2.57.20", "1.7.1"
CLIENTS = ("web3", "ethers", "viem")
PROGRAMS = ROOT / "tests" / "conformance" / "rpc"
ABI = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"type": each, "name": ""} for each in inputs],
        "outputs": [{"type": output, "name": ""}],
    }
    for name, inputs, output in (
        ("balanceOf", ["address"], "uint256"),
        ("symbol", [], "string"),
        ("decimals", [], "uint8"),
        ("transfer", ["address", "uint256"], "bool"),
    )
] + [
    {
        "type": "event",
        "name": "Transfer",
        "anonymous": False,
        "inputs": [
            {"type": "address", "name": "from", "indexed": True},
            {"type": "address", "name": "to", "indexed": True},
            {"type": "uint256", "name": "value", "indexed": False},
        ],
    }
]


class RpcClient(Protocol):
    """A client of one node."""

    def ask(self, operation: str, body: dict[str, Any] | None = None) -> Any:
        """What the operation brings; raises Failed."""


class Web3Client:
    """web3.py."""

    def __init__(self, url: str) -> None:
        from web3 import Web3

        self._web3 = Web3(Web3.HTTPProvider(url))
        self._operations: dict[str, Callable[..., Any]] = {
            "balance": lambda of: str(self._web3.eth.get_balance(of)),
            "nonce": lambda of, tag: self._web3.eth.get_transaction_count(of, tag),
            "send": self._send,
            "raw": lambda raw: self._web3.eth.send_raw_transaction(raw).to_0x_hex(),
            "wait": self._wait,
            "shown": self._shown,
            "token": self._token,
            "send token": self._send_token,
            "received": self._received,
        }

    def ask(self, operation: str, body: dict[str, Any] | None = None) -> Any:
        from web3.exceptions import Web3Exception

        try:
            return self._operations[operation](**(body or {}))
        except (Web3Exception, requests.RequestException, ValueError) as error:
            raise Failed(type(error).__name__, 0, ["", str(error)]) from error

    def _signing(self, key: str) -> Any:
        """A connection that signs with a key."""
        from eth_account import Account
        from web3 import Web3
        from web3.middleware import SignAndSendRawMiddlewareBuilder

        account = Account.from_key(key)
        web3 = Web3(self._web3.provider)
        web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
        web3.eth.default_account = account.address
        return web3

    def _send(self, key: str, to: str, value: str) -> str:
        web3 = self._signing(key)
        asked = {"from": web3.eth.default_account, "to": to, "value": int(value)}
        return str(web3.eth.send_transaction(asked).to_0x_hex())

    def _wait(self, hash: str, confirmations: int) -> dict[str, int]:
        receipt = self._web3.eth.wait_for_transaction_receipt(hash, timeout=30)
        deadline = time.monotonic() + 30
        while self._web3.eth.block_number - receipt["blockNumber"] + 1 < confirmations:
            assert time.monotonic() < deadline, "no block follows"
            time.sleep(0.1)
        return {"status": receipt["status"], "block": receipt["blockNumber"]}

    def _shown(self, hash: str) -> dict[str, Any]:
        sent = self._web3.eth.get_transaction(hash)
        value, nonce = str(sent["value"]), sent["nonce"]
        return {"from": sent["from"], "to": sent["to"], "value": value, "nonce": nonce}

    def _token(self, of: str, token: str) -> dict[str, Any]:
        functions = self._web3.eth.contract(token, abi=ABI).functions
        return {
            "balance": str(functions.balanceOf(of).call()),
            "symbol": functions.symbol().call(),
            "decimals": functions.decimals().call(),
        }

    def _send_token(self, key: str, to: str, value: str, token: str) -> str:
        web3 = self._signing(key)
        call = web3.eth.contract(token, abi=ABI).functions.transfer(to, int(value))
        return str(call.transact({"from": web3.eth.default_account}).to_0x_hex())

    def _received(self, to: str, token: str) -> list[str]:
        event = self._web3.eth.contract(token, abi=ABI).events.Transfer
        found = event.get_logs(from_block=0, argument_filters={"to": to})
        return [str(each["args"]["value"]) for each in found]


@contextmanager
def client(name: str, url: str) -> Iterator[RpcClient]:
    """A client by its name, connected to a node."""
    if name == "web3":
        yield Web3Client(url)
        return
    version = {"ethers": ETHERS, "viem": VIEM}[name]
    with node_client(str(PROGRAMS / f"{name}.cjs"), name, version, url) as running:
        yield running


@contextmanager
def anvil() -> Iterator[str]:
    """The address of a real node for tests, with a block each second; skips where it is not had."""
    npm = tool("npm", "anvil is fetched with it")
    folder = CACHE / f"node-anvil-{ANVIL}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    package = f"@foundry-rs/anvil-linux-amd64@{ANVIL}"
    fetched([*install, "--prefix", str(folder), package], program, cwd=folder)
    process = subprocess.Popen(
        [program, "--port", "0", "--block-time", "1"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Listening on "):
                yield f"http://{line.split()[-1]}"
                return
        pytest.skip("anvil does not start here")
    finally:
        process.terminate()
        process.wait(10.0)
