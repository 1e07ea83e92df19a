"""Two nodes that speak JSON-RPC in front of one ledger, for clients of theirs.

`rpc_links` runs them on real sockets in a thread, `on_nodes` in virtual time. The wallet in the
chain is the test itself.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.payments.attribution import Expected
from paychain.payments.journal import HopRecord, Movement, ReceivedRequest, Record
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.simulation.simulate import simulate
from paychain.wire.client import HttpPool
from tests.support.chains import checked

PREFIX = "pk3fa"
NODES = ("node-a", "node-b", "node-c")
WAIT_S = 10.0
# The first two of the accounts that Anvil and Hardhat publish with their keys.
PAYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PAYER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
CHAIN_ID = 31337
GWEI = 10**9
_T = TypeVar("_T")
CHAIN = """
chain: payouts
currency: {currency}
deadline: 30s
entry: payouts
links:
  payouts:
    role: wallet
    service: {{command: payouts}}
    dialect: paychain
    calls:
      transfer: {{to: node-a, fallback: [{{to: node-b}}, {{to: node-c}}]}}
      read: {{to: node-a, fallback: [{{to: node-b}}, {{to: node-c}}]}}
  node-a: &node
    role: node
    dialect: {dialect}
    answers_in: {{median: 1ms, p99: 2ms}}
    calls: {{transfer: {{to: base, timeout: 300ms}}, read: {{to: base, timeout: 300ms}}}}
  node-b: *node
  node-c: *node
  base:
    role: ledger
    answers_in: {{median: 1ms, p99: 2ms}}
    blocks: {{every: {every}}}
    final: {{after: 4}}
"""


class Nodes:
    """The links of the chain on the running loop."""

    def __init__(
        self, now_ns: Callable[[], int], *, dialect: str, currency: str, every: str
    ) -> None:
        self.chain = checked(CHAIN.format(dialect=dialect, currency=currency, every=every))
        self.journal: list[Record] = []
        self.host = Host(
            self.chain,
            [*NODES, "base"],
            seed=1,
            now_ns=now_ns,
            journal=self.journal,
            id_prefix=PREFIX,
        )
        self.ports: dict[str, int] = {}

    async def start(self) -> None:
        self.ports = await self.host.start()
        self.host.connect(
            {
                hop.name: ("127.0.0.1", self.ports[hop.callee])
                for hop in self.chain.hops()
                if hop.callee in self.ports
            }
        )

    async def stop(self) -> None:
        await self.host.drain(WAIT_S)
        await self.host.stop()

    def inject(
        self,
        kind: str,
        *,
        link: str = "node-a",
        operation: str | None = None,
        caller: str | None = None,
        **parameters: Any,
    ) -> None:
        declared = KINDS[kind].model_validate(parameters)
        spots = (InLinkPlace(link=link, operation=operation, caller=caller),)
        fault = ActiveFault(id=f"{kind} {link}", parameters=declared, spots=spots)  # type: ignore[arg-type]  # declared above
        self.host.faults.apply(fault)

    def heal(self, kind: str, *, link: str = "node-a") -> None:
        self.host.faults.heal(f"{kind} {link}")

    def transferred(self) -> list[tuple[str, int, str]]:
        """Payment, amount and reference of each transfer in the ledger's book."""
        return [
            (move.payment, move.amount_minor, move.reference)
            for move in self.journal
            if isinstance(move, Movement) and move.kind.value == "transferred"
        ]

    def hops(self, node: str = "node-a") -> list[tuple[str, str, str]]:
        """Operation, payment and result of each operation at a node."""
        return [
            (hop.operation, hop.payment, hop.result.value)
            for hop in self.journal
            if isinstance(hop, HopRecord) and hop.callee == node
        ]

    def requests(self, node: str = "node-a") -> int:
        """How many HTTP requests reached a node."""
        seen = [each for each in self.journal if isinstance(each, ReceivedRequest)]
        return sum(each.link == node for each in seen)

    def expect(self, number: int, amount_minor: int, to: str = PAYEE) -> str:
        """A payment that the load would make; its id."""
        name = f"{PREFIX}{number:07d}"
        masked = f"{to[:6]}…{to[-4:]}"
        self.host.expect([Expected(name, number, masked, amount_minor, 0)])
        return name


