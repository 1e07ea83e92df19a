"""Values in JSON-RPC, and the error object of an answer.

Sources: the execution APIs (ethereum.github.io/execution-apis), EIP-1474 for error codes, EIP-4444
and geth for the code of pruned history.
"""

from __future__ import annotations

import re
from typing import Any

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32603,
)
SERVER_ERROR = -32000
REVERTED = 3
PRUNED = 4444
MAX_QUANTITY_DIGITS = 64
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
NO_ADDRESS = "0x" + "0" * 40


class RpcError(Exception):
    """The error object of an answer."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def quantity(number: int) -> str:
    """A number as 0x and hex digits without leading zeros."""
    return hex(number)


def word(number: int) -> str:
    """A number as a contract's 32-byte word, in hex digits without 0x."""
    return f"{number:064x}"


def invalid(number: int, why: str) -> RpcError:
    """The error of an invalid parameter; `number`: its position, from 0."""
    return RpcError(INVALID_PARAMS, f"invalid argument {number}: {why}")


def read_quantity(value: Any, number: int) -> int:
    """A number from hex digits. Raises RpcError if it is not one."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise invalid(number, "hex string is not a quantity")
    if len(value) > MAX_QUANTITY_DIGITS + 2:
        raise invalid(number, "hex number > 256 bits")
    return int(value, 16)


def read_data(value: Any, number: int) -> bytes:
    """Bytes from hex digits. Raises RpcError if the value is not hex."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise invalid(number, "cannot unmarshal invalid hex string into bytes")
    return bytes.fromhex(value[2:])


def read_address(value: Any, number: int) -> str:
    """An address in lower case. Raises RpcError if it is not one."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise invalid(number, "hex string does not have the length of an address")
    return value.lower()


def read_hash(value: Any, number: int) -> str:
    """A hash in lower case. Raises RpcError if it is not one."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise invalid(number, "hex string does not have the length of a hash")
    return value.lower()
