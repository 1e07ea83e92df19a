"""The same behaviour from both engines."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from harness.faults.control import EngineControl, EngineError


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    connection.sendall(data)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield "127.0.0.1:{}".format(*server.getsockname()[1:2])
    server.close()


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def round_trip(connection: socket.socket, data: bytes = b"ping") -> float:
    started = time.monotonic()
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = connection.recv(65_536)
        assert piece, "closed early"
        got += piece
    assert got == data
    return time.monotonic() - started


def test_a_proxy_relays_and_lists_itself(control: EngineControl, echo: str) -> None:
    with connect(control.create("a", echo)) as connection:
        round_trip(connection, b"x" * 300_000)
    assert control.names() == ["a"]
    assert control.version()  # "git" from a server that was built from source


def test_latency_is_added_and_taken_off_on_a_live_connection(
    control: EngineControl, echo: str
) -> None:
    with connect(control.create("a", echo)) as connection:
        control.add_toxic("a", "late", "latency", "downstream", 1.0, {"latency": 150, "jitter": 0})
        assert round_trip(connection) >= 0.15
        control.remove_toxic("a", "late")
        assert round_trip(connection) < 0.15


def test_bandwidth_takes_its_time(control: EngineControl, echo: str) -> None:
    with connect(control.create("a", echo)) as connection:
        control.add_toxic("a", "thin", "bandwidth", "downstream", 1.0, {"rate": 100})
        assert round_trip(connection, b"x" * 30_000) >= 0.25  # 30 kB at 100 kB/s: 0.3 s


def test_a_disabled_proxy_refuses_and_comes_back_on_the_same_port(
    control: EngineControl, echo: str
) -> None:
    address = control.create("a", echo)
    connection = connect(address)
    round_trip(connection)
    control.enable("a", enabled=False)
    assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(address)
    control.enable("a", enabled=True)
    with connect(address) as again:
        round_trip(again)


def test_limit_data_cuts_after_so_many_bytes(control: EngineControl, echo: str) -> None:
    with connect(control.create("a", echo)) as connection:
        control.add_toxic("a", "cut", "limit_data", "downstream", 1.0, {"bytes": 10})
        connection.sendall(b"0123456789abcdef")
        got = b""
        while piece := connection.recv(100):
            got += piece
        assert got == b"0123456789"


def test_timeout_drops_and_closes(control: EngineControl, echo: str) -> None:
    with connect(control.create("a", echo)) as connection:
        control.add_toxic("a", "gone", "timeout", "downstream", 1.0, {"timeout": 100})
        connection.sendall(b"ping")
        assert connection.recv(10) == b""


def test_reset_peer_resets_connections_made_after_it(control: EngineControl, echo: str) -> None:
    address = control.create("a", echo)
    control.add_toxic("a", "rst", "reset_peer", "downstream", 1.0, {"timeout": 0})
    with connect(address) as connection, pytest.raises(ConnectionResetError):
        connection.sendall(b"ping")
        connection.recv(10)


def test_slices_keep_every_byte_in_order(control: EngineControl, echo: str) -> None:
    with connect(control.create("a", echo)) as connection:
        attributes = {"average_size": 100, "size_variation": 20, "delay": 10}
        control.add_toxic("a", "thin", "slicer", "downstream", 1.0, attributes)
        round_trip(connection, bytes(range(256)) * 40)


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/proxies", {"upstream": "x:1"}, 400, "missing required field: name"),
        ("/proxies", {"name": "b"}, 400, "missing required field: upstream"),
        ("/proxies/none", {"enabled": True}, 404, "proxy not found"),
        ("/proxies/a/toxics", {"type": "magic"}, 400, "invalid toxic type"),
        (
            "/proxies/a/toxics",
            {"type": "latency", "stream": "sideways"},
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
    ],
)
def test_mistakes_get_the_same_answer(
    control: EngineControl, echo: str, path: str, body: dict[str, object], status: int, told: str
) -> None:
    control.create("a", echo)
    with pytest.raises(EngineError) as caught:
        control._session.post(path, body)
    assert caught.value.status == status
    assert told in str(caught.value)


def test_a_name_can_be_used_once(control: EngineControl, echo: str) -> None:
    control.create("a", echo)
    with pytest.raises(EngineError) as caught:
        control._session.post("/proxies", {"name": "a", "upstream": echo})
    assert caught.value.status == 409
