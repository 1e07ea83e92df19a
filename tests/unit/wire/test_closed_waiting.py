"""A call that is closed while it waits, as when its loop ends, raises nothing of its own."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

from paychain.wire.client_connection import ClientConnection


def test_a_call_that_is_closed_while_it_waits_ends_in_silence() -> None:
    loop = asyncio.new_event_loop()
    try:
        connection = ClientConnection(loop, lambda _: None)
        connection.connection_made(Mock(spec=asyncio.Transport))
        call = connection.exchange(
            b"GET / HTTP/1.1\r\n\r\n", is_head=False, deadline=loop.time() + 1
        )
        call.send(None)  # it waits for the answer now
        call.close()
        assert not connection.is_usable
    finally:
        loop.close()
