"""Defaults from a project's file and from the environment: which one wins, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from paychain.cli.main import app
from paychain.cli.settings import defaults
from paychain.payments.errors import UserError
from tests.support.cli import invoked

ROOT: Any = get_command(app)
CONTEXT = typer.Context(ROOT)


def of(folder: Path, **variables: str) -> dict[str, Any]:
    return defaults(CONTEXT, folder, variables)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.paychain]\nseed = 3\nout = "runs"\n[tool.paychain.run]\nseed = 5\nvirtual = true\n'
    )
    return tmp_path


def test_a_command_and_a_variable_come_before_what_is_general(project: Path) -> None:
    found = of(project)
    assert found["run"]["seed"] == "5"
    assert found["matrix"]["seed"] == "3"
    assert found["run"]["virtual"] is True
    assert of(project, PAYCHAIN_SEED="7")["run"]["seed"] == "7"
    both = of(project, PAYCHAIN_SEED="7", PAYCHAIN_RUN_SEED="8", PAYCHAIN_RUN_VIRTUAL="no")
    assert (both["run"]["seed"], both["matrix"]["seed"]) == ("8", "7")
    assert both["run"]["virtual"] is False


def test_an_option_on_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "paychain.toml").write_text('[list]\nformat = "json"\n')
    assert invoked(tmp_path, "list", "chains").json
    assert invoked(tmp_path, "list", "chains", "--format", "text").stdout.startswith("shipped")


def test_a_file_above_counts_within_the_repository_and_its_paths_are_from_there(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    below = project / "services" / "shop"
    below.mkdir(parents=True)
    assert of(below)["run"]["out"] == str(project / "runs")
    # Outside of a repository, what lies above is anybody's.
    (project / ".git").rmdir()
    assert of(below)["run"] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1\n", "paychain.toml:1:1: no command has an option 'sead'; did you mean 'seed'?"),
        ("\n[runs]\nseed = 1\n", "paychain.toml:2:1: no command 'runs'; did you mean 'run'?"),
        ("[run]\n  workres = 1\n", "paychain.toml:2:3: paychain run has no option 'workres'"),
        ("run.workres = 1\n", "paychain.toml:1:1: paychain run has no option 'workres'"),
        ('seed = "x"\n', "paychain.toml:1:1: --seed: "),
        ("[matrix]\njobs = -1\n", "paychain.toml:2:1: --jobs: "),
        ('[run]\nvirtual = "yes"\n', "paychain.toml:2:1: --virtual takes true or false"),
        ("seed = true\n", "paychain.toml:1:1: --seed takes text or a number"),
        ("seed = [1]\n", "paychain.toml:1:1: --seed takes text or a number"),
        ('[list]\nformat = "xml"\n', "paychain.toml:2:1: --format: "),
        ("[show.chain]\nsvgs = 1\n", "paychain.toml:2:1: paychain show chain has no option 'svgs'"),
        ("seed = \n", "paychain.toml:1:8: not TOML: "),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "paychain.toml").write_text(text)
    with pytest.raises(UserError) as error:
        of(tmp_path)
    assert str(error.value).removeprefix(f"{tmp_path}/").startswith(message)


@pytest.mark.parametrize(
    ("variable", "value"), [("PAYCHAIN_SEED", "x"), ("PAYCHAIN_VIRTUAL", "perhaps")]
)
def test_a_mistake_in_a_variable_names_it(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(UserError, match=variable):
        of(tmp_path, **{variable: value})


def test_a_file_of_others_is_no_matter_of_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("not TOML at all")
    assert of(tmp_path)["run"] == {}


def test_a_variable_that_has_another_meaning_is_no_option() -> None:
    taken = {
        "TOKEN",
        "SIGNING_KEY",
        "TRACEBACK",
        "CONTROL",
        "PREFIX",
        "RUN",
        "CA",
        "URL",
        "VERSION",
    }
    found = defaults(CONTEXT, Path("/"), {f"PAYCHAIN_{name}": "x" for name in taken})
    assert found["heal"] == {}
    assert found["engine"] == {"install": {}}
    del found["show"], found["engine"]  # groups: their commands have none of these either
    assert not any(found.values())
