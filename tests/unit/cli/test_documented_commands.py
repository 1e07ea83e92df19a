"""Every command of the docs is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from paychain.cli import reference
from paychain.cli.main import app
from paychain.model.files import SHIPPED, SUFFIXES, available
from tests.support.cli import invoked
from tests.support.paths import ROOT

GENERATED = {"cli.md", "reference.md"}
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in GENERATED),
]
_FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<body>.*?)^ *```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
# A prompt, the path of the command, variables before it; what is printed has none of these.
_COMMAND = re.compile(
    r"^ *(?:\w*\$ +)?(?:[A-Z_]+=\S+ +)*(?:uvx --from \S+ )?(?:\S*/)?paychain (?P<words>.+)$"
)
_REDIRECTED = re.compile(r"^(?:[&|;]|&&|\|\||\d?>.*)$")


class Command(NamedTuple):
    """One command of a page, without what a shell does with it."""

    where: str
    words: list[str]


def commands_in(path: Path) -> Iterator[Command]:
    text = path.read_text("utf-8")
    blocks = [match for match in _FENCE.finditer(text) if match["language"] != "yaml"]
    bodies = [(match.start("body"), match["body"]) for match in blocks]
    outside = _FENCE.sub(lambda match: re.sub(r"[^\n]", "#", match[0]), text)
    bodies += [(match.start(), match[0]) for match in _INDENTED.finditer(outside)]
    for start, body in bodies:
        line = text.count("\n", 0, start) + 1
        lines = body.splitlines()
        for number, written in enumerate(lines):
            whole = written
            following = number
            while whole.endswith("\\") and following + 1 < len(lines):
                following += 1
                whole = whole[:-1] + lines[following]
            match = _COMMAND.match(whole)
            if match is not None:
                yield Command(f"{path.name}:{line + number}", _words(match["words"]))


def _words(text: str) -> list[str]:
    # `reports/<run>` is no redirection for a reader.
    words = shlex.split(text.replace("<run>", "RUN"), comments=True)
    end = next((at for at, word in enumerate(words) if _REDIRECTED.match(word)), len(words))
    return words[:end]


ROOT_COMMAND = get_command(app)
COMMANDS = [command for path in PAGES for command in commands_in(path)]


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The name of a command and its arguments, as it would run with them. Raises on a mistake."""
    command: Any = ROOT_COMMAND
    context = command.make_context("paychain", list(words))
    name = "paychain"
    while getattr(command, "commands", None) and (rest := _rest(context)):
        word, command, rest = command.resolve_command(context, rest)
        name = f"{name} {word}"
        context = command.make_context(word, rest, parent=context)
    return name, dict(context.params)


def _rest(context: Any) -> list[str]:
    return [*getattr(context, "_protected_args", []), *context.args]


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 60
    assert {command.words[0] for command in COMMANDS} >= {"run", "check", "compose", "k8s", "up"}


@pytest.mark.parametrize("command", COMMANDS, ids=[command.where for command in COMMANDS])
def test_a_documented_command_is_one(command: Command) -> None:
    if command.words[0] in ("--version", "--install-completion"):
        return
    _, found = parsed(command.words)
    for kind in ("chain", "experiment"):
        name = found.get(kind)
        if isinstance(name, str) and not ("/" in name or name.endswith(SUFFIXES)):
            assert name in available(kind), f"{command.where}: no {kind} {name}"


@pytest.mark.parametrize(
    "words", [["rum", "card-ecommerce", "steady"], ["run", "card-ecommerce"], ["list", "--nothing"]]
)
def test_what_is_no_command_would_be_found(words: list[str]) -> None:
    with pytest.raises((Exception, SystemExit)):
        parsed(words)


OURS, GIVES_UP = "shop.yaml", ["card-gives-up"]
TUTORIAL = [
    command.words
    for command in COMMANDS
    # The others are runs and a search of shipped files, which other tests have.
    if command.where.startswith("tutorial.md")
    and command.words[1:2] in (GIVES_UP, [OURS])
    and command.words[0] in ("check", "run")
]


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Its first steps in their order, with the change that it asks for."""
    chain = (SHIPPED[0] / "chains/card-gives-up.yaml").read_text("utf-8").splitlines()
    assert chain[26].strip().startswith("on_unknown: give_up")
    chain[26] = chain[26].replace("give_up", "reverse")
    (tmp_path / "shop.yaml").write_text("\n".join(chain), "utf-8")
    page = (ROOT / "docs/tutorial.md").read_text("utf-8")
    (experiment,) = [
        match["body"] for match in _FENCE.finditer(page) if match["language"] == "yaml"
    ]
    (tmp_path / "cloud-down.yaml").write_text(experiment, "utf-8")
    codes = [invoked(tmp_path, *words).exit_code for words in TUTORIAL]
    assert [words[0] for words in TUTORIAL] == ["run", "check", "run", "run"]
    assert codes == [1, 0, 0, 0]


def test_the_page_of_the_commands_is_up_to_date() -> None:
    text = (ROOT / "docs/cli.md").read_text("utf-8")
    assert text == reference.page(), "renew it: python -m paychain.cli.reference > docs/cli.md"
