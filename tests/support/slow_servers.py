"""A server whose answers never end, although each piece of them comes in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# How an answer begins, what it goes on with, and how long it pauses before that.
DRIPS = {
    "its body": (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"x", 0.1),
    "its headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", 0.1),
    "one header": (b"HTTP/1.1 200 OK\r\na: ", b"b", 0.1),
    "preliminary answers": (b"", CONTINUE, 0.1),
    "a flood of preliminary answers": (b"", CONTINUE * 1_000, 0.0),
}


@contextmanager
def dripping(kind: str) -> Iterator[str]:
    """The URL of a server that answers every request like that."""
    begins, goes_on, pause_s = DRIPS[kind]
    is_over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(begins)
            while not is_over.wait(pause_s):
                connection.sendall(goes_on)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # ends `accept`
