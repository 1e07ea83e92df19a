"""The four answers on a terminal."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from paychain.analysis.measures.measures import UnknownCall, Verdict
from paychain.analysis.store.facts import ServiceFacts, ServiceFailure
from paychain.report.text.terminal import WIDTH, show, terminal_lines
from tests.support.report_results import result


def test_the_four_questions_are_answered_in_order_within_eighty_columns() -> None:
    lines = terminal_lines(result())
    assert lines[0] == "✕ FAILED  mine on shop"
    questions = [line for line in lines if line[:1].isdigit()]
    assert questions == [
        "1  Within tolerances? 1 of 3 held",
        "2  Where did payments break? 115 broke",
        "3  How did the fallbacks perform? 85 uses",
        "4  Did any money go wrong? 30.00 EUR",
    ]
    assert max(map(len, lines)) <= WIDTH
    assert lines[-1] == "reproduce: paychain run shop mine --seed 7"


def test_failed_tolerances_come_first_and_columns_line_up() -> None:
    rows = [line for line in terminal_lines(result()) if "Technical" in line or "Recovery" in line]
    assert rows[0].strip().startswith("✕")
    assert rows[0].index("≥ 95 %") == rows[1].index("≤ 10 s")


def test_colour_is_only_for_somebody_who_watches() -> None:
    plain, coloured = io.StringIO(), io.StringIO()
    show(result(), Console(file=plain, width=80))
    show(result(), Console(file=coloured, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[1;31m✕ FAILED" in coloured.getvalue()


def test_foreign_text_cannot_steer_the_terminal() -> None:
    evil = msgspec.structs.replace(result().breaks[0], failure="\x1b[2J\x1b]0;x\x07")
    assert "\x1b" not in "\n".join(terminal_lines(result(breaks=[evil])))


def test_quiet_is_one_line() -> None:
    out = io.StringIO()
    show(result(verdict=Verdict.PASS), Console(file=out), is_quiet=True)
    assert out.getvalue() == "✓ PASSED  mine on shop\n"


def test_a_double_charge_stands_beside_the_outcomes_that_led_to_it() -> None:
    lost = UnknownCall(
        caller="shop",
        operation="authorise",
        callee="stripe",
        result="http_error",
        code="503",
        payments=2,
    )
    money = result().money
    rules = [
        msgspec.structs.replace(rule, unknown=[lost]) if rule.findings else rule
        for rule in money.rules
    ]
    lines = terminal_lines(result(money=msgspec.structs.replace(money, rules=rules)))
    assert "     outcome not learnt by the caller: shop → stripe (HTTP 503) in 2 payments" in lines
    assert not any("outcome not learnt" in line for line in terminal_lines(result()))


@pytest.mark.parametrize(
    "text", ["x\n::error::forged", "::stop-commands::off", "##[error]forged", "\u202exyz"]
)
def test_no_text_of_others_is_a_command_to_a_ci_system(text: str) -> None:
    # GitHub looks for `::` behind any spaces, and for `##[` anywhere in a line.
    broken = msgspec.structs.replace(result().breaks[0], failure=text)
    failure = ServiceFailure(at_s=1.0, what="ended", lines=[text])
    service = ServiceFacts(name="shop", form="command", failures=[failure])
    evil = result(breaks=[broken], services=[service], command=f"paychain run '{text}'")
    lines = "\n".join(terminal_lines(evil)).split("\n")
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in lines)
    assert "\u202e" not in "".join(lines)
