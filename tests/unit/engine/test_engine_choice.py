"""Which engine is used, and why: the order of the ways to say so, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.engine import choice as choices
from paychain.engine.choice import choose, installed
from paychain.payments.errors import UserError
from tests.support.fake_toxiproxy import FakeServer, serving


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}\n')
        yield server


def program(path: Path, *, says: str = "toxiproxy-server version 2.12.0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nprint({says!r})\n")
    path.chmod(0o755)
    return path


def test_the_embedded_engine_is_used_unless_something_else_is_asked_for(tmp_path: Path) -> None:
    program(tmp_path / "toxiproxy-server")
    choice = choose(None, {"PATH": str(tmp_path)})  # one on PATH does not take its place
    assert choice.kind == "embedded"
    assert choice.why == "neither --toxiproxy nor TOXIPROXY_URL is given"


def test_a_program_that_hangs_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(tmp_path / "my-proxy")
    path.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(choices, "VERSION_S", 0.1)
    with pytest.raises(UserError) as caught:
        choose(str(path), {})
    what = f"{path} cannot be used: it did not print its version within 0.1 s"
    assert str(caught.value) == what


def test_the_option_comes_before_the_variable(server: FakeServer) -> None:
    choice = choose("embedded", {"TOXIPROXY_URL": "http://127.0.0.1:1"})
    assert (choice.kind, choice.url) == ("embedded", "")
    choice = choose(server.url, {"TOXIPROXY_URL": "http://127.0.0.1:1"})
    assert (choice.kind, choice.url, choice.why) == (
        "toxiproxy",
        server.url,
        f"--toxiproxy {server.url}",
    )


def test_the_variable_comes_before_the_embedded_engine(server: FakeServer) -> None:
    address = server.url.removeprefix("http://")
    choice = choose(None, {"TOXIPROXY_URL": address})
    assert (choice.kind, choice.url, choice.version) == ("toxiproxy", server.url, "2.12.0")
    assert choice.why == f"TOXIPROXY_URL={address}"


def test_what_a_running_server_has_is_known_before_a_run(server: FakeServer) -> None:
    listed = {"a": {"name": "a", "listen": "x:1", "upstream": "y:2", "enabled": True}}
    server.answers["GET /proxies"] = (200, json.dumps(listed).encode())
    assert choose(server.url, {}).proxies == ("a",)


def test_an_embedded_engine_that_runs_already_keeps_its_abilities(server: FakeServer) -> None:
    server.answers["GET /version"] = (200, b'{"version": "2.12.0", "engine": "paychain"}')
    assert choose(server.url, {}).kind == "embedded"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = program(tmp_path / "my-proxy", says="toxiproxy-server version 2.11.0")
    choice = choose(str(path), {"PATH": ""})
    assert (choice.kind, choice.program, choice.version) == ("toxiproxy", str(path), "2.11.0")


def test_a_name_is_looked_up_on_path_and_then_among_the_installed(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "bin"), "XDG_DATA_HOME": str(tmp_path / "data")}
    fetched = program(installed(environment) / "toxiproxy-server")
    choice = choose("toxiproxy-server", environment)
    assert (choice.program, choice.why.split(", ")[1]) == (
        str(fetched),
        "fetched by paychain engine install",
    )
    on_path = program(tmp_path / "bin" / "toxiproxy-server")
    choice = choose("toxiproxy-server", environment)
    assert (choice.program, choice.why.split(", ")[1]) == (str(on_path), "found on PATH")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("toxiproxy-server", "no program 'toxiproxy-server'; paychain engine install"),
        ("./none", "no program './none'"),
        ("http://example.com:8474", "not on this machine's loopback"),
        ("192.0.2.1:8474", "not on this machine's loopback"),
        ("http://127.0.0.1:1", "no Toxiproxy server answers at http://127.0.0.1:1"),
    ],
)
def test_an_engine_that_cannot_be_used_is_a_mistake(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose(spec, {"PATH": "/nowhere", "XDG_DATA_HOME": "/nowhere"})


def test_nothing_is_run_from_the_working_folder_for_want_of_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"PATH": "/nowhere", "XDG_DATA_HOME": "data"}
    program(tmp_path / "data" / "paychain" / "toxiproxy-server")
    with pytest.raises(UserError, match="no program"):
        choose("toxiproxy-server", environment)


def test_a_variable_that_is_no_url_is_a_mistake() -> None:
    with pytest.raises(UserError, match="TOXIPROXY_URL=yes is not a URL"):
        choose(None, {"TOXIPROXY_URL": "yes"})


def test_a_program_that_is_no_toxiproxy_is_not_started(tmp_path: Path) -> None:
    path = program(tmp_path / "other", says="usage: other FILE")
    with pytest.raises(UserError, match="is not a Toxiproxy server"):
        choose(str(path), {})


def test_a_server_that_answers_without_sense_is_a_mistake(server: FakeServer) -> None:
    server.answers["GET /proxies"] = (200, b"<html>")
    with pytest.raises(UserError, match="no Toxiproxy server answers"):
        choose(server.url, {})
