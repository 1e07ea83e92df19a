"""Who may use the board, and who is refused."""

from __future__ import annotations

import re

import pytest

from paychain.board.guard import HEADER, RequestGuard, cookie_name
from paychain.board.processes import wanted_token
from paychain.payments.errors import UserError
from paychain.processes.loopback import is_loopback

COOKIE = "our-session"
LOCAL = RequestGuard("127.0.0.1", "our-key", "a-token-of-some-length", COOKIE)
REMOTE = RequestGuard("0.0.0.0", "our-key", "a-token-of-some-length", COOKIE)
OURS = {"Host": "127.0.0.1:8089", "Origin": "http://127.0.0.1:8089", HEADER: "our-key"}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in OURS.items() if key != name}


def test_our_own_page_may_read_and_change() -> None:
    assert LOCAL.refusal("GET", {"Host": "localhost:8089"}, COOKIE) is None
    assert LOCAL.refusal("GET", {"Host": "[::1]:8089"}, COOKIE) is None
    assert LOCAL.refusal("POST", OURS, COOKIE) is None
    assert LOCAL.refusal("POST", OURS | {"Sec-Fetch-Site": "same-origin"}, COOKIE) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_what_changes_something_needs_the_header_that_only_our_pages_know(method: str) -> None:
    assert LOCAL.refusal(method, without(HEADER), COOKIE) is not None
    assert LOCAL.refusal(method, OURS | {HEADER: "another"}, COOKIE) is not None
    assert LOCAL.refusal(method, OURS | {HEADER: ""}, COOKIE) is not None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8089", ""],
)
def test_a_foreign_page_is_refused_even_with_the_key(origin: str) -> None:
    assert LOCAL.refusal("POST", OURS | {"Origin": origin}, COOKIE) is not None
    assert LOCAL.refusal("GET", {"Host": "127.0.0.1:8089", "Origin": origin}, COOKIE) is not None


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
    assert LOCAL.refusal("POST", headers, COOKIE) is not None
    assert LOCAL.refusal("GET", {"Host": host}, COOKIE) is not None


def test_a_rebound_name_is_refused_with_a_token_too() -> None:
    headers = OURS | {"Host": "evil.example:8089", "Origin": "http://evil.example:8089"}
    assert REMOTE.refusal("GET", headers, COOKIE) is not None


def test_a_link_elsewhere_may_open_the_board_but_not_frame_or_fetch_it() -> None:
    opened = {
        "Host": "127.0.0.1:8089",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert LOCAL.refusal("GET", opened, COOKIE) is None
    assert LOCAL.refusal("GET", opened | {"Sec-Fetch-Dest": "iframe"}, COOKIE) is not None
    assert LOCAL.refusal("GET", opened | {"Sec-Fetch-Mode": "no-cors"}, COOKIE) is not None
    assert LOCAL.refusal("GET", opened | {"Sec-Fetch-Site": "same-site"}, COOKIE) is None
    assert LOCAL.refusal("POST", OURS | opened, COOKIE) is not None


def test_nothing_is_answered_without_the_cookie() -> None:
    # Any account of the machine can reach loopback, and could read the key in a page.
    for method in ("GET", "POST"):
        assert LOCAL.refusal(method, OURS, "") is not None
        assert LOCAL.refusal(method, OURS, COOKIE) is None
    headers = OURS | {"Host": "192.168.1.9:8089", "Origin": "http://192.168.1.9:8089"}
    for method in ("GET", "POST"):
        assert REMOTE.refusal(method, headers, "") is not None
        assert REMOTE.refusal(method, headers, "a-token-of-some-length") is not None
        assert REMOTE.refusal(method, headers, COOKIE) is None


def test_only_the_token_is_the_token() -> None:
    assert REMOTE.accepts("a-token-of-some-length")
    assert not REMOTE.accepts("a-token-of-some-lengtX")
    assert not REMOTE.accepts("")
    assert not LOCAL.accepts("")


def test_there_is_always_a_token() -> None:
    assert len(wanted_token(None)) >= 32
    assert wanted_token(None) != wanted_token(None)
    assert wanted_token("x" * 16) == "x" * 16
    for short in ("short", ""):
        with pytest.raises(UserError, match="fewer than 16"):
            wanted_token(short)


def test_boards_on_two_ports_of_a_machine_have_cookies_of_their_own() -> None:
    names = {cookie_name(host) for host in ("[::1]:8089", "[::1]:8090", "shop.example", "[::1]")}
    assert len(names) == 3
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)


def test_loopback_is_distinguished_from_the_rest() -> None:
    assert [is_loopback(each) for each in ("127.0.0.1", "127.1.2.3", "::1", "localhost")] == [
        True
    ] * 4
    assert not any(is_loopback(each) for each in ("0.0.0.0", "::", "10.0.0.1", "example.com", ""))
