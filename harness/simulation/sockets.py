"""What stands for a socket where code asks a transport or a listener for one."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.simulation.network import Address
    from harness.simulation.transport import End


class FakeSocket:
    """What `get_extra_info("socket")` gives: names, and options of which SO_LINGER counts."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, name: Address, end: End | None) -> None:
        self._name = name
        self._end = end

    def getsockname(self) -> Address:
        """The near address."""
        return self._name

    def getpeername(self) -> Address:
        """The far address. Raises OSError for a listener."""
        if self._end is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        peer: Address = self._end.get_extra_info("peername")
        return peer

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """SO_LINGER of zero makes closing a reset; other options change nothing here."""
        if self._end is not None and (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._end.lingers_not = struct.unpack("ii", value) == (1, 0)

    def fileno(self) -> int:
        """There is none."""
        return -1
