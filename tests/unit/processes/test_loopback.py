"""Addresses of this machine alone, and sessions that go there directly."""

from __future__ import annotations

import socket

import pytest

from paychain.payments.errors import UserError
from paychain.processes import loopback
from paychain.processes.loopback import LOOPBACK, free_port, held_port, is_loopback
from paychain.processes.sessions import direct_session


@pytest.mark.parametrize("host", [LOOPBACK, "127.1.2.3", "::1", "localhost"])
def test_what_only_this_machine_reaches_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "localhost.com"])
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server((LOOPBACK, free_port())) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1, port {taken}"):
            free_port(port=taken)
    assert free_port(port=taken) == taken


@pytest.mark.parametrize("port", [65_536, -1])
def test_what_is_no_port_is_refused_in_words(port: int) -> None:
    with pytest.raises(UserError) as caught:
        free_port(port=port)
    what = f"cannot listen on 127.0.0.1, port {port} (ports go from 0 to 65535)"
    assert str(caught.value) == f"{what}; give another --port"


def test_a_port_for_a_later_server_is_none_that_the_system_gives_to_anybody() -> None:
    with socket.create_server((LOOPBACK, 0)) as given:
        lowest_given = min(32_768, given.getsockname()[1])
    for _ in range(20):
        with held_port() as held:
            assert held.getsockname()[1] < lowest_given


def test_taken_ports_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with held_port() as first:
        taken = first.getsockname()[1]
        monkeypatch.setattr(loopback, "_CHOSEN_PORTS", [taken])
        with held_port() as second:
            assert second.getsockname()[1] != taken


@pytest.mark.parametrize(
    ("host", "port", "hint"),
    [
        ("192.0.2.1", 0, "give an address of this machine"),
        ("no such host", 0, "give an address of this machine"),
        (LOOPBACK, 70_000, "give another --port"),
    ],
)
def test_an_address_that_is_not_ours_is_a_mistake(host: str, port: int, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        free_port(host, port)


def test_a_port_that_is_taken_is_a_mistake_without_a_number_of_the_system() -> None:
    with held_port() as held:
        held.listen()
        with pytest.raises(UserError) as raised:
            free_port(LOOPBACK, held.getsockname()[1])
    assert "(Address already in use); give another --port" in str(raised.value)


def test_a_session_obeys_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    session = direct_session()
    settings = session.merge_environment_settings(f"http://{LOOPBACK}/", {}, False, True, None)
    assert settings["proxies"] == {}
