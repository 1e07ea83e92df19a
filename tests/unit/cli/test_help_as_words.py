"""`paychain help` and `paychain version`, as users of other tools type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.cli.exit_codes import ExitCode
from tests.support.cli import invoked


@pytest.mark.parametrize("words", [[], ["run"], ["show"], ["show", "payment"], ["engine"]])
def test_help_says_what_the_option_says(tmp_path: Path, words: list[str]) -> None:
    asked = invoked(tmp_path, "help", *words)
    assert asked.exit_code == 0
    assert asked.stdout.split() == invoked(tmp_path, *words, "--help").stdout.split()
    assert "<bool>" not in asked.stdout


def test_version_says_what_the_option_says(tmp_path: Path) -> None:
    assert invoked(tmp_path, "version") == invoked(tmp_path, "--version")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ruhn"], "no command 'ruhn'; did you mean 'run'"),
        (["show", "payments"], "show has no command 'payments'; did you mean 'payment'"),
        (["run", "now"], "run has no command 'now'; write paychain help run"),
    ],
)
def test_help_about_what_does_not_exist_is_a_mistake(
    tmp_path: Path, words: list[str], message: str
) -> None:
    done = invoked(tmp_path, "help", *words)
    assert done.exit_code == ExitCode.USAGE
    assert message in done.stderr
