"""Decodes raw transactions and recovers their signer.

Reads types 0 (with and without a chain id), 1 and 2. Sources: EIP-155, EIP-2718, EIP-2930,
EIP-1559; EIP-2 for the bound of `s`. The packages of the extra `rpc` are imported only here, when
the first transaction is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MAX_BYTES = 131_072  # geth's limit on a transaction
MAX_KEPT = 10_000  # decoded transactions in the cache
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
_LEGACY_FIELDS, _LIST_FIELDS, _FEE_FIELDS = 9, 11, 12


class Undecodable(ValueError):
    """These bytes are not a transaction; the message is geth's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A decoded transaction. Amounts in wei; `to` is "" if it creates a contract.

    `max_fee`: the most that the sender pays per unit of gas. `chain_id`: None if the signature is
    valid on every chain. Addresses are checksummed.
    """

    kind: int
    hash: str
    sender: str
    nonce: int
    to: str
    value: int
    data: bytes
    gas: int
    max_fee: int
    priority_fee: int
    chain_id: int | None
    v: int
    y_parity: int
    r: int
    s: int


@lru_cache(maxsize=MAX_KEPT)
def decode(raw: bytes) -> SignedTransaction:
    """The transaction that these bytes encode. Raises Undecodable."""
    if not raw:
        raise Undecodable("typed transaction too short")
    if len(raw) > MAX_BYTES:
        raise Undecodable(f"oversized data: transaction size {len(raw)}, limit {MAX_BYTES}")
    if raw[0] >= 0xC0:
        return _legacy(raw, _items(raw))
    if raw[0] not in (1, 2):
        raise Undecodable("transaction type not supported")
    return _typed(raw, _items(raw[1:]))


def _items(encoded: bytes) -> list[bytes | list[object]]:
    import rlp  # type: ignore[import-untyped, unused-ignore]  # rlp has no types
    from rlp.exceptions import RLPException  # type: ignore[import-untyped, unused-ignore]  # as above

    try:
        items = rlp.decode(encoded)
    except (RLPException, TypeError, RecursionError) as error:
        raise Undecodable(f"rlp: {error}") from None
    if not isinstance(items, list):
        raise Undecodable("rlp: expected input list for transaction")
    return items


def _legacy(raw: bytes, items: list[bytes | list[object]]) -> SignedTransaction:
    if len(items) != _LEGACY_FIELDS:
        raise Undecodable("rlp: wrong number of elements for types.LegacyTx")
    v = _number(items[6])
    chain_id = None if v in (27, 28) else (v - 35) // 2
    if chain_id is not None and v < 35:
        raise Undecodable("invalid transaction v, r, s values")
    signed = items[:6] if chain_id is None else [*items[:6], _bytes_of(chain_id), b"", b""]
    price = _number(items[1])
    return _transaction(
        raw,
        signed=_encoded(signed),
        kind=0,
        fields=(items[0], items[2], items[3], items[4], items[5]),
        fees=(price, price),
        chain_id=chain_id,
        signature=(v, v - 27 if chain_id is None else (v - 35) % 2, items[7], items[8]),
    )


def _typed(raw: bytes, items: list[bytes | list[object]]) -> SignedTransaction:
    kind = raw[0]
    if len(items) != (_LIST_FIELDS if kind == 1 else _FEE_FIELDS):
        raise Undecodable("rlp: wrong number of elements for a typed transaction")
    prices = 1 if kind == 1 else 2
    priority, max_fee = _number(items[2]), _number(items[1 + prices])
    if priority > max_fee:
        raise Undecodable(
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {priority}, maxFeePerGas: {max_fee}"
        )
    after = 2 + prices
    y_parity = _number(items[-3])
    return _transaction(
        raw,
        signed=bytes([kind]) + _encoded(items[:-3]),
        kind=kind,
        fields=(items[1], items[after], items[after + 1], items[after + 2], items[after + 3]),
        fees=(max_fee, priority),
        chain_id=_number(items[0]),
        signature=(y_parity, y_parity, items[-2], items[-1]),
    )


def _transaction(
    raw: bytes,
    *,
    signed: bytes,
    kind: int,
    fields: Sequence[object],
    fees: tuple[int, int],
    chain_id: int | None,
    signature: tuple[int, int, object, object],
) -> SignedTransaction:
    """`fields`: nonce, gas, to, value and data. `fees`: the most per gas, the priority fee.

    `signature`: v, the parity of y, r and s.
    """
    from eth_utils.address import to_checksum_address
    from eth_utils.crypto import keccak

    nonce, gas, to, value, data = fields
    if not isinstance(to, bytes) or len(to) not in (0, 20) or not isinstance(data, bytes):
        raise Undecodable("rlp: input string does not have the length of an address")
    v, y_parity, r, s = signature[0], signature[1], _number(signature[2]), _number(signature[3])
    return SignedTransaction(
        kind=kind,
        hash="0x" + keccak(raw).hex(),
        sender=_signer(keccak(signed), y_parity, r, s),
        nonce=_number(nonce),
        to=to_checksum_address(to) if to else "",
        value=_number(value),
        data=data,
        gas=_number(gas),
        max_fee=fees[0],
        priority_fee=fees[1],
        chain_id=chain_id,
        v=v,
        y_parity=y_parity,
        r=r,
        s=s,
    )


def _signer(digest: bytes, y_parity: int, r: int, s: int) -> str:
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    wrong = Undecodable("invalid transaction v, r, s values")
    if y_parity not in (0, 1) or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        raise wrong
    try:
        signature = Signature(vrs=(y_parity, r, s))
        return str(signature.recover_public_key_from_msg_hash(digest).to_checksum_address())
    except (BadSignature, ValidationError, ValueError):
        raise wrong from None


def _encoded(items: Sequence[object]) -> bytes:
    import rlp  # type: ignore[import-untyped, unused-ignore]  # rlp has no types

    return bytes(rlp.encode(list(items)))


def _number(item: object) -> int:
    if not isinstance(item, bytes):
        raise Undecodable("rlp: expected input string or byte for uint64")
    if item[:1] == b"\0":
        raise Undecodable("rlp: non-canonical integer (leading zero bytes)")
    if len(item) > 32:
        raise Undecodable("rlp: input string too long for *big.Int")
    return int.from_bytes(item, "big")


def _bytes_of(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
