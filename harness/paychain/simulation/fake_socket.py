"""What `get_extra_info("socket")` gives in a simulation: names, and the option SO_LINGER."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

Address = tuple[str, int]  # host, port


class FakeSocket:
    """The socket of a connection's end, or of a listener, which has no peer."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(
        self,
        name: Address,
        peer: Address | None = None,
        on_linger: Callable[[bool], None] = lambda _: None,
        is_readable: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name, self._peer = name, peer
        self._on_linger = on_linger
        self.is_readable = is_readable  # bytes or an end have come that nobody has read

    def getsockname(self) -> Address:
        """The near address."""
        return self._name

    def getpeername(self) -> Address:
        """The far address. Raises OSError for a listener."""
        if self._peer is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self._peer

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """SO_LINGER of zero makes closing a reset; other options change nothing here."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._on_linger(struct.unpack("ii", value) == (1, 0))

    def fileno(self) -> int:
        """There is none."""
        return -1
