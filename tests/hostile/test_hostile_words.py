"""Words of a command line, of a settings file and of a key that were written to be obeyed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import invoked

# A line break and a command of a CI system, a terminal's escape, a turn of the text's direction.
ODD = "a\n::error::b\x1b[31m##[error]\u202ec"
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]|^ *::|##\\[", re.MULTILINE)
WITHIN_A_COMMAND = [
    ("list", ODD),
    ("check", "shop.yaml", "--format", ODD),
    ("run", "shop.yaml", "x", "--seed", ODD),
    ("run", "shop.yaml", "x", f"--{ODD}"),
    ("init", "there", "--ci", ODD),
    ("show", ODD, "--nothing"),
    ("docs", ODD),
    ("docs", "measures", ODD),
]


@pytest.mark.parametrize(
    "words", [(ODD,), (f"--{ODD}",), (f"-{ODD}",), *WITHIN_A_COMMAND], ids=range(11)
)
def test_no_word_of_a_command_line_is_obeyed(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = invoked(tmp_path, *words)
    assert done.exit_code == 2
    shown = done.stdout + done.stderr
    assert shown
    assert _OBEYED.search(shown) is None, shown


def test_a_number_of_too_many_digits_in_a_settings_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "paychain.toml").write_text(f"seed = {'9' * 5_000}\n")
    done = invoked(tmp_path, "list")
    assert done.exit_code == 2
    assert done.stderr.strip() == "paychain.toml has a number that is too large"
    (tmp_path / "paychain.toml").write_text(f'seed = "{"9" * 5_000}"\n')
    done = invoked(tmp_path, "run", "card-ecommerce", "steady", "--virtual")
    assert (done.exit_code, "--seed: the number is too large" in done.stderr) == (2, True)


def test_a_settings_file_that_is_nested_without_end_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "paychain.toml").write_text(f"seed = {'[' * 50_000}\n")
    done = invoked(tmp_path, "list")
    assert (done.exit_code, done.stderr.strip()) == (2, "paychain.toml is nested too deeply")


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "paychain.toml").write_text("\ufeffformat = 'json'\n", "utf-8")
    assert invoked(tmp_path, "list").json


def test_of_several_keys_in_a_file_none_is_taken_for_the_only_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert invoked(tmp_path, "keygen", name).exit_code == 0
    both = (tmp_path / "a.pub").read_text() + (tmp_path / "b.pub").read_text()
    (tmp_path / "both.pub").write_text(both)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.intoto.jsonl").write_text("{}")
    done = invoked(tmp_path, "verify", "run", "--trust", "both.pub")
    assert (done.exit_code, "both.pub holds several keys" in done.stderr) == (2, True), done.stderr
