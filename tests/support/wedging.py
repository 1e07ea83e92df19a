"""Traffic that a real Toxiproxy server can wedge under: clients that go in the middle of a body."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from paychain.engine.control import EngineControl
from paychain.engine.errors import EngineError
from paychain.faults.toxic_spec import ToxicSpec
from tests.support.waiting import let_pass

CLIENTS = 16
PROXY = "wedge"
TOXICS: dict[str, dict[str, int]] = {
    "latency": {"latency": 30, "jitter": 10},
    "bandwidth": {"rate": 5},
    "slow_close": {"delay": 30},
    "timeout": {"timeout": 0},
    "reset_peer": {"timeout": 0},
    "slicer": {"average_size": 50, "size_variation": 0, "delay": 2_000},
    "limit_data": {"bytes": 300},
}


@dataclass
class Impatient:
    """Clients of a proxy of their own that give up at random moments."""

    control: EngineControl
    size: int  # of each answer, bytes

    def switch_until(self, kind: str, until: float) -> tuple[int, EngineError | None]:
        """Put a toxic on and off until the engine fails or the time is up; how often it was."""
        switches = 0
        while time.monotonic() < until:
            try:
                toxic = ToxicSpec(kind, "downstream", TOXICS[kind])
                self.control.add_toxic(PROXY, kind, toxic, 1.0)
                let_pass(0.1)  # under traffic
                self.control.remove_toxic(PROXY, kind)
                let_pass(0.05)
            except EngineError as error:
                return switches, error
            switches += 2
        return switches, None


@contextmanager
def impatient_clients(url: str, size: int) -> Iterator[Impatient]:
    """Traffic on the engine at `url` for as long as the block lasts."""
    over = threading.Event()
    answer = bytes(size)
    upstream = socket.create_server(("127.0.0.1", 0), backlog=512)

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while connection.recv(4_096):
                connection.sendall(answer)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=upstream.accept()[:1], daemon=True).start()

    def pay(number: int, address: tuple[str, int]) -> None:
        chance = random.Random(number)
        while not over.is_set():
            with suppress(OSError), socket.create_connection(address, timeout=1) as connection:
                for _ in range(chance.randint(1, 3)):
                    connection.sendall(b"pay")
                    connection.settimeout(chance.uniform(0.001, 0.05))
                    got = 0
                    while got < size:
                        piece = connection.recv(65_536)
                        if not piece or (size > 65_536 and chance.random() < 0.2):
                            break
                        got += len(piece)
                    if got < size:
                        break
            over.wait(0.002)

    threading.Thread(target=accept, daemon=True).start()
    control = EngineControl(url)
    host, _, port = control.create(PROXY, f"127.0.0.1:{upstream.getsockname()[1]}").rpartition(":")
    clients = [
        threading.Thread(target=pay, args=(number, (host, int(port))), daemon=True)
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        yield Impatient(control, size)
    finally:
        over.set()
        for client in clients:
            client.join(5)
        upstream.close()
        control.close()
