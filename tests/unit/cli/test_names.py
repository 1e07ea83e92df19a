"""What `paychain list` shows, and what a shell completes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from paychain.cli import names
from paychain.cli.listing import listed
from paychain.cli.main import app
from paychain.runs.matrix import standard_faults
from tests.support.chains import experiment
from tests.support.cli import environment, invoked


def test_yours_come_first_with_their_titles_and_those_with_mistakes(tmp_path: Path) -> None:
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains/mine.yaml").write_text("title: >\n  A shop\n  of mine\nchain: [\n")
    (tmp_path / "chains/plain.yaml").write_text("chain: plain\n")
    done = invoked(tmp_path, "list")
    assert done.stdout.startswith("your chains\n  mine ")
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert lines["mine"] == ["A", "shop", "of", "mine"]
    assert lines["plain"] == []
    assert done.stdout.index("shipped chains") < done.stdout.index("shipped experiments")


def test_programs_get_the_same_as_json(tmp_path: Path) -> None:
    items = invoked(tmp_path, "list", "experiments", "--format", "json").json
    by_name = {item["name"]: item for item in items}
    assert by_name["down"]["kind"] == "standard fault"
    assert by_name["processor-down"]["kind"] == "experiment"
    assert all(item["title"] and item["shipped"] for item in items)


def test_every_shipped_file_has_a_title() -> None:
    assert [
        item.name for kind in ("chain", "experiment") for item in listed(kind) if not item.title
    ] == []


def test_names_and_paths_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/shop.yaml").touch()
    (tmp_path / "mine/notes.txt").touch()
    assert "card-ecommerce" in names.chains("card-e")
    assert names.chains("mi") == ["mine/"]
    assert names.experiments("mine/s") == ["mine/shop.yaml"]
    assert names.chains("mine/") == ["mine/shop.yaml"]
    assert "processor-down" in names.experiments("processor")
    assert "no_double_charge" in names.rules("no_d")
    assert names.kinds("lost") == ["lost_answer"]
    assert names.chains("nowhere/") == []


def test_a_shell_gets_them() -> None:
    variables = {
        "_PAYCHAIN_COMPLETE": "complete_bash",
        "COMP_WORDS": "paychain run card-eco",
        "COMP_CWORD": "2",
    }
    code = "from paychain.cli.main import app; app(prog_name='paychain')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["card-ecommerce"], done.stderr


def test_the_version_and_short_help_are_what_everybody_tries(tmp_path: Path) -> None:
    for word in ("--version", "-V"):
        assert invoked(tmp_path, word).stdout.startswith("paychain 0.")
    for words in (["-h"], ["run", "-h"], ["show", "chain", "-h"]):
        done = invoked(tmp_path, *words)
        assert done.exit_code == 0
        assert "Usage: " in done.stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("show card-eco", ["card-ecommerce"]),
        ("show pay", ["payment"]),
        ("matrix card-ecommerce --fault do", ["down"]),
        ("matrix card-ecommerce --link iss", ["issuer"]),
        ("matrix card-ecommerce --links iss", ["issuer"]),
        ("matrix nowhere --link iss", []),
        ("init --dialect str", ["stripe"]),
        ("probe http://127.0.0.1 --dialect ady", ["adyen"]),
    ],
)
def test_words_are_completed_wherever_one_is_a_name(
    words: str, found: list[str], tmp_path: Path
) -> None:
    completing = {
        "_PAYCHAIN_COMPLETE": "complete_bash",
        "COMP_WORDS": f"paychain {words}",
        "COMP_CWORD": str(len(words.split())),
    }
    assert invoked(tmp_path, variables=completing).stdout.split() == found


def _switches() -> list[str]:
    """Every option without a value, behind the command that has it."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    commands: list[tuple[str, Any]] = [("paychain", root)]
    for name, command in root.commands.items():
        commands.append((f"paychain {name}", command))
        commands += [
            (f"paychain {name} {below}", each)
            for below, each in getattr(command, "commands", {}).items()
        ]
    return [
        f"{words} {option.opts[0]}"
        for words, command in commands
        for option in command.params
        if getattr(option, "is_flag", False)
    ]


def test_completing_a_word_does_not_do_what_the_words_before_it_say(tmp_path: Path) -> None:
    # zsh executes what is printed: `paychain --version <TAB>` ran `paychain 0.1.0`.
    assert len(_switches()) > 30
    for words in _switches():
        completing = {
            "_PAYCHAIN_COMPLETE": "complete_zsh",
            "_TYPER_COMPLETE_ARGS": f"{words} --",
        }
        printed = invoked(tmp_path, variables=completing).stdout
        assert printed.startswith(("_arguments '", "_files")), (words, printed)


@pytest.mark.parametrize("name", ["$(id)", "`id`", "a b", "a;id", "a\nb", "a&id", "a\x1b[31m"])
def test_no_file_of_a_repository_is_completed_to_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / f"{name}.yaml").touch()
    (tmp_path / "chains" / "plain.yaml").touch()
    assert not any(name in each for each in names.chains(""))
    assert names.chains("chains/") == ["chains/plain.yaml"]


@pytest.mark.parametrize("target", ['{link: "*"}', "{link: '*'}", '{"link": "*"}'])
def test_a_standard_fault_of_yours_is_listed_and_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chaos").mkdir()
    fault = f"{{at: 0s, for: 2s, target: {target}, latency: {{delay: 1s}}}}"
    (tmp_path / "chaos/our-delay.yaml").write_text(experiment(fault, name="our-delay"))
    assert names.standard_faults("our") == ["our-delay"]
    assert [item.kind for item in listed("experiment") if item.name == "our-delay"] == [
        "standard fault"
    ]
    assert "our-delay" in [fault.model.experiment for fault in standard_faults()]
