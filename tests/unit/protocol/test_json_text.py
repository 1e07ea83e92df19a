"""JSON that others wrote is a value or one kind of error, however it is nested."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc

import msgspec
import pytest

from paychain.payments.outcome import HopResult
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.json_text import _nesting, decoded
from paychain.wire.http import HttpResponse
from tests.support.paths import ROOT

DEEP = b'{"outcome":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
OWN = re.compile(r"msgspec\.json\.decode\(|_decoder\.decode\(")


@pytest.mark.parametrize(
    "text", [DEEP, b"", b"{", b"NaN", b"\xff", b"9" * 5_000, b'"\\ud800"', '"\ud800"']
)
def test_what_is_no_json_is_one_kind_of_error(text: bytes | str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decoded(text)


def test_an_answer_that_is_nested_too_deeply_is_malformed() -> None:
    assert DIALECTS["paychain"].classify(HttpResponse(200, DEEP)).result is HopResult.MALFORMED


def test_dialects_read_json_in_no_other_way() -> None:
    rooms = (ROOT / "harness/paychain/protocol").rglob("*.py")
    found = [path.name for path in rooms if OWN.search(path.read_text())]
    assert found == []


def test_deep_nesting_does_not_end_a_process_whose_recursion_limit_was_raised() -> None:
    code = (
        "import sys; sys.setrecursionlimit(1_000_000)\n"
        "from paychain.protocol.json_text import decoded\n"
        "try: decoded(b'[' * 1_000_000)\n"
        "except Exception as error: print(error)\n"
        "print(len(decoded('[' + ','.join(['{\"a\": \"[[\"}'] * 2_000) + ']')))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.split("\n") == ["it is nested too deeply", "2000", ""], ran.stderr


@pytest.mark.parametrize(
    "inside",
    [
        b'"' + b"a" * 500_000 + b'",',
        b'"' + b"\\n" * 250_000 + b'",',
        b'"",' * 200_000,
        b'"[",1,' * 100_000,
        b'{"a":1},' * 50_000,
        b"[]," * 200_000,
    ],
    ids=["long", "escapes", "strings", "brackets in strings", "objects", "brackets"],
)
def test_the_guard_takes_hardly_any_memory(inside: bytes) -> None:
    text = b"[" + inside + b"[" * 600
    tracemalloc.start()
    depth, peak = _nesting(text), tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert depth == 601
    assert peak < len(text) / 10
