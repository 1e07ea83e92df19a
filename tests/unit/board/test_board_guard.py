"""Who may use the board, and who is refused."""

from __future__ import annotations

import pytest

from paychain.board.guard import HEADER, Guard
from paychain.board.processes import wanted_token
from paychain.payments.errors import UserError
from paychain.processes.loopback import is_loopback

LOCAL = Guard("127.0.0.1", "our-key")
REMOTE = Guard("0.0.0.0", "our-key", "a-token-of-some-length", "our-session")
OURS = {"Host": "127.0.0.1:8089", "Origin": "http://127.0.0.1:8089", HEADER: "our-key"}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in OURS.items() if key != name}


def test_our_own_page_may_read_and_change() -> None:
    assert LOCAL.refusal("GET", {"Host": "localhost:8089"}, "") is None
    assert LOCAL.refusal("GET", {"Host": "[::1]:8089"}, "") is None
    assert LOCAL.refusal("POST", OURS, "") is None
    assert LOCAL.refusal("POST", OURS | {"Sec-Fetch-Site": "same-origin"}, "") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_what_changes_something_needs_the_header_that_only_our_pages_know(method: str) -> None:
    assert LOCAL.refusal(method, without(HEADER), "") is not None
    assert LOCAL.refusal(method, OURS | {HEADER: "another"}, "") is not None
    assert LOCAL.refusal(method, OURS | {HEADER: ""}, "") is not None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8089", ""],
)
def test_a_foreign_page_is_refused_even_with_the_key(origin: str) -> None:
    assert LOCAL.refusal("POST", OURS | {"Origin": origin}, "") is not None
    assert LOCAL.refusal("GET", {"Host": "127.0.0.1:8089", "Origin": origin}, "") is not None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8089",
        "",
        "127.0.0.1.evil.example",
        "192.168.1.9:8089",
        "[::1",
        "localhost.evil.example",
    ],
)
def test_a_name_that_somebody_points_at_this_machine_is_refused(host: str) -> None:
    headers = OURS | {"Host": host, "Origin": f"http://{host}"}
    assert LOCAL.refusal("POST", headers, "") is not None
    assert LOCAL.refusal("GET", {"Host": host}, "") is not None


def test_a_rebound_name_is_refused_with_a_token_too() -> None:
    headers = OURS | {"Host": "evil.example:8089", "Origin": "http://evil.example:8089"}
    assert REMOTE.refusal("GET", headers, "our-session") is not None


def test_a_link_elsewhere_may_open_the_board_but_not_frame_or_fetch_it() -> None:
    opened = {
        "Host": "127.0.0.1:8089",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert LOCAL.refusal("GET", opened, "") is None
    assert LOCAL.refusal("GET", opened | {"Sec-Fetch-Dest": "iframe"}, "") is not None
    assert LOCAL.refusal("GET", opened | {"Sec-Fetch-Mode": "no-cors"}, "") is not None
    assert LOCAL.refusal("GET", opened | {"Sec-Fetch-Site": "same-site"}, "") is None
    assert LOCAL.refusal("POST", OURS | opened, "") is not None


def test_with_a_token_nothing_is_answered_without_the_cookie() -> None:
    headers = OURS | {"Host": "192.168.1.9:8089", "Origin": "http://192.168.1.9:8089"}
    for method in ("GET", "POST"):
        assert REMOTE.refusal(method, headers, "") is not None
        assert REMOTE.refusal(method, headers, "a-token-of-some-length") is not None
        assert REMOTE.refusal(method, headers, "our-session") is None


def test_only_the_token_is_the_token() -> None:
    assert REMOTE.accepts("a-token-of-some-length")
    assert not REMOTE.accepts("a-token-of-some-lengtX")
    assert not REMOTE.accepts("")
    assert not LOCAL.accepts("")


def test_beyond_loopback_there_is_always_a_token() -> None:
    assert wanted_token("127.0.0.1", None) == ""
    assert wanted_token("localhost", None) == ""
    assert len(wanted_token("0.0.0.0", None)) >= 32
    assert wanted_token("0.0.0.0", None) != wanted_token("0.0.0.0", None)
    assert wanted_token("127.0.0.1", "x" * 16) == "x" * 16
    with pytest.raises(UserError, match="fewer than 16"):
        wanted_token("0.0.0.0", "short")


def test_loopback_is_distinguished_from_the_rest() -> None:
    assert [is_loopback(each) for each in ("127.0.0.1", "127.1.2.3", "::1", "localhost")] == [
        True
    ] * 4
    assert not any(is_loopback(each) for each in ("0.0.0.0", "::", "10.0.0.1", "example.com", ""))
