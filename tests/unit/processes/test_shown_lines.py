"""The last lines of a process, as a report may show them."""

from __future__ import annotations

import pytest

from paychain.processes.shown_lines import LAST_LINES, shown_lines


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "dbPassword",
        "STRIPE_API_KEY",
        "STRIPE_KEY_LIVE",
        "MYSQL_PWD",
        "KEY_2",
        "CI_PAT",
    ],
)
def test_no_value_of_a_variable_that_is_named_like_a_secret_is_shown(name: str) -> None:
    assert shown_lines([f"{name}='s3cr3t-value'"], {name: "s3cr3t-value"}) == [f"{name}='***'"]


@pytest.mark.parametrize(
    "name", ["PATH", "TOKEN_LIFETIME", "SECRETS_FILE", "LOG_KEYS_IN", "PWD", "BRAINTREE_PUBLIC_KEY"]
)
def test_other_values_are_shown(name: str) -> None:
    assert shown_lines(["in /srv/shop"], {name: "/srv/shop"}) == ["in /srv/shop"]


def test_a_secret_of_several_lines_or_within_another_leaves_nothing() -> None:
    secrets = {"SIGNING_KEY": "-----BEGIN KEY-----\nMIIBVgIBADAN", "A_TOKEN": "abcdefgh"}
    secrets["B_TOKEN"] = "abcdefgh-and-more"
    lines = ["-----BEGIN KEY-----", "MIIBVgIBADAN", "abcdefgh-and-more"]
    assert shown_lines(lines, secrets) == ["***", "***", "***"]


def test_short_values_card_numbers_and_passwords() -> None:
    # "test" is in text that tells what went wrong
    assert shown_lines(["in test"], {"API_KEY": "test"}) == ["in test"]
    assert shown_lines(["at postgres:5432"], {"PASSWORD": "postgres"}) == ["at postgres:5432"]
    assert shown_lines(["card 4242424242424242"], {}) == ["card 424242…4242"]
    assert shown_lines(["at postgres://me:hunter2@db/x"], {}) == ["at postgres://***@db/x"]


@pytest.mark.parametrize(
    "lines",
    [
        ["  card: 4242 4242", "    4242 4242", "  declined"],
        ["  card: 42424242", "", "42424242", "  declined"],
        [f"  card: {number}" for number in ("4242424242424242",)] + ["  declined"],
    ],
)
def test_a_number_that_goes_on_in_the_next_line_is_masked(lines: list[str]) -> None:
    assert shown_lines(lines, {}) == ["card: 424242…4242", "declined"]
    cut = [*lines, *["  more"] * (LAST_LINES - 1)]  # the number begins before the first line shown
    assert not any("4242 4242" in line or "42424242" in line for line in shown_lines(cut, {}))


def test_lines_without_a_number_keep_their_indentation() -> None:
    trace = ["Traceback (most recent call last):", "  File shop.py, line 4", "KeyError"]
    assert shown_lines(trace, {}) == trace


def test_the_last_lines_that_are_not_empty_are_shown() -> None:
    lines = [*map(str, range(LAST_LINES + 5)), "", "  "]
    assert shown_lines(lines, {}) == [str(number) for number in range(5, LAST_LINES + 5)]


def test_a_log_of_requests_does_not_hide_what_was_written_before() -> None:
    polled = [f'127.0.0.1 - - [04:41:{second:02}] "GET /healthz" 404' for second in range(50)]
    shown = shown_lines(["listening on 5000", "no route", *polled], {})
    assert shown == ["listening on 5000", "no route", f"{polled[-1]} (50 lines like this)"]
    assert shown_lines(["12", "34", "a 1", "b 2"], {}) == ["12", "34", "a 1", "b 2"]
