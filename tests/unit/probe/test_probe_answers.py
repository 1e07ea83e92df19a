"""What a webhook handler answers is read to its end or reported, whatever it is."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import sleep

import pytest

from paychain.probe.sender import HandlerAnswer, Sender
from paychain.wire import answer as reader
from paychain.wire.http import HttpRequest

OK = b"HTTP/1.1 200 OK\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
TIMEOUT_S = 0.5


@contextmanager
def handler(answer: bytes, *, then: bytes = b"") -> Iterator[str]:
    """A handler that answers with these bytes, and `then` with others for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server.accept()[0] as connection:
            connection.recv(65_536)
            try:
                connection.sendall(answer)
                while then:
                    sleep(TIMEOUT_S / 20)
                    connection.sendall(then)
            except OSError:
                return

    thread = Thread(target=serve, daemon=True)
    thread.start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/webhooks"
    thread.join()


def answered(answer: bytes) -> HandlerAnswer:
    with handler(answer) as url:
        return Sender(url=url, timeout_s=TIMEOUT_S).send(HttpRequest("POST", "/webhooks"))


@pytest.mark.parametrize(
    ("answer", "observed"),
    [
        (OK + b"content-length: 2\r\n\r\nok", "200"),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", "200"),
        (HINTS + OK + b"content-length: 0\r\n\r\n", "200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (OK + b"\r\n", "200"),
        (OK + b"content-length: 9\r\n\r\nok", "closed before the answer was whole"),
        (OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok", "Duplicate Content-Length"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP answer: Expected HTTP"),
        (b"HTTP/1.1 two OK\r\n\r\n", "no HTTP answer: Invalid status code"),
        (b"", "closed without an answer"),
    ],
)
def test_an_answer_is_whole_or_what_was_wrong_with_it_is_said(answer: bytes, observed: str) -> None:
    assert observed in str(answered(answer))


@pytest.mark.parametrize(
    ("answer", "observed"),
    [
        (OK + b"content-length: 9\r\n\r\nok", "closed before the answer was whole"),
        # Without a frame the body ends with the connection: with its end, not with its reset.
        (OK + b"\r\nok", "closed before the answer was whole"),
        (b"", "closed without an answer"),
    ],
)
def test_a_reset_is_reported_at_its_place_of_the_answer(answer: bytes, observed: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(answer)
                sleep(TIMEOUT_S / 5)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/webhooks"
        got = Sender(url=url, timeout_s=10 * TIMEOUT_S).send(HttpRequest("POST", "/webhooks"))
        thread.join()
    assert str(got) == observed


def test_an_answer_that_is_too_large_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_RESPONSE_BYTES", 30)
    found = str(answered(OK + b"content-length: 99\r\n\r\n" + b"x" * 99))
    assert found == "the answer has more than 30 bytes"


@pytest.mark.parametrize("piece", [b"x", HINTS])
def test_an_answer_without_an_end_takes_no_longer_than_it_may(piece: bytes) -> None:
    """Each piece comes in time, the answer never does."""
    first = OK + b"x-a: " if piece == b"x" else b""
    with handler(first, then=piece) as url:
        got = Sender(url=url, timeout_s=TIMEOUT_S).send(HttpRequest("POST", "/webhooks"))
    assert str(got) == "no answer within 0.5 s"
    assert got.took_s < 5 * TIMEOUT_S
