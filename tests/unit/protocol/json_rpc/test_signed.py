"""Raw bytes of transactions, with eth-account as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paychain.protocol.dialects.json_rpc.signed import SignedTransaction, Undecodable, decode
from tests.support.laws import examples
from tests.support.rpc_links import GWEI, PAYEE, PAYER, signed

rlp = pytest.importorskip("rlp", reason="the extra rpc is not installed")
FEES = {"gasPrice": GWEI}
KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "of any chain": (0, {**FEES, "chainId": None}),
    "of one chain": (0, FEES),
    "with an access list": (1, {**FEES, "type": 1, "accessList": []}),
    "with a priority fee": (2, {}),
}


def raw(number: int, value: int, **more: Any) -> bytes:
    return bytes.fromhex(signed(number, value, **more)[2:])


@pytest.mark.parametrize("name", KINDS)
def test_each_type_says_who_pays_whom_how_much(name: str) -> None:
    kind, fields = KINDS[name]
    fields = {key: value for key, value in fields.items() if value is not None}
    if name == "of any chain":
        fields["chainId"] = None
    read = decode(raw(7, 123, data=b"pk3fa0000001", gas=30_000, **fields))
    assert isinstance(read, SignedTransaction)
    assert (read.kind, read.sender, read.to, read.nonce) == (kind, PAYER, PAYEE, 7)
    assert (read.value, read.data, read.gas) == (123, b"pk3fa0000001", 30_000)
    assert read.chain_id == (None if name == "of any chain" else 31337)
    assert read.max_fee == (2 * GWEI if kind == 2 else GWEI)


def mended(position: int, value: bytes) -> bytes:
    """A transaction with a priority fee in which one field is another."""
    items = rlp.decode(raw(0, 1)[1:])
    items[position] = value
    return b"\x02" + bytes(rlp.encode(items))


def s_of_signature() -> int:
    return int.from_bytes(rlp.decode(raw(0, 1)[1:])[-1], "big")


ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


# Functions: every worker collects these, and one signs.
@pytest.mark.parametrize(
    ("bytes_", "why"),
    [
        (lambda: b"", "too short"),
        (lambda: b"\x03\xc0", "type not supported"),
        (lambda: b"\x7f", "type not supported"),
        (lambda: raw(0, 1)[:-1], "rlp"),
        (lambda: raw(0, 1) + b"\0", "rlp"),
        (lambda: b"\xc0", "number of elements"),
        (lambda: mended(1, b"\0\1"), "leading zero"),
        (lambda: mended(1, b"\1" * 33), "too long"),
        (lambda: mended(5, b"\1" * 19), "length of an address"),
        (lambda: mended(-1, (ORDER - s_of_signature()).to_bytes(32, "big")), "v, r, s"),
        (lambda: mended(-2, b""), "v, r, s"),
        (lambda: mended(-3, b"\2"), "v, r, s"),
        (lambda: b"\x02" + b"\xc0" * 200_000, "oversized"),
    ],
)
def test_what_is_no_transaction_says_why(bytes_: Callable[[], bytes], why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        decode(bytes_())


@examples(60)
@given(at=st.integers(0, 110), by=st.integers(1, 255))
@example(at=0, by=2)
def test_no_byte_can_change_unnoticed(at: int, by: int) -> None:
    """Another byte is another sender, or no transaction: never the same payer's."""
    changed = bytearray(raw(3, 10**18))
    changed[at % len(changed)] ^= by
    try:
        read = decode(bytes(changed))
    except Undecodable:
        return
    assert read.sender != PAYER


@examples(400)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(bytes_: bytes) -> None:
    try:
        decode(bytes_)
    except Undecodable as error:
        assert str(error)
