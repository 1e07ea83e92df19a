"""The port of a server: kept from the first listening on, also while nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from paychain.wire.held_port import HeldPort

Factory = Callable[[], asyncio.BaseProtocol]


class Port(Protocol):
    """An address that accepts connections, or refuses them and is still kept."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""

    async def serve(
        self, loop: asyncio.AbstractEventLoop, factory: Factory, backlog: int
    ) -> asyncio.AbstractServer:
        """Listen. Raises OSError."""

    def refuse(self) -> None:
        """Listen no more, after the server was closed."""

    def release(self) -> None:
        """Give the address away."""


def hold(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Port:
    """Keep `port`, any free one when it is 0, from now on. Raises OSError.

    A loop with a network of its own, as in virtual time, keeps it there.
    """
    holds: Callable[[str, int], Port] = getattr(loop, "hold_port", HeldPort.hold)
    return holds(host, port)
