"""A real server is fetched only when it is exactly the release that was asked for."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from paychain.cli.main import app
from paychain.engine.install import RELEASES, Release, fetch, release, this_platform
from paychain.payments.errors import UserError
from tests.support.slow_servers import DRIPS, dripping

SERVER = b"#!/bin/sh\necho toxiproxy-server version 9.9.9\n" + bytes(200_000)
RELEASE = Release("9.9.9", {"linux-amd64": hashlib.sha256(SERVER).hexdigest()})


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A file server with one release."""
    folder = tmp_path / "mirror" / "v9.9.9"
    folder.mkdir(parents=True)
    (folder / "toxiproxy-server-linux-amd64").write_bytes(SERVER)
    handler = partial(_Quiet, directory=str(tmp_path / "mirror"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that answers two requests with raw bytes and is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(65_536)
                    answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_release_is_fetched_whole_and_made_executable(mirror: str, tmp_path: Path) -> None:
    place = fetch(RELEASE, "linux-amd64", mirror, tmp_path / "deep" / "bin")
    assert place.read_bytes() == SERVER
    assert os.access(place, os.X_OK)
    assert [path.name for path in place.parent.iterdir()] == ["toxiproxy-server"]


def test_one_that_is_there_already_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "toxiproxy-server").write_bytes(SERVER)
    nowhere = "http://127.0.0.1:1"
    assert fetch(RELEASE, "linux-amd64", nowhere, tmp_path) == tmp_path / "toxiproxy-server"


def test_another_program_is_not_replaced(mirror: str, tmp_path: Path) -> None:
    mine = tmp_path / "toxiproxy-server"
    mine.write_text("mine")
    with pytest.raises(UserError, match="exists and is not toxiproxy"):
        fetch(RELEASE, "linux-amd64", mirror, tmp_path)
    assert mine.read_text() == "mine"


def refused(message: str, mirror: str, into: Path, kind: str = "linux-amd64") -> None:
    before = sorted(into.parent.iterdir())
    for place in (into, into / "deeper"):
        with pytest.raises(UserError, match=message):
            fetch(RELEASE, kind, mirror, place)
        assert sorted(into.parent.iterdir()) == before  # no folder either, that was not there


def test_a_wrong_digest_installs_nothing(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "mirror/v9.9.9/toxiproxy-server-linux-amd64").write_bytes(SERVER + b"!")
    into = tmp_path / "bin"
    refused("its SHA-256 is .*nothing was installed", mirror, into)


def test_a_missing_asset_installs_nothing(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "mirror/v9.9.9/toxiproxy-server-linux-amd64").unlink()
    refused("HTTP 404.*nothing was installed; .*--mirror", mirror, tmp_path / "bin")


def test_an_unknown_platform_is_reported(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    refused("for plan9-mips is not known here", mirror, tmp_path / "bin", "plan9-mips")


def test_an_interrupted_download_installs_nothing(tmp_path: Path) -> None:
    def half(connection: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(SERVER)}\r\n\r\n"
        connection.sendall(head.encode() + SERVER[: len(SERVER) // 2])

    with answering(half) as url:
        refused("it was cut off", url, tmp_path / "bin")


def test_a_download_without_a_length_that_ends_early_installs_nothing(tmp_path: Path) -> None:
    def half(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + SERVER[: len(SERVER) // 2])

    with answering(half) as url:
        refused("its SHA-256 is", url, tmp_path / "bin")


@pytest.mark.parametrize("kind", DRIPS)
def test_a_mirror_that_answers_without_end_is_not_waited_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paychain.engine.install.WITHIN_S", 0.3)
    began_s = time.monotonic()
    with dripping(kind) as url:
        refused("no answer", url, tmp_path / "bin")
    assert time.monotonic() - began_s < 10


def test_nothing_is_installed_when_nobody_is_there_to_answer(tmp_path: Path) -> None:
    refused("no connection", "http://127.0.0.1:1", tmp_path / "bin")


def test_a_folder_that_cannot_be_made_is_reported(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        fetch(RELEASE, "linux-amd64", mirror, tmp_path / "file" / "bin")


@pytest.mark.parametrize("name", ["x" * 300, "deep/" + "x" * 300, "x" * 300 + "/deep"])
def test_no_folder_is_left_where_a_deeper_one_cannot_be_made(
    name: str, mirror: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"cannot write to .*: File name too long"):
        fetch(RELEASE, "linux-amd64", mirror, tmp_path / "made" / name)
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "made/deep").mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write to .*: File name too long"):
        fetch(RELEASE, "linux-amd64", mirror, tmp_path / "made" / name)
    assert (tmp_path / "made/deep").is_dir()  # somebody else's


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_what_is_no_file_is_not_replaced(kind: str, mirror: str, tmp_path: Path) -> None:
    there = tmp_path / "bin/toxiproxy-server"
    there.parent.mkdir()
    there.mkdir() if kind == "folder" else there.symlink_to("nowhere")
    with pytest.raises(UserError, match="exists and is not toxiproxy"):
        fetch(RELEASE, "linux-amd64", mirror, there.parent)
    assert there.is_symlink() == (kind == "dangling link")
    assert os.path.lexists(there)


def test_only_known_versions_are_fetched() -> None:
    assert release("v2.12.0") is release("2.12.0") is RELEASES[0]
    with pytest.raises(UserError, match="no known digest for toxiproxy 2"):
        release("2.1.0")


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Darwin", "x86_64", "darwin-amd64"),
    ],
)
def test_a_platform_is_named_as_the_releases_name_it(system: str, machine: str, name: str) -> None:
    assert this_platform(system, machine) == name
    assert name in release("2.12.0").digests


def test_the_command_refuses_what_is_not_the_pinned_release(mirror: str, tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "v2.12.0"
    folder.mkdir()
    (folder / f"toxiproxy-server-{this_platform()}").write_bytes(SERVER)
    into = tmp_path / "bin"
    done = CliRunner().invoke(app, ["engine", "install", "--mirror", mirror, "--into", str(into)])
    assert isinstance(done.exception, UserError)
    assert "is not the published file" in str(done.exception)
    assert not into.exists()
