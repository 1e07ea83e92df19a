"""The customers' client with servers good and bad, over real sockets."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import gevent
import pytest

from paychain.load.locust.client import CustomerPool
from paychain.payments.errors import UserError
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.reply import failure_of
from paychain.wire.http import CallTimeout, HttpResponse, MalformedHttp, WireError
from tests.support.waiting import let_pass

BODY = b'{"outcome":"approved","code":"00"}'
APPROVAL = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
REQUEST = b"POST /authorise HTTP/1.1\r\nhost: 127.0.0.1:"


class Peer:
    """A server that meets each connection with the next of its scripts, and notes what it read."""

    def __init__(self, *scripts: Callable[[socket.socket], object]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = Thread(target=self._serve, args=(scripts,), daemon=True)
        self._thread.start()

    def _serve(self, scripts: tuple[Callable[[socket.socket], object], ...]) -> None:
        for script in scripts:
            connection, _ = self._listener.accept()
            connection.settimeout(20)
            with connection:
                script(connection)

    def read(self, connection: socket.socket) -> bytes:
        """One request: its body is {} in every test."""
        data = b""
        while not data.endswith(b"{}"):
            data += connection.recv(65_536) or b"{}"
        self.requests.append(data)
        return data

    def close(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._listener.close()


@contextmanager
def peer(*answers: bytes | None) -> Iterator[Peer]:
    """Each connection reads one request, sends its answer (None: a reset) and ends."""

    def script(answer: bytes | None) -> Callable[[socket.socket], None]:
        def meet(connection: socket.socket) -> None:
            it.read(connection)
            if answer is None:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                connection.sendall(answer)

        return meet

    it = Peer(*map(script, answers))
    try:
        yield it
    finally:
        it.close()


def pay(pool: CustomerPool, timeout_s: float = 20.0) -> HttpResponse:
    return pool.request("POST", "/authorise", b"{}", headers={"x": "y"}, timeout_s=timeout_s)


def result(pool: CustomerPool, timeout_s: float = 20.0) -> HopResult:
    try:
        return DIALECTS["paychain"].classify(pay(pool, timeout_s)).result
    except WireError as error:
        return failure_of(error)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (APPROVAL, HopResult.APPROVED),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + APPROVAL, HopResult.APPROVED),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, HopResult.APPROVED),  # its end ends the answer
        (b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n", HopResult.HTTP_ERROR),
        (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", HopResult.MALFORMED),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", HopResult.MALFORMED),
        (b"SMTP ready\r\n\r\n", HopResult.MALFORMED),
        (b"", HopResult.RESET),
        (b"HTTP/1.1 200 OK\r\ncontent-le", HopResult.RESET),
        (APPROVAL[:-1], HopResult.RESET),
        (None, HopResult.RESET),
    ],
)
def test_what_a_server_does_is_classified_as_on_every_other_hop(
    answer: bytes | None, expected: HopResult
) -> None:
    with peer(answer) as it:
        assert result(CustomerPool(it.url, max_connections=1)) is expected
    (request,) = it.requests  # sent once, whatever became of it
    assert request.startswith(REQUEST)


def test_nobody_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert result(CustomerPool(f"http://127.0.0.1:{port}", max_connections=1)) is HopResult.REFUSED


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_number_is_connected_to_without_a_look_up(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gevent.get_hub().resolver, "getaddrinfo", _refuse)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"{host} is no address here: {error}")
    with listening as listener:
        url = f"http://[{host}]" if ":" in host else f"http://{host}"
        pool = CustomerPool(f"{url}:{listener.getsockname()[1]}", max_connections=1)
        assert result(pool, 0.2) is HopResult.TIMEOUT  # connected, and not answered


def test_a_name_is_looked_up() -> None:
    with peer(APPROVAL) as it:
        pool = CustomerPool(it.url.replace("127.0.0.1", "localhost"), max_connections=1)
        assert result(pool) is HopResult.APPROVED


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("a number was looked up")


def test_silence_is_a_time_out_and_its_late_answer_meets_no_later_payment() -> None:
    def late(connection: socket.socket) -> None:
        it.read(connection)
        connection.recv(1)  # until the customer has closed it

    def prompt(connection: socket.socket) -> None:
        it.read(connection)
        connection.sendall(APPROVAL)

    it = Peer(late, prompt)
    pool = CustomerPool(it.url, max_connections=1)
    began_s = time.monotonic()
    assert result(pool, 0.2) is HopResult.TIMEOUT
    assert 0.2 <= time.monotonic() - began_s < 5
    assert result(pool) is HopResult.APPROVED
    pool.close()
    it.close()


def test_a_connection_is_kept_and_replaced_once_its_peer_has_ended_it() -> None:
    def twice(connection: socket.socket) -> None:
        for _ in range(2):
            it.read(connection)
            connection.sendall(APPROVAL)

    def once(connection: socket.socket) -> None:
        it.read(connection)
        connection.sendall(APPROVAL)

    it = Peer(twice, once)
    pool = CustomerPool(it.url, max_connections=1)
    assert pay(pool).body == pay(pool).body == BODY
    while not pool._idle[0].is_readable():  # the end is on its way
        gevent.sleep(0.005)
    assert pay(pool).body == BODY
    assert len(it.requests) == 3
    pool.close()
    it.close()


def test_a_payment_waits_for_a_connection_within_its_patience() -> None:
    def slow(connection: socket.socket) -> None:
        it.read(connection)
        let_pass(0.3)  # a slow answer, longer than the impatient one waits
        connection.sendall(APPROVAL)
        it.read(connection)
        connection.sendall(APPROVAL)

    it = Peer(slow)
    pool = CustomerPool(it.url, max_connections=1)
    first = gevent.spawn(result, pool)
    gevent.sleep(0)  # it holds the only connection now
    second, impatient = gevent.spawn(result, pool), gevent.spawn(result, pool, 0.1)
    assert impatient.get(timeout=20) is HopResult.TIMEOUT
    assert first.get(timeout=20) is second.get(timeout=20) is HopResult.APPROVED
    assert len(it.requests) == 2
    pool.close()
    it.close()


def test_what_cannot_be_an_address_is_refused_at_once() -> None:
    for url in ("", "https://127.0.0.1:1", "127.0.0.1:80"):
        with pytest.raises(UserError, match="http://"):
            CustomerPool(url, max_connections=1)


def test_the_errors_say_what_was_wrong() -> None:
    with peer(b"SMTP ready\r\n\r\n") as it, pytest.raises(MalformedHttp, match="not an answer"):
        pay(CustomerPool(it.url, max_connections=1))
    with pytest.raises(CallTimeout):
        pay(CustomerPool(it.url, max_connections=1), 0.0)
