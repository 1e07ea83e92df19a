"""An answer of one of our clients has one time limit, whatever its server sends."""

from __future__ import annotations

import time
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
import requests

from paychain.environment.own.readiness import ReadySign
from paychain.environment.own.variables import Addresses
from paychain.model.service import Ready
from paychain.processes.deadlines import TimedConnection
from paychain.processes.sessions import direct_session
from tests.support.slow_servers import DRIPS, dripping

SOON_S = 0.3


@pytest.mark.parametrize("timeout", [SOON_S, (5.0, SOON_S)], ids=["for all", "for the answer"])
@pytest.mark.parametrize("kind", DRIPS)
def test_a_session_waits_no_longer_than_its_limit(
    kind: str, timeout: float | tuple[float, float]
) -> None:
    began_s = time.monotonic()
    with dripping(kind) as url, direct_session() as session:
        with pytest.raises(requests.RequestException):
            session.get(url, timeout=timeout)
        assert SOON_S * 0.9 < time.monotonic() - began_s < 5


def test_a_session_answers_while_its_user_prints_what_http_client_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    with dripping("its body") as url, direct_session() as session:
        assert session.get(url, timeout=5.0, stream=True).status_code == 200
    assert "HTTP/1.1 200" in capsys.readouterr().out


def test_a_session_without_a_limit_is_a_mistake() -> None:
    with direct_session() as session, pytest.raises(AssertionError, match="without a time limit"):
        session.get("http://127.0.0.1:9/")


@pytest.mark.parametrize("kind", DRIPS)
def test_a_connection_waits_no_longer_than_its_limit(kind: str) -> None:
    began_s = time.monotonic()
    with dripping(kind) as url:
        connection = TimedConnection(urlsplit(url).netloc, timeout=SOON_S)
        connection.request("GET", "/")
        with pytest.raises((OSError, HTTPException)):
            connection.getresponse().read()
        connection.close()
    assert SOON_S * 0.9 < time.monotonic() - began_s < 5


@pytest.mark.parametrize("kind", [kind for kind in DRIPS if kind != "its body"])
def test_a_service_that_answers_without_end_is_not_ready(kind: str, tmp_path: Path) -> None:
    with dripping(kind) as url:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        own = (parts.hostname, parts.port)
        sign = ReadySign(
            ready=Ready(http="/health"),
            addresses=Addresses(own, str(tmp_path), {}),
            log=tmp_path / "log",
            written=0,
            folder=tmp_path,
            environment={},
        )
        began_s = time.monotonic()
        assert sign.wait(SOON_S) == "no answer"
        assert time.monotonic() - began_s < 5


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response_only(100)
        self.end_headers()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        type(self).peers.add(self.client_address[1])

    def log_message(self, *_: object) -> None: ...

    peers: ClassVar[set[int]] = set()


def test_whole_answers_come_over_one_connection_and_may_have_preliminary_ones() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with direct_session() as session:
            for size in (0, 1, 3_000_000):
                body = b"x" * size
                url = f"http://127.0.0.1:{server.server_port}/"
                assert session.post(url, data=body, timeout=30).content == body
        server.shutdown()
    assert len(_Echo.peers) == 1
