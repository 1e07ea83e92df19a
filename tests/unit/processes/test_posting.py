"""What a server of somebody else answers costs neither much time nor much memory."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
import requests

from paychain.processes.posting import Posted, no_answer, post
from tests.support.slow_servers import DRIPS, dripping

Answer = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """One that reads a request's head and then answers like that, once."""

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            is_over.set()
            thread.join()


is_over = threading.Event()


def silently(_: socket.socket) -> None:
    is_over.wait()


def endlessly(connection: socket.socket) -> None:
    connection.sendall(OK + b"\r\n")
    while not is_over.is_set():
        connection.sendall(b"x" * 65_536)


def post_to(url: str, within_s: float) -> Posted:
    with requests.Session() as session:
        return post(session, url, data=b"x", within_s=within_s, max_bytes=100)


def posted(answer: Answer, within_s: float) -> Posted:
    is_over.clear()
    with server(answer) as url:
        return post_to(url, within_s)


def assert_given_up(exchange: Callable[[float], Posted]) -> None:
    began_s = time.monotonic()
    with pytest.raises(requests.Timeout) as refused:
        exchange(0.3)
    assert time.monotonic() - began_s < 5
    assert no_answer(refused.value, 0.3) == "has not answered within 0.3 s"


@pytest.mark.parametrize("kind", DRIPS)
def test_a_server_that_answers_drop_by_drop_is_not_waited_for(kind: str) -> None:
    with dripping(kind) as url:
        assert_given_up(partial(post_to, url))


def test_a_server_that_answers_nothing_is_not_waited_for() -> None:
    assert_given_up(partial(posted, silently))


def test_of_an_answer_without_end_only_the_beginning_is_read() -> None:
    assert posted(endlessly, 20) == Posted(200, b"x" * 100)


def test_of_an_answer_that_is_packed_no_more_is_unpacked() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    assert posted(lambda connection: connection.sendall(head + bomb), 20).content == b"x" * 100


def test_a_redirect_is_an_answer_and_no_success() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    found = posted(lambda connection: connection.sendall(head), 20)
    assert (found.status, found.is_success) == (302, False)


@pytest.mark.parametrize("answer", [b"", b"hello", b"HTTP/1.1 99999 X\r\n\r\n"])
def test_what_is_no_answer_is_none(answer: bytes) -> None:
    with pytest.raises(requests.RequestException) as refused:
        posted(lambda connection: connection.sendall(answer), 20)
    assert no_answer(refused.value, 20) == "does not answer"
