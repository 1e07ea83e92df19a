"""Exit codes: CI jobs branch on them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import paychain.cli
from paychain.analysis.measures.measures import Verdict
from paychain.cli import main
from paychain.cli.exit_codes import SUMMARY, ExitCode
from paychain.payments.errors import PartLost, UserError

COMMANDS = sorted(Path(paychain.cli.__file__).parent.glob("*.py"))
EXITS = ("typer.Exit", "sys.exit")
# Run computes its code from verdict and comparison; worker passes on that of its load process, and
# explore that of its search.
NAMED = {
    "run.py": ("outputs.publish(",),
    "worker.py": ("code ",),
    "explore.py": ("explore_live(", "explore_and_print_actions(", "explore_schedules("),
}


def exit_code_of(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["paychain", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_codes_never_change() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "PASS": 0,
        "FAIL": 1,
        "USAGE": 2,
        "INCONCLUSIVE": 3,
        "REGRESSION": 4,
        "INTERRUPTED": 130,
    }


def test_every_verdict_has_a_code() -> None:
    codes = [ExitCode.of_verdict(verdict) for verdict in Verdict]
    assert codes == [ExitCode.PASS, ExitCode.FAIL, ExitCode.INCONCLUSIVE]


def test_the_help_lists_every_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(monkeypatch, "--help") == ExitCode.PASS
    shown = " ".join(capsys.readouterr().out.split())
    assert SUMMARY in shown
    for code in ExitCode:
        assert f"{int(code)} " in SUMMARY


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("a mistake"), ExitCode.USAGE), (PartLost("no answer"), ExitCode.INCONCLUSIVE)],
)
def test_a_part_of_ours_that_is_lost_is_no_mistake_of_the_users(
    error: UserError, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    assert exit_code_of(monkeypatch, "explore") == code


@pytest.mark.parametrize(
    "words",
    [
        ["check"],  # nothing to check
        ["check", "no-such-chain"],
        ["run", "card-ecommerce", "no-such-experiment"],
        ["run", "card-ecommerce", "steady", "--no-such-option"],
        ["explore", "card-ecommerce", "--budget", "soon"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_a_mistake_of_the_user_is_2(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(monkeypatch, *words) == ExitCode.USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_review_findings_are_warnings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(monkeypatch, "check", "card-ecommerce", "steady") == ExitCode.PASS
    assert "review: " in capsys.readouterr().out


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_no_command_exits_with_a_number(path: Path) -> None:
    """A number would be a second definition of what it means."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in EXITS:
            (code,) = node.args
            assert ast.unparse(code).startswith(NAMED.get(path.name, ("ExitCode.",))), path
