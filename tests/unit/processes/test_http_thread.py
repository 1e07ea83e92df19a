"""The HTTP server on a thread."""

from __future__ import annotations

from http.client import BadStatusLine, HTTPConnection
from urllib.parse import urlsplit

import pytest

from paychain.processes.http_thread import HttpThread, QuietHandler


@pytest.mark.parametrize(
    ("error", "is_reported"),
    [(ConnectionResetError, False), (TimeoutError, False), (KeyError, True)],
)
def test_a_client_that_leaves_is_not_reported_and_our_own_failure_is(
    error: type[Exception], is_reported: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    class Failing(QuietHandler):
        def do_GET(self) -> None:
            raise error("said so")

    server = HttpThread(Failing)
    server.start()
    client = HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    try:
        client.request("GET", "/")
        with pytest.raises(BadStatusLine):
            client.getresponse()
    finally:
        client.close()
        server.stop()
    assert ("said so" in capfd.readouterr().err) == is_reported