class Asker(Nodes):
    """The links in virtual time, and one who asks them."""

    _ids = itertools.count(1)

    def __init__(self, **settings: str) -> None:
        super().__init__(lambda: int(asyncio.get_running_loop().time() * 1e9), **settings)

    async def start(self) -> None:
        await super().start()
        self.pools = {name: HttpPool("127.0.0.1", self.ports[name]) for name in NODES}

    async def stop(self) -> None:
        for pool in self.pools.values():
            await pool.close()
        await super().stop()

    async def post(self, body: bytes, node: str = "node-a", **headers: str) -> Any:
        """The response to raw bytes."""
        return await self.pools[node].request("POST", "/", body, headers=headers, timeout_s=5.0)

    async def ask(self, method: str, *params: Any, node: str = "node-a", **headers: str) -> Any:
        """The whole answer to one question."""
        asked = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        response = await self.post(msgspec.json.encode(asked), node, **headers)
        return msgspec.json.decode(response.body)

    async def result(self, method: str, *params: Any, node: str = "node-a") -> Any:
        """The result; fails where there is an error."""
        return (await self.ask(method, *params, node=node))["result"]

    async def number(self, method: str, *params: Any, node: str = "node-a") -> int:
        """The result as a number."""
        return int(await self.result(method, *params, node=node), 16)

    async def error(self, method: str, *params: Any, node: str = "node-a") -> tuple[int, str]:
        """Code and message of the error; fails where there is a result."""
        error = (await self.ask(method, *params, node=node))["error"]
        return error["code"], error["message"]


def on_nodes(
    scenario: Callable[[Asker], Awaitable[None]],
    *,
    dialect: str = "json-rpc",
    currency: str = "ETH",
    every: str = "1s",
) -> Asker:
    """Run a scenario in virtual time."""

    async def whole() -> Asker:
        nodes = Asker(dialect=dialect, currency=currency, every=every)
        await nodes.start()
        try:
            await scenario(nodes)
        finally:
            await nodes.stop()
        return nodes

    return simulate(lambda _loop: whole())


class RunningNodes(Nodes):
    """The links on real sockets; its methods may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **settings: str) -> None:
        began_ns = time.monotonic_ns()
        super().__init__(lambda: time.monotonic_ns() - began_ns, **settings)
        self._loop = loop

    def url(self, node: str = "node-a") -> str:
        return f"http://127.0.0.1:{self.ports[node]}"

    def inject(self, kind: str, **where_and_what: Any) -> None:
        inject = super().inject
        self.within(lambda: inject(kind, **where_and_what))

    def heal(self, kind: str, *, link: str = "node-a") -> None:
        heal = super().heal
        self.within(lambda: heal(kind, link=link))

    def within(self, work: Callable[[], Any]) -> Any:
        async def called() -> Any:
            return work()

        return self.wait(called())

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)


@contextmanager
def rpc_links(
    *, dialect: str = "json-rpc", currency: str = "ETH", every: str = "200ms"
) -> Iterator[RunningNodes]:
    """The nodes and their ledger, running."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="nodes", daemon=True)
    thread.start()
    nodes = RunningNodes(loop, dialect=dialect, currency=currency, every=every)
    nodes.wait(nodes.start())
    try:
        yield nodes
    finally:
        nodes.wait(nodes.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()


def signed(nonce: int, value: int, to: str | None = PAYEE, **more: Any) -> str:
    """The raw bytes of a transaction of the payer, of type 2 unless told else. In wei.

    Without `to` it would make a contract.
    """
    from eth_account import Account
    from eth_utils.address import to_checksum_address

    fees = {"maxFeePerGas": 2 * GWEI, "maxPriorityFeePerGas": GWEI}
    if "gasPrice" in more:
        fees = {}
    payee: str | bytes = to_checksum_address(to) if to else b""
    fields = {"chainId": CHAIN_ID, "nonce": nonce, "to": payee, "value": value, "gas": 21_000}
    made = Account.sign_transaction({**fields, **fees, **more}, PAYER_KEY)
    return "0x" + bytes(made.raw_transaction).hex()
