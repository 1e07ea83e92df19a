"""Text of others as one line that no terminal and no CI system obeys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.errors import UserError, meant, one_line, without_passwords

COMMAND = re.compile(r"::[A-Za-z][\w-]*(?:\s[^:]*)?::|##\w*\[")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4\n::error::VAL\x1b[31m0/s", r"4\n:\:error::VAL\x1b[31m0/s"),
        ("a\r\n\tb\x00\x7f\x9b", r"a\r\n\tb\x00\x7f\x9b"),
        ("pay\u202eyap\u2066\u2028", r"pay\u202eyap\u2066\u2028"),
        ("::add-mask::secret", r":\:add-mask::secret"),
        ("::set-output name=a::b", r":\:set-output name=a::b"),
        ("x ##[error]y ##vso[task.complete]", r"x ##\[error]y ##\vso[task.complete]"),
        ("##teamcity[buildProblem]", r"##\teamcity[buildProblem]"),
        ("half \ud83d of a pair", r"half \ud83d of a pair"),
        ("iss\u200buer", r"iss\u200buer"),
        ("支付 กับ 💳 Zürich", "支付 กับ 💳 Zürich"),
        ("chains/shop.yaml:14:18: unknown", "chains/shop.yaml:14:18: unknown"),
        ("[::1]:8080 and std::string", "[::1]:8080 and std::string"),
        ("at http://user:pass@host/x", "at http://***@host/x"),
    ],
)
def test_what_would_be_obeyed_is_shown_instead(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text(alphabet=st.sampled_from("::#[]ab-\n\r\x1b\x85\u2028\u202e ") | st.characters()))
def test_no_text_is_more_than_a_line_or_a_command(text: str) -> None:
    shown = one_line(text)
    assert shown.splitlines() in ([], [shown])
    assert not COMMAND.search(shown)
    assert one_line(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:p@ss@127.0.0.1:8474/x", "http://***@127.0.0.1:8474/x"),
        ("https://token@host", "https://***@host"),
        ("postgres://a:b@db/x and http://c:d@e", "postgres://***@db/x and http://***@e"),
        ("http://127.0.0.1:8474/a@b", "http://127.0.0.1:8474/a@b"),
        ("mail somebody@example.org", "mail somebody@example.org"),
        ("http://host/?q=a@b", "http://host/?q=a@b"),
    ],
)
def test_a_url_is_shown_without_its_password(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


def test_a_mistake_of_a_user_is_one_line_whatever_they_wrote() -> None:
    error = UserError("no file 'a\n::error::b'", where="c\x1b", hint="d\u202e")
    assert str(error) == r"c\x1b: no file 'a\n:\:error::b'; d\u202e"


def test_names_that_look_alike_are_told_apart() -> None:
    assert meant("isuer", ["issuer"]) == "did you mean 'issuer'?"
    assert meant("\u0456ssuer", ["issuer"]) == "did you mean 'issuer'? (yours has U+0456)"


def test_of_names_that_are_equally_close_one_that_begins_alike_is_meant() -> None:
    assert meant("EUX", ["EUR", "UGX", "UYU"]) == "did you mean 'EUR'?"
    assert meant("UGY", ["EUR", "UYU", "UGX"]) == "did you mean 'UGX'?"
