"""A node at one moment: its settings and the copy of the ledger from which it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paychain.payments.money import exponent
from paychain.payments.transaction import Transaction
from paychain.protocol.dialects.json_rpc.copy import Copy
from paychain.protocol.dialects.json_rpc.signed import SignedTransaction, decode
from paychain.protocol.dialects.json_rpc.values import (
    PRUNED,
    SERVER_ERROR,
    RpcError,
    invalid,
    read_hash,
    read_quantity,
)
from paychain.protocol.dialects.json_rpc.words import ClientWords, mistaken

NATIVE = "ETH"
WEI_DIGITS = 18
# The address of the first contract deployed by the first account of Anvil and Hardhat.
TOKEN = "0x5fbdb2315678afecb367f032d93f642f64180aa3"  # noqa: S105  (an address)
TRANSFER = bytes.fromhex("a9059cbb")  # transfer(address,uint256)
# Initial balance of each published test account in whole units, the same as Anvil's.
FUNDED_UNITS = 10_000
GAS_MONEY_WEI = FUNDED_UNITS * 10**WEI_DIGITS  # of every account, if payments are in a token
FUNDED = frozenset(
    {
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
        "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        "0x976ea74026e726554db657fa54763abd0c3a0aa9",
        "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
        "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
        "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
    }
)


@dataclass(frozen=True, slots=True)
class TransferTerms:
    """The payment that a transaction makes: to whom, and how much in minor units."""

    to: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """What never changes about a network. `asset`: the asset that payments are in."""

    asset: str
    chain_id: int
    words: ClientWords

    @property
    def is_token(self) -> bool:
        """Whether payments are in a token rather than in the native asset, which pays for gas."""
        return self.asset != NATIVE

    @property
    def wei_per_minor(self) -> int:
        """How many wei one minor unit of the native asset is; 1 for a token."""
        return 1 if self.is_token else int(10 ** (WEI_DIGITS - exponent(self.asset)))

    def transfer_in(self, transaction: SignedTransaction) -> TransferTerms:
        """The payment that a transaction makes; its amount is 0 if it moves none of the asset.

        Raises RpcError for a transaction that the mock does not support.
        """
        if not transaction.to:
            raise RpcError(SERVER_ERROR, "paychain: this mock does not deploy contracts")
        if not self.is_token:
            amount, rest = divmod(transaction.value, self.wei_per_minor)
            if rest:
                what = f"paychain: the ledger keeps {exponent(self.asset)} decimals of {self.asset}"
                raise RpcError(SERVER_ERROR, f"{what}; {transaction.value} wei has more")
            return TransferTerms(transaction.to, amount)
        data = transaction.data
        is_transfer = transaction.to.lower() == TOKEN and data[:4] == TRANSFER and len(data) >= 68
        if not is_transfer:
            return TransferTerms(transaction.to, 0)
        from eth_utils.address import to_checksum_address

        return TransferTerms(to_checksum_address(data[16:36]), int.from_bytes(data[36:68], "big"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a node answers one call from. `scale`: 1, or the factor that exaggerates balances.

    `forges`: it makes up receipts for unknown transactions.
    """

    network: NetworkFacts
    copy: Copy
    scale: int = 1
    forges: bool = False

    def balance(self, account: str, height: int) -> int:
        """The balance of an account at a height, in minor units of the asset."""
        return self.scale * balance_of(self.copy, self.network.asset, account, height)

    def balance_wei(self, account: str, height: int) -> int:
        """The native balance of an account at a height, in wei; it pays for gas."""
        if self.network.is_token:
            return 0 if self.copy.is_empty else GAS_MONEY_WEI
        return self.balance(account, height) * self.network.wei_per_minor

    def height(self, tag: Any, number: int) -> int:
        """The height of a block tag; `pending` is the head. `number`: the parameter's position.

        Raises RpcError if it is not a tag.
        """
        match tag:
            case None | "latest" | "pending":
                return self.copy.head
            case "safe" | "finalized":
                return max(self.copy.final, 0)
            case "earliest":
                return 0
            case {"blockHash": block_hash}:
                found = self.copy.height_of(read_hash(block_hash, number))
                if found is None:
                    raise RpcError(SERVER_ERROR, "header for hash not found")
                return found
            case {"blockNumber": height}:
                return self.height(height, number)
            case str():
                return read_quantity(tag, number)
            case _:
                raise invalid(number, "a block must be a tag or a number in hex")

    def known_height(self, tag: Any, number: int) -> int:
        """As `height`. Raises RpcError for a block whose state the node does not have."""
        height = self.height(tag, number)
        if height > self.copy.head:
            have, words = self.copy.head, self.network.words
            raise mistaken(words, "block", have=have, want=height)
        if height < self.copy.oldest - 1:
            state = self.copy.block_hash(height)[2:]
            raise RpcError(SERVER_ERROR, f"historical state {state} is not available")
        return height

    def require(self, height: int) -> None:
        """Raises RpcError for a block whose transactions the node has forgotten."""
        if 0 < height < self.copy.oldest:
            raise RpcError(PRUNED, "pruned history unavailable")


def balance_of(copy: Copy, asset: str, account: str, height: int) -> int:
    """Minor units: an account's initial balance plus everything moved up to a height."""
    if copy.is_empty:
        return 0
    at_first = FUNDED_UNITS * 10 ** exponent(asset) if account in FUNDED else 0
    return at_first + copy.moved(account, height)


def signed_of(transaction: Transaction) -> SignedTransaction:
    """The decoded bytes of a transaction in the ledger."""
    return decode(bytes.fromhex(transaction.raw))


def has_succeeded(network: NetworkFacts, transaction: Transaction) -> bool:
    """Whether a transaction moved what it was signed for, which needs a sufficient balance."""
    if transaction.is_reverted:
        return False
    return network.transfer_in(signed_of(transaction)).amount_minor == transaction.amount_minor
