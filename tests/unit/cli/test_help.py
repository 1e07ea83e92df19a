"""Help texts: every command explains itself, and all in the same way."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from paychain.cli.main import app

EXAMPLE = re.compile(r"Example:\s+(paychain .*)")
ROOT = get_command(app)


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    if isinstance(command, TyperGroup):
        for word, subcommand in command.commands.items():
            yield from commands(f"{name} {word}", subcommand)
    else:
        yield name, command


ALL = dict(commands("paychain", ROOT))


@pytest.mark.parametrize("name", ALL)
def test_a_command_says_what_it_does_and_has_an_example(name: str) -> None:
    text = ALL[name].help
    assert text[0].isupper()
    assert EXAMPLE.search(text), text


@pytest.mark.parametrize("name", ALL)
def test_the_example_of_a_command_is_accepted(name: str) -> None:
    match = EXAMPLE.search(ALL[name].help)
    assert match is not None
    command: Any = ROOT
    words = shlex.split(match[1])[1:]
    while isinstance(command, TyperGroup):
        _, command, words = command.resolve_command(typer.Context(command), words)
    command.make_context(name, list(words))


@pytest.mark.parametrize("name", ALL)
def test_every_option_and_argument_has_a_help(name: str) -> None:
    for parameter in ALL[name].params:
        assert parameter.help, parameter.name
        assert not parameter.help.endswith("."), parameter.help


@pytest.mark.parametrize("option", ["--seed", "--out", "--toxiproxy", "--ctrf", "--prom"])
def test_an_option_has_the_same_help_in_every_command(option: str) -> None:
    # Matrix, explore, merge, learn, compose and k8s write something else; a search is no run; heal
    # needs a running server, and check runs nothing.
    others = {
        "--out": {
            "paychain matrix",
            "paychain explore",
            "paychain merge",
            "paychain learn",
            "paychain compose",
            "paychain k8s",
        },
        "--seed": {"paychain explore"},
        "--toxiproxy": {"paychain heal", "paychain check"},
    }.get(option, set())
    helps = [
        parameter.help
        for name in ALL.keys() - others
        for parameter in ALL[name].params
        if option in parameter.opts
    ]
    assert len(helps) > 1
    assert len(set(helps)) == 1, helps


@pytest.mark.parametrize("name", ALL)
def test_the_usage_of_a_command_is_written_as_usual(name: str) -> None:
    words = name.split()[1:]
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"}).output
    (usage,) = [line.split() for line in shown.splitlines() if line.strip().startswith("Usage:")]
    arguments = usage[2 + len(words) + 1 :]
    argument = re.compile(r"(\[([A-Z]+|[a-z|]+\|[a-z]+)\]|[A-Z]+)(\.\.\.)?")
    assert "[OPTIONS]" in usage
    assert all(argument.fullmatch(each) for each in arguments), usage


def test_a_paragraph_is_as_wide_as_the_terminal_and_an_example_has_its_own_line() -> None:
    shown = CliRunner().invoke(app, ["learn", "--help"], env={"COLUMNS": "200"}).output
    assert "compares the service's timeout, retries, failover" in shown
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    lines = [line.strip() for line in shown.splitlines()]
    before = lines.index("An outage of a provider that has another name in the chain:")
    assert lines[before + 1].startswith("paychain run shop.yaml aws-us-east-1")
