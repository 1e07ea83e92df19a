"""A time limit covers the look-up of a name, and all of the name's addresses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from paychain.environment.own.readiness import ReadySign
from paychain.environment.own.variables import Addresses
from paychain.environment.remote import lookup
from paychain.load.distributed import spread
from paychain.model.service import Ready
from paychain.probe import sender
from paychain.probe.sender import Sender
from paychain.processes import connecting
from paychain.processes.connecting import connect, ipv4_of, looked_up
from paychain.processes.deadlines import TimedConnection
from paychain.processes.sessions import direct_session
from paychain.wire.http import HttpRequest

SOON_S = 0.2
NAME = "shop.test"
SILENT = ("192.0.2.1", 80)  # of no machine (RFC 5737)
NO_FAMILY = 45  # of addresses: none that a system makes TCP sockets of


def _by_session() -> None:
    with direct_session() as session, pytest.raises(requests.ConnectTimeout):
        session.get(f"http://{NAME}:8000/", timeout=SOON_S)


def _by_session_over_tls() -> None:
    with direct_session() as session, pytest.raises(requests.ConnectTimeout):
        session.get(f"https://{NAME}/", timeout=(SOON_S, 30.0))


def _by_connection() -> None:
    with pytest.raises(TimeoutError):
        TimedConnection(NAME, 8000, timeout=SOON_S).request("GET", "/")


def _by_probe(scheme: str) -> None:
    probing = Sender(url=f"{scheme}://{NAME}/hook", timeout_s=SOON_S)
    assert probing.send(HttpRequest("POST", "/hook")).error == "no answer within 0.2 s"


def _by_readiness(ready: Ready) -> None:
    sign = ReadySign(
        ready=ready,
        addresses=Addresses((NAME, 8000), "", {}),
        log=Path(),
        written=0,
        folder=Path(),
        environment={},
    )
    assert sign.missing(waits=False) == "no answer"


CLIENTS: dict[str, Callable[[], None]] = {
    "a session": _by_session,
    "a session over TLS": _by_session_over_tls,
    "a connection": _by_connection,
    "a probe": lambda: _by_probe("http"),
    "a probe over TLS": lambda: _by_probe("https"),
    "a port that becomes ready": lambda: _by_readiness(Ready()),
    "a path that becomes ready": lambda: _by_readiness(Ready(http="/health")),
}


@pytest.fixture
def _no_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that drops every packet: look-ups end with the test."""
    is_over = threading.Event()

    def look_up(*_: Any) -> None:
        is_over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    is_over.set()


@pytest.mark.usefixtures("_no_name_server")
@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_waits_longer_for_a_name_server_than_for_an_answer(client: str) -> None:
    began_s = time.monotonic()
    CLIENTS[client]()
    assert time.monotonic() - began_s < 20


@pytest.mark.usefixtures("_no_name_server")
@pytest.mark.parametrize("module", [spread, lookup])
def test_a_machine_is_looked_up_within_a_limit(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LOOKUP_S", SOON_S)
    with pytest.raises(OSError, match=r"no name server has found shop\.test within 0\.2 s"):
        ipv4_of(NAME)
    began_s = time.monotonic()
    try:
        assert module._looked_up(NAME) == NAME
    except Exception as error:
        assert "no address of shop.test is known (no name server" in str(error)
    assert time.monotonic() - began_s < 20


def _finding(*addresses: tuple[str, int]) -> Callable[..., Any]:
    return lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in addresses]


def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        open_port = listening.getsockname()[1]
        with socket.socket() as closed:  # bound, and so nobody else's, and refused
            closed.bind(("127.0.0.1", 0))
            found = _finding(closed.getsockname(), ("127.0.0.1", open_port))
            monkeypatch.setattr(socket, "getaddrinfo", found)
            with connect(NAME, open_port, 30.0) as made:
                assert made.getpeername() == ("127.0.0.1", open_port)
                assert made.gettimeout() == 30.0
            monkeypatch.setattr(socket, "getaddrinfo", _finding(closed.getsockname()))
            with pytest.raises(ConnectionRefusedError):
                connect(NAME, open_port, 30.0)


def test_an_address_of_a_family_that_a_machine_does_not_have_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = listening.getsockname()
        other = [(NO_FAMILY, socket.SOCK_STREAM, 6, "", ("::1", near[1], 0, 0))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [*other, *_finding(near)()])
        connect(NAME, near[1], 30.0).close()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(socket.socket):
        """Nothing comes from one address, as where packets are dropped on the way."""

        def connect(self, address: Any) -> None:
            if address == SILENT:
                time.sleep(self.gettimeout() or 30)
                raise TimeoutError("timed out")
            super().connect(address)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = listening.getsockname()
        monkeypatch.setattr(socket, "getaddrinfo", _finding(SILENT, near))
        monkeypatch.setattr(socket, "socket", Silent)
        connect(NAME, near[1], 1.0).close()


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_a_probe_of_an_ipv6_address_needs_no_port(
    scheme: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def refused(host: str, port: int, _: float) -> socket.socket:
        asked.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(sender, "connect", refused)
    Sender(url=f"{scheme}://[::1]/hook", timeout_s=SOON_S).send(HttpRequest("POST", "/hook"))
    assert asked == [("::1", port)]


def test_a_request_in_two_pieces_waits_for_no_acknowledgement() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        timed = TimedConnection(host, port, timeout=30.0)
        timed.connect()
        probing = Sender(url=f"http://{host}:{port}/hook", timeout_s=30.0)._connection()
        for connection in (timed, probing):
            with closing(connection):
                assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test"])
def test_what_can_be_no_name_has_no_address(name: str) -> None:
    with pytest.raises(socket.gaierror):
        looked_up(name, 80, 30.0)


def test_numbers_need_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", None)
    assert looked_up("127.0.0.1", 80, 1.0)[0][4] == ("127.0.0.1", 80)
    assert looked_up("::1", 80, 1.0)[0][4][:2] == ("::1", 80)
