"""An address that somebody else wrote raises nothing, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.board.guard import RequestGuard
from paychain.payments.web_addresses import split_address
from tests.support.cli import invoked
from tests.support.paths import SOURCES

UNREADABLE = ["http://[::1", "http://host:99999/x", "http://host:port", "//[/x"]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_address_has_no_host(text: str) -> None:
    parts = split_address(text)
    assert (parts.scheme, parts.hostname, parts.port, parts.path) == ("", None, None, text)


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_origin_that_is_no_address_is_another_site(text: str) -> None:
    guard = RequestGuard(host="127.0.0.1", key="k", token="t", session="s")
    refusal = guard.refusal("POST", {"Host": "127.0.0.1:8089", "Origin": text}, "s")
    assert refusal == "requests from other sites are refused"


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_probe_of_no_address_is_a_mistake(tmp_path: Path, text: str) -> None:
    done = invoked(tmp_path, "probe", text, "--dialect", "stripe", "--secret", "whsec_x")
    assert done.exit_code == 2
    assert f"'{text}' is not an address; write one such as http://" in done.stderr


@pytest.mark.parametrize("text", ["http://[::1", "http://127.0.0.1:99999"])
def test_a_fault_engine_at_no_address_is_a_mistake(tmp_path: Path, text: str) -> None:
    done = invoked(tmp_path, "engine", "--toxiproxy", text)
    assert done.exit_code == 2
    assert f"{text} is not a URL; write http://127.0.0.1:8474" in done.stderr


def test_every_address_is_read_by_what_raises_nothing() -> None:
    readers = {
        path.relative_to(SOURCES / "paychain").as_posix()
        for path in SOURCES.rglob("*.py")
        if "urlsplit" in path.read_text("utf-8") or "urlparse" in path.read_text("utf-8")
    }
    # The second one says what is wrong with an address that a service wrote.
    assert readers == {"payments/web_addresses.py", "protocol/pays/addresses.py"}
