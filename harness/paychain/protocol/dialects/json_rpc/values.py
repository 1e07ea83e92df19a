"""Values as JSON-RPC writes them, and the error that a method answers with.

Sources: the execution APIs (ethereum.github.io/execution-apis), EIP-1474 for the codes of
errors, EIP-4444 and geth for that of history which is gone.
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
    """The error object of one answer."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


def quantity(number: int) -> str:
    """Hex digits without leading zeros."""
    return hex(number)


def word(number: int) -> str:
    """A number as the 32 bytes of a contract's value, in hex digits without 0x."""
    return f"{number:064x}"


def invalid(number: int, why: str) -> RpcError:
    """A parameter that cannot be read; `number` counts from 0."""
    return RpcError(INVALID_PARAMS, f"invalid argument {number}: {why}")


def read_quantity(value: Any, number: int) -> int:
    """Raises RpcError when it is not one."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise invalid(number, "hex string is no quantity")
    if len(value) > MAX_QUANTITY_DIGITS + 2:
        raise invalid(number, "hex number > 256 bits")
    return int(value, 16)


def read_data(value: Any, number: int) -> bytes:
    """Raises RpcError when it is not bytes in hex digits."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise invalid(number, "cannot unmarshal invalid hex string into bytes")
    return bytes.fromhex(value[2:])


def read_address(value: Any, number: int) -> str:
    """An address in lower case. Raises RpcError when it is not one."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise invalid(number, "hex string has not the length of an address")
    return value.lower()


def read_hash(value: Any, number: int) -> str:
    """A hash in lower case. Raises RpcError when it is not one."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise invalid(number, "hex string has not the length of a hash")
    return value.lower()
